"""The slider from one specialist to another: eleven mixtures of two adapters, the same prompt and noise, a row for each prompt.

    python benches/strip.py MOA RESULTS FROM TO --out FILE.png [--prompt TEXT …] [--seed 0]

Merges with `moa merge --adapters` in steps of a tenth, from FROM alone at the left to TO alone at the right. Needs Pillow.
"""

import argparse
import pathlib
import subprocess
import tempfile

import sheet

PROMPTS = [
    "a red cat left of a green dog on a white background",
    "a beer right of an apple on a gray background",
    "a rocket above a moon on a purple background",
    "a bomb on a yellow background",
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("moa")
    parser.add_argument("results", type=pathlib.Path)
    parser.add_argument("ends", nargs=2, metavar=("FROM", "TO"))
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--prompt", action="append", help="a row's prompt; may be given several times")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    prompts = options.prompt or PROMPTS
    here, there = (options.results / "runs" / end for end in options.ends)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        mixtures = []
        for tenth in range(11):
            mixture = folder / f"{tenth:02}"
            shares = [f"{run}={share / 10:.1f}" for run, share in ((here, 10 - tenth), (there, tenth)) if share]
            subprocess.run([options.moa, "merge", "--quiet", "--adapters", *shares, "-o", mixture], check=True)
            mixtures.append(mixture)
        _base, *rows = sheet.cells(options.moa, mixtures, prompts, folder / "sheet.png", seed=options.seed)
    # A row of the sheet is a mixture, one of the strip is a prompt.
    sheet.put([list(row) for row in zip(*rows)], options.out)


if __name__ == "__main__":
    main()
