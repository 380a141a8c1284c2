"""A plan as Markdown for a pull request's comment: what a reviewer must see first, the rest folded away.

A comment may hold 65,536 characters, so the text keeps to a budget: what doesn't fit is left out by whole
items, the least important kinds first, and the text says how many of which.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from reconciler.plan import Plan, Unmanaged
from reconciler.render.accessview import AccessView
from reconciler.render.escape import code, comment, fenced, html_code
from reconciler.render.next_command import Invocation
from reconciler.render.sections import BUDGET, Section, assemble
from reconciler.render.view import AccountView, FindingView, PlanView, RefusalView, StepView, summary_rows, view_plan
from reconciler.render.words import counted

#: Unmanaged products that are listed before the rest is counted.
_FEW: Final = 20

#: Products that are gained while another is taken, before the rest is counted.
_INSTEAD: Final = 3

#: A step with the account it belongs to.
_Placed: TypeAlias = "tuple[AccountView, StepView]"


def plan_to_markdown(plan: Plan, *, invocation: Invocation | None = None, budget: int = BUDGET) -> Iterator[str]:
    """``plan`` as Markdown lines without their ends, at most ``budget`` characters together."""
    view = view_plan(plan, invocation)
    whole = "`reconciler show` has them all."
    return iter(assemble(_head(view), _sections(view), _foot(view), budget=budget, whole=whole).split("\n"))


def _sections(view: PlanView) -> Iterator[Section]:
    taking, final, accounts = _steps(view)
    yield Section("refusal", 1, "### Refused by a guard", [r for r in view.refusals if not r.accepted], _refusal)
    yield Section("accepted refusal", 3, "### Accepted", [r for r in view.refusals if r.accepted], _refusal)
    yield Section("taking step", 2, "### Takes access away or shortens it", taking, _step_with_account)
    yield Section("irreversible step", 5, "### Can't be undone", final, _step_with_account)
    yield Section("account", 9, "### All other calls" if taking or final else "### Calls", accounts, _account)
    yield Section("block", 4, f"### Blocked ({view.counts.blocked:,})", view.blocked, _finding)
    yield Section("deferral", 6, f"### Deferred to a later plan ({view.counts.deferred:,})", view.deferred, _finding)
    warnings = f"### Warnings ({view.counts.warnings:,})"
    yield Section("warning", 7, warnings, view.warnings, _finding, share=BUDGET // 6)
    few = f", the first {_FEW}" if view.counts.unmanaged > _FEW else ""
    heading = f"### Unmanaged ({view.counts.unmanaged:,}{few})"
    yield Section("unmanaged product", 8, heading, view.unmanaged[:_FEW], _unmanaged)
    yield Section("next command", 0, "### Next", [view], _next)


def _steps(view: PlanView) -> tuple[list[_Placed], list[_Placed], list[AccountView]]:
    """The steps that stand outside the fold, and the accounts with the others."""
    taking: list[_Placed] = []
    final: list[_Placed] = []
    accounts: list[AccountView] = []
    for account in view.accounts():
        taking += [(account, step) for step in account.steps if step.takes]
        final += [(account, step) for step in account.steps if step.irreversible and not step.takes]
        rest = tuple(step for step in account.steps if not (step.takes or step.irreversible))
        if rest:
            accounts.append(replace(account, steps=rest))
    return taking, final, accounts


def _head(view: PlanView) -> str:
    counts, readers = view.counts, view.counts.readers
    what_if = " (what-if, can't be applied)" if view.what_if else ""
    calls = counted(counts.steps, "call") if counts.steps else "no call is due"
    rows = "\n".join(f"- **{label}**: {text}" for label, text in summary_rows(view) if label != "Readers")
    return (
        f"## Plan for {code(view.environment)}: {calls}{what_if}\n\n"
        "| Readers who gain access | get a longer one | lose it | get a shorter one | keep it |\n"
        "| ---: | ---: | ---: | ---: | ---: |\n"
        f"| {readers.gain:,} | {readers.longer:,} | {readers.lose:,} | {readers.shorter:,} | {readers.keep:,} |\n\n"
        f"{rows}\n\n"
    )


def _foot(view: PlanView) -> str:
    revision = f", revision {code(view.revision)}" if view.revision is not None else ""
    return (
        "---\n\n"
        f"{code(view.environment)} at {code(view.host)}, as of {code(view.as_of)}, "
        f"expires {code(view.expires_at)}{revision}, steps {code(view.steps_digest)}\n\n"
        f"<!-- payway-reconciler plan environment={comment(view.environment[:100])} -->\n"
    )


def _refusal(refusal: RefusalView) -> str:
    accept = "" if refusal.accepted else f" — mend: {refusal.mend}, plan with {code(refusal.accept)}"
    found = f"(found {code(refusal.found)}, limit {code(refusal.limit)})"
    return f"- {code(refusal.guard)}: {code(refusal.message)} {found}{accept}\n"


def _step_with_account(placed: _Placed) -> str:
    account, step = placed
    named = step.customer_number is None and account.customer_number is not None
    customer = f", customer {code(account.customer_number or '')}" if named else ""
    owner = f", owner {code(account.owner)}" if account.owner is not None else ""
    return _step(step, f" — account {code(step.account_id)}{customer}{owner}", _consequences(account, step))


def _consequences(account: AccountView, step: StepView) -> list[str]:
    """What becomes of the access, what is lost of it from when, what the reader gets instead, and why it stays so."""
    lines = []
    instead = []
    for access in account.products:
        if (access.product_id, access.user_product_id) == (step.product_id, step.user_product_id):
            lines += [f"access: {_change(access, taken=step.takes)}"] if step.takes or _moves(step, access) else []
        elif step.takes and access.gained:
            instead.append(f"at the same time, access to {_product_name(access)}: {_change(access)}")
    lines += instead[:_INSTEAD]
    rest = len(instead) - _INSTEAD
    lines += [f"and to {counted(rest, 'other product')}"] if rest > 0 else []
    return lines + ([f"no way back: {step.undo.partition(': ')[2]}"] if step.irreversible else [])


def _moves(step: StepView, access: AccessView) -> bool:
    return step.impact != "neutral" and access.changes


def _change(access: AccessView, *, taken: bool = False) -> str:
    lost = f", **{access.taken}**" if taken or access.lost else ""
    return f"{access.before} → {access.after}{lost}"


def _product_name(access: AccessView) -> str:
    return code(access.user_product_id or access.product_id or "")


def _step(step: StepView, where: str = "", consequences: Sequence[str] = ()) -> str:
    impact = f"**{step.impact_words}**" if step.takes else step.impact_words
    final = ", **can't be undone**" if step.irreversible else ""
    lines = [f"- **{step.number}.** `{step.sign}` {code(step.verb)}, {impact}{final}{where}"]
    ids = [
        f"{label} {code(value)}"
        for label, value in (
            ("product", step.product_id),
            ("user product", step.user_product_id),
            ("customer", step.customer_number),
        )
        if value is not None
    ]
    lines += [f"  - {', '.join(ids)}"] if ids else []
    lines += [f"  - {code(change.label)}: {code(change.before)} → {code(change.after)}" for change in step.changes]
    lines += [f"  - {line}" for line in consequences]
    lines.append(f"  - why: {code(step.reason)}")
    lines += [f"  - must be sent before {step.deadline}"] if step.deadline is not None else []
    lines.append(f"  - from {code(step.place)}")
    return "\n".join(lines) + "\n"


def _account(account: AccountView) -> str:
    title = f"Account {html_code(account.account_id)}"
    title += f", customer {html_code(account.customer_number)}" if account.customer_number is not None else ""
    title += f", owner {html_code(account.owner)}" if account.owner is not None else ""
    labels = ", ".join(code(f"{name}={value}") for name, value in account.labels)
    access = [f"Access to {_product_name(one)}: {_change(one)}" for one in account.access]
    lines = ([f"Labels: {labels}"] if labels else []) + access
    facts = "\n\n".join(lines) + "\n\n" if lines else ""
    steps = "".join(map(_step, account.steps))
    return (
        f"<details><summary>{title}: {counted(len(account.steps), 'call')}</summary>\n\n{facts}{steps}\n</details>\n\n"
    )


def _finding(finding: FindingView) -> str:
    ids = f"account {code(finding.account_id)}{_product(finding.product_id, finding.user_product_id)}"
    action = f", call {code(finding.action)}" if finding.action is not None else ""
    return f"- {code(finding.place)}: {code(finding.message)} ({code(finding.rule)}), {ids}{action}\n"


def _unmanaged(product: Unmanaged) -> str:
    return f"- account {code(product.account_id)}{_product(product.product_id, product.user_product_id)}\n"


def _product(product_id: str | None, user_product_id: str | None) -> str:
    pairs: Sequence[tuple[str, str | None]] = (("product", product_id), ("user product", user_product_id))
    return "".join(f", {label} {code(value)}" for label, value in pairs if value is not None)


def _next(view: PlanView) -> str:
    note = f"{view.next.note}\n" if view.next.note else ""
    if view.next.command is None:
        return note
    return f"{fenced(view.next.command)}\n\n{note}"
