"""`kubectl_complete-lathe`: kubectl asks it what may follow on the command line."""

import sys
from collections.abc import Sequence
from itertools import pairwise

from lathe_kubectl.kubectl import Kubectl, KubectlFailed
from lathe_kubectl.main import COMMANDS, NAMED
from lathe_kubectl.seen import RESOURCES

NO_FILES, FILES = 4, 0
"""What shells are told beside the words: that the next word is no file, or may be one."""
AMONG = ("-n", "--namespace", "--context", "--kubeconfig")
"""Flags that say which resources there are."""


def complete(words: Sequence[str], kubectl: Kubectl) -> tuple[list[str], int]:
    """What the last word may be, and whether it may be a file.

    Args:
        words: What stands after `kubectl lathe`, the unfinished word last.
        kubectl: Knows the names of resources.
    """
    *before, begun = words or [""]
    if not before:
        return [name for name in COMMANDS if name.startswith(begun)], NO_FILES
    if before[0] == "plan":
        return [], FILES
    if before[0] not in NAMED or begun.startswith("-"):
        return [], NO_FILES
    try:
        names = kubectl.say("get", RESOURCES, "-o", "name").split()
    except KubectlFailed:
        return [], NO_FILES
    found = (name.rpartition("/")[2] for name in names)
    return [name for name in found if name.startswith(begun)], NO_FILES


def flags_among(words: Sequence[str]) -> list[str]:
    """The flags among the words that decide where resources are looked for."""
    flags: list[str] = []
    for word, following in pairwise([*words, ""]):
        if word in AMONG and following:
            flags += [word, following]
        elif word.partition("=")[0] in AMONG and "=" in word:
            flags.append(word)
    return flags


def main() -> None:
    """Print what may follow, as kubectl wants it."""
    words = sys.argv[1:]
    found, directive = complete(words, Kubectl(flags_among(words[:-1])))
    sys.stdout.write("".join(f"{each}\n" for each in found) + f":{directive}\n")
