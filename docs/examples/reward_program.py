"""A reward for moa: mean brightness, by Pillow. In the experiment: Program(command: ["python", "reward_program.py"])."""

import base64
import io
import json
import sys

from PIL import Image, ImageStat

answers, sys.stdout = sys.stdout, sys.stderr  # What libraries print must not be taken for an answer.


def say(answer):
    print(json.dumps(answer), file=answers, flush=True)


def score(picture, prompt):
    """Returns the score of one PNG file; a model of yours goes here, and is loaded above, once."""
    grey = Image.open(io.BytesIO(base64.b64decode(picture))).convert("L")
    return ImageStat.Stat(grey).mean[0] / 255


hello = json.loads(sys.stdin.readline())
assert hello["protocol"] == 1, hello
say({"protocol": 1, "name": "brightness", "unit": "mean luma", "range": [0, 1]})
for line in sys.stdin:
    request = json.loads(line)
    say({"id": request["id"], "scores": list(map(score, request["pictures"], request["prompts"]))})
