"""Tables of the reports in plain text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tddfa.evaluation.bootstrap import BINS, BinnedMean


def headline(record: Mapping[str, Any]) -> list[str]:
    """Return the lines that name protocol, pack and data."""
    return [
        f"protocol   {record['protocol']}",
        f"pack       {record['pack']}",
        f"data       {record['data']}: {record['count']} {record.get('unit_of_count', 'faces')}",
    ]


def table(means: Mapping[str, BinnedMean], title: str) -> list[str]:
    """Return one line per ground truth: bins, mean of bins with its interval, plain mean."""
    counts = next(iter(means.values())).counts
    columns = [f"{name} ({counts[name]})" for name in BINS]
    lines = [f"{title:<14}" + "".join(f"{c:>14}" for c in columns) + "  mean of bins [95 %]        mean"]
    for name, mean in means.items():
        bins = "".join(f"{number(mean.bins[b]):>14}" for b in BINS)
        low, high = mean.interval
        lines.append(
            f"{name:<14}{bins}{number(mean.mean_of_bins):>8} [{low:.3f}, {high:.3f}]{mean.mean:>12.3f}"
        )
    return lines


def number(value: float | None, digits: int = 3) -> str:
    """Return a number as tables have it; a dash for none."""
    return "–" if value is None else f"{value:.{digits}f}"
