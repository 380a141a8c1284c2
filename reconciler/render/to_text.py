"""A plan as lines for people at a terminal: calm, complete, and readable without colour.

Steps and accounts are made one at a time, so that the first line of a big plan is there at once. No line is
wider than the given width unless it holds one value, such as a path, that must not be cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain

from reconciler.plan import Plan, Unmanaged
from reconciler.render.escape import copyable, terminal
from reconciler.render.layout import WIDTH, Line, Piece, flow, labelled, painter, unit, words
from reconciler.render.next_command import Invocation
from reconciler.render.view import AccountView, FindingView, PlanView, RefusalView, StepView, summary_rows, view_plan
from reconciler.render.words import counted

#: Warnings of one rule, and unmanaged products, that are listed before the rest is counted.
FEW = 20

_FINAL_WORDS = "! CAN'T BE UNDONE"
_ACCOUNT = Piece("Account", "heading")
_ARROW = Piece("→", "label")


def plan_to_text(
    plan: Plan,
    *,
    invocation: Invocation | None = None,
    color: bool = False,
    quiet: bool = False,
    next_line: bool = True,
    width: int = WIDTH,
) -> Iterator[str]:
    """``plan`` as lines without their ends.

    ``quiet`` leaves the steps and lists out, not the headline, the refusals and the next command.
    ``next_line`` is off where the program itself asks what to do next.
    """
    view = view_plan(plan, invocation)
    parts = [_head(view, width)]
    if not quiet:
        digits = len(str(view.counts.steps))
        parts += [chain.from_iterable(_account(account, digits, width) for account in view.accounts())]
        parts += [_lists(view, width)]
    parts += [_summary(view, width), _refusals(view.refusals, width)]
    if next_line:
        parts += [_next(view, width)]
    return map(painter(color=color), chain.from_iterable(parts))


def step_lines(step: StepView, digits: int, width: int) -> Iterable[Line]:
    """One step: its verb and impact, then a labelled line for each thing to know."""
    indent = digits + 4
    number, verb = (f"  {step.number:>{digits}}. ", "label"), (_verb(step.sign, step.verb), step.impact)
    lines = [*flow(_impact(step), lead=(number, verb), hang=indent, width=width)]
    for label, value in (
        ("product", step.product_id),
        ("user product", step.user_product_id),
        ("customer", step.customer_number),
    ):
        if value is not None:
            lines += labelled(label, (unit(value),), indent, width)
    for change in step.changes:
        lines += labelled(change.label, (*words(change.before, "quiet"), _ARROW, *words(change.after)), indent, width)
    lines += labelled("why", words(step.reason), indent, width)
    if step.deadline is not None:
        lines += labelled("deadline", words(f"must be sent before {step.deadline}"), indent, width)
    lines += labelled("from", (unit(step.place),), indent, width)
    return lines


@lru_cache(maxsize=64)
def _verb(sign: str, verb: str) -> str:
    return f"{sign} {terminal(verb):<25}"


def _impact(step: StepView) -> Iterator[Piece]:
    yield unit(step.impact_words, step.impact)
    if step.irreversible:
        yield Piece(_FINAL_WORDS, "final", gap=max(3, 20 - len(step.impact_words)))


def _head(view: PlanView, width: int) -> Iterator[Line]:
    title = [*words(f"Plan for {view.environment}", "heading"), unit(f"({view.host})", "label")]
    if view.what_if:
        title += words("what-if", "warning")
    yield from flow(title, hang=2, width=width)
    yield from labelled("as of", words(f"{view.as_of}, expires {view.expires_at}"), 2, width, 11)
    declared = f"{counted(view.declared_accounts, 'account')}, {counted(view.declared_products, 'user product')}"
    yield from labelled("manifests", words(declared), 2, width, 11)
    if view.revision is not None:
        yield from labelled("revision", words(view.revision), 2, width, 11)
    if view.select:
        yield from labelled("only", words(" or ".join(view.select)), 2, width, 11)
    yield from labelled("known", words(view.known), 2, width, 11)
    yield ()


def _account(account: AccountView, digits: int, width: int) -> Iterable[Line]:
    title = [_ACCOUNT, unit(account.account_id, "heading")]
    if account.customer_number is not None:
        title.append(unit(f"customer {account.customer_number}", gap=3))
    lines = [*flow(title, hang=8, width=width)]
    if account.owner is not None:
        lines += labelled("owner", words(account.owner), 2, width, 8)
    if account.labels:
        lines += _labels(account.labels, width)
    for access in account.access:
        product = unit(access.user_product_id or access.product_id or "", "quiet")
        lines += labelled("access", (product, *words(access.before), _ARROW, *words(access.after)), 2, width, 8)
        lost = access.lost
        if lost:
            lines += labelled("", words(f"lost {lost}", "revoke"), 2, width, 8)
    lines.append(())
    for step in account.steps:
        lines += step_lines(step, digits, width)
        lines.append(())
    return lines


@lru_cache(maxsize=256)
def _labels(labels: tuple[tuple[str, str], ...], width: int) -> tuple[Line, ...]:
    pairs = chain.from_iterable(words(f"{name}={value}") for name, value in labels)
    return tuple(labelled("labels", pairs, 2, width, 8))


def _lists(view: PlanView, width: int) -> Iterator[Line]:
    yield from _findings("Deferred", "waiting for a later plan", view.deferred, width)
    yield from _findings("Blocked", "no call is made", view.blocked, width)
    yield from _warnings(view.warnings, width)
    if view.unmanaged:
        yield _title("Unmanaged", len(view.unmanaged), "known, but declared nowhere")
        for product in view.unmanaged[:FEW]:
            yield from flow(_unmanaged(product), lead=(("  ", ""),), hang=4, width=width)
        yield from _rest(len(view.unmanaged) - FEW)
        yield ()


def _findings(title: str, note: str, findings: Sequence[FindingView], width: int) -> Iterator[Line]:
    if not findings:
        return
    yield _title(title, len(findings), note)
    for finding in findings:
        yield from _finding(finding, "error" if title == "Blocked" else "warning", width)
    yield ()


def _warnings(warnings: Sequence[FindingView], width: int) -> Iterator[Line]:
    if not warnings:
        return
    yield _title("Warnings", len(warnings), "carried out all the same")
    rules: dict[str, list[FindingView]] = {}
    for warning in warnings:
        rules.setdefault(warning.rule, []).append(warning)
    for rule, found in rules.items():
        for finding in found[:FEW]:
            yield from _finding(finding, "warning", width)
        yield from _rest(len(found) - FEW, f" with {rule}")
    yield ()


def _title(title: str, count: int, note: str) -> Line:
    return ((f"{title} ({count:,})", "heading"), (f": {note}", "label"))


def _finding(finding: FindingView, style: str, width: int) -> Iterator[Line]:
    text = [unit(f"{finding.place}:", "label"), *words(finding.message), unit(f"[{finding.rule}]", style)]
    yield from flow(text, lead=(("  ! ", style),), hang=4, width=width)
    ids = [unit(f"account {finding.account_id}", "quiet")]
    ids += _product(finding.product_id, finding.user_product_id)
    if finding.action is not None:
        ids.append(unit(f"call {finding.action}", "quiet", gap=2))
    yield from flow(ids, lead=(("      ", ""),), hang=6, width=width)


def _product(product_id: str | None, user_product_id: str | None) -> list[Piece]:
    pieces = [unit(f"product {product_id}", "quiet", gap=2)] if product_id is not None else []
    if user_product_id is not None:
        pieces.append(unit(f"user product {user_product_id}", "quiet", gap=2))
    return pieces


def _unmanaged(product: Unmanaged) -> list[Piece]:
    return [unit(f"account {product.account_id}"), *_product(product.product_id, product.user_product_id)]


def _rest(count: int, what: str = "") -> Iterator[Line]:
    if count > 0:
        yield ((f"    and {count:,} more{what}; --format json lists them all", "label"),)


def _summary(view: PlanView, width: int) -> Iterator[Line]:
    for label, value in summary_rows(view):
        yield from labelled(label, words(value), 0, width, 10)


def _refusals(refusals: Sequence[RefusalView], width: int) -> Iterator[Line]:
    for refusal in refusals:
        style = "warning" if refusal.accepted else "error"
        name = "Accepted" if refusal.accepted else "Refused"
        message = f"by {refusal.guard}: {refusal.message} (found {refusal.found}, limit {refusal.limit})"
        yield from labelled(name, words(message, style), 0, width, 10)
        if not refusal.accepted:
            yield from labelled("", words(f"mend: {refusal.mend}, plan with {refusal.accept}"), 0, width, 10)


def _next(view: PlanView, width: int) -> Iterator[Line]:
    yield ()
    # Made to be copied, so its spaces stay as they are.
    command = [Piece(copyable(view.next.command), "next")] if view.next.command is not None else []
    note = view.next.note and (f"({view.next.note})" if command else view.next.note)
    yield from flow([*command, *words(note, "label")], lead=(("Next: ", "heading"),), hang=6, width=width)
