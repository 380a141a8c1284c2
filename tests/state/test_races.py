"""Several processes that apply at once, on the stores that processes can share: one sends, and calls never overlap.

`RECONCILER_ROUNDS` says how many rounds are raced (`make races`: 200).
"""

import os
import random
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from support import postgres
from support.racing import STEPS, Field, known_state

from reconciler.errors import Locked
from reconciler.model import known_account_from_json
from reconciler.payway.faults import Fault, Faults, Rule
from reconciler.payway.server import running
from reconciler.payway.simulator import Simulator
from reconciler.payway.world import World
from reconciler.state import open_store
from reconciler.state.journal import verify_store

ROUNDS = int(os.environ.get("RECONCILER_ROUNDS", "10"))

#: How long every call takes, in seconds: long enough for another process to get in its way.
CALL = 0.003


@pytest.fixture(params=["sqlite", "postgres"])
def state(request, tmp_path):
    if request.param == "postgres":
        return postgres.make_database(request.getfixturevalue("server"))
    return f"sqlite:///{tmp_path / 'stage.db'}"


@pytest.fixture
def payway():
    accounts = [known_account_from_json(account) for account in known_state()["accounts"]]
    world = World.from_known(accounts, lambda: datetime(2026, 11, 24, tzinfo=UTC))
    simulator = Simulator(world, clock=lambda: datetime.now(UTC), faults=Faults((Rule(Fault(delay=CALL)),)), log=[])
    with running(simulator) as url:
        simulator.url = url
        yield simulator


@pytest.fixture
def track(tmp_path, state, payway):
    folder = tmp_path / "track"
    folder.mkdir()
    track = Field(folder, state, payway.url)
    track.fill()
    return track


@contextmanager
def opened(track):
    store = open_store(track.state, environment="stage")
    yield store
    store.close()


def kind(track):
    return track.state.partition(":")[0]


def tell(capsys, figures):
    """Print the figures of a race that somebody asked for."""
    if "RECONCILER_ROUNDS" in os.environ:
        with capsys.disabled():
            print(f"\n{figures}")


def intents(store):
    return sum(entry.status == "intent" for entry in store.entries())


def test_of_those_who_apply_at_once_one_sends(track, payway, capsys):
    sent = refused = started = 0
    with track.racers(8) as racers:
        for number in range(ROUNDS):
            count = 2 + number % 7
            track.plan()
            results = track.race(racers[:count], "apply", "plan.json")
            codes = sorted(result.code for result in results)
            # Who comes while another one sends is locked out; who comes after that is told that it was done.
            said = "\n".join(result.said for result in results)
            assert codes[0] == 0 and set(codes[1:]) <= {4, 6}, said
            assert len(payway._log) == STEPS * (number + 1), said
            started += count
            sent += codes.count(0)
            refused += codes.count(6)
    overlaps = len(payway.violations) + sum(logged.overlap for logged in payway._log)
    with opened(track) as store:
        assert len(store.runs()) == ROUNDS
        assert intents(store) == len(payway._log)
        assert store.lock() is None
        assert verify_store(store) == ()
    tell(
        capsys,
        f"{kind(track)}: {ROUNDS} rounds of 2–8 processes that applied at once, {started} in all: {sent} sent, "
        f"{refused} were locked out, {len(payway._log)} calls, {overlaps} overlaps",
    )
    assert (sent, overlaps) == (ROUNDS, 0)
    assert ROUNDS < 10 or refused > 0, "nobody was in anybody's way: this is no race"


@pytest.mark.parametrize("during", range(1, STEPS + 1))
def test_a_holder_whose_lock_is_taken_in_a_call_sends_no_other(track, payway, during):
    called, go_on = threading.Event(), threading.Event()

    def clock():
        # Asked in the middle of every call.
        if payway.calls == during and not called.is_set():
            called.set()
            assert go_on.wait(20)
        return datetime.now(UTC)

    payway.clock = clock
    track.plan()
    with track.racers(1) as [holder], opened(track) as store:
        holder.go(("apply", "plan.json", "--base-url", track.base_url), 0)
        assert called.wait(20)
        track.run("unlock", store.lock().holder.lock_id)
        go_on.set()
        ended = holder.ended()
        assert len(payway._log) == during, "new calls after the lock was taken away"
        assert intents(store) == during
        # The outcome of the call in flight isn't lost, and the one who goes on repeats nothing.
        assert [entry.status for entry in store.entries()].count("applied") == during
        assert ended.code == 6, ended.said
        assert "taken away" in ended.err
        track.run("resume", "--base-url", track.base_url)
        assert len(payway._log) == STEPS
        assert payway.violations == []
        assert verify_store(store) == ()


def break_lock(store):
    """Take the lock from whoever has it; False if nobody has."""
    lock = store.lock()
    if lock is None:
        return False
    try:
        store.break_lock(lock.holder.lock_id)
    except Locked:
        return False
    return True


def test_a_lock_taken_at_any_moment_is_the_end_of_calls(track, payway, capsys):
    chance = random.Random(7)
    stopped = new_calls = 0
    with track.racers(1) as [holder], opened(track) as store:
        for number in range(1, ROUNDS + 1):
            track.plan()
            holder.go(("apply", "plan.json", "--base-url", track.base_url), 0)
            while store.lock() is None:
                pass
            time.sleep(chance.uniform(0, 0.05))
            broken = break_lock(store)
            # Every call has its intent: who may write none any more makes none either.
            allowed = intents(store)
            ended = holder.ended()
            assert ended.code in ({0, 6} if broken else {0}), ended.said
            new_calls += intents(store) - allowed if broken else 0
            assert len(payway._log) == intents(store)
            if ended.code == 6:
                stopped += 1
                begun = any(run.unfinished for run in store.runs())
                track.run(*(["resume"] if begun else ["apply", "plan.json"]), "--base-url", track.base_url)
            assert len(payway._log) == STEPS * number
        assert verify_store(store) == ()
    tell(
        capsys,
        f"{kind(track)}: {ROUNDS} rounds with the lock taken away at a moment by chance: {stopped} holders stopped, "
        f"{new_calls} new calls of theirs, {len(payway.violations)} overlaps",
    )
    assert new_calls == 0
    assert payway.violations == []
    assert ROUNDS < 10 or stopped > 0, "no lock was taken from anybody"
