"""What the worker costs, and what a kill costs it: figures that no table of models holds."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.compression import overhead, resuming
from benchmarks.compression.benches import REPEATS
from benchmarks.compression.rounds import task_of
from benchmarks.compression.running import once

CHAIN, TASK = "smaller", "glyphs-cnn"
MOST_SECONDS, MOST_MEMORY, MOST_START, MOST_AGAIN = 1.05, 1.15, 2.0, 0.1
Figures = dict[str, Any]


def overhead_of(out: Path, *, quick: bool = False) -> list[Figures]:
    """Each pair of a step and a bare script, measured once."""
    pairs = overhead.PAIRS[:1] if quick else overhead.PAIRS
    return [_overhead_of(pair, out, quick=quick) for pair in pairs]


def _overhead_of(pair: overhead.Pair, out: Path, *, quick: bool) -> Figures:
    folder = out / "results" / "overhead"

    def make() -> Figures:
        print(f"Overhead of {pair.step}", flush=True)
        task = task_of(pair.task, 0, out, quick=quick)
        repeats = 1 if quick else REPEATS
        return overhead.measured(pair, task, folder / pair.step, repeats=repeats, quick=quick)

    return once(folder / f"{pair.step}.json", make)


def kill_of(out: Path, *, quick: bool = False) -> Figures:
    """The chain of B4, killed thrice, measured once."""

    def make() -> Figures:
        print("B4, killed and resumed", flush=True)
        task = task_of(TASK, 0, out, quick=quick)
        values = ("keep=0.4", f"epochs={1 if quick else 6}", "rate=0.002")
        shares = (0.6,) if quick else resuming.SHARES
        return resuming.measured(task, out / "made" / "killed", CHAIN, values, shares)

    return once(out / "results" / "killed.json", make)


def written(out: Path) -> Iterator[str]:
    """The lines of the page about both, as far as they were measured."""
    if (out / "results" / "killed.json").exists():
        yield from _killed(kill_of(out))
    files = (out / "results" / "overhead" / f"{pair.step}.json" for pair in overhead.PAIRS)
    if all(file.exists() for file in files):
        yield from _overhead(overhead_of(out))


def _killed(figures: Figures) -> Iterator[str]:
    lost = ", ".join(f"{seconds:.1f} s" for seconds in figures["lost_seconds"])
    same = "the same bytes as" if figures["same_bytes"] else "**other bytes than**"
    yield "## B4, killed and resumed"
    yield ""
    yield f"The chain of B4 was killed (SIGKILL) {figures['kills']} times, and started again."
    yield f"Work that was not kept: {lost}; the longest iteration of an undisturbed run took"
    yield f"{figures['longest_iteration_seconds']:.1f} s. In the end it gave {same} the"
    yield f"undisturbed run, in {figures['all_seconds']:.0f} s instead of "
    yield f"{figures['whole_seconds']:.0f} s."
    yield ""


def _overhead(found: list[Figures]) -> Iterator[str]:
    yield "## What the worker costs"
    yield ""
    yield "Medians over rounds; in each, the bare script ran right before the worker. *Step* is"
    yield "the step's time over that of the raw calls, *start* what passes before it beyond the"
    yield "imports, *again* an identical second run over the first."
    yield ""
    yield "| | n | raw | step | memory | start | again |"
    yield "|---|---|---|---|---|---|---|"
    for figures in found:
        summed = overhead.summed_up(figures)
        yield (
            f"| {figures['step']} | {len(figures['rounds'])} | {summed['seconds_bare']:.1f} s "
            f"| {_judged(summed['seconds_ratio'], MOST_SECONDS, 'x')} "
            f"| {_judged(summed['memory_ratio'], MOST_MEMORY, 'x')} "
            f"| {_judged(summed['start_seconds'], MOST_START, ' s')} "
            f"| {_judged(summed['again_ratio'], MOST_AGAIN, 'x')} |"
        )
    yield ""


def _judged(value: float, most: float, unit: str) -> str:
    said = f"{value:.2f}{unit}"
    return f"{said} (≤ {most:g})" if value <= most else f"**{said}** (goal ≤ {most:g})"
