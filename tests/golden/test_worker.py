"""What people read of a run, word by word: `pytest tests/golden --update-golden` rewrites it."""

from collections.abc import Callable
from io import StringIO

from rich.console import Console

from lathe_api.plan import plan_of
from lathe_steps.reasons import ExitCode
from lathe_worker.manifest import Manifest
from lathe_worker.report import Report, render
from lathe_worker.terminal import plan_view, result_view
from tests.builders import DISTILL, FP16, FUSE, PRUNE, QUANTIZE, a_resource, target
from tests.unit.worker.reports import EVALUATION, a_report

Golden = Callable[[str, str], None]


def manifest_of(report: Report) -> Manifest:
    shared = report.model_dump(include=set(Manifest.model_fields) - {"schema_version"})
    metrics = report.measured.metrics if report.measured else ()
    return Manifest.model_validate(
        {
            **shared,
            "exit_code": ExitCode.OK,
            "reports": (),
            "metrics": [metric.model_dump() for metric in metrics],
            "manifest_uri": "s3://artifacts/digits/5f3a9c1e5f3a9c1e/manifest.json",
            "report_uri": "s3://artifacts/digits/5f3a9c1e5f3a9c1e/report.html",
        }
    )


def test_the_page_of_a_run(golden: Golden) -> None:
    golden("report.html", render(a_report()))


def test_the_table_of_a_run(golden: Golden) -> None:
    out = StringIO()

    result_view.show(Console(file=out, width=120), manifest_of(a_report()), lambda uri: uri)

    golden("result.txt", out.getvalue())


def test_the_lines_of_a_plan(golden: Golden) -> None:
    spec = (
        a_resource()
        .steps({"name": "halve", **PRUNE}, DISTILL, FUSE)
        .targets(
            target("cpu", "ONNXRuntime", QUANTIZE),
            target("rtx", "TensorRTRTX", FP16, tensorrt={"computeCapabilities": ["8.9"]}),
            target("l4", "TensorRT", gpu={"product": "NVIDIA-L4"}),
        )
        .with_(
            evaluation=EVALUATION,
            output={"uri": "s3://artifacts/digits/", "publish": {"pointer": "latest.json"}},
        )
        .parsed()
    )

    golden("plan.txt", plan_view.text(plan_of(spec, namespace="default", name="digits"), spec))
