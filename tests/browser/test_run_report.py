"""A run's HTML report in a real browser: it fits, can be read, asks nobody for anything, and prints whole."""

from pathlib import Path

import pytest
from support.reports import MIXED, poisoned
from support.sampleplans import HOSTILE

from reconciler.render import report_to_html

LOOK = (Path(__file__).parent / "look.js").read_text()

#: The least contrast that WCAG 2 asks of text (level AA).
LEAST = 4.5

REPORT = "".join(report_to_html(MIXED))
HOSTILE_REPORT = "".join(report_to_html(poisoned(f"{' '.join(HOSTILE)} {'w' * 900}")))


@pytest.mark.parametrize("report", [REPORT, HOSTILE_REPORT], ids=["tame", "hostile"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_it_fits_and_can_be_read_and_asks_nobody_for_anything(visit, site, report, width, dark):
    page = visit(report, width, dark=dark)
    found = page.run(LOOK, LEAST)
    assert found["problems"] == []
    assert found["texts"] > 50
    assert page.console() == []
    assert site.asked == ["/report.html"]


def test_print_unfolds_every_step(visit):
    page = visit(REPORT, 800, media="print")
    hidden = "return Array.from(document.querySelectorAll('details dl')).filter((n) => !n.getClientRects()[0].height)"
    assert page.run(hidden) == []
    assert page.run("return document.querySelectorAll('details dl').length") == 3
