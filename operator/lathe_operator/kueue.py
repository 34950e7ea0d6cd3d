"""Kueue, as the operator knows it: names, and what is kept of a Workload. It is only ever read."""

from dataclasses import dataclass
from datetime import datetime

GROUP = "kueue.x-k8s.io"
PLURAL = "workloads"
JOB = f"{GROUP}/job-uid"
"""Label of a Workload that Kueue made for a Job: the Job's uid."""
PREEMPTED = "Preempted"
"""Reason of an eviction in favour of somebody else."""
INADMISSIBLE = "Inadmissible"
"""Reason of a missing quota: a queue that is missing, inactive or stopped."""


@dataclass(frozen=True, slots=True)
class Word:
    """One thing that Kueue says, in its own words."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Workload:
    """What the index keeps of the Workload that Kueue made for a Job of ours.

    Attributes:
        name: Its name.
        uid: Its uid.
        job: The uid of the Job that it stands for.
        active: Whether Kueue considers it at all; an administrator, or a limit, says otherwise.
        evicted: Why it lost its quota; None once it has some again.
        unreserved: Why it has no quota; None while it has some, or nobody has said.
        checks: What keeps it although it has quota: its admission checks that are not ready.
        admitted: When it was last let go on; None while it is not.
    """

    name: str
    uid: str
    job: str
    active: bool
    evicted: Word | None
    unreserved: Word | None
    checks: tuple[Word, ...]
    admitted: datetime | None
