"""HTML from values: whatever is not markup already is escaped."""

from html import escape


class Markup(str):
    """Text that is HTML already; made by `element` and `text` only."""

    __slots__ = ()


Content = str | None
"""A string is escaped unless it is Markup; None is nothing."""


def text(*contents: Content) -> Markup:
    """Put contents behind one another."""
    return Markup(
        "".join(
            each if isinstance(each, Markup) else escape(each)
            for each in contents
            if each is not None
        )
    )


def element(name: str, /, *contents: Content, **attributes: str | None) -> Markup:
    """An element; underscores in names of attributes stand for hyphens, and `class_` for class."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in VOID:
        return Markup(f"<{name}{given}>")
    return Markup(f"<{name}{given}>{text(*contents)}</{name}>")


VOID = frozenset({"meta", "br", "link"})
"""Elements that have no content and no end."""
