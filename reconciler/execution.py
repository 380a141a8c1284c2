"""Running plans for a session: who sends (Payway, the embedded simulator, or a dry run's), who we are, how we stop."""

from __future__ import annotations

import getpass
import os
import random
import secrets
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final

from reconciler import canonical
from reconciler.applying.preflight import verify_alone, verify_place
from reconciler.errors import ExitCode, InvalidInput, Refused
from reconciler.instants import clock_text
from reconciler.state.store import Holder, JournalEntry, Run, Store

if TYPE_CHECKING:
    from reconciler.applying.applier import Applier
    from reconciler.applying.runreport import Event, RunReport
    from reconciler.model import DeclaredAccount
    from reconciler.payway.simulator import Simulator
    from reconciler.payway.world import World
    from reconciler.plan import Plan
    from reconciler.session import Session
    from reconciler.state.memory import MemoryStore
    from reconciler.wire import Sender

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """The wish to stop: set by the first signal; a second one ends the process at once and leaves an intent."""

    def __init__(self) -> None:
        self._wanted = threading.Event()

    def requested(self) -> bool:
        """True once somebody asked."""
        return self._wanted.is_set()

    def sleep(self, seconds: float) -> None:
        """Wait, but not past the wish to stop."""
        self._wanted.wait(seconds)

    @contextmanager
    def listening(self, tell: Callable[[], None]) -> Iterator[Stop]:
        """Take SIGINT and SIGTERM as the wish to stop while the block runs; ``tell`` says so to the person."""

        def wish(number: int, frame: FrameType | None) -> None:
            if self._wanted.is_set():
                # Not an exception: nothing may run on the way out that would write an outcome nobody knows.
                os._exit(ExitCode.INTERRUPTED)
            self._wanted.set()
            tell()

        before = {number: signal.signal(number, wish) for number in _SIGNALS}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How to run: ``command`` is what the journal calls it, the bounds are as in `reconciler.applying.applier.Applier`.

    ``emergency`` is told the path of the file that holds an entry which the store couldn't take.
    """

    command: str
    environ: Mapping[str, str]
    events: Callable[[Event], None] = lambda _: None
    emergency: Callable[[Path], None] = lambda _: None
    stop: Stop = field(default_factory=Stop)
    limit: int | None = None
    max_duration: float | None = None
    rate: float | None = None


def apply_plan(
    session: Session, plan: Plan, text: str, options: RunOptions, *, declared: Iterable[DeclaredAccount] = ()
) -> RunReport:
    """Run ``plan``, or go on with its unfinished run. Raises as `reconciler.applying.applier.Applier.run` does.

    ``declared`` lends the embedded simulator the ids that known state lacks, the first time it is used.
    """
    verify_place(plan, environment=session.environment, host=session.host)
    with closing(session.open_store()) as store, closing(sender_for(session, store, plan, declared)) as sender:
        report = _applier(session, store, sender, options).run(plan, text, new_holder(session, options))
    return replace(report, simulated=session.settings.environment.embedded)


def dry_run(
    session: Session, plan: Plan, text: str, options: RunOptions, *, declared: Iterable[DeclaredAccount] = ()
) -> RunReport:
    """The same run against a simulator over a copy of known state: nothing is sent, nothing is written.

    Known state may be a snapshot (``file:``), too.
    """
    from reconciler.payway.world import World

    verify_place(plan, environment=session.environment, host=session.host)
    with _copy_of_known(session) as copy:
        if plan.known_state.lineage is None:
            # A snapshot that doesn't say which store it is of: whether this is the one, its accounts tell.
            plan = replace(plan, known_state=replace(plan.known_state, lineage=copy.head().lineage))
        world = World.from_known(copy.view().accounts(), session.clock, declared=declared)
        with closing(simulator_over(session, world)) as sender:
            report = _applier(session, copy, sender, options).run(plan, text, new_holder(session, options))
    return replace(report, simulated=True)


@contextmanager
def _copy_of_known(session: Session) -> Iterator[MemoryStore]:
    from reconciler.state import scheme_of
    from reconciler.state.memory import MemoryStore, copy_of

    if scheme_of(session.settings.state) != "file":
        with closing(session.open_store(read_only=True)) as store:
            yield copy_of(store)
        return
    view = session.known()
    copy = MemoryStore(session.environment, lineage=view.head.lineage, filled=True)
    with copy.change() as change:
        for account in view.accounts():
            change.put_account(account)
    yield copy


def resume_run(session: Session, options: RunOptions, *, run_id: str | None = None, expired: bool = False) -> RunReport:
    """Go on with the unfinished run. Raises `InvalidInput` if there is none, else as `Applier.resume` does."""
    with closing(session.open_store()) as store:
        run, plan = unfinished_run(store, run_id)
        with closing(sender_for(session, store, plan, ())) as sender:
            applier = _applier(session, store, sender, options)
            report = applier.resume(run, plan, new_holder(session, options), expired=expired)
    return replace(report, simulated=session.settings.environment.embedded)


def unfinished_run(store: Store, run_id: str | None) -> tuple[Run, Plan]:
    """The run with this id, or the one that isn't finished, and its plan. Raises `InvalidInput` if there is none."""
    if run_id is not None:
        run = find_run(store, run_id)
    else:
        found = next((run for run in store.runs() if run.unfinished), None)
        if found is None:
            raise InvalidInput("no run is unfinished", hint="`reconciler runs list` shows all runs")
        run = found
    return run, plan_of(run)


def find_run(store: Store, run_id: str) -> Run:
    """The run whose id is, or begins with, ``run_id``. Raises `InvalidInput` if that isn't exactly one."""
    runs = store.runs()
    exact = [run for run in runs if run.run_id == run_id]
    found = exact or [run for run in runs if run_id and run.run_id.startswith(run_id)]
    if len(found) == 1:
        return found[0]
    several = f"{len(found)} runs begin with" if found else "there is no run"
    raise InvalidInput(f"{several} {run_id!r}", hint="`reconciler runs list` shows all runs")


def plan_of(run: Run) -> Plan:
    """The plan that a run was started with."""
    from reconciler.planfile import read_plan

    return read_plan(run.plan, name=f"the plan of run {run.run_id}")


def sender_for(session: Session, store: Store, plan: Plan, declared: Iterable[DeclaredAccount]) -> Sender:
    """Who carries out the plan's calls: the embedded simulator, or Payway over HTTP.

    Raises `Unreachable` if nobody has said where the credentials are: then no run is begun at all.
    """
    settings = session.settings
    if settings.environment.embedded:
        return simulator_over(session, _world(session, store, declared))
    from reconciler.payway.auth import scopes_of
    from reconciler.payway.client import HttpSender

    settings.credentials.require()
    return HttpSender(
        settings.environment.base_url,
        settings.credentials,
        connect_timeout=settings.apply.connect_timeout,
        call_deadline=settings.apply.call_deadline,
        scopes=scopes_of(step.action for step in plan.steps),
        proxy=settings.proxy,
        ca_file=settings.ca_file,
    )


def world_path(session: Session) -> Path:
    """Where the embedded simulator keeps its world: beside the state store."""
    return store_folder(session) / f"{session.environment}.world.jsonl"


def store_folder(session: Session) -> Path:
    """The folder of the state store; for one that is no file, the project's own."""
    url = session.settings.state
    return Path(url.removeprefix("sqlite:///")).parent if url.startswith("sqlite:///") else Path(".reconciler")


def simulator_over(session: Session, world: World) -> Simulator:
    """The simulator of a session, over a world."""
    from reconciler.payway.simulator import Simulator

    return Simulator(world, clock=session.clock, provision_service=session.settings.provision_service)


def new_holder(session: Session, options: RunOptions) -> Holder:
    """Who we are, for the lock and the journal; the id names the run, too."""
    now = session.clock()
    environ = options.environ
    return Holder(
        lock_id=f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}",
        who=_text(environ.get("GITHUB_ACTOR") or environ.get("GITLAB_USER_LOGIN") or _user()),
        host=socket.gethostname(),
        process=os.getpid(),
        command=options.command,
        started_at=clock_text(now),
        ci_url=_ci_url(environ),
    )


def refuse_lost_journal(session: Session, environ: Mapping[str, str]) -> None:
    """Raise `Refused` if CI would keep its journal in the default file: a runner's disk is no journal."""
    if environ.get("CI", "").lower() not in ("", "0", "false") and session.settings.state_is_default:
        raise Refused(
            f"under CI=true, the journal would be lost with the runner ({session.settings.state})",
            hint="name a store that stays: --state URL, RECONCILER_STATE, or state in reconciler.toml",
        )


def refuse_busy_store(session: Session) -> None:
    """Raise `Locked` if the store is held or a run there isn't finished: a fresh plan couldn't be run."""
    from reconciler.state.locking import held

    with closing(session.open_store(read_only=True)) as store:
        lock = store.lock()
        if lock is not None:
            raise held(lock)
        verify_alone(None, store.runs())


def _applier(session: Session, store: Store, sender: Sender, options: RunOptions) -> Applier:
    from reconciler.applying.applier import Applier

    return Applier(
        store=store,
        sender=sender,
        settings=session.settings.apply,
        environment=session.environment,
        host=session.host,
        clock=session.clock,
        sleeper=options.stop.sleep,
        jitter=random.SystemRandom().random,
        emergency=lambda entry: options.emergency(_write_emergency(session, entry)),
        events=options.events,
        stop_requested=options.stop.requested,
        limit=options.limit,
        max_duration=options.max_duration,
        rate=options.rate,
    )


def _world(session: Session, store: Store, declared: Iterable[DeclaredAccount]) -> World:
    """The embedded simulator's world; accounts that it hasn't got are as known state says."""
    from reconciler.payway.world import World

    path = world_path(session)
    path.parent.mkdir(parents=True, exist_ok=True)
    world = World(path)
    missing = [account for account in store.view().accounts() if world.account(account.account_id) is None]
    if not missing:
        return world
    world.close()
    return World.from_known(missing, session.clock, declared=declared, path=path)


def _write_emergency(session: Session, entry: JournalEntry) -> Path:
    """Keep an entry that the store couldn't take; `state recover` will want it."""
    from reconciler.files import write_atomically

    data = canonical.dumps(entry.to_json()).encode("ascii") + b"\n"
    # Whatever broke the store may have broken its folder, too.
    *others, last = (store_folder(session), Path(), Path(tempfile.gettempdir()))
    for folder in (*others, last):
        path = folder / f"emergency-{entry.run_id}-{entry.step}-{entry.attempt}.json"
        try:
            write_atomically(path, data)
        except InvalidInput:
            if folder is last:
                raise
        else:
            return path
    raise AssertionError("there is a last folder")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container's user need not have a name.
        return f"uid {os.getuid()}"


def _ci_url(environ: Mapping[str, str]) -> str | None:
    server, repository, run = (environ.get(f"GITHUB_{name}") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID"))
    if server and repository and run:
        return _text(f"{server}/{repository}/actions/runs/{run}")
    url = environ.get("CI_JOB_URL")
    return _text(url) if url else None


def _text(value: str) -> str:
    """``value`` without the lone surrogates that stand for bytes which aren't UTF-8: no store can keep those."""
    return value.encode("utf-8", "backslashreplace").decode("utf-8")
