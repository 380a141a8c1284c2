"""Faults on purpose: which call they hit, what they do to it in process, and what a bad file is told."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.errors import InvalidInput
from reconciler.operations import BY_ACTION
from reconciler.payway.faults import CallInfo, Fault, load_faults, parse_faults
from reconciler.payway.simulator import Simulator
from reconciler.payway.world import World
from reconciler.payway.worldmodel import WorldAccount, WorldProduct
from reconciler.wire import Answer, CallFailed, Phase

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ONE, TWO, OWN = "a" * 24, "b" * 24, "1" * 24


def simulate(rules, sleep=None, log=None) -> Simulator:
    world = World(accounts=[WorldAccount(ONE, "77", (WorldProduct(OWN),))])
    return Simulator(world, clock=lambda: NOW, faults=parse_faults(rules), sleep=sleep or (lambda s: None), log=log)


def number(simulator: Simulator) -> str | None:
    """The number that the world holds: was the call carried out?"""
    return simulator.world.account(ONE).user_products[0].subscription_number


def set_number(simulator: Simulator, value: str = "7") -> Answer:
    values = {"account_id": ONE, "user_product_id": OWN, "subscription_number": value}
    return simulator.send(BY_ACTION["subscription_number"].request(values))


# --- What a fault does in process ---


@pytest.mark.parametrize(
    ("fault", "kind", "phase", "done"),
    [
        ({"drop": "before"}, "reset", Phase.UNKNOWN, False),
        ({"drop": "after"}, "reset", Phase.UNKNOWN, True),
        ({"drop": "body"}, "cut_body", Phase.UNKNOWN, True),
        ({"refuse": True}, "refused", Phase.NOT_SENT, False),
        ({"refuse": True, "drop": "after"}, "refused", Phase.NOT_SENT, False),
        ({"status": 200, "carried_out": True, "drop": "body"}, "cut_body", Phase.UNKNOWN, True),
    ],
)
def test_cut_connections(fault, kind, phase, done):
    log = []
    simulator = simulate([{"fault": fault}], log=log)
    with pytest.raises(CallFailed) as raised:
        set_number(simulator)
    assert (raised.value.kind, raised.value.phase) == (kind, phase)
    assert (number(simulator) == "7") == done
    assert [call.status for call in log] == [None]


@pytest.mark.parametrize(
    ("fault", "answer", "done"),
    [
        ({"status": 503}, Answer(503, b"", "text/plain; charset=utf-8"), False),
        (
            {"status": 429, "headers": {"Retry-After": "1"}},
            Answer(429, b"", "text/plain; charset=utf-8", "1"),
            False,
        ),
        (
            {"status": 502, "body": "<h1>", "headers": {"content-type": "text/html"}},
            Answer(502, b"<h1>", "text/html"),
            False,
        ),
        ({"status": 504, "carried_out": True}, Answer(504, b"", "text/plain; charset=utf-8"), True),
        ({"status": 200, "body": {}}, Answer(200, b"{}", "application/json"), False),
        ({"answer_id": "f" * 24}, Answer(200, b'{"id":"%s"}' % (b"f" * 24), "application/json"), True),
    ],
)
def test_other_answers(fault, answer, done):
    log = []
    simulator = simulate([{"fault": fault}], log=log)
    assert set_number(simulator) == answer
    assert (number(simulator) == "7") == done
    assert [call.status for call in log] == [answer.status]


def test_another_id_is_only_for_answers_that_have_one():
    simulator = simulate([{"fault": {"answer_id": "f" * 24}}])
    answer = simulator.send(BY_ACTION["sync_address"].request({"customer_number": "0"}))
    assert (answer.status, json.loads(answer.body)["code"]) == (404, "not_found")


def test_delays_come_first_and_drips_take_their_time():
    slept = []
    simulator = simulate([{"fault": {"delay": 2, "drip": {"bytes": 10, "seconds": 0.5}}}], sleep=slept.append)
    assert set_number(simulator).body == b'{"id":"%s"}' % OWN.encode()
    assert slept == [2.0, 1.5]


# --- Which call it hits ---


def hit(rules, calls) -> str:
    """A letter a call: the status' hundreds of its fault, or a dot."""
    faults = parse_faults(rules)
    found = [faults.choose(CallInfo(n, action, values)) for n, (action, values) in enumerate(calls, 1)]
    return "".join("." if fault is None else str((fault.status or 0) // 100) for fault in found)


U, R = ("update", {"account_id": ONE}), ("reactivate", {"account_id": ONE})
V, S, X = ("update", {"account_id": TWO}), ("sync_address", {"customer_number": "77"}), (None, {})
F3, F4, F5 = ({"status": status} for status in (300, 400, 500))


@pytest.mark.parametrize(
    ("rules", "hits"),
    [
        ([], "........"),
        ([{"fault": F5}], "55555555"),
        ([{"call": 3, "fault": F5}], "..5....."),
        ([{"action": "update", "fault": F5}], "55.5..5."),
        ([{"action": "update", "nth": 2, "fault": F5}], ".5......"),
        ([{"action": "update", "times": 2, "fault": F5}], "55......"),
        ([{"account_id": ONE, "fault": F5}], "5.5...5."),
        ([{"account_id": ONE.upper(), "action": "update", "nth": 2, "fault": F5}], "......5."),
        ([{"customer_number": "77", "fault": F5}], "....5..5"),
        # The first rule that hits decides; the others count the call all the same.
        ([{"call": 1, "fault": F4}, {"action": "update", "nth": 2, "fault": F5}], "45......"),
        ([{"nth": 2, "fault": F3}, {"times": 3, "fault": F5}], "535....."),
        ([{"action": "update", "call": 3, "fault": F5}], "........"),
    ],
)
def test_matching(rules, hits):
    assert hit(rules, [U, V, R, V, S, X, U, S]) == hits


def test_chance_is_the_same_each_time_and_about_as_often_as_asked():
    rules = [{"rate": 0.1, "seed": 7, "faults": [F4, F5]}]
    calls = [U] * 2000
    hits = hit(rules, calls)
    assert hits == hit(rules, calls)
    assert hits != hit([{**rules[0], "seed": 8}], calls)
    assert 150 < 2000 - hits.count(".") < 250
    assert hits.count("4") > 60 and hits.count("5") > 60
    assert hit([{"rate": 0, "faults": [F5]}], calls) == "." * 2000
    assert hit([{"rate": 1, "faults": [F5]}], calls) == "5" * 2000


def test_rules_come_before_the_chance_below_them():
    assert hit([{"call": 1, "fault": F4}, {"rate": 1, "faults": [F5]}], [U, U]) == "45"


def test_rules_see_the_bodies_of_calls_that_are_refused():
    simulator = simulate([{"account_id": ONE, "fault": {"status": 503}}])
    body = json.dumps({"account_id": ONE, "nonsense": 1}).encode()
    assert simulator.respond("PUT", "/external/api/v1/userproducts", body, None).status == 503
    assert simulator.respond("PUT", "/external/api/v1/userproducts", b"[" * 9999, None).status == 400


# --- The file ---


def test_the_example_of_the_docs_is_a_faults_file(tmp_path):
    page = (Path(__file__).parents[1] / "docs" / "simulator.md").read_text("utf-8").partition("## Faults")[2]
    path = tmp_path / "faults.json"
    path.write_text(page.partition("```json\n")[2].partition("```")[0])
    faults = load_faults(path)
    assert len(faults.rules) == 4
    expected = Fault(status=503, headers=(("Content-Type", "text/plain; charset=utf-8"), ("Retry-After", "1")))
    assert faults.choose(CallInfo(3, None, {})) == expected


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({}, "must be a list"),
        ([7], "rule 1: it must be an object"),
        ([{}], "rule 1: it has no fault"),
        ([{"fault": F5}, {"cal": 3, "fault": F5}], "rule 2: there is no key 'cal'"),
        ([{"call": 0, "fault": F5}], "call must be a whole number from 1"),
        ([{"call": True, "fault": F5}], "call must be a whole number"),
        ([{"nth": 1.5, "fault": F5}], "nth must be a whole number"),
        ([{"action": "delete", "fault": F5}], "action must be one of update"),
        ([{"action": ["update"], "fault": F5}], "action must be one of update"),
        ([{"account_id": 7, "fault": F5}], "account_id must be text"),
        ([{"fault": {}}], "needs at least one of"),
        ([{"fault": "503"}], "rule 1, fault: it must be an object"),
        ([{"fault": {"stauts": 503}}], "no key 'stauts'"),
        ([{"fault": {"status": 99}}], "status must be a whole number from 200 to 599"),
        ([{"fault": {"body": "x"}}], "need a status"),
        ([{"fault": {"status": 500, "carried_out": 1}}], "carried_out must be true or false"),
        ([{"fault": {"drop": "later"}}], "drop must be one of before, after, body"),
        ([{"fault": {"drop": ["before"]}}], "drop must be one of before, after, body"),
        ([{"fault": {"delay": -1}}], "delay must be a number from 0 to 3600"),
        ([{"fault": {"delay": float("nan")}}], "delay must be a number"),
        ([{"fault": {"drip": {"bytes": 0, "seconds": 1}}}], "bytes must be a whole number from 1"),
        ([{"fault": {"drip": {"bytes": 1}}}], "seconds must be a number"),
        ([{"fault": {"status": 500, "body": "\ud800"}}], "body isn't text that can be sent"),
        ([{"fault": {"status": 500, "body": float("inf")}}], "body can't be written as JSON"),
        ([{"fault": {"status": 500, "headers": {"X": 1}}}], "must have printable ASCII text"),
        ([{"fault": {"status": 500, "headers": {"X": "a\r\nB: c"}}}], "must have printable ASCII text"),
        ([{"fault": {"status": 500, "headers": {"a b": "c"}}}], "isn't a header's name"),
        ([{"fault": {"status": 500, "headers": {"Content-length": "9"}}}], "can't be set"),
        ([{"rate": 2, "faults": [F5]}], "rate must be a number from 0 to 1"),
        ([{"rate": 1, "faults": []}], "at least one fault"),
        ([{"rate": 1, "seed": "x", "faults": [F5]}], "seed must be a whole number"),
        ([{"rate": 1, "call": 3, "faults": [F5]}], "no key 'call'"),
    ],
    ids=range(32),
)
def test_a_bad_file_is_told_which_rule_is_wrong_and_why(data, why):
    with pytest.raises(InvalidInput) as raised:
        parse_faults(data)
    assert why in raised.value.message and raised.value.hint


@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff", b"[" * 100_000])
def test_files_that_cant_be_read_are_said(tmp_path, content):
    path = tmp_path / "faults.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidInput, match="can't be read"):
        load_faults(path)
