"""Whether engines can be built here for the GPUs that targets name."""

from collections.abc import Collection, Mapping

from lathe_api.plan import PlannedTarget
from lathe_steps.errors import InvalidSpec
from lathe_steps.reasons import Reason


def require_gpus(targets: Collection[PlannedTarget], here: Mapping[str, str] | None) -> None:
    """Refuse targets for GPUs that are not here.

    Products are not compared with this GPU's name: the label of a slice or of a shared GPU says
    more, and administrators may label nodes as they like.

    Args:
        targets: What is made here.
        here: The GPU of this machine; without any, the builder says so itself.

    Raises:
        InvalidSpec: RuntimeUnavailable.
    """
    wanted = {str(target.gpu): target for target in targets if target.gpu}
    if len(wanted) > 1:
        names = " and ".join(f"{target.name} for {gpu}" for gpu, target in wanted.items())
        raise InvalidSpec(
            f"targets need different GPUs ({names}), and all of them are made here: run it in a "
            "cluster, or leave all but one out",
            reason=Reason.RUNTIME_UNAVAILABLE,
        )
    for target in wanted.values():
        asked = target.gpu.compute_capability if target.gpu else None
        if asked and here and asked != here["compute_capability"]:
            raise InvalidSpec(
                f"target {target.name} is for compute capability {asked}, but the GPU here, "
                f"{here['gpu_product']}, has {here['compute_capability']}: mend the node's labels "
                "or the target's gpu",
                reason=Reason.RUNTIME_UNAVAILABLE,
            )
