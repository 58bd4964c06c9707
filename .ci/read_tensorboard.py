"""Reads event files by TensorBoard, and holds them to moa's tables.

    python read_tensorboard.py FOLDER EPOCHS.csv EVALUATIONS.csv

Of .ci/tensorboard, which says what is swept.
"""

import csv
import io
import json
import sys
import time
import urllib.request
from collections import defaultdict

import numpy as np
from PIL import Image
from tensorboard import program
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

folder, epochs_file, evaluations_file = sys.argv[1:]
POINTS = ["base", "vivid", "harmony", "soup-vivid50-harmony50"]
EVERYTHING = {"scalars": 0, "images": 0, "tensors": 0}


def single(value):
    """Event files keep scalars in single precision."""
    return float(np.float32(value))


curves = defaultdict(dict)
for row in csv.DictReader(open(epochs_file)):
    curves[row["run"], row["metric"]][int(row["epoch"])] = single(float(row["value"]))
means = defaultdict(list)
for row in csv.DictReader(open(evaluations_file)):
    means[row["id"], row["column"]].append(float(row["mean"]))

found = {}
for point in POINTS:
    events = EventAccumulator(f"{folder}/{point}", size_guidance=EVERYTHING)
    events.Reload()
    found[point] = events

for (run, metric), curve in curves.items():
    seen = [(event.step, event.value) for event in found[run].Scalars(metric)]
    assert seen == sorted(curve.items()), f"{run} {metric}: {seen} is not {sorted(curve.items())}"
assert any(metric == "reward/vivid/epoch_gain" for _, metric in curves), "epochs are compared with the base"

for (point, column), values in means.items():
    [event] = found[point].Scalars(f"evaluation/{column}/mean")
    mean = sum(values) / len(values)
    assert abs(event.value - mean) < 1e-5, f"{point} {column}: {event.value} is not {mean}"
    gains = [tag for tag in found[point].Tags()["scalars"] if tag.startswith(f"evaluation/{column}/gain")]
    if point == "base":
        assert not gains, gains
    else:
        values = [found[point].Scalars(tag)[0].value for tag in sorted(gains)]
        assert len(values) in (1, 3), gains
        if len(values) == 3:
            gain, high, low = values
            assert low <= gain <= high, f"{point} {column}: {low} {gain} {high}"

for point in POINTS:
    tags = found[point].Tags()["images"]
    assert len(tags) == 3 and all(tag.startswith("images/0") for tag in tags), tags
    for tag in tags:
        [event] = found[point].Images(tag)
        image = Image.open(io.BytesIO(event.encoded_image_string))
        # Two images of 32 x 32, side by side.
        assert image.size == (event.width, event.height) == (64, 32), image.size
        assert len(image.getcolors(1 << 20)) > 4, "an image shows something"

    shown = [[found[who].Images(tag)[0].encoded_image_string for tag in tags] for who in (point, "base")]
    assert point == "base" or shown[0] != shown[1], f"{point} draws what the base does"

# The server: what a user sees.
board = program.TensorBoard()
board.configure(argv=[None, "--logdir", folder, "--port", "0", "--host", "127.0.0.1"])
url = board.launch().rstrip("/")


def ask(path, request=None):
    data = None if request is None else json.dumps(request).encode()
    headers = {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(f"{url}/data/{path}", data, headers), timeout=60) as answer:
        return json.load(answer)


for _ in range(60):
    runs = ask("runs")
    if set(POINTS) <= set(runs):
        break
    time.sleep(1)
assert set(POINTS) <= set(runs), runs
experiment = ask("plugin/hparams/experiment", {"experimentName": "", "hparamsLimit": 1000})
names = {info["name"] for info in experiment["hparamInfos"]}
assert {"kind", "share/vivid", "training.epochs", "optimiser.learning_rate", "kl/vivid", "seed"} <= names, names
request = {
    "allowedStatuses": ["STATUS_SUCCESS", "STATUS_RUNNING", "STATUS_UNKNOWN", "STATUS_FAILURE"],
    "colParams": [{"metric": {"tag": "evaluation/vivid/mean", "group": ""}}],
    "startIndex": 0,
    "sliceSize": 100,
}
groups = ask("plugin/hparams/session_groups", request)["sessionGroups"]
sessions = {group["hparams"]["kind"] + " " + group["name"]: group for group in groups}
assert len(groups) == len(POINTS), list(sessions)
for point, kind in zip(POINTS, ["base", "trained", "trained", "soup"]):
    group = sessions[f"{kind} {point}"]
    assert group["hparams"]["training.epochs"] == 40, group
    if kind == "soup":
        assert group["hparams"]["share/vivid"] == 0.5, group
    [session] = group["sessions"]
    assert session["status"] == "STATUS_SUCCESS", session
    [value] = [value["value"] for value in session["metricValues"] if value["name"]["tag"] == "evaluation/vivid/mean"]
    mean = sum(means[point, "vivid"]) / len(means[point, "vivid"])
    assert abs(value - mean) < 1e-5, f"{value} is not {mean}"
print(f"{folder}: {len(curves)} curves, {len(means)} means, {3 * len(POINTS)} images, {len(groups)} sessions")
