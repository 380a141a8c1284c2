"""The parts of a plan in their machine form (``schemas/plan.schema.json``), and back.

Whoever reads has had the form checked before.
"""

from __future__ import annotations

from typing import Any

from reconciler.canonical import Json
from reconciler.instants import Minute, instant_text, parse_known, short_text
from reconciler.model import Source
from reconciler.plan import AccountPlan, FieldChange, Finding, ProductAccess, Request, Step, Window


def step_json(step: Step) -> dict[str, Json]:
    """One step in its machine form."""
    return {
        "number": step.number,
        "action": step.action,
        "account_id": step.account_id,
        "product_id": step.product_id,
        "user_product_id": step.user_product_id,
        "customer_number": step.customer_number,
        "request": {"method": step.request.method, "path": step.request.path, "body": dict(step.request.body)},
        "changes": [{"field": c.field, "before": c.before, "after": c.after} for c in step.changes],
        "impact": step.impact,
        "reversible": step.reversible,
        "not_after": None if step.not_after is None else instant_text(step.not_after),
        "reason": step.reason,
        "source": step.source.to_json(),
        "known": step.known,
    }


def account_json(account: AccountPlan) -> Json:
    """An account with steps in its machine form."""
    return {
        "account_id": account.account_id,
        "customer_number": account.customer_number,
        "owner": account.owner,
        "labels": {name: account.labels[name] for name in sorted(account.labels)},
        "user_products": [
            {
                "product_id": product.product_id,
                "user_product_id": product.user_product_id,
                "access_before": _windows_json(product.before),
                "access_after": _windows_json(product.after),
            }
            for product in account.user_products
        ],
    }


def _windows_json(windows: tuple[Window, ...] | None) -> Json:
    if windows is None:
        return None
    return [[None if end is None else short_text(end) for end in window] for window in windows]


def finding_json(finding: Finding, *, with_action: bool = False) -> Json:
    """A finding in its machine form; only a deferral has an action."""
    data: dict[str, Json] = {
        "account_id": finding.account_id,
        "product_id": finding.product_id,
        "user_product_id": finding.user_product_id,
    }
    if with_action:
        data["action"] = finding.action
    data |= {"rule": finding.rule, "message": finding.message, "source": finding.source.to_json()}
    return data


def step_from_json(data: dict[str, Any]) -> Step:
    """The step behind `step_json`."""
    not_after = data["not_after"]
    return Step(
        number=data["number"],
        action=data["action"],
        account_id=data["account_id"],
        product_id=data["product_id"],
        user_product_id=data["user_product_id"],
        customer_number=data["customer_number"],
        request=Request(**data["request"]),
        changes=tuple([FieldChange(**change) for change in data["changes"]]),
        impact=data["impact"],
        reversible=data["reversible"],
        not_after=None if not_after is None else parse_known(not_after),
        reason=data["reason"],
        source=_source(data["source"]),
        known=data["known"],
    )


def finding_from_json(data: dict[str, Any]) -> Finding:
    """The finding behind `finding_json`."""
    return Finding(**{**data, "source": _source(data["source"])})


def _source(data: dict[str, Any]) -> Source:
    return Source(data["file"], data["line"], data.get("fields", {}))


def account_from_json(data: dict[str, Any]) -> AccountPlan:
    """The account behind `account_json`."""
    products = [
        ProductAccess(p["product_id"], p["user_product_id"], _windows(p["access_before"]), _windows(p["access_after"]))
        for p in data["user_products"]
    ]
    return AccountPlan(data["account_id"], data["customer_number"], data["owner"], data["labels"], tuple(products))


def _windows(data: list[list[str | None]] | None) -> tuple[Window, ...] | None:
    return None if data is None else tuple([(_end(start), _end(end)) for start, end in data])


def _end(text: str | None) -> Minute | None:
    return None if text is None else parse_known(text)
