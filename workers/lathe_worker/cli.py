"""The command line: `lathe plan FILE`, `lathe run FILE` and `lathe unpack ARCHIVE`."""

import argparse
import json
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO

from lathe_api.outcome import Outcome
from lathe_api.plan import Plan, plan_of
from lathe_api.v1alpha1.resource import ModelOptimization
from lathe_api.v1alpha1.status import Failure
from lathe_steps.errors import Stopped
from lathe_steps.reasons import ExitCode, Reason
from lathe_worker.resource_file import Refused, ResourceFile, read

if TYPE_CHECKING:
    from rich.console import Console

    from lathe_worker.local_run import Ended, LocalRun

INTERRUPTED = 130
"""What shells call the end by Ctrl-C."""
NO_TERMINAL = 200
"""Characters of a line where no terminal says how many there are."""

EXAMPLES = """\
examples:
  lathe plan examples/quickstart.yaml
      check a resource, and show what would run

  lathe run examples/quickstart.yaml --storage out/storage
      run it on this machine; s3://bucket/key is out/storage/bucket/key

  AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… lathe run resnet.yaml --output json
      run it with the S3 service of spec.storage, and print the outcome for a program

  lathe unpack out/model.lathe --to out/model
      write the model that was packed, byte for byte

exit codes:
  0 done, 10 a gate failed, 20 invalid resource, 30 bad model or data,
  40 storage or machine not ready (try again), 50 internal, 130 interrupted
"""


def main() -> NoReturn:
    """Run the command that the user typed, and end with its exit code."""
    arguments = _parser().parse_args()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr] # both are text files here
    environment = dict(os.environ)  # noqa: TID251 - a program's main: handed on to storage
    try:
        code = arguments.command(arguments, environment)
        sys.stdout.flush()
    except KeyboardInterrupt:
        _complain("interrupted")
        code = INTERRUPTED
    except BrokenPipeError:  # whoever read has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lathe",
        description="Make a model smaller and faster, as a ModelOptimization resource says.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="say which version this is")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("file", type=Path, metavar="FILE", help="YAML with one ModelOptimization")
    common.add_argument(
        "--profile", type=Path, metavar="FILE", help="YAML with the profile that FILE refers to"
    )
    common.add_argument(
        "--output",
        choices=("table", "json"),
        default="table",
        help="table for people, json for programs: one document on standard output",
    )
    plan = commands.add_parser("plan", parents=[common], help="check FILE, show what would run")
    plan.set_defaults(command=_plan)
    run = commands.add_parser("run", parents=[common], help="run FILE on this machine")
    run.add_argument(
        "--storage", type=Path, metavar="DIR", help="s3://bucket/key is DIR/bucket/key"
    )
    run.add_argument(
        "--workspace",
        type=Path,
        metavar="DIR",
        help="where work lies while the run goes on (default: in the user's cache)",
    )
    run.add_argument(
        "--threads", type=_positive, metavar="N", help="CPU threads (default: all there are)"
    )
    run.add_argument(
        "--allow-state-dict",
        action="store_true",
        help="read models of format StateDict (torch files, weights only)",
    )
    run.add_argument(
        "--verbose", action="store_true", help="tell more on standard error, for bug reports"
    )
    run.set_defaults(command=_run)
    unpack = commands.add_parser("unpack", help="write the files that a step pack has packed")
    unpack.add_argument("archive", type=Path, metavar="ARCHIVE", help="model.lathe of a target")
    unpack.add_argument(
        "--to", type=Path, metavar="DIR", help="where to (default: the folder of ARCHIVE)"
    )
    unpack.set_defaults(command=_unpack)
    return parser


class _Version(argparse.Action):
    """Looks the version up only when somebody asks: it takes time that `plan` does not have."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"lathe {version('lathe')}")
        parser.exit()


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("give a number of at least 1")
    return number


def _plan(arguments: argparse.Namespace, _environment: Mapping[str, str]) -> int:
    """Show what a resource asks for; nothing is fetched, no toolchain is loaded."""
    found = read(arguments.file, arguments.profile)
    if isinstance(found, Refused):
        return _refuse(found, arguments.output)
    from lathe_worker.terminal import plan_view

    _note(found)
    plan = _planned(found.resource)
    if arguments.output == "json":
        print(json.dumps(plan_view.document(plan), indent=2))
    else:
        print(plan_view.text(plan, found.resource.spec))
    return ExitCode.OK


def _planned(resource: ModelOptimization) -> Plan:
    metadata = resource.metadata
    return plan_of(resource.spec, namespace=metadata.namespace, name=metadata.name)


def _run(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Run a resource on this machine."""
    found = read(arguments.file, arguments.profile)
    if isinstance(found, Refused):
        return _refuse(found, arguments.output)
    _note(found)
    if arguments.verbose:
        logging.basicConfig(format="%(name)s: %(message)s")
        logging.getLogger("lathe_worker").setLevel(logging.DEBUG)
    # SIGTERM ends a run as Ctrl-C does: children stopped, workspace cleared, finished steps kept
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    from lathe_worker.local_run import LocalRun
    from lathe_worker.terminal import live

    run = LocalRun(
        plan=_planned(found.resource),
        storage=arguments.storage,
        workspace=(arguments.workspace or _cache(environment)).absolute(),
        threads=arguments.threads,
        allow_state_dict=arguments.allow_state_dict,
        environment=environment,
    )
    with live.reporter(_console(sys.stderr)) as reporter:
        ended = run.go(reporter)
    return _tell(arguments, run, ended)


def _unpack(arguments: argparse.Namespace, _environment: Mapping[str, str]) -> int:
    """Write the files of an archive, and name them."""
    from lathe_worker.unpacking import unpack

    archive: Path = arguments.archive
    try:
        for file in unpack(archive, arguments.to or archive.parent):
            print(file)
    except Stopped as stopped:
        _complain(stopped.message)
        return stopped.exit_code
    return ExitCode.OK


def _tell(arguments: argparse.Namespace, run: "LocalRun", ended: "Ended") -> int:
    """Print how a run ended, and choose the exit code."""
    outcome = ended.outcome
    if arguments.output == "json":
        _print_json(outcome)
    elif ended.manifest is not None:
        from lathe_worker.terminal import result_view

        again = outcome.cache == "Hit"
        result_view.show(_console(sys.stdout), ended.manifest, run.locate, again=again)
    failure = outcome.failure
    if failure and failure.reason is Reason.INTERRUPTED:
        _complain("interrupted; finished steps are kept: run the same command again to go on")
        return INTERRUPTED
    if failure:
        _complain(f"{arguments.file}: {_where(failure)}{failure.message}{_log(run, failure)}")
    elif ended.manifest and not ended.manifest.gates.passed:
        _complain(f"{arguments.file}: {outcome.gates}: {outcome.gate_message}")
    return outcome.exit_code


def _refuse(refused: Refused, output: str) -> int:
    """Say why a file cannot be run."""
    for line in refused.lines():
        _complain(line)
    if output == "json":
        code, reason = ExitCode.INVALID_SPEC, Reason.INVALID_SPEC
        failure = Failure(reason=reason, exit_code=code, message="; ".join(refused.lines()))
        _print_json(Outcome(exit_code=code, failure=failure))
    return ExitCode.INVALID_SPEC


def _where(failure: Failure) -> str:
    """The step that failed, unless the message names it; stages of the run itself are capital."""
    step = failure.step or ""
    return f"step {step}: " if step[:1].islower() and step not in failure.message else ""


def _log(run: "LocalRun", failure: Failure) -> str:
    """Where toolchains said more, when nobody knows better."""
    return f" (see {run.log})" if failure.exit_code == ExitCode.INTERNAL else ""


def _print_json(outcome: Outcome) -> None:
    print(json.dumps(outcome.model_dump(mode="json", exclude_none=True), indent=2))


def _note(found: ResourceFile) -> None:
    if found.ignored:
        _complain(f"ignored, as it is for a cluster: {', '.join(found.ignored)}")
    if found.warning:
        _complain(found.warning)


def _complain(line: str) -> None:
    print(" ".join(line.split("\n")), file=sys.stderr)


def _console(stream: TextIO) -> "Console":
    from rich.console import Console

    return Console(file=stream, width=None if stream.isatty() else NO_TERMINAL, highlight=False)


def _cache(environment: Mapping[str, str]) -> Path:
    """Where caches of the user lie."""
    named = environment.get("XDG_CACHE_HOME")
    try:
        return Path(named) / "lathe" if named else Path.home() / ".cache" / "lathe"
    except RuntimeError:  # a user without a home
        return Path(tempfile.gettempdir()) / "lathe"
