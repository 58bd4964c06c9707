"""Runs moa on a machine with an NVIDIA GPU and PyTorch, step by step within a few minutes, and prints what holds.

    python3 benches/gpu/kit.py MOA [--device libtorch:cuda:0] [--small] [--only STEP,STEP] [--out DIR] [--minutes 8]

MOA is the binary, or a .gz or .xz of it. DIR gets kit.log (all output), kit.json (all figures) and the sweeps themselves.
A failing step stops no other. The exit code is 0 if all steps ran, whatever their verdicts, and 1 if one failed or was skipped.
README.md beside this file explains the steps.
"""

import argparse
import gzip
import importlib.util
import json
import lzma
import os
import pathlib
import shutil
import sys
import time

sys.dont_write_bytecode = True  # leave no __pycache__ in the tree

import measure
import steps
import work as given
from measure import StepError

LEAST_S = 10  # with less time left a step is not begun


class Report:
    """What a step has found: lines for the table, figures for kit.json."""

    def __init__(self):
        self.lines, self.figures, self.missed = [], {}, False

    def say(self, line):
        self.lines.append(line)

    def verdict(self, holds, line):
        self.missed |= not holds
        self.lines.append(f"{'ok' if holds else 'MISSED'}: {line}")


class Kit:
    """Everything that steps share."""

    def __init__(self, options):
        self.device, self.small, self.folder = options.device, options.small, options.out.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.deadline = self.step_ends = time.monotonic() + 60 * options.minutes
        self.log = open(self.folder / "kit.log", "a")
        self.work = given.SMALL if self.small else given.TRUE_SIZE
        self.is_cuda = ":cuda" in self.device
        index = self.device.rpartition(":")[2]
        self.gpu_index = (int(index) if index.isdigit() else 0) if self.is_cuda else None
        self.torch_device = f"cuda:{self.gpu_index}" if self.is_cuda else "cpu"
        kept = self.folder / "kit.json"
        self.figures = json.loads(kept.read_text())["figures"] if kept.is_file() else {}
        # Parts one after another, so that each can be timed.
        own = {"LD_LIBRARY_PATH": library_path(), "PYTHONDONTWRITEBYTECODE": "1", "MOA_OVERLAP": "off"}
        self.environment = {**os.environ, **own}
        self.moa = unpacked(options.moa, self.folder)

    def left(self):
        """Returns the seconds that the current step has."""
        return min(self.step_ends, self.deadline) - time.monotonic()

    def run(self, command, until=None):
        """Runs a command as long as there is time; kills it (-9) once `until()` is true."""
        if self.left() <= 0:
            raise StepError("no time is left for it")
        return measure.run(command, self.left(), self.log, self.environment, until)

    def run_moa(self, *arguments, codes=(0,), until=None):
        """Runs moa; other exit codes than these are an error."""
        done = self.run([self.moa, *arguments], until)
        if done.code not in codes and not done.stopped:
            raise StepError(f"moa {arguments[0]} ended with {done.code}: {done.complaint}")
        return done

    def fresh(self, name):
        """Returns a folder's path where nothing lies."""
        shutil.rmtree(self.folder / name, ignore_errors=True)
        return self.folder / name


def library_path():
    """Returns where LibTorch and NVIDIA's libraries lie: beside the PyTorch of this Python."""
    torch = importlib.util.find_spec("torch")
    if torch is None:
        sys.exit("this Python has no torch")
    package = pathlib.Path(torch.origin).parent
    folders = [package / "lib", *sorted((package.parent / "nvidia").glob("*/lib"))]
    return os.pathsep.join([*map(str, folders), *filter(None, [os.environ.get("LD_LIBRARY_PATH")])])


def unpacked(path, folder):
    """Returns the binary, unpacked into the folder where it is packed."""
    opener = {".gz": gzip.open, ".xz": lzma.open}.get(path.suffix)
    if opener is None:
        return path.resolve()
    binary = folder / "moa"
    with opener(path) as packed, open(binary, "wb") as file:
        shutil.copyfileobj(packed, file)
    binary.chmod(0o755)
    return binary


def run_step(kit, step, budget):
    """Runs a step whatever happens in it; returns its row of the table."""
    began, report, error = time.monotonic(), Report(), None
    kit.step_ends = began + budget
    print(f"{step.__name__} …", flush=True)
    kit.log.write(f"\n===== {step.__name__}\n")
    if kit.deadline - began < LEAST_S:
        return {"step": step.__name__, "seconds": 0.0, "verdict": "skipped", "lines": ["no time is left"]}
    try:
        step(kit, report)
    except Exception as failure:  # noqa: BLE001: a failing step never stops the others
        error = str(failure) if isinstance(failure, StepError) else f"{type(failure).__name__}: {failure}"
        report.say(f"FAILED: {error}")
    kit.figures[step.__name__] = report.figures
    verdict = "failed" if error else "missed" if report.missed else "ok"
    return {"step": step.__name__, "seconds": time.monotonic() - began, "verdict": verdict, "lines": report.lines}


def table(rows):
    """Returns the rows as text: step, seconds, verdict, and what was found."""
    lines = [f"{'step':<9}{'seconds':>8}  {'verdict':<9}key figures"]
    for row in rows:
        first, *others = row["lines"] or [""]
        lines.append(f"{row['step']:<9}{row['seconds']:>8.1f}  {row['verdict']:<9}{first}")
        lines += [" " * 28 + line for line in others]
    return "\n".join(lines)


def parse(arguments):
    names = [step.__name__ for step in steps.STEPS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("moa", type=pathlib.Path, metavar="MOA", help="the binary, or a .gz or .xz of it")
    parser.add_argument("--device", default="libtorch:cuda:0", help="moa's name of the device [libtorch:cuda:0]")
    parser.add_argument("--small", action="store_true", help="tiny models and experiments, for a try on a CPU")
    parser.add_argument("--only", default=",".join(names), help="steps to run, of " + ",".join(names))
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("/tmp/moa-gpu-kit"), metavar="DIR", help="[/tmp/moa-gpu-kit]")
    parser.add_argument("--minutes", type=float, default=8, help="for all steps together [8]")
    options = parser.parse_args(arguments)
    options.only = options.only.split(",")
    unknown = sorted(set(options.only) - set(names))
    if unknown:
        parser.error(f"there is no step {', '.join(unknown)}: there are {', '.join(names)}")
    return options


def main():
    options = parse(None)
    if not options.moa.is_file():
        sys.exit(f"{options.moa} is no file: give moa's binary, or a .gz or .xz of it")
    try:
        kit, rows = Kit(options), []
    except (OSError, EOFError, lzma.LZMAError, json.JSONDecodeError) as error:
        sys.exit(f"{options.moa} or {options.out} cannot be used: {error}; give another binary or another --out")
    for step, budget in steps.STEPS.items():
        if step.__name__ not in options.only:
            continue
        rows.append(run_step(kit, step, budget))
        (kit.folder / "kit.json").write_text(json.dumps({"table": rows, "figures": kit.figures}, indent=1))
    text = table(rows)
    kit.log.write(f"\n{text}\n")
    print(f"\n{text}\n\nall output: {kit.log.name}")
    sys.exit(any(row["verdict"] in ("failed", "skipped") for row in rows))


if __name__ == "__main__":
    main()
