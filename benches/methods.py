"""Every training method on the same base, rewards, prompts and passes: gains over the base against passes and against seconds.

    python benches/methods.py MOA --out DIR [--seeds 1 2 3] [--passes 15000] [--only draft-1 nft] [--csv docs/methods.csv]
        [--plot docs/images/methods.png] [--device flex]

One sweep for each method and seed; its adapters, one for each reward, are looked at four times on the way, on 48 prompts of
`emoji-fresh`, on which nothing was ever chosen, with noise of the seed's own. A sweep that was stopped goes on, one that is complete
is read. A pass forward counts one, forward and backward three; seconds are wall time of training (the lowest decile of an epoch's, so
that work beside it does not count), shared evenly among the adapters. Needs matplotlib for the plot and the distances to the base alone.
"""

import argparse
import csv
import io
import pathlib
import re
import statistics
import subprocess
import sys

import table

LOOKS = 4
REWARDS = ["Aesthetics", "Alignment", "Safety", "Diversity", "Compressibility()"]
SMOOTH = REWARDS[:-1]


class Method:
    """A method with the settings that it is run with, and the passes that an epoch of it takes for one adapter."""

    def __init__(self, training, passes, sampler="Cps(eta: 0.9)", rate="2e-3", rewards=None, pictures=(3, 16), kl=None):
        self.training, self.passes, self.sampler, self.rate = training, passes, sampler, rate
        self.rewards, self.pictures, self.kl = rewards or REWARDS, pictures, kl or {}


# What `experiments/pareto.ron` was before, its ties to the base included (they weighed 20/48 of what they said).
OLD_TIES = {"Aesthetics": 0.4167, "Safety": 0.04167, "Diversity": 0.0833}
POLICY = "PolicyGradient(train_steps: 5, updates_per_epoch: 5{more})"
# Settings of the methods, these and those above, were chosen on training prompts with other seeds.
GRADIENT = dict(rewards=SMOOTH, pictures=(4, 4), sampler="Ode(order: 1)", rate="5e-3")
FORWARD = dict(sampler="Ode(order: 2)", rate="5e-3")
METHODS = {
    "policy gradient, before": Method(
        f"method: {POLICY.format(more=', step_weights: Equal')}, advantages: (trained_share: 0.4)",
        48 * 6 + 20 * 15, sampler="FlowSde(noise: 1.2)", kl=OLD_TIES,
    ),
    "policy gradient": Method(
        f"method: {POLICY.format(more=', ratio: Normalised')}, advantages: (trained_share: 0.4)", 48 * 6 + 20 * 15
    ),
    "policy gradient, tied as before": Method(
        f"method: {POLICY.format(more=', ratio: Normalised')}, advantages: (trained_share: 0.4)",
        48 * 6 + 20 * 20, kl=OLD_TIES,
    ),
    "DRaFT-1": Method("method: Differentiable(through: LastSteps(1))", 16 * 9, **GRADIENT),
    # As `experiments/pareto.ron` has it: tied to the base as strongly as each reward's judges ask for.
    "DRaFT-1, tied": Method(
        "method: Differentiable(through: LastSteps(1))", 16 * 10,
        **GRADIENT | dict(rate="2e-3", kl={"Aesthetics": 60, "Safety": 12, "Diversity": 40}),
    ),
    "DRaFT-LV": Method("method: Differentiable(through: LowVariance(2))", 16 * 14, **GRADIENT),
    "ReFL": Method("method: Differentiable(through: SingleStep(from: 4, to: 6))", 16 * 8, **GRADIENT),
    "DiffusionNFT": Method("method: Nft(levels: 2), advantages: (trained_share: 0.4)", 48 * 6 + 20 * 8, **FORWARD),
    "AWM": Method("method: Awm(levels: 2), advantages: (trained_share: 0.4)", 48 * 6 + 20 * 6, **FORWARD),
}


def experiment(method, seed, passes, probe):
    """Returns the experiment file."""
    epochs = max(LOOKS, round(passes / method.passes))
    prompts, pictures = method.pictures
    rewards = ", ".join(
        f"(kind: {kind}{', kl: %s' % method.kl[kind] if kind in method.kl else ''})" for kind in method.rewards
    )
    guard = "of: HeldOut" if probe == "HeldOut" else "of: Train"
    return f"""(
    base: "emoji-32", seed: {seed},
    prompts: (train: Set("emoji-train"), held_out: Set("emoji-fresh")),
    rewards: [{rewards}],
    weightings: [Corners], soups: [],
    sampler: (kind: {method.sampler}, steps: 6),
    optimiser: (learning_rate: {method.rate}),
    training: (
        epochs: {epochs}, prompts_per_epoch: {prompts}, pictures_per_prompt: {pictures}, {method.training},
        probe: (every: {-(-epochs // LOOKS)}, {guard}, prompts: 48, pictures_per_prompt: 2), guard: Off,
    ),
    evaluation: (seed: {1000 + seed}, pictures_per_prompt: 2, steps: 6, resamples: 100, grid_prompts: 24),
)
"""


def run(moa, folder, text, device):
    """Sweeps, or goes on; returns the peak memory in MiB where the sweep ran."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "methods.ron"
    if file.exists() and file.read_text() != text:
        sys.exit(f"{file} is of other settings: remove {folder}, or give another --out")
    file.write_text(text)
    done = folder / "done"
    if not done.exists():
        command = [moa, "sweep", file, "--plain", "--quiet", "--out", folder / "out", "--device", device]
        # The child's own peak, not the largest of all.
        prefix = ["/usr/bin/time", "-f", "peak %M"] if pathlib.Path("/usr/bin/time").exists() else []
        said = subprocess.run([*prefix, *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if said.returncode:
            sys.exit(said.stderr)
        peak = re.search(r"peak (\d+)", said.stderr)
        done.write_text(peak[1] if peak else "")
    peak = done.read_text()
    return round(int(peak) / 1024) if peak else ""


def metrics(moa, folder):
    """Returns {run: {epoch: {metric: value}}}, seconds among them."""

    def exported(name):
        command = [moa, "export", folder / "out", "--what", name, "--format", "csv"]
        return csv.DictReader(io.StringIO(subprocess.run(command, check=True, capture_output=True, text=True).stdout))

    found = {}
    for row in exported("epochs"):
        found.setdefault(row["run"], {}).setdefault(int(row["epoch"]), {})[row["metric"]] = float(row["value"])
    for row in exported("times"):
        found[row["run"]][int(row["epoch"])]["seconds"] = float(row["seconds"])
    return found


def distance(folder, run):
    """Returns how far a run's images are from the base's of the same prompts and noise: root mean square, of 255."""
    try:
        from matplotlib import image
    except ImportError:
        return None
    ours, base = (image.imread(folder / "out" / "runs" / name / "pictures.png") for name in (run, "base"))
    return 255 * float(((ours - base) ** 2).mean()) ** 0.5


def rows_of(name, seed, found, memory, folder):
    """Returns a row for each reward's specialist and look."""
    for run, epochs in found.items():
        seconds = sorted(values["seconds"] for values in epochs.values())
        each = seconds[len(seconds) // 10]
        for epoch, values in sorted(epochs.items()):
            gains = {key: value for key, value in values.items() if key.endswith("/gain")}
            if not gains:
                continue
            row = dict(method=name, seed=seed, reward=run, epoch=epoch, passes=round(values["passes"]),
                       seconds=round(epoch * each, 2), gain=gains.get(f"reward/{run}/gain"))
            row |= {key.split("/")[1]: gains.get(key) for key in
                    ("judge/attributes/gain", "judge/clip_alignment/gain", "judge/attribute_safety/gain", "judge/clip_diversity/gain")}
            row |= {"diversity": gains.get("reward/diversity/gain"), "kl_to_base": values.get("kl_to_base")}
            row |= {"distance": distance(folder, run) if epoch == max(epochs) else None, "mebibytes": memory}
            yield row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("moa")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--passes", type=int, default=15000)
    parser.add_argument("--only", nargs="+", default=list(METHODS))
    parser.add_argument("--probe", choices=["HeldOut", "Train"], default="HeldOut", help="Train: to choose settings by")
    parser.add_argument("--csv", type=pathlib.Path)
    parser.add_argument("--plot", type=pathlib.Path)
    parser.add_argument("--device", default="flex")
    options = parser.parse_args()
    rows = []
    for seed in options.seeds:
        for name in options.only:
            folder = options.out / f"{re.sub('[^a-z0-9]+', '-', name.lower())}-{seed}"
            memory = run(options.moa, folder, experiment(METHODS[name], seed, options.passes, options.probe), options.device)
            own = list(rows_of(name, seed, metrics(options.moa, folder), memory, folder))
            rows += own
            last = {row["reward"]: row for row in own}
            print(f"{name}, seed {seed}:", "  ".join(
                f"{reward} {row['gain']:+.4f} in {row['seconds']:.0f} s" for reward, row in last.items()), flush=True)
    if options.csv:
        table.write(options.csv, rows, digits=5)
    summary(rows)
    if options.plot:
        plot(rows, options.plot)


JUDGES = {"attributes": "objects", "clip_alignment": "second CLIP", "attribute_safety": "safety", "clip_diversity": "diversity"}


def summary(rows):
    """Prints the last look of each method as Markdown: means over the seeds, and the range of the gain."""
    for reward in dict.fromkeys(row["reward"] for row in rows):
        print(f"\n**{reward}**\n\n| method | passes | seconds | gain | {' | '.join(JUDGES.values())} | distance | MiB |")
        print("|---|---|---|---|" + "---|" * (len(JUDGES) + 2))
        for name in dict.fromkeys(row["method"] for row in rows):
            of = [row for row in rows if row["reward"] == reward and row["method"] == name]
            last = [row for row in of if row["epoch"] == max(other["epoch"] for other in of)]
            if not last:
                continue
            gains = [row["gain"] for row in last]

            def mean(column, form):
                known = [row[column] for row in last if row[column] not in (None, "")]
                return format(statistics.mean(known), form) if known else "–"

            judges = " | ".join(mean(judge, "+.4f") for judge in JUDGES)
            print(f"| {name} | {mean('passes', ',.0f')} | {mean('seconds', '.0f')} "
                  f"| {statistics.mean(gains):+.4f} ({min(gains):+.4f} to {max(gains):+.4f}) "
                  f"| {judges} | {mean('distance', '.1f')} | {mean('mebibytes', '.0f')} |")


def plot(rows, path):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rewards = list(dict.fromkeys(row["reward"] for row in rows))
    names = list(dict.fromkeys(row["method"] for row in rows))
    colours = dict(zip(names, pyplot.get_cmap("tab10").colors))
    figure, axes = pyplot.subplots(2, len(rewards), figsize=(3.6 * len(rewards), 6.4), squeeze=False)
    for column, reward in enumerate(rewards):
        for row, (key, label) in enumerate((("passes", "passes (forward 1, training 3)"), ("seconds", "seconds"))):
            axis = axes[row][column]
            for name in names:
                of = [point for point in rows if point["reward"] == reward and point["method"] == name]
                if not of:
                    continue
                epochs = sorted({point["epoch"] for point in of})
                at = [[point for point in of if point["epoch"] == epoch] for epoch in epochs]
                x = [0] + [statistics.mean(point[key] for point in points) for points in at]
                y = [0] + [statistics.mean(point["gain"] for point in points) for points in at]
                low = [0] + [min(point["gain"] for point in points) for points in at]
                high = [0] + [max(point["gain"] for point in points) for points in at]
                axis.plot(x, y, marker="o", markersize=3, label=name, color=colours[name])
                axis.fill_between(x, low, high, alpha=0.15, color=colours[name])
            axis.axhline(0, color="grey", linewidth=0.6)
            axis.set_xlabel(label)
            if row == 0:
                axis.set_title(reward)
            if column == 0:
                axis.set_ylabel("gain over the base")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="lower center", ncol=len(names), frameon=False)
    figure.suptitle("Gain of each reward's specialist on prompts that chose nothing; mean and range of the seeds", fontsize=11)
    figure.tight_layout(rect=(0, 0.05, 1, 0.98))
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
