"""How fast samples are loaded from each format, beside a CSV file that is read line by line.

    python -m benchmarks.loading [--copies 100] [--repeats 5] [--memory-mib 1024] [--folder DIR]

The samples are scikit-learn's 1,797 digits, so many times. Every repeat reads each format once,
one after the other, each in a fresh process, so that what else the machine does meets them alike.
A time is from opening the file to the last batch of 256 samples, as float32; imports are left
out, and files are in the page cache. Ratios are the CSV file's time to the format's, repeat by
repeat. `read` leaves out opening: it is what every epoch after the first costs.

Then each format is read from a set of `--memory-mib`, with samples of 768 KiB, and the growth of
the process is given: its peak of resident memory less what it had after importing.
"""

import argparse
import csv
import io
import json
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

BATCH = 256
SIDE = 256
KIB, MIB = 1024, 1024 * 1024
Write = Callable[[Path, np.ndarray, np.ndarray], None]


def main() -> None:
    """Run the benchmark, or (as a child of it) read one file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--copies", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--memory-mib", type=int, default=1024)
    parser.add_argument("--folder", type=Path, help="where files are; else the temporary folder")
    parser.add_argument("--read", nargs=3, metavar=("FORMAT", "FILE", "SHAPE"))
    chosen = parser.parse_args()
    if chosen.read:
        form, file, shape = chosen.read
        print(json.dumps(read(form, Path(file), tuple(map(int, shape.split("x"))))))
        return
    with tempfile.TemporaryDirectory(dir=chosen.folder, prefix="lathe-bench-") as folder:
        speed(Path(folder), chosen.copies, chosen.repeats)
    with tempfile.TemporaryDirectory(dir=chosen.folder, prefix="lathe-bench-") as folder:
        memory(Path(folder), chosen.memory_mib)


def speed(folder: Path, copies: int, repeats: int) -> None:
    """Print seconds, and ratios to CSV."""
    from sklearn.datasets import load_digits  # noqa: PLC0415 - a child does not need it

    images, labels = load_digits(return_X_y=True)
    pixels = np.tile((images / 16).astype(np.float32), (copies, 1))
    classes = np.tile(labels.astype(np.int64), copies)
    for form, write in WRITERS.items():
        write(folder / form, pixels, classes)
    rounds = [
        {form: child(form, folder / form, (pixels.shape[1],)) for form in WRITERS}
        for _ in range(repeats + 1)
    ][1:]  # the first warms up
    print(f"{len(pixels)} samples of 64 float32, {repeats} repeats, min / median / max")
    print(f"  {'':12}   {'seconds':>20}   {'x of CSV':>20}   {'read, x of CSV':>20}")
    for form in WRITERS:
        whole = [each[form]["seconds"] for each in rounds]
        columns = (
            whole,
            [each["CSV"]["seconds"] / each[form]["seconds"] for each in rounds],
            [each["CSV"]["seconds"] / each[form]["read"] for each in rounds],
        )
        print(f"  {form:12}", *(spread(column) for column in columns), sep="   ")


def memory(folder: Path, mib: int) -> None:
    """Print the growth of a process that reads much."""
    count = mib * MIB // (SIDE * SIDE * 3 * 4)
    print(f"\n{mib} MiB in {count} samples: growth of resident memory in MiB")
    random = np.random.default_rng(0)
    pixels = random.random((count, SIDE * SIDE * 3), np.float32)
    classes = np.arange(count)
    for form, write in WRITERS.items():
        if form == "CSV":
            continue
        write(folder / form, pixels, classes)
        found = child(form, folder / form, (pixels.shape[1],))
        print(f"  {form:12}   {found['growth'] / KIB:6.0f}")
        (folder / form).unlink()


def child(form: str, file: Path, shape: tuple[int, ...]) -> Mapping[str, float]:
    """Read a file in a fresh process."""
    size = "x".join(map(str, shape))
    command = [sys.executable, "-m", "benchmarks.loading", "--read", form, str(file), size]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: Mapping[str, float] = json.loads(done.stdout)
    return found


def read(form: str, file: Path, shape: tuple[int, ...]) -> Mapping[str, float]:
    """Read every batch once: seconds, and KiB by which the process grew."""
    import pyarrow.parquet  # noqa: F401, PLC0415 - not to be timed

    from lathe_worker import datasets  # noqa: F401, PLC0415 - same reason

    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
    before = peak()
    with tempfile.TemporaryDirectory(dir=file.parent) as scratch:
        began = time.perf_counter()
        batches = lines(file) if form == "CSV" else samples(form, file, Path(scratch), shape)
        opened = time.perf_counter()
        count = sum(len(inputs) for inputs in batches)
        ended = time.perf_counter()
    return {
        "seconds": ended - began,
        "read": ended - opened,
        "growth": peak() - before,
        "samples": count,
    }


def peak() -> int:
    """Most KiB that this process had in memory; what getrusage says is also its parent's."""
    said = Path("/proc/self/status").read_text()
    return int(said.partition("VmHWM:")[2].split()[0])


def samples(form: str, file: Path, scratch: Path, shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """Batches of a data set of ours."""
    from lathe_api.v1alpha1.datasets import DatasetRef  # noqa: PLC0415 - for the child alone
    from lathe_steps.base import TensorSpec  # noqa: PLC0415 - same reason
    from lathe_worker.datasets import open_dataset  # noqa: PLC0415 - same reason

    ref = DatasetRef.model_validate(
        {
            "name": "bench",
            "uri": "s3://bench/data",
            "format": form,
            "inputs": {"x": "npy" if form == "WebDataset" else "images"},
            "labels": "cls" if form == "WebDataset" else "labels",
        }
    )
    inputs = (TensorSpec("x", "float32", ("batch", *shape)),)
    dataset = open_dataset(ref, file, scratch, inputs)
    size = max(1, min(BATCH, 16 * MIB // (4 * int(np.prod(shape)))))
    return (batch.inputs["x"] for batch in dataset.batches(size))


def lines(file: Path) -> Iterator[np.ndarray]:
    """Batches of a CSV file, as a script would read it: pixels, then the class."""
    with file.open(newline="") as stream:
        rows: list[list[float]] = []
        for row in csv.reader(stream):
            rows.append([float(value) for value in row])
            if len(rows) == BATCH:
                yield np.array(rows, np.float32)[:, :-1]
                rows = []
        if rows:
            yield np.array(rows, np.float32)[:, :-1]


def _csv(file: Path, pixels: np.ndarray, classes: np.ndarray) -> None:
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        for row, label in zip(pixels.tolist(), classes.tolist(), strict=True):
            writer.writerow([*row, label])


def _npz(file: Path, pixels: np.ndarray, classes: np.ndarray) -> None:
    with file.open("wb") as stream:
        np.savez(stream, images=pixels, labels=classes)


def _safetensors(file: Path, pixels: np.ndarray, classes: np.ndarray) -> None:
    from safetensors.numpy import save_file

    save_file({"images": pixels, "labels": classes}, file)


def _parquet(file: Path, pixels: np.ndarray, classes: np.ndarray) -> None:
    import pyarrow as pa  # noqa: PLC0415 - a child does not need it to start
    import pyarrow.parquet as pq  # noqa: PLC0415 - same reason

    images = pa.FixedSizeListArray.from_arrays(pa.array(pixels.reshape(-1)), pixels.shape[1])
    group = max(1, 64 * MIB // (4 * pixels.shape[1]))
    pq.write_table(pa.table({"images": images, "labels": classes}), file, row_group_size=group)


def _webdataset(file: Path, pixels: np.ndarray, classes: np.ndarray) -> None:
    with tarfile.open(file, "w") as shard:
        for number, (image, label) in enumerate(zip(pixels, classes, strict=True)):
            out = io.BytesIO()
            np.save(out, image)
            members = {"npy": out.getvalue(), "cls": str(label).encode()}
            for ending, content in members.items():
                about = tarfile.TarInfo(f"{number:08}.{ending}")
                about.size = len(content)
                shard.addfile(about, io.BytesIO(content))


WRITERS: Mapping[str, Write] = {
    "CSV": _csv,
    "NPZ": _npz,
    "Safetensors": _safetensors,
    "Parquet": _parquet,
    "WebDataset": _webdataset,
}


def spread(figures: Sequence[float]) -> str:
    """Least, middle and most."""
    return f"{min(figures):6.2f} /{statistics.median(figures):6.2f} /{max(figures):6.2f}"


if __name__ == "__main__":
    main()
