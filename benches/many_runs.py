#!/usr/bin/env python3
"""How long a results folder with thousands of runs takes to be opened, listed and gathered.

    benches/many_runs.py MOA FOLDER [--runs 5000]

Trains one run of a tiny experiment, gives all others a copy of its files under their own names (their logs say whose they are, with checksums),
and times `moa front`, `moa report`, `moa export` and `moa gather` on the whole. FOLDER is made, and takes about 150 kB for a run.
"""
import argparse
import csv
import json
import pathlib
import resource
import shutil
import subprocess
import sys
import time
import zlib

EXPERIMENT = """(
    name: "many",
    rewards: [(kind: Colourfulness), (kind: Harmony)],
    weightings: [Corners, Dirichlet(count: {draws})],
    soups: [],
    sampler: (kind: Ode(order: 1), steps: 2),
    lora: (rank: 1),
    training: (
        epochs: 2, prompts_per_epoch: 1, images_per_prompt: 2,
        method: Differentiable(through: SingleStep(from: 1, to: 2)), probe: (every: 0), guard: Off,
    ),
    evaluation: (prompts: 32, images_per_prompt: 2, steps: 2, resamples: 100, grid_prompts: 1),
)
"""


def entries(log):
    return [json.loads(line[9:]) for line in log.read_bytes().splitlines()]


def write(log, records):
    lines = []
    for record in records:
        text = json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode()
        lines.append(b"%08x " % zlib.crc32(text) + text + b"\n")
    log.write_bytes(b"".join(lines))


def renamed(record, run, shares):
    """Returns an entry of the first run as another run's."""
    kind, body = next(iter(record.items()))
    if kind == "Opened":
        weighting = "[" + ", ".join(shown(share) for share in shares) + "]"
        lines = [
            f"run = {run}" if line.startswith("run = ") else f"weighting = {weighting}" if line.startswith("weighting = ") else line
            for line in body["facts"].splitlines()
        ]
        body = {**body, "facts": "\n".join(lines) + "\n", "weighting": shares}
    elif kind == "Epoch":
        body = {**body, "run": run}
    elif kind == "Evaluated":
        body = {**body, "record": {**body["record"], "id": run, "weighting": shares}}
    return {kind: body}


def shown(share):
    """Returns a number as Rust's {:?} shows it."""
    text = repr(float(share))
    if "e-" in text:
        mantissa, exponent = text.split("e-")
        text = f"{mantissa}e-{int(exponent)}"
    return text


def timed(label, command, ok=(0,)):
    began = time.monotonic()
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    seconds = time.monotonic() - began
    if done.returncode not in ok:
        sys.exit(f"{label}: exit code {done.returncode}\n{done.stderr.decode()[-2000:]}")
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    memory = f"{most >> 10} MiB" if most > before else f"at most {most >> 10} MiB"
    print(f"{label:<34}{seconds:8.2f} s   {memory}", flush=True)
    return done.stdout.decode()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("moa")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--runs", type=int, default=5000)
    arguments = parser.parse_args()
    moa, folder, runs = arguments.moa, arguments.folder, arguments.runs
    folder.mkdir(parents=True)
    file, results = folder / "many.ron", folder / "results"
    file.write_text(EXPERIMENT.format(draws=runs - 2))
    timed("one run trained", [moa, "sweep", file, "--out", results, "--partition", f"1/{runs}", "--quiet"])
    rows = list(csv.DictReader(timed("weightings listed", [moa, "export", results, "--what", "weightings", "--format", "csv"]).splitlines()))
    shares = {}
    for row in rows:
        shares.setdefault(row["id"], []).append(float(row["share"]))
    first, *others = shares
    source = results / "runs" / first
    records = entries(source / "log.jsonl")
    for run in others:
        target = results / "runs" / run
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("log.jsonl", "samples.png", "checkpoint.bin"))
        write(target / "log.jsonl", [renamed(record, run, shares[run]) for record in records])
    print(f"{len(shares)} runs", flush=True)
    timed("front, from logs alone", [moa, "front", results])
    timed("gather, the first time", [moa, "gather", results, "--quiet"])
    timed("gather, again", [moa, "gather", results, "--quiet"])
    timed("front", [moa, "front", results])
    timed("report", [moa, "report", results, "--soups", "0", "-o", folder / "report.html"])
    timed("export of all epochs", [moa, "export", results, "--format", "csv", "-o", folder / "epochs.csv"])
    timed("repair", [moa, "repair", results, "--quiet"])


if __name__ == "__main__":
    main()
