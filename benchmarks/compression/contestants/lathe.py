"""Lathe: a ModelOptimization resource around one of the chains beside this file, and `lathe run`.

    python -m benchmarks.compression.contestants.lathe TASK_DIR OUT_DIR --chain int8

What is published for the target `cpu` (or the only one) is copied to OUT_DIR, with the resource
and the manifest; of a target `archive`, the unpacked network is exported to OUT_DIR/model.onnx.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

import yaml

from benchmarks.compression.contestants.plugin import environment

CHAINS = Path(__file__).parent / "chains"
FILES = (
    ("model.safetensors", "models/torch"),
    ("model.onnx", "models/onnx"),
    *((f"{name}.npz", "data") for name in ("train", "calib", "test")),
)
"""What lies where in the storage folder."""
PUBLISHED = "published.json"
"""What the contestant says of its result; `bytes` there takes the place of model.onnx's."""
REFUSED = 10
"""Exit code for a gate that failed; what was made is kept under rejected/."""


def main() -> None:
    """Run a chain on a task."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("task", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--chain", required=True, help="a file of chains/, without .yaml")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="values")
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    out = chosen.out.resolve()
    file = prepare(chosen.task, out, chosen.chain, chosen.values)
    code, said = run(file, out, chosen.threads)
    if code not in (0, REFUSED):
        sys.exit(f"lathe run ended with {code}: {said}")
    collect(chosen.task, out, json.loads(said))


def prepare(task: Path, out: Path, chain: str, values: Sequence[str] = ()) -> Path:
    """Lay out a storage folder and write the resource.

    Args:
        task: Folder of the task.
        out: Folder for everything that this contestant writes.
        chain: Name of a file in chains/.
        values: NAME=VALUE pairs for the words $NAME in the chain; $seed is the task's.

    Returns:
        The resource's file.
    """
    described = json.loads((task / "task.json").read_text())
    for source, key in FILES:
        folder = out / "storage" / key
        folder.mkdir(parents=True, exist_ok=True)
        (folder / source).unlink(missing_ok=True)
        os.link(task / source, folder / source)
    words = dict(pair.split("=", 1) for pair in (f"seed={described['seed']}", *values))
    text = Template((CHAINS / f"{chain}.yaml").read_text()).substitute(words)
    resource = out / "resource.yaml"
    resource.write_text(
        yaml.safe_dump(resource_of(described, yaml.safe_load(text)), sort_keys=False)
    )
    return resource


def resource_of(task: dict[str, Any], chain: dict[str, Any]) -> dict[str, Any]:
    """The resource: the task's model and data around the chain's part of a spec.

    The chain says `model: {format: ONNX}` to start from model.onnx instead of the torch weights.
    """
    dataset = {"format": "NPZ", "inputs": {"x": "inputs"}, "labels": "labels"}
    spec = {
        "datasets": [
            {"name": name, "uri": f"s3://data/{name}.npz", **dataset}
            for name in ("train", "calib", "test")
        ],
        "evaluation": {"dataset": "test", "metrics": ["SizeBytes"], "onFailure": "Warn"},
        "output": {"uri": "s3://artifacts/task/"},
        **chain,
        "model": _model(task, chain.get("model", {})),
    }
    return {
        "apiVersion": "lathe.dev/v1alpha1",
        "kind": "ModelOptimization",
        "metadata": {"name": "bench"},
        "spec": spec,
    }


def _model(task: dict[str, Any], wish: dict[str, Any]) -> dict[str, Any]:
    if wish.get("format") == "ONNX":
        return {"uri": "s3://models/onnx/model.onnx", "format": "ONNX"}
    return {
        "uri": "s3://models/torch/",
        "format": "Safetensors",
        "architecture": {"ref": f"bench.{task['architecture']}", "args": task["args"]},
        "inputs": [{"name": "x", "dtype": task["dtype"], "shape": ["batch", *task["shape"]]}],
    }


def run(resource: Path, out: Path, threads: int) -> tuple[int, str]:
    """Run `lathe run`; returns its exit code and what it printed."""
    ended = subprocess.run(
        command(resource, out, threads),
        stdout=subprocess.PIPE,
        env=environment(out),
        check=False,
    )
    return ended.returncode, ended.stdout.decode()


def command(resource: Path, out: Path, threads: int) -> list[str | Path]:
    """The command line that runs a resource."""
    lathe = Path(sys.executable).with_name("lathe")
    folders = ("--storage", out / "storage", "--workspace", out / "workspace")
    return [lathe, "run", resource, *folders, "--threads", str(threads), "--output", "json"]


def collect(task: Path, out: Path, outcome: dict[str, Any]) -> None:
    """Copy what was published into the folder of results."""
    manifest = out / "storage" / outcome["manifestURI"].removeprefix("s3://")
    shutil.copy(manifest, out / "manifest.json")
    facts = {name: value for step in outcome["steps"] for name, value in step["metrics"].items()}
    (out / PUBLISHED).write_text(json.dumps({"facts": facts}) + "\n")
    for artifact in outcome["artifacts"]:
        folder = out / artifact["target"]
        folder.mkdir(exist_ok=True)
        source = out / "storage" / artifact["uri"].removeprefix("s3://")
        shutil.copy(source, folder / Path(artifact["uri"]).name)
    target = "archive" if (out / "archive").is_dir() else outcome["artifacts"][0]["target"]
    if target == "archive":
        module = "benchmarks.compression.contestants.unpacking"
        subprocess.run([sys.executable, "-m", module, task, out], check=True)
    else:
        shutil.copy(out / target / "model.onnx", out / "model.onnx")
    shutil.rmtree(out / "workspace", ignore_errors=True)


if __name__ == "__main__":
    main()
