"""A plan as a comment: the grave first, the rest folded, within its budget, and no value is ever markup."""

import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from reconciler.render import Invocation, plan_to_markdown, plan_to_text
from reconciler.render.to_markdown import BUDGET

POISON = "\x1b[31m`a``b`|<b>@team #1\u202e\n## Next </details> --> [x](y)"
MARKER = "<!-- payway-reconciler plan environment=stage -->"


def text(plan, **how):
    return "\n".join(plan_to_markdown(plan, **how))


def shape(markdown):
    """What the text becomes, without what stands in code, so without every value."""
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown)
    html = re.sub(r"<!-- payway-reconciler plan environment=[^ >]* -->", "<!-- marker -->", html)
    return re.sub(r"<code>[^<]*</code>|\(empty\)", "VALUE", html)


def test_the_sample_reads_like_this(plan, golden):
    golden("plan.md", text(plan, invocation=Invocation(saved_as="plan.json")))


def test_a_hostile_plan_reads_like_this(poisoned, golden):
    golden("plan-hostile.md", text(poisoned(POISON)))


def test_what_takes_access_or_cannot_be_undone_stands_outside_the_fold(plan):
    whole = text(plan)
    folded = "".join(re.findall(r"<details>.*?</details>", whole, re.DOTALL))
    assert re.findall(r"\*\*([0-9]+)\.\*\*", folded) == ["2"]
    assert sorted(re.findall(r"\*\*([0-9]+)\.\*\*", whole)) == ["1", "2", "3", "4", "5", "6"]


def test_it_tells_the_same_counts_as_the_text(plan):
    whole, lines = text(plan), list(plan_to_text(plan))
    for label in ("Calls", "Products", "Findings", "Careful", "Deadline"):
        [line] = [line for line in lines if line.startswith(f"{label} ")]
        assert f"- **{label}**: {line.removeprefix(label).strip()}" in whole
    assert "| 1 | 0 | 1 | 0 | 1 |" in whole
    assert "Readers   1 gains access, 0 get a longer one, 1 loses it, 0 get a shorter one, 1" in lines


def test_the_marker_names_the_environment_and_ends_the_comment(plan):
    assert text(plan).rstrip().endswith(MARKER)
    assert "environment=a%2D%2D%3Eb -->" in text(replace(plan, environment="a-->b"))


def test_no_value_is_markup(poisoned, hostile):
    whole = text(poisoned(hostile))
    assert all(c == "\n" or c.isprintable() for c in whole)
    assert shape(whole) == shape(text(poisoned("tame")))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text("`|@#<>&*_[]()!-\\\n:%~ ab1\u202e\t", min_size=1, max_size=40))
def test_no_text_is_markup(poisoned, value):
    whole = text(poisoned(f"x{value}x"))
    assert shape(whole) == shape(text(poisoned("tame")))


def test_nobody_is_mentioned_and_nothing_referred_to_outside_code(poisoned, hostile):
    assert not re.search(r"@\w|#[0-9]|https?://example\.invalid", shape(text(poisoned(hostile))))


def big(plan, accounts):
    one = plan.accounts[0]
    ids = [f"{n:024x}" for n in range(accounts)]
    return replace(
        plan,
        accounts=tuple(replace(one, account_id=account_id) for account_id in ids),
        steps=tuple(replace(plan.steps[1], number=n + 1, account_id=ids[n]) for n in range(accounts)),
    )


@pytest.mark.parametrize("accounts", [90, 150, 3000])
def test_a_big_plan_keeps_to_the_budget_and_says_what_is_missing(plan, accounts):
    whole = text(big(plan, accounts))
    assert len(whole) <= BUDGET
    shown = whole.count("<details>")
    assert shown == whole.count("</details>")
    if shown < accounts:
        assert f"**Left out for length:** {accounts - shown:,} of {accounts:,} accounts. `reconciler show` has" in whole
        assert len(whole) > BUDGET * 0.9
    else:
        assert "Left out" not in whole


def test_refusals_and_what_takes_access_get_their_room_first(plan):
    step = plan.steps[4]
    taking = tuple(replace(step, number=n) for n in range(1, 2000))
    whole = text(replace(big(plan, 500), steps=taking + big(plan, 500).steps))
    assert "### Refused by a guard" in whole and "### Next" in whole
    assert "500 of 500 accounts" in whole
    assert re.search(r"[0-9,]+ of 1,999 taking steps", whole)
    assert MARKER in whole


def test_every_budget_is_kept_with_whole_sections(plan):
    wordy = big(plan, 40)
    wordy = replace(wordy, steps=tuple(replace(step, reason="because " * 200) for step in wordy.steps))
    wordy = replace(wordy, accounts=tuple(replace(account, owner="o" * 400) for account in wordy.accounts))
    for budget in range(3000, 15_000, 217):
        whole = text(wordy, budget=budget)
        assert len(whole) <= budget
        assert MARKER in whole
        assert whole.count("<details>") == whole.count("</details>")
        assert re.search("[0-9]+ of 40 accounts", whole)
