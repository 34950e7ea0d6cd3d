"""The page of figures: a table and a figure for each bench, and what they were measured on."""

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.compression import costs, figures
from benchmarks.compression.benches import Bench, Goal
from benchmarks.compression.intervals import Interval
from benchmarks.compression.rounds import plain
from benchmarks.compression.summary import Line, figures_of, lines_of, reached

TOLD = ("evaluations", "equalised_pairs", "floating_nodes", "largest_unevenness")
"""Facts of quantisation with a goal."""
COLUMNS = (
    "CPU ms",
    "smaller",
    "faster",
    "faster (wall)",
    "drop, pp",
    "top-1",
    "made in",
    "peak memory",
)
PAGE, RAW = "compression.md", "compression.json"
HEAD = """\
# The compression suite, measured

Written by `make bench-compression`; raw figures are in [compression.json](compression.json), and
what the tasks are is told in [benchmarks/README.md](../../benchmarks/README.md).

Every model is run by ONNX Runtime on one thread of one CPU, one sample a call, in turns with the
fp32 model of the same task. *Smaller* and *faster* are times against that model: bytes of the
file, and CPU time of the median call. *Drop* is in percentage points of top-1, paired on the same
samples, with the least and the most of the seeds. In brackets are 95 % intervals: over seeds for
ratios, over all samples of all seeds for the drop.
"""


def write(benches: Sequence[Bench], out: Path, docs: Path) -> None:
    """Write page, figures and raw results of all that was measured."""
    docs.mkdir(parents=True, exist_ok=True)
    machine = json.loads((out / "machine.json").read_text())
    raw: dict[str, Any] = {"machine": machine, "benches": {}}
    parts = [HEAD, "\n".join(_machine(machine))]
    for bench in benches:
        found = figures_of(bench, out)
        if not found:
            continue
        raw["benches"][bench.name] = {str(seed): each for seed, each in found.items()}
        lines = lines_of(bench, tuple(found.values()))
        picture = f"compression-{plain(bench.name)}.svg"
        figures.draw(bench, lines, docs / picture)
        parts.append("\n".join(_bench(bench, lines, picture)))
        parts.extend(_failures(found))
    parts.append("\n".join(costs.written(out)))
    (docs / PAGE).write_text("\n\n".join(parts) + "\n")
    (docs / RAW).write_text(json.dumps(raw, indent=1) + "\n")
    print(f"wrote {docs / PAGE}")


def _machine(machine: dict[str, Any]) -> Iterator[str]:
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    yield "| measured on | |"
    yield "|---|---|"
    yield f"| date, commit | {machine['date']}, {machine['commit']} |"
    yield f"| CPU | {machine['cores']} cores of {machine['cpu']} |"
    yield f"| instruction sets | {', '.join(machine['isa'])} |"
    yield f"| load average at the start | {machine['load']:.1f} |"
    yield f"| versions | Python {machine['python']}, {versions} |"


def _bench(bench: Bench, lines: Sequence[Line], picture: str) -> Iterator[str]:
    yield f"## {bench.name}: {bench.title}"
    yield ""
    if bench.note:
        yield bench.note
        yield ""
    yield f"| | {' | '.join(COLUMNS)} |"
    yield "|---" * (1 + len(COLUMNS)) + "|"
    for line in lines:
        yield f"| {line.name} | {' | '.join(_cells(line))} |"
    yield ""
    seeds, samples = (lines[0].seeds, lines[0].samples) if lines else (0, 0)
    yield f"n = {seeds} seeds" + (f", {samples} samples in all." if samples else ".")
    yield ""
    yield from (_goal(goal, lines) for goal in bench.goals)
    yield ""
    yield from _findings(lines)
    yield f"![{bench.title}]({picture})"


def _findings(lines: Sequence[Line]) -> Iterator[str]:
    """What steps say of a search, where there was one."""
    for line in lines:
        if "evaluations" in line.facts:
            said = (f"{k.replace('_', ' ')} {line.facts[k]:g}" for k in TOLD if k in line.facts)
            yield f"{line.name}: {', '.join(said)}."
            yield ""


def _cells(line: Line) -> Iterator[str]:
    yield f"{line.cpu_ms:.3f}"
    for ratio in (line.smaller, line.faster, line.faster_wall):
        yield _ratio(ratio)
    if line.drop is None or line.top1 is None:
        yield from ("", "")
    else:
        ends = f" [{line.drop.low:+.2f}, {line.drop.high:+.2f}]"
        spread = f"; {min(line.drops):+.2f} … {max(line.drops):+.2f}"
        yield f"{line.drop.middle:+.2f}{ends}{spread}"
        yield f"{line.top1:.2%}"
    yield "" if line.seconds is None else f"{line.seconds:.0f} s"
    yield "" if line.peak_bytes is None else f"{line.peak_bytes / 2**20:.0f} MiB"


def _ratio(ratio: Interval) -> str:
    if math.isnan(ratio.low) or ratio.low == ratio.high:
        return f"{ratio.middle:.2f}x"
    return f"{ratio.middle:.2f}x [{ratio.low:.2f}, {ratio.high:.2f}]"


def _goal(goal: Goal, lines: Sequence[Line]) -> str:
    wanted = {
        "Smaller": f"at least {goal.bound:g} times smaller than {goal.than}",
        "Faster": f"at least {goal.bound:g} times as fast as {goal.than}",
        "Drop": f"at most {goal.bound:g} pp below {goal.than}",
        "Evaluations": f"at most {goal.bound:g} candidates judged",
        "Better": f"more than {goal.bound:g} pp above {goal.than}",
        "Memory": f"at most {goal.bound:g} times the memory of {goal.than}",
    }[goal.kind]
    found = reached(goal, lines)
    if found is None:
        return f"- {goal.contestant}, {wanted}: not measured"
    value, good = found
    return f"- {goal.contestant}, {wanted}: {value:.2f}, {'reached' if good else '**missed**'}"


def _failures(found: dict[int, Any]) -> Iterator[str]:
    for seed, each in found.items():
        for name, why in each.get("failed", {}).items():
            yield f"{name} failed with seed {seed}: {Path(why).name}"
