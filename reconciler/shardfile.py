"""The file of one shard of a plan: all that has to be known of it to put the shards together.

It isn't a plan: nobody can apply, show or review it, since the guards are judged on all shards at once.
"""

from __future__ import annotations

import base64
import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from reconciler import canonical, jsonfiles
from reconciler.errors import InvalidInput, StalePlan
from reconciler.instants import BadTime, clock_text, parse_clock
from reconciler.manifests.claims import Claims
from reconciler.manifests.shards import Shard
from reconciler.model import KnownHead
from reconciler.plan import FORMAT, SHARD_FORMAT, STAND_IN_FORMAT, Unmanaged
from reconciler.planning.context import PlanContext
from reconciler.planning.outcomes import outcome_from_json, outcome_json
from reconciler.planning.tally import Tally

_LISTS: Final = ("outcomes", "unmanaged")
_AGAIN: Final = "make it again with `reconciler plan --shard`"


@dataclass(frozen=True, slots=True)
class PlanShard:
    """One shard of a plan: its accounts added up, the digests of its buckets, what its accounts claim."""

    shard: Shard
    known: KnownHead
    tally: Tally
    buckets: dict[int, bytes]
    claims: Claims

    @property
    def context(self) -> PlanContext:
        """What it was planned with."""
        return self.tally.context


def shard_lines(shard: PlanShard) -> Iterator[str]:
    """The file in pieces."""
    digest = jsonfiles.digest(_fields(shard, ""), _LISTS, but="shard_id")
    return jsonfiles.pieces(_fields(shard, digest), _LISTS)


def _fields(shard: PlanShard, shard_id: str) -> Iterator[tuple[str, Any]]:
    context, tally, known, claims = shard.context, shard.tally, shard.known, shard.claims
    yield "format", SHARD_FORMAT
    yield "shard_id", shard_id
    yield "shard", {"number": shard.shard.number, "of": shard.shard.of}
    yield "environment", context.environment
    yield "host", context.host
    yield "as_of", clock_text(context.as_of)
    yield "expires_at", clock_text(context.as_of + context.max_plan_age)
    age = context.max_known_age
    yield "stale_before", None if age is None else clock_text(context.as_of - age)
    yield "what_if", context.what_if
    yield "provision_service", context.provision_service
    yield "limits", dict(context.limits)
    yield (
        "manifests",
        {
            "revision": context.revision,
            "accounts": tally.accounts,
            "user_products": tally.declared_products,
            "unchanged": tally.unchanged,
            "select": list(context.select),
            "buckets": [shard.buckets[number].hex() for number in shard.shard.buckets],
        },
    )
    yield (
        "known_state",
        {
            "lineage": known.lineage,
            "serial": known.serial,
            "observed_at": known.observed_at,
            "oldest_observation": tally.oldest,
            "user_products": tally.known_products,
        },
    )
    columns = {name: _packed(getattr(claims, name)) for name in ("high", "low", "file", "line")}
    yield "claims", {"files": list(claims.files), **columns}
    yield "outcomes", map(outcome_json, tally.outcomes)
    yield "unmanaged", ([u.account_id, u.product_id, u.user_product_id] for u in tally.unmanaged)


def read_shard(text: str, *, name: str) -> PlanShard:
    """The shard in a file's text; ``name`` is what messages call it.

    Raises `InvalidInput` for a text that is no shard, `StalePlan` for one that was altered.
    """
    from reconciler.validation import schema_errors

    data = jsonfiles.parse(text, name, what="a shard of a plan", hint=_AGAIN)
    if data.get("format") in (FORMAT, STAND_IN_FORMAT):
        raise InvalidInput(
            f"{name} is a whole plan, not a shard of one", hint="give the files that `plan --shard I/N --out` wrote"
        )
    problems = schema_errors("plan-shard", data)
    if problems:
        raise InvalidInput(f"{name} isn't a shard of a plan of this program", details=problems, hint=_AGAIN)
    if canonical.digest({key: value for key, value in data.items() if key != "shard_id"}) != data["shard_id"]:
        raise StalePlan(f"{name} was altered: its content doesn't match its shard_id", hint=_AGAIN)
    try:
        return _shard(data)
    except (BadTime, ValueError) as error:
        raise InvalidInput(f"{name} isn't a shard of a plan of this program: {error}", hint=_AGAIN) from None


def _shard(data: dict[str, Any]) -> PlanShard:
    """A shard from its machine form, whose schema was checked before. Raises `ValueError` if it can't be one."""
    shard = Shard(data["shard"]["number"], data["shard"]["of"])
    manifests, known = data["manifests"], data["known_state"]
    as_of = parse_clock(data["as_of"])
    stale = data["stale_before"]
    context = PlanContext(
        environment=data["environment"],
        host=data["host"],
        as_of=as_of,
        what_if=data["what_if"],
        max_plan_age=parse_clock(data["expires_at"]) - as_of,
        max_known_age=None if stale is None else as_of - parse_clock(stale),
        provision_service=data["provision_service"],
        limits=data["limits"],
        revision=manifests["revision"],
        select=tuple(manifests["select"]),
    )
    tally = Tally(context)
    tally.accounts, tally.declared_products = manifests["accounts"], manifests["user_products"]
    tally.known_products, tally.unchanged = known["user_products"], manifests["unchanged"]
    tally.oldest = known["oldest_observation"]
    tally.outcomes = [outcome_from_json(outcome) for outcome in data["outcomes"]]
    tally.unmanaged = [Unmanaged(*ids) for ids in data["unmanaged"]]
    if shard.number > shard.of or len(manifests["buckets"]) != len(shard.buckets):
        raise ValueError("it has other buckets than its number says")
    _check_accounts(shard, tally)
    buckets = dict(zip(shard.buckets, map(bytes.fromhex, manifests["buckets"]), strict=True))
    head = KnownHead(data["environment"], known["lineage"], known["serial"], known["observed_at"])
    return PlanShard(shard, head, tally, buckets, _claims(data["claims"]))


def _check_accounts(shard: Shard, tally: Tally) -> None:
    ordered = pairwise(outcome.account.account_id for outcome in tally.outcomes)
    if any(one >= other for one, other in ordered):
        raise ValueError("its accounts don't stand in their order")
    for outcome in tally.outcomes:
        account_id = outcome.account.account_id
        about = {step.account_id for step in outcome.steps}
        about |= {each.account_id for each in (*outcome.deferred, *outcome.blocked, *outcome.warnings)}
        if not shard.takes(account_id) or about > {account_id}:
            raise ValueError(f"the account {account_id} doesn't belong to it")
    if not all(shard.takes(each.account_id) for each in tally.unmanaged):
        raise ValueError("it lists unmanaged accounts that don't belong to it")


def _claims(data: dict[str, Any]) -> Claims:
    claims = Claims(
        tuple(data["files"]),
        _unpacked("Q", data["high"]),
        _unpacked("Q", data["low"]),
        _unpacked("I", data["file"]),
        _unpacked("I", data["line"]),
    )
    lengths = {len(column) for column in (claims.high, claims.low, claims.file, claims.line)}
    if len(lengths) != 1 or max(claims.file, default=-1) >= len(claims.files):
        raise ValueError("its claims aren't complete")
    return claims


def _packed(column: array[int]) -> str:
    """Numbers as text: little-endian, in base64."""
    return base64.b64encode(_little(column).tobytes()).decode("ascii")


def _unpacked(kind: str, text: str) -> array[int]:
    column = array(kind)
    column.frombytes(base64.b64decode(text, validate=True))
    return _little(column)


def _little(column: array[int]) -> array[int]:
    """``column`` from or to little-endian."""
    if sys.byteorder == "big":
        column = array(column.typecode, column)
        column.byteswap()
    return column
