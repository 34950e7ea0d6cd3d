"""Which pod's log somebody wants to read, who names only the resource."""

from lathe_api.v1alpha1.status import Phase
from lathe_kubectl.documents import items, word
from lathe_kubectl.seen import Seen
from lathe_operator.values import Pod


class NoPod(Exception):  # noqa: N818 - named by what is the matter
    """There is no pod whose log could be read; the message says why, and what to do."""


def pod(seen: Seen, target: str = "") -> Pod:
    """The pod that fits where the resource is.

    The one whose attempt failed where the run has failed, the one that runs while it runs, else
    the newest; with `target`, among those of the Job that makes the target.

    Raises:
        NoPod: Where there is none.
    """
    found = _pods(seen, target)
    if not found:
        raise NoPod(_why(seen, target))
    blamed = word(seen.resource, "status", "lastFailure", "pod")
    if word(seen.resource, "status", "phase") == Phase.FAILED:
        failed = [each for each in found if each.end and each.end.exit_code != 0]
        return next((each for each in found if each.name == blamed), (failed or found)[-1])
    runs = [each for each in found if each.started and not each.end]
    return (runs or found)[-1]


def others(seen: Seen, chosen: Pod) -> tuple[Pod, ...]:
    """The pods that run beside the chosen one, which its reader may not expect."""
    return tuple(
        each for each in seen.pods if each.started and not each.end and each.name != chosen.name
    )


def _pods(seen: Seen, target: str) -> list[Pod]:
    """Pods of the present run, or of all where it has none; oldest first."""
    present = word(seen.resource, "status", "run", "job")
    jobs = seen.jobs
    if target:
        makes = {
            word(each, "job") or present
            for each in items(seen.resource, "status", "targets")
            if word(each, "name") == target
        }
        jobs = tuple(job for job in jobs if job.name in makes)
    elif current := tuple(filter(seen.is_of_the_present_run, jobs)):
        jobs = current
    uids = {job.uid for job in jobs}
    return [each for each in seen.pods if each.job in uids]


def _why(seen: Seen, target: str) -> str:
    if target:
        known = [word(each, "name") for each in items(seen.resource, "status", "targets")]
        return f"{seen.name} has no pod for the target {target}; its targets: {', '.join(known)}"
    phase = word(seen.resource, "status", "phase")
    if phase in (Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED):
        return (
            f"the pods of {seen.name} are gone, as spec.run.jobTTLSecondsAfterFinished says; "
            "its report and manifest are in the bucket: kubectl lathe report"
        )
    return f"{seen.name} has no pod yet: kubectl lathe status {seen.name} says why"
