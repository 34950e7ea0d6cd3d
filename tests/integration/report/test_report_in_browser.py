"""The report in a real browser: it fits, it reads in the dark and on paper, and asks nobody."""

import html
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lathe_worker.report import render
from tests.unit.worker.great_reports import great
from tests.unit.worker.reports import a_report

QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)
CONTRAST = 150
MEASURE = """
<script>
addEventListener('load', () => {
  const page = document.documentElement;
  const seen = (node) => getComputedStyle(node);
  const clipped = [...document.querySelectorAll('main *')].filter(
    (node) => node.scrollWidth > node.clientWidth + 1 && seen(node).overflowX === 'hidden');
  const drawings = [...document.querySelectorAll('svg.drawing')];
  const texts = [...document.querySelectorAll('svg text')];
  document.body.setAttribute('data-found', JSON.stringify({
    wider: page.scrollWidth - page.clientWidth,
    clipped: clipped.length,
    squeezed: [...document.querySelectorAll('th[scope]')].filter((n) => n.clientWidth < 90).length,
    drawings: drawings.length,
    empty: drawings.filter(
      (node) => !node.closest('details:not([open])') && node.clientWidth < 20).length,
    outside: texts.filter((node) => {
      const it = node.getBoundingClientRect();
      return it.left < 0 || it.right > page.clientWidth;
    }).length,
    height: page.scrollHeight,
    paper: seen(document.body).backgroundColor,
    ink: seen(document.body).color,
    asked: performance.getEntriesByType('resource').length,
  }));
});
</script>
"""
"""Only in the test's copy of the page, which has no scripts of its own."""
FRAME = """<!doctype html>
<iframe width="{width}" height="1200" style="border: 0" srcdoc="{page}"></iframe>
<script>
addEventListener('load', () => {{
  const inner = document.querySelector('iframe').contentDocument.body;
  document.body.setAttribute('data-found', inner.getAttribute('data-found'));
}});
</script>
"""


@dataclass(frozen=True)
class Browser:
    """Chromium without a window, with a profile of its own."""

    program: str
    folder: Path

    def __call__(self, page: str, *flags: str) -> str:
        file = self.folder / "report.html"
        file.write_text(page, encoding="utf-8")
        profile = f"--user-data-dir={self.folder / 'profile'}"
        done = subprocess.run(
            [self.program, *QUIET, profile, *flags, file.as_uri()],
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        return done.stdout

    def found(self, page: str, *flags: str) -> dict[str, Any]:
        """What the page looks like from inside."""
        return self._dumped(page.replace("</body>", f"{MEASURE}</body>"), *flags)

    def framed(self, page: str, width: int) -> dict[str, Any]:
        """The same in a frame: a window of Chromium has at least 500 pixels."""
        inner = html.escape(page.replace("</body>", f"{MEASURE}</body>"))
        return self._dumped(FRAME.format(width=width, page=inner))

    def _dumped(self, page: str, *flags: str) -> dict[str, Any]:
        dom = self(page, "--dump-dom", *flags)
        facts = re.search(r'data-found="([^"]*)"', dom)
        assert facts, dom[-2000:]
        found: dict[str, Any] = json.loads(html.unescape(facts[1]))
        return found


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.fail("these tests need a browser: install the package chromium")
    return Browser(program, tmp_path)


@pytest.mark.parametrize("width", [500, 800, 1280, 2560], ids=["narrow", "medium", "wide", "huge"])
def test_the_page_fits_and_nothing_is_cut_off_or_squeezed(width: int, browser: Browser) -> None:
    found = browser.found(render(a_report()), f"--window-size={width},1200")

    assert (found["wider"], found["clipped"], found["squeezed"], found["asked"]) == (0, 0, 0, 0)


def test_the_page_fits_on_a_telephone(browser: Browser) -> None:
    found = browser.framed(render(a_report()), 360)

    assert (found["wider"], found["clipped"], found["squeezed"]) == (0, 0, 0)


@pytest.mark.parametrize("width", [500, 1280], ids=["narrow", "wide"])
def test_figures_are_drawn_within_their_places(width: int, browser: Browser) -> None:
    found = browser.found(render(a_report()), f"--window-size={width},1200")

    assert found["drawings"] > 10
    assert found["empty"] == 0
    assert found["outside"] == 0


def test_long_lists_are_opened_by_a_click(browser: Browser) -> None:
    page = render(a_report())

    folded = browser.found(page)["height"]
    opened = browser.found(page.replace("<details", "<details open"))["height"]

    assert opened > folded + 40


def test_the_largest_run_fits_as_well(browser: Browser) -> None:
    found = browser.found(render(great(32, 16)), "--window-size=500,1200")

    assert (found["wider"], found["empty"]) == (0, 0)


def test_long_names_do_not_break_the_page(browser: Browser) -> None:
    report = a_report()
    long = report.model_copy(
        update={
            "artifacts": tuple(
                each.model_copy(update={"uri": f"s3://artifacts/{'long-' * 60}"})
                for each in report.artifacts
            ),
            "gates": report.gates.model_copy(update={"message": "x" * 600}),
        }
    )

    assert browser.found(render(long), "--window-size=500,1200")["wider"] == 0


def test_paper_is_light_by_day_and_dark_by_night(browser: Browser) -> None:
    page = render(a_report())

    day = browser.found(page, "--window-size=1280,1200")
    night = browser.found(page.replace("(prefers-color-scheme: dark)", "all"))

    assert brightness(day["paper"]) - brightness(day["ink"]) > CONTRAST
    assert brightness(night["ink"]) - brightness(night["paper"]) > CONTRAST


def brightness(color: str) -> float:
    red, green, blue = map(int, re.findall(r"\d+", color)[:3])
    return (red + green + blue) / 3


def test_the_page_prints(browser: Browser, tmp_path: Path) -> None:
    browser(render(a_report()), f"--print-to-pdf={tmp_path / 'report.pdf'}")

    content = (tmp_path / "report.pdf").read_bytes()
    assert content.startswith(b"%PDF")
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", content)) <= 5
