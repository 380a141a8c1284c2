"""Plans as bytes: written one way, read back strictly, bound to their digests.

``plan_id`` covers the whole plan; ``steps_digest`` covers what would be done (environment, host, accepted
guards, and the steps' actions, requests and order), so two plans made at different moments that would do
the same have the same one. A digest proves nothing about who wrote a plan: every request is built again by
its operation and must come out equal.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

from reconciler import canonical
from reconciler.canonical import Json
from reconciler.errors import InvalidInput, StalePlan
from reconciler.instants import BadTime, instant_text, parse_clock, parse_known, short_text
from reconciler.model import Source
from reconciler.operations import BY_ACTION, NoSuchRequest
from reconciler.plan import (
    FORMAT,
    STAND_IN_FORMAT,
    AccountPlan,
    FieldChange,
    Finding,
    KnownInfo,
    ManifestsInfo,
    Plan,
    ProductAccess,
    Refusal,
    Request,
    Step,
    Unmanaged,
    Window,
)

#: The lists of a plan file; each of their items stands on a line of its own.
_LISTS: Final = ("accounts", "steps", "deferred", "blocked", "unmanaged", "warnings", "refusals")

_AGAIN: Final = "make the plan again with `reconciler plan`"


def seal(plan: Plan) -> Plan:
    """``plan`` with its two digests."""
    sealed = replace(plan, steps_digest=steps_digest(plan))
    return replace(sealed, plan_id=canonical.digest(_content(plan_json(sealed))))


def steps_digest(plan: Plan) -> str:
    """The digest of what the plan would do."""
    return canonical.digest(
        {
            "environment": plan.environment,
            "host": plan.host,
            "accepted": accepted_guards(plan),
            "steps": [[s.action, s.request.method, s.request.path, dict(s.request.body)] for s in plan.steps],
        }
    )


def accepted_guards(plan: Plan) -> list[Json]:
    """The guards that are exceeded and that somebody accepted."""
    return [*sorted(refusal.guard for refusal in plan.refusals if refusal.accepted)]


def plan_text(plan: Plan) -> str:
    """The plan file of a sealed plan."""
    return "".join(plan_lines(plan))


def plan_lines(plan: Plan) -> Iterator[str]:
    """The plan file in pieces: a line for each head field and each item of a list."""
    data = plan_json(plan)
    for number, (name, value) in enumerate(data.items()):
        yield "{" if number == 0 else ",\n "
        yield f'"{name}": '
        if name not in _LISTS or not value:
            yield canonical.dumps(value)
            continue
        assert isinstance(value, list)
        for index, item in enumerate(value):
            yield ("[\n  " if index == 0 else ",\n  ") + canonical.dumps(item)
        yield "]"
    yield "}\n"


def plan_json(plan: Plan) -> dict[str, Json]:
    """The plan in its machine form (``schemas/plan.schema.json``)."""
    return {
        "format": STAND_IN_FORMAT if plan.stand_ins else FORMAT,
        "plan_id": plan.plan_id,
        "steps_digest": plan.steps_digest,
        "environment": plan.environment,
        "host": plan.host,
        "as_of": plan.as_of,
        "expires_at": plan.expires_at,
        "what_if": plan.what_if,
        "manifests": {
            "digest": plan.manifests.digest,
            "revision": plan.manifests.revision,
            "accounts": plan.manifests.accounts,
            "user_products": plan.manifests.user_products,
            "select": list(plan.manifests.select),
        },
        "known_state": {
            "lineage": plan.known_state.lineage,
            "serial": plan.known_state.serial,
            "oldest_observation": plan.known_state.oldest_observation,
        },
        "summary": dict(plan.summary),
        "accounts": [account_json(account) for account in plan.accounts],
        "steps": [step_json(step) for step in plan.steps],
        "deferred": [finding_json(finding, with_action=True) for finding in plan.deferred],
        "blocked": [finding_json(finding) for finding in plan.blocked],
        "unmanaged": [
            {"account_id": u.account_id, "product_id": u.product_id, "user_product_id": u.user_product_id}
            for u in plan.unmanaged
        ],
        "warnings": [finding_json(finding) for finding in plan.warnings],
        "refusals": [
            {"guard": r.guard, "limit": r.limit, "found": r.found, "accepted": r.accepted, "message": r.message}
            for r in plan.refusals
        ],
    }


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


def read_plan(text: str, *, name: str) -> Plan:
    """The plan of a plan file; ``name`` is what messages call it.

    Raises `InvalidInput` for a text that is no plan, `StalePlan` for a plan that was altered or holds a
    request that no operation would make.
    """
    from reconciler.validation import schema_errors

    data = _parse(text, name)
    if data.get("format") == STAND_IN_FORMAT:
        raise StalePlan(
            f"{name} holds stand-ins for readers' ids (--pseudonymize): it was made to be read, and can't be used",
            hint="use the plan file that `plan --out` wrote, or make the plan again",
        )
    problems = schema_errors("plan", data)
    if problems:
        raise InvalidInput(f"{name} isn't a plan of this program", details=problems, hint=_AGAIN)
    if canonical.digest(_content(data)) != data["plan_id"]:
        raise StalePlan(f"{name} was altered: its content doesn't match its plan_id", hint=_AGAIN)
    try:
        plan = _plan(data)
        for text in (plan.as_of, plan.expires_at):
            # The schema's pattern allows days that no calendar has.
            parse_clock(text)
    except BadTime as error:
        raise InvalidInput(f"{name} isn't a plan of this program: {error}", hint=_AGAIN) from None
    if steps_digest(plan) != plan.steps_digest:
        raise StalePlan(f"{name} was altered: its steps don't match its steps_digest", hint=_AGAIN)
    wrong = list(_impossible(plan.steps))
    if wrong:
        raise StalePlan(f"{name} holds requests that no operation would make", details=wrong, hint=_AGAIN)
    return plan


def _impossible(steps: Iterable[Step]) -> Iterator[str]:
    """A line for each step that isn't what its operation and its place would make of it."""
    for place, step in enumerate(steps, start=1):
        if step.number != place:
            yield f"step {step.number} stands in place {place}"
        operation = BY_ACTION.get(step.action)
        if operation is None:
            yield f"step {step.number}: there is no action {step.action!r}"
            continue
        try:
            rebuilt = operation.request(step.request.body)
        except NoSuchRequest as error:
            yield f"step {step.number}: {error}"
            continue
        same = (rebuilt.method, rebuilt.path) == (step.request.method, step.request.path)
        if not same or list(rebuilt.body.items()) != list(step.request.body.items()):
            yield f"step {step.number}: {step.action} would be {rebuilt.method} {rebuilt.path} with another body"
        for key in ("account_id", "product_id", "user_product_id", "customer_number"):
            if key in rebuilt.body and rebuilt.body[key] != getattr(step, key):
                yield f"step {step.number}: its {key} isn't the one that its request holds"
        foreign = ("product_id", "user_product_id") if operation.answers == "account" else ("customer_number",)
        for key in foreign:
            if getattr(step, key) is not None:
                yield f"step {step.number}: {step.action} has no {key}"


def _parse(text: str, name: str) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a key stands twice in one object")
        return found

    try:
        data = json.loads(text, object_pairs_hook=unique, parse_constant=_no_number, parse_float=_no_number)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{name} isn't a plan: {error or 'too deep'}", hint=_AGAIN) from None
    if not isinstance(data, dict):
        raise InvalidInput(f"{name} isn't a plan: it holds no object", hint=_AGAIN)
    return data


def _no_number(text: str) -> None:
    raise ValueError(f"{text[:20]} is no whole number")


def _content(data: dict[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in data.items() if name != "plan_id"}


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


def _plan(data: dict[str, Any]) -> Plan:
    """A plan from its machine form, whose schema was checked before."""
    return Plan(
        environment=data["environment"],
        host=data["host"],
        as_of=data["as_of"],
        expires_at=data["expires_at"],
        what_if=data["what_if"],
        manifests=ManifestsInfo(**{**data["manifests"], "select": tuple(data["manifests"]["select"])}),
        known_state=KnownInfo(**data["known_state"]),
        summary=data["summary"],
        accounts=tuple(account_from_json(account) for account in data["accounts"]),
        steps=tuple(step_from_json(step) for step in data["steps"]),
        deferred=tuple(finding_from_json(finding) for finding in data["deferred"]),
        blocked=tuple(finding_from_json(finding) for finding in data["blocked"]),
        unmanaged=tuple(Unmanaged(**unmanaged) for unmanaged in data["unmanaged"]),
        warnings=tuple(finding_from_json(finding) for finding in data["warnings"]),
        refusals=tuple(Refusal(**refusal) for refusal in data["refusals"]),
        plan_id=data["plan_id"],
        steps_digest=data["steps_digest"],
    )


def step_from_json(data: dict[str, Any]) -> Step:
    """The step behind `step_json`."""
    not_after = data["not_after"]
    return Step(
        **{
            **data,
            "request": Request(**data["request"]),
            "changes": tuple(FieldChange(**change) for change in data["changes"]),
            "not_after": None if not_after is None else parse_known(not_after),
            "source": _source(data["source"]),
        }
    )


def finding_from_json(data: dict[str, Any]) -> Finding:
    """The finding behind `finding_json`."""
    return Finding(**{**data, "source": _source(data["source"])})


def _source(data: dict[str, Any]) -> Source:
    return Source(data["file"], data["line"], data.get("fields", {}))


def account_from_json(data: dict[str, Any]) -> AccountPlan:
    """The account behind `account_json`."""
    products = tuple(
        ProductAccess(p["product_id"], p["user_product_id"], _windows(p["access_before"]), _windows(p["access_after"]))
        for p in data["user_products"]
    )
    return AccountPlan(data["account_id"], data["customer_number"], data["owner"], data["labels"], products)


def _windows(data: list[list[str | None]] | None) -> tuple[Window, ...] | None:
    if data is None:
        return None
    ends = ([None if end is None else parse_known(end) for end in window] for window in data)
    return tuple((start, end) for start, end in ends)
