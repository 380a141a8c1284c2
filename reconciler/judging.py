"""Judging one call: the answer, or what came instead of it, held against the table in `reconciler.verdicts`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from reconciler import answers
from reconciler.errors import ExitCode
from reconciler.operations.base import Operation
from reconciler.verdicts import AGAIN, BY_NAME, Facts, Found, Row, Verdict, row_for
from reconciler.wire import Answer, CallFailed


@dataclass(frozen=True, slots=True)
class Judgement:
    """What an answer means. ``status`` is the journal's word if nothing further is tried.

    ``row`` names the row of `ANSWERS`; ``message`` is printable and at most 500 characters; ``retry_after`` is in
    seconds; ``exit_code`` is set if the run stops.
    """

    verdict: Verdict
    status: str
    row: str
    message: str
    http_status: int | None = None
    code: str | None = None
    field: str | None = None
    answered_id: str | None = None
    retry_after: float | None = None
    exit_code: ExitCode | None = None
    renew_token: bool = False


def judge(
    operation: Operation,
    answer: Answer,
    *,
    expected_id: str | None,
    moment: datetime,
    taken: Collection[str] = (),
    first_try: bool = True,
    assumable: bool = False,
) -> Judgement:
    """What ``answer`` means.

    ``expected_id`` is the user product (or the account, for a sync) that the call was for; ``None`` if its id isn't
    known yet, and then any id is taken but those in ``taken``, which are known to belong to others. ``moment`` (aware)
    is when the answer came. ``first_try`` and ``assumable`` are explained at `Facts`.
    """
    found_id = answers.answered_id(answer) if answer.status == 200 else None
    error = answers.error_body(answer) if answer.status >= 300 else answers.ErrorBody()
    if found_id is None:
        found = Found.NONE
    elif found_id == expected_id or (expected_id is None and found_id not in taken):
        found = Found.EXPECTED
    else:
        found = Found.OTHER
    row = row_for(Facts(operation, answer.status, error.code, found, first_try=first_try, assumable=assumable))
    what = f"Payway's answer can't be read (HTTP {answer.status})" if answer.status < 300 else f"HTTP {answer.status}"
    words = {
        "status": str(answer.status),
        "code": error.code or "without a code",
        "field": error.field or "a field",
        "answered": found_id or "",
        "expected": expected_id or "a product of its own",
        "scope": operation.scope,
        "what": what,
    }
    text = row.reads.format(**words)
    if error.message is not None:
        text += f' Payway says: "{error.message}"'
    return Judgement(
        verdict=row.verdict,
        status=_status(row, first_try),
        row=row.name,
        message=answers.printable(text),
        http_status=answer.status,
        code=error.code,
        field=error.field,
        answered_id=found_id,
        retry_after=answers.retry_after(answer.retry_after, moment) if row.verdict in AGAIN else None,
        exit_code=row.exit_code,
        renew_token=row.renew_token,
    )


def judge_failure(operation: Operation, failure: CallFailed, *, first_try: bool = True) -> Judgement:
    """What a call without an answer means: whether bytes were sent decides, not what the failure is called."""
    row = row_for(Facts(operation, failure=failure.kind, phase=failure.phase, first_try=first_try))
    what = str(failure)
    what = what[:1].upper() + what[1:]
    text = row.reads.format(failure=what, what=what)
    return Judgement(
        verdict=row.verdict,
        status=_status(row, first_try),
        row=row.name,
        message=answers.printable(text),
        code=failure.kind,
        exit_code=row.exit_code,
    )


def judge_no_token(operation: Operation, problem: str, *, first_try: bool = True) -> Judgement:
    """What it means that no token could be had: nothing was sent, and nothing further can be."""
    row = BY_NAME["unauthorized"]
    return Judgement(
        verdict=Verdict.RUN,
        status=_status(row, first_try),
        row=row.name,
        message=answers.printable(f"{problem} (this call needs the scope {operation.scope})"),
        exit_code=row.exit_code,
    )


def _status(row: Row, first_try: bool) -> str:
    return row.status if first_try or row.later is None else row.later
