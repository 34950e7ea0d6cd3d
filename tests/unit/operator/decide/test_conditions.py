"""What is said of each aspect of a resource."""

import pytest

from lathe_api.v1alpha1.status import ConditionType
from lathe_steps.reasons import Reason
from tests import kubelet
from tests.world import a_running_world

GATES = {
    "everything passed": ("True", Reason.ALL_GATES_PASSED),
    "an earlier step passed, and was published": ("True", Reason.ROLLED_BACK),
    "nothing passed, and it was published all the same": (
        "False",
        Reason.ACCURACY_BELOW_THRESHOLD,
    ),
    "nothing was asked for": ("Unknown", Reason.NOT_EVALUATED),
}


@pytest.mark.parametrize(("holds", "reason"), GATES.values(), ids=GATES)
async def test_the_condition_says_whether_what_is_published_passed(
    holds: str, reason: Reason
) -> None:
    world = await a_running_world()

    world.end(0, kubelet.success(gates=reason, gate_message="Top1 fell"))
    await world.settle()

    found = world.condition(ConditionType.GATES_PASSED)
    assert (found.status, found.reason) == (holds, reason)
    # a success that is not all that was wanted says so where people look first
    told = world.condition(ConditionType.COMPLETE).message
    wanted = reason in {Reason.ROLLED_BACK, Reason.ACCURACY_BELOW_THRESHOLD}
    assert ("Top1 fell" in told) is wanted
