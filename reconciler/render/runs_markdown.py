"""A run as Markdown for a comment or a job's summary: what failed or is in doubt stands first, the rest is folded away.

It keeps to the budget of `reconciler.render.sections`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from reconciler.canonical import Json
from reconciler.render.escape import code, comment, fenced
from reconciler.render.runview import STATUSES, TONES, RunNext, RunStepView, RunView, run_rows, view_run
from reconciler.render.sections import BUDGET, Section, assemble
from reconciler.render.words import counted
from reconciler.verdicts import BY_NAME

#: The folded sections: status, heading, what an item is called, how important they are.
_FOLDED: Final = (
    ("skipped", "Skipped", "skipped step", 3),
    ("not_reached", "Not reached", "unreached step", 4),
    ("assumed", "Assumed to be done", "assumed step", 5),
    ("applied", "Applied", "applied step", 6),
)


def report_to_markdown(
    report: Mapping[str, Json], *, options: Sequence[str] = (), rehearsal: bool = False, budget: int = BUDGET
) -> Iterator[str]:
    """A run's report as Markdown lines without their ends, at most ``budget`` characters together.

    ``options`` and ``rehearsal`` are as in `view_run`.
    """
    view = view_run(report, options=options, rehearsal=rehearsal)
    whole = f"{code(view.show)} has them all."
    return iter(assemble(_head(view), _sections(view), _foot(view), budget=budget, whole=whole).split("\n"))


def _head(view: RunView) -> str:
    steps = len(view.steps)
    done = "no step" if not steps else f"{view.done:,} of {counted(steps, 'step')} done"
    doubts = f", **{view.in_doubt:,} in doubt**" if view.in_doubt else ""
    rows = "\n".join(f"- **{label}**: {_row(view, label, text)}" for label, text in run_rows(view))
    return f"## Run on {code(view.environment)}: {done}{doubts}\n\n{rows}\n\n"


def _row(view: RunView, label: str, text: str) -> str:
    """A sentence of the head; as code if it holds a word that isn't one of ours."""
    ours = {
        "Steps": all(status in TONES for status, *_ in view.counts),
        "Run": view.status in STATUSES,
        "Stopped": view.stopped_by in BY_NAME,
        "Sent": True,
    }
    return text if ours.get(label) else code(text)


def _sections(view: RunView) -> Iterator[Section]:
    def steps(*statuses: str) -> list[RunStepView]:
        return [step for step in view.steps if step.status in statuses]

    doubtful, failed = steps("in_doubt", "intent"), steps("rejected")
    known = {"in_doubt", "intent", "rejected", *(status for status, *_ in _FOLDED)}
    strange = [step for step in view.steps if step.status not in known]
    yield Section("doubtful step", 1, f"### In doubt ({len(doubtful):,})", doubtful, _step)
    yield Section("failed step", 2, f"### Failed ({len(failed):,})", failed, _step)
    yield Section("other step", 2, f"### Other ({len(strange):,})", strange, _step)
    for status, title, name, rank in _FOLDED:
        found = steps(status)
        summary = f"<details><summary>{title}: {counted(len(found), 'step')}</summary>"
        yield Section(name, rank, summary, found, _step, ending="\n</details>\n")
    yield Section("next command", 0, "### Next", [view.next], _next)


def _step(step: RunStepView) -> str:
    ids = [
        f"{label} {code(value)}"
        for label, value in (
            ("account", step.account_id),
            ("product", step.product_id),
            ("user product", step.user_product_id),
            ("customer", step.customer_number),
        )
        if value is not None
    ]
    line = f"- **{step.number}.** {code(step.verb)}, {', '.join(ids)}"
    if step.done:
        # What was answered is of interest only where it isn't what was hoped for.
        told = step.status == "assumed" and step.message is not None
        return f"{line}\n" + (f"  - reads: {code(step.message or '')}\n" if told else "")
    facts = [
        ("answer", step.answer),
        ("reads", step.message),
        ("from", step.place),
        ("at", step.at),
    ]
    lines = [line, *(f"  - {label}: {code(value)}" for label, value in facts if value is not None)]
    if step.advice is not None:
        command = f": {code(step.command)}" if step.command is not None else ""
        lines.append(f"  - **next**: {step.advice}{command}")
    return "\n".join(lines) + "\n"


def _next(then: RunNext) -> str:
    note = f"{then.note}:\n\n{fenced(then.other)}\n" if then.other is not None else f"{then.note}\n"
    return note if then.command is None else f"{fenced(then.command)}\n\n{note}"


def _foot(view: RunView) -> str:
    ended = f"ended {code(view.ended)}" if view.ended is not None else "not ended"
    times = f"started {code(view.started)}, {ended}, plan {code(view.plan_id)}"
    return (
        "---\n\n"
        f"Run {code(view.run_id)} on {code(view.environment)} at {code(view.host)}, {times}\n\n"
        f"<!-- payway-reconciler run environment={comment(view.environment[:100])} -->\n"
    )
