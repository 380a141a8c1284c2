"""A plan made in shards, by jobs that know nothing of each other, and put together to the plan that one would make."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from reconciler.errors import InvalidInput, StalePlan
from reconciler.fleetplan import tally_fleet, tally_selected
from reconciler.manifests.claims import claims_of, clashes
from reconciler.manifests.fleetdigest import digest_of_buckets
from reconciler.model import KnownAccount, KnownRecord, KnownView
from reconciler.planfile import check_requests, seal
from reconciler.planning.guards import check_limits
from reconciler.planning.tally import Tally
from reconciler.shardfile import PlanShard

if TYPE_CHECKING:
    from reconciler.diagnostics import Diagnostic
    from reconciler.manifests.fleet import Fleet
    from reconciler.manifests.selecting import Selector
    from reconciler.manifests.shards import Shard
    from reconciler.plan import Plan
    from reconciler.planning.context import PlanContext

#: What all shards of a plan have in common: how people call it, where it is in the context.
_COMMON: Final = (
    ("environment", "environment"),
    ("host", "host"),
    ("moment (--at)", "as_of"),
    ("expiry (max_plan_age)", "max_plan_age"),
    ("max_age", "max_known_age"),
    ("provision_service", "provision_service"),
    ("guards", "limits"),
    ("commit", "revision"),
    ("--select", "select"),
)


def plan_shard(
    fleet: Fleet, known: KnownView, context: PlanContext, selectors: Sequence[Selector], shard: Shard
) -> PlanShard:
    """Plan the accounts of ``shard``; ``fleet`` holds no others.

    Raises as `reconciler.fleetplan.plan_fleet` does.
    """
    claims = claims_of(fleet)
    if selectors:
        tally, digest = tally_selected(fleet.selected(selectors), known, context)
    else:
        tally, digest = tally_fleet(fleet, _narrowed(known, shard), context)
    return PlanShard(shard, known.head, tally, digest.buckets(), claims)


def _narrowed(known: KnownView, shard: Shard) -> KnownView:
    """Known state with the accounts of one shard alone; whose a user product is, is known of all."""

    def accounts() -> Iterator[KnownAccount]:
        return (account for account in known.accounts() if shard.takes(account.account_id))

    def texts() -> Iterator[KnownRecord]:
        return (record for record in known.records() if shard.takes(record.account_id))

    return replace(known, accounts=accounts, texts=texts, find=known.account)


def merge_shards(shards: Sequence[tuple[str, PlanShard]], accepted: frozenset[str]) -> tuple[Plan, list[Diagnostic]]:
    """The sealed plan of all shards, each with the name of its file, and what is to be warned about.

    Raises `InvalidInput` if a shard is missing or two of them declare what only one place may hold, `StalePlan` if they
    weren't made for the same plan.
    """
    _check_complete(shards)
    _check_same(shards)
    parts = [shard for _, shard in shards]
    found = sorted(clashes([part.claims for part in parts]), key=lambda finding: (finding.position, finding.rule))
    errors = [finding for finding in found if finding.is_error]
    if errors:
        raise InvalidInput(
            "the shards declare twice what only one place may hold; nothing was planned", diagnostics=errors
        )
    check_limits(parts[0].context.limits)
    what_if = any(part.context.what_if for part in parts)
    tally = Tally(replace(parts[0].context, accepted=accepted, what_if=what_if))
    tally.add_parts([part.tally for part in parts])
    buckets = {number: digest for part in parts for number, digest in part.buckets.items()}
    plan = seal(tally.plan(parts[0].known, digest_of_buckets(buckets)))
    check_requests(plan, name="one of the shards")
    return plan, found


def _check_complete(shards: Sequence[tuple[str, PlanShard]]) -> None:
    seen: dict[int, str] = {}
    of = shards[0][1].shard.of
    for name, part in shards:
        if part.shard.of != of:
            raise StalePlan(
                f"{name} is shard {part.shard}, but {shards[0][0]} is shard {shards[0][1].shard}",
                hint="give the shards of one plan",
            )
        if part.shard.number in seen:
            raise InvalidInput(
                f"{name} and {seen[part.shard.number]} are both shard {part.shard}", hint="give each shard once"
            )
        seen[part.shard.number] = name
    missing = [f"{number}/{of}" for number in range(1, of + 1) if number not in seen]
    if missing:
        listed = ", ".join(missing[:10]) + (f" and {len(missing) - 10} more" if len(missing) > 10 else "")
        raise InvalidInput(
            f"the shard{'s' if len(missing) > 1 else ''} {listed} {'are' if len(missing) > 1 else 'is'} missing",
            hint="a plan needs all of them: see why those jobs failed",
        )


def _check_same(shards: Sequence[tuple[str, PlanShard]]) -> None:
    (first, one), *rest = shards
    for name, other in rest:
        different = [label for label, field in _COMMON if getattr(one.context, field) != getattr(other.context, field)]
        known = [
            label
            for label in ("lineage", "serial", "observed_at")
            if getattr(one.known, label) != getattr(other.known, label)
        ]
        if "moment (--at)" in different:
            different.remove("expiry (max_plan_age)") if "expiry (max_plan_age)" in different else None
        if different or known:
            said = [*different, *(f"known state ({label})" for label in known)]
            raise StalePlan(
                f"{first} and {name} weren't made for the same plan: their {', '.join(said)} differ",
                hint=_how_to_agree(different, known),
            )


def _how_to_agree(different: Sequence[str], known: Sequence[str]) -> str:
    if "moment (--at)" in different:
        return "give the same --at TIME to every job, such as the time at which the first one began"
    if known:
        return "known state changed in between: make all shards again, or let all read one snapshot"
    return "make all shards from one commit, with the same options and settings"
