"""Sheets of images without names, as `moa sample --unlabelled` draws them, taken apart and put together anew. Needs Pillow."""

import itertools
import subprocess

MARGIN, GAP = 16, 4


def cells(moa, adapters, prompts, file, *, count=1, seed=0, base="emoji-32"):
    """Draws base and adapters with the same prompts and noise, and returns the images: `[model][prompt · count]`."""
    from PIL import Image

    command = [moa, "sample", *adapters, "--unlabelled", "--quiet", "--steps", "6", "--count", str(count), "--seed", str(seed), "--base", base]
    asked = itertools.chain.from_iterable(("--prompt", text) for text in prompts)
    subprocess.run([*command, "--output", file, *asked], check=True)
    sheet = Image.open(file).convert("RGB")
    rows, columns = len(adapters) + 1, len(prompts) * count
    width = (sheet.width - 2 * MARGIN - (columns - 1) * GAP) // columns
    height = (sheet.height - 2 * MARGIN - (rows - 1) * GAP) // rows

    def cell(row, column):
        left, top = MARGIN + column * (width + GAP), MARGIN + row * (height + GAP)
        return sheet.crop((left, top, left + width, top + height))

    return [[cell(row, column) for column in range(columns)] for row in range(rows)]


def put(rows, file):
    """Writes rows of images of one size as one sheet."""
    from PIL import Image

    width, height = rows[0][0].size
    across, down = max(map(len, rows)), len(rows)
    size = (2 * MARGIN + across * (width + GAP) - GAP, 2 * MARGIN + down * (height + GAP) - GAP)
    sheet = Image.new("RGB", size, "white")
    for row, images in enumerate(rows):
        for column, image in enumerate(images):
            sheet.paste(image, (MARGIN + column * (width + GAP), MARGIN + row * (height + GAP)))
    sheet.save(file, optimize=True)
