"""What docs/evaluation.md shows can be written, and its tables are those of the types."""

import re
from pathlib import Path

import yaml

from lathe_api.v1alpha1.evaluation import Evaluation, Gate, Metric

PAGE = (Path(__file__).parents[3] / "docs" / "evaluation.md").read_text()


def first_cells(section: str) -> set[str]:
    """What the first column of a section's tables names."""
    text = PAGE.partition(f"## {section}\n")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (.*?) \|", text, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


def test_the_example_can_be_written() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)

    evaluation = Evaluation.model_validate(yaml.safe_load(block))

    assert evaluation.on_failure == "Rollback"


def test_every_metric_is_said() -> None:
    assert first_cells("Metrics") == set(Metric)


def test_every_bound_and_every_end_is_said() -> None:
    bounds = {Gate.model_fields[name].alias for name in Gate.exactly_one_of}

    assert first_cells("Gates") == {*bounds, "Fail", "Warn", "Rollback"}
