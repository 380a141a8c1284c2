"""What `doctor` looks at: the program, the settings, the manifests, the store, the clock, the host, the credentials.

Nothing is written, no call goes to Payway, and no secret is shown or fetched; a host's name is looked up, and a state
store's server is asked. Each finding says how to mend it.
"""

from __future__ import annotations

import platform
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from reconciler import __version__
from reconciler.errors import ExitCode, InvalidInput, ReconcilerError
from reconciler.instants import BadTime, clock_text, parse_clock
from reconciler.render.checkup import Check
from reconciler.render.words import counted

if TYPE_CHECKING:
    from reconciler.session import Session
    from reconciler.settings import Settings
    from reconciler.state.store import Store

#: Seconds that a name may take to be looked up.
PATIENCE: Final = 5.0

#: A clock that is off by more than the first is told, by more than the second is a problem.
OFF: Final = timedelta(minutes=1)
FAR_OFF: Final = timedelta(minutes=10)

#: The schema that `init` puts beside the manifests for editors.
EDITORS_SCHEMA: Final = "schemas/account.schema.json"

#: Which problem decides how the command ends, if there are several.
_WORST_FIRST: Final = (ExitCode.STORE_FAILED, ExitCode.UNREACHABLE)


def examine(
    settings: Callable[[], Settings],
    session: Callable[[], Session] | None,
    *,
    environ: Mapping[str, str],
    now: datetime,
) -> Iterator[Check]:
    """Every check, in an order in which each can rely on those before it.

    ``session`` is ``None`` if no environment was named. What it raises but `InvalidInput` (an environment that there
    isn't, say) is left to the caller.
    """
    yield _program()
    yield _schemas()
    try:
        found = settings()
        here = session() if session is not None else None
    except InvalidInput as error:
        yield _failed("settings", error, "nothing else could be looked at")
        return
    name = found.file.name if found.file is not None else "there is no reconciler.toml: the defaults hold"
    yield Check("settings", "ok", f"{name}; environments: {', '.join(found.environment_names())}")
    if here is None:
        from reconciler.settings import DEFAULT_MANIFESTS

        yield _manifests(found.general.manifests or DEFAULT_MANIFESTS, now)
        left = "none is named, so store, clock, host and credentials weren't looked at"
        yield Check("environment", "warning", left, "add -e stage, or set RECONCILER_ENVIRONMENT")
        return
    yield Check("environment", "ok", f"{here.environment}, calls go to {here.host}")
    yield _manifests(here.settings.manifests, now)
    yield from _store(here, environ, now)
    yield _host(here)
    yield from _credentials(here, environ)


def exit_code(checks: Sequence[Check]) -> ExitCode:
    """What the worst problem ends the command with; warnings don't."""
    codes = {check.code for check in checks if check.status == "problem"}
    return next((code for code in _WORST_FIRST if code in codes), ExitCode.INVALID if codes else ExitCode.DONE)


def _failed(name: str, error: ReconcilerError, also: str = "") -> Check:
    details = error.details
    if isinstance(error, InvalidInput):
        details += tuple(f"{one.position}: {one.message}" for one in error.diagnostics)
    message = f"{error.message}; {also}" if also else error.message
    return Check(name, "problem", message, error.hint, details, error.exit_code)


def _program() -> Check:
    from reconciler.manifests.documents import has_fast_parser

    told = f"payway-reconciler {__version__} on Python {platform.python_version()}"
    if has_fast_parser():
        return Check("program", "ok", f"{told}, PyYAML with its parser in C")
    slow = f"{told}; PyYAML has no parser in C, so manifests are read about ten times slower"
    return Check("program", "warning", slow, "install PyYAML from a wheel, or libyaml-dev before building it")


def _schemas() -> Check:
    from reconciler.schemafiles import load_schema, schema_names, schema_text

    try:
        names = schema_names()
        for name in names:
            load_schema(name)
        ours = schema_text("account")
    except (ReconcilerError, ValueError, OSError) as error:
        told = f"the schemas that belong to the program can't be read: {error}"
        return Check("schemas", "problem", told, "install payway-reconciler again", code=ExitCode.INVALID)
    told = f"{', '.join(names)} are there"
    try:
        beside = Path(EDITORS_SCHEMA).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return Check("schemas", "ok", told)
    if beside.split() != ours.split():
        stale = f"{EDITORS_SCHEMA}, which editors read, isn't the one of this version"
        return Check("schemas", "warning", stale, f"reconciler schema account > {EDITORS_SCHEMA}")
    return Check("schemas", "ok", f"{told}; {EDITORS_SCHEMA} is this version's")


def _manifests(paths: Sequence[str], now: datetime) -> Check:
    from reconciler.reading import Reading
    from reconciler.session import check_manifests

    if "-" in paths:
        return Check("manifests", "warning", "they come from standard input, which wasn't read")
    try:
        checked = check_manifests(paths, now=now, reading=Reading(cache=False))
    except InvalidInput as error:
        return _failed("manifests", error)
    told = f"{counted(checked.accounts, 'account')} in {counted(checked.files, 'file')} of {' '.join(paths)}"
    errors = sum(diagnostic.is_error for diagnostic in checked.diagnostics)
    if errors:
        wrong = f"{counted(errors, 'error')} in {' '.join(paths)}"
        return Check("manifests", "problem", wrong, "reconciler validate shows them", code=ExitCode.INVALID)
    if checked.diagnostics:
        told += f", {counted(len(checked.diagnostics), 'warning')}"
        return Check("manifests", "warning", told, "reconciler validate shows them")
    return Check("manifests", "ok", told)


def _store(here: Session, environ: Mapping[str, str], now: datetime) -> Iterator[Check]:
    from reconciler.execution import refuse_lost_journal
    from reconciler.state import scheme_of

    try:
        if scheme_of(here.settings.state) == "file":
            head = here.known().head
            told = (
                f"{here.settings.state} is a snapshot of {head.environment}, serial {head.serial}: it can't be written"
            )
            yield Check("store", "ok", f"{told}, so plan from it and apply elsewhere")
            yield _clock(now, None, None)
            return
        with closing(here.open_store(read_only=True)) as store:
            yield _condition(store)
            yield from _work(store, here.environment)
            yield _clock(now, _newest(store), store.condition().clock)
    except ReconcilerError as error:
        yield _failed("store", error)
        yield _clock(now, None, None)
    try:
        refuse_lost_journal(here, environ)
    except ReconcilerError as error:
        yield Check("CI", "warning", f"{error.message}, so apply would refuse", error.hint)


def _condition(store: Store) -> Check:
    head, condition = store.head(), store.condition()
    told = f"{store.url}, environment {head.environment}, lineage {head.lineage}, serial {head.serial}"
    told += f", version {condition.version}" if condition.version else ""
    if not store.is_filled():
        fill = (
            f"fill it: reconciler state import -e {head.environment} FILE; or, empty on purpose: reconciler state init"
        )
        return Check("store", "problem", f"{told}: it was never filled", fill, code=ExitCode.INVALID)
    if condition.unwritable is not None:
        can = f"{told}; it can be read, not written: {condition.unwritable}"
        return Check("store", "warning", can, "plan works so; apply needs to write")
    return Check("store", "ok", f"{told}; it can be read and written")


def _work(store: Store, environment: str) -> Iterator[Check]:
    """What stands in the way of an apply."""
    from reconciler.state import locking

    lock = store.lock()
    if lock is not None:
        error = locking.held(lock)
        yield Check("lock", "warning", error.message, error.hint, error.details)
    unfinished = [run for run in store.runs() if run.unfinished]
    for run in unfinished:
        told = f"run {run.run_id} isn't finished, so apply would refuse"
        yield Check(
            "run", "warning", told, f"reconciler resume -e {environment}, or reconciler abandon -e {environment}"
        )
    if lock is None and not unfinished:
        yield Check("lock", "ok", "nobody holds it, and no run is unfinished")


def _newest(store: Store) -> str | None:
    """The latest moment that the store tells of."""
    last = store.last_entry()
    times = [run.started_at for run in store.runs()] + ([last.at] if last is not None else [])
    return max(times, default=None)


def _clock(now: datetime, journal: str | None, server: str | None) -> Check:
    """There is no clock to trust, but one that is behind the journal, or away from the server's, can't be right."""
    for text, behind_only, whose in (
        (server, False, "the store's server says"),
        (journal, True, "the journal ends at"),
    ):
        try:
            other = None if text is None else parse_clock(text)
        except BadTime:
            other = None
        if other is None:
            continue
        off = other - now if behind_only else abs(other - now)
        if off > OFF:
            told = f"here it is {clock_text(now)}, but {whose} {text}"
            mend = "set the clock (NTP): windows, deadlines and the age of plans are judged by it"
            far = off > FAR_OFF
            return Check("clock", "problem" if far else "warning", told, mend, code=ExitCode.INVALID)
    against = [name for name, text in (("the store's server", server), ("the journal", journal)) if text is not None]
    agrees = (
        f"; nothing in {' or '.join(against)} speaks against it" if against else "; there is nothing to compare it with"
    )
    return Check("clock", "ok", f"{clock_text(now)}{agrees}")


def _host(here: Session) -> Check:
    environment, proxy = here.settings.environment, here.settings.proxy
    if environment.embedded:
        return Check("host", "ok", "the simulator is in this process: there is no name to look up")
    url = proxy or environment.base_url
    parts = urlsplit(url)
    name = parts.hostname or ""
    what = f"the proxy's name {name}" if proxy else name
    found = _addresses(name, parts.port or (443 if parts.scheme == "https" else 80))
    if isinstance(found, str):
        mend = "check the network, the resolver, and base_url or proxy in reconciler.toml"
        return Check("host", "problem", f"{what} can't be looked up: {found}", mend, code=ExitCode.UNREACHABLE)
    return Check("host", "ok", f"{what} is {', '.join(found[:4])}; no connection was made")


def _addresses(name: str, port: int) -> list[str] | str:
    """The addresses behind a name, or why there is none."""
    found: list[list[str] | str] = []

    def look() -> None:
        try:
            rows = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
            found.append(list(dict.fromkeys(str(row[4][0]) for row in rows)))
        except (OSError, UnicodeError) as error:
            found.append(getattr(error, "strerror", None) or str(error))

    # A resolver that doesn't answer can't be interrupted, only left behind.
    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return found[0] if found else f"no answer within {PATIENCE:g} s"


def _credentials(here: Session, environ: Mapping[str, str]) -> Iterator[Check]:
    credentials = here.settings.credentials
    if here.settings.environment.embedded:
        yield Check("credentials", "ok", "the simulator needs none")
        return
    try:
        unwise = [advice for ref in credentials.references() if (advice := ref.probe(environ)) is not None]
    except ReconcilerError as error:
        yield _failed("credentials", error)
        return
    told = f"{credentials.describe()}; nothing was sent with it"
    if unwise:
        yield Check("credentials", "warning", told, "; ".join(unwise))
    else:
        yield Check("credentials", "ok", told)
