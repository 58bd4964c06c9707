"""Two sweeps of one experiment: how far their fronts and training curves lie apart."""

import csv
import io


def front_means(front):
    """Returns the mean of each reward of each point of `moa front --json`."""
    return {(point["id"], name): reward["mean"] for point in front["points"] for name, reward in point["rewards"].items()}


def curves(text):
    """Returns the values of `moa export --format csv` as `{metric: {(run, epoch): value}}`."""
    found = {}
    for row in csv.DictReader(io.StringIO(text)):
        found.setdefault(row["metric"], {})[row["run"], int(row["epoch"])] = float(row["value"])
    return found


def farthest(left, right):
    """Returns the largest difference of two maps' values, and where it is. Maps that do not name the same things are an error."""
    if left.keys() != right.keys():
        raise ValueError(f"only one of the two has {sorted(left.keys() ^ right.keys())[:3]}")
    if not left:
        raise ValueError("there is nothing to compare")
    place = max(left, key=lambda key: abs(left[key] - right[key]))
    return abs(left[place] - right[place]), place


def mean_differences(left, right):
    """Returns the mean absolute difference of each metric over runs and epochs; both sweeps must have all of them."""
    farthest({name: len(rows) for name, rows in left.items()}, {name: len(rows) for name, rows in right.items()})
    found = {}
    for name, rows in left.items():
        farthest(rows, right[name])
        found[name] = sum(abs(value - right[name][key]) for key, value in rows.items()) / len(rows)
    return found


def is_reward_mean(metric):
    """Whether a metric is the mean of a reward over an epoch's images."""
    return metric.startswith("reward/") and metric.endswith("/mean")
