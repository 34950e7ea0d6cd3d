"""Names come from what they name: the same again for the same, another for anything else."""

import re

from hypothesis import given
from hypothesis import strategies as st

from lathe_api.plan import plan_of
from lathe_api.v1alpha1.spec import ModelOptimizationSpec
from lathe_operator.decide import names
from tests.builders import PRUNE, ResourceBuilder, a_resource

LABEL = re.compile(r"^[a-z]([-a-z0-9]*[a-z0-9])?$")


def work(resource: ResourceBuilder, restart: str = "") -> str:
    spec = ModelOptimizationSpec.model_validate(resource.spec)
    return names.work_digest(plan_of(spec, namespace="team", name="digits"), spec, restart)


@given(
    st.from_regex(r"\A[a-z][-a-z0-9]{0,38}[a-z0-9]\Z"), st.uuids(), st.text(), st.integers(0, 10**9)
)
def test_a_jobs_name_leaves_room_for_its_pods(
    resource: str, uid: object, of: str, generation: int
) -> None:
    name = names.job_name(resource, str(uid), of, generation)

    assert LABEL.match(name)
    assert len(f"{name}-abcde") <= 63


def test_a_job_is_named_after_its_resource_its_work_and_its_generation() -> None:
    one = names.job_name("digits", "u1", "w1", 1)

    assert one == names.job_name("digits", "u1", "w1", 1)
    others = [("u2", "w1", 1), ("u1", "w2", 1), ("u1", "w1", 2)]
    assert one not in [names.job_name("digits", *other) for other in others]


def test_everything_but_policy_is_work() -> None:
    before = work(a_resource())

    assert work(a_resource().steps(PRUNE)) != before
    assert work(a_resource().with_(worker={"image": "other:1"})) != before
    assert work(a_resource().with_(scheduling={"queueName": "a"})) != before
    assert work(a_resource(), restart="now") != before


def test_policy_is_no_work() -> None:
    run = {"suspend": True, "backoffLimit": 1, "activeDeadlineSeconds": 5, "cancel": True}

    assert work(a_resource().with_(run=run)) == work(a_resource())


def test_the_order_of_a_map_is_no_work() -> None:
    one, other = (
        {"worker": {"labels": dict(items)}}
        for items in (
            [("a", "1"), ("b", "2")],
            [("b", "2"), ("a", "1")],
        )
    )

    assert work(a_resource().with_(**one)) == work(a_resource().with_(**other))


def test_parts_of_a_digest_do_not_run_into_each_other() -> None:
    assert names.digest("ab", "c") != names.digest("a", "bc")
