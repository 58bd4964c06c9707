"""Times moocore and pymoo on the points that `benches/pareto.rs` has written, and prints moa's times beside theirs.

    python benches/peers/pareto.py FOLDER        (moocore 0.3.2, pymoo 0.6.2)

Both minimise: they get the negated points. The best of several calls counts, as for moa.
"""

import csv
import pathlib
import sys
import time

import moocore
import numpy
from pymoo.indicators.hv import HV
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

PATIENCE = 0.3
# pymoo computes hypervolume in Python: only small sets end in seconds.
MOST_PYMOO = 100


def timed(call):
    began = time.perf_counter()
    value = call()
    fastest = time.perf_counter() - began
    while time.perf_counter() - began < PATIENCE:
        once = time.perf_counter()
        value = call()
        fastest = min(fastest, time.perf_counter() - once)
    return fastest, value


def main():
    folder = pathlib.Path(sys.argv[1])
    print(f"moocore {moocore.__version__}; seconds, and moa's time as a share of theirs")
    with (folder / "moa.csv").open() as file:
        for row in csv.DictReader(file):
            figure, objectives, points = row["figure"], int(row["objectives"]), int(row["points"])
            given = -numpy.loadtxt(folder / f"{objectives}-{points}.csv", delimiter=",", ndmin=2)
            reference = numpy.zeros(objectives)
            peers = {}
            if figure == "hypervolume":
                peers["moocore"] = lambda: moocore.hypervolume(given, ref=reference)
                if points <= MOST_PYMOO:
                    peers["pymoo"] = lambda: HV(ref_point=reference)(given)
            elif figure == "non-dominated":
                peers["moocore"] = lambda: moocore.is_nondominated(given, keep_weakly=True).sum()
            elif figure == "ranks":
                peers["moocore"] = lambda: moocore.pareto_rank(given).max()
                if points <= 1000:
                    peers["pymoo"] = lambda: len(NonDominatedSorting().do(given)) - 1
            for name, call in peers.items():
                seconds, value = timed(call)
                own, said = float(row["seconds"]), float(row["value"])
                agrees = abs(float(value) - said) <= 1e-9 * max(1, abs(said))
                print(f"{figure:14} {objectives} objectives {points:6} points  moa {own:9.2e}  {name:8} {seconds:9.2e}  {own / seconds:7.3f}"
                      + ("" if agrees else f"  DIFFERS: {said} against {value}"), flush=True)


if __name__ == "__main__":
    main()
