"""A reviewer reads the comment alone, as the forge draws it: who loses access, from when, why, what can't be undone."""

import re
from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, given, settings
from markdown_it import MarkdownIt
from support.fleets import fleets
from support.pagereading import parse
from support.planning import NOW_TEXT, have, minute, plan, want, wants

from reconciler.render import plan_to_markdown
from reconciler.render.counts import outcomes_of

NOW = minute(NOW_TEXT)
NOTHING = "nothing is lost in the end"
IMPACTS = {"takes access away": "revoke", "shortens access": "shorten"}
HEAD = re.compile(r"([0-9]+)\. [-+~?] [\w ]+, ([a-z ]+?)(, can't be undone)? — account ([0-9a-f]{24})")
SPAN = re.compile(r"from (now|[-0-9]+(?: [0-9:]+ UTC)?) (?:on, without end|until ([-0-9]+(?: [0-9:]+ UTC)?))")


@dataclass(frozen=True)
class Call:
    """What the comment says of one call that stands outside the folds. ``lost`` are its windows, in minutes."""

    account: str
    impact: str
    ids: str
    lost: tuple[tuple[int, int | None], ...] | str
    why: str
    final: bool


def drawn(made, **how):
    """The comment as a page."""
    markdown = "\n".join(plan_to_markdown(made, **how))
    return parse(MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown))


def read(page):
    """The calls outside the folds by their numbers, and how many readers lose access or get a shorter one."""
    calls = {}
    for item in page.all("li"):
        below = item.all("ul")
        head = HEAD.match(item.words)
        if not below or not head:
            continue
        lines = [line.words for line in below[0].all("li")]
        access = the_line("access: ", lines)
        calls[int(head[1])] = Call(
            head[4],
            IMPACTS.get(head[2], head[2]),
            lines[0],
            lost_words(access) if access else (),
            the_line("why: ", lines),
            bool(head[3]) and bool(the_line("no way back: ", lines)),
        )
    [table] = page.all("table")
    _, _, lose, shorter, _ = (int(cell.words) for cell in table.all("td"))
    return calls, lose, shorter


def the_line(start, lines):
    return next((line.removeprefix(start) for line in lines if line.startswith(start)), "")


def lost_words(access):
    """Windows in minutes of ``until … → none, lost from now until …``; a sentence if it says something else."""
    said = access.partition(" → ")[2].partition(", ")[2]
    if not said.startswith("lost "):
        return said
    spans = said.removeprefix("lost ").split(" and ")
    return tuple((when(match[1]), match[2] and when(match[2])) for match in map(SPAN.fullmatch, spans))


def when(text):
    return NOW if text == "now" else minute(text.removesuffix(" UTC") + (" +0000" if "UTC" in text else ""))


def covers(windows, at):
    return any((start is None or start <= at) and (end is None or at < end) for start, end in windows)


def moments(*windows):
    """Every minute from now on at which something can begin or end, and the ones beside it."""
    ends = {end for window in windows for pair in window for end in pair if end is not None}
    return sorted(at + by for at in ends | {NOW} for by in (-1, 0, 1) if at + by >= NOW)


def check(made):
    """What the comment says is what the plan does."""
    calls, lose, shorter = read(drawn(made))
    products = {
        (account.account_id, one.product_id, one.user_product_id): one
        for account in made.accounts
        for one in account.user_products
    }
    grave = {step.number: step for step in made.steps if step.impact in IMPACTS.values() or not step.reversible}
    assert calls.keys() == grave.keys()
    for number, step in grave.items():
        call = calls[number]
        assert (call.account, call.why, call.final) == (step.account_id, step.reason, not step.reversible)
        assert call.ids == ids_words(step.product_id, step.user_product_id, step.customer_number)
        if step.impact not in IMPACTS.values():
            assert call.impact not in IMPACTS.values()
            continue
        assert call.impact == step.impact
        product = products[step.account_id, step.product_id, step.user_product_id]
        check_lost(call.lost, product.before, product.after)

    outcomes = outcomes_of(made)
    taking = [call for call in calls.values() if call.impact in IMPACTS.values()]
    losing = {account for account, outcome in outcomes.items() if outcome in IMPACTS.values()}
    assert losing <= {call.account for call in taking}
    assert all(call.lost == NOTHING for call in taking if call.account not in losing)
    assert (lose, shorter) == tuple(sum(one == name for one in outcomes.values()) for name in IMPACTS.values())
    # No reader loses anything that the list at the top doesn't tell.
    told = {(call.account, call.ids) for call in taking}
    for (account, product_id, user_product_id), one in products.items():
        if one.before is not None and one.after is not None and lost_minutes(one):
            assert (account, ids_words(product_id, user_product_id)) in told


def ids_words(product_id, user_product_id, customer_number=None):
    ids = (("product", product_id), ("user product", user_product_id), ("customer", customer_number))
    return ", ".join(f"{label} {value}" for label, value in ids if value is not None)


def lost_minutes(one):
    return [at for at in moments(one.before, one.after) if covers(one.before, at) and not covers(one.after, at)]


def check_lost(lost, before, after):
    if before is None or after is None:
        assert lost == "from when isn't known here"
        return
    spans = () if lost == NOTHING else lost
    for at in moments(before, after, spans):
        assert covers(spans, at) == (covers(before, at) and not covers(after, at)), at


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(fleets())
def test_the_comment_alone_tells_who_loses_what_from_when_and_why(fleet):
    check(plan(fleet.declared, fleet.known))


RUNS = {"state": "activated", "type": "limited", "frm": "2025-06-01", "service": "tulo"}


@pytest.mark.parametrize(
    ("declared", "known", "said"),
    [
        ({"state": "deactivated"}, RUNS | {"to": "2027-12-01"}, "lost from now until 2027-12-01"),
        ({"state": "deactivated"}, RUNS | {"to": None}, "lost from now on, without end"),
        ({"to": "2026-12-01 01:00 +0100"}, RUNS | {"to": "2027-12-01"}, "lost from 2026-12-01 until 2027-12-01"),
        ({"to": "2026-12-01 12:30 +0100"}, RUNS | {"to": "2027-12-01"},
         "lost from 2026-12-01 11:30 UTC until 2027-12-01"),
        ({"frm": "2026-12-01"}, RUNS | {"to": "2027-12-01"}, "lost from now until 2026-12-01"),
        ({"state": "deactivated"}, {}, "from when isn't known here"),
    ],
    ids=["ended", "ended, no end known", "shorter", "to the minute", "begins later", "nothing known"],
)  # fmt: skip
def test_what_is_lost_is_said_in_these_words(declared, known, said):
    made = plan([want("a", **declared)], [have("a", **known)])
    check(made)
    assert len(made.steps) == 1
    assert f"**{said}**" in "\n".join(plan_to_markdown(made))


def test_what_the_reader_gets_instead_stands_beside_it():
    over = RUNS | {"state": "deactivated", "to": "2027-12-01"}
    made = plan(
        [want("a", state="deactivated"), *(want(name, state="activated") for name in "bcdef")],
        [have("a", **RUNS, to="2027-12-01"), *(have(name, **over) for name in "bcdef")],
    )
    check(made)
    text = "\n".join(plan_to_markdown(made))
    assert text.count("  - at the same time, access to `") == 3
    assert "none → until 2027-12-01\n  - and to 2 other products\n" in text


def test_the_reader_is_named_as_customer_service_knows_them():
    made = plan([wants("x", want("a", state="deactivated"), customer="1234567890", owner="The desk")],
                [have("a", **RUNS, to="2027-12-01")])  # fmt: skip
    assert ", customer `1234567890`, owner `The desk`\n" in "\n".join(plan_to_markdown(made))


def test_what_the_comment_leaves_out_is_counted():
    made = plan([want("a", state="deactivated")], [have("a", **RUNS, to="2027-12-01")])
    [step] = made.steps
    page = drawn(replace(made, steps=tuple(replace(step, number=number) for number in range(1, 3001))))
    calls, _, _ = read(page)
    assert f"{3000 - len(calls):,} of 3,000 taking steps" in page.words
    assert len(calls) > 100
