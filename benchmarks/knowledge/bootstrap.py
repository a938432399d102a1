"""Means over tables and paired differences, with 95 % bootstrap intervals.

The tables are drawn with repetition, with a fixed seed, so that a report can be made again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
N_RESAMPLES = 2000
# Two results nearer than this are the same setting, scored with rounded losses.
EQUAL = 1e-9


def summarise(values: Sequence[float] | Array) -> dict[str, float]:
    """The mean with the ends of its interval, the median, and the number of values."""
    found = np.asarray(values, dtype=float)
    random = np.random.default_rng(0)
    drawn = random.integers(len(found), size=(N_RESAMPLES, len(found)))
    low, high = np.quantile(found[drawn].mean(axis=1), [0.025, 0.975])
    rounded = {"mean": found.mean(), "low": low, "high": high, "median": np.median(found)}
    return {name: round(float(value), 4) for name, value in rounded.items()} | {"n": len(found)}


def compare_pairs(
    ours: Sequence[float] | Array, theirs: Sequence[float] | Array
) -> dict[str, float]:
    """The mean of ours less theirs, smaller is better, and the shares of tables won and tied."""
    differences = np.asarray(ours, dtype=float) - np.asarray(theirs, dtype=float)
    return summarise(differences) | {
        "won": round(float((differences < -EQUAL).mean()), 3),
        "tied": round(float((np.abs(differences) <= EQUAL).mean()), 3),
    }


def print_table(means: Mapping[str, Mapping[str, float]], title: str) -> None:
    """What `summarise` or `compare_pairs` made, as a table in Markdown."""
    print(f"\n| {title} | mean | 95 % | median | won / tied |\n|---|---|---|---|---|")
    for name, found in means.items():
        shares = f"{found['won']:.2f} / {found['tied']:.2f}" if "won" in found else ""
        ends = f"{found['low']:.3f} to {found['high']:.3f}"
        print(f"| {name} | {found['mean']:.3f} | {ends} | {found['median']:.3f} | {shares} |")
