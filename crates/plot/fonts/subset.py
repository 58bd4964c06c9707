"""Makes the font subsets of this folder from Debian's fonts-inter (fonttools 4): python subset.py FOLDER_OF_INTER_OTFS"""

import sys

from fontTools import subset
from fontTools.ttLib import TTFont

CHARACTERS = [
    *range(0x20, 0x7F),  # ASCII
    *range(0xA0, 0x180),  # Latin-1 and Latin Extended-A
    *range(0x391, 0x3CA),  # Greek
    *range(0x2010, 0x2015), 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2026, 0x2030, 0x2032, 0x20AC,  # punctuation
    *range(0x2190, 0x219A),  # arrows
    0x2202, 0x2206, 0x220F, 0x2211, 0x2212, 0x2215, 0x2219, 0x221A, 0x221E, 0x222B, 0x2248, 0x2260, 0x2264, 0x2265,  # signs
    0x25CF, 0x25C6, 0x2605, 0x2713, 0x2715,  # marks
    0x2070, *range(0x2074, 0x207A), *range(0x2080, 0x2085),  # raised and lowered digits
]

for weight in ["Regular", "SemiBold"]:
    font = TTFont(f"{sys.argv[1]}/Inter-{weight}.otf")
    options = subset.Options()
    options.layout_features = []
    options.hinting = False
    options.name_IDs = [0, 1, 2, 3, 4, 5, 6, 13, 14]
    options.notdef_outline = True
    options.drop_tables += ["GPOS", "GSUB", "GDEF", "DSIG", "meta"]
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=CHARACTERS)
    subsetter.subset(font)
    font.save(f"inter-{weight.lower()}-subset.otf")
