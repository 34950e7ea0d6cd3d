"""Progress as it is shown: a moving line for people, plain lines for logs."""

from io import StringIO

from rich.console import Console

from lathe_api.v1alpha1.status import Progress
from lathe_worker.terminal.live import Live, Plain, reporter


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def progress(percent: int, step: str, message: str = "") -> Progress:
    return Progress(percent=percent, step=step, step_index=2, steps=5, message=message)


def test_a_log_gets_a_line_per_stage_and_one_every_ten_seconds() -> None:
    clock, out = Clock(), StringIO()
    shown = Plain(Console(file=out, width=200), clock)

    with shown:
        shown.update(progress(1, "Fetch"))
        clock.now = 5
        shown.update(progress(2, "Fetch", "left out"))
        shown.update(progress(10, "recover", "[batch] 1"))
        clock.now = 16
        shown.update(progress(20, "recover", "batch 2"))

    assert out.getvalue().splitlines() == [
        "  1% 2/5 Fetch",
        " 10% 2/5 recover: [batch] 1",
        " 20% 2/5 recover: batch 2",
    ]


def test_a_terminal_keeps_a_line_for_every_stage_that_is_done() -> None:
    clock, out = Clock(), StringIO()
    shown = Live(Console(file=out, force_terminal=True, width=100), clock)

    with shown:
        shown.update(progress(1, "Fetch"))
        clock.now = 2.5
        shown.update(progress(50, "recover", "[/nothing] is no markup"))
        shown.refresh()
        clock.now = 3
        shown.update(progress(100, "recover"))

    assert "[/nothing] is no markup" in out.getvalue()
    done = [line for line in out.getvalue().splitlines() if "✓" in line]
    assert ["Fetch" in done[0], "2.5 s" in done[0], "recover" in done[1]] == [True] * 3


def test_where_there_is_no_terminal_nothing_moves() -> None:
    assert isinstance(reporter(Console(file=StringIO())), Plain)
    assert isinstance(reporter(Console(file=StringIO(), force_terminal=True)), Live)
