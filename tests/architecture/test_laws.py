"""The laws of ARCHITECTURE.md that no linter knows."""

import ast
import importlib
import importlib.util
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import lathe_steps
from lathe_api.v1alpha1.steps import KINDS, StepEntry
from lathe_steps.base import Step
from lathe_steps.build_engine import BuildEngine

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "operator/lathe_operator",
    "workers/lathe_steps",
    "workers/lathe_worker",
    "workers/lathe_kubectl",
    "crds/lathe_api",
)
FILES = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
OURS = sorted({*FILES, *(ROOT / "e2e").rglob("*.py"), *(ROOT / "tests").rglob("*.py")})
VAGUE = {"utils", "util", "common", "helper", "helpers", "manager", "misc", "tools"}
TOOLCHAINS = (
    "torch",
    "torchvision",
    "torch_pruning",
    "onnx",
    "onnxruntime",
    "onnxslim",
    "tensorrt",
    "tensorrt_rtx",
    "numpy",
    "boto3",
    "kopf",
    "kubernetes",
)


def test_nothing_shadows_the_standard_librarys_operator() -> None:
    assert not (ROOT / "operator" / "__init__.py").exists()


def step_classes() -> Iterator[type[Step]]:
    """Every step that the package defines, found by walking it."""
    for module in pkgutil.iter_modules(lathe_steps.__path__, "lathe_steps."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and issubclass(value, Step) and value is not Step:
                yield value


def is_ours(name: str | None) -> bool:
    return bool(name) and str(name).partition(".")[0].startswith("lathe_")


def defined(module: str) -> set[str]:
    """Names that a module of ours has at its top level, submodules included; empty for none."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return set()
    names: set[str] = set()
    for node in ast.parse(Path(spec.origin).read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            stored = (part for part in ast.walk(node) if isinstance(part, ast.Name))
            names |= {part.id for part in stored if isinstance(part.ctx, ast.Store)}
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
    for folder in spec.submodule_search_locations or ():
        names |= {found.name for found in pkgutil.iter_modules([folder])}
    return names


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_what_is_imported_only_when_something_runs_is_there(file: Path) -> None:
    missing = [
        f"{node.module}.{alias.name}"
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom) and is_ours(node.module)
        for alias in node.names
        if alias.name not in defined(str(node.module))
    ]

    assert missing == []


def test_every_step_is_in_the_roster() -> None:
    listed = {
        argument
        for kind in KINDS
        for argument in getattr(StepEntry.model_fields[kind].annotation, "__args__", ())
        if argument is not type(None)
    }

    assert listed == set(step_classes()) - {BuildEngine}


LIGHT = {
    "the contract": "lathe_api.crd, lathe_api.plan, lathe_api.flow, lathe_api.outcome",
    "the operator's decisions": "lathe_operator.decide",
    "the command line": "lathe_worker.cli",
    "the program in the pod, which parses no model": "lathe_worker.main",
    "kubectl's plugin": "lathe_kubectl.main, lathe_kubectl.completion",
}


@pytest.mark.parametrize("modules", LIGHT.values(), ids=LIGHT)
def test_it_is_imported_without_any_toolchain_or_client(modules: str) -> None:
    code = f"import sys\nfor name in {TOOLCHAINS!r}: sys.modules[name] = None\nimport {modules}\n"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("file", OURS, ids=lambda f: str(f.relative_to(ROOT)))
def test_a_file_fits_in_a_head(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= 400


def functions(file: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function less its docstring."""
    body = function.body[1:] if ast.get_docstring(function) and function.body[1:] else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 2


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_a_function_fits_on_a_screen(file: Path) -> None:
    long = {function.name: length(function) for function in functions(file)}

    assert {name: lines for name, lines in long.items() if lines > 60} == {}


PAGES = ("ARCHITECTURE.md", "README.md", "CONTRIBUTING.md")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_only_places_that_exist(page: str) -> None:
    named = re.findall(r"`([a-z0-9_./-]+(?:/|\.py|\.md|\.yaml))`", (ROOT / page).read_text())

    assert [path for path in named if not ((ROOT / path).exists() or anywhere(path))] == []


def anywhere(name: str) -> bool:
    """Whether a file is there by its bare name, where a page has just said in which package."""
    return "/" not in name.rstrip("/") and any(
        next((ROOT / package).rglob(name.rstrip("/")), None) for package in PACKAGES
    )


def test_no_module_has_a_name_that_means_nothing() -> None:
    assert [str(file) for file in FILES if file.stem in VAGUE] == []


def test_no_program_swallows_every_exception() -> None:
    swallowing = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in FILES
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in {"Exception", "BaseException"})
        and not any(isinstance(child, ast.Raise | ast.Return) for child in ast.walk(node))
    ]

    assert swallowing == []


def test_nothing_sleeps_in_tests() -> None:
    sleeping = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in (ROOT / "tests").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"time.sleep", "sleep"}
    ]

    assert sleeping == []
