"""`kubectl lathe COMMAND`: parses what the user typed, and ends with the right exit code."""

import argparse
import os
import sys
from pathlib import Path
from typing import NoReturn

from lathe_api.v1alpha1.status import Phase
from lathe_kubectl import commands
from lathe_kubectl.commands import Command, Surroundings
from lathe_kubectl.kubectl import Kubectl, KubectlFailed
from lathe_kubectl.refusal import Refusal
from lathe_kubectl.text import coloured, plain
from lathe_steps.errors import Stopped

EXAMPLES = """\
examples:
  kubectl lathe list -A --phase Failed
  kubectl lathe status resnet50
  kubectl lathe logs -f resnet50
  kubectl lathe report resnet50 --open
  kubectl lathe diff resnet50 resnet50-int4
  kubectl lathe diff resnet50@5f3a9c1e resnet50
  kubectl lathe retry resnet50

exit codes:
  0 done, 1 not done (or, of diff: they differ), 2 not possible, else kubectl's or storage's own
"""
INTERRUPTED = 130

COMMANDS: dict[str, Command] = {
    "list": commands.show_list,
    "status": commands.show_status,
    "logs": commands.show_logs,
    "report": commands.show_report,
    "plan": commands.plan,
    "diff": commands.diff,
    "retry": commands.retry,
    "cancel": commands.cancel,
    "suspend": commands.suspend,
    "resume": commands.resume,
}
NAMED = tuple(name for name in COMMANDS if name not in ("list", "plan"))
"""Commands that are about a resource by its name."""
WITH_JSON = ("list", "status", "plan", "diff")
IN_BUCKETS = ("report", "diff")


def main() -> NoReturn:
    """Run the command that the user typed."""
    asked = parser().parse_args()
    try:
        code = COMMANDS[asked.command](asked, _surroundings(asked))
        sys.stdout.flush()
    except KubectlFailed as failed:
        code = _complain(failed.message, failed.code)
    except Refusal as refusal:
        code = _complain(str(refusal), commands.REFUSED)
    except Stopped as stopped:
        code = _complain(stopped.message, stopped.exit_code)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:  # whoever read has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = commands.OK
    sys.exit(code)


def _surroundings(asked: argparse.Namespace) -> Surroundings:
    flags = [
        f"--{flag}={value}"
        for flag in ("namespace", "context", "kubeconfig")
        if (value := getattr(asked, flag))
    ]
    environment = dict(os.environ)  # noqa: TID251 - a program's main: handed on to storage
    colours = sys.stdout.isatty() and not environment.get("NO_COLOR")
    return Surroundings(
        kubectl=Kubectl(flags),
        paint=coloured if colours else plain,
        tell=print,
        note=lambda line: print(line, file=sys.stderr),
        environment=environment,
    )


def _complain(line: str, code: int) -> int:
    print(line, file=sys.stderr)
    return code


def parser() -> argparse.ArgumentParser:
    """What may be typed."""
    top = argparse.ArgumentParser(
        prog="kubectl lathe",
        description="See and steer model optimizations in a cluster.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    listed = top.add_subparsers(required=True, metavar="COMMAND", dest="command")
    found = {
        name: listed.add_parser(name, help=_says(command), parents=[_common()])
        for name, command in COMMANDS.items()
    }
    for name in NAMED:
        if name != "diff":
            found[name].add_argument("name", metavar="NAME", help="of the resource")
    for name in WITH_JSON:
        found[name].add_argument(
            "-o", "--output", choices=("text", "json"), default="text", help="for people, or not"
        )
    for name in IN_BUCKETS:
        found[name].add_argument(
            "--endpoint",
            metavar="URL",
            default="",
            help="where the S3 service is seen from here, if not at spec.storage.s3.endpoint",
        )
    _own_arguments(found)
    return top


def _own_arguments(found: dict[str, argparse.ArgumentParser]) -> None:
    """What only one command takes."""
    found["list"].add_argument("-A", "--all-namespaces", action="store_true")
    found["list"].add_argument("--phase", choices=list(Phase), default="", help="only those")
    logs = found["logs"]
    logs.add_argument("-f", "--follow", action="store_true", help="go on while the pod runs")
    logs.add_argument("--tail", type=int, metavar="N", help="the last N lines only")
    logs.add_argument("--target", default="", metavar="T", help="of the pod that makes target T")
    report = found["report"]
    report.add_argument("--to", type=Path, metavar="FILE", help="copy it there")
    report.add_argument("--open", action="store_true", help="copy it, and open it in a browser")
    found["plan"].add_argument("file", type=Path, metavar="FILE", help="YAML, as for kubectl apply")
    for side in ("left", "right"):
        found["diff"].add_argument(
            side, metavar="NAME[@KEY]", help="a resource, one of its runs, or a manifest.json"
        )


def _common() -> argparse.ArgumentParser:
    """Which cluster and namespace, as kubectl's own commands take it."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("-n", "--namespace", default="")
    common.add_argument("--context", default="")
    common.add_argument("--kubeconfig", default="")
    return common


def _says(command: Command) -> str:
    return (command.__doc__ or "").strip().removesuffix(".").lower()


if __name__ == "__main__":
    main()
