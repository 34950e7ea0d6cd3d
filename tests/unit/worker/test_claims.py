"""Identical work in flight: one claims it, others wait, and a claim passes when its holder dies."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import pytest

from lathe_api.outcome import Outcome
from lathe_api.v1alpha1.status import Progress as Status
from lathe_steps.base import Artifact
from lathe_steps.errors import BadInput, Internal
from lathe_steps.reasons import ExitCode, Reason
from lathe_worker.bench import ApplyStep, Keep, Progress
from lathe_worker.claims import CLAIMS, Pace
from lathe_worker.local_store import LocalStore
from lathe_worker.store import StoredObject
from tests.builders import ResourceBuilder
from tests.fake_bench import FakeBench
from tests.worker_runs import ASIDE, STEPS, Told, Yard, a_run

pytestmark = pytest.mark.filterwarnings("error")

ALIVE = Pace(lease=20.0, beat=0.05, look=0.02)
"""Holders that live are waited for."""
DEAD = Pace(lease=0.5, beat=0.1, look=0.02)
"""Holders that have died are noticed soon."""
SECONDS = 60


@dataclass
class SlowBench(FakeBench):
    """Stands still at a step until it may go on."""

    at: str = "distill"
    reached: Event = field(default_factory=Event)
    may_go_on: Event = field(default_factory=Event)

    def apply(self, request: ApplyStep, progress: Progress, keep: Keep) -> Artifact:
        if request.name == self.at:
            self.reached.set()
            assert self.may_go_on.wait(SECONDS)
        return super().apply(request, progress, keep)


@dataclass
class Pair:
    """A run that stands still in the middle, and room for a second one with the same work."""

    yard: Yard
    waits: Event
    pace: Pace = ALIVE
    bench: SlowBench = field(default_factory=SlowBench)
    crowd: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(2))

    def begin(self, resource: ResourceBuilder | None = None) -> Callable[[], Outcome]:
        """Start the first run, and wait until it stands still."""
        running = self.crowd.submit(self.yard.run, resource, self.bench, pace=self.pace)
        assert self.bench.reached.wait(SECONDS)
        return lambda: running.result(SECONDS)

    def follow(
        self, resource: ResourceBuilder, bench: FakeBench | None = None
    ) -> Callable[[], Outcome]:
        """Start the second run."""
        running = self.crowd.submit(self.yard.run, resource, bench, pace=self.pace)
        return lambda: running.result(SECONDS)

    def until_one_waits(self) -> None:
        """Wait until the second run says that it waits for the first."""
        assert self.waits.wait(SECONDS)


@dataclass
class Listening(Told):
    """A reporter that notices when somebody waits."""

    waits: Event = field(default_factory=Event)

    def update(self, progress: Status) -> None:
        super().update(progress)
        if progress.message.startswith("waits for team/digits,"):
            self.waits.set()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    told = Listening()
    made = Pair(Yard(tmp_path, told), told.waits)
    yield made
    made.bench.may_go_on.set()
    made.crowd.shutdown()


def test_two_identical_runs_do_the_work_once_and_the_second_names_the_first(pair: Pair) -> None:
    first = pair.begin()
    idle = FakeBench()
    second = pair.follow(a_run().named("other"), idle)
    pair.until_one_waits()
    pair.bench.may_go_on.set()

    assert (first().cache, first().cache_source) == ("Miss", None)
    assert (second().cache, second().cache_source) == ("Hit", "team/digits")
    assert sorted(pair.bench.applied) == sorted([*STEPS, ASIDE])
    assert idle.applied == []


def test_a_run_with_other_work_does_not_wait(pair: Pair) -> None:
    pair.begin()
    second = pair.follow(a_run().steps({"export": {}}))

    assert second().exit_code == ExitCode.OK


@pytest.mark.parametrize("cache", ["Off", "Read"])
def test_a_run_that_keeps_nothing_neither_waits_nor_claims(pair: Pair, cache: str) -> None:
    pair.begin()
    second = pair.follow(a_run().named("other").with_(run={"cache": cache}))

    assert second().exit_code == ExitCode.OK
    assert len(claims(pair.yard)) == 1


def test_a_claim_is_given_up_by_who_fails_and_the_second_goes_on(pair: Pair) -> None:
    pair.bench.stops = {"export": Internal("it broke")}
    first = pair.begin()
    bench = FakeBench()
    second = pair.follow(a_run().named("other"), bench)
    pair.until_one_waits()
    pair.bench.may_go_on.set()

    assert first().exit_code == ExitCode.INTERNAL
    assert second().exit_code == ExitCode.OK
    assert "distill" not in bench.applied  # which the first had finished


def test_a_result_that_failed_its_gates_is_measured_again_by_the_second(pair: Pair) -> None:
    pair.bench.drop = 0.5
    first = pair.begin()
    second = pair.follow(a_run().named("other"))
    pair.until_one_waits()
    pair.bench.may_go_on.set()

    assert first().exit_code == ExitCode.GATE_FAILED
    assert second().exit_code == ExitCode.OK


def claims(yard: Yard) -> list[Path]:
    return sorted((yard.output / CLAIMS).glob("*.json"))


@pytest.mark.parametrize("content", [b"", b"no claim", b'{"schemaVersion": "lathe.dev/claim/v2"}'])
def test_what_is_no_claim_passes_like_one(tmp_path: Path, content: bytes) -> None:
    yard = Yard(tmp_path)
    run_key = yard.run().run_key
    for manifest in yard.output.rglob("manifest.json"):
        manifest.unlink()
    (claim,) = claims(yard)
    claim.write_bytes(content)

    outcome = yard.run(pace=DEAD)

    assert outcome.exit_code == ExitCode.OK
    assert outcome.run_key == run_key


class Unconditional(LocalStore):
    """Storage that refuses conditions on writes."""

    def swap_bytes(
        self, uri: str, data: bytes, *, over: StoredObject | None
    ) -> StoredObject | None:
        del data, over
        raise BadInput(f"{uri}: HTTP 501 NotImplemented", reason=Reason.STORAGE_REFUSED)


def test_where_storage_knows_no_conditions_a_run_goes_on_without_a_claim(tmp_path: Path) -> None:
    yard = Yard(tmp_path)

    outcome = yard.run(store=Unconditional(yard.storage))

    assert outcome.exit_code == ExitCode.OK
    assert claims(yard) == []


LOOKS = 30
"""Of 0.05 s each: longer than a lease of 1 s, which the first, that lives, renews."""
PROGRAM = """
import sys
from pathlib import Path
from lathe_worker.claims import Pace
from tests.fake_bench import FakeBench
from tests.worker_runs import Told, Yard, a_run

folder, name, stands_at = sys.argv[1:]

class Bench(FakeBench):
    def apply(self, request, progress, keep):
        if request.name == stands_at:
            print("stands", flush=True)
            sys.stdin.read()
        made = super().apply(request, progress, keep)
        print("applied", request.name, flush=True)
        return made

class Loud(Told):
    def update(self, progress):
        if progress.message.startswith("waits"):
            print(progress.message, flush=True)

yard = Yard(Path(folder), Loud())
outcome = yard.run(a_run().named(name), Bench(), pace=Pace(lease=1.0, beat=0.2, look=0.05))
print("ended", outcome.exit_code, outcome.cache, outcome.cache_source, flush=True)
"""


def worker(folder: Path, name: str, stands_at: str = "") -> "subprocess.Popen[str]":
    """A process that does the work of a resource."""
    return subprocess.Popen(
        (sys.executable, "-c", PROGRAM, str(folder), name, stands_at),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )


def said(process: "subprocess.Popen[str]") -> list[str]:
    out, _ = process.communicate(timeout=SECONDS)
    return out.splitlines()


@pytest.mark.parametrize("stands_at", ["Input/export", "distill", "rtx/buildEngine"])
def test_when_the_first_process_is_killed_the_second_finishes_what_it_began(
    tmp_path: Path, stands_at: str
) -> None:
    with worker(tmp_path, "first", stands_at) as first:
        assert first.stdout is not None
        done = []
        while (line := first.stdout.readline().strip()) != "stands":
            done.append(line)
        with worker(tmp_path, "second") as second:
            assert second.stdout is not None
            for _ in range(LOOKS):
                assert second.stdout.readline().startswith("waits for team/first")
            first.send_signal(signal.SIGKILL)
            *applied, ended = [line for line in said(second) if not line.startswith("waits")]

    assert ended == "ended 0 Miss None"
    assert f"applied {stands_at}" in applied
    assert not set(done) & set(applied)
    Yard(tmp_path).assert_whole()


def test_of_two_processes_that_begin_together_one_does_the_work(tmp_path: Path) -> None:
    with worker(tmp_path, "one") as one, worker(tmp_path, "two") as two:
        lines = said(one), said(two)

    applied = [line for each in lines for line in each if line.startswith("applied")]
    assert len(applied) == len(set(applied)) == len([*STEPS, ASIDE])
    ended = sorted(each[-1] for each in lines)
    assert ended[0] in ("ended 0 Hit team/one", "ended 0 Hit team/two")
    assert ended[1] == "ended 0 Miss None"
