"""What docs/kueue.md says of queues is what the operator tells, and its YAML can be written."""

import re
from pathlib import Path

import yaml

from lathe_api.v1alpha1.running import Scheduling
from lathe_operator.decide.queues import REASONS

PAGE = (Path(__file__).parents[3] / "docs" / "kueue.md").read_text()


def test_every_reason_for_a_wait_is_on_the_page() -> None:
    assert set(re.findall(r"^\| `Queued` \| `(\w+)` \|", PAGE, re.MULTILINE)) == set(REASONS)


def test_what_a_user_writes_can_be_written_and_leads_to_the_queue_that_was_set_up() -> None:
    setup, spec = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    documents = {(each["kind"], each["metadata"]["name"]) for each in yaml.safe_load_all(setup)}

    written = Scheduling.model_validate(yaml.safe_load(spec)["spec"]["scheduling"])

    assert ("LocalQueue", written.queue_name) in documents
    assert ("WorkloadPriorityClass", written.priority_class_name) in documents
