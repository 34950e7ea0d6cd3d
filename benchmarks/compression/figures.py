"""Drawing: where each contestant stands between smaller, faster and worse."""

import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from benchmarks.compression.benches import Bench
from benchmarks.compression.intervals import Interval
from benchmarks.compression.summary import Line

OURS, THEIRS = "#0b6e75", "#9aa5ab"

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "lathe"  # the same figures give the same file


def draw(bench: Bench, lines: Sequence[Line], path: Path) -> None:
    """Bars of how much smaller, how much faster and how much worse, with intervals."""
    shown = [line for line in lines if line.name != "fp32"][::-1]
    with_drop = any(line.drop for line in shown)
    figure, axes = plt.subplots(
        1, 2 + with_drop, figsize=(9, 0.9 + 0.42 * len(shown)), sharey=True, layout="constrained"
    )
    _bars(axes[0], shown, [line.smaller for line in shown], "times smaller")
    _bars(axes[1], shown, [line.faster for line in shown], "times faster (CPU time)")
    if with_drop:
        drops = [line.drop or Interval(0, 0, 0) for line in shown]
        _bars(axes[2], shown, drops, "top-1 drop, pp")
    figure.suptitle(f"{bench.name}: {bench.title}", x=0.01, ha="left", fontsize=10)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _bars(axis: Axes, shown: Sequence[Line], values: Sequence[Interval], title: str) -> None:
    colours = [OURS if line.name.startswith("Lathe") else THEIRS for line in shown]
    middles = [value.middle for value in values]
    reach = [
        [max(0.0, v.middle - v.low) if math.isfinite(v.low) else 0.0 for v in values],
        [max(0.0, v.high - v.middle) if math.isfinite(v.high) else 0.0 for v in values],
    ]
    axis.barh([line.name for line in shown], middles, xerr=reach, color=colours, height=0.62)
    for place, middle in enumerate(middles):
        axis.annotate(f" {middle:.2f}", (max(middle, 0), place), va="center", fontsize=8)
    axis.set_title(title, fontsize=9, loc="left")
    axis.axvline(0 if "drop" in title else 1, color="#333", linewidth=0.8)
    axis.margins(x=0.18)
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)
