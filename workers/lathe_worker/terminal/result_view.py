"""What came of a run: before and after, the gates, and where the files are."""

from collections.abc import Callable, Iterator, Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from lathe_api.v1alpha1.status import MetricStatus
from lathe_steps.reasons import Reason
from lathe_worker.gates import GateResult
from lathe_worker.manifest import Manifest, ManifestStep
from lathe_worker.report import findings, metrics, words
from lathe_worker.report.stops import common_steps, steps_of

_NOTABLE = 0.02
"""Changes of size below this share are not shown."""

Locate = Callable[[str], str]
"""From an s3:// address to what the user finds it by."""


def show(console: Console, manifest: Manifest, locate: Locate, *, again: bool = False) -> None:
    """Print the result of a run; `again` when an earlier one had made it already."""
    if again:
        console.print("Nothing was left to do: the same work was done before.")
    console.print()
    if manifest.metrics:
        console.print(_metrics(manifest))
    if lines := list(_path(manifest)):
        console.print(Text("\n").join(lines), Text(), soft_wrap=True, highlight=False, sep="\n")
    for result in manifest.gates.results:
        console.print(_gate(result), soft_wrap=True)
    if manifest.gates.reason is Reason.ROLLED_BACK:
        console.print(Text.assemble(("↩", "yellow"), " ", manifest.gates.message), soft_wrap=True)
    console.print()
    for line in _files(manifest, locate):
        console.print(line, soft_wrap=True, highlight=False)


def _metrics(manifest: Manifest) -> RenderableType:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column("target", style="bold")
    table.add_column("metric")
    for name in ("before", "after"):
        table.add_column(name, justify="right")
    table.add_column("change", style="bold")
    table.add_column("95% interval", style="dim")
    shown = ""
    for metric in manifest.metrics:
        if metric.target != shown and shown:
            table.add_row()
        table.add_row(metric.target if metric.target != shown else "", *_cells(metric))
        shown = metric.target
    return Group(table, Text())


def _cells(metric: MetricStatus) -> tuple[str, ...]:
    before, after = (metrics.value(metric.name, each) for each in (metric.input, metric.output))
    return (metric.name, before, after, metrics.effect(metric), metrics.interval(metric))


def _path(manifest: Manifest) -> Iterator[Text]:
    """How the size went on the way to each target, and what not to overlook about the steps."""
    common = common_steps(manifest.steps)
    for target in manifest.plan.targets:
        way = _changes(manifest.inputs[0].bytes, [*common, *steps_of(manifest.steps, target.name)])
        if len(way) > 1:
            yield Text.assemble((f"{target.name:9}", "bold"), (" → ".join(way), "dim"))
    for step in manifest.steps:
        for remark in findings.remarks(step):
            yield Text.assemble((f"{step.name:9}", "bold"), remark)


def _changes(size: int, steps: Sequence[ManifestStep]) -> list[str]:
    """The sizes that differ from those before them, each with the step that made it."""
    said = [words.size(size)]
    for step in steps:
        if abs(step.bytes - size) > _NOTABLE * size:
            said.append(f"{step.name.rpartition('/')[2]} {words.size(step.bytes)}")
            size = step.bytes
    return said


def _gate(result: GateResult) -> Text:
    mark, style = ("✓", "green") if result.passed else ("✗", "red")
    return Text.assemble((mark, style), " ", result.message)


def _files(manifest: Manifest, locate: Locate) -> Iterator[Text]:
    notes = {t.name: f" ({t.message})" for t in manifest.targets if t.message}
    notes |= {t.name: " (built here, not run here)" for t in manifest.targets if not t.executed}
    for artifact in manifest.artifacts:
        note = notes.get(artifact.target, "")
        yield Text.assemble(
            (f"{artifact.target:10}", "bold"),
            locate(artifact.uri),
            (f"  {words.size(artifact.bytes)}{note}", "dim"),
        )
    yield Text.assemble((f"{'report':10}", "bold"), locate(manifest.report_uri))
    yield Text.assemble((f"{'manifest':10}", "bold"), locate(manifest.manifest_uri))
