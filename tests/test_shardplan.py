"""A plan put together from shards is the plan of one job, byte for byte."""

import contextlib
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.fleets import accounts
from support.planning import CONTEXT, NOW, has, have, view, want, wants
from support.written import write

from reconciler.diagnostics import sort_key
from reconciler.errors import StalePlan
from reconciler.fleetplan import plan_fleet, plan_selected
from reconciler.instants import minute_of
from reconciler.manifests import loading
from reconciler.manifests.cache import Cache
from reconciler.manifests.selecting import parse_selector
from reconciler.manifests.shards import Shard
from reconciler.manifests.walk import find_manifests
from reconciler.model import KnownHead
from reconciler.planfile import plan_text, read_plan, seal
from reconciler.shardfile import read_shard, shard_lines
from reconciler.shardplan import merge_shards, plan_shard
from reconciler.workers import local_workers

HEAD = KnownHead("stage", "f" * 32, 12, "2026-11-24T09:00:00Z")


@contextmanager
def open_fleet(folder, shard=None):
    cache = Cache.temporary()
    try:
        yield loading.load_fleet(find_manifests([str(folder)]), cache, local_workers(1), shard=shard)
    finally:
        cache.close()


def in_one(folder, known, context, select):
    selectors = [parse_selector(text) for text in select]
    with open_fleet(folder) as fleet:
        assert not any(finding.is_error for finding in fleet.diagnostics(minute_of(context.as_of)))
        if selectors:
            return plan_text(seal(plan_selected(fleet.selected(selectors), known, context)))
        return plan_text(seal(plan_fleet(fleet, known, context)))


def shard_text(folder, known, context, select, shard):
    selectors = [parse_selector(text) for text in select]
    with open_fleet(folder, shard) as fleet:
        return "".join(shard_lines(plan_shard(fleet, known, context, selectors, shard)))


def in_shards(folder, known, context, select, of):
    shards = [Shard(number, of) for number in range(1, of + 1)]
    return [shard_text(folder, known, context, select, shard) for shard in shards]


def merged(texts, accepted=frozenset()):
    plan, warnings = merge_shards(
        [(f"{place}.json", read_shard(text, name="s")) for place, text in enumerate(texts)], accepted
    )
    return plan_text(plan), warnings


@st.composite
def large(draw):
    """Some declared accounts with who owns them, and what is known, observed at different times."""
    names = draw(st.lists(st.sampled_from("fghijklmnop"), max_size=8, unique=True))
    pairs = [draw(accounts(name)) for name in names]
    declared = [replace(one, owner=draw(st.sampled_from([None, "anna", "bo"]))) for one, _ in pairs]
    seen = st.sampled_from([None, "2026-11-01T00:00:00Z", "2026-11-24T08:00:00Z"])
    known = [replace(other, observed_at=draw(seen)) for _, other in pairs if other is not None]
    if draw(st.booleans()):
        known.append(has("w", have("a", user="wa", state="activated")))
    if draw(st.booleans()):
        known.append(has("v"))
    return declared, known


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    fleet=large(),
    spread=st.lists(st.sampled_from(["a.yaml", "b.yml", "c.json"]), min_size=8, max_size=8),
    style=st.sampled_from([0, 1, 2]),
    of=st.integers(1, 7),
    age=st.sampled_from([None, timedelta(days=2), timedelta(seconds=0.5)]),
    select=st.sampled_from([(), (), (), ("file=*a.yaml",), ("owner=anna", "file=b.yml")]),
    limits=st.sampled_from([{}, {"adopted": "50%", "revoked": [0, "10%"], "changed": 1}]),
    accepted=st.sets(st.sampled_from(["revoked", "adopted", "blocked", "stale_known", "changed"])),
    rest=st.fixed_dictionaries(
        {},
        optional={
            "provision_service": st.just("tulo"),
            "revision": st.just("a" * 40),
            "what_if": st.booleans(),
            "max_plan_age": st.just(timedelta(minutes=7)),
        },
    ),
    rng=st.randoms(),
)
def test_whatever_the_shards_the_plan_is_the_same(fleet, spread, style, of, age, select, limits, accepted, rest, rng):
    declared, known = fleet
    context = replace(CONTEXT, max_known_age=age, select=select, limits=limits, **rest)
    seen = view(known, head=HEAD)
    with tempfile.TemporaryDirectory() as home, contextlib.chdir(home):
        files = {"a.yaml": []}
        for one, place in zip(declared, spread, strict=False):
            files.setdefault(place, []).append(one)
        write(Path("m"), files, style)
        expected = in_one("m", seen, replace(context, accepted=frozenset(accepted)), select)
        texts = in_shards("m", seen, context, select, of)
        rng.shuffle(texts)
        assert merged(texts, frozenset(accepted))[0] == expected
        for text in texts:
            assert "".join(shard_lines(read_shard(text, name="s"))) == text


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("environment", "production", "environment"),
        ("host", "https://elsewhere", "host"),
        ("as_of", NOW + timedelta(seconds=1), "moment (--at)"),
        ("max_plan_age", timedelta(hours=1), "expiry (max_plan_age)"),
        ("max_known_age", timedelta(hours=1), "max_age"),
        ("provision_service", "kayak", "provision_service"),
        ("limits", {"changed": 1}, "guards"),
        ("revision", "b" * 40, "commit"),
        ("select", ("owner=anna",), "--select"),
    ],
)
def test_shards_of_different_plans_are_refused(tmp_path, field, value, said):
    write(tmp_path / "m", {"a.yaml": [wants("x", want("a", user="xa"))]})
    seen = view([has("x")], head=HEAD)
    one = shard_text(tmp_path / "m", seen, CONTEXT, (), Shard(1, 2))
    context = replace(CONTEXT, **{field: value})
    other = shard_text(tmp_path / "m", seen, context, context.select, Shard(2, 2))
    with pytest.raises(StalePlan) as raised:
        merged([one, other])
    assert said in raised.value.message
    assert raised.value.hint


@pytest.mark.parametrize("head", [{"lineage": "e" * 32}, {"serial": 13}, {"observed_at": "2026-11-24T09:00:01Z"}])
def test_shards_of_different_known_states_are_refused(tmp_path, head):
    write(tmp_path / "m", {"a.yaml": [wants("x", want("a", user="xa"))]})
    one = shard_text(tmp_path / "m", view([has("x")], head=HEAD), CONTEXT, (), Shard(1, 2))
    other = shard_text(tmp_path / "m", view([has("x")], head=replace(HEAD, **head)), CONTEXT, (), Shard(2, 2))
    with pytest.raises(StalePlan, match=rf"known state \({next(iter(head))}\)"):
        merged([one, other])


def test_what_any_clock_calls_a_what_if_is_one(tmp_path):
    write(tmp_path / "m", {"a.yaml": [wants("x", want("a", user="xa"))]})
    seen = view([has("x")], head=HEAD)
    texts = [
        shard_text(tmp_path / "m", seen, replace(CONTEXT, what_if=number == 2), (), Shard(number, 3))
        for number in (1, 2, 3)
    ]
    assert read_plan(merged(texts)[0], name="plan").what_if


def test_paths_that_cannot_be_used_are_told_by_one_shard(tmp_path):
    write(tmp_path / "m", {"a.yaml": [wants("x")]})
    for number in range(5):
        (tmp_path / "m" / f"link-{number}.yaml").symlink_to("nowhere")
    told = []
    for number in range(1, 5):
        with open_fleet(tmp_path / "m", Shard(number, 4)) as fleet:
            told += fleet.diagnostics(minute_of(NOW))
    with open_fleet(tmp_path / "m") as fleet:
        assert sorted(told, key=sort_key) == list(fleet.diagnostics(minute_of(NOW)))
    assert len(told) == 5
