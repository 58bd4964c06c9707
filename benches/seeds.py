"""What an experiment's training gains with several seeds, on prompts and noise that chose nothing: how far claims about it hold.

    python benches/seeds.py MOA EXPERIMENT.ron --out DIR [--seeds 1 2 3] [--held-out emoji-hard-fresh] [--only-corners]
        [--csv FILE] [--device flex]

Sweeps the experiment once for each training seed, with evaluation noise of the seed's own, on the held-out prompts named; goes on
where it stopped. Prints each trained point's gains over the base, mean and range of the seeds, of rewards and judges; of rewards also in the base's
standard deviations within prompts, over the prompts whose images the reward tells apart ("/ sd"), and the plain gain on all others, of
the reward's own specialist in the judges, too ("elsewhere": of safety, prompts that name nothing unsafe).
"""

import argparse
import csv
import io
import json
import pathlib
import re
import statistics
import subprocess
import sys

import table


def varied(text, seed, held_out, only_corners):
    """Returns the experiment file with another seed, evaluation noise and held-out prompts."""

    def once(pattern, replacement, text):
        text, count = re.subn(pattern, replacement, text, count=1, flags=re.M)
        if not count:
            sys.exit(f"the experiment has nothing like {pattern!r}: write that field out")
        return text

    text = re.sub(r"//.*", "", text)
    text = once(r"^    seed: \d+", f"    seed: {seed}", text)
    text = once(r'held_out: Set\("[^"]+"\)', f'held_out: Set("{held_out}")', text)
    text = once(r"evaluation: \((seed: \d+, )?", f"evaluation: (seed: {1000 + seed}, ", text)
    if only_corners:
        # Whatever the lists span, up to the next field of the experiment.
        for field, value in (("soups", ""), ("weightings", "    weightings: [Corners],\n    soups: [],\n")):
            text = re.sub(rf"^    {field}: .*?(?=^    \w+:)", value, text, count=1, flags=re.M | re.S)
    return text


# A reward varies on prompts with at least this share of the largest variance, as moa has it.
VARIES = 0.01


def elsewhere(moa, results):
    """Returns what points gain over the prompts on which the base's images hardly differ in a reward, where there are any: in the reward,
    and of its own specialist in all judges."""
    said = subprocess.run([moa, "export", results, "--what", "evaluations"], check=True, capture_output=True, text=True).stdout
    means, variances, judges = {}, {}, {}
    for row in csv.DictReader(io.StringIO(said)):
        means.setdefault((row["id"], row["column"]), {})[row["prompt"]] = float(row["mean"])
        if row["role"] == "judge":
            judges[row["column"]] = None
        elif row["id"] == "base" and row["variance"]:
            variances.setdefault(row["column"], {})[row["prompt"]] = float(row["variance"])
    gains = {}

    def gain(point, column, prompts):
        values, base = means[point, column], means["base", column]
        if common := [prompt for prompt in prompts if prompt in values]:
            gains[point, column] = statistics.mean(values[prompt] - base[prompt] for prompt in common)

    for reward, of in variances.items():
        still = [prompt for prompt, variance in of.items() if variance < VARIES * max(of.values())]
        for point in {point for point, _ in means if point != "base"} if still else ():
            gain(point, reward, still)
            for judge in judges if point == reward else ():
                gain(point, judge, still)
    return gains


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("moa")
    parser.add_argument("experiment", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--held-out", default="emoji-hard-fresh")
    parser.add_argument("--only-corners", action="store_true", help="leave the mixtures out")
    parser.add_argument("--csv", type=pathlib.Path)
    parser.add_argument("--device", default="flex")
    options = parser.parse_args()
    rows = []
    for seed in options.seeds:
        folder = options.out / f"seed-{seed}"
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / options.experiment.name
        file.write_text(varied(options.experiment.read_text(), seed, options.held_out, options.only_corners))
        command = [options.moa, "sweep", file, "--plain", "--quiet", "--out", folder / "out", "--device", options.device]
        if subprocess.run(command, stdout=subprocess.DEVNULL).returncode:
            sys.exit(f"{file} cannot be swept")
        said = subprocess.run([options.moa, "front", folder / "out", "--json"], check=True, capture_output=True, text=True).stdout
        rest = elsewhere(options.moa, folder / "out")
        for point in json.loads(said)["points"]:
            if point["id"] == "base":
                continue
            for (of, column), gain in rest.items():
                if of == point["id"]:
                    rows.append(dict(seed=seed, point=of, kind="elsewhere", column=column, gain=gain, lo=None, hi=None, suspected=None))
            for column, gain in point["reward_gains_in_deviations"].items():
                rows.append(dict(seed=seed, point=point["id"], kind="deviations", column=column, gain=gain, lo=None, hi=None, suspected=None))
            for kind in ("reward", "judge"):
                for column, gain in point[f"{kind}_differences"].items():
                    row = dict(seed=seed, point=point["id"], kind=kind, column=column, gain=gain["mean"], lo=gain["lo"], hi=gain["hi"])
                    rows.append(row | dict(suspected=len(point["suspected_hacking"])))
        print(f"seed {seed} is done", flush=True)
    if options.csv:
        table.write(options.csv, rows, digits=5)
    for point in dict.fromkeys(row["point"] for row in rows):
        own = [row for row in rows if row["point"] == point]
        marked = len({row["seed"] for row in own if row["suspected"]})
        print(f"\n{point}: suspected of hacking in {marked} of {len(options.seeds)} seeds")
        for kind, column in dict.fromkeys((row["kind"], row["column"]) for row in own):
            gains = [row["gain"] for row in own if (row["kind"], row["column"]) == (kind, column) and row["gain"] is not None]
            if gains:
                of = {"deviations": f"{column} / sd", "elsewhere": f"{column} elsewhere"}.get(kind, column)
                print(f"  {of:<22} {statistics.mean(gains):+.4f} ({min(gains):+.4f} to {max(gains):+.4f})")


if __name__ == "__main__":
    main()
