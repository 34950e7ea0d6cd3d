"""The compression suite, measured: tasks, contestants, and a page of figures.

    python -m benchmarks.compression                   everything, hours on two cores
    python -m benchmarks.compression --quick           minutes: does every task run to its end?
    python -m benchmarks.compression --only B2 B4      some benches
    python -m benchmarks.compression --report          only write the page again

What is finished is kept in out/bench and not done again; delete a folder there to repeat it.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.compression import costs, machine, quick, report
from benchmarks.compression.benches import BENCHES, Bench
from benchmarks.compression.rounds import Round, go

DOCS = Path("docs/benchmarks")


def main() -> None:
    """Run what was asked for, and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, help="folder for everything made on the way")
    parser.add_argument("--only", nargs="+", metavar="BENCH", default=[], help="such as B2 FM")
    parser.add_argument("--repeats", type=int, help="instead of each bench's own number")
    parser.add_argument("--quick", action="store_true", help="small tasks, no page, no goals")
    parser.add_argument("--report", action="store_true", help="run nothing, write the page")
    chosen = parser.parse_args()
    out = (chosen.out or Path("out/bench-quick" if chosen.quick else "out/bench")).resolve()
    benches = named(chosen.only)
    if chosen.quick:
        sys.exit(quick.check(benches, out, costs_too=not chosen.only))
    if not chosen.report:
        machine.note(out)
        for seed in range(max(bench.repeats for bench in benches)):
            for bench in benches:
                if seed < (chosen.repeats or bench.repeats):
                    go(Round(bench, seed, out))
        if not chosen.only:
            costs.kill_of(out)
            costs.overhead_of(out)
    report.write(BENCHES, out, DOCS)


def named(names: Sequence[str]) -> tuple[Bench, ...]:
    """The benches whose names begin so; all of them without names."""
    found = tuple(b for b in BENCHES if not names or any(b.name.startswith(n) for n in names))
    if not found:
        sys.exit(f"no bench is named so; there are: {', '.join(b.name for b in BENCHES)}")
    return found


if __name__ == "__main__":
    main()
