"""How the time and memory of `moa sweep` grow: with weightings, images, steps. Writes a table and a plot.

    python benches/cost.py MOA [--device flex] [--csv docs/performance.csv] [--plot docs/images/cost.png]

Each row is one whole sweep of two epochs (start, judges, intervals and drawings included) beside what `moa check` predicted.
Needs matplotlib for the plot alone.
"""

import argparse
import dataclasses
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import table

sys.path.insert(0, str(pathlib.Path(__file__).parent / "peers" / "sweep"))
from settings import Settings, experiment  # noqa: E402

AXES = {
    "weightings": [(count, {}, count) for count in (1, 2, 4, 8, 16)],
    "pictures per prompt": [(pictures, dict(images_per_prompt=pictures), 4) for pictures in (4, 8, 16, 32)],
    "sampler steps": [(steps, dict(steps=steps), 4) for steps in (6, 8, 12, 24)],
}


def predicted(moa, device, file):
    """Returns the seconds and MiB that `moa check` says."""
    said = subprocess.run([moa, "check", file, "--device", device], check=True, capture_output=True, text=True).stdout
    return re.search(r"^time\s+(.*)$", said, re.M)[1], re.search(r"^memory\s+(.*)$", said, re.M)[1]


def measured(moa, device, file, folder):
    """Returns the seconds, processor seconds and MiB of a sweep."""
    began = time.perf_counter()
    command = [moa, "sweep", file, "--plain", "--quiet", "--out", folder / "out", "--device", device]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit("the sweep failed")
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("moa")
    parser.add_argument("--device", default="flex")
    parser.add_argument("--csv", type=pathlib.Path)
    parser.add_argument("--plot", type=pathlib.Path)
    options = parser.parse_args()
    rows = []
    for axis, values in AXES.items():
        for value, changes, count in values:
            with tempfile.TemporaryDirectory() as folder:
                folder = pathlib.Path(folder)
                file = folder / "cost.ron"
                file.write_text(experiment(dataclasses.replace(Settings(), epochs=2, **changes), count))
                says = predicted(options.moa, options.device, file)
                seconds, processor, memory = measured(options.moa, options.device, file, folder)
            rows.append(dict(axis=axis, value=value, weightings=count, seconds=round(seconds, 2), processor=round(processor, 1),
                             per_weighting=round(seconds / count, 2), mebibytes=round(memory), says_time=says[0], says_memory=says[1]))
            print(*rows[-1].values(), sep="\t", flush=True)
    if options.csv:
        table.write(options.csv, rows)
    if options.plot:
        plot(rows, options.plot)


def plot(rows, path):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(2, len(AXES), figsize=(11, 5.5), layout="constrained")
    for column, axis in enumerate(AXES):
        own = [row for row in rows if row["axis"] == axis]
        for panel, key, label in [(panels[0, column], "seconds", "seconds"), (panels[1, column], "mebibytes", "MiB at most")]:
            panel.plot([row["value"] for row in own], [row[key] for row in own], "o-", color="#0b6e99")
            panel.set_xticks([row["value"] for row in own])
            panel.set_xlabel(axis)
            panel.set_ylabel(label)
            panel.set_ylim(bottom=0)
            panel.grid(alpha=0.3)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
