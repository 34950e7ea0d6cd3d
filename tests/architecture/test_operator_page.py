"""The pages about the operator name every setting, metric and Event, and no other."""

import re
from pathlib import Path

from lathe_operator.decide.events import NORMAL, WARNING, WORTH_TELLING
from lathe_operator.metrics import page
from lathe_operator.settings import Settings
from lathe_steps.reasons import Reason

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "operator.md").read_text()


def test_every_setting_is_on_the_page() -> None:
    named = set(re.findall(r"^\| .*?(?=\| )", PAGE, re.MULTILINE))
    told = {word for row in named for word in re.findall(r"`(LATHE_[A-Z_]+)`", row)}

    assert told == {f"LATHE_{name}".upper() for name in Settings.model_fields}


def test_the_page_of_the_metrics_is_what_is_declared() -> None:
    assert (DOCS / "reference" / "metrics.md").read_text() == page.page()


def test_every_event_is_on_the_page_with_its_type() -> None:
    told = set(re.findall(r"^\| `([A-Za-z]+)` \| (Normal|Warning) \|", PAGE, re.MULTILINE))
    well = (Reason.STARTED, Reason.SUCCEEDED, Reason.CANCELLED)

    assert told == {
        *((str(reason), NORMAL) for reason in well),
        *((str(reason), WARNING) for reason in (Reason.PROFILE_DEPRECATED, *WORTH_TELLING)),
    }
