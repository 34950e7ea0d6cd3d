"""Stories of time, control and trouble in runs of several stages."""

from lathe_api.v1alpha1.resource import KIND
from lathe_operator.decide.names import RESTART
from lathe_steps.reasons import Reason
from tests import kubelet
from tests.builders import PRUNE
from tests.staged_world import StagedWorld, a_staged_resource, broke, made


class TestTime:
    async def test_an_ended_jobs_ttl_does_not_matter(self) -> None:
        world = StagedWorld()
        await world.compressed()
        world.cluster.remove("Job", world.stage("compress")["metadata"]["name"])
        await world.settle()
        world.finish("build1", message=made("old"))
        await world.settle()
        world.cluster.remove("Job", world.stage("build1")["metadata"]["name"])
        world.restart_operator()
        await world.settle()
        world.finish("build2", message=made("new"))
        await world.settle()
        world.finish("publish", message=world.published())
        await world.settle()

        assert world.told == ("Succeeded", "Succeeded")
        assert world.written("create", "Job") == 4

    async def test_an_edit_of_policy_goes_on_after_the_first_job_has_gone(self) -> None:
        world = StagedWorld()
        await world.compressed()
        world.cluster.remove("Job", world.stage("compress")["metadata"]["name"])

        world.edit(run={"backoffLimit": 7})
        await world.settle()

        assert world.written("create", "Job") == 3
        assert {stage: world.stage(stage)["spec"]["backoffLimit"] for stage in world.stages()} == {
            "build1": 7,
            "build2": 7,
        }

    async def test_a_build_that_waits_too_long_fails_alone(self) -> None:
        world = StagedWorld(a_staged_resource().with_(run={"pendingDeadlineSeconds": 600}))
        await world.compressed()
        world.start("build1")
        world.start("build2", kubelet.unschedulable())

        await world.pass_time(601)
        assert (world.target("new").state, world.target("new").reason) == (
            "Failed",
            Reason.PENDING_DEADLINE_EXCEEDED,
        )
        assert world.stages() == ["compress", "build1"]

        world.finish("build1", message=made("old"))
        await world.settle()
        world.finish("publish", message=world.published("new"))
        await world.settle()
        assert world.told == ("Failed", "PendingDeadlineExceeded")

    async def test_a_stage_has_its_own_time_to_run(self) -> None:
        world = StagedWorld(a_staged_resource().with_(run={"activeDeadlineSeconds": 600}))
        await world.settle()
        world.start("compress")
        await world.pass_time(400)
        world.finish("compress", message=made("any"))
        await world.settle()
        world.start("build1")
        world.start("build2")

        await world.pass_time(400)
        assert world.told_of_stages() == {
            "compress": "Succeeded",
            "build1": "Running",
            "build2": "Running",
        }
        await world.pass_time(201)
        assert world.told == ("Pending", "Pending")
        assert world.told_of("build1").reason == Reason.DEADLINE_EXCEEDED


class TestControl:
    async def test_suspending_holds_all_jobs_back_and_resuming_lets_them_go_on(self) -> None:
        world = StagedWorld()
        await world.compressed()

        world.edit(run={"suspend": True})
        await world.settle()
        held = {stage: world.stage(stage)["spec"]["suspend"] for stage in ("build1", "build2")}
        assert (world.told, held) == (
            ("Suspended", "Suspended"),
            {"build1": True, "build2": True},
        )

        world.edit(run={"suspend": False})
        await world.settle()
        assert not world.stage("build1")["spec"]["suspend"]
        assert world.written("create", "Job") == 3

    async def test_a_queue_gets_its_jobs_back_and_new_ones_go_on_with_the_run(self) -> None:
        world = StagedWorld(a_staged_resource().with_(scheduling={"queueName": "team-a"}))
        await world.compressed()
        run = world.status.run
        assert world.told == ("Queued", "WaitingForQuota")

        world.edit(run={"suspend": True})
        await world.settle()
        assert world.stages() == ["compress"]
        world.edit(run={"suspend": False})
        await world.settle()

        assert world.stages() == ["compress", "build1", "build2"]
        assert run is not None
        assert world.status.run is not None
        assert world.status.run.job == run.job

    async def test_cancelling_ends_all_jobs(self) -> None:
        world = StagedWorld()
        await world.compressed()

        world.edit(run={"cancel": True})
        await world.settle()

        assert world.told == ("Cancelled", "Cancelled")
        assert world.stages() == ["compress"]

    async def test_an_edit_of_the_work_ends_all_jobs_and_begins_anew(self) -> None:
        world = StagedWorld()
        await world.compressed()
        old = world.status.run

        world.edit(steps=[PRUNE])
        await world.settle()

        assert world.told_of_stages() == {"compress": "Pending"}
        assert world.status.run is not None
        assert old is not None
        assert world.status.run.job != old.job
        assert [it.state for it in world.status.targets] == ["Pending"] * 3
        assert "build1" not in world.stages()

    async def test_a_request_to_restart_is_another_run(self) -> None:
        world = StagedWorld()
        await world.built(build1=broke("old"))
        world.finish("publish", message=world.published("old"))
        await world.settle()
        first = world.status.run

        world.annotate(**{RESTART: "again"})
        await world.settle()

        assert world.told == ("Pending", "Pending")
        assert world.status.run is not None
        assert first is not None
        assert world.status.run.job != first.job

    async def test_a_build_that_somebody_deleted_fails_alone(self) -> None:
        world = StagedWorld()
        await world.compressed()

        world.cluster.remove("Job", world.stage("build1")["metadata"]["name"])
        await world.settle()

        assert world.told_of("build1").reason == Reason.JOB_DELETED
        assert world.stages() == ["compress", "build2"]

    async def test_deletion_leaves_everything_to_owner_references(self) -> None:
        world = StagedWorld()
        await world.built()

        world.cluster.remove(KIND, "digits")
        await world.settle()

        assert world.cluster.all("Job") == []


class TestTrouble:
    async def test_a_refused_job_keeps_no_other_from_being_made(self) -> None:
        world = StagedWorld()
        await world.settle()
        world.finish("compress", message=made("any"))
        world.cluster.refuse["build1"] = "exceeded quota: gpus"
        await world.settle()

        assert world.stages() == ["compress", "build2"]
        assert world.told_of("build1").reason == Reason.ADMISSION_DENIED
        assert "exceeded quota" in world.told_of("build1").message

        del world.cluster.refuse["build1"]
        await world.pass_time(31)
        assert world.stages() == ["compress", "build2", "build1"]

    async def test_a_job_that_is_refused_for_too_long_fails_its_target(self) -> None:
        world = StagedWorld(a_staged_resource().with_(run={"pendingDeadlineSeconds": 600}))
        await world.settle()
        world.finish("compress", message=made("any"))
        world.cluster.refuse["build1"] = "exceeded quota: gpus"
        await world.settle()
        world.start("build2")

        await world.pass_time(601)

        assert world.told_of("build1").reason == Reason.PENDING_DEADLINE_EXCEEDED

    async def test_a_worker_that_ran_out_of_memory_is_tried_once_more_with_less(self) -> None:
        world = StagedWorld()
        await world.compressed()
        pod = world.start("build1")
        await world.settle()

        world.pod_status(pod, kubelet.ended(137, reason="OOMKilled"))
        world.cluster.status("Job", world.stage("build1")["metadata"]["name"], {"failed": 1})
        await world.settle()

        lean = world.stage("build1")
        assert lean["metadata"]["name"].endswith("-build1-lean")
        assert world.told_of("build1").lean
        assert world.stages() == ["compress", "build2", "build1"]

        pod = world.start("build1")
        world.pod_status(pod, kubelet.ended(137, reason="OOMKilled"))
        await world.settle()
        assert world.told_of("build1").reason == Reason.OUT_OF_MEMORY

    async def test_a_worker_of_the_first_stage_as_well(self) -> None:
        world = StagedWorld()
        await world.settle()
        pod = world.start("compress")
        await world.settle()
        world.pod_status(pod, kubelet.ended(137, reason="OOMKilled"))
        await world.settle()

        world.finish("compress", message=made("any"))
        await world.settle()

        run = world.stage("compress")["metadata"]["name"]
        assert run.endswith("-lean")
        environment = world.stage("build1")["spec"]["template"]["spec"]["containers"][0]["env"]
        assert {"name": "LATHE_RUN", "value": run} in environment
        assert {"name": "LATHE_LEAN", "value": "true"} in environment

    async def test_a_pod_that_is_missed_is_asked_about(self) -> None:
        world = StagedWorld()
        await world.compressed()
        world.cluster.refuse["Pod"] = "pods are forbidden: no quota"

        await world.pass_time(31)

        assert world.told_of("build1").reason == Reason.ADMISSION_DENIED
        assert world.told == ("Pending", "AdmissionDenied")
