"""One version: of the package, of the chart, of the images, and of what names them."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_the_chart_has_the_version_of_the_package() -> None:
    chart = yaml.safe_load((ROOT / "charts" / "lathe" / "Chart.yaml").read_text())

    assert (chart["version"], chart["appVersion"]) == (VERSION, VERSION)


def test_images_say_the_version_of_the_package() -> None:
    for dockerfile in (ROOT / "docker").glob("*.Dockerfile"):
        assert re.findall(r"^ARG VERSION=(.*)$", dockerfile.read_text(), re.MULTILINE) == [VERSION]


def test_the_kustomization_names_images_of_that_version() -> None:
    base = ROOT / "charts" / "kustomize" / "base"
    images = yaml.safe_load((base / "kustomization.yaml").read_text())["images"]

    assert [image["newTag"] for image in images] == [VERSION]
    assert f"value: lathe-worker:{VERSION}\n" in (base / "deployment.yaml").read_text()
