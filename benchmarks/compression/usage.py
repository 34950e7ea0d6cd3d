"""Run a command and write down what it took; a program of its own, small on purpose.

    python -I -S usage.py FILE COMMAND …

Linux counts the memory that a process had when it was forked as its own peak. A parent that has
imported a toolchain would therefore be found in every figure; this one has imported nothing.
"""

import json
import os
import sys
import time


def main() -> None:
    """Run it, write seconds, CPU seconds and peak memory to FILE, and end as it ended."""
    file, *command = sys.argv[1:]
    began = time.perf_counter()
    child = os.posix_spawnp(command[0], command, os.environ)  # noqa: TID251 - a program's main
    _, status, used = os.wait4(child, 0)
    figures = {
        "seconds": time.perf_counter() - began,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "peak_bytes": used.ru_maxrss * 1024,
    }
    with open(file, "w") as out:  # noqa: PTH123 - pathlib is no small import
        json.dump(figures, out)
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
