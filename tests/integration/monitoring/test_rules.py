"""Prometheus reads rules, queries and metrics, and alerts when it should."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest

from lathe_operator.facts import Ended, Started
from lathe_operator.metrics import tally
from lathe_operator.metrics.requests import Request
from tests.integration.monitoring.conftest import Promtool
from tests.integration.monitoring.rules import alerts, groups, queries

pytestmark = pytest.mark.apiserver

EVERY_TEN_MINUTES = " ".join(f"{n}x9" for n in range(8))
POD = 'namespace="lathe-system",pod="operator-1"'
HERE = {"namespace": "lathe-system", "pod": "operator-1"}
BUILD = f'lathe_build_info{{version="0.1.0",{POD}}}'
LEADER = f"lathe_leader{{{POD}}}"


@dataclass(frozen=True)
class Story:
    """What Prometheus has seen, minute by minute, and what it says of it.

    Attributes:
        alert: The alert that it is about.
        series: Values by series, in promtool's notation: 0+1x60 is 0 to 60, one more a minute.
        summary: What the alert says; None where nothing is to be said.
        labels: The alert's labels but its severity.
        minutes: When it is asked.
    """

    alert: str
    series: Mapping[str, str]
    summary: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    minutes: int = 70


def failed(reason: str) -> str:
    return f'lathe_runs_total{{result="Failed",reason="{reason}",{POD}}}'


def attempts(reason: str) -> str:
    return f'lathe_attempts_failed_total{{reason="{reason}",{POD}}}'


def errors(failure: str) -> str:
    return f'lathe_reconcile_errors_total{{failure="{failure}",{POD}}}'


def requests(code: str) -> str:
    return f'lathe_api_requests_total{{verb="create",resource="jobs",code="{code}",{POD}}}'


def oldest(phase: str) -> str:
    return f'lathe_oldest_wait_seconds{{phase="{phase}",{POD}}}'


STORIES: dict[str, Story] = {
    "nobody is there": Story(
        "LatheOperatorAbsent",
        {"up": "1x80"},
        "No operator of Lathe is seen; new resources are not looked at.",
    ),
    "somebody is there": Story("LatheOperatorAbsent", {BUILD: "1x80"}),
    "two stand by": Story(
        "LatheNoLeader",
        {LEADER: "0x80", LEADER.replace("1", "2"): "0x80"},
        "Operators of Lathe run, but none of them leads.",
    ),
    "one leads and one stands by": Story(
        "LatheNoLeader", {LEADER: "1x80", LEADER.replace("1", "2"): "0x80"}
    ),
    "it begins anew every ten minutes": Story(
        "LatheOperatorRestarts",
        {
            f"process_start_time_seconds{{{POD}}}": EVERY_TEN_MINUTES,
            BUILD: "1x80",
        },
        "The operator operator-1 began anew 6 times within an hour.",
        HERE,
    ),
    "somebody else begins anew every ten minutes": Story(
        "LatheOperatorRestarts",
        {
            'process_start_time_seconds{namespace="shop",pod="web"}': EVERY_TEN_MINUTES,
            BUILD: "1x80",
        },
    ),
    "the watches were last right an hour ago": Story(
        "LatheWatchesStale",
        {f"lathe_view_confirmed_timestamp_seconds{{{POD}}}": "600x80", LEADER: "1x80"},
        "What the operator sees was last found right 1h 0m 0s ago.",
        HERE,
    ),
    "the watches are right": Story(
        "LatheWatchesStale",
        {f"lathe_view_confirmed_timestamp_seconds{{{POD}}}": "0+60x80", LEADER: "1x80"},
    ),
    "one that stands by has no watches": Story(
        "LatheWatchesStale",
        {f"lathe_view_confirmed_timestamp_seconds{{{POD}}}": "0x80", LEADER: "0x80"},
    ),
    "a defect": Story(
        "LatheDefect",
        {errors("defect"): "0x50 1x30"},
        "The operator operator-1 met what nobody thought of.",
        HERE,
    ),
    "no defect": Story("LatheDefect", {errors("defect"): "0x80", errors("Faulted"): "0+1x80"}),
    "looks that fail all the time": Story(
        "LatheReconcileErrors",
        {errors("Faulted"): "0+30x80"},
        "Looks at resources fail, 500m a second.",
    ),
    "looks that fail for a moment": Story("LatheReconcileErrors", {errors("Faulted"): "0x60 9x20"}),
    "a queue that is never empty": Story(
        "LatheQueueBacksUp",
        {f"lathe_queue_depth{{{POD}}}": "0x50 60+1x30"},
        "At least 70 resources have waited for a look for 10 minutes.",
        HERE,
    ),
    "a burst": Story("LatheQueueBacksUp", {f"lathe_queue_depth{{{POD}}}": "0x65 5000 0x20"}),
    "a server that refuses one request in ten": Story(
        "LatheRequestsFail",
        {requests("201"): "0+54x80", requests("503"): "0+3x80", requests("none"): "0+3x80"},
        "The API server does not answer 10% of the requests.",
    ),
    "a server that says that it is so already, and a quota that refuses": Story(
        "LatheRequestsFail",
        {requests("201"): "0+54x80", requests("409"): "0+60x80", requests("403"): "0+60x80"},
    ),
    "a bucket that is away": Story(
        "LatheRunsFail",
        {failed("StorageUnavailable"): "0x40 4x40", failed("DiskFull"): "0x40 1x40"},
        "Runs fail as StorageUnavailable, 4 within an hour.",
        {"reason": "StorageUnavailable"},
    ),
    "models that are no good": Story("LatheRunsFail", {failed("InvalidModel"): "0+1x80"}),
    "workers that are too small": Story(
        "LatheOutOfMemory",
        {failed("OutOfMemory"): "0x40 1x40", attempts("OutOfMemory"): "0x40 3x40"},
        "Workers run out of memory, 4 within an hour.",
    ),
    "one worker that was too small": Story(
        "LatheOutOfMemory",
        {failed("OutOfMemory"): "0x40 1x40", attempts("OutOfMemory"): "0x40 1x40"},
    ),
    "a pod that no node takes": Story(
        "LatheRunsPending",
        {oldest("Pending"): "0+60x80", oldest("Queued"): "0x80"},
        "A resource has waited 1h 10m 0s for a worker.",
    ),
    "pods that soon run": Story("LatheRunsPending", {oldest("Pending"): "600x80"}),
    "a queue without quota": Story(
        "LatheRunsQueued",
        {oldest("Queued"): "90000x80", oldest("Pending"): "0x80"},
        "A resource has waited 1d 1h 0m 0s in its queue.",
    ),
    "a queue that is long": Story("LatheRunsQueued", {oldest("Queued"): "0+60x80"}),
}


def told(story: Story) -> list[dict[str, Any]]:
    """The alert that is expected, whole."""
    if story.summary is None:
        return []
    rule = alerts()[story.alert]
    return [
        {
            "exp_labels": {**rule["labels"], **story.labels},
            "exp_annotations": {**rule["annotations"], "summary": story.summary},
        }
    ]


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump(groups()))
    return file


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_prometheus_alerts_when_it_should(story: Story, rules: Path, promtool: Promtool) -> None:
    test = {
        "interval": "1m",
        "input_series": [
            {"series": name, "values": values} for name, values in story.series.items()
        ],
        "alert_rule_test": [
            {
                "eval_time": f"{story.minutes}m",
                "alertname": story.alert,
                "exp_alerts": told(story),
            }
        ],
    }
    file = rules.with_name("test.yaml")
    file.write_text(yaml.safe_dump({"rule_files": [rules.name], "tests": [test]}))

    assert "SUCCESS" in promtool("test", "rules", file)


def test_each_alert_has_a_story_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    fired = {story.alert for story in STORIES.values() if story.summary}
    silent = {story.alert for story in STORIES.values() if not story.summary}

    assert fired == silent == set(alerts())


def test_prometheus_reads_the_rules(rules: Path, promtool: Promtool) -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", rules)


def test_prometheus_reads_every_query_of_the_dashboard(tmp_path: Path, promtool: Promtool) -> None:
    records = [
        {"record": f"panel:{number}", "expr": query} for number, (_, query) in enumerate(queries())
    ]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": records}]}))

    assert f"{len(records)} rules found" in promtool("check", "rules", file)


def test_prometheus_finds_nothing_wrong_with_what_is_served(promtool: Promtool) -> None:
    tally.begin("0.1.0")
    tally.count(Started(1.0))
    tally.count(Ended("Succeeded", "Succeeded", 1.0, hit=False, artifact_bytes=(1,)))
    with Request("GET", "/apis/lathe.dev/v1alpha1") as request:
        request.code = 200
    served = generate_latest().decode()

    assert promtool("check", "metrics", given=served) == ""
