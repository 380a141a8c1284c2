"""A plan as text: complete, calm, within eighty columns, and harmless whatever a manifest holds."""

import re
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.render import Invocation, plan_to_text
from reconciler.render.layout import columns
from reconciler.render.to_text import FEW

ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
POISON = "\x1b[31m`a`|<b>@team #1\u202e\nNext: ::add-mask::x ##[add-mask]y    " + "CAN'T BE UNDONE " * 4
SAVED = Invocation(saved_as="plan.json")


def text(plan, **how):
    return "".join(f"{line}\n" for line in plan_to_text(plan, **how))


def check(plan):
    """No character acts, no value makes a line of ours."""
    whole = text(plan)
    assert all(c == "\n" or c.isprintable() for c in whole)
    lines = whole.splitlines()
    assert len(lines) == whole.count("\n")
    assert sum(line.startswith("Next: ") for line in lines) == 1
    assert sum(line.startswith("Account ") for line in lines) == len(plan.accounts)
    assert [int(found[1]) for found in map(re.compile(r"  ([0-9]+)\. ").match, lines) if found] == [1, 2, 3, 4, 5, 6]
    assert sum(line.endswith("! CAN'T BE UNDONE") for line in lines) == 4
    assert not [line for line in lines if re.search(r"^\s*::[a-z]|##[a-z]*\[", line)]
    return lines


def test_the_sample_reads_like_this(plan, golden):
    golden("plan.txt", text(plan, invocation=SAVED))


def test_the_accepted_sample_in_short(accepted, golden):
    golden("plan-quiet.txt", text(accepted, invocation=SAVED, quiet=True))


def test_an_empty_plan_says_that_there_is_nothing_to_do(plan, golden):
    empty = replace(
        plan, steps=(), accounts=(), deferred=(), blocked=(), warnings=(), unmanaged=(), refusals=(),
        summary={"unchanged": 9},
    )  # fmt: skip
    golden("plan-empty.txt", text(empty))


def test_no_line_is_wider_than_eighty_columns(plan):
    wide = [line for line in plan_to_text(plan, invocation=SAVED) if columns(line) > 80]
    assert wide == []


def test_labels_that_were_shown_before_are_laid_out_to_the_width_that_is_asked_for(plan):
    account = replace(plan.accounts[0], labels={f"name{number}": "x" * 12 for number in range(6)})
    many = replace(plan, accounts=(account, *plan.accounts[1:]))
    shown = {width: list(plan_to_text(many, width=width)) for width in (200, 80, 40)}
    assert [sum("=xxxxxxxxxxxx" in line for line in lines) for lines in shown.values()] == [1, 2, 6]


@pytest.mark.parametrize("width", [60, 100, 120])
def test_other_widths_are_kept_and_ids_stay_whole(plan, width):
    lines = list(plan_to_text(plan, width=width, next_line=False))
    assert re.findall("[0-9a-f]{24}", "\n".join(lines)) == re.findall("[0-9a-f]{24}", text(plan))
    assert [line for line in lines if columns(line) > width] == []


def test_colour_changes_no_letter(plan):
    colored = list(plan_to_text(plan, color=True))
    assert [ESCAPES.sub("", line) for line in colored] == list(plan_to_text(plan))
    assert any(ESCAPES.search(line) for line in colored)


def test_a_hostile_plan_reads_like_this(poisoned, golden):
    golden("plan-hostile.txt", text(poisoned(POISON)))


def test_hostile_text_does_nothing(poisoned, hostile):
    check(poisoned(hostile))


def test_hostile_text_does_nothing_in_colour(poisoned, hostile):
    plan = poisoned(hostile)
    colored = "\n".join(plan_to_text(plan, color=True))
    assert ESCAPES.sub("", colored) == "\n".join(plan_to_text(plan))


def placed(found, own):
    """Findings with the places of the sample's."""
    return tuple(replace(one, source=other.source) for one, other in zip(found, own, strict=True))


def test_hostile_text_keeps_to_the_width(plan, poisoned, hostile):
    """Only paths, addresses, numbers and commands, which nobody may cut, can be wider; here they are tame."""
    poison = poisoned(hostile)
    tame = replace(
        poison,
        host=plan.host,
        manifests=replace(plan.manifests, revision=hostile),
        accounts=tuple(replace(account, customer_number="7") for account in poison.accounts),
        deferred=placed(poison.deferred, plan.deferred),
        blocked=placed(poison.blocked, plan.blocked),
        warnings=placed(poison.warnings, plan.warnings),
        steps=tuple(
            replace(one, source=own.source, customer_number="7")
            for one, own in zip(poison.steps, plan.steps, strict=True)
        ),
    )
    assert [line for line in plan_to_text(tame, next_line=False) if columns(line) > 80] == []


def test_a_path_is_never_cut(plan):
    path = "manifests/" + "very-" * 30 + "long.yaml"
    long = replace(plan, steps=(replace(plan.steps[0], source=replace(plan.steps[0].source, file=path)),))
    assert f"     from           {path}:9" in list(plan_to_text(long))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(st.characters(codec=None), max_size=80))
def test_no_text_makes_a_line_of_ours(poisoned, value):
    check(poisoned(value))


def test_long_lists_are_counted(plan):
    many = replace(plan, warnings=plan.warnings * (FEW + 5), unmanaged=plan.unmanaged * FEW)
    whole = text(many)
    assert "and 5 more with takes-back-cancellation; --format json lists them all" in whole
    assert f"and {FEW} more; --format json lists them all" in whole
    assert f"Warnings ({FEW + 5}):" in whole


def test_the_question_can_replace_the_next_command(plan):
    assert "Next:" not in text(plan, next_line=False)


def test_a_big_plan_is_drawn_a_line_at_a_time(plan):
    step = plan.steps[1]
    steps = tuple(replace(step, number=n, account_id=f"{n:024x}") for n in range(1, 20_001))
    lines = plan_to_text(replace(plan, steps=steps, accounts=()))
    tracemalloc.start()
    try:
        for _ in range(5000):
            next(lines)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
