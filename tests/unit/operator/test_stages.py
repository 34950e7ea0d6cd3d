"""Stories of runs whose targets need different hardware: a Job for each, and one that publishes."""

import pytest

from lathe_api.v1alpha1.status import ConditionType
from lathe_steps.reasons import ExitCode, Reason
from tests import kubelet
from tests.staged_world import StagedWorld, a_staged_resource, broke, made
from tests.world import World, a_finished_world

PINS = "feature.node.kubernetes.io/cpu-cpuid"


async def test_stages_follow_each_other_and_builds_stand_side_by_side() -> None:
    world = StagedWorld()
    await world.settle()
    assert world.stages() == ["compress"]

    world.finish("compress", message=made("any"))
    await world.settle()
    assert world.stages() == ["compress", "build1", "build2"]

    world.finish("build1", message=made("old"))
    await world.settle()
    assert world.stages() == ["compress", "build1", "build2"]

    world.finish("build2", message=made("new"))
    await world.settle()
    assert world.stages() == ["compress", "build1", "build2", "publish"]

    world.finish("publish", message=world.published())
    await world.settle()
    assert world.told == ("Succeeded", "Succeeded")
    assert world.status.manifest_uri == "s3://artifacts/digits/5f3a/manifest.json"
    assert world.told_of_stages() == dict.fromkeys(
        ("compress", "build1", "build2", "publish"), "Succeeded"
    )


async def test_each_pod_is_told_its_stage_and_lands_where_it_belongs() -> None:
    world = StagedWorld()
    await world.compressed()

    run = world.stage("compress")["metadata"]["name"]
    for stage, label in (("compress", None), ("build1", "AVX2"), ("build2", "AVX512VNNI")):
        job = world.stage(stage)
        pod = job["spec"]["template"]["spec"]
        environment = {each["name"]: each["value"] for each in pod["containers"][0]["env"]}
        assert (environment["LATHE_STAGE"], environment["LATHE_RUN"]) == (stage, run)
        assert environment["LATHE_JOB"] == job["metadata"]["name"]
        selector = {f"{PINS}.{label}": "true"} if label else None
        assert pod.get("nodeSelector") == selector


async def test_names_of_later_jobs_begin_with_the_first_and_leave_room_for_pods() -> None:
    world = StagedWorld(a_staged_resource().named("a" * 40))
    await world.built()

    names = [job["metadata"]["name"] for job in world.cluster.all("Job")]
    assert all(name == names[0] or name.startswith(f"{names[0]}-") for name in names)
    assert max(map(len, names)) + len("-x7k2p") <= 63
    assert world.status.run is not None
    assert world.status.run.job == names[0]


async def test_publishing_asks_for_little_and_a_cpu_for_no_gpu() -> None:
    world = StagedWorld(
        a_staged_resource().with_(
            worker={"resources": {"limits": {"memory": "32Gi", "nvidia.com/gpu": 2}}}
        )
    )
    await world.built()

    asked = {
        stage: world.stage(stage)["spec"]["template"]["spec"]["containers"][0]["resources"]
        for stage in ("compress", "build1", "publish")
    }
    assert asked == {
        "compress": {"limits": {"memory": "32Gi", "nvidia.com/gpu": "2"}},
        "build1": {"limits": {"memory": "32Gi"}},
        "publish": {
            "limits": {"memory": "1Gi"},
            "requests": {"cpu": "100m", "memory": "256Mi"},
        },
    }


class TestTargets:
    async def test_status_says_where_each_is_from_the_beginning(self) -> None:
        world = StagedWorld()
        await world.settle()
        world.start("compress")
        await world.settle()
        assert {it.name: (it.state, it.job is not None) for it in world.status.targets} == {
            "any": ("Running", True),
            "old": ("Pending", False),
            "new": ("Pending", False),
        }

        world.finish("compress", message=made("any"))
        await world.settle()
        world.start("build1")
        world.start("build2", kubelet.unschedulable())
        await world.settle()

        assert {it.name: it.state for it in world.status.targets} == {
            "any": "Succeeded",
            "old": "Running",
            "new": "Pending",
        }
        assert world.target("new").reason == Reason.UNSCHEDULABLE
        assert world.target("old").job == world.stage("build1")["metadata"]["name"]
        assert world.told == ("Running", "InProgress")

    async def test_facts_of_the_engine_are_kept_until_the_end(self) -> None:
        world = StagedWorld()
        await world.compressed()
        facts = {"gpu_product": "NVIDIA-L4", "driver_version": "570.86", "cuda_version": "12.8"}
        world.finish("build1", message=made("old", **facts))
        await world.settle()
        for job in list(world.cluster.all("Job"))[:2]:
            world.cluster.remove("Job", job["metadata"]["name"])

        world.finish("build2", message=made("new"))
        await world.settle()

        target = world.target("old")
        assert (target.gpu_product, target.driver_version) == ("NVIDIA-L4", "570.86")

    async def test_one_that_fails_does_not_stop_the_others(self) -> None:
        world = StagedWorld()
        await world.compressed()

        world.finish("build1", 50, broke("old"))
        await world.settle()

        assert world.told == ("Pending", "Pending")
        assert world.told_of_stages() == {
            "compress": "Succeeded",
            "build1": "Failed",
            "build2": "Pending",
        }
        assert (world.target("old").state, world.target("old").reason) == (
            "Failed",
            Reason.UNSUPPORTED_MODEL,
        )
        assert "TargetFailed" in world.events

    async def test_the_run_ends_with_its_cause_when_the_others_are_published(self) -> None:
        world = StagedWorld()
        await world.built(build1=broke("old"))

        world.finish("publish", message=world.published("old"))
        await world.settle()

        assert world.told == ("Failed", "UnsupportedModel")
        message = world.condition(ConditionType.FAILED).message
        assert "target old: no kernel fits" in message
        assert "s3://artifacts/digits/5f3a/manifest.json" in message
        assert {it.name: it.state for it in world.status.targets} == {
            "any": "Succeeded",
            "old": "Failed",
            "new": "Succeeded",
        }
        assert world.status.artifacts != ()
        assert world.status.last_failure is not None
        assert world.status.last_failure.reason is Reason.UNSUPPORTED_MODEL

    async def test_of_several_causes_none_stands_for_the_run(self) -> None:
        world = StagedWorld()
        await world.built(build1=broke("old"), build2=broke("new", Reason.STEP_FAILED))

        world.finish("publish", message=world.published("old", "new"))
        await world.settle()

        assert world.told == ("Failed", "TargetFailed")

    async def test_one_that_any_node_makes_fails_apart_as_well(self) -> None:
        world = StagedWorld()
        await world.settle()
        failed = broke("any").replace('"exitCode":50', '"exitCode":0')
        world.finish("compress", message=failed)
        await world.settle()
        assert world.stages() == ["compress", "build1", "build2"]

        for stage, name in (("build1", "old"), ("build2", "new")):
            world.finish(stage, message=made(name))
        await world.settle()
        world.finish("publish", message=world.published("any"))
        await world.settle()

        assert world.told == ("Failed", "UnsupportedModel")

    async def test_when_none_is_made_nothing_is_published(self) -> None:
        resource = a_staged_resource()
        world = StagedWorld(resource.targets(*resource.spec["targets"][1:]))
        await world.settle()
        world.finish("compress", message=made())
        await world.settle()
        world.finish("build1", 50, broke("old"))
        world.finish("build2", 50, broke("new"))
        await world.settle()

        assert world.told == ("Failed", "TargetFailed")
        assert "publish" not in world.stages()


async def test_a_run_of_one_stage_has_one_job_and_no_stages() -> None:
    world = await a_finished_world()

    assert len(world.cluster.all("Job")) == 1
    assert world.status.run is not None
    assert world.status.run.stages == ()
    assert "lathe.dev/stage" not in world.job["metadata"]["labels"]


async def test_a_result_that_was_there_ends_the_run_at_once() -> None:
    world = StagedWorld()
    await world.settle()

    world.finish("compress", message=kubelet.success(cache="Hit"))
    await world.settle()

    assert world.told == ("Succeeded", "Succeeded")
    assert world.stages() == ["compress"]


async def test_a_common_step_that_fails_ends_the_run() -> None:
    world = StagedWorld()
    await world.settle()

    world.finish("compress", 30, kubelet.failure(ExitCode.BAD_INPUT, Reason.OBJECT_NOT_FOUND))
    await world.settle()

    assert world.told == ("Failed", "ObjectNotFound")
    assert world.stages() == ["compress"]


async def test_a_gate_that_fails_at_the_end_ends_the_run_with_what_was_found() -> None:
    world = StagedWorld()
    await world.built()

    told = kubelet.failure(ExitCode.GATE_FAILED, Reason.GATE_FAILED, "Top1 fell")
    world.finish("publish", 10, told)
    await world.settle()

    assert world.told == ("Failed", "GateFailed")


@pytest.mark.parametrize("stages", [1, 4])
async def test_a_settled_run_is_left_alone(stages: int) -> None:
    world: World
    if stages == 1:
        world = await a_finished_world()
    else:
        staged = StagedWorld()
        await staged.built()
        staged.finish("publish", message=staged.published())
        await staged.settle()
        world = staged
    writes = len(world.cluster.writes)

    world.restart_operator()
    await world.pass_time(60)

    assert len(world.cluster.writes) == writes
