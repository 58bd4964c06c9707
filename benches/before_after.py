"""Two versions of the built-in model at equal prompts and noise, in six steps.

    python benches/before_after.py MOA BEFORE --out FILE.png

BEFORE is the folder that `moa export-model` of the earlier version wrote. Eight prompts in a block: the upper row is BEFORE, the lower
one MOA's own model. Prompts are of the kinds that both were trained on. Needs Pillow.
"""

import argparse
import pathlib
import tempfile

import sheet

ACROSS = 8
PROMPTS = [
    *["a cat on a blue background", "a beer on a white background", "a rocket on a black background", "a butterfly on a gray background"],
    *["a house on a green background", "a bow on a yellow background", "a strawberry on a purple background", "a fish on a red background"],
    *["a dog left of a star on a blue background", "a star left of a dog on a blue background", "an apple above a car on a gray background"],
    *["a car above an apple on a gray background", "a panda right of a tulip on a white background"],
    *["a tulip right of a panda on a white background", "wine below a sun on a black background", "a sun below wine on a black background"],
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("moa")
    parser.add_argument("before", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "sheet.png"
        versions = [sheet.cells(options.moa, [], PROMPTS, file, seed=options.seed, base=base)[0] for base in (options.before, "emoji-32")]
    sheet.put([version[at : at + ACROSS] for at in range(0, len(PROMPTS), ACROSS) for version in versions], options.out)


if __name__ == "__main__":
    main()
