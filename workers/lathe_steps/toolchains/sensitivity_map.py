"""The map that a sensitivity step leaves beside a model, for the steps that follow it."""

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from lathe_steps.errors import Internal
from lathe_steps.evidence import Sensitivity

FILE = "sensitivity.json"
"""In the artifact's folder; a step that does not pass it on drops it."""
_MAP = TypeAdapter(Sensitivity)


def write(found: Sensitivity, folder: Path) -> None:
    """Leave a map in the folder of an artifact."""
    (folder / FILE).write_bytes(_MAP.dump_json(found, indent=1))


def read(folder: Path) -> Sensitivity | None:
    """The map beside a model; None when the step before left none.

    Raises:
        Internal: When the file is no such map.
    """
    file = folder / FILE
    if not file.exists():
        return None
    try:
        return _MAP.validate_json(file.read_bytes())
    except ValidationError as error:
        raise Internal(f"{FILE}: it is no map of sensitivities: {error}") from error
