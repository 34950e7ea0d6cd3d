"""What the worker costs beside the raw library call, interleaved in one run.

A step's seconds are its own, as the manifest has them; the bare script's are those of its calls.
Both without the imports, which are timed apart.
"""

import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.compression.contestants import lathe
from benchmarks.compression.contestants.plugin import REPOSITORY, environment
from benchmarks.compression.running import noted

IMPORTS = "import torch, torchvision, onnx, onnxruntime, numpy, safetensors"


@dataclass(frozen=True, slots=True)
class Pair:
    """A step and the script that does the same.

    Attributes:
        step: Its kind.
        task: Name of the task.
        steps: Batches or samples.
        quick: Batches or samples where minutes matter.
    """

    step: str
    task: str
    steps: int
    quick: int


PAIRS = (
    Pair("finetune", "glyphs-cnn", 120, 4),
    Pair("quantize", "resnet18-224", 512, 4),
)


def measured(pair: Pair, task: Path, out: Path, *, repeats: int, quick: bool) -> dict[str, Any]:
    """Both, one after the other, `repeats` times; then the last run once more as it is."""
    steps = pair.quick if quick else pair.steps
    rounds: list[dict[str, Any]] = []
    for number in range(repeats):
        folder = out / str(number)
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "bare").mkdir(parents=True)
        print(f"  {pair.step}, {number + 1} of {repeats}", flush=True)
        rounds.append(
            {
                "bare": _bare(pair, task, folder / "bare", steps),
                "lathe": _lathe(pair, task, folder / "lathe", steps),
                "imports": _timed([sys.executable, "-c", IMPORTS]),
            }
        )
    first, again = rounds[-1]["lathe"]["whole"], _again(out / str(repeats - 1) / "lathe")
    return {"step": pair.step, "steps": steps, "rounds": rounds, "again": again / first}


def summed_up(figures: Mapping[str, Any]) -> dict[str, float]:
    """Ratios of each round, the middle of them; seconds beyond the imports before the step."""
    rounds = figures["rounds"]

    def middle(kind: str) -> float:
        return float(statistics.median(r["lathe"][kind] / r["bare"][kind] for r in rounds))

    return {
        "seconds_bare": statistics.median(r["bare"]["seconds"] for r in rounds),
        "seconds_ratio": middle("seconds"),
        "memory_ratio": middle("peak_bytes"),
        "start_seconds": statistics.median(r["lathe"]["start"] - r["imports"] for r in rounds),
        "again_ratio": figures["again"],
    }


def _bare(pair: Pair, task: Path, out: Path, steps: int) -> dict[str, float]:
    module = f"benchmarks.compression.bare.{pair.step}"
    usage = out / "usage.json"
    ended = subprocess.run(
        noted(usage, [sys.executable, "-m", module, task, out, str(steps)]),
        capture_output=True,
        check=True,
        cwd=REPOSITORY,
        env=_one_thread(out),
    )
    return {"seconds": float(ended.stdout.split()[-1]), **_took(usage)}


def _lathe(pair: Pair, task: Path, out: Path, steps: int) -> dict[str, float]:
    out.mkdir()
    values = (f"steps={steps}",)
    resource = lathe.prepare(task, out, f"overhead-{pair.step}", values)
    usage = out / "usage.json"
    began, start = time.perf_counter(), 0.0
    with (
        (out / "outcome.json").open("wb") as answers,
        subprocess.Popen(
            noted(usage, lathe.command(resource, out, 1)),
            stdout=answers,
            stderr=subprocess.PIPE,
            env=_one_thread(out),
        ) as process,
    ):
        for line in process.stderr or ():
            if not start and pair.step in line.decode():
                start = time.perf_counter() - began
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    outcome = json.loads((out / "outcome.json").read_text())
    (seconds,) = (step["seconds"] for step in outcome["steps"] if pair.step in step["name"])
    return {"seconds": seconds, "start": start, **_took(usage)}


def _again(out: Path) -> float:
    """Seconds of an identical run."""
    return _timed(lathe.command(out / "resource.yaml", out, 1), _one_thread(out))


def _timed(command: list[Any], env: Mapping[str, str] | None = None) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=env)
    return time.perf_counter() - began


def _took(usage: Path) -> dict[str, float]:
    """Seconds of a whole process, and the memory of the largest in its tree."""
    used = json.loads(usage.read_text())
    return {"whole": used["seconds"], "peak_bytes": used["peak_bytes"]}


def _one_thread(out: Path) -> Mapping[str, str]:
    return {**environment(out), "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
