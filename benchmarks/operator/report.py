"""The page of figures: counts, ratios to the twin, and what they were measured on."""

import json
import math
import os
import platform
import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

from benchmarks.operator.arms import LATHE, TWIN
from benchmarks.operator.goals import Figures, Rounds, Row, rows

OURS, THEIRS = "#0b6e75", "#9aa5ab"
PACKAGES = ("lathe", "kopf", "kubernetes", "aiohttp", "pydantic")
PAGE, RAW, PICTURE = "operator.md", "operator.json", "operator.svg"
HEAD = """\
# What the operator costs, measured

Written by `make bench-operator`; every round is in [operator.json](operator.json), and how it is
measured is told in [benchmarks/README.md](../../benchmarks/README.md#the-operator).

The *twin* is a minimal operator in Go (controller-runtime v0.25, no client limits), with the same
Jobs, statuses and Events, at the same concurrency, before the same API server, whose audit log is
the clock. It validates and plans nothing: it writes what templates say. Ratios are ours to the
twin's, round by round, and in brackets is their 95 % interval.
"""


def machine() -> dict[str, Any]:
    """What the figures are measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    told = dict(line.split(":", 1) for line in reversed(lines) if ":" in line)
    said = {key.strip(): value.strip() for key, value in told.items()}
    commit = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(commit, capture_output=True, text=True, check=False)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": done.stdout.strip(),
        "cpu": said.get("model name", platform.machine()),
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
    }


def rounds_of(out: Path) -> dict[str, dict[str, list[Figures]]]:
    """Every round's figures, by scene and arm."""
    found: dict[str, dict[str, list[Figures]]] = {}
    for path in sorted(out.glob("*-*-*.json")):
        scene, _, arm = path.stem.rsplit("-", 2)
        found.setdefault(scene, {}).setdefault(arm, []).append(json.loads(path.read_text()))
    return found


def write(out: Path, docs: Path) -> None:
    """Write the page, its figure and the raw figures."""
    found, told = rounds_of(out), json.loads((out / "machine.json").read_text())
    lines = rows(found)
    draw([line for line in lines if line.ratio], docs / PICTURE)
    parts = [HEAD, "\n".join(_machine(told)), "\n".join(_table(lines))]
    parts += [f"![ratios to the twin]({PICTURE})", "\n".join(_counts(found))]
    (docs / PAGE).write_text("\n\n".join(parts) + "\n")
    (docs / RAW).write_text(json.dumps({"machine": told, "scenes": found}, indent=1) + "\n")
    print(f"wrote {docs / PAGE}")


def _machine(told: dict[str, Any]) -> Iterator[str]:
    versions = ", ".join(f"{name} {number}" for name, number in told["versions"].items())
    yield "| measured on | |"
    yield "|---|---|"
    yield f"| date, commit | {told['date']}, {told['commit']} |"
    yield f"| CPU | {told['cores']} cores of {told['cpu']} |"
    yield f"| load average at the start | {told['load']:.1f} |"
    yield f"| versions | Python {told['python']}, {versions} |"


def _table(lines: Sequence[Row]) -> Iterator[str]:
    yield "| | Lathe | twin | ratio | goal | |"
    yield "|---|---|---|---|---|---|"
    for line in lines:
        ours, theirs = (_number(line.figures.get(arm)) for arm in (LATHE, TWIN))
        verdict = {True: "reached", False: "missed", None: ""}[line.reached]
        yield f"| {line.title} | {ours} | {theirs} | {_ratio(line)} | {line.goal} | {verdict} |"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits


def _ratio(line: Row) -> str:
    if line.ratio is None:
        return ""
    low, high = line.ratio.low, line.ratio.high
    reach = f" [{low:.2f}, {high:.2f}]" if math.isfinite(low) else ""
    return f"{line.ratio.middle:.2f}x{reach}"


def _counts(found: Rounds) -> Iterator[str]:
    yield "## Counted in the audit log"
    yield ""
    yield "| scene | arm | resources | writes | reads |"
    yield "|---|---|---|---|---|"
    for scene, arms in found.items():
        for arm, each in arms.items():
            last = each[-1]
            told = [_spelled(last.get(kind, {})) for kind in ("writes", "reads")]
            told[1] = told[1] or _spelled(last.get("idle_requests", {}))
            yield f"| {scene} | {arm} | {last['n']} | {told[0]} | {told[1]} |"


def _spelled(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items())


def draw(lines: Sequence[Row], path: Path) -> None:
    """Bars of every ratio, with its interval."""
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "lathe"  # the same figures give the same file
    shown = [(line.title, line.ratio) for line in lines[::-1] if line.ratio]
    figure, axis = plt.subplots(figsize=(9, 0.9 + 0.36 * len(shown)), layout="constrained")
    middles = [ratio.middle for _, ratio in shown]
    reach = [
        [max(0.0, r.middle - r.low) if math.isfinite(r.low) else 0.0 for _, r in shown],
        [max(0.0, r.high - r.middle) if math.isfinite(r.high) else 0.0 for _, r in shown],
    ]
    axis.barh([title for title, _ in shown], middles, xerr=reach, color=OURS, height=0.62)
    axis.axvline(1, color=THEIRS, linewidth=1.2)
    for place, middle in enumerate(middles):
        axis.annotate(f" {middle:.2f}x", (middle, place), va="center", fontsize=8)
    axis.set_title("Lathe to its twin in Go (1: the same)", fontsize=9, loc="left")
    axis.margins(x=0.18)
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
