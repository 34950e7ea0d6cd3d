"""The program in the pod: reads its plan, runs it, says how it ended, and exits with that."""

import ctypes
import json
import logging
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from pydantic import ValidationError

from lathe_api.outcome import Outcome
from lathe_api.plan import Plan
from lathe_steps.errors import InvalidSpec, Transient
from lathe_steps.reasons import Reason
from lathe_worker.cluster_reporter import Cluster, ClusterReporter
from lathe_worker.errors import classify, outcome_of
from lathe_worker.pipeline import run
from lathe_worker.progress import NoReporter, Reporter
from lathe_worker.s3.settings import CA_BUNDLE
from lathe_worker.settings import WorkerSettings, usable_threads
from lathe_worker.stage_runs import part_named, run_stage
from lathe_worker.stage_walk import World
from lathe_worker.storage import open_store
from lathe_worker.store import Store

PROTOCOL = 1
IDENTITY = Path("/var/run/secrets/lathe")
"""Where the pod's token and the cluster's certificates are mounted."""
PR_SET_DUMPABLE = 4

log = logging.getLogger(__name__)


def main() -> None:
    """Run the plan that the environment names."""
    environ = dict(os.environ)  # noqa: TID251 - this is the program's main
    logging.basicConfig(
        level=environ.get("LATHE_LOG_LEVEL", "INFO"),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    keep_to_itself()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    outcome = outcome_in(environ)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it is over anyway; let it be told
    tell(outcome, Path(environ.get("LATHE_TERMINATION_LOG", "/dev/termination-log")))
    sys.exit(outcome.exit_code)


def outcome_in(environ: Mapping[str, str]) -> Outcome:
    """How the run ends that the environment describes; raises nothing."""
    try:
        plan = read_plan(Path(environ.get("LATHE_PLAN", "/etc/lathe/plan.json")))
        require_authorities(plan, environ)
        with (
            open_store(plan.storage, storage_environment(environ)) as store,
            reporter_in(environ) as reporter,
        ):
            return run_in(environ, plan, store, reporter)
    except (Exception, KeyboardInterrupt) as error:
        log.debug("the worker stopped", exc_info=True)
        return outcome_of(classify(error))


def run_in(environ: Mapping[str, str], plan: Plan, store: Store, reporter: Reporter) -> Outcome:
    """Run the whole plan, or the stage of it that the Job is for."""
    root, settings = Path(environ.get("LATHE_WORKSPACE", "/workspace")), settings_in(environ)
    stage = environ.get("LATHE_STAGE")
    if stage is None:
        return run(plan, store=store, root=root, reporter=reporter, settings=settings)
    part = part_named(plan, environ["LATHE_RUN"], stage)
    return run_stage(World(plan, part, store, reporter, settings), root=root)


def read_plan(path: Path) -> Plan:
    """Read and validate a plan.

    Raises:
        InvalidSpec: There is none, or it is not one that this worker understands.
    """
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InvalidSpec(f"{path} is no plan ({error}); the operator has to mount it") from error
    said = document.get("protocol") if isinstance(document, dict) else None
    if said != PROTOCOL:
        raise InvalidSpec(
            f"{path} has protocol {said}, but this worker speaks {PROTOCOL}; "
            "use the worker image that belongs to the operator"
        )
    try:
        return Plan.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidSpec(
            f"{path}: {where}: {first['msg']}; use the worker image that belongs to the operator"
        ) from error


def settings_in(environ: Mapping[str, str]) -> WorkerSettings:
    """What the Job lets the run use."""
    size = environ.get("LATHE_WORKSPACE_SIZE")
    return WorkerSettings(
        threads=int(environ.get("LATHE_THREADS") or usable_threads()),
        lean=environ.get("LATHE_LEAN") == "true",
        allow_state_dict=environ.get("LATHE_ALLOW_STATE_DICT") == "true",
        workspace_size=int(size) if size else None,
        environment=environ,
    )


def require_authorities(plan: Plan, environ: Mapping[str, str]) -> None:
    """Look whether the certificates are mounted that the plan wants to be trusted.

    Raises:
        Transient: ConfigMapNotFound; it may come, and another pod finds it.
    """
    mounted, wanted = environ.get("LATHE_CA_BUNDLE"), plan.storage.s3.ca
    if not mounted or wanted is None or Path(mounted).exists():
        return
    reference = wanted.config_map_ref
    raise Transient(
        f"spec.storage.s3.ca: there is no ConfigMap {reference.name} with a key {reference.key} in "
        f"the namespace {plan.namespace}; create it",
        reason=Reason.CONFIG_MAP_NOT_FOUND,
    )


def storage_environment(environ: Mapping[str, str]) -> Mapping[str, str]:
    """The environment with the mounted certificates under the name that storage knows."""
    mounted = environ.get("LATHE_CA_BUNDLE")
    return {**environ, CA_BUNDLE: mounted} if mounted else environ


def reporter_in(environ: Mapping[str, str]) -> AbstractContextManager[Reporter]:
    """Who is told about progress: the cluster, where there is one and the pod has a token."""
    host, name = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("LATHE_RESOURCE")
    identity = Path(environ.get("LATHE_IDENTITY", str(IDENTITY)))
    token = identity / "token"
    if not host or not name or not token.exists():
        return nullcontext(NoReporter())
    return ClusterReporter(
        Cluster(
            host=host,
            port=int(environ.get("KUBERNETES_SERVICE_PORT", "443")),
            token=token,
            ca=identity / "ca.crt",
            namespace=environ.get("LATHE_NAMESPACE", "default"),
            name=name,
        )
    )


def tell(outcome: Outcome, path: Path) -> None:
    """Leave the outcome as termination message, and as a line in the log."""
    if outcome.failure:
        log.error("%s: %s", outcome.failure.reason, outcome.failure.message)
    else:
        log.info("%s: %s", outcome.gates, outcome.gate_message)
    try:
        path.write_text(outcome.termination_message())
    except OSError as error:
        log.warning("the termination message could not be written: %s", error)


def keep_to_itself() -> None:
    """Keep the credentials of this process from its children, which run as the same user."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


if __name__ == "__main__":
    main()
