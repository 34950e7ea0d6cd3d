"""Make one task's folder, for whoever wants to run another tool on it.

    python -m benchmarks.compression.tasks glyphs-cnn --seed 0 --out out/bench

Everything that is in the folder is described in `files.py`.
"""

import argparse
from pathlib import Path

import torch

from benchmarks.compression.tasks.catalogue import TASKS, build


def main() -> None:
    """Make it, unless it is there."""
    parser = argparse.ArgumentParser(description="Make a task: model, data and description.")
    parser.add_argument("task", choices=sorted(TASKS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="few samples, one epoch")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    print(build(TASKS[chosen.task], chosen.seed, chosen.out, quick=chosen.quick))


if __name__ == "__main__":
    main()
