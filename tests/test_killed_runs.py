"""Killed at any point and resumed, a run ends where the undisturbed one does, with at most one repeated call a kill."""

from contextlib import contextmanager, suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.planning import account_id, has, have, want, wants
from support.running import all_five, rig, statuses

from reconciler.wire import CallFailed, Phase


class Kill(BaseException):
    """The end of a process: nothing it would still do happens."""


class Deadline:
    """Counts the points at which a process can die, and ends it at one of them."""

    def __init__(self, at=None):
        self.at = at
        self.passed = 0
        self.dead = False

    def point(self):
        if self.dead:
            raise Kill
        if self.passed == self.at:
            self.dead = True
            raise Kill
        self.passed += 1


class MortalStore:
    """A store whose process can die just before and just after each commit."""

    def __init__(self, store, deadline):
        self.store = store
        self.deadline = deadline

    def __getattr__(self, name):
        return getattr(self.store, name)

    @contextmanager
    def change(self, fence=None):
        with self.store.change(fence) as change:
            yield change
            self.deadline.point()
        self.deadline.point()

    def release(self, lock):
        if not self.deadline.dead:
            self.store.release(lock)


def fleet(script=()):
    """All five calls on one account, an adoption on a second, an end of access on a third."""
    first, first_known = all_five("a")
    declared = [
        first,
        wants("b", want("p", state="activated", to="2027-12-01")),
        wants("c", want("p", state="deactivated")),
    ]
    return rig(declared, [first_known, has("c", have("p", state="activated"))], script)


def mortal(r, deadline):
    """Let the rig's process die at ``deadline``."""
    store, work = r.store, r.payway.work

    def call(request):
        deadline.point()
        answered = work(request)
        deadline.point()
        return answered

    r.store = MortalStore(store, deadline)
    r.payway.work = call

    def revive():
        r.store, r.payway.work = store, work
        if store.lock() is not None:
            store.break_lock(store.lock().holder.lock_id)

    return revive


def end(r):
    """What is known of every account in the end, but for when it was learned."""
    return [account.digest() for account in r.store.view().accounts()]


def is_finished(r):
    return bool(r.store.runs()) and r.run.status == "finished"


def points():
    r = fleet()
    deadline = Deadline()
    mortal(r, deadline)
    assert r.apply().exit_code == 0
    return deadline.passed


POINTS = points()


@pytest.fixture(scope="module")
def undisturbed():
    r = fleet()
    assert set(statuses(r.apply())) == {"applied"}
    return r


def test_the_points_cover_every_write_and_every_call():
    assert len(fleet().plan.steps) == 7
    # Of each step: around two commits and around the call taking effect; of the run: around two commits.
    assert POINTS == 7 * 6 + 2 * 2


@pytest.mark.parametrize("at", range(POINTS))
def test_a_run_killed_once_ends_like_the_undisturbed_one(at, undisturbed):
    r = fleet()
    revive = mortal(r, Deadline(at))
    with pytest.raises(Kill):
        r.apply()
    revive()
    if is_finished(r):
        assert at == POINTS - 1
        return
    report = r.apply()
    assert (report.status, report.exit_code) == ("finished", 0)
    assert set(statuses(report)) <= {"applied", "assumed"}
    assert end(r) == end(undisturbed)
    assert len(r.payway.requests) <= len(undisturbed.payway.requests) + 1
    assert set(r.payway.done) == set(undisturbed.payway.done)


@pytest.mark.parametrize("at", range(POINTS - 1))
def test_what_a_death_leaves_open_can_be_seen(at):
    r = fleet()
    revive = mortal(r, Deadline(at))
    with pytest.raises(Kill):
        r.apply()
    revive()
    intents = {entry.step for entry in r.store.entries()} - {e.step for e in r.store.entries() if e.status != "intent"}
    doubted = {doubt.step for account in r.store.view().accounts() for doubt in account.doubts}
    assert doubted == intents
    assert len(intents) <= 1
    assert all(run.status == "running" for run in r.store.runs())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, POINTS), max_size=6), st.lists(st.booleans(), max_size=12))
def test_any_number_of_deaths_and_lost_answers_still_ends_there(deaths, losses):
    undisturbed = fleet()
    undisturbed.apply()
    lost = CallFailed("read_timeout", Phase.UNKNOWN)

    def losing(request):
        r.payway.work(request)
        raise lost

    r = fleet([losing if loses else None for loses in losses])
    for at in deaths:
        if is_finished(r):
            break
        revive = mortal(r, Deadline(at))
        with suppress(Kill):
            r.apply()
        revive()
    for _ in range(20):
        if is_finished(r):
            break
        r.apply()
    assert (r.run.status, r.run.exit_code) == ("finished", 0)
    assert end(r) == end(undisturbed)
    assert r.store.account(account_id("a")).doubts == ()
    assert len(r.payway.requests) <= len(undisturbed.payway.requests) + len(deaths) + sum(losses)
