"""What can go wrong around a run, by chance and on a virtual clock: deaths, broken stores, lost and strange answers.

`Payway` keeps the truth: which calls were carried out, whatever the applier was told of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from reconciler import canonical
from reconciler.errors import StoreFailed, Unreachable
from reconciler.operations import BY_ACTION, body_bytes
from reconciler.payway.simulator import Simulator
from reconciler.plan import Request
from reconciler.state.store import Lock, Store
from reconciler.wire import Answer, CallFailed, Phase
from support.planning import NOW

#: A call whose answer is lost may still be carried out for so long (seconds): less than the cool-down.
LONGEST_TWIN = 29.0


class Crash(BaseException):
    """The end of a process: nothing that it would still do happens."""


class Wrong(AssertionError):
    """A promise that was broken."""


class Clock:
    """A clock that only sleeping and stories move. ``due`` is told of every move."""

    def __init__(self) -> None:
        self.moment = NOW
        self.due: Callable[[], None] = lambda: None

    def __call__(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)
        self.due()


@dataclass(slots=True)
class Fate:
    """What will happen to one process: the point at which it dies, the writes that fail, when it is asked to stop."""

    dies_at: int | None = None
    fails_at: int | None = None
    failures: int = 0
    fails_after_commit: bool = False
    stops_at: int | None = None
    passed: int = 0
    changes: int = 0
    asked: int = 0
    dead: bool = False
    lock: Lock | None = None
    sent: dict[int, int] = field(default_factory=dict)

    def point(self) -> None:
        """A moment at which the process can die."""
        if self.dead:
            raise Crash
        if self.passed == self.dies_at:
            self.dead = True
            raise Crash
        self.passed += 1

    def stop_requested(self) -> bool:
        self.asked += 1
        return self.stops_at is not None and self.asked > self.stops_at

    def next_write_fails(self) -> bool:
        self.changes += 1
        first = self.fails_at
        return first is not None and first <= self.changes < first + self.failures

    @property
    def store_is_broken(self) -> bool:
        return self.fails_at is not None and self.fails_at <= self.changes < self.fails_at + self.failures


class MortalStore:
    """A store as one process sees it, which can die or fail at each write."""

    def __init__(self, store: Store, fate: Fate) -> None:
        self._store = store
        self._fate = fate

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @contextmanager
    def change(self, fence: Lock | None = None) -> Iterator[Any]:
        fails = self._fate.next_write_fails()
        with self._store.change(fence) as change:
            yield change
            self._fate.point()
            if fails and not self._fate.fails_after_commit:
                raise StoreFailed("the disk is full")
        self._fate.point()
        if fails:
            raise StoreFailed("the disk reports an error")

    def acquire(self, holder: Any) -> Lock:
        self._fate.lock = self._store.acquire(holder)
        self._fate.point()
        return self._fate.lock

    def release(self, lock: Lock) -> None:
        if self._fate.dead:
            return
        if self._fate.store_is_broken:
            raise StoreFailed("the disk is full")
        self._store.release(lock)


@dataclass(slots=True)
class Call:
    """One call as it really was. ``carried`` is whether it was carried out, ``answered`` what came back."""

    number: int
    run_id: str
    step: int
    attempt: int
    action: str
    account_id: str
    body: str
    at: datetime
    carried: bool = False
    answered: str = ""


@dataclass(frozen=True, slots=True)
class Weather:
    """How often calls go wrong for one process, from 0 to 1: each is the share of one kind of trouble."""

    not_sent: float = 0.0
    lost: float = 0.0
    server: float = 0.0
    odd: float = 0.0
    refused: float = 0.0
    token: float = 0.0

    @classmethod
    def by_chance(cls, rng: Random) -> Weather:
        if rng.random() < 0.35:
            return cls()
        shares = [rng.choice((0.0, 0.0, 0.05, 0.2, 0.6)) for _ in range(6)]
        total = max(1.0, sum(shares))
        return cls(*(share / total for share in shares))


_NOT_SENT = ("dns", "refused", "connect_timeout", "tls", "certificate", "token")
_LOST = ("read_timeout", "write_timeout", "reset", "cut_body", "deadline", "too_large", "not_http")
_UNCLEAR = (500, 502, 503, 504, 408, 425)
#: Statuses and codes that say for sure that a call wasn't carried out.
_REFUSALS = (
    (401, None), (403, None), (404, None), (405, None), (413, None), (301, None), (307, None), (418, None),
    (400, "json_parser_error"), (400, "unknown_parameter"), (400, "configuration_error"), (400, None),
)  # fmt: skip
#: What Payway says of a request each time that it is sent.
_STICKY = ((400, "invalid_parameter"), (400, "brand_new"), (403, "not_product_owner"), (404, "not_found"), (409, "odd"))


@dataclass(slots=True)
class Payway:
    """Payway as one story meets it. Implements `reconciler.wire.Sender`.

    ``store`` is looked at, never changed: what is sent must stand in its journal, under a lock that is still held.
    ``watch`` is shown each call before anything is done with it, ``wrong`` is told of broken promises.
    """

    simulator: Simulator
    clock: Clock
    rng: Random
    store: Store
    wrong: Callable[[str], None]
    watch: Callable[[Call], None]
    calls: list[Call] = field(default_factory=list)
    weather: Weather = field(default_factory=Weather)
    fate: Fate = field(default_factory=Fate)
    intrude: Callable[[], None] | None = None
    in_flight: int = 0
    late: list[tuple[datetime, Request, Call]] = field(default_factory=list)
    refuses: dict[str, tuple[int, str] | None] = field(default_factory=dict)
    sticky: float = 0.0
    can_renew: bool = True

    def __post_init__(self) -> None:
        self.clock.due = self.arrive

    def send(self, request: Request) -> Answer:
        if self.fate.dead:
            self.wrong("a dead process sends")
        call = self._written(request)
        self._alone(call)
        self.watch(call)
        self.calls.append(call)
        self.in_flight += 1
        try:
            return self._send(request, call)
        finally:
            self.in_flight -= 1

    def renew_token(self) -> bool:
        return self.can_renew

    def close(self) -> None:
        """Nothing to give back."""

    def arrive(self) -> None:
        """Carry out what was still under way and has arrived by now."""
        due = [each for each in self.late if each[0] <= self.clock.moment]
        self.late = [each for each in self.late if each[0] > self.clock.moment]
        for _, request, call in due:
            self._carry_out(request, call)

    def _written(self, request: Request) -> Call:
        """The call, from the intent that must be the last thing that was written."""
        entry = self.store.last_entry()
        digest = canonical.digest_bytes(body_bytes(request))
        if entry is None or entry.status != "intent" or entry.body_sha256 != digest:
            self.wrong(f"a call without its intent: {request.path} {dict(request.body)}")
            raise AssertionError
        return Call(
            len(self.calls) + 1, entry.run_id, entry.step, entry.attempt, entry.action, entry.account_id,
            canonical.dumps(dict(request.body)), self.clock.moment,
        )  # fmt: skip

    def _alone(self, call: Call) -> None:
        if self.store.lock() != self.fate.lock:
            self.wrong(f"call {call.number} is sent without the lock")
        if self.in_flight:
            self.wrong(f"call {call.number} is sent while another is in flight")
        for _, _, other in self.late:
            if other.action.startswith("sync") and call.action.startswith("sync"):
                self.wrong(f"call {call.number} is sent while call {other.number} may still be carried out")
            if (other.run_id, other.step) == (call.run_id, call.step):
                self.wrong(f"call {call.number} is sent while call {other.number} may still be carried out")

    def _send(self, request: Request, call: Call) -> Answer:
        try:
            self.fate.point()  # dies while the call is on its way, which may arrive all the same
        except Crash:
            self._maybe_carried(request, call)
            raise
        weather, chance = self.weather, self.rng.random()
        self.clock.sleep(self.rng.uniform(0.05, 0.9))
        self._maybe_intrude(early=True)
        for share, happen in (
            (weather.token, self._no_token),
            (weather.not_sent, self._not_sent),
            (weather.refused, self._refused),
            (weather.lost, self._lost),
            (weather.server, self._server_error),
            (weather.odd, self._odd),
        ):
            if chance < share:
                answer = happen(request, call)
                break
            chance -= share
        else:
            answer = self._carry_out(request, call)
        self.fate.point()  # dies when it was carried out, before the answer counts
        self._maybe_intrude(early=False)
        return answer

    def _maybe_intrude(self, *, early: bool) -> None:
        if self.intrude is not None and self.rng.random() < (0.3 if early else 0.6):
            intrude, self.intrude = self.intrude, None
            mine = (self.fate, self.weather, self.in_flight)
            # A person made sure that the other process is gone. It isn't: its call is on its way.
            self.in_flight = 0
            intrude()
            self.fate, self.weather, self.in_flight = mine

    def _carry_out(self, request: Request, call: Call) -> Answer:
        reply = self._refusal(call)
        if reply is None:
            reply = self.simulator.send(request)
            call.carried = call.carried or reply.status == 200
        call.answered = f"{reply.status} {reply.body[:80]!r}"
        return reply

    def _refusal(self, call: Call) -> Answer | None:
        key = f"{call.action} {call.body}"
        if key not in self.refuses:
            self.refuses[key] = self.rng.choice(_STICKY) if self.rng.random() < self.sticky else None
        found = self.refuses[key]
        if found is None:
            return None
        status, code = found
        return _error(status, code, field="account_id" if code == "invalid_parameter" else None)

    def _no_token(self, request: Request, call: Call) -> Answer:
        call.answered = "no token"
        raise Unreachable("the token can't be had")

    def _not_sent(self, request: Request, call: Call) -> Answer:
        kind = self.rng.choice(_NOT_SENT)
        call.answered = f"{kind}, not sent"
        raise CallFailed(kind, Phase.NOT_SENT)

    def _lost(self, request: Request, call: Call) -> Answer:
        kind = self.rng.choice(_LOST)
        self._maybe_carried(request, call)
        call.answered = kind
        self.clock.sleep(60.0 if kind.endswith("timeout") or kind == "deadline" else 0.1)
        raise CallFailed(kind, Phase.UNKNOWN)

    def _server_error(self, request: Request, call: Call) -> Answer:
        if self.rng.random() < 0.25:
            call.answered = "429"
            after = self.rng.choice((None, "3", "100000", "soon", "Tue, 24 Nov 2026 10:00:30 GMT", "-1"))
            return Answer(429, b"{}", "application/json", after)
        self._maybe_carried(request, call)
        status = self.rng.choice(_UNCLEAR)
        call.answered = str(status)
        return _error(status, "internal_server_error") if self.rng.random() < 0.5 else Answer(status, b"<html>")

    def _odd(self, request: Request, call: Call) -> Answer:
        """An answer that says little of what was done: to be believed only as far as it goes."""
        real = self._carry_out(request, call)
        kind = self.rng.choice(("no JSON", "no id", "cut", "created", "empty", "other id"))
        call.answered = kind
        if kind == "other id" and real.status == 200:
            return Answer(200, json.dumps({"id": "f" * 24}).encode(), "application/json")
        if kind == "created":
            return Answer(self.rng.choice((201, 202, 204)), real.body)
        body = {"no JSON": b"<html>", "no id": b'{"id": null}', "cut": real.body[: len(real.body) // 2]}.get(kind, b"")
        return Answer(200, body, "application/json")

    def _refused(self, request: Request, call: Call) -> Answer:
        status, code = self.rng.choice(_REFUSALS)
        call.answered = f"{status} {code}"
        return Answer(status, b"not here") if code is None else _error(status, code)

    def _maybe_carried(self, request: Request, call: Call) -> None:
        chance = self.rng.random()
        if chance < 0.4:
            return
        if chance < 0.7 and BY_ACTION[call.action].cool_down:
            self.late.append((self.clock.moment + timedelta(seconds=self.rng.uniform(1, LONGEST_TWIN)), request, call))
            return
        self._carry_out(request, call)


def _error(status: int, code: str, field: str | None = None) -> Answer:
    named = {} if field is None else {"field": field}
    return Answer(status, json.dumps({"code": code, **named, "message": "No."}).encode(), "application/json")
