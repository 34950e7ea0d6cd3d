import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import benchmarks.compression
from benchmarks.compression.contestants import lathe, plugin
from benchmarks.compression.tasks import files, glyphs, networks, tokens
from benchmarks.compression.tasks.catalogue import TASKS, plant
from benchmarks.compression.tasks.samples import Samples, Split

FOLDER = Path(benchmarks.compression.__file__).parent
APART = [
    *(FOLDER / "tasks").glob("*.py"),
    FOLDER / "measure.py",
    *FOLDER.glob("contestants/onnx*.py"),
]


@pytest.mark.parametrize("file", APART, ids=lambda file: file.name)
def test_what_another_tool_needs_imports_nothing_of_lathe(file: Path) -> None:
    tree = ast.parse(file.read_text())
    named = {
        *(
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.Import)
            for alias in node.names
        ),
        *(node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)),
    }

    assert [name for name in named if name.startswith("lathe")] == []


def test_samples_are_the_same_in_every_run_and_in_no_two_sets() -> None:
    first, again, other = (glyphs.rendered(20, seed) for seed in (1, 1, 2))

    assert np.array_equal(first.inputs, again.inputs)
    assert not np.array_equal(first.inputs, other.inputs)
    assert first.inputs.shape == (20, 1, 32, 32)


def test_the_first_half_of_a_sequence_speaks_about_its_label() -> None:
    found = tokens.generated(400, seed=3)
    words = np.random.default_rng(20).integers(
        tokens.VOCABULARY, size=(tokens.TOPICS, tokens.WORDS)
    )
    halves = np.split(found.inputs, 2, axis=1)

    first, second = (
        np.mean(
            [
                np.isin(row, words[label]).mean()
                for row, label in zip(half, found.labels, strict=True)
            ]
        )
        for half in halves
    )

    assert first > second + tokens.SHARE / 2


def test_the_planted_fault_changes_no_answer_in_floating_point() -> None:
    torch.manual_seed(0)
    network = networks.residual_cnn(10, (8, 8, 16)).eval()
    images = torch.randn(4, 1, 32, 32)
    before = network(images)

    plant(network)

    torch.testing.assert_close(network(images), before, rtol=1e-3, atol=1e-4)
    scales = dict(network.named_parameters())["blocks.0.first.1.weight"].abs()
    assert scales.max() > 100 * scales.median()


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_a_task_names_a_network_that_takes_its_input(task: object) -> None:
    assert task.architecture in networks.BUILDERS  # type: ignore[attr-defined]
    assert task.architecture in plugin.NAMES  # type: ignore[attr-defined]


def test_lathe_knows_the_networks_by_their_entry_points(tmp_path: Path) -> None:
    code = (
        "from lathe_steps.toolchains.networks.models import architectures\n"
        "print(architectures.build('bench.residual_cnn', {'classes': 3, 'widths': [4, 8]}).head)"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        env=plugin.environment(tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )

    assert "out_features=3" in done.stdout


CHAINS = sorted(path.stem for path in lathe.CHAINS.glob("*.yaml"))
WORDS = ("samples=8", "keep=0.4", "epochs=1", "rate=0.001", "passes=2", "alpha=0.5", "steps=2")


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("task")
    some = Samples(np.zeros((4, 1, 8, 8), np.float32), np.zeros(4, np.int64))
    data = files.write_samples(folder / "data", Split(some, some, some))
    network = networks.residual_cnn(3, (4, 8))
    described = files.Described(
        "test", 0, "residual_cnn", {"classes": 3, "widths": [4, 8]}, (1, 8, 8), "float32"
    )
    files.write(folder / "task", network, described, data)
    return folder / "task"


@pytest.mark.parametrize("chain", CHAINS)
def test_a_chain_makes_a_resource_that_can_be_run(chain: str, task: Path, tmp_path: Path) -> None:
    resource = lathe.prepare(task, tmp_path, chain, WORDS)

    done = subprocess.run(
        [Path(sys.executable).with_name("lathe"), "plan", resource],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_a_task_can_be_read_back(task: Path) -> None:
    described = files.read(task)

    assert (described.task, described.shape, described.trained) == ("test", (1, 8, 8), True)
    assert len(files.samples(task, "test")) == 4
