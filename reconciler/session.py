"""The library's front door: manifests and known state in, a plan out, and the store behind both.

A `Session` is one command's view of one environment. It knows no screen; whatever goes wrong is raised as a
`reconciler.errors.ReconcilerError`.
"""

from __future__ import annotations

import codecs
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from reconciler.errors import InvalidInput, UsageError
from reconciler.instants import minute_of
from reconciler.reading import Reading, with_fleet

if TYPE_CHECKING:
    from reconciler.diagnostics import Diagnostic
    from reconciler.manifests.desired import Desired
    from reconciler.manifests.fleet import Fleet
    from reconciler.manifests.selecting import Selector
    from reconciler.manifests.shards import Shard
    from reconciler.model import DeclaredAccount, KnownView
    from reconciler.plan import Plan
    from reconciler.planning import PlanContext
    from reconciler.settings import EnvironmentSettings
    from reconciler.shardfile import PlanShard
    from reconciler.state.store import Store

Clock = Callable[[], datetime]
_Result = TypeVar("_Result")

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


class _Sound(NamedTuple):
    """Manifests without errors, and what to plan with."""

    fleet: Fleet
    context: PlanContext
    selectors: Sequence[Selector]
    warnings: tuple[Diagnostic, ...]


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
        from reconciler.planfile import seal

        def planned(sound: _Sound) -> Planned:
            plan = seal(_made(sound.fleet, self.known(), sound.context, sound.selectors))
            return Planned(plan, sound.warnings, tuple(sound.fleet.outlines()) if outlines else ())

        return self._planned(planned, at, select, accept)

    def plan_shard(
        self, shard: Shard, *, at: datetime, select: Sequence[str] = ()
    ) -> tuple[PlanShard, tuple[Diagnostic, ...]]:
        """Plan one shard of the accounts, as `plan` would; and what its manifests are only warned about."""
        from reconciler.shardplan import plan_shard

        def planned(sound: _Sound) -> tuple[PlanShard, tuple[Diagnostic, ...]]:
            made = plan_shard(sound.fleet, self.known(), sound.context, sound.selectors, shard)
            return made, sound.warnings

        return self._planned(planned, at, select, (), shard)

    def _planned(
        self,
        plan: Callable[[_Sound], _Result],
        at: datetime | None,
        select: Sequence[str],
        accept: Sequence[str],
        shard: Shard | None = None,
    ) -> _Result:
        """What ``plan`` makes of the manifests, unless they have errors."""
        from reconciler.manifests.selecting import parse_selector
        from reconciler.planning import guards

        guards.check_limits(self.settings.guards)
        accepted = accepted_guards(accept)
        selectors = [parse_selector(text) for text in select]
        now = self.clock()
        moment = at if at is not None else now

        def planned(fleet: Fleet) -> _Result:
            found = fleet.diagnostics(minute_of(moment))
            if any(diagnostic.is_error for diagnostic in found):
                fleet.cache.save()  # what was read needn't be read again
                raise _refused(found)
            return plan(_Sound(fleet, self._context(moment, now, accepted, tuple(select)), selectors, found))

        return with_fleet(self.settings.manifests, self.reading, planned, shard=shard)

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


def accepted_guards(names: Sequence[str]) -> frozenset[str]:
    """The guards that ``names`` accept. Raises `UsageError` for one that doesn't exist."""
    from reconciler.planning import guards

    for name in names:
        if name not in guards.DEFAULTS:
            import difflib

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

    name, text = _text_of(path, what="a plan", hint="name a file that `plan --out` wrote")
    return read_plan(text, name=name), text


def merged_plan(paths: Sequence[str], accept: Sequence[str]) -> tuple[Plan, list[Diagnostic]]:
    """The sealed plan of the shards in some files, and what it is only warned about.

    ``accept`` names guards that may be exceeded. Raises `InvalidInput`, `StalePlan` or `UsageError`.
    """
    from reconciler.shardfile import read_shard
    from reconciler.shardplan import merge_shards

    accepted = accepted_guards(accept)
    shards = []
    for path in paths:
        name, text = _text_of(path, what="a shard of a plan", hint="name files that `plan --shard I/N --out` wrote")
        shards.append((name, read_shard(text, name=name)))
    return merge_shards(shards, accepted)


def _text_of(path: str, *, what: str, hint: str) -> tuple[str, str]:
    """The name of a file (``-`` is standard input) for people, and its text. Raises `InvalidInput`."""
    name = "standard input" if path == "-" else path
    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        return name, data.decode("utf-8")
    except OSError as error:
        raise InvalidInput(f"{name} can't be read: {error.strerror}", hint=hint) from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{name} isn't {what}: it isn't UTF-8 text", hint=hint) from None


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
    return begins and any(
        mark in head for mark in (b'"reconciler.plan/', b'"reconciler.plan-shard/', b'"plan_id"', b'"steps_digest"')
    )


def _revision() -> str | None:
    from reconciler.checkout import revision

    try:
        return revision(Path.cwd())
    except OSError:
        # The working folder may have been deleted meanwhile.
        return None
