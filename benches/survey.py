"""The survey's table, method by method: what each needs, what its adapters gain, what the judges say, what it costs.

    moa compare results/survey/* --points trained --format json | python benches/survey.py > docs/survey/methods.md

Means over the seeds, with the least and the greatest; ↑ where the 95 % interval over prompts excludes 0 and every seed is above it. Gains are in
the base's standard deviations within prompts, of the reward that an adapter was trained for, and of both rewards where it was trained for both.
"""

import json
import sys

FAMILIES = [
    ("reward-weighted likelihood", "scores", ["rwr", "rwr-sparse", "raft"]),
    ("policy gradient", "scores", ["ddpo", "dpok", "flow-grpo", "flow-grpo-fast", "mix-grpo", "grpo-guard"]),
    ("direct preferences", "votes", ["dpo", "dpo-losses", "dpo-stored", "d3po", "kto"]),
    ("differentiable rewards", "gradients", ["draft-1", "draft-lv", "alignprop", "refl", "refl-tied", "adjoint-matching"]),
    ("forward process", "scores", ["diffusion-nft", "awm", "dgpo", "crd"]),
    ("scalarisation", "", ["refl-chebyshev", "refl-unopposed", "refl-constraint", "nft-constraint"]),
    ("beside the whole of LoRA", "gradients", ["refl-cross-attention", "refl-late-layers", "refl-rank-2"]),
]


def figure(of, digits=2):
    """Returns a mean with its seeds, marked where it is above 0."""
    if of is None:
        return "–"
    seeds, mark = of["seeds"], ""
    if of["lo"] is not None and of["lo"] > 0 and min(seeds) > 0:
        mark = " ↑"
    if of["hi"] is not None and of["hi"] < 0 and max(seeds) < 0:
        mark = " ↓"
    spread = f" ({min(seeds):+.{digits}f} to {max(seeds):+.{digits}f})" if len(seeds) > 1 else ""
    return f"{of['mean']:+.{digits}f}{spread}{mark}".replace("-", "−")


def main():
    compared = json.load(sys.stdin)
    found = {experiment["name"]: experiment for experiment in compared["experiments"]}
    rewards = compared["rewards"]
    names = [reward["name"] if isinstance(reward, dict) else reward for reward in rewards]
    print(f"| method | feedback | images | {' | '.join(f'own {name} / sd' for name in names)} | centre: {', '.join(names)} / sd "
          "| judges / own gain | second CLIP | objects | judge of safety | distance |")
    print("|---|---|---|" + "---|" * (len(names) + 6))
    for family, feedback, members in FAMILIES:
        print(f"| **{family}** |" + " |" * (len(names) + 8))
        for name in members:
            if name not in found:
                continue
            of = found[name]
            centre = next((point for point in of["points"] if point["id"] == "centre"), None)
            both = " · ".join(figure(centre["gains_in_deviations"][reward]) for reward in names) if centre else "–"
            own = " | ".join(figure(of["own_gains"].get(reward)) for reward in names)
            judges = of["judges"]
            slope, distance = of["judges_per_own_gain"], of["distance_to_base"]
            print(f"| `{name}` | {feedback} | {of['images']['mean']:,.0f} | {own} | {both} | {figure(slope)} | {figure(judges['clip_alignment'], 3)} "
                  f"| {figure(judges['attributes'])} | {figure(judges['attribute_safety'], 3)} | {distance['mean']:.0f} |")


if __name__ == "__main__":
    main()
