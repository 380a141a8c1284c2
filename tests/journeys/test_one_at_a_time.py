"""The simulator's request log proves it: one call at a time, in plan order, the very bytes of the plan."""

import itertools
import shlex

import pytest
from support.commands import run
from support.journeys import requests_of

FLEETS = [("three-readers", ()), ("worked-fleet", ("manifests", "examples/known-state.json"))]


def sent(journey):
    """Method, path and body of every call that came, as bytes said it."""
    return [(call["method"], call["path"], call["body"]) for call in journey.calls()]


@pytest.mark.parametrize(("folder", "take"), FLEETS, ids=lambda value: value if isinstance(value, str) else "")
@pytest.mark.parametrize("faults", [None, "slow.json"])
def test_the_calls_are_the_plan(journey, tmp_path, folder, take, faults):
    (tmp_path / "slow.json").write_text('[{"fault": {"delay": 0.05}}]')
    options = () if faults is None else ("--faults", str(tmp_path / faults))
    here = journey(folder, *options, take=take, runner=run)
    planned = here.run("plan", "-e", "stage", "--base-url", here.payway, "-o", "plan.json")
    assert planned.code == 0, planned.said
    assert sent(here) == []
    applied = here.run("apply", "--base-url", here.payway, "plan.json", PAYWAY_TOKEN="any")
    assert applied.code == 0, applied.said
    assert sent(here) == requests_of(here.folder / "plan.json")
    assert [call["overlap"] for call in here.calls()] == [False] * len(sent(here))
    assert [call["number"] for call in here.calls()] == list(range(1, len(sent(here)) + 1))


def test_repeats_are_the_same_bytes_and_wait_for_their_answer(journey, tmp_path):
    (tmp_path / "faults.json").write_text(
        '[{"action": "update", "times": 2, "fault": {"status": 503, "delay": 0.05}},'
        ' {"action": "sync_subscriptions", "times": 2, "fault": {"status": 504, "carried_out": true}}]'
    )
    here = journey("three-readers", "--faults", str(tmp_path / "faults.json"), runner=run)
    here.run("plan", "-e", "stage", "--base-url", here.payway, "-o", "plan.json")
    applied = here.run("apply", "--base-url", here.payway, "plan.json", PAYWAY_TOKEN="any")
    assert applied.code == 0, applied.said
    reactivate, update, number, sync = requests_of(here.folder / "plan.json")
    assert sent(here) == [reactivate, update, update, update, number, sync, sync, sync]
    assert not any(call["overlap"] for call in here.calls())


def test_the_requests_that_are_shown_are_the_requests_that_are_sent(journey):
    here = journey("three-readers")
    here.run("plan", "-e", "stage", "--base-url", here.payway, "-o", "plan.json")
    words = shlex.split(here.run("requests", "plan.json").out, comments=True)
    shown = [
        tuple(value for option, value in itertools.pairwise(words) if option == name)
        for name in ("--request", "--url", "--data-raw")
    ]
    here.run("apply", "--base-url", here.payway, "plan.json", PAYWAY_TOKEN="any")
    assert [(method, here.payway + path, body) for method, path, body in sent(here)] == list(zip(*shown, strict=True))
    assert len(sent(here)) == 4
