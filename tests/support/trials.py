"""A store whose n-th write fails, and what a person does then: mend it, unlock, recover, resume.

`Trial` plays one whole run with one failure in it, on a store in memory or in an SQLite file, and judges it. The
functions play one for every place where such a run can fail.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler import canonical
from reconciler.applying.preflight import open_run
from reconciler.applying.runreport import report_from_journal
from reconciler.applying.settling import entry_from_json, recover
from reconciler.errors import ExitCode, InvalidInput, ReconcilerError, StoreFailed
from reconciler.operations import body_bytes
from reconciler.plan import Plan, Request
from reconciler.state.journal import verify_store
from reconciler.state.memory import MemoryStore
from reconciler.state.sqlite import SqliteStore
from reconciler.state.store import JournalEntry, Store
from reconciler.wire import Answer
from support.failing import FailingConnection, FailingStore, Failures
from support.planning import account_id, has, have, want, wants
from support.running import FakePayway, Rig, all_five, answer, error, filled, rig, updates

#: The errors that SQLite gives; a full disk has rolled back by itself.
SQLITE_ERRORS = ("SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_BUSY")

_SMALL_PAGES = 512
_ALL_PAGES = 1 << 30


class _Payway(FakePayway):
    """Answers b's first call with 503, and doesn't know c."""

    unwell = True

    def work(self, request: Request) -> Answer:
        account = request.body.get("account_id")
        if account == account_id("b") and self.unwell:
            self.unwell = False
            return answer(503)
        if account == account_id("c"):
            return error(404, "not_found")
        return super().work(request)


def _case() -> Rig:
    """All five calls on one account; an update that is repeated; one that is rejected, with one behind it; one more."""
    declared, known = all_five("a")
    more, known_too = updates("b", "d")
    ends = [want(product, to="2027-12-01") for product in "pq"]
    twice = [have(product, state="activated", to="2026-12-01", type="limited") for product in "pq"]
    made = rig([declared, *more, wants("c", *ends)], [known, *known_too, has("c", *twice)])
    made.payway = _Payway(made.payway.owners)
    return made


@dataclass(frozen=True, slots=True)
class End:
    """How a run ended: its steps, its exit code, the calls that were made, what is known of each account."""

    steps: tuple[str, ...]
    exit_code: int | None
    calls: tuple[tuple[str, bytes], ...]
    known: tuple[str, ...]


@dataclass
class Trials:
    """Every trial of one sort of failure, added up; ``wrong`` is what no promise allows."""

    kind: str
    points: int = 0
    figures: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        counted = ", ".join(f"{name} {self.figures[name]}" for name in FIGURES)
        return f"{self.kind}: {self.points} points, {counted}"


FIGURES = ("corrupt", "lost", "sent without intent", "repeated", "ended differently", "recovered")


class Aside(list[JournalEntry]):
    """The entries that were put aside; with ``fails``, that can't be done either."""

    def __init__(self, fails: bool) -> None:
        super().__init__()
        self.fails = fails

    def append(self, entry: JournalEntry) -> None:
        if self.fails:
            raise OSError("the disk is full here, too")
        super().append(entry)


class Trial:
    """One run on ``store``, in which something fails."""

    def __init__(self, made: Rig, store: Store, *, aside_fails: bool = False) -> None:
        self.rig = made
        self.rig.store = store
        self.rig.put_aside = self.aside = Aside(aside_fails)
        self.unwritten: list[Request] = []
        self.rig.payway.before = self._look

    def _look(self, request: Request) -> None:
        """What is about to be sent must stand in the journal as an intent, durable."""
        last = self.last_committed()
        if last is None or last != ("intent", canonical.digest_bytes(body_bytes(request))):
            self.unwritten.append(request)

    def last_committed(self) -> tuple[str, str] | None:
        """Status and body of the journal's last entry, as another process sees it."""
        last = self.rig.store.last_entry()
        return None if last is None else (last.status, last.body_sha256)

    def fail(self) -> StoreFailed | None:
        """Run the plan until the store fails; None if it never did."""
        try:
            self.rig.apply()
        except StoreFailed as problem:
            if self.aside.fails and self.awaits_outcome:
                # What `apply` says last is the entry itself.
                self.aside.extend([entry_from_json(json.loads(problem.details[-1]))])
            return problem
        return None

    @property
    def awaits_outcome(self) -> bool:
        """True if a call was the last thing that happened, and its outcome isn't written."""
        return bool(self.rig.events) and self.rig.events[-1].kind == "step"

    def lost(self) -> int:
        """Calls that were made and of whose outcome nothing was kept."""
        entries = [*self.rig.store.entries(), *self.aside]
        outcomes = {(e.step, e.attempt) for e in entries if e.status not in ("intent", "skipped")}
        begun = [(event.step.number, event.attempt) for event in self.rig.events if event.kind == "step"]
        return len(set(begun) - outcomes)

    def go_on(self, trials: Trials) -> None:
        """What a person does once the store works again."""
        store = self.rig.store
        lock = store.lock()
        if lock is not None:
            store.break_lock(lock.holder.lock_id)
        for entry in self.aside:
            told = entry_from_json(json.loads(canonical.dumps(entry.to_json())))
            try:
                recover(store, told, self.rig.plan, holder=self.rig.holder())
                trials.figures["recovered"] += 1
            except InvalidInput:
                # The store said that it failed, but the entry is in it.
                if all((e.step, e.attempt, e.status) != (entry.step, entry.attempt, entry.status)
                       for e in store.entries()):  # fmt: skip
                    raise
        if open_run(store) is not None:
            self.rig.resume()
        elif not store.runs():
            self.rig.apply()

    def end(self) -> End:
        """How it all ended."""
        store, run = self.rig.store, self.rig.run
        report = report_from_journal(run, store.entries(), self.rig.plan)
        calls = sorted((request.path, body_bytes(request)) for request in self.rig.payway.requests)
        known = [account.digest() for account in store.view().accounts()]
        return End(tuple(step.status for step in report.steps), run.exit_code, tuple(calls), tuple(known))

    def judge(self, trials: Trials, where: str, undisturbed: End, problem: StoreFailed | None, mend: Any) -> None:
        """Hold what has happened against the promises, go on, and hold the end against an undisturbed run's."""
        trials.points += 1
        found: list[str] = []
        if problem is None or problem.exit_code != ExitCode.STORE_FAILED == 74:
            found.append(f"it ended with {problem!r}")
        if len(self.aside) != self.awaits_outcome:
            found.append(f"{len(self.aside)} entries were put aside")
        mend()
        counted = {"corrupt": len(verify_store(self.rig.store)), "lost": self.lost()}
        try:
            self.go_on(trials)
        except ReconcilerError as error:
            found.append(f"it can't be gone on with: {error}")
        counted["corrupt"] += len(verify_store(self.rig.store))
        counted["sent without intent"] = len(self.unwritten)
        end = self.end()
        counted["repeated"] = (Counter(end.calls) - Counter(undisturbed.calls)).total()
        counted["ended differently"] = int(end != undisturbed)
        found += [f"{name} {count}" for name, count in counted.items() if count]
        trials.figures += Counter(counted)
        trials.wrong += [f"{trials.kind}, {where}: {what}" for what in found]


# --- Every point ---


def in_memory(*, onward: bool, aside_fails: bool = False) -> Trials:
    """Each write of the store in memory failing in turn; with ``onward``, every later one fails, too."""
    trials = Trials(f"memory{', and all after it' * onward}{', and nothing can be put aside' * aside_fails}")
    base, plan = _case().store, _case().plan
    calm = _memory_trial(base, plan, Failures())
    assert calm.fail() is None
    undisturbed, number = calm.end(), 0
    while True:
        number += 1
        failures = Failures(number, onward)
        trial = _memory_trial(base, plan, failures, aside_fails=aside_fails)
        problem = trial.fail()
        if not failures.last:
            return trials
        trial.judge(trials, f"{number} ({failures.last})", undisturbed, problem, lambda f=failures: _stop(f))


def _memory_trial(base: Store, plan: Plan, failures: Failures, *, aside_fails: bool = False) -> Trial:
    made = _case()
    made.plan = plan
    assert isinstance(base, MemoryStore)
    return Trial(made, FailingStore(base.copy(), failures), aside_fails=aside_fails)


def _stop(failures: Failures) -> None:
    failures.at = None


class _SqliteTrial(Trial):
    """A trial on a copy of the SQLite file ``template``."""

    def __init__(self, template: Path, folder: Path, failures: Failures | None, kind: str) -> None:
        path = folder / "case.db"
        for name in ("case.db", "case.db-wal", "case.db-shm"):
            (folder / name).unlink(missing_ok=True)
        shutil.copy(template, path)
        self.store = SqliteStore.open(path, environment="stage")
        self.database = self.store._database
        # Power isn't cut here, so nothing has to reach the disk.
        self.database.all("PRAGMA synchronous = OFF")
        self.reader = sqlite3.connect(path, isolation_level=None)
        if failures is not None:
            self.database.connection = FailingConnection(self.database.connection, failures, kind)
        super().__init__(_case(), self.store)

    def last_committed(self) -> tuple[str, str] | None:
        return self.reader.execute(
            "SELECT status, body_sha256 FROM journal ORDER BY sequence DESC LIMIT 1"
        ).fetchone()  # fmt: skip

    def close(self) -> None:
        self.reader.close()
        self.store.close()


def template(folder: Path) -> Path:
    """An SQLite store with small pages, so that a disk can be full at many moments, and with what is known in it."""
    path = folder / "template.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size = {_SMALL_PAGES}")
        connection.execute("VACUUM")
    store = SqliteStore.open(path, create=True, environment="stage")
    known = filled(())
    with store.change() as change:
        for account in _case().store.view().accounts():
            change.put_account(account)
        change.mark_filled()
    store._database.all("UPDATE meta SET lineage = ?", (known.head().lineage,))
    store.close()
    return path


def in_sqlite(folder: Path, kind: str, *, onward: bool, every: int = 1) -> Trials:
    """Each statement of a run on SQLite failing in turn with the error ``kind``; ``every`` takes only each so many."""
    trials = Trials(f"SQLite, {kind}{', and all after it' * onward}")
    source = template(folder)
    with closing(_SqliteTrial(source, folder, None, kind)) as calm:
        assert calm.fail() is None
        undisturbed = calm.end()
    number = 1
    while True:
        failures = Failures(number, onward)
        with closing(_SqliteTrial(source, folder, failures, kind)) as trial:
            problem = trial.fail()
            if not failures.last:
                return trials
            trial.judge(trials, f"{number} ({failures.last})", undisturbed, problem, lambda f=failures: _stop(f))
        number += every


def on_a_full_disk(folder: Path) -> Trials:
    """An SQLite file that may grow by no page, by one, by two, … until a whole run has room."""
    trials = Trials("SQLite, a disk that is really full")
    source = template(folder)
    with closing(_SqliteTrial(source, folder, None, "")) as calm:
        assert calm.fail() is None
        undisturbed = calm.end()
    room = 0
    while True:
        with closing(_SqliteTrial(source, folder, None, "")) as trial:
            [(pages,)] = trial.database.all("PRAGMA page_count")
            trial.database.all(f"PRAGMA max_page_count = {pages + room}")
            problem = trial.fail()
            if problem is None:
                return trials
            mend = lambda t=trial: t.database.all(f"PRAGMA max_page_count = {_ALL_PAGES}")  # noqa: E731
            trial.judge(trials, f"{room} pages", undisturbed, problem, mend)
            assert problem.__cause__ is not None
        room += 1
