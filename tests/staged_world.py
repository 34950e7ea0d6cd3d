"""A world whose resource needs two kinds of CPU: a run of four stages, each with its own Job."""

from __future__ import annotations

from typing import Any

from lathe_api.outcome import Outcome
from lathe_api.v1alpha1.status import StageStatus, TargetStatus
from lathe_steps.reasons import ExitCode, Reason
from tests import kubelet
from tests.builders import ResourceBuilder, a_resource, target
from tests.world import World

Document = dict[str, Any]
BUILDS = ("build1", "build2")


def a_staged_resource() -> ResourceBuilder:
    """A target for any node, and one for each of two kinds of CPU."""
    return a_resource().targets(
        target("any", "TensorRTRTX"),
        target("old", "ONNXRuntime", cpu={"isa": ["avx2"]}),
        target("new", "ONNXRuntime", cpu={"isa": ["avx512_vnni"]}),
    )


def made(*targets: str, **facts: str) -> str:
    """The last words of a stage that made these targets."""
    told = tuple(TargetStatus(name=name, state="Succeeded", **facts) for name in targets)
    return Outcome(run_key="5f3a9c1e" * 8, exit_code=ExitCode.OK, targets=told).dumped()


def broke(name: str, reason: Reason = Reason.UNSUPPORTED_MODEL) -> str:
    """The last words of a stage that could not make a target."""
    failed = TargetStatus(name=name, state="Failed", reason=reason, message="no kernel fits")
    return kubelet.failure(ExitCode.INTERNAL, reason, "no kernel fits", targets=(failed,))


class StagedWorld(World):
    """A world with a run of several stages."""

    def __init__(self, resource: ResourceBuilder | None = None) -> None:
        super().__init__(resource or a_staged_resource())

    def stages(self) -> list[str]:
        """The stages that have Jobs, in the order in which those were made."""
        return [job["metadata"]["labels"]["lathe.dev/stage"] for job in self.cluster.all("Job")]

    def stage(self, name: str) -> Document:
        """The newest Job of a stage."""
        jobs = self.cluster.all("Job")
        return [job for job in jobs if job["metadata"]["labels"]["lathe.dev/stage"] == name][-1]

    def start(self, stage: str, status: Document | None = None) -> str:
        """Start a stage's next pod."""
        pods = len(self.cluster.all("Pod"))
        return self.cluster.start_pod(self.stage(stage), str(pods), status)

    def finish(self, stage: str, exit_code: int = 0, message: str | None = None) -> None:
        """Run a stage's pod to its end, and end its Job."""
        time = self.cluster.now.strftime("%Y-%m-%dT%H:%M:%SZ")
        job = self.stage(stage)
        pod = self._running(job) or self.start(stage)
        words = made() if message is None else message
        self.pod_status(pod, kubelet.ended(exit_code, words, finished=time))
        status = kubelet.failed(time=time) if exit_code else kubelet.complete(time)
        known = job.get("status") or {}
        self.cluster.status("Job", job["metadata"]["name"], {**known, **status})

    def _running(self, job: Document) -> str | None:
        uid = job["metadata"]["uid"]
        names = [
            pod["metadata"]["name"]
            for pod in self.cluster.all("Pod")
            if pod["metadata"]["ownerReferences"][0]["uid"] == uid
            and pod["status"]["phase"] in ("Pending", "Running")
        ]
        return names[-1] if names else None

    async def compressed(self) -> None:
        """Come to where the first stage has ended."""
        await self.settle()
        self.finish("compress", message=made("any"))
        await self.settle()

    async def built(self, **ends: str | None) -> None:
        """Come to where the builds have ended: by stage, words of a failure; None is success."""
        await self.compressed()
        for stage, name in zip(BUILDS, ("old", "new"), strict=True):
            words = ends.get(stage)
            self.finish(stage, 50 if words else 0, words or made(name))
        await self.settle()

    def published(self, *without: str) -> str:
        """The last words of the last stage."""
        names = [name for name in ("any", "old", "new") if name not in without]
        told = [TargetStatus(name=name, state="Succeeded") for name in names]
        told += [TargetStatus(name=name, state="Failed") for name in without]
        return kubelet.success(targets=tuple(told))

    # what users see

    def told_of_stages(self) -> dict[str, str]:
        """The state of each stage."""
        run = self.status.run
        return {stage.name: stage.state for stage in run.stages} if run else {}

    def told_of(self, name: str) -> StageStatus:
        """What status says of a stage."""
        run = self.status.run
        assert run is not None
        (found,) = [stage for stage in run.stages if stage.name == name]
        return found

    def target(self, name: str) -> TargetStatus:
        """What status says of a target."""
        (found,) = [target for target in self.status.targets if target.name == name]
        return found
