"""What comes of single accounts of a fleet, in whichever process: plain values in, verdicts to be kept out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from reconciler import canonical
from reconciler.canonical import Json
from reconciler.errors import ReconcilerError
from reconciler.instants import Minute, minute_of
from reconciler.manifests.cache import Compared
from reconciler.manifests.facts import Row, wanted_from
from reconciler.manifests.files import ManifestFile
from reconciler.manifests.rebuilding import account_at
from reconciler.manifests.settled import Settled
from reconciler.model import DeclaredAccount, KnownAccount, KnownHead, KnownRecord, KnownView
from reconciler.plan import Unmanaged
from reconciler.planning.accounts import outcome_of, plan_account
from reconciler.planning.context import PlanContext
from reconciler.planning.outcomes import outcome_json
from reconciler.planning.quiet import left_over
from reconciler.state.accounts import decoded

#: An `until` that no clock reaches.
_NEVER: Final = 1 << 60
_NOTHING: Final = (None, None)
_NOT_AT_ALL: Final = (None, 0)
#: What reading a document raises that isn't as it should be.
UNREADABLE: Final = (ValueError, LookupError, TypeError, AttributeError, AssertionError)


class Asked(NamedTuple):
    """An account that the planner is asked about: where it is declared, and what is known of it.

    ``owners`` are the accounts on which its other user products are known, by their ids.
    """

    file: ManifestFile
    row: Row
    record: KnownRecord | None
    owners: Mapping[str, str | None]


def quiet_verdict(facts: Compared, record: KnownRecord) -> Settled | None:
    """The verdict that facts alone allow: nothing is due, at any time. ``None``: the planner has to be asked."""
    try:
        found = left_over(facts.wanted, record.document)
    except UNREADABLE:
        return None  # the store says what is wrong with what it holds
    if found is None:
        return None
    rest, held = found
    left = canonical.dumps([[each.get("product_id"), each.get("user_product_id")] for each in rest]) if rest else None
    return Settled(facts.account_id, True, record.digest, record.observed_at, None, None, facts.products, held, left)


def stranger_verdict(record: KnownRecord) -> Settled:
    """The verdict on an account that no manifest names. Raises one of `UNREADABLE` if it can't be read."""
    products = json.loads(record.document)["user_products"]
    rest = [[product.get("product_id"), product.get("user_product_id")] for product in products] or [[None, None]]
    return Settled(record.account_id, False, *_seen(record), None, None, 0, len(products), canonical.dumps(rest))


def elsewhere(facts: Compared, record: KnownRecord | None) -> set[str]:
    """The user products that are declared of an account and aren't known of it."""
    try:
        held = json.loads(record.document)["user_products"] if record is not None else ()
        known = {product.get("user_product_id") for product in held}
    except UNREADABLE:
        return set()  # whoever plans it says so
    _, products = wanted_from(facts.wanted)
    return {product["user_product_id"] for product in products if "user_product_id" in product} - known


def asked_of(context: PlanContext, asked: Sequence[Asked]) -> list[Settled | None]:
    """The planner's verdicts; ``None`` where something is wrong, which whoever asks can tell."""
    return [_asked(context, each) for each in asked]


def _asked(context: PlanContext, asked: Asked) -> Settled | None:
    record = asked.record
    if asked.file.path is None:
        return None  # only the process that was given it has it
    try:
        account = account_at(asked.file, asked.row)
        known = decoded(record.document, record.observed_at) if record is not None else None
        view = KnownView(KnownHead(context.environment), lambda: iter(()), asked.owners.__getitem__)
        return planned_verdict(account, known, record, view, context)
    except (ReconcilerError, *UNREADABLE):
        return None


def planned_verdict(
    account: DeclaredAccount,
    known: KnownAccount | None,
    record: KnownRecord | None,
    view: KnownView,
    context: PlanContext,
) -> Settled:
    """The planner's verdict; ``record`` is what ``known`` was read from."""
    outcome = outcome_of(plan_account(account, known, view, context))
    span = _span(account, known, minute_of(context.as_of))
    head = (account.account_id, True, *_seen(record), *span)
    if outcome.quiet and span != _NOT_AT_ALL:
        return Settled(*head, outcome.products, outcome.held, _rest_text(outcome.unmanaged))
    return Settled(*head, 0, 0, None, canonical.dumps(outcome_json(outcome)))


def _span(declared: DeclaredAccount, known: KnownAccount | None, now: Minute) -> tuple[Minute | None, Minute | None]:
    """The moments between which the planner says the same: no end of a window lies between them."""
    held = known.user_products if known is not None else ()
    own = {product.user_product_id for product in held}
    if any(p.user_product_id is not None and p.user_product_id not in own for p in declared.user_products):
        return _NOT_AT_ALL  # it may be known on another account, now or later
    ends = [end for product in held for end in (product.valid_from, product.valid_to) if isinstance(end, int)]
    for product in declared.user_products:
        ends += [end.minute for end in (product.valid_from, product.valid_to) if end is not None]
    since = max((end for end in ends if end <= now), default=0)
    until = min((end for end in ends if end > now), default=_NEVER)
    return since, until


def _rest_text(rest: Iterable[Unmanaged]) -> str | None:
    ids: list[Json] = [[each.product_id, each.user_product_id] for each in rest]
    return canonical.dumps(ids) if ids else None


def _seen(record: KnownRecord | None) -> tuple[str | None, str | None]:
    return _NOTHING if record is None else (record.digest, record.observed_at)
