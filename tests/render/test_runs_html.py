"""A run as one HTML file: the same counts, what failed first, and no value ever markup."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st
from support.pagereading import parse, summary
from support.reports import MIXED, poisoned, report, step

from reconciler.render import report_to_html, report_to_text
from reconciler.render.runs_html import FIRST

POISON = "\x1b[31m<b>'\"&amp;{{ 7*7 }}</code></script><script>alert(1)</script>\u202e\n]]> --> <!-- javascript:x"


def text(data, **how):
    return "".join(report_to_html(data, **how))


def drawn(data, **how):
    """The page without its style and script, which are files of their own."""
    whole = re.sub(r"<(style|script)>.*?</\1>", r"<\1>…</\1>", text(data, **how), flags=re.DOTALL)
    return re.sub(r"sha256-[\w+/]{43}=", "sha256-…", whole)


def shape(data):
    """The page's elements with their attributes, but the words that stand in them."""
    page = parse(drawn(data))
    return [(element.name, dict(element.attributes)) for element in page.every()]


def test_a_mixed_run_reads_like_this(golden):
    golden("report.html", drawn(MIXED))


def test_a_hostile_run_reads_like_this(golden):
    golden("report-hostile.html", drawn(poisoned(POISON)))


def test_it_tells_the_same_counts_as_the_text():
    found, lines = summary(parse(text(MIXED))), list(report_to_text(MIXED, width=300))
    for label in ("Steps", "Run", "Stopped"):
        *_, line = [line for line in lines if line.startswith(f"{label} ")]
        assert found[label] == line.removeprefix(label).strip()
    [tiles] = parse(text(MIXED)).all("ul", "tiles")
    assert [tile.words for tile in tiles.all("li")] == [
        "1 applied", "0 assumed", "1 rejected", "1 in doubt", "1 skipped", "1 not reached",
    ]  # fmt: skip


def test_what_failed_or_is_in_doubt_isnt_folded():
    page = parse(text(MIXED))
    assert [card.words.split(".")[0] for card in page.all("div", "card")] == ["3", "2"]
    assert [one.attributes["id"] for one in page.all("details")] == ["skipped", "reached", "applied"]
    assert "reconciler resolve -e stage run-7 3 applied|not-applied" in page.all("div", "card")[0].text
    # A call that was only begun is a doubt.
    assert len(parse(text(report(step(1, "intent")))).all("div", "card")) == 1


def test_the_verdict_stands_first():
    def verdict(*steps):
        [found] = parse(text(report(*steps))).all("p", "verdict")
        return found.words

    assert verdict() == "No step."
    assert verdict(step(1, "applied"), step(2, "assumed")) == "Every step is done."
    assert verdict(step(1, "applied"), step(2, "rejected")) == "1 step isn't done of 2."
    assert verdict(step(1, "intent"), step(2, "in_doubt")).startswith("2 steps are in doubt")


def test_many_failures_are_counted():
    page = parse(text(report(*(step(number, "rejected") for number in range(1, FIRST + 12)))))
    assert len(page.all("div", "card")) == FIRST
    assert "and 11 more" in page.all("p", "rest")[0].words


def test_no_value_is_markup(hostile):
    whole = drawn(poisoned(hostile))
    assert all(c == "\n" or c.isprintable() for c in whole)
    assert shape(poisoned(hostile)) == shape(poisoned("tame"))


@settings(max_examples=60, deadline=None)
@given(st.text("<>&'\"{}%#/\\\n ab1\u202e\t", min_size=1, max_size=40))
def test_no_text_is_markup(value):
    assert shape(poisoned(f"x{value}x")) == shape(poisoned("tame"))


def test_a_strange_report_is_a_page_too():
    assert parse(text({})).all("h1")
    assert parse(text({"steps": [1, None, {}], "exit_code": "7"})).all("h1")
