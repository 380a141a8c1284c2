"""Declared and known things in a few words, and plans as the words of the rules.

Ids are made from names: ``want("a")`` declares the product_id of "a", ``have("a")`` is known by both ids
of "a". Times are ``2026-12-01`` (midnight UTC) or a full text. A plan is read back with `told`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from reconciler import canonical
from reconciler.instants import Minute, Moment, parse_declared, parse_known
from reconciler.model import (
    UNKNOWN,
    DeclaredAccount,
    DeclaredProduct,
    Doubt,
    KnownAccount,
    KnownHead,
    KnownProduct,
    KnownView,
    Source,
    Unknown,
    product_order,
)
from reconciler.plan import Finding, Plan, Step
from reconciler.planning import PlanContext, make_plan

#: When every plan here is made, unless it says otherwise.
NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
NOW_TEXT = "2026-11-24 10:00 +0000"

HOST = "https://payway-api.stage.adeprimo.se"
CONTEXT = PlanContext("stage", HOST, NOW)

ACCOUNT, PRODUCT, USER_PRODUCT = "00", "11", "22"

#: The body fields that say what an update does, in the order of the rules.
UPDATE_FIELDS = ("subscription_type", "state", "valid_from", "valid_to")


def made_id(kind: str, name: str) -> str:
    """24 hexadecimal digits that hold ``name``; ids of names of one length sort as the names do."""
    return kind + name.encode("ascii").hex().ljust(22, "0")


def account_id(name: str) -> str:
    return made_id(ACCOUNT, name)


def product_id(name: str) -> str:
    return made_id(PRODUCT, name)


def user_product_id(name: str) -> str:
    return made_id(USER_PRODUCT, name)


def name_of(made: str | None) -> str:
    """The name that an id was made from."""
    return "-" if made is None else bytes.fromhex(made[2:]).rstrip(b"\0").decode("ascii")


def minute(text: str) -> Minute:
    return parse_known(text if " " in text or "T" in text else f"{text}T00:00Z")


def moment(text: str) -> Moment:
    return parse_declared(text if " " in text or "T" in text else f"{text} 00:00 +0000")


def at(time: str) -> datetime:
    """A moment of the day that plans are made on, from its time to the second."""
    return datetime.fromisoformat(f"2026-11-24T{time}+00:00")


def _id(make: Callable[[str], str], name: str | None) -> str | None:
    return None if name is None else make(name)


def _moment(text: str | None) -> Moment | None:
    return None if text is None else moment(text)


def _minute(text: str | Unknown | None) -> Minute | Unknown | None:
    return minute(text) if isinstance(text, str) else text


def want(
    product: str | None = None,
    *,
    user: str | None = None,
    state: str | None = None,
    type: str | None = None,
    frm: str | None = None,
    to: str | None = None,
    number: str | None = None,
    protect: bool = False,
    line: int = 1,
    fields: Mapping[str, int] | None = None,
) -> DeclaredProduct:
    """A declared product: ``product`` and ``user`` are the names behind its two ids."""
    return DeclaredProduct(
        source=Source("manifests/a.yaml", line, dict(fields or {})),
        product_id=_id(product_id, product),
        user_product_id=_id(user_product_id, user),
        state=state,
        subscription_type=type,
        valid_from=_moment(frm),
        valid_to=_moment(to),
        subscription_number=number,
        protect=protect,
    )


def have(
    product: str | None = None,
    *,
    user: str | None = "",
    state: str | Unknown | None = UNKNOWN,
    type: str | Unknown | None = UNKNOWN,
    frm: str | Unknown | None = UNKNOWN,
    to: str | Unknown | None = UNKNOWN,
    number: str | Unknown | None = UNKNOWN,
    service: str | Unknown | None = UNKNOWN,
) -> KnownProduct:
    """A known product. Its user_product_id is named like its product_id unless ``user`` says otherwise."""
    return KnownProduct(
        product_id=_id(product_id, product),
        user_product_id=_id(user_product_id, product if user == "" else user),
        state=state,
        subscription_type=type,
        valid_from=_minute(frm),
        valid_to=_minute(to),
        subscription_number=number,
        provision_service=service,
    )


def wants(
    name: str,
    *products: DeclaredProduct,
    customer: str | None = None,
    sync: Mapping[str, str] | None = None,
    owner: str | None = None,
    labels: Mapping[str, str] | None = None,
    line: int = 1,
    fields: Mapping[str, int] | None = None,
) -> DeclaredAccount:
    """A declared account."""
    return DeclaredAccount(
        account_id=account_id(name),
        source=Source(f"manifests/{name}.yaml", line, dict(fields or {})),
        customer_number=customer,
        owner=owner,
        labels=dict(labels or {}),
        sync=dict(sync or {}),
        user_products=products,
    )


def has(
    name: str,
    *products: KnownProduct,
    customer: str | Unknown | None = UNKNOWN,
    synced: Mapping[str, str] | None = None,
    observed_at: str | None = None,
    doubts: Iterable[Doubt] = (),
) -> KnownAccount:
    """A known account."""
    return KnownAccount(
        account_id=account_id(name),
        customer_number=customer,
        synced=dict(synced or {}),
        user_products=tuple(sorted(products, key=product_order)),
        observed_at=observed_at,
        doubts=tuple(doubts),
    )


def doubt(action: str, product: str | None = None, *, user: str | None = "") -> Doubt:
    """A call for a product whose outcome isn't known."""
    named = product if user == "" else user
    return Doubt(action, _id(product_id, product), _id(user_product_id, named), run="run-1", step=1)


def view(accounts: Iterable[KnownAccount], *, head: KnownHead | None = None) -> KnownView:
    """Known state as the planner reads it."""
    ordered = sorted(accounts, key=lambda account: account.account_id)
    owners = {
        product.user_product_id: account.account_id
        for account in reversed(ordered)
        for product in account.user_products
        if product.user_product_id is not None
    }
    return KnownView(head or KnownHead("stage", "f" * 32, 12), lambda: iter(ordered), owners.get)


def plan(
    declared: Iterable[DeclaredProduct | DeclaredAccount] = (),
    known: Iterable[KnownProduct | KnownAccount] = (),
    *,
    context: PlanContext = CONTEXT,
    head: KnownHead | None = None,
    **settings: object,
) -> Plan:
    """A plan. Bare products stand on account "x"; ``settings`` replace fields of the context."""
    accounts = _gathered(declared, DeclaredProduct, lambda products: wants("x", *products))
    knowns = _gathered(known, KnownProduct, lambda products: has("x", *products))
    ordered = sorted(accounts, key=lambda account: account.account_id)
    digest = canonical.digest([account.to_json() for account in ordered])
    if "now" in settings:
        settings["as_of"] = settings.pop("now")
    return make_plan(ordered, view(knowns, head=head), replace(context, **settings), manifests_digest=digest)


def _gathered(items, kind, gather):
    items = list(items)
    bare = [item for item in items if isinstance(item, kind)]
    return [item for item in items if not isinstance(item, kind)] + ([gather(bare)] if bare else [])


# --- Reading a plan ---


def step_text(step: Step) -> str:
    """``update b: state valid_to`` (what its body holds beyond the ids), ``reactivate b``, ``sync_address``."""
    if step.action == "update":
        sent = [name for name in step.request.body if name in UPDATE_FIELDS]
        return f"update {label(step)}: {' '.join(sent)}".rstrip()
    return f"{step.action} {label(step)}".removesuffix(" -")


def label(item: Step | Finding) -> str:
    """The name of the product that a step or finding is about, ``-`` for the account."""
    return name_of(item.product_id if item.product_id is not None else item.user_product_id)


def finding_text(finding: Finding) -> str:
    """``not-payway-provisioned b``; a deferral names its call too: ``needs-user-product-id b reactivate``."""
    action = "" if finding.action is None else f" {finding.action}"
    return f"{finding.rule} {label(finding)}".removesuffix(" -") + action


@dataclass(frozen=True, slots=True)
class Told:
    """A plan in words: what a row of a table in the rules says."""

    steps: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    deferred: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    unmanaged: tuple[str, ...] = ()


def told(plan: Plan) -> Told:
    """``plan`` in words; findings in their order."""
    return Told(
        steps=tuple(step_text(step) for step in plan.steps),
        blocked=tuple(finding_text(finding) for finding in plan.blocked),
        deferred=tuple(finding_text(finding) for finding in plan.deferred),
        warnings=tuple(finding_text(finding) for finding in plan.warnings),
        unmanaged=tuple(name_of(u.user_product_id or u.product_id) for u in plan.unmanaged),
    )


def impacts(plan: Plan) -> list[str]:
    return [step.impact for step in plan.steps]


def only_step(plan: Plan) -> Step:
    [step] = plan.steps
    return step
