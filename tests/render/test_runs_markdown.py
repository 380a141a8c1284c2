"""A run as a comment: what failed or is in doubt first, the rest folded, within its budget, no value ever markup."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from support.reports import MIXED, poisoned, report, step

from reconciler.render import report_to_markdown, report_to_text
from reconciler.render.sections import BUDGET

POISON = "\x1b[31m`a``b`|<b>@team #1\u202e\n## Run on `x` </details> --> [x](y)"
MARKER = "<!-- payway-reconciler run environment=stage -->"


def text(data, **how):
    return "\n".join(report_to_markdown(data, **how))


def shape(markdown):
    """What the text becomes, without what stands in code, so without every value."""
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown)
    html = re.sub(r"<!-- payway-reconciler run environment=[^ >]* -->", "<!-- marker -->", html)
    return re.sub(r"<code>[^<]*</code>|\(empty\)", "VALUE", html)


def test_a_mixed_run_reads_like_this(golden):
    golden("report.md", text(MIXED))


def test_a_hostile_run_reads_like_this(golden):
    golden("report-hostile.md", text(poisoned(POISON)))


def test_what_failed_or_is_in_doubt_stands_outside_the_fold_and_first():
    whole = text(MIXED)
    folded = "".join(re.findall(r"<details>.*?</details>", whole, re.DOTALL))
    assert sorted(re.findall(r"\*\*([0-9]+)\.\*\*", folded)) == ["1", "4", "5"]
    assert re.findall(r"\*\*([0-9]+)\.\*\*", whole)[:2] == ["3", "2"]
    assert "`400 invalid_parameter valid_to`" in whole
    assert "say what became of it: `reconciler resolve -e stage run-7 3 applied|not-applied`" in whole


def test_a_call_that_was_only_begun_is_a_doubt():
    assert "### In doubt (1)" in text(report(step(1, "intent"), status="running", ended_at=None))


def test_it_ends_with_what_to_type():
    assert "### Next\n\n```\nreconciler resume -e stage\n```\n" in text(MIXED)
    assert "### Next\n\nnothing, every step is done\n" in text(report(step(1, "applied")))
    assert "the same command without --dry-run" in text(report(step(1, "applied"), simulated=True), rehearsal=True)


def test_it_tells_the_same_as_the_text():
    whole, lines = text(MIXED), list(report_to_text(MIXED, width=300))
    for label in ("Steps", "Run", "Stopped"):
        *_, line = [line for line in lines if line.startswith(f"{label} ")]
        assert f"- **{label}**: {line.removeprefix(label).strip()}" in whole


def test_words_that_arent_ours_stand_as_code():
    whole = text(report(step(1, "lost"), status="asleep", stopped_by="limit"))
    assert "- **Steps**: `1: 1 lost`" in whole
    assert "- **Run**: `asleep, exit code 0: done`" in whole
    assert "- **Stopped**: `by limit`" in whole
    assert "### Other (1)" in whole


def test_the_marker_names_the_environment_and_ends_the_comment():
    assert text(MIXED).rstrip().endswith(MARKER)
    assert "environment=a%2D%2D%3Eb -->" in text(MIXED | {"environment": "a-->b"})


def test_a_run_without_steps_is_a_text_too():
    assert "no step" in text(report()) and MARKER in text(report())
    assert text({})


def test_no_value_is_markup(hostile):
    whole = text(poisoned(hostile))
    assert all(c == "\n" or c.isprintable() for c in whole)
    assert shape(whole) == shape(text(poisoned("tame")))
    assert not re.search(r"@\w|#[0-9]|https?://example\.invalid", shape(whole))


@settings(max_examples=60, deadline=None)
@given(st.text("`|@#<>&*_[]()!-\\\n:%~ ab1\u202e\t", min_size=1, max_size=40))
def test_no_text_is_markup(value):
    assert shape(text(poisoned(f"x{value}x"))) == shape(text(poisoned("tame")))


@pytest.mark.parametrize("steps", [100, 500, 3000])
def test_a_big_run_keeps_to_the_budget_and_says_what_is_missing(steps):
    whole = text(report(*(step(number + 1, "applied") for number in range(steps))))
    assert len(whole) <= BUDGET
    assert whole.count("<details>") == whole.count("</details>") == 1
    shown = len(re.findall(r"^- \*\*[0-9]+\.\*\*", whole, re.MULTILINE))
    if shown < steps:
        left = f"{steps - shown:,} of {steps:,} applied steps"
        assert f"**Left out for length:** {left}. `reconciler show -e stage run-7` has them all." in whole
        assert len(whole) > BUDGET * 0.9
    else:
        assert "Left out" not in whole


def test_doubts_and_failures_get_their_room_first():
    statuses = ["applied", "in_doubt", "rejected", "not_reached"] * 500
    whole = text(report(*(step(number + 1, status) for number, status in enumerate(statuses)), status="stopped"))
    assert len(whole) <= BUDGET
    assert re.search(r"[0-9]+ of 500 doubtful steps, 500 of 500 failed steps", whole)
    assert "500 of 500 applied steps" in whole
    assert "### Next" in whole and MARKER in whole


def test_every_budget_is_kept_with_whole_sections():
    wordy = report(*(step(number + 1, "skipped", message="because " * 60) for number in range(60)))
    for budget in range(3000, 15_000, 217):
        whole = text(wordy, budget=budget)
        assert len(whole) <= budget
        assert MARKER in whole
        assert whole.count("<details>") == whole.count("</details>")
