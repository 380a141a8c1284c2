"""What every answer means for the call, its account and the run: one table for applier, `explain`, docs and tests.

The first row of `ANSWERS` that fits decides, and the last two fit everything: what nobody foresaw counts as
*unknown*. The rows follow the errors of the five vendor pages and, beyond them, what HTTP itself says.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

from reconciler.errors import ExitCode
from reconciler.operations.base import COMMON_ERRORS, Operation
from reconciler.wire import Phase


class Verdict(Enum):
    """What follows. The first word of each is its name in the docs."""

    DONE = "done"  # it worked
    RETRY = "retry"  # surely not done, so it may be tried again
    REPEAT = "repeat"  # unknown, but the same body again gives the same end
    DOUBT = "doubt"  # unknown, and a repeat proves nothing
    STEP = "step"  # this step failed
    ACCOUNT = "account"  # something is wrong with the whole account
    RUN = "run"  # nothing further can work: stop


#: The verdicts after which the same call is sent again while there is patience.
AGAIN: Final = frozenset({Verdict.RETRY, Verdict.REPEAT, Verdict.DOUBT})


class Found(Enum):
    """The id in a 200 answer, against the one that was expected."""

    EXPECTED = "the expected id"
    OTHER = "another id"
    NONE = "no id that can be read"


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the table looks at. ``failure`` and ``phase`` are set if there was no answer, else ``status``.

    ``first_try`` is False if an earlier try of the same step may have been carried out; ``assumable`` says that
    the product was known as cancelled with its term still running.
    """

    operation: Operation
    status: int | None = None
    code: str | None = None
    found: Found | None = None
    failure: str | None = None
    phase: Phase | None = None
    first_try: bool = True
    assumable: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its conditions (``None`` and empty are met by everything), and what follows.

    ``status`` is the journal's word if the call ends with it, ``later`` the one if an earlier try may have been
    carried out. ``answer`` says for people what is answered, ``reads`` is what they read then, with fields of
    `judging.judge` in braces. ``exit_code`` is that of a run which stops here.
    """

    name: str
    answer: str
    verdict: Verdict
    status: str
    reads: str
    statuses: Collection[int] = ()
    codes: tuple[str, ...] = ()
    coded: bool | None = None
    found: Found | None = None
    phase: Phase | None = None
    failures: tuple[str, ...] = ()
    first_try: bool | None = None
    assumable: bool | None = None
    repeatable: bool | None = None
    actions: tuple[str, ...] = ()
    later: str | None = None
    exit_code: ExitCode | None = None
    renew_token: bool = False

    def fits(self, facts: Facts) -> bool:
        """True if every condition is met."""
        return (
            (not self.statuses or facts.status in self.statuses)
            and (not self.codes or facts.code in self.codes)
            and (self.coded is None or self.coded == (facts.code is not None))
            and (self.found is None or self.found is facts.found)
            and (self.phase is None or self.phase is facts.phase)
            and (not self.failures or facts.failure in self.failures)
            and (self.first_try is None or self.first_try == facts.first_try)
            and (self.assumable is None or self.assumable == facts.assumable)
            and self._is_of(facts.operation)
        )

    def concerns(self, operation: Operation) -> bool:
        """True if people who ask about ``operation`` should see this row."""
        listed = {code for _, code in (*operation.errors, *COMMON_ERRORS)}
        return self._is_of(operation) and (not self.codes or not listed.isdisjoint(self.codes))

    def _is_of(self, operation: Operation) -> bool:
        return (not self.actions or operation.action in self.actions) and (
            self.repeatable is None or self.repeatable == operation.repeatable
        )


_CLIENT_ERRORS: Final = frozenset(range(400, 500)) - {408, 425}
_UNKNOWN: Final = (
    "200 unreadable, without id or not JSON; another 2xx; 408, 425, 500, 502, 503, 504; a time-out, a cut connection, "
    "a cut body or the deadline after sending began; anything not listed here"
)
_SURELY_NOT: Final = "skipped"

ANSWERS: Final = (
    Row(
        "done", "200 with the expected id", Verdict.DONE, "applied", "done",
        statuses=(200,), found=Found.EXPECTED,
    ),
    Row(
        "other-object", "200 with another id", Verdict.ACCOUNT, "in_doubt",
        "Payway answered for another object: {answered} instead of {expected}. Look both up before anything else "
        "is done.",
        statuses=(200,), found=Found.OTHER,
    ),
    Row(
        "throttled", "429", Verdict.RETRY, _SURELY_NOT,
        "Payway asks for fewer calls (429); this one wasn't carried out.",
        statuses=(429,), later="in_doubt",
    ),
    Row(
        "bad-certificate", "the host's certificate isn't valid", Verdict.RUN, _SURELY_NOT,
        "{failure}; nothing was sent. Is this the right host, and does a proxy stand between?",
        phase=Phase.NOT_SENT, failures=("certificate",), later="in_doubt", exit_code=ExitCode.UNREACHABLE,
    ),
    Row(
        "not-connected", "no connection: DNS, refused, connect time-out, TLS handshake", Verdict.RETRY, _SURELY_NOT,
        "{failure}; nothing was sent.",
        phase=Phase.NOT_SENT, later="in_doubt",
    ),
    Row(
        "redirect", "any 3xx", Verdict.RUN, _SURELY_NOT,
        "Payway answered with a redirect ({status}), which is never followed. Check the environment's base URL.",
        statuses=range(300, 400), later="in_doubt", exit_code=ExitCode.INCOMPLETE,
    ),
    Row(
        "invalid-parameter", "400 invalid_parameter", Verdict.STEP, "rejected",
        "Payway doesn't accept the value of {field}.",
        statuses=(400,), codes=("invalid_parameter",),
    ),
    Row(
        "not-understood", "400 json_parser_error, invalid_content_type_error, unknown_parameter",
        Verdict.RUN, _SURELY_NOT,
        "Payway doesn't understand the request ({code}): the API has changed or this program is wrong. Please report "
        "it with the output of `reconciler requests`.",
        statuses=(400,), codes=("json_parser_error", "invalid_content_type_error", "unknown_parameter"),
        later="in_doubt", exit_code=ExitCode.INCOMPLETE,
    ),
    Row(
        "configuration-error", "400 configuration_error", Verdict.RUN, _SURELY_NOT,
        "The API user has no provision service of its own: contact the Tulo Payway team.",
        statuses=(400,), codes=("configuration_error",), later="in_doubt", exit_code=ExitCode.UNREACHABLE,
    ),
    Row(
        "unauthorized", "401, also with a fresh token, or no token to be had", Verdict.RUN, _SURELY_NOT,
        "Payway refuses the credentials (401). This call needs the scope {scope}.",
        statuses=(401,), later="in_doubt", exit_code=ExitCode.UNREACHABLE, renew_token=True,
    ),
    Row(
        "not-product-owner", "403 not_product_owner", Verdict.STEP, "rejected",
        "Another provision service owns this user product, so the API user can't update it.",
        statuses=(403,), codes=("not_product_owner",),
    ),
    Row(
        "forbidden", "any other 403", Verdict.RUN, _SURELY_NOT,
        "Payway forbids this call (403). The credentials need the scope {scope}.",
        statuses=(403,), later="in_doubt", exit_code=ExitCode.UNREACHABLE,
    ),
    Row(
        "not-found", "404 not_found", Verdict.ACCOUNT, "rejected",
        "Payway knows no such account or user product (404).",
        statuses=(404,), coded=True,
    ),
    Row(
        "foreign-404", "404 that isn't Payway's JSON", Verdict.RUN, _SURELY_NOT,
        "Something other than Payway answered (404). Check the environment's base URL.",
        statuses=(404,), coded=False, later="in_doubt", exit_code=ExitCode.INCOMPLETE,
    ),
    Row(
        "not-taken", "405, 406, 411, 413–415, 431, 501", Verdict.RUN, _SURELY_NOT,
        "The host doesn't take this kind of request ({status}): the API has changed, or something stands between.",
        statuses=(405, 406, 411, 413, 414, 415, 431, 501), later="in_doubt", exit_code=ExitCode.INCOMPLETE,
    ),
    Row(
        "not-tulo-provisioned", "409 user_product_not_tulo_provisioned", Verdict.STEP, "rejected",
        "Payway doesn't provision this user product itself, so it can't reactivate it.",
        statuses=(409,), codes=("user_product_not_tulo_provisioned",), actions=("reactivate",),
    ),
    Row(
        "invalid-state", "409 invalid_state at the first try", Verdict.STEP, "rejected",
        "The user product isn't cancelled (any more), so there is nothing to reactivate.",
        statuses=(409,), codes=("invalid_state",), first_try=True, actions=("reactivate",),
    ),
    Row(
        "assumed", "409 invalid_state at a repeat, known as cancelled with its term running", Verdict.DONE, "assumed",
        "Not cancelled any more: the earlier try, whose answer was lost, must have worked.",
        statuses=(409,), codes=("invalid_state",), first_try=False, assumable=True, actions=("reactivate",),
    ),
    Row(
        "unclear-state", "409 invalid_state at a repeat, otherwise", Verdict.ACCOUNT, "in_doubt",
        "Either the earlier try, whose answer was lost, has worked, or there was nothing to reactivate. Look it up in "
        "Payway and settle it with `reconciler resolve`.",
        statuses=(409,), codes=("invalid_state",), first_try=False, assumable=False, actions=("reactivate",),
    ),
    Row(
        "not-of-account", "409 user_product_not_belong_to_account", Verdict.ACCOUNT, "rejected",
        "The user product belongs to another account.",
        statuses=(409,), codes=("user_product_not_belong_to_account",), actions=("reactivate",),
    ),
    Row(
        "unknown-code", "400 or 409 with a code that its page doesn't list", Verdict.ACCOUNT, "rejected",
        "Payway refuses the call for a reason that isn't on its page ({status} {code}).",
        statuses=(400, 409), later="in_doubt",
    ),
    Row(
        "unlisted-error", "another 4xx as Payway's JSON", Verdict.ACCOUNT, "rejected",
        "Payway refuses the call for a reason that isn't on its page ({status} {code}).",
        statuses=_CLIENT_ERRORS, coded=True, later="in_doubt",
    ),
    Row(
        "foreign-error", "another 4xx that isn't Payway's JSON", Verdict.RUN, _SURELY_NOT,
        "Something other than Payway answered ({status}). Check the environment's base URL.",
        statuses=_CLIENT_ERRORS, coded=False, later="in_doubt", exit_code=ExitCode.INCOMPLETE,
    ),
    Row(
        "unclear", _UNKNOWN, Verdict.REPEAT, "in_doubt",
        "{what}: nobody knows whether the call was carried out. Sending the same again is safe.",
        repeatable=True,
    ),
    Row(
        "unclear-once", _UNKNOWN, Verdict.DOUBT, "in_doubt",
        "{what}: nobody knows whether the call was carried out.",
        repeatable=False,
    ),
)  # fmt: skip

BY_NAME: Final = MappingProxyType({row.name: row for row in ANSWERS})


def possible_answers(operation: Operation) -> tuple[Row, ...]:
    """The rows that ``operation`` can meet, in the table's order."""
    return tuple(row for row in ANSWERS if row.concerns(operation))


def row_for(facts: Facts) -> Row:
    """The row that decides about ``facts``."""
    return next(row for row in ANSWERS if row.fits(facts))
