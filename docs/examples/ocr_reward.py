"""A reward for moa: whether an image shows the text that its prompt quotes, by RapidOCR, as Flow-GRPO (2505.05470) scores it.

1 - edits / length, where edits are those from the text that is read to the quoted one, at most its length; 1 where the quoted text is
anywhere in what is read. Case and blanks do not count. In the experiment, after `pip install rapidocr-onnxruntime pillow`:

    (name: "text", kind: Program(command: ["python", "ocr_reward.py"]))

with prompts such as: a shop window with the sign "Open late"
"""

import base64
import io
import json
import re
import sys

answers, sys.stdout = sys.stdout, sys.stderr  # What libraries print must not be taken for an answer.

import numpy as np
from PIL import Image
from rapidocr_onnxruntime import RapidOCR

reader = RapidOCR()


def say(answer):
    print(json.dumps(answer), file=answers, flush=True)


def plain(text):
    return "".join(text.split()).lower()


def quoted(prompt):
    """Returns the first text in double quotes, straight or curly."""
    found = re.search(r'["“]([^"“”]+)["”]', prompt)
    if found is None or not plain(found[1]):
        raise ValueError(f'the prompt {prompt!r} quotes no text: write it as a sign that says "Open late"')
    return plain(found[1])


def edits(a, b):
    """Returns how many insertions, deletions and replacements lead from one text to the other (Levenshtein)."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        above, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (x != y))
    return row[-1]


def score(picture, prompt):
    wanted = quoted(prompt)
    image = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
    lines, _ = reader(np.asarray(image)[:, :, ::-1])  # It takes blue, green and red.
    seen = plain("".join(text for _, text, _ in lines or []))
    return 1.0 if wanted in seen else 1 - min(edits(seen, wanted), len(wanted)) / len(wanted)


def main():
    hello = json.loads(sys.stdin.readline())
    assert hello["protocol"] == 1, hello
    say({"protocol": 1, "name": "ocr", "unit": "share of the text", "range": [0, 1]})
    for line in sys.stdin:
        request = json.loads(line)
        try:
            scores = [score(*pair) for pair in zip(request["pictures"], request["prompts"])]
            say({"id": request["id"], "scores": scores})
        except Exception as error:
            say({"id": request["id"], "error": str(error)})


if __name__ == "__main__":
    main()
