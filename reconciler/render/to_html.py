"""A plan as one HTML file for reviewers: self-contained, readable without JavaScript, printed whole.

The only home of Jinja2. `document` draws any report: a template in ``render/html/`` extends ``base.html`` and fills
its blocks ``title``, ``head`` (below the heading), ``main`` and ``foot``; ``parts.html`` has the macros for what
reports share, ``report.css`` the classes, ``report.js`` the filters (of ``.step`` in ``.account``, and of
``.finding``). The rules for a new one:

- Give `document` plain values and views. Each value goes through `escape.visible` and is then escaped; nothing is
  ever marked as safe, and a name that isn't there is an error.
- No ``style`` attribute, no ``on…`` attribute, no link to elsewhere: the policy in the page's head forbids them.
  A width belongs into an SVG attribute, in percent.
- Colours come from the variables in ``report.css``, which are made for both light and dark.
- Whatever folds is a ``details``; print unfolds it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from reconciler import canonical
from reconciler.instants import Minute
from reconciler.operations import BY_ACTION
from reconciler.plan import Plan
from reconciler.render.answerwords import answers_to
from reconciler.render.escape import visible
from reconciler.render.next_command import Invocation
from reconciler.render.timeline import NOW, Timeline, timeline
from reconciler.render.view import AccountView, FindingView, PlanView, StepView, summary_rows, view_plan
from reconciler.render.words import IMPACT_WORDS, counted

if TYPE_CHECKING:
    from jinja2 import Environment

#: Steps that are listed before all accounts; the others stand with their accounts alone.
FIRST: Final = 50

#: Deferrals and blocks that are listed before the rest is counted.
MOST: Final = 500

#: Warnings of one rule, and unmanaged products, that are listed before the rest is counted.
FEW: Final = 50

#: Calls from which on a browser lays out only what is on the screen.
MANY: Final = 300

#: Characters that are handed on at a time, about.
_PIECE: Final = 16_384

#: Each impact on readers, in words for the head of the page, from best to worst.
_OUTCOMES: Final = {
    "grant": "gain access",
    "extend": "get a longer one",
    "neutral": "keep it",
    "shorten": "get a shorter one",
    "revoke": "lose it",
}


#: The same of one reader.
_BADGES: Final = {
    "grant": "gains access",
    "extend": "gets longer access",
    "neutral": "keeps access",
    "shorten": "gets shorter access",
    "revoke": "loses access",
}

#: A step with the account it belongs to.
_Placed: TypeAlias = "tuple[AccountView, StepView]"


@dataclass(frozen=True, slots=True)
class Some:
    """The first few of many; ``rest`` are counted."""

    shown: Sequence[Any]
    rest: int


def plan_to_html(plan: Plan, *, invocation: Invocation | None = None) -> Iterator[str]:
    """``plan`` as the pieces of one HTML file, in order."""
    view = view_plan(plan, invocation)
    readers = view.counts.readers
    people = (readers.gain, readers.longer, readers.keep, readers.shorter, readers.lose)
    operations = [BY_ACTION[action] for action, _ in view.counts.calls if action in BY_ACTION]
    refused = frozenset(refusal.guard for refusal in view.refusals if not refusal.accepted)
    return document(
        "plan.html",
        view=view,
        rows=tuple(summary_rows(view)),
        readers=tuple(zip(_OUTCOMES, _OUTCOMES.values(), people, strict=True)),
        impacts=tuple((impact, IMPACT_WORDS[impact], count) for impact, count in view.counts.impacts),
        refused=tuple(refusal for refusal in view.refusals if not refusal.accepted),
        accepted=tuple(refusal for refusal in view.refusals if refusal.accepted),
        taking=_some(_placed(view, lambda step: step.takes), FIRST),
        final=_some(_placed(view, lambda step: step.irreversible and not step.takes), FIRST),
        answers=tuple((operation, tuple(answers_to(operation))) for operation in operations),
        deferred=(("", _some(view.deferred, MOST)),),
        blocked=(("", _some(view.blocked, MOST)),),
        warnings=_by_rule(view.warnings),
        unmanaged=_some(view.unmanaged, FEW),
        many=view.counts.steps >= MANY,
        marks_of=partial(_marks, refused),
        picture_of=partial(_picture, view.now),
    )


def document(template: str, **values: object) -> Iterator[str]:
    """The pieces of the HTML file that ``template`` draws from ``values``."""
    environment = _environment()
    style, script = (environment.get_template(name).render() for name in ("report.css", "report.js"))
    pieces = environment.get_template(template).generate(**values, policy=_policy(style, script))
    gathered: list[str] = []
    size = 0
    for piece in pieces:
        gathered.append(piece)
        size += len(piece)
        if size >= _PIECE:
            yield "".join(gathered)
            gathered, size = [], 0
    yield "".join(gathered)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("reconciler.render", "html"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals.update(counted=counted, badges=_BADGES, now_place=NOW)
    environment.filters["number"] = "{:,}".format
    environment.filters["json_inside"] = _json_inside
    return environment


def _finalize(value: object) -> object:
    """Nothing that acts, hides or breaks a line gets into the page, not even escaped."""
    # A macro's result has been through here already, and is of another type than a plain text.
    return visible(value) if type(value) is str else value


def _json_inside(value: str) -> str:
    """``value`` as it is sent inside a request, without the quotes around it: those stand in the template.

    Escaped, they would make up a good part of a big page.
    """
    return canonical.dumps(value)[1:-1]


def _policy(style: str, script: str) -> str:
    """What the page may do: show itself with this style and this script, and nothing else."""
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _placed(view: PlanView, wanted: Callable[[StepView], bool]) -> Iterator[_Placed]:
    return ((account, step) for account in view.accounts() for step in account.steps if wanted(step))


def _some(items: Iterable[Any], most: int) -> Some:
    iterator = iter(items)
    first = tuple(islice(iterator, most))
    return Some(first, sum(1 for _ in iterator))


def _by_rule(findings: Iterable[FindingView]) -> tuple[tuple[str, Some], ...]:
    """The findings of each rule, a few of each: one rule can speak of every product."""
    rules: dict[str, list[FindingView]] = {}
    for finding in findings:
        rules.setdefault(finding.rule, []).append(finding)
    return tuple((rule, _some(found, FEW)) for rule, found in rules.items())


def _marks(refused: frozenset[str], step: StepView) -> str:
    """What a step can be filtered by, as words with a space between.

    Steps tell which of them the guards `revoked` and `reactivated` count; of the other guards they don't.
    """
    marks = {
        "taking": step.takes,
        "final": step.irreversible,
        "deadline": step.deadline is not None,
        "refused": (step.takes and "revoked" in refused) or (step.action == "reactivate" and "reactivated" in refused),
    }
    return " ".join(name for name, holds in marks.items() if holds)


def _picture(now: Minute, account: AccountView) -> Timeline:
    deadlines = (step.not_after for step in account.steps if step.not_after is not None)
    return timeline(now, [product.windows for product in account.products], deadlines)
