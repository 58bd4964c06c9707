"""How much more hypervolume one experiment's fronts gain over the base than another's: the same rewards, prompts and noise.

    python benches/hypervolumes.py MOA DIR OTHER

DIR and OTHER are what `benches/seeds.py --out` wrote for two experiments with the same seeds. For each seed, on two scales: 0 and 1 of
each reward as they are, and 0 and 1 for the worst and the best mean of base and corners in DIR (docs/decisions/016).
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys


def front(moa, folder):
    """Returns the rewards' names, the points' means by name, and the scale that the results keep: reference and best."""
    said = json.loads(subprocess.run([moa, "front", folder, "--json"], check=True, capture_output=True, text=True).stdout)
    names = list(said["reference_point"])
    points = {point["id"]: [point["rewards"][name]["mean"] for name in names] for point in said["points"]}
    return names, points, (list(said["reference_point"].values()), list(said["best_point"].values()))


def volume(points):
    """Returns the volume that points dominate above 0, by slices along the last coordinate."""
    points = [point for point in points if min(point) > 0]
    if not points:
        return 0.0
    if len(points[0]) == 1:
        return max(point[0] for point in points)
    levels = sorted({point[-1] for point in points})
    slices = zip([0, *levels], levels)
    return sum((top - bottom) * volume([point[:-1] for point in points if point[-1] >= top]) for bottom, top in slices)


def gain(points, reference, best):
    """Returns the hypervolume of all points less that of the base alone."""
    scaled = {
        name: [(value - low) / (high - low) for value, low, high in zip(point, reference, best)] for name, point in points.items()
    }
    return volume(list(scaled.values())) - volume([scaled["base"]])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("moa")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("other", type=pathlib.Path)
    options = parser.parse_args()
    ratios = {}
    for own in sorted(options.folder.glob("seed-*/out")):
        names, points, stored = front(options.moa, own)
        other_names, others, _ = front(options.moa, options.other / own.relative_to(options.folder))
        if names != other_names:
            sys.exit(f"{own} has the rewards {names}, {options.other} has {other_names}")
        if any(abs(a - b) > 1e-6 for a, b in zip(points["base"], others["base"])):
            sys.exit(f"the base of {own} scores otherwise than that of {options.other}: other prompts, noise or models")
        for scale, ends in {"0 to 1": ([0.0] * len(names), [1.0] * len(names)), "base and corners": stored}.items():
            here, there = gain(points, *ends), gain(others, *ends)
            ratios.setdefault(scale, []).append(here / there if there > 0 else float("inf"))
            print(f"{own.parent.name}, {scale}: {here:.4f} against {there:.4f}, {ratios[scale][-1]:.1f} times")
    if not ratios:
        sys.exit(f"{options.folder} holds no sweep: seed-1/out and so on")
    for scale, all_of in ratios.items():
        print(f"{scale}: {statistics.median(all_of):.1f} times (median; {min(all_of):.1f} to {max(all_of):.1f})")


if __name__ == "__main__":
    main()
