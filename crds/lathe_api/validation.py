"""From a document to a resource that can be run, or to every reason why not, in users' words."""

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from lathe_api.chains import Finding
from lathe_api.flow import findings
from lathe_api.v1alpha1.resource import Metadata, ModelOptimization
from lathe_api.v1alpha1.spec import Axis, Digest
from lathe_api.v1alpha1.status import clip
from lathe_api.v1alpha1.storage import S3, S3URI, ObjectName
from lathe_steps.architecture import Architecture
from lathe_steps.build_engine import ComputeCapability
from lathe_steps.reasons import Reason
from lathe_steps.words import Name, Quantity

MAX_SHOWN = 60
"""Characters of a wrong value that a message repeats."""


@dataclass(frozen=True, slots=True)
class Invalid:
    """What cannot be run, and why.

    Attributes:
        findings: At least one; the one to mend first is the first.
        reason: Why, in one word.
    """

    findings: tuple[Finding, ...]
    reason: Reason = Reason.INVALID_SPEC

    def __str__(self) -> str:
        """One line that names the first fault, and says how many more there are."""
        more = len(self.findings) - 1
        return f"{self.findings[0]} (and {more} more)" if more else str(self.findings[0])


def parse(document: object) -> ModelOptimization | Invalid:
    """Read a resource: what the schema cannot say (`lathe_api.flow`) is checked as well."""
    try:
        resource = ModelOptimization.model_validate(document)
    except ValidationError as error:
        return Invalid(describe(error))
    found = findings(resource.spec)
    return Invalid(found) if found else resource


def describe(
    error: ValidationError, model: type[BaseModel] = ModelOptimization
) -> tuple[Finding, ...]:
    """Say what pydantic found in a document of that type, as paths and messages for users.

    Names that no field has come first: they explain much of what follows.
    """
    details = sorted(error.errors(include_url=False), key=_urgency)
    found = [_finding(detail, model) for detail in details if not _follows(detail, details)]
    return tuple({(it.root, it.path): it for it in reversed(found)}.values())[::-1]


def _urgency(detail: ErrorDetails) -> int:
    """What to say first; where a value may be of two types, the other type says the least."""
    if detail["type"] == "extra_forbidden":
        return 0
    return 2 if detail["type"].endswith(("_type", "_parsing", "_from_float")) else 1


def _follows(detail: ErrorDetails, details: list[ErrorDetails]) -> bool:
    """Whether a fault is only there because of another.

    A list is too short when pydantic does not count its faulty items; a field is missing when its
    name is misspelt.
    """
    here = detail["loc"]
    if detail["type"] == "too_short":
        return any(it["loc"][: len(here)] == here != it["loc"] for it in details)
    return detail["type"] == "missing" and any(
        it["type"] == "extra_forbidden"
        and it["loc"][:-1] == here[:-1]
        and _nearest(str(it["loc"][-1]), [str(here[-1])])
        for it in details
    )


def _finding(detail: ErrorDetails, model: type[BaseModel]) -> Finding:
    walk = _walk(detail["loc"], model)
    message = _message(detail, walk.parent)
    root, _, path = walk.path.partition(".")
    return Finding(path, message, root) if path else Finding(root, message, "")


@dataclass(frozen=True, slots=True)
class _Walk:
    """A place in the resource."""

    path: str
    parent: type[BaseModel] | None
    """The type that has, or has not, the last member of the path."""


def _walk(location: tuple[int | str, ...], root: type[BaseModel]) -> _Walk:
    """Follow pydantic's location through the types, without the branches of unions in it."""
    at: Any = root
    parent: type[BaseModel] | None = None
    path = ""
    for part in location:
        members = _members(at)
        if len(members) > 1 or part == "[key]":
            break  # the name of a branch, or the word for "the key itself"
        model = members[0] if members and isinstance(members[0], type) else None
        parent = model if model and issubclass(model, BaseModel) else None
        at = _inside(members[0] if members else Any, part)
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return _Walk(path.removeprefix("."), parent)


def _members(annotation: Any) -> tuple[Any, ...]:  # noqa: ANN401 - annotations are anything
    """The types that a value may have, None and constraints apart."""
    if get_origin(annotation) is Annotated:
        return _members(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        parts = (member for part in get_args(annotation) for member in _members(part))
        return tuple(part for part in parts if part is not NoneType)
    return (annotation,)


def _inside(annotation: Any, part: int | str) -> Any:  # noqa: ANN401 - annotations are anything
    """The type of a field, an item or a value."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        by_alias = {f.alias or name: f.annotation for name, f in annotation.model_fields.items()}
        return by_alias.get(str(part), Any)
    arguments = get_args(annotation)
    if get_origin(annotation) is tuple:
        return arguments[0]
    return arguments[1] if get_origin(annotation) is dict else Any


def _message(detail: ErrorDetails, parent: type[BaseModel] | None) -> str:
    if detail["type"] == "extra_forbidden":
        return _unknown(str(detail["loc"][-1]), parent)
    return SAYINGS.get(detail["type"], _should)(detail)


def _unknown(name: str, parent: type[BaseModel] | None) -> str:
    fields = parent.model_fields if parent else {}
    known = [field.alias or name for name, field in fields.items()]
    rest = f"; there are: {', '.join(known)}" if known else ""
    return f"there is no such field{_nearest(name, known) or rest}"


def _not_listed(detail: ErrorDetails) -> str:
    value = str(detail["input"])
    known = detail["ctx"]["expected"].replace("'", "")
    near = _nearest(value, known.replace(" or ", ", ").split(", "))
    return f"is {clip(value, MAX_SHOWN)}, but should be {known}{near}"


def _nearest(word: str, known: list[str]) -> str:
    """The listed word that was probably meant, whatever its case."""
    spelled = {each.lower(): each for each in known}
    near = difflib.get_close_matches(word.lower(), spelled, n=1, cutoff=0.7)
    return f"; did you mean {spelled[near[0]]}?" if near else ""


def _counted(detail: ErrorDetails) -> str:
    context = detail["ctx"]
    if "min_length" in context:
        return f"needs at least {context['min_length']}, but has {context['actual_length']}"
    return f"takes at most {context['max_length']}, but has {context['actual_length']}"


def _should(detail: ErrorDetails) -> str:
    value = clip(repr(detail["input"]), MAX_SHOWN)
    message = detail["msg"]
    if not message.startswith("Input should"):
        return message[:1].lower() + message[1:]
    return f"is {value}, but {message.removeprefix('Input ')}"


def _always(message: str) -> Callable[[ErrorDetails], str]:
    return lambda _: message


SAYINGS: Mapping[str, Callable[[ErrorDetails], str]] = {
    "missing": _always("is missing"),
    "model_type": _always("should be a mapping of fields"),
    "model_attributes_type": _always("should be a mapping of fields"),
    "dict_type": _always("should be a mapping"),
    "tuple_type": _always("should be a list"),
    "string_type": _always("should be a string: put it into quotes"),
    "value_error": lambda detail: str(detail["ctx"]["error"]),
    "string_pattern_mismatch": lambda detail: _mismatch(detail["ctx"]["pattern"]),
    "literal_error": _not_listed,
    "enum": _not_listed,
    "too_short": _counted,
    "too_long": _counted,
}


def _mismatch(pattern: str) -> str:
    """What a string should be; the string itself is not repeated, it may hold a secret."""
    return PATTERNS.get(pattern, f"should match {pattern}")


def _patterns(annotation: Any) -> Iterator[str]:  # noqa: ANN401 - annotations are anything
    """The patterns that a type puts on its strings."""
    for constraint in getattr(annotation, "__metadata__", ()):
        yield from (m.pattern for m in constraint.metadata if getattr(m, "pattern", None))
    for inner in get_args(annotation):
        yield from _patterns(inner)


def _field_patterns(model: type[BaseModel], field: str) -> Iterator[str]:
    info = model.model_fields[field]
    yield from (m.pattern for m in info.metadata if getattr(m, "pattern", None))
    yield from _patterns(info.annotation)


PATTERNS: Mapping[str, str] = {
    pattern: words
    for patterns, words in (
        (_patterns(S3URI), "should be s3://bucket/key, or s3://bucket/prefix/"),
        (_patterns(Digest), "should be sha256: and 64 hexadecimal digits"),
        (_patterns(Axis), "should be a number, or a word that names a dynamic axis"),
        (_patterns(Name), "should be lower-case letters, digits and '-', such as int8-cpu"),
        (_field_patterns(Metadata, "name"), "should be a DNS label that starts with a letter"),
        (_patterns(ComputeCapability), "should be a compute capability, such as 8.9"),
        (_patterns(Quantity), "should be a quantity, such as 4Gi"),
        (_patterns(ObjectName), "should be the name of an object: lower-case letters, digits, '-'"),
        (
            _field_patterns(S3, "endpoint"),
            "should be an address without a path, user or password, such as https://minio:9000",
        ),
        (
            _field_patterns(Architecture, "ref"),
            "should be a name from the registry, such as torchvision.resnet18",
        ),
    )
    for pattern in patterns
}
"""What a pattern means."""
