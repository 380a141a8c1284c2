"""Why a plan makes each call: the request, its reason and place, what it changes, and what can be answered."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from reconciler import canonical
from reconciler.errors import UsageError
from reconciler.operations import BY_ACTION, Operation
from reconciler.plan import Plan, Step
from reconciler.render.accessview import AccessView
from reconciler.render.answerwords import answers_to
from reconciler.render.escape import copyable, terminal
from reconciler.render.layout import WIDTH, Line, Piece, flow, labelled, painter, unit, words
from reconciler.render.view import StepView, access_of_products, view_step
from reconciler.render.words import undo_words


def explain_to_text(plan: Plan, number: int | None = None, *, color: bool = False, width: int = WIDTH) -> Iterator[str]:
    """Step ``number`` of ``plan`` with all that can be answered, or every step and then the answers by action.

    Raises `UsageError` if the plan has no such step.
    """
    steps = [step for step in plan.steps if number is None or step.number == number]
    if number is not None and not steps:
        last = len(plan.steps)
        hint = f"its steps have the numbers 1 to {last}" if last else "it makes no call"
        raise UsageError(f"the plan has no step {number}", hint=hint)
    actions = [action for action in BY_ACTION if any(step.action == action for step in steps)]
    access = access_of_products(plan)
    parts = [_step(plan, step, access.get(_key(step)), width) for step in steps]
    parts += [_answers(BY_ACTION[action], width) for action in actions]
    if not steps:
        parts = [iter([(("The plan makes no call.", ""),)])]
    return map(painter(color=color), chain.from_iterable(parts))


def _key(step: Step) -> tuple[str, str | None, str | None]:
    return step.account_id, step.product_id, step.user_product_id


def _step(plan: Plan, step: Step, access: AccessView | None, width: int) -> Iterator[Line]:
    view = view_step(step)
    operation = BY_ACTION.get(step.action)
    yield (
        (f"Step {step.number} of {len(plan.steps)}: ", "heading"),
        (f"{view.sign} {terminal(view.verb)}", step.impact),
    )
    yield from labelled("call", [unit(f"{step.request.method} {step.request.path}")], 2, width)
    yield from labelled("host", [unit(plan.host)], 2, width)
    if operation is not None:
        yield from labelled("scope", [unit(operation.scope)], 2, width)
        yield from labelled("vendor's page", words(operation.page), 2, width)
    # The bytes that are sent, so neither wrapped nor changed.
    body = copyable(canonical.dumps(dict(step.request.body)))
    yield from labelled("body", [Piece(body)], 2, width)
    yield from labelled("why", words(step.reason), 2, width)
    yield from labelled("from", [unit(view.place)], 2, width)
    for name, line in step.source.fields.items():
        yield from labelled("", [unit(name), unit(f"{step.source.file}:{line}", "quiet", gap=2)], 2, width)
    yield from _effect(view, access, width)
    yield ()


def _effect(view: StepView, access: AccessView | None, width: int) -> Iterator[Line]:
    for change in view.changes:
        pieces = [*words(change.before, "quiet"), Piece("→", "label"), *words(change.after)]
        yield from labelled(change.label, pieces, 2, width)
    yield from labelled("impact", words(view.impact_words, view.impact), 2, width)
    if access is not None:
        pieces = [
            *words(access.before),
            Piece("→", "label"),
            *words(access.after),
            *words("by the whole plan", "label"),
        ]
        yield from labelled("access", pieces, 2, width)
    undo = words(undo_words(view.action, irreversible=view.irreversible), "final" if view.irreversible else "")
    yield from labelled("undo", undo, 2, width)
    if view.deadline is not None:
        late = f"must be sent before {view.deadline}; later it is skipped, with the account's later steps"
        yield from labelled("deadline", words(late), 2, width)


def _answers(operation: Operation, width: int) -> Iterator[Line]:
    yield ((f"What Payway may answer to {operation.action}", "heading"),)
    for one in answers_to(operation):
        yield from flow(words(one.answer), lead=(("  ", ""),), hang=2, width=width)
        yield from flow(words(one.reads, "label"), lead=(("      ", ""),), hang=6, width=width)
        yield from flow([Piece("→", "label"), *words(one.follows)], lead=(("      ", ""),), hang=8, width=width)
    yield ()
