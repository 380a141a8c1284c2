"""`explain` says of a call what, why, from where and what may be answered."""

import re
from dataclasses import replace

import pytest

from reconciler.errors import UsageError
from reconciler.operations import OPERATIONS
from reconciler.render import explain_to_text
from reconciler.verdicts import Verdict, possible_answers


def text(plan, number=None):
    return "".join(f"{line}\n" for line in explain_to_text(plan, number))


def test_a_step_reads_like_this(plan, golden):
    golden("explain.txt", text(plan, 1))


def test_without_a_number_every_step_is_explained_and_every_action_answered_once(plan):
    whole = text(plan)
    assert re.findall(r"^Step ([0-9]) of 6", whole, re.MULTILINE) == ["1", "2", "3", "4", "5", "6"]
    heads = re.findall(r"^What Payway may answer to (\w+)", whole, re.MULTILINE)
    assert heads == ["update", "reactivate", "subscription_number", "sync_address"]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.action)
def test_every_possible_answer_is_told_with_what_follows(plan, operation):
    one = replace(plan, steps=(replace(plan.steps[0], action=operation.action),))
    whole = re.sub(r"\s+", " ", text(one, 1))
    for row in possible_answers(operation):
        assert re.sub(r"\s+", " ", row.answer) in whole
        if row.verdict is not Verdict.DONE:
            assert f"the journal says {row.status}" in whole
    assert "{" not in whole.partition("What Payway may answer")[2]


def test_a_number_that_is_not_there_is_refused_at_once(plan):
    with pytest.raises(UsageError, match="no step 9") as caught:
        explain_to_text(plan, 9)
    assert caught.value.hint == "its steps have the numbers 1 to 6"
    with pytest.raises(UsageError):
        explain_to_text(replace(plan, steps=()), 1)


def test_a_plan_without_calls_says_so(plan):
    assert text(replace(plan, steps=())) == "The plan makes no call.\n"


def test_hostile_text_does_nothing(poisoned, hostile):
    plan = poisoned(hostile)
    steps = tuple(replace(step, action=hostile, request=replace(step.request, path=hostile)) for step in plan.steps)
    for poison in (plan, replace(plan, steps=steps)):
        whole = text(poison)
        assert all(c == "\n" or c.isprintable() for c in whole)
        assert re.findall(r"^Step ([0-9])", whole, re.MULTILINE) == ["1", "2", "3", "4", "5", "6"]
