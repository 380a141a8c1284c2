"""Plans as bytes: written one way, read back strictly, bound to their digests.

``plan_id`` covers the whole plan; ``steps_digest`` covers what would be done (environment, host, accepted
guards, and the steps' actions, requests and order), so two plans made at different moments that would do
the same have the same one. A digest proves nothing about who wrote a plan: every request is built again by
its operation and must come out equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

from reconciler import canonical, jsonfiles
from reconciler.canonical import Json
from reconciler.errors import InvalidInput, StalePlan
from reconciler.instants import BadTime, parse_clock
from reconciler.operations import BY_ACTION, NoSuchRequest
from reconciler.plan import (
    FORMAT,
    SHARD_FORMAT,
    STAND_IN_FORMAT,
    KnownInfo,
    ManifestsInfo,
    Plan,
    Refusal,
    Step,
    Unmanaged,
)
from reconciler.planjson import (
    account_from_json,
    account_json,
    finding_from_json,
    finding_json,
    step_from_json,
    step_json,
)

#: The lists of a plan file; each of their items stands on a line of its own.
_LISTS: Final = ("accounts", "steps", "deferred", "blocked", "unmanaged", "warnings", "refusals")

_AGAIN: Final = "make the plan again with `reconciler plan`"


def seal(plan: Plan) -> Plan:
    """``plan`` with its two digests."""
    sealed = replace(plan, steps_digest=steps_digest(plan))
    return replace(sealed, plan_id=jsonfiles.digest(_fields(sealed), _LISTS, but="plan_id"))


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
    """The plan file in pieces: a line for each head field and each item of a list, made as it is asked for."""
    return jsonfiles.pieces(_fields(plan), _LISTS)


def plan_json(plan: Plan) -> dict[str, Json]:
    """The plan in its machine form (``schemas/plan.schema.json``)."""
    return {name: list(value) if name in _LISTS else value for name, value in _fields(plan)}


def _fields(plan: Plan) -> Iterator[tuple[str, Any]]:
    """The fields of the machine form in their order; those of `_LISTS` as items that are made one by one."""
    manifests, known = plan.manifests, plan.known_state
    yield "format", STAND_IN_FORMAT if plan.stand_ins else FORMAT
    for name in ("plan_id", "steps_digest", "environment", "host", "as_of", "expires_at", "what_if"):
        yield name, getattr(plan, name)
    yield (
        "manifests",
        {
            "digest": manifests.digest,
            "revision": manifests.revision,
            "accounts": manifests.accounts,
            "user_products": manifests.user_products,
            "select": list(manifests.select),
        },
    )
    yield (
        "known_state",
        {"lineage": known.lineage, "serial": known.serial, "oldest_observation": known.oldest_observation},
    )
    yield "summary", dict(plan.summary)
    yield "accounts", map(account_json, plan.accounts)
    yield "steps", map(step_json, plan.steps)
    yield "deferred", (finding_json(finding, with_action=True) for finding in plan.deferred)
    yield "blocked", map(finding_json, plan.blocked)
    yield (
        "unmanaged",
        (
            {"account_id": u.account_id, "product_id": u.product_id, "user_product_id": u.user_product_id}
            for u in plan.unmanaged
        ),
    )
    yield "warnings", map(finding_json, plan.warnings)
    yield (
        "refusals",
        (
            {"guard": r.guard, "limit": r.limit, "found": r.found, "accepted": r.accepted, "message": r.message}
            for r in plan.refusals
        ),
    )


def read_plan(text: str, *, name: str) -> Plan:
    """The plan of a plan file; ``name`` is what messages call it.

    Raises `InvalidInput` for a text that is no plan, `StalePlan` for a plan that was altered or holds a
    request that no operation would make.
    """
    from reconciler.validation import schema_errors

    data = jsonfiles.parse(text, name, what="a plan", hint=_AGAIN)
    if data.get("format") == STAND_IN_FORMAT:
        raise StalePlan(
            f"{name} holds stand-ins for readers' ids (--pseudonymize): it was made to be read, and can't be used",
            hint="use the plan file that `plan --out` wrote, or make the plan again",
        )
    if data.get("format") == SHARD_FORMAT:
        raise InvalidInput(
            f"{name} isn't a plan, but one of several parts of a plan (--shard)",
            hint="put all of them together: reconciler plan merge FILE... --out plan.json",
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
    check_requests(plan, name=name)
    return plan


def check_requests(plan: Plan, *, name: str) -> None:
    """Raise `StalePlan` if ``plan`` holds a request that no operation would make, or a step out of its place."""
    wrong = list(_impossible(plan.steps))
    if wrong:
        raise StalePlan(f"{name} holds requests that no operation would make", details=wrong, hint=_AGAIN)


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


def _content(data: dict[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in data.items() if name != "plan_id"}


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
