"""The neutral view of a plan: what every rendering shows, worked out once and without a format.

Texts in here are not yet made harmless; that depends on where they end up. Counts are taken from what the
plan holds, so that every format tells the same ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Final

from reconciler.instants import Minute
from reconciler.plan import TAKING, AccountPlan, FieldChange, Finding, Plan, Refusal, Step, Unmanaged
from reconciler.render.accessview import AccessView, access_of
from reconciler.render.counts import Counts, count_plan, outcomes_of
from reconciler.render.next_command import Invocation, Next, next_command
from reconciler.render.words import (
    GUARD_ADVICE,
    IMPACT_SIGNS,
    IMPACT_WORDS,
    NONE_TEXT,
    UNKNOWN_TEXT,
    clock_words,
    counted,
    field_label,
    known_words,
    minute_words,
    place,
    plan_minute,
    undo_words,
    value_words,
    verb,
)

#: Rises when a field of the view changes its meaning.
VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class ChangeView:
    """One field, old → new, in words; ``before`` may be `NONE_TEXT` or `UNKNOWN_TEXT`."""

    field: str
    label: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class StepView:
    """One call. ``place`` is ``file:line``, ``deadline`` a time in words.

    ``request`` is its method and path, ``body`` its fields in the order in which they are sent; ``undo`` says
    whether it can be undone.
    """

    number: int
    action: str
    verb: str
    sign: str
    impact: str
    impact_words: str
    takes: bool
    irreversible: bool
    account_id: str
    product_id: str | None
    user_product_id: str | None
    customer_number: str | None
    changes: tuple[ChangeView, ...]
    reason: str
    place: str
    deadline: str | None
    not_after: Minute | None
    request: str
    body: tuple[tuple[str, str], ...]
    undo: str


@dataclass(frozen=True, slots=True)
class AccountView:
    """An account with its steps, in plan order.

    ``access`` is that which changes, ``products`` that of every product with steps. ``outcome`` is the impact
    that the account is counted under among the readers.
    """

    account_id: str
    customer_number: str | None
    owner: str | None
    labels: tuple[tuple[str, str], ...]
    access: tuple[AccessView, ...]
    products: tuple[AccessView, ...]
    outcome: str
    steps: tuple[StepView, ...]


@dataclass(frozen=True, slots=True)
class FindingView:
    """A deferral, block or warning."""

    rule: str
    message: str
    place: str
    account_id: str
    product_id: str | None
    user_product_id: str | None
    action: str | None


@dataclass(frozen=True, slots=True)
class RefusalView:
    """A guard over its limit. ``mend`` says what to do about it, ``accept`` is the flag if it is meant."""

    guard: str
    limit: str
    found: str
    accepted: bool
    message: str
    mend: str
    accept: str


@dataclass(frozen=True, slots=True)
class PlanView:
    """A whole plan. Accounts are made on demand, since there may be a hundred thousand."""

    version: int
    environment: str
    host: str
    as_of: str
    now: Minute
    expires_at: str
    what_if: bool
    revision: str | None
    select: tuple[str, ...]
    declared_accounts: int
    declared_products: int
    known: str
    plan_id: str
    steps_digest: str
    counts: Counts
    earliest_deadline: tuple[str, int] | None
    deferred: tuple[FindingView, ...]
    blocked: tuple[FindingView, ...]
    warnings: tuple[FindingView, ...]
    unmanaged: tuple[Unmanaged, ...]
    refusals: tuple[RefusalView, ...]
    next: Next
    _plan: Plan
    _outcomes: Mapping[str, str]

    def accounts(self) -> Iterator[AccountView]:
        """The accounts with steps, in plan order."""
        return _accounts(self._plan, self.now, self._outcomes)


def view_plan(plan: Plan, invocation: Invocation | None = None) -> PlanView:
    """The view of ``plan``; ``invocation`` tells what was typed, for the command that comes next."""
    outcomes = outcomes_of(plan)
    return PlanView(
        version=VERSION,
        environment=plan.environment,
        host=plan.host,
        as_of=clock_words(plan.as_of),
        now=plan_minute(plan),
        expires_at=clock_words(plan.expires_at),
        what_if=plan.what_if,
        revision=plan.manifests.revision,
        select=plan.manifests.select,
        declared_accounts=plan.manifests.accounts,
        declared_products=plan.manifests.user_products,
        known=known_words(plan),
        plan_id=plan.plan_id,
        steps_digest=plan.steps_digest,
        counts=count_plan(plan, outcomes),
        earliest_deadline=_earliest_deadline(plan),
        deferred=tuple(map(_finding, plan.deferred)),
        blocked=tuple(map(_finding, plan.blocked)),
        warnings=tuple(map(_finding, plan.warnings)),
        unmanaged=plan.unmanaged,
        refusals=tuple(map(_refusal, plan.refusals)),
        next=next_command(plan, invocation or Invocation()),
        _plan=plan,
        _outcomes=outcomes,
    )


def summary_rows(view: PlanView) -> Iterator[tuple[str, str]]:
    """The headline as (label, sentence) pairs: what every format for people shows of the counts."""
    counts, readers = view.counts, view.counts.readers
    calls = ", ".join(f"{number:,} {action}" for action, number in counts.calls)
    yield "Calls", f"{counts.steps:,}" + (f": {calls}" if calls else "")
    yield (
        "Readers",
        f"{counted(readers.gain, 'gains access', 'gain access')}, "
        f"{counted(readers.longer, 'gets a longer one', 'get a longer one')}, "
        f"{counted(readers.lose, 'loses it', 'lose it')}, "
        f"{counted(readers.shorter, 'gets a shorter one', 'get a shorter one')}, "
        f"{counted(readers.keep, 'keeps it', 'keep it')}",
    )
    yield (
        "Products",
        f"{counts.unchanged:,} unchanged, {counts.adopted:,} adopted, {counts.unmanaged:,} unmanaged",
    )
    yield (
        "Findings",
        f"{counts.deferred:,} deferred, {counts.blocked:,} blocked, {counted(counts.warnings, 'warning')}",
    )
    if counts.taking or counts.irreversible:
        yield (
            "Careful",
            f"{counted(counts.taking, 'step')} {'takes' if counts.taking == 1 else 'take'} access away or shorten"
            f"{'s' if counts.taking == 1 else ''} it, {counts.irreversible:,} can't be undone",
        )
    if view.earliest_deadline is not None:
        time, number = view.earliest_deadline
        yield "Deadline", f"step {number} must be sent before {time}"


def view_step(step: Step) -> StepView:
    """The view of one step."""
    return StepView(
        number=step.number,
        action=step.action,
        verb=verb(step.action),
        sign=IMPACT_SIGNS.get(step.impact, "?"),
        impact=step.impact,
        impact_words=IMPACT_WORDS.get(step.impact, "does what nobody here knows"),
        takes=step.impact in TAKING,
        irreversible=not step.reversible,
        account_id=step.account_id,
        product_id=step.product_id,
        user_product_id=step.user_product_id,
        customer_number=step.customer_number,
        changes=tuple(_change(change, step.request.body) for change in step.changes),
        reason=step.reason,
        place=place(step.source),
        deadline=None if step.not_after is None else minute_words(step.not_after),
        not_after=step.not_after,
        request=f"{step.request.method} {step.request.path}",
        body=tuple(step.request.body.items()),
        undo=undo_words(step.action, irreversible=not step.reversible),
    )


def _accounts(plan: Plan, now: Minute, outcomes: Mapping[str, str]) -> Iterator[AccountView]:
    heads = {account.account_id: account for account in plan.accounts}
    for account_id, steps in groupby(plan.steps, key=attrgetter("account_id")):
        head = heads.get(account_id) or AccountPlan(account_id, None, None, {}, ())
        products = access_of(head, now)
        yield AccountView(
            account_id=account_id,
            customer_number=head.customer_number,
            owner=head.owner,
            labels=tuple(head.labels.items()),
            access=tuple(access for access in products if access.changes),
            products=products,
            outcome=outcomes[account_id],
            steps=tuple(map(view_step, steps)),
        )


def access_of_products(plan: Plan) -> dict[tuple[str, str | None, str | None], AccessView]:
    """The access that changes, by account and both ids of the product."""
    now = plan_minute(plan)
    return {
        (account.account_id, access.product_id, access.user_product_id): access
        for account in plan.accounts
        for access in access_of(account, now)
        if access.changes
    }


def _change(change: FieldChange, body: Mapping[str, str]) -> ChangeView:
    name = change.field.removeprefix("sync.")
    if change.before:
        before = value_words(name, change.before, body)
    else:
        # A sync that was never recorded is none; of a field that is null, nothing is known.
        nothing = change.before is not None or name != change.field
        before = NONE_TEXT if nothing else UNKNOWN_TEXT
    return ChangeView(
        field=change.field,
        label=field_label(change.field),
        before=before,
        after=value_words(name, change.after, body),
    )


def _finding(finding: Finding) -> FindingView:
    return FindingView(
        rule=finding.rule,
        message=finding.message,
        place=place(finding.source),
        account_id=finding.account_id,
        product_id=finding.product_id,
        user_product_id=finding.user_product_id,
        action=finding.action,
    )


def _refusal(refusal: Refusal) -> RefusalView:
    return RefusalView(
        guard=refusal.guard,
        limit=refusal.limit,
        found=refusal.found,
        accepted=refusal.accepted,
        message=refusal.message,
        mend=GUARD_ADVICE.get(refusal.guard, "look at what it counts; if that is meant"),
        accept=f"--accept={refusal.guard}",
    )


def _earliest_deadline(plan: Plan) -> tuple[str, int] | None:
    deadlines = [(step.not_after, step.number) for step in plan.steps if step.not_after is not None]
    if not deadlines:
        return None
    minute, number = min(deadlines)
    return minute_words(minute), number
