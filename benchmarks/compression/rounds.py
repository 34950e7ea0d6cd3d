"""One round: a bench with one seed, from the task to figures in a file."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.compression.benches import Bench, Contestant
from benchmarks.compression.measure import digest
from benchmarks.compression.running import Failed, Ran, contest, run

MODEL = "model.onnx"


@dataclass(frozen=True, slots=True)
class Round:
    """A bench with a seed, its results below a folder."""

    bench: Bench
    seed: int
    out: Path
    quick: bool = False

    @property
    def folder(self) -> Path:
        """Where its results are."""
        return self.out / "results" / plain(self.bench.name) / str(self.seed)

    @property
    def file(self) -> Path:
        """Its figures."""
        return self.folder / "measured.json"

    @property
    def contestants(self) -> tuple[Contestant, ...]:
        """Who takes part."""
        return tuple(c for c in self.bench.contestants if c.in_quick or not self.quick)

    def folder_of(self, contestant: Contestant) -> Path:
        """Where a contestant works; the same work of two benches is done once."""
        arguments = contestant.quick if self.quick and contestant.quick else contestant.arguments
        words = [contestant.module, *(a.removeprefix("--") for a in arguments)]
        return self.out / "made" / f"{self.bench.task}-{self.seed}" / plain("-".join(words))


def go(one: Round) -> dict[str, Any]:
    """Do what is not done yet, and return the figures.

    Raises:
        Failed: When a task, or measuring, did not end well. A contestant that fails is noted.
    """
    print(f"{one.bench.name}, seed {one.seed}", flush=True)
    task = task_of(one.bench.task, one.seed, one.out, quick=one.quick)
    ran: dict[str, Ran | str] = {}
    for contestant in one.contestants:
        arguments = contestant.quick if one.quick and contestant.quick else contestant.arguments
        print(f"  {contestant.name}", flush=True)
        try:
            ran[contestant.name] = contest(
                contestant.module, task, one.folder_of(contestant), arguments
            )
        except Failed as error:
            ran[contestant.name] = str(error)
            print(f"    {error}", file=sys.stderr, flush=True)
    return _measured(one, task, ran)


def task_of(name: str, seed: int, out: Path, *, quick: bool = False) -> Path:
    """The folder of a task, made in a process of its own unless it is there."""
    folder = out / "tasks" / f"{name}-{seed}"
    if not (folder / "task.json").exists():
        print(f"  making {folder.name}", flush=True)
        out.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "benchmarks.compression.tasks", name]
        command += ["--seed", str(seed), "--out", str(out), *(["--quick"] if quick else [])]
        run(command, out / "tasks.log")
    return folder


def _measured(one: Round, task: Path, ran: dict[str, Ran | str]) -> dict[str, Any]:
    """Measure all models side by side, unless these very files were."""
    folders = {c.name: one.folder_of(c) for c in one.contestants}
    models = {name: folders[name] / MODEL for name, took in ran.items() if isinstance(took, Ran)}
    known = json.loads(one.file.read_text()) if one.file.exists() else {}
    digests = {name: digest(path) for name, path in models.items()}
    if digests and all(_known(known, name, found) for name, found in digests.items()):
        return dict(known)
    one.folder.mkdir(parents=True, exist_ok=True)
    print("  measuring", flush=True)
    part = one.folder / "measured.part"
    blocks = ["--blocks", "2"] if one.quick else []
    pairs = [f"{name}={path}" for name, path in models.items()]
    command = [sys.executable, "-m", "benchmarks.compression.measure", str(task), *pairs]
    run([*command, "--out", str(part), *blocks], one.folder / "measuring.log")
    figures: dict[str, Any] = json.loads(part.read_text())
    for name, took in ran.items():
        if isinstance(took, Ran):
            figures["models"][name] |= _published(folders[name]) | {
                "seconds": took.seconds,
                "cpu_seconds": took.cpu_seconds,
                "peak_bytes": took.peak_bytes,
            }
        else:
            figures.setdefault("failed", {})[name] = took
    one.file.write_text(json.dumps(figures, indent=1) + "\n")
    part.unlink()
    return figures


def _published(folder: Path) -> dict[str, Any]:
    """What a contestant says of itself, such as the bytes of what it ships instead of ONNX."""
    file = folder / "published.json"
    return dict(json.loads(file.read_text())) if file.exists() else {}


def _known(figures: dict[str, Any], name: str, found: str) -> bool:
    model = figures.get("models", {}).get(name, {})
    return bool(model.get("sha256") == found)


def plain(text: str) -> str:
    """The text as part of a file's name."""
    return "".join(c if c.isalnum() or c in ".-_" else "-" for c in text.lower())
