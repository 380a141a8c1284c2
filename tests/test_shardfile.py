"""Files of shards: what is altered, cut or made by hand is refused in words."""

import json
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.planning import CONTEXT, account_id, has, have, view, want, wants

from reconciler import canonical
from reconciler.errors import InvalidInput, ReconcilerError, StalePlan
from reconciler.manifests.claims import Claims
from reconciler.manifests.shards import Shard
from reconciler.model import KnownHead
from reconciler.planning.accounts import outcome_of, plan_account
from reconciler.planning.tally import Tally
from reconciler.schemafiles import load_schema
from reconciler.shardfile import PlanShard, read_shard, shard_lines
from reconciler.shardplan import merge_shards

NAMES = "abcdefgh"
DECLARED = [wants(name, want(name, user=f"{name}u", state="activated", number="7"), customer=name) for name in NAMES]
KNOWN = [has(name, have(name, user=f"{name}u", state="deactivated"), have("z", user=f"{name}z")) for name in NAMES[:6]]
HEAD = KnownHead("stage", "f" * 32, 12)


def made(number: int, of: int = 2) -> PlanShard:
    """A shard of a small fleet."""
    shard, tally, known = Shard(number, of), Tally(CONTEXT), view(KNOWN)
    for account in DECLARED:
        if shard.takes(account.account_id):
            tally.add(outcome_of(plan_account(account, known.account(account.account_id), known, CONTEXT)))
    claims = Claims(("m/å.yaml",), array("Q", [2**64 - 4 + number]), array("Q", [5]), array("I", [0]), array("I", [17]))
    return PlanShard(shard, HEAD, tally, dict.fromkeys(shard.buckets, b"\1" * 32), claims)


TEXTS = ["".join(shard_lines(made(number))) for number in (1, 2)]


def altered(change, *, sealed=True):
    """The first shard, changed by ``change`` and, if somebody goes that far, given a digest that fits."""
    data = json.loads(TEXTS[0])
    change(data)
    if sealed:
        data["shard_id"] = canonical.digest({name: value for name, value in data.items() if name != "shard_id"})
    return canonical.dumps(data)


def test_a_shard_comes_back_as_it_was():
    for text in TEXTS:
        shard = read_shard(text, name="s")
        assert shard.tally.outcomes
        assert "".join(shard_lines(shard)) == text
    plan, _ = merge_shards([(f"s{place}", read_shard(text, name="s")) for place, text in enumerate(TEXTS)], frozenset())
    assert len(plan.accounts) == len(DECLARED)


def test_what_is_altered_is_refused():
    with pytest.raises(StalePlan, match="s was altered"):
        read_shard(altered(lambda data: data.update(host="https://elsewhere"), sealed=False), name="s")


def other(data):
    """An account that isn't of the first shard."""
    return next(account_id(name) for name in NAMES if not Shard(1, 2).takes(account_id(name)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data.pop("claims"), "claims"),
        (lambda data: data.update(more=1), "more"),
        (lambda data: data["shard"].update(number=0), "shard.number"),
        (lambda data: data["shard"].update(of=257), "shard.of"),
        (lambda data: data["shard"].update(number=2, of=1), "it has other buckets"),
        (lambda data: data["shard"].update(number=2), "doesn't belong to it"),
        (lambda data: data["manifests"]["buckets"].pop(), "it has other buckets"),
        (lambda data: data["outcomes"].reverse(), "don't stand in their order"),
        (lambda data: data["outcomes"].append(data["outcomes"][-1]), "don't stand in their order"),
        (lambda data: data["outcomes"][0]["steps"][0].update(account_id=other(data)), "doesn't belong to it"),
        (lambda data: data["outcomes"][0]["steps"][0].update(number=1), "outcomes[0].steps[0].number"),
        (lambda data: data["outcomes"][0]["counts"].pop(), "outcomes[0].counts"),
        (lambda data: data["unmanaged"].append([other(data), None, None]), "unmanaged accounts that don't belong"),
        (lambda data: data["claims"].update(line=""), "its claims aren't complete"),
        (lambda data: data["claims"].update(files=[]), "its claims aren't complete"),
        (lambda data: data["claims"].update(high="AAAA"), "isn't a shard"),
        (lambda data: data["claims"].update(high="A"), "isn't a shard"),
        (lambda data: data["claims"].update(high="å"), "claims.high"),
        (lambda data: data.update(as_of="2026-02-31T10:00:00Z"), "isn't a shard"),
        (lambda data: data.update(limits={"revoked": 1.5}), "isn't a shard"),
    ],
)
def test_what_cannot_be_a_shard_is_refused(change, words):
    with pytest.raises(InvalidInput) as raised:
        read_shard(altered(change), name="s")
    assert words in " ".join((raised.value.message, *raised.value.details))
    assert raised.value.message.startswith("s isn't a shard of a plan")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data["outcomes"][0]["steps"][0]["request"].update(path="/elsewhere"), "no operation would make"),
        (lambda data: data["outcomes"][0]["steps"][0]["request"]["body"].update(state="x"), "no operation would make"),
        (lambda data: data.update(limits={"nonsense": 1}), "guards can't be used"),
        (lambda data: data.update(limits={"revoked": "x%"}), "guards can't be used"),
    ],
)
def test_what_no_plan_may_hold_is_refused(change, words):
    shards = [("s", read_shard(altered(change), name="s"))]
    rest = json.loads(TEXTS[1])
    rest["limits"] = json.loads(altered(change))["limits"]
    rest["shard_id"] = canonical.digest({name: value for name, value in rest.items() if name != "shard_id"})
    shards.append(("t", read_shard(canonical.dumps(rest), name="t")))
    with pytest.raises(ReconcilerError, match=words):
        merge_shards(shards, frozenset())


def paths(value, path=()):
    """Every place in a JSON value."""
    yield path
    if isinstance(value, dict | list):
        for key, below in value.items() if isinstance(value, dict) else enumerate(value):
            yield from paths(below, (*path, key))


PLACES = [path for path in paths(json.loads(TEXTS[0])) if path]


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(PLACES),
    st.sampled_from(
        [None, True, 0, -1, 2**70, "", "x", "AAAAAAAA", "\udc80", "2026-11-24T10:00:00Z", [], {}, [[None]]]
    ),
    st.booleans(),
)
def test_whatever_is_put_there_it_ends_in_words(path, value, drop):
    def change(data):
        for key in path[:-1]:
            data = data[key]
        if drop:
            del data[path[-1]]
        else:
            data[path[-1]] = value

    try:
        first = read_shard(altered(change), name="s")
        merge_shards([("s", first), ("t", read_shard(TEXTS[1], name="t"))], frozenset())
    except ReconcilerError as error:
        assert error.message
        assert error.hint


def test_the_schema_has_the_parts_of_that_of_plans():
    shard, plan = load_schema("plan-shard"), load_schema("plan")
    assert shard["$defs"] == plan["$defs"]
    outcome = shard["properties"]["outcomes"]["items"]["properties"]
    for name in ("deferred", "blocked", "warnings"):
        assert outcome[name]["items"] == plan["properties"][name]["items"]
    assert outcome["account"] == plan["properties"]["accounts"]["items"]
    steps = (outcome["steps"], plan["properties"]["steps"])
    step, of_plan = (dict(each["items"]["properties"]) for each in steps)
    assert step.pop("number")["const"] == 0
    of_plan.pop("number")
    assert step == of_plan
