"""What Payway may answer to a call, in words: for `explain` and HTML."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from reconciler.operations import Operation
from reconciler.verdicts import Row, Verdict, possible_answers

#: What follows from each verdict, for people.
_FOLLOWS: Final = {
    Verdict.DONE: "the step counts as done",
    Verdict.RETRY: "surely not carried out, so it is tried again",
    Verdict.REPEAT: "sent again, which gives the same end",
    Verdict.DOUBT: "sent once more after a pause",
    Verdict.STEP: "this step fails, the later ones of its account are skipped",
    Verdict.ACCOUNT: "the later steps of the account are skipped",
    Verdict.RUN: "the run stops",
}

#: What stands for the fields of an answer that isn't there yet.
_ANSWER_WORDS: Final = {
    "answered": "the answered id",
    "expected": "the expected one",
    "status": "its status",
    "code": "its code",
    "field": "the named field",
    "failure": "What failed",
    "what": "No clear answer",
}


@dataclass(frozen=True, slots=True)
class AnswerView:
    """One possible answer: what it looks like, what it means, what follows."""

    answer: str
    reads: str
    follows: str


def answers_to(operation: Operation) -> Iterator[AnswerView]:
    """What can be answered to ``operation``, in the order in which the table is read."""
    for row in possible_answers(operation):
        yield AnswerView(row.answer, _reads(row, operation), _follows(row))


def _reads(row: Row, operation: Operation) -> str:
    fields = _ANSWER_WORDS | {"scope": operation.scope}
    return row.reads.format_map(fields)


def _follows(row: Row) -> str:
    text = _FOLLOWS[row.verdict]
    if row.renew_token:
        text = f"a fresh token is tried once, then {text}"
    if row.verdict is not Verdict.DONE:
        text += f"; the journal says {row.status}"
        if row.later is not None:
            text += f", or {row.later} if an earlier try may have been carried out"
    return text + (f" (exit code {row.exit_code.value})" if row.exit_code is not None else "")
