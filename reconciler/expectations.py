"""``apply --expect``: whether a fresh plan would do what somebody reviewed (contract, section 4).

Against a digest, both must do exactly the same. Against a plan, every step that is due now must stand in
it: the same request, in the same order, with no worse an impact. So a re-run after a partial apply passes, and
so does one after another merge.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from typing import Final

from reconciler.errors import StalePlan
from reconciler.plan import IMPACTS, Plan, Step

DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")

_AGAIN: Final = "have the new plan reviewed: `reconciler plan --out FILE`"


def check_digest(plan: Plan, digest: str) -> None:
    """Raise `StalePlan` unless ``plan`` would do exactly what ``digest`` stands for."""
    if plan.steps_digest != digest:
        raise StalePlan(
            "the plan isn't the one that was reviewed",
            details=[f"reviewed {digest}", f"now      {plan.steps_digest}"],
            hint=_AGAIN,
        )


def check_plan(plan: Plan, reviewed: Plan) -> None:
    """Raise `StalePlan` unless everything that ``plan`` would do stands in ``reviewed``."""
    if (plan.environment, plan.host) != (reviewed.environment, reviewed.host):
        raise StalePlan(
            f"the reviewed plan is for {reviewed.environment} ({reviewed.host}), "
            f"not for {plan.environment} ({plan.host})",
            hint=_AGAIN,
        )
    if reviewed.what_if:
        raise StalePlan("the reviewed plan is a what-if (--at), which can't be applied", hint=_AGAIN)
    surprises = list(_surprises(plan, reviewed))
    if surprises:
        raise StalePlan("steps are due now that nobody reviewed", details=surprises, hint=_AGAIN)


def accepted_by(reviewed: Plan) -> tuple[str, ...]:
    """The guards that the review accepted."""
    return tuple(refusal.guard for refusal in reviewed.refusals if refusal.accepted)


def _surprises(plan: Plan, reviewed: Plan) -> Iterator[str]:
    places: dict[tuple[object, ...], deque[int]] = {}
    for place, step in enumerate(reviewed.steps):
        places.setdefault(_key(step), deque()).append(place)
    last = -1
    for step in plan.steps:
        what = f"step {step.number}: {step.action} of account {step.account_id}"
        left = places.get(_key(step))
        if not left:
            yield f"{what} isn't in it" if left is None else f"{what} is in it less often"
            continue
        place = left.popleft()
        if place < last:
            yield f"{what} comes in another order"
        last = max(last, place)
        before = reviewed.steps[place].impact
        if IMPACTS.index(step.impact) > IMPACTS.index(before):
            yield f"{what} would {step.impact}, not {before}"


def _key(step: Step) -> tuple[object, ...]:
    # The account isn't in a sync's body, but two accounts can't share a customer number.
    return (step.action, step.account_id, step.request.method, step.request.path, *step.request.body.items())
