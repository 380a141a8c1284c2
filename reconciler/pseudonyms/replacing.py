"""Plans, reports and findings with stand-ins in them, made before anything is rendered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from reconciler.canonical import Json
from reconciler.diagnostics import Diagnostic, Position
from reconciler.model import Source
from reconciler.plan import AccountPlan, FieldChange, Finding, Plan, ProductAccess, Request, Step, Unmanaged
from reconciler.pseudonyms.stand_ins import Pseudonyms
from reconciler.render import Invocation

#: Fields with words of ours, times or numbers of steps: nothing in them comes from a reader.
PLAIN_FIELDS: Final = frozenset(
    {"state", "subscription_type", "valid_from", "valid_to", "action", "status", "at", "field", "line", "number"}
)

#: Fields of a body, a change or a report whose values name a reader.
READER_FIELDS: Final = frozenset(
    {"account_id", "user_product_id", "customer_number", "subscription_number", "answered_id"}
)


def of_plan(plan: Plan, names: Pseudonyms) -> Plan:
    """``plan`` with stand-ins for all that names a reader, and for its digests; nobody can apply it."""
    _learn(plan, names)
    manifests = replace(
        plan.manifests,
        digest=names.digest(plan.manifests.digest),
        select=tuple(map(names.text, plan.manifests.select)),
    )
    return replace(
        plan,
        manifests=manifests,
        accounts=tuple(_account(account, names) for account in plan.accounts),
        steps=tuple(_step(step, names) for step in plan.steps),
        deferred=tuple(_finding(finding, names) for finding in plan.deferred),
        blocked=tuple(_finding(finding, names) for finding in plan.blocked),
        unmanaged=tuple(
            Unmanaged(names.value(one.account_id), names.product_id(one.product_id), names.maybe(one.user_product_id))
            for one in plan.unmanaged
        ),
        warnings=tuple(_finding(finding, names) for finding in plan.warnings),
        refusals=tuple(replace(refusal, message=names.text(refusal.message)) for refusal in plan.refusals),
        plan_id=names.digest(plan.plan_id),
        steps_digest=names.digest(plan.steps_digest),
        stand_ins=True,
    )


def of_report(report: Mapping[str, Json], plan: Plan, names: Pseudonyms) -> dict[str, Json]:
    """A run's report in its JSON form with stand-ins; ``plan`` is the run's own, which holds what messages may name."""
    _learn(plan, names)
    steps = report["steps"]
    assert isinstance(steps, list)
    names.learn(
        value
        for step in steps
        if isinstance(step, dict)
        for name, value in step.items()
        if name in READER_FIELDS and isinstance(value, str)
    )
    return {
        **report,
        "plan_id": names.digest(str(report["plan_id"])),
        "steps": [_reported(step, names) if isinstance(step, dict) else step for step in steps],
    }


def of_diagnostics(diagnostics: Iterable[Diagnostic], names: Pseudonyms) -> Iterator[Diagnostic]:
    """Findings about manifests with stand-ins; the values must have been learned from the manifests."""
    for one in diagnostics:
        yield replace(
            one,
            message=names.text(one.message),
            hint=None if one.hint is None else names.text(one.hint),
            position=_position(one.position, names),
            related=None if one.related is None else _position(one.related, names),
        )


def of_invocation(invocation: Invocation, names: Pseudonyms) -> Invocation:
    """What was typed, with stand-ins in paths and options."""
    return Invocation(
        saved_as=None if invocation.saved_as is None else names.text(invocation.saved_as),
        paths=tuple(map(names.text, invocation.paths)),
        options=tuple(map(names.text, invocation.options)),
    )


def _learn(plan: Plan, names: Pseudonyms) -> None:
    """All that names a reader in a plan, and what is the catalogue's."""
    for account in plan.accounts:
        names.learn((account.account_id, account.customer_number))
        names.learn(product.user_product_id for product in account.user_products)
        names.keep(product.product_id for product in account.user_products)
    for step in plan.steps:
        names.learn((step.account_id, step.user_product_id, step.customer_number))
        names.learn(value for name, value in step.request.body.items() if name in READER_FIELDS)
        for change in step.changes:
            if change.field in READER_FIELDS:
                names.learn((change.before, change.after))
        names.keep((step.product_id,))
    for finding in (*plan.deferred, *plan.blocked, *plan.warnings):
        names.learn((finding.account_id, finding.user_product_id))
        names.keep((finding.product_id,))
    for one in plan.unmanaged:
        names.learn((one.account_id, one.user_product_id))
        names.keep((one.product_id,))


def _account(account: AccountPlan, names: Pseudonyms) -> AccountPlan:
    return AccountPlan(
        account_id=names.value(account.account_id),
        customer_number=names.maybe(account.customer_number),
        owner=None if account.owner is None else names.text(account.owner),
        labels={names.text(name): names.text(value) for name, value in account.labels.items()},
        user_products=tuple(
            ProductAccess(
                names.product_id(product.product_id),
                names.maybe(product.user_product_id),
                product.before,
                product.after,
            )
            for product in account.user_products
        ),
    )


def _step(step: Step, names: Pseudonyms) -> Step:
    body = {name: _field(name, value, names) for name, value in step.request.body.items()}
    return replace(
        step,
        account_id=names.value(step.account_id),
        product_id=names.product_id(step.product_id),
        user_product_id=names.maybe(step.user_product_id),
        customer_number=names.maybe(step.customer_number),
        request=Request(step.request.method, step.request.path, body),
        changes=tuple(_change(change, names) for change in step.changes),
        reason=names.text(step.reason),
        source=_source(step.source, names),
        known=names.digest(step.known),
    )


def _change(change: FieldChange, names: Pseudonyms) -> FieldChange:
    before = change.before and _field(change.field, change.before, names)
    return FieldChange(change.field, before, _field(change.field, change.after, names))


def _field(name: str, value: str, names: Pseudonyms) -> str:
    if name in READER_FIELDS:
        return names.value(value) if value else value
    if name == "product_id":
        return names.product_id(value) or value
    return value if name in PLAIN_FIELDS else names.text(value)


def _finding(finding: Finding, names: Pseudonyms) -> Finding:
    return replace(
        finding,
        message=names.text(finding.message),
        account_id=names.value(finding.account_id),
        product_id=names.product_id(finding.product_id),
        user_product_id=names.maybe(finding.user_product_id),
        source=_source(finding.source, names),
    )


def _source(source: Source, names: Pseudonyms) -> Source:
    return replace(source, file=names.text(source.file))


def _position(position: Position, names: Pseudonyms) -> Position:
    return replace(position, file=names.text(position.file))


def _reported(step: Mapping[str, Json], names: Pseudonyms) -> dict[str, Json]:
    def told(name: str, value: Json) -> Json:
        if isinstance(value, dict):
            return {key: told(key, below) for key, below in value.items()}
        return _field(name, value, names) if isinstance(value, str) else value

    return {name: told(name, value) for name, value in step.items()}
