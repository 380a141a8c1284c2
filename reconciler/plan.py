"""The plan as pure data: steps in their order, what waits, what is blocked, what was noticed.

Nothing here knows a screen, a file or a clock. `reconciler.planfile` gives it bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from reconciler.canonical import Json
from reconciler.instants import Minute
from reconciler.model import Source

FORMAT: Final = "reconciler.plan/v1"

#: What a plan with stand-ins calls itself: it reads like one, but nobody can apply it.
STAND_IN_FORMAT: Final = "reconciler.pseudonymized-plan/v1"

#: What a part of a plan calls itself, made by one of several jobs.
SHARD_FORMAT: Final = "reconciler.plan-shard/v1"

#: What a step does to a reader's access, from best to worst.
IMPACTS: Final = ("grant", "extend", "neutral", "shorten", "revoke")

#: The impacts that take access away.
TAKING: Final = frozenset({"shorten", "revoke"})

#: Access from the first minute to before the second; ``None`` leaves that side open.
Window: TypeAlias = "tuple[Minute | None, Minute | None]"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One difference that a step claims. Times are instants in RFC 3339; an unknown ``before`` is ``None``."""

    field: str
    before: str | None
    after: str


@dataclass(frozen=True, slots=True)
class Request:
    """A call as it will be sent: ``path`` from the host's root, ``body`` in its order on the wire."""

    method: str
    path: str
    body: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Step:
    """One call of the plan, and why it is made.

    ``known`` is the digest of what was known of the account; ``not_after`` the minute from which the
    call can't work any more.
    """

    number: int
    action: str
    account_id: str
    product_id: str | None
    user_product_id: str | None
    customer_number: str | None
    request: Request
    changes: tuple[FieldChange, ...]
    impact: str
    reversible: bool
    not_after: Minute | None
    reason: str
    source: Source
    known: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a product (or an account, without ids) that makes no step: a block, a deferral or a warning.

    ``action`` is the call that waits, for a deferral.
    """

    rule: str
    message: str
    account_id: str
    product_id: str | None
    user_product_id: str | None
    source: Source
    action: str | None = None


@dataclass(frozen=True, slots=True)
class Unmanaged:
    """A product that is known but declared nowhere; both ids ``None`` for an account without known products."""

    account_id: str
    product_id: str | None
    user_product_id: str | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A guard over its limit. ``limit`` and ``found`` are texts such as ``10%`` or ``50``."""

    guard: str
    limit: str
    found: str
    accepted: bool
    message: str


@dataclass(frozen=True, slots=True)
class ProductAccess:
    """A product with steps, and its access before and after all of them.

    No window is no access; ``None`` stands for access that isn't known.
    """

    product_id: str | None
    user_product_id: str | None
    before: tuple[Window, ...] | None
    after: tuple[Window, ...] | None


@dataclass(frozen=True, slots=True)
class AccountPlan:
    """An account with steps, as readers of the plan know it."""

    account_id: str
    customer_number: str | None
    owner: str | None
    labels: Mapping[str, str]
    user_products: tuple[ProductAccess, ...]


@dataclass(frozen=True, slots=True)
class ManifestsInfo:
    """What the desired state was read from. ``digest`` covers the declarations, not the files they stand in."""

    digest: str
    revision: str | None
    accounts: int
    user_products: int
    select: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KnownInfo:
    """Which known state the plan was made from."""

    lineage: str | None
    serial: int | None
    oldest_observation: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole plan. ``as_of`` and ``expires_at`` are clock texts (UTC, seconds).

    With ``stand_ins``, it was made for sharing: ids, numbers and digests in it aren't the real ones.
    """

    environment: str
    host: str
    as_of: str
    expires_at: str
    what_if: bool
    manifests: ManifestsInfo
    known_state: KnownInfo
    summary: Mapping[str, Json]
    accounts: tuple[AccountPlan, ...] = ()
    steps: tuple[Step, ...] = ()
    deferred: tuple[Finding, ...] = ()
    blocked: tuple[Finding, ...] = ()
    unmanaged: tuple[Unmanaged, ...] = ()
    warnings: tuple[Finding, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    plan_id: str = ""
    steps_digest: str = ""
    stand_ins: bool = False

    @property
    def refused(self) -> tuple[Refusal, ...]:
        """The refusals that nobody accepted."""
        return tuple(refusal for refusal in self.refusals if not refusal.accepted)
