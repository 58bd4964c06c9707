"""Runs `moa sweep` and its PyTorch peers on the same work, in turn, and prints the ratios of their times.

    python run.py MOA [--libtorch MOA_LIBTORCH] [--count K] [--epochs N] [--rounds N]

Needs torch 2.9.0, diffusers 0.42.1, transformers 5, peft 0.21.2. A peer's time is that of its loop alone (no imports, no loading,
no compiling); moa's is that of the whole process, with start, judges, intervals, drawings and store, which the peers do not do.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from settings import Settings, experiment as experiment_file

HERE = pathlib.Path(__file__).parent
WEIGHTS = HERE.parents[2] / "crates" / "zoo" / "weights"
OFFLINE = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}


def moa(binary, device, experiment, folder):
    """Returns seconds and MiB of a sweep."""
    out = folder / "out"
    subprocess.run(["rm", "-rf", out], check=True)
    began = time.perf_counter()
    command = [binary, "sweep", experiment, "--plain", "--quiet", "--out", out, "--device", device]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{binary} failed")
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def peer(way, base, options, *flags):
    """Returns seconds and MiB of a peer's loop."""
    command = [sys.executable, HERE / "ddpo.py", way, base, WEIGHTS, str(options.count), "--epochs", str(options.epochs), *flags]
    found = subprocess.run(command, env=OFFLINE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, text=True)
    found = json.loads(found.stdout.splitlines()[-1])
    return found["seconds"], found["mebibytes"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("moa")
    parser.add_argument("--libtorch", help="a moa built with --features libtorch")
    parser.add_argument("--count", type=int, default=8, help="weightings, up to 16")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        base, experiment = folder / "emoji-32", folder / "bench.ron"
        subprocess.run([options.moa, "export-model", "--quiet", "-o", base], check=True)
        experiment.write_text(experiment_file(dataclasses.replace(Settings(), epochs=options.epochs), options.count))
        ways = {
            "moa, flex": lambda: moa(options.moa, "flex", experiment, folder),
            "PyTorch, plain": lambda: peer("plain", base, options),
            "PyTorch, skilled": lambda: peer("skilled", base, options, "--jobs", "2"),
        }
        if options.libtorch:
            ways["moa, libtorch"] = lambda: moa(options.libtorch, "libtorch", experiment, folder)
        found = {name: [] for name in ways}
        for round_ in range(options.rounds):
            for name, run in ways.items():
                found[name].append(run())
                print(f"round {round_ + 1}  {name:18} {found[name][-1][0]:8.2f} s {found[name][-1][1]:8.0f} MiB", flush=True)
        print(f"\nK = {options.count}, {options.epochs} epochs, medians of {options.rounds}")
        for name, runs in found.items():
            print(f"{name:18} {statistics.median(s for s, _ in runs):8.2f} s {statistics.median(m for _, m in runs):8.0f} MiB")
        for name in found:
            for other in ["PyTorch, plain", "PyTorch, skilled"]:
                if name.startswith("moa"):
                    ratios = sorted(a / b for (a, _), (b, _) in zip(found[name], found[other]))
                    middle = statistics.median(ratios)
                    print(f"{name} / {other:18} {middle:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    main()
