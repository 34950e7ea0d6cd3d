"""The operator's page names every setting and every metric, and no other."""

import re
from pathlib import Path

from prometheus_client import REGISTRY

import lathe_operator.metrics
from lathe_operator.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "operator.md").read_text()


def test_every_setting_is_on_the_page() -> None:
    named = set(re.findall(r"^\| .*?(?=\| )", PAGE, re.MULTILINE))
    told = {word for row in named for word in re.findall(r"`(LATHE_[A-Z_]+)`", row)}

    assert told == {f"LATHE_{name}".upper() for name in Settings.model_fields}


def test_every_metric_is_on_the_page() -> None:
    assert lathe_operator.metrics.RUNS is not None
    told = set(re.findall(r"^\| `(lathe_[a-z_]+)", PAGE, re.MULTILINE))
    declared = {metric.name for metric in REGISTRY.collect() if metric.name.startswith("lathe_")}

    assert {name.removesuffix("_total") for name in told} == declared | {"lathe_resources"}
