"""Which of the fetched files is the model."""

from pathlib import Path

from lathe_steps.errors import BadInput


def the_one(path: Path, suffixes: tuple[str, ...]) -> Path:
    """The file itself, or the only file with such a name in a directory.

    Raises:
        BadInput: When there is none, or more than one; with the names of what is there.
    """
    if path.is_file():
        return path
    files = sorted(file for file in path.iterdir() if file.is_file())
    found = [file for file in files if file.suffix in suffixes]
    if len(found) == 1:
        return found[0]
    wanted = " or ".join(f"*{suffix}" for suffix in suffixes)
    there = ", ".join(file.name for file in (found or files)[:5]) or "nothing"
    many = "several files" if found else "no file"
    raise BadInput(
        f"model.uri: {many} named {wanted} ({there}): name the object itself in model.uri"
    )
