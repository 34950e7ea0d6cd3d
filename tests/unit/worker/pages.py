"""A page as a test sees it: its elements, in order, and what it says."""

from html.parser import HTMLParser

VOID = frozenset({"meta", "br", "link"})


class Page(HTMLParser):
    """Every element of a page; it is refused when one does not end where it should.

    Attributes:
        seen: Names of elements with their classes, in order.
        labels: What pictures say to those who cannot see them.
        lanes: Titles of the lanes of the path.
        text: Everything that is written on it.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, str]] = []
        self.labels: list[str] = []
        self.lanes: list[str] = []
        self.text = ""
        self._open: list[tuple[str, str]] = []
        self.feed(page)
        assert self._open == []

    def count(self, tag: str, kind: str = "") -> int:
        """How many elements there are of this name, and of this class."""
        return sum(name == tag and (not kind or kind in of.split()) for name, of in self.seen)

    @property
    def tags(self) -> set[str]:
        """Names of all elements."""
        return {name for name, _ in self.seen}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.seen.append((tag, given.get("class") or ""))
        if given.get("aria-label"):
            self.labels.append(given["aria-label"] or "")
        if tag not in VOID:
            self._open.append(self.seen[-1])

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        inside = self._open[-2:]
        if len(inside) == 2 and inside[1][0] == "h3" and ("div", "lane") in self._open:
            self.lanes.append(data)
