"""Rows of a benchmark as CSV."""

import csv


def write(path, rows, digits=None):
    """Writes a list of dictionaries with the same keys, floats rounded to so many digits where it is said."""

    def shown(value):
        return f"{value:.{digits}f}" if digits is not None and isinstance(value, float) else value

    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows({key: shown(value) for key, value in row.items()} for row in rows)
