"""What the operator costs: counts, and ratios to a twin in Go, on one API server.

    python -m benchmarks.operator                  everything, an hour on two cores
    python -m benchmarks.operator --quick          a minute or two: counts, and no times judged
    python -m benchmarks.operator --only idle      some scenes
    python -m benchmarks.operator --report         only write the page again

Figures are kept in out/bench-operator, a file for each round of a scene, and not measured again;
delete a file there to repeat it.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.operator import report, scenes
from benchmarks.operator.arms import ARMS, LATHE
from benchmarks.operator.goals import faults
from benchmarks.operator.scenes import Scene
from benchmarks.operator.world import World

DOCS = Path("docs/benchmarks")
SCENES = (
    Scene("idle", scenes.idle, 200, rounds=3),
    Scene("burst-1000", scenes.burst, 1_000, rounds=5),
    Scene("life-1000", scenes.life, 1_000, rounds=3, controllers=True),
    Scene("burst-10000", scenes.burst, 10_000, rounds=1),
    Scene("finished-10000", scenes.finished, 10_000, rounds=1),
)
QUICK = (
    Scene("idle", scenes.idle, 20, rounds=1),
    Scene("burst-100", scenes.burst, 100, rounds=1),
    Scene("life-20", scenes.life, 20, rounds=1, controllers=True),
)


def main() -> None:
    """Play what was asked for, and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, help="folder for the figures of each round")
    parser.add_argument("--only", nargs="+", metavar="SCENE", default=[], help="such as idle")
    parser.add_argument("--size", type=int, help="instead of each scene's own number of resources")
    parser.add_argument("--rounds", type=int, help="instead of each scene's own number")
    parser.add_argument("--quick", action="store_true", help="small scenes, no page, no times")
    parser.add_argument("--report", action="store_true", help="measure nothing, write the page")
    chosen = parser.parse_args()
    folder = "out/bench-operator-quick" if chosen.quick else "out/bench-operator"
    out = (chosen.out or Path(folder)).resolve()
    picked = () if chosen.report else named(QUICK if chosen.quick else SCENES, chosen.only)
    for scene in picked:
        size, rounds = chosen.size or scene.size, chosen.rounds or scene.rounds
        play(replace(scene, size=size, rounds=rounds), out)
    if chosen.quick:
        sys.exit(judge(out))
    report.write(out, DOCS)


def judge(out: Path) -> int:
    """Say what is wrong with our counts, whatever the times were; gives the exit code."""
    found = [
        fault
        for scene, by_arm in report.rounds_of(out).items()
        for figures in by_arm.get(LATHE, ())
        for fault in faults(scene, LATHE, figures)
    ]
    print("\n".join(found) or "every count is as it should be")
    return 1 if found else 0


def named(known: Sequence[Scene], names: Sequence[str]) -> tuple[Scene, ...]:
    """The scenes whose names begin so; all of them without names."""
    found = tuple(s for s in known if not names or any(s.name.startswith(n) for n in names))
    if not found:
        sys.exit(f"no scene is named so; there are: {', '.join(s.name for s in known)}")
    return found


def play(scene: Scene, out: Path) -> None:
    """Play the missing rounds of a scene: the arms take turns, and change who begins."""
    missing = [
        (number, name)
        for number in range(scene.rounds)
        for name in (ARMS if number % 2 == 0 else ARMS[::-1])
        if not (out / f"{scene.name}-{number}-{name}.json").exists()
    ]
    if not missing:
        return
    out.mkdir(parents=True, exist_ok=True)
    (out / "machine.json").write_text(json.dumps(report.machine(), indent=1) + "\n")
    with (
        tempfile.TemporaryDirectory(prefix="lathe-bench-") as folder,
        World(Path(folder), controllers=scene.controllers) as world,
    ):
        for number, name in missing:
            figures = scene.play(world, name, scene.size)
            path = out / f"{scene.name}-{number}-{name}.json"
            path.write_text(json.dumps(figures, indent=1) + "\n")
            print(f"{scene.name}, round {number + 1}, {name}: {json.dumps(figures)}", flush=True)


if __name__ == "__main__":
    main()
