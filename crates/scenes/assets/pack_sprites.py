#!/usr/bin/env python3
"""Rasterises the emoji of `CONCEPTS` into `sprites.png` and describes them in `sprites.json`.

Ran with Python 3.11, resvg_py 0.5.0, pillow 13.0.0, and the npm packages named in `VENDORS`:

    pip install resvg_py==0.5.0 pillow==13.0.0
    for p in twemoji@1.2.5 noto@1.2.9 noto-v1@1.2.5 fluent-emoji-flat@1.2.6 emojione@1.2.3; do
        npm pack @iconify-json/$p
    done
    python pack_sprites.py DIRECTORY_OF_THE_TGZ_FILES

`sprites.png` is RGBA with straight (not premultiplied) alpha, and sRGB values. Row k of cells is concept k, 24 px
high. A row holds the five vendors at 24 px side by side, then the five vendors at 15 px, aligned to the top.
A cell whose vendor lacks the concept is transparent, and `sprites.json` leaves that vendor out.
"""
import io
import json
import sys
import tarfile
from pathlib import Path

import resvg_py
from PIL import Image

SIZES = (24, 15)

# id in this crate, npm package, version, licence
VENDORS = [
    ("twemoji", "@iconify-json/twemoji", "1.2.5", "CC-BY-4.0"),
    ("noto", "@iconify-json/noto", "1.2.9", "Apache-2.0"),
    ("noto-v1", "@iconify-json/noto-v1", "1.2.5", "Apache-2.0"),
    ("fluent", "@iconify-json/fluent-emoji-flat", "1.2.6", "MIT"),
    ("emojione", "@iconify-json/emojione", "1.2.3", "CC-BY-4.0"),
]

# name in captions, icon in the packs, vendors left out because their drawing is faint, hard to see on a background,
# or taken for something else
CONCEPTS = [
    ("apple", "red-apple", ()),
    ("banana", "banana", ()),
    ("strawberry", "strawberry", ()),
    ("grapes", "grapes", ()),
    ("carrot", "carrot", ()),
    ("mushroom", "mushroom", ()),
    ("donut", "doughnut", ()),
    ("tulip", "tulip", ()),
    ("sunflower", "sunflower", ()),
    ("tree", "deciduous-tree", ("noto-v1",)),
    ("cactus", "cactus", ()),
    ("sun", "sun", ()),
    ("moon", "crescent-moon", ("twemoji",)),
    ("star", "star", ()),
    ("heart", "red-heart", ()),
    ("house", "house", ()),
    ("car", "automobile", ()),
    ("rocket", "rocket", ()),
    ("boat", "sailboat", ()),
    ("ball", "soccer-ball", ()),
    ("crown", "crown", ()),
    ("umbrella", "umbrella", ()),
    ("ghost", "ghost", ()),
    ("cat", "cat-face", ("noto-v1",)),
    ("dog", "dog-face", ("noto-v1",)),
    ("fish", "fish", ()),
    ("butterfly", "butterfly", ()),
    ("frog", "frog", ()),
    ("panda", "panda", ()),
    ("penguin", "penguin", ()),
    ("knife", "kitchen-knife", ()),
    ("swords", "crossed-swords", ()),
    ("bow", "bow-and-arrow", ()),
    ("bomb", "bomb", ()),
    ("explosion", "collision", ()),
    ("beer", "beer-mug", ()),
    ("wine", "wine-glass", ()),
    ("cocktail", "cocktail-glass", ("emojione",)),
    ("champagne", "bottle-with-popping-cork", ()),
    ("cigarette", "cigarette", ("noto-v1",)),
]


def load_pack(directory, package, version):
    """Returns the icon set of an `npm pack` archive."""
    name = f"{package.removeprefix('@').replace('/', '-')}-{version}.tgz"
    with tarfile.open(Path(directory) / name) as archive:
        return json.load(archive.extractfile("package/icons.json"))


def svg_of(pack, icon):
    """Returns the icon as an SVG document, or None where the vendor lacks it."""
    body = pack["icons"].get(icon)
    if body is None and icon in pack.get("aliases", {}):
        body = pack["icons"].get(pack["aliases"][icon]["parent"])
    if body is None:
        return None
    left, top = (body.get(k, pack.get(k, 0)) for k in ("left", "top"))
    width, height = (body.get(k, pack.get(k, 16)) for k in ("width", "height"))
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{left} {top} {width} {height}" width="{width}" height="{height}">{body["body"]}</svg>'
    )


def render(svg, size):
    """Returns the SVG as an RGBA image whose fully transparent pixels are zero."""
    png = resvg_py.svg_to_bytes(svg_string=svg, width=size, height=size)
    picture = Image.open(io.BytesIO(bytes(png))).convert("RGBA")
    clear = Image.new("RGBA", picture.size)
    return Image.composite(picture, clear, picture.getchannel("A").point(lambda a: 255 if a else 0))


def main(directory):
    packs = {vendor: load_pack(directory, package, version) for vendor, package, version, _ in VENDORS}
    columns, left = {}, 0
    for size in SIZES:
        for vendor, *_ in VENDORS:
            columns[size, vendor] = left
            left += size
    atlas = Image.new("RGBA", (left, SIZES[0] * len(CONCEPTS)))
    concepts = []
    for row, (name, icon, left_out) in enumerate(CONCEPTS):
        present = []
        for vendor, *_ in VENDORS:
            svg = None if vendor in left_out else svg_of(packs[vendor], icon)
            if svg is None:
                continue
            present.append(vendor)
            for size in SIZES:
                atlas.paste(render(svg, size), (columns[size, vendor], row * SIZES[0]))
        if len(present) < 4:
            sys.exit(f"{name}: only {present}")
        concepts.append({"name": name, "icon": icon, "vendors": present})
    here = Path(__file__).parent
    atlas.save(here / "sprites.png", optimize=True)
    index = {
        "version": 1,
        "sizes": SIZES,
        "vendors": [dict(zip(("name", "package", "version", "licence"), v)) for v in VENDORS],
        "concepts": concepts,
    }
    (here / "sprites.json").write_text(json.dumps(index, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
