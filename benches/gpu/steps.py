"""The steps of the kit, cheapest first. Each takes the kit and a report, and says there what it finds; what it raises is its failure."""

import csv
import json
import math
import pathlib
import re
import sys

import compare
import work as given
from measure import GpuMemory, StepError, query_gpu

HERE = pathlib.Path(__file__).resolve().parent
EXPERIMENTS = HERE.parents[1] / "experiments"

FRONT_BOUND = 0.01  # between the means of two devices' fronts
CURVE_BOUND = 0.02  # between two devices' reward curves: mean absolute difference over the epochs
RESUME_BOUND = 0.01  # between the means of the fronts with and without a kill
RESUME_EPOCHS = 24  # enough that a kill after the first leaves work to do
MEMORY_BOUND = 0.15  # between `moa check`'s memory and what is measured
PLAIN_GOAL, SKILLED_GOAL = 0.25, 0.6  # moa's time as a share of the peers', with the most weightings
# Operations of a pass through the U-Net with adapters: 22 residual blocks of 10, 16 transformers of 77, what is between.
OPERATIONS = 1500
PEAK_GOAL = 0.4  # of the measured bf16 peak, in the denoiser's forward passes


def each(items, work):
    """Does the work for every item, whatever becomes of the others; raises what went wrong at the end."""
    errors = {}
    for item in items:
        try:
            work(item)
        except Exception as error:  # noqa: BLE001: a failing part never stops the others
            errors.setdefault(str(error), []).append(item)
    if errors:
        raise StepError("; ".join(f"{', '.join(failed)}: {error}" for error, failed in errors.items()))


def python(kit, name, *arguments):
    """Runs a script of the kit on the device, and returns the JSON of its last line."""
    small = ["--small"] if kit.small else []
    done = kit.run([sys.executable, HERE / name, *arguments, *small, "--device", kit.torch_device])
    if done.code != 0:
        raise StepError(done.complaint)
    return json.loads(done.stdout.splitlines()[-1])


def sweep(kit, experiment, out, device):
    return kit.run_moa("sweep", experiment, "--plain", "--out", out, "--device", device)


def front(kit, results):
    return compare.front_means(json.loads(kit.run_moa("front", results, "--json").stdout))


def device(kit, report):
    """What machine this is, by nvidia-smi, PyTorch and moa."""
    report.figures["gpus"] = query_gpu("name,driver_version,memory.total,clocks.max.sm,power.limit")
    for name, driver, memory, clock, power in report.figures["gpus"]:
        report.say(f"{name}, driver {driver}, {memory} MiB, {clock} MHz, {power} W")
    ask = "import json, torch; print(json.dumps([torch.__version__, torch.version.cuda, torch.backends.cudnn.version()]))"
    found = json.loads(kit.run([sys.executable, "-c", ask]).stdout)
    report.figures["torch"] = found
    report.say(f"torch {found[0]}, CUDA {found[1]}, cuDNN {found[2]}")
    done = kit.run_moa("device", "--device", kit.device)
    report.figures["moa"] = done.stdout
    for line in done.stdout.splitlines():
        report.say(line)


def excess(row):
    """Returns a module's error as a share of its bound; infinite where it is no number."""
    error = row["relative_rms"]
    return math.inf if error is None or math.isnan(error) else error / row["bound"]


def describe(row):
    return f"{row['name']}: {row['relative_rms']} of {row['bound']}"


def modules(kit, report):
    """Every module against moa's reference, in each precision."""

    def check(precision):
        done = kit.run_moa("device", "--device", kit.device, "--precision", precision, "--json", codes=(0, 1))
        rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        if not rows:
            raise StepError(done.complaint)
        report.figures[precision] = rows
        worst, bad = max(rows, key=excess), [row for row in rows if not row["ok"]]
        report.verdict(done.code == 0 and not bad, f"{precision}: {len(rows)} modules, nearest to its bound is {describe(worst)}")
        for row in bad:
            report.say(f"  {describe(row)}")

    each(["F32", *(["Tf32"] if kit.is_cuda else []), "Bf16", "F16"], check)


def peaks(kit, report):
    """What the device reaches by PyTorch: the measured peak."""
    found = python(kit, "peaks.py")
    report.figures |= found
    rates = ", ".join(f"{name} {found[name]:.4g}" for name in ("bf16", "tf32", "f32") if name in found)
    report.say(f"TFLOP/s: {rates}; copy {found['copy_gb_s']:.4g} GB/s")


def quick(kit, report):
    """A whole sweep on the device against the same on moa's own CPU engine."""
    experiment = EXPERIMENTS / ("miniature.ron" if kit.small else "quick.ron")
    fronts, curves = [], []
    for name in ("flex", kit.device):
        out = kit.fresh(f"quick-{name.replace(':', '-')}")
        report.figures[f"seconds on {name}"] = sweep(kit, experiment, out, name).seconds
        report.say(f"{experiment.name} on {name}: {report.figures[f'seconds on {name}']:.1f} s")
        fronts.append(front(kit, out))
        curves.append(compare.curves(kit.run_moa("export", out, "--format", "csv").stdout))
    distance, place = compare.farthest(*fronts)
    differences = compare.mean_differences(*curves)
    rewards = {name: value for name, value in differences.items() if compare.is_reward_mean(name)}
    worst = max(rewards, key=rewards.get)
    report.figures |= {"front": distance, "curves": differences}
    report.verdict(distance <= FRONT_BOUND, f"fronts differ by {distance:.1e} at most ({' '.join(place)}), bound {FRONT_BOUND}")
    report.verdict(rewards[worst] <= CURVE_BOUND, f"curves differ by {rewards[worst]:.1e} in the mean ({worst}), bound {CURVE_BOUND}")


def resume(kit, report):
    """A sweep that is killed goes on, and ends where one that was not killed ends."""
    experiment = kit.folder / "resume.ron"
    text, changed = re.subn(r"epochs: \d+", f"epochs: {RESUME_EPOCHS}", (EXPERIMENTS / "miniature.ron").read_text(), count=1)
    if changed != 1:
        raise StepError("experiments/miniature.ron names no epochs")
    experiment.write_text(text)
    whole, killed = kit.fresh("resume-whole"), kit.fresh("resume-killed")
    sweep(kit, experiment, whole, kit.device)
    checkpoint = killed / "checkpoint" / "trainer.bin"
    done = kit.run_moa("sweep", experiment, "--plain", "--out", killed, "--device", kit.device, until=checkpoint.exists)
    if not done.stopped:
        raise StepError("the sweep ended before its checkpoint was seen")
    again = sweep(kit, experiment, killed, kit.device)
    saved = [int(number) for number in re.findall(r"epoch (\d+) saved", again.stdout + again.stderr)]
    first = saved[0] if saved else 0
    distance, place = compare.farthest(front(kit, whole), front(kit, killed))
    report.figures |= {"first_epoch_after": first, "front": distance}
    report.verdict(first > 1, f"killed (-9), went on with epoch {first} of {RESUME_EPOCHS}")
    exact = ", bit for bit the same" if distance == 0 else ""
    report.verdict(distance <= RESUME_BOUND, f"fronts differ by {distance:.1e} at most ({' '.join(place)}){exact}, bound {RESUME_BOUND}")


def read_timings(path, warm_up):
    """Returns what `timings.csv` says of the epochs after the warm-up: sums of its columns, the mean epoch, the most memory."""
    if not path.is_file():
        raise StepError(f"the sweep left no {path.name}")
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))[warm_up:]
    if not rows:
        raise StepError(f"{path.name} has no epoch after the first")
    parts = ("rollout_s", "decoding_s", "scoring_s", "update_s")
    sums = {name: sum(float(row[name]) for row in rows) for name in (*parts, "pictures", "rows_trained")}
    device = [float(row["device_mib"]) for row in rows if row["device_mib"]]
    return {**sums, "epochs": len(rows), "epoch_s": sum(sums[name] for name in parts) / len(rows), "device_mib": max(device, default=None)}


def rates(found):
    """Returns images, or trained rows, per second of each part."""
    of = {"rollout_s": "pictures", "decoding_s": "pictures", "scoring_s": "pictures", "update_s": "rows_trained"}
    return {name: found[count] / max(found[name], 1e-9) for name, count in of.items()}


def say_rates(report, label, found):
    rate = rates(found)
    report.say(
        f"{label}: an epoch {found['epoch_s']:.3g} s; images/s: rollout {rate['rollout_s']:.3g}, decoding {rate['decoding_s']:.3g}, "
        f"scoring {rate['scoring_s']:.3g}; update {rate['update_s']:.3g} rows/s; {found['mib'] / 1024:.1f} GiB"
    )


def sd15(kit, report):
    """Stable Diffusion 1.5 at its true size: what an epoch takes for 1, 4 and 8 weightings."""
    folder = kit.folder / "models"
    report.figures["parameters"] = python(kit, "checkpoint.py", folder)["parameters"]

    def experiment(count):
        path = folder / f"sd15-{count}.ron"
        path.write_text(given.experiment(kit.work, count))
        return path

    def train(count):
        out = kit.fresh(f"sd15-{count}")
        with GpuMemory(kit.gpu_index) as memory:
            done = sweep(kit, experiment(count), out, kit.device)
        found = read_timings(out / "timings.csv", kit.work.warm_up)
        found |= {"seconds": done.seconds, "mib": done.host_mib if memory.peak_mib is None else memory.peak_mib}
        report.figures[f"K={count}"] = found
        say_rates(report, f"K = {count}, {done.seconds:.0f} s in all", found)

    def check_memory(count):
        plan = kit.run_moa("check", experiment(count), "--device", kit.device).stdout
        label = "device memory" if kit.is_cuda else "memory"
        estimated = read_memory(plan, label)
        measured = report.figures.get(f"K={count}", {}).get("mib")
        report.figures[f"check K={count}"] = {"estimated_mib": estimated, "measured_mib": measured}
        if measured is None:
            raise StepError("there is no measured memory to compare with")
        off, gib = estimated / measured - 1, f"moa check says {estimated / 1024:.2f} GiB, measured {measured / 1024:.2f}"
        report.verdict(abs(off) <= MEMORY_BOUND, f"K = {count}: {gib}: {off:+.0%}, bound ±{MEMORY_BOUND:.0%}")

    most = max(kit.work.counts)
    jobs = {**{f"K = {count}": (train, count) for count in kit.work.counts}, f"check of K = {most}": (check_memory, most)}
    each(jobs, lambda name: jobs[name][0](jobs[name][1]))


def read_memory(plan, label):
    """Returns MiB of `moa check`'s line on memory: the least that it may be."""
    found = re.search(rf"^{label}\s+(?:about )?([\d.,]+) (KiB|MiB|GiB|TiB)", plan, re.MULTILINE)
    if not found:
        raise StepError(f"moa check has no line `{label}`")
    return float(found[1].replace(",", "")) * {"KiB": 1 / 1024, "MiB": 1, "GiB": 1024, "TiB": 2**20}[found[2]]


def peer(kit, report):
    """The same work in PyTorch: as users run it, and as an expert would."""
    most = max(kit.work.counts)
    moa = kit.figures.get("sd15", {}).get(f"K={most}")

    def compare_with(way):
        found = python(kit, "peer.py", way)
        report.figures[way] = found
        say_rates(report, f"{way}, one weighting ({', '.join(f'{part} {layout}' for part, layout in found['layouts'].items())})", found)
        if moa is None:
            raise StepError("moa's own time is missing: the step sd15 has to run first")
        share, goal = moa["epoch_s"] / (most * found["epoch_s"]), {"plain": PLAIN_GOAL, "skilled": SKILLED_GOAL}[way]
        report.figures[f"share of {way}"] = share
        times = f"{moa['epoch_s']:.3g} s an epoch against {most} × {found['epoch_s']:.3g} s"
        report.verdict(share <= goal, f"moa takes {share:.2f} of {way} for K = {most} ({times}), goal ≤ {goal}")

    each(["plain", "skilled"], compare_with)


def shares(kit, report):
    """How much of the measured peak the denoiser's forward passes reach."""
    peaks = kit.figures.get("peaks", {})
    if not peaks.get("bf16"):
        raise StepError("the peak is missing: the step peaks has to run first")
    runs = {f"moa, {name}": found for name, found in kit.figures.get("sd15", {}).items() if name.startswith("K=")}
    runs |= {name: found for name, found in kit.figures.get("peer", {}).items() if name in ("plain", "skilled")}
    if not runs:
        raise StepError("nothing was timed: the steps sd15 and peer have to run first")
    for name, found in runs.items():
        reached = rates(found)["rollout_s"] * kit.work.steps * peaks["unet_flop"] / 1e12
        report.figures[name] = reached / peaks["bf16"]
        report.say(f"{name}: {reached:.3g} TFLOP/s, {report.figures[name]:.1%} of {peaks['bf16']:.4g}")
    of_moa = [share for name, share in report.figures.items() if name.startswith("moa")]
    if not of_moa:
        raise StepError("moa's own rollouts are missing: the step sd15 has to run first")
    launches(kit, report)
    report.verdict(max(of_moa) >= PEAK_GOAL, f"moa reaches {max(of_moa):.1%} of the peak at best, goal ≥ {PEAK_GOAL:.0%}")


def launches(kit, report):
    """Says whether passes wait for the host, which launches their operations, rather than for the GPU."""
    found = re.search(r"([\d.]+) µs an operation", kit.figures.get("device", {}).get("moa", ""))
    timed = kit.figures.get("sd15", {}).get(f"K={max(kit.work.counts)}")
    if not (found and timed):
        return
    rows = rates(timed)["rollout_s"] * kit.work.steps
    share = OPERATIONS * float(found[1]) * 1e-6 * rows / kit.work.micro_batch
    bound = "launch-bound: CUDA graphs would pay" if share > 0.5 else "not launch-bound"
    report.figures["launches"] = share
    report.say(f"launching about {OPERATIONS} operations takes {share:.0%} of a pass of {kit.work.micro_batch} rows: {bound}")


# Seconds that each may take; what one leaves goes to those after it, and the whole has its own limit.
STEPS = {
    device: 30,
    modules: 100,
    peaks: 40,
    quick: 100,
    resume: 60,
    sd15: 240,
    peer: 120,
    shares: 10,
}
