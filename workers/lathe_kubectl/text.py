"""Text for terminals: words with a style, as trees and as tables."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum


class Style(Enum):
    """How a word looks, as terminals spell it."""

    PLAIN = ""
    BOLD = "1"
    DIM = "2"
    GOOD = "32"
    BAD = "31"
    BUSY = "33"


Word = tuple[str, Style]
Paint = Callable[[Word], str]
"""From a word to what is written."""

MARKS = {Style.GOOD: "✓", Style.BAD: "✗", Style.BUSY: "…"}


def plain(word: Word) -> str:
    """The word without colours: for files, pipes and tests."""
    return word[0]


def coloured(word: Word) -> str:
    """The word as a terminal shows it."""
    text, style = word
    return f"\033[{style.value}m{text}\033[0m" if style.value and text else text


@dataclass(frozen=True, slots=True)
class Node:
    """A line, and what belongs to it."""

    words: tuple[Word, ...]
    below: tuple["Node", ...] = ()


def line(*words: str | Word) -> tuple[Word, ...]:
    """Words, without those that say nothing; text alone is plain."""
    told = (each if isinstance(each, tuple) else (each, Style.PLAIN) for each in words)
    return tuple((_shown(text), style) for text, style in told if text)


def _shown(text: str) -> str:
    """One line, without what would steer a terminal: an image's words may say anything."""
    return "".join(each if each.isprintable() else " " for each in text)


def tree(node: Node, paint: Paint) -> Iterator[str]:
    """The lines of a tree."""
    yield "  ".join(map(paint, node.words))
    for child in node.below:
        last = child is node.below[-1]
        first, *rest = tree(child, paint)
        yield f"{'└─' if last else '├─'} {first}"
        yield from (f"{'  ' if last else '│ '} {each}" for each in rest)


def table(rows: Sequence[Sequence[str | Word]], paint: Paint) -> Iterator[str]:
    """Rows of cells in columns, the first of them the titles."""
    cells = [[line(cell)[0] if line(cell) else ("", Style.PLAIN) for cell in row] for row in rows]
    widths = [max(len(text) for text, _ in column) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = (
            paint(cell) + " " * (width - len(cell[0]))
            for cell, width in zip(row, widths, strict=True)
        )
        yield "   ".join(padded).rstrip()
