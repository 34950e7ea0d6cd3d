"""Train a task's network with a bare torch loop, and print the seconds that the loop took.

python -m benchmarks.compression.bare.finetune TASK_DIR OUT_DIR STEPS
"""

import sys
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from benchmarks.compression.tasks import files
from benchmarks.compression.tasks.networks import BUILDERS

BATCH = 128


def main() -> None:
    """Train."""
    task, out, steps = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(1)
    described = files.read(task)
    network = BUILDERS[described.architecture](**described.args)
    network.load_state_dict(load_file(task / "model.safetensors"))
    began = time.perf_counter()
    train = files.samples(task, "train")
    order = np.random.default_rng(0).permutation(len(train))
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3, weight_decay=0.01)
    network.train()
    for step in range(steps):
        rows = order[step * BATCH % len(order) :][:BATCH]
        scores = network(torch.from_numpy(train.inputs[rows]))
        loss = nn.functional.cross_entropy(scores, torch.from_numpy(train.labels[rows]))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    save_file(network.state_dict(), out / "model.safetensors")
    print(time.perf_counter() - began)


if __name__ == "__main__":
    main()
