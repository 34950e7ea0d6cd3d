"""Whether there are queues, and that the operator begins anew when that changes."""

from collections.abc import Iterable
from datetime import timedelta

import pytest

from lathe_operator.discovery import QueuesChanged, find, until_it_changes
from lathe_operator.errors import Failure, Faulted
from tests.virtual_time import in_virtual_time

MINUTE = timedelta(minutes=1)
BROKEN = Faulted("conversion webhook failed")


class Server:
    """A server that gives these answers, one after the other, and the last one for ever."""

    def __init__(self, *answers: str | Failure | None) -> None:
        self.asked = 0
        self._answers = answers

    async def ask(self) -> str | None:
        answer = self._answers[min(self.asked, len(self._answers) - 1)]
        self.asked += 1
        if isinstance(answer, Failure):
            raise answer
        return answer


FOUND: dict[str, tuple[str | Failure | None, str | None]] = {
    "that there are queues": ("v1beta2", "v1beta2"),
    "that there are none": (None, None),
    "nothing that it could be asked for": (BROKEN, None),
}


@pytest.mark.parametrize(("answer", "found"), FOUND.values(), ids=FOUND)
def test_the_server_says(answer: str | Failure | None, found: str | None) -> None:
    assert in_virtual_time(find(Server(answer).ask)) == found


CHANGES: dict[str, tuple[Iterable[str | Failure | None], str | None]] = {
    "queues come": ((None, None, "v1beta2"), None),
    "queues go": (("v1beta2", "v1beta2", None), "v1beta2"),
    "queues have another API": (("v1beta2", BROKEN, "v1"), "v1beta2"),
    "queues work again": ((BROKEN, BROKEN, "v1beta2"), None),
}


@pytest.mark.parametrize(("answers", "known"), CHANGES.values(), ids=CHANGES)
def test_the_operator_begins_anew_when(
    answers: Iterable[str | Failure | None], known: str | None
) -> None:
    server = Server(*answers)

    with pytest.raises(QueuesChanged):
        in_virtual_time(until_it_changes(server.ask, known, every=MINUTE))

    assert server.asked == 3
