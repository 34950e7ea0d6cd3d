"""The tasks' networks as architectures of Lathe, by the entry points of a package made on the spot.

Any installed package can add architectures in the same way; this one is a folder on PYTHONPATH.
"""

import os
from collections.abc import Mapping
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
NETWORKS = "benchmarks.compression.tasks.networks"
NAMES = (
    "mlp",
    "residual_cnn",
    "resnet18_28",
    "resnet18_224",
    "mobilenet_v2_224",
    "encoder",
)


def environment(out: Path) -> Mapping[str, str]:
    """The environment in which `lathe` knows bench.<name> for every network.

    Args:
        out: Folder for the package.
    """
    package = out / "plugin"
    metadata = package / "lathe_bench-1.dist-info"
    metadata.mkdir(parents=True, exist_ok=True)
    lines = [f"bench.{name} = {NETWORKS}:{name}" for name in NAMES]
    text = "\n".join(["[lathe.architectures]", *lines, ""])
    (metadata / "entry_points.txt").write_text(text)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: lathe-bench\nVersion: 1\n")
    path = os.pathsep.join((str(REPOSITORY), str(package.resolve())))
    return {**os.environ, "PYTHONPATH": path}  # noqa: TID251 - a program's main
