"""What comes of a fleet's accounts, found out by the cheapest means that can tell, in all processes there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Final, TypeAlias

from reconciler.fleetaccounts import (
    UNREADABLE,
    Asked,
    asked_of,
    elsewhere,
    planned_verdict,
    quiet_verdict,
    stranger_verdict,
)
from reconciler.manifests.cache import Compared
from reconciler.manifests.fleet import Fleet
from reconciler.manifests.settled import Settled, SettledAccounts
from reconciler.manifests.spread import spread
from reconciler.model import KnownRecord, KnownView
from reconciler.planning.context import PlanContext

#: Verdicts are written down this many at a time.
_PAGE: Final = 1000
#: The planner is asked about so many accounts at a time.
_ASKED: Final = 50

#: What is declared and what is known of one account, where either may be nothing.
Pair: TypeAlias = tuple[Compared | None, KnownRecord | None]
_Declared: TypeAlias = tuple[Compared, KnownRecord | None]


class Judge:
    """Judges accounts of ``fleet``, and keeps what came of them in ``settled``."""

    def __init__(self, fleet: Fleet, known: KnownView, context: PlanContext, settled: SettledAccounts) -> None:
        self._fleet, self._known, self._context, self._settled = fleet, known, context, settled
        self._waiting: list[Settled] = []

    def judge(self, pairs: Iterable[Pair], count: int) -> None:
        """Find out what comes of about ``count`` accounts, and keep it."""
        asks = partial(asked_of, self._context.alone())
        for asked, verdicts in spread(self._fleet.planners(count), asks, self._asked(pairs)):
            for (facts, record), verdict in zip(asked, verdicts, strict=True):
                self._keep(verdict or self._verdict_here(facts, record))
        self._write()

    def _asked(self, pairs: Iterable[Pair]) -> Iterator[tuple[list[_Declared], list[Asked]]]:
        """The accounts that the planner is asked about, some at a time, and what it is told; the others are kept."""
        some: list[_Declared] = []
        for facts, record in pairs:
            if facts is None:
                assert record is not None
                self._keep(self._stranger(record))
                continue
            quiet = None if record is None else quiet_verdict(facts, record)
            if quiet is not None:
                self._keep(quiet)
                continue
            some.append((facts, record))
            if len(some) == _ASKED:
                yield some, self._told(some)
                some = []
        yield some, self._told(some)

    def _told(self, some: Iterable[_Declared]) -> list[Asked]:
        owner = self._known.account_of
        return [
            Asked(*self._fleet.place(facts.number), record, {each: owner(each) for each in elsewhere(facts, record)})
            for facts, record in some
        ]

    def _verdict_here(self, facts: Compared, record: KnownRecord | None) -> Settled:
        """The planner's verdict with everything at hand, and with words for what is wrong."""
        account = self._fleet.declared(facts.number)
        known = self._known.account(facts.account_id) if record is not None else None
        return planned_verdict(account, known, record, self._known, self._context)

    def _stranger(self, record: KnownRecord) -> Settled:
        try:
            return stranger_verdict(record)
        except UNREADABLE:
            self._known.account(record.account_id)  # the store says what is wrong with what it holds
            raise

    def _keep(self, settled: Settled) -> None:
        self._waiting.append(settled)
        if len(self._waiting) >= _PAGE:
            self._write()

    def _write(self) -> None:
        self._settled.put(self._waiting)
        self._waiting = []
