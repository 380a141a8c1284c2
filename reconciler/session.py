"""The library's front door: manifests and known state in, a plan out, and the store behind both.

A `Session` is one command's view of one environment. It knows no screen; whatever goes wrong is raised as a
`reconciler.errors.ReconcilerError`.
"""

from __future__ import annotations

import codecs
import difflib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from reconciler.errors import InvalidInput, UsageError
from reconciler.instants import minute_of
from reconciler.reading import Reading, with_fleet

if TYPE_CHECKING:
    from reconciler.diagnostics import Diagnostic
    from reconciler.manifests.desired import Desired
    from reconciler.manifests.fleet import Fleet
    from reconciler.manifests.selecting import Selector
    from reconciler.model import DeclaredAccount, KnownView
    from reconciler.plan import Plan
    from reconciler.planning import PlanContext
    from reconciler.settings import EnvironmentSettings
    from reconciler.state.store import Store

Clock = Callable[[], datetime]

#: So much of a file tells whether it was meant to be a plan, whatever a formatter made of it.
_HEAD: Final = 64 * 1024


def system_clock() -> datetime:
    """The machine's clock, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Planned:
    """A sealed plan, what its manifests are only warned about, and the ids that they declare.

    ``declared`` are the declared accounts without their fields, if they were asked for.
    """

    plan: Plan
    warnings: tuple[Diagnostic, ...]
    declared: tuple[DeclaredAccount, ...]


def load_manifests(paths: Sequence[str], *, now: datetime) -> Desired:
    """The desired state behind ``paths`` (``-`` is standard input), with all that was found in it, in memory."""
    from reconciler.manifests.desired import load_desired

    return load_desired(list(paths), now=minute_of(now), stdin=sys.stdin.buffer if "-" in paths else None)


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found in manifests: sound accounts, files that could be read, and every finding by place."""

    accounts: int
    files: int
    diagnostics: tuple[Diagnostic, ...]


def check_manifests(paths: Sequence[str], *, now: datetime, reading: Reading | None = None) -> Checked:
    """What is to be said of the manifests behind ``paths``; any number of accounts will do.

    Raises `InvalidInput` if a path doesn't exist or there is no manifest.
    """

    def checked(fleet: Fleet) -> Checked:
        return Checked(fleet.accounts, fleet.files, fleet.diagnostics(minute_of(now)))

    return with_fleet(paths, reading or Reading(), checked)


class Session:
    """One environment: its settings, its store, and the plans made for it."""

    def __init__(
        self, settings: EnvironmentSettings, *, clock: Clock = system_clock, reading: Reading | None = None
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.reading = reading or Reading()

    @property
    def environment(self) -> str:
        """The environment's name."""
        return self.settings.environment.name

    @property
    def is_rehearsal(self) -> bool:
        """True for the embedded simulator."""
        return self.settings.environment.embedded

    @property
    def host(self) -> str:
        """Where its calls go, as plans record it."""
        return self.settings.environment.host

    def known(self) -> KnownView:
        """Known state, read without writing. Raises `InvalidInput` if there is none yet."""
        from reconciler.state import open_view

        return open_view(self.settings.state, self.environment)

    def plan(
        self,
        *,
        at: datetime | None = None,
        select: Sequence[str] = (),
        accept: Sequence[str] = (),
        outlines: bool = False,
    ) -> Planned:
        """Plan at the moment ``at`` (now, unless said) for the accounts that ``select`` takes in.

        ``accept`` names guards that may be exceeded; with ``outlines``, `Planned.declared` is filled. Writes
        nothing but the cache. Raises `InvalidInput`, `UsageError` or `StoreFailed`.
        """
        from reconciler.manifests.selecting import parse_selector
        from reconciler.planfile import seal

        accepted = self._accepted(accept)
        selectors = [parse_selector(text) for text in select]
        now = self.clock()
        moment = at if at is not None else now

        def planned(fleet: Fleet) -> Planned:
            found = fleet.diagnostics(minute_of(moment))
            if any(diagnostic.is_error for diagnostic in found):
                fleet.cache.save()  # what was read needn't be read again
                raise _refused(found)
            context = self._context(moment, now, accepted, tuple(select))
            plan = seal(_made(fleet, self.known(), context, selectors))
            return Planned(plan, found, tuple(fleet.outlines()) if outlines else ())

        return with_fleet(self.settings.manifests, self.reading, planned)

    def _context(
        self, moment: datetime, now: datetime, accepted: frozenset[str], select: tuple[str, ...]
    ) -> PlanContext:
        from reconciler.planning import PlanContext

        settings = self.settings
        return PlanContext(
            environment=self.environment,
            host=self.host,
            as_of=moment,
            what_if=moment > now,
            max_plan_age=timedelta(seconds=settings.max_plan_age),
            max_known_age=None if settings.max_age is None else timedelta(seconds=settings.max_age),
            provision_service=settings.provision_service,
            limits=settings.guards,
            accepted=accepted,
            revision=_revision(),
            select=select,
        )

    def open_store(self, *, read_only: bool = False, create: bool = False) -> Store:
        """The state store. Raises `InvalidInput` if there is none and ``create`` isn't said, or for a ``file:``."""
        from reconciler.state import open_store

        return open_store(self.settings.state, environment=self.environment, read_only=read_only, create=create)

    def _accepted(self, names: Sequence[str]) -> frozenset[str]:
        from reconciler.planning import guards

        guards.check_limits(self.settings.guards)
        for name in names:
            if name not in guards.DEFAULTS:
                near = difflib.get_close_matches(name, guards.DEFAULTS, n=1)
                meant = f"; did you mean {near[0]!r}?" if near else ""
                raise UsageError(f"there is no guard {name!r}{meant}", hint=f"guards are {', '.join(guards.DEFAULTS)}")
        return frozenset(names)


def _refused(found: Sequence[Diagnostic]) -> InvalidInput:
    errors = tuple(diagnostic for diagnostic in found if diagnostic.is_error)
    count = len(errors)
    return InvalidInput(
        f"the manifests have {count} error{'s' if count > 1 else ''}; nothing was planned", diagnostics=errors
    )


def _made(fleet: Fleet, known: KnownView, context: PlanContext, selectors: Sequence[Selector]) -> Plan:
    from reconciler.fleetplan import plan_fleet, plan_selected

    if selectors:
        return plan_selected(fleet.selected(selectors), known, context)
    return plan_fleet(fleet, known, context)


def read_plan_file(path: str) -> tuple[Plan, str]:
    """The plan in a file (``-`` is standard input) and its text. Raises `InvalidInput` or `StalePlan`."""
    from reconciler.planfile import read_plan

    name = "standard input" if path == "-" else path
    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        text = data.decode("utf-8")
    except OSError as error:
        raise InvalidInput(
            f"{name} can't be read: {error.strerror}", hint="name a file that `plan --out` wrote"
        ) from None
    except UnicodeDecodeError:
        raise InvalidInput(
            f"{name} isn't a plan: it isn't UTF-8 text", hint="name a file that `plan --out` wrote"
        ) from None
    return read_plan(text, name=name), text


def looks_like_plan(path: str) -> bool:
    """True if a file was meant to be a plan file, whether or not it is a good one.

    So is a pipe: manifests don't come from one, and looking into it would empty it.
    """
    try:
        if Path(path).is_fifo():
            return True
        if not Path(path).is_file():
            return False
        with Path(path).open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    begins = head.removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"{"
    return begins and any(mark in head for mark in (b'"reconciler.plan/', b'"plan_id"', b'"steps_digest"'))


def _revision() -> str | None:
    from reconciler.checkout import revision

    try:
        return revision(Path.cwd())
    except OSError:
        # The working folder may have been deleted meanwhile.
        return None
