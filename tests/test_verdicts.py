"""The table of answers in the design's text on applying, row by row, as data."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.running import answer, error

from reconciler import answers
from reconciler.errors import ExitCode
from reconciler.judging import judge, judge_failure, judge_no_token
from reconciler.operations import BY_ACTION, OPERATIONS
from reconciler.state.store import STATUSES
from reconciler.verdicts import ANSWERS, BY_NAME, Verdict, possible_answers
from reconciler.wire import FAILURES, MAX_ANSWER, Answer, CallFailed, Phase

ACTIONS = [operation.action for operation in OPERATIONS]
REPEATABLE = ["update", "subscription_number", "sync_address", "sync_subscriptions"]
ONCE = ["reactivate"]

OURS, THEIRS = "56e1741a6fc9365306000034", "56e1741a6fc9365306000035"
NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)

HTML = b"<html>Not here</html>"


def page(status):
    return Answer(status, HTML, "text/html")


def judged(action, given, *, expected_id=OURS, **more):
    return judge(BY_ACTION[action], given, expected_id=expected_id, moment=NOW, **more)


DONE, RETRY, REPEAT, DOUBT = Verdict.DONE, Verdict.RETRY, Verdict.REPEAT, Verdict.DOUBT
STEP, ACCOUNT, RUN = Verdict.STEP, Verdict.ACCOUNT, Verdict.RUN

# Answers of the first try: (answer, actions, verdict, journal status, exit code of a run that stops, row).
FIRST = [
    (answer(id=OURS), ACTIONS, DONE, "applied", None, "done"),
    (answer(id=OURS.upper()), ACTIONS, DONE, "applied", None, "done"),
    (answer(id=OURS, new_field=[1]), ACTIONS, DONE, "applied", None, "done"),
    (answer(id=THEIRS), ACTIONS, ACCOUNT, "in_doubt", None, "other-object"),
    *[
        (given, actions, verdict, "in_doubt", None, row)
        for given in (
            Answer(200, b""),
            Answer(200, b"{"),
            Answer(200, HTML),
            Answer(200, b"\xff\xfe"),
            Answer(200, b"[" * 100_000),
            Answer(200, b'"' + OURS.encode() + b'"'),
            answer(200),
            answer(200, id="short"),
            answer(200, id=OURS + "\n"),
            Answer(200, b'{"id": 12}'),
            Answer(200, b" " * MAX_ANSWER + b'{"id":"' + OURS.encode() + b'"}'),
            *(answer(status, id=OURS) for status in (201, 202, 204, 206)),
            *(page(status) for status in (100, 408, 425, 500, 502, 503, 504, 507, 520, 599, 999)),
            error(500, "internal_server_error"),
            error(408, "anything"),
        )
        for actions, verdict, row in ((REPEATABLE, REPEAT, "unclear"), (ONCE, DOUBT, "unclear-once"))
    ],
    (page(429), ACTIONS, RETRY, "skipped", None, "throttled"),
    (error(429, "too_many"), ACTIONS, RETRY, "skipped", None, "throttled"),
    *[(page(status), ACTIONS, RUN, "skipped", 7, "redirect") for status in (300, 301, 302, 304, 307, 308)],
    (page(404), ACTIONS, RUN, "skipped", 7, "foreign-404"),
    (answer(404, message="no Route matched"), ACTIONS, RUN, "skipped", 7, "foreign-404"),
    *[
        (given, ACTIONS, RUN, "skipped", 7, "not-taken")
        for status in (405, 406, 411, 413, 414, 415, 431, 501)
        for given in (page(status), error(status, "anything"))
    ],
    (error(400, "invalid_parameter", "valid_to"), ACTIONS, STEP, "rejected", None, "invalid-parameter"),
    *[
        (error(400, code), ACTIONS, RUN, "skipped", 7, "not-understood")
        for code in ("json_parser_error", "invalid_content_type_error", "unknown_parameter")
    ],
    (error(400, "configuration_error"), ACTIONS, RUN, "skipped", 69, "configuration-error"),
    (page(401), ACTIONS, RUN, "skipped", 69, "unauthorized"),
    (error(401, "anything"), ACTIONS, RUN, "skipped", 69, "unauthorized"),
    (error(403, "not_product_owner"), ACTIONS, STEP, "rejected", None, "not-product-owner"),
    (error(403, "missing_scope"), ACTIONS, RUN, "skipped", 69, "forbidden"),
    (page(403), ACTIONS, RUN, "skipped", 69, "forbidden"),
    (error(404, "not_found"), ACTIONS, ACCOUNT, "rejected", None, "not-found"),
    (error(409, "user_product_not_tulo_provisioned"), ONCE, STEP, "rejected", None, "not-tulo-provisioned"),
    (error(409, "invalid_state"), ONCE, STEP, "rejected", None, "invalid-state"),
    (error(409, "user_product_not_belong_to_account"), ONCE, ACCOUNT, "rejected", None, "not-of-account"),
    (error(409, "invalid_state"), REPEATABLE, ACCOUNT, "rejected", None, "unknown-code"),
    *[
        (given, ACTIONS, ACCOUNT, "rejected", None, "unknown-code")
        for given in (error(400, "new_code"), error(409, "new_code"), page(400), page(409), Answer(400, b""))
    ],
    *[(error(status, "gone"), ACTIONS, ACCOUNT, "rejected", None, "unlisted-error") for status in (402, 410, 422)],
    *[(page(status), ACTIONS, RUN, "skipped", 7, "foreign-error") for status in (402, 407, 410, 422, 426, 451)],
]  # fmt: skip


@pytest.mark.parametrize(
    ("action", "given", "verdict", "status", "exit_code", "row"),
    [(action, given, *rest) for given, actions, *rest in FIRST for action in actions],
    ids=lambda value: f"{value.status} {value.body[:40]!r}" if isinstance(value, Answer) else str(value),
)
def test_every_answer_of_a_first_try_has_its_verdict(action, given, verdict, status, exit_code, row):
    found = judged(action, given)
    assert (found.verdict, found.status, found.exit_code, found.row) == (verdict, status, exit_code, row)
    assert found.http_status == given.status


# After a try that may have been carried out: (answer, actions, assumable, verdict, status).
LATER = [
    (answer(id=OURS), ACTIONS, False, DONE, "applied"),
    (page(429), ACTIONS, False, RETRY, "in_doubt"),
    (page(503), REPEATABLE, False, REPEAT, "in_doubt"),
    (page(302), ACTIONS, False, RUN, "in_doubt"),
    (page(401), ACTIONS, False, RUN, "in_doubt"),
    (page(403), ACTIONS, False, RUN, "in_doubt"),
    (page(405), ACTIONS, False, RUN, "in_doubt"),
    (page(404), ACTIONS, False, RUN, "in_doubt"),
    (page(451), ACTIONS, False, RUN, "in_doubt"),
    (error(400, "configuration_error"), ["update"], False, RUN, "in_doubt"),
    (error(400, "unknown_parameter"), ACTIONS, False, RUN, "in_doubt"),
    (error(409, "new_code"), ACTIONS, False, ACCOUNT, "in_doubt"),
    (error(422, "new_code"), ACTIONS, False, ACCOUNT, "in_doubt"),
    # What the same body would have met at the first try too:
    (error(400, "invalid_parameter"), ACTIONS, False, STEP, "rejected"),
    (error(403, "not_product_owner"), ["update"], False, STEP, "rejected"),
    (error(404, "not_found"), ACTIONS, False, ACCOUNT, "rejected"),
    (error(409, "user_product_not_tulo_provisioned"), ONCE, False, STEP, "rejected"),
    (error(409, "user_product_not_belong_to_account"), ONCE, False, ACCOUNT, "rejected"),
    (error(409, "invalid_state"), ONCE, True, DONE, "assumed"),
    (error(409, "invalid_state"), ONCE, False, ACCOUNT, "in_doubt"),
]


@pytest.mark.parametrize(
    ("action", "given", "assumable", "verdict", "status"),
    [(action, given, *rest) for given, actions, *rest in LATER for action in actions],
    ids=lambda value: f"{value.status} {value.body[:40]!r}" if isinstance(value, Answer) else str(value),
)
def test_after_a_try_that_may_have_worked_nothing_counts_as_surely_not_done(action, given, assumable, verdict, status):
    found = judged(action, given, first_try=False, assumable=assumable)
    assert (found.verdict, found.status) == (verdict, status)


# Calls without an answer: (kind, phase, actions, verdict, status, exit code).
FAILED = [
    *[(kind, Phase.NOT_SENT, ACTIONS, RETRY, "skipped", None) for kind in FAILURES if kind != "certificate"],
    ("certificate", Phase.NOT_SENT, ACTIONS, RUN, "skipped", 69),
    *[(kind, Phase.UNKNOWN, REPEATABLE, REPEAT, "in_doubt", None) for kind in FAILURES],
    *[(kind, Phase.UNKNOWN, ONCE, DOUBT, "in_doubt", None) for kind in FAILURES],
]


@pytest.mark.parametrize(
    ("action", "kind", "phase", "verdict", "status", "exit_code"),
    [(action, kind, phase, *rest) for kind, phase, actions, *rest in FAILED for action in actions],
)
def test_without_an_answer_the_bytes_that_were_sent_decide(action, kind, phase, verdict, status, exit_code):
    found = judge_failure(BY_ACTION[action], CallFailed(kind, phase, "detail"))
    assert (found.verdict, found.status, found.exit_code) == (verdict, status, exit_code)
    assert found.code == kind
    assert FAILURES[kind][1:] in found.message
    later = judge_failure(BY_ACTION[action], CallFailed(kind, phase), first_try=False)
    assert (later.verdict, later.status) == (verdict, "in_doubt")


def test_without_a_token_the_run_stops_and_names_the_scope():
    found = judge_no_token(BY_ACTION["update"], "the token can't be had")
    assert (found.verdict, found.status, found.exit_code) == (RUN, "skipped", ExitCode.UNREACHABLE)
    assert "/external/userproduct/w" in found.message
    assert judge_no_token(BY_ACTION["update"], "no", first_try=False).status == "in_doubt"


def test_an_id_that_is_not_known_yet_is_learned_unless_it_is_another_products():
    assert judged("update", answer(id=THEIRS), expected_id=None).answered_id == THEIRS
    assert judged("update", answer(id=THEIRS), expected_id=None).verdict is DONE
    assert judged("update", answer(id=THEIRS), expected_id=None, taken={THEIRS}).row == "other-object"


def test_only_a_refusal_of_the_credentials_asks_for_a_fresh_token():
    assert {row.name for row in ANSWERS if row.renew_token} == {"unauthorized"}
    assert judged("update", page(401)).renew_token
    assert not judged("update", page(403)).renew_token


def test_both_ids_are_told_when_another_object_answers():
    message = judged("update", answer(id=THEIRS)).message
    assert OURS in message and THEIRS in message


@pytest.mark.parametrize("action", ACTIONS)
def test_a_refused_scope_is_named(action):
    for status in (401, 403):
        assert BY_ACTION[action].scope in judged(action, page(status)).message


def test_the_table_is_complete_and_each_row_can_be_met():
    assert set(BY_NAME) == {row for *_, row in FIRST} | {"bad-certificate", "not-connected", "assumed", "unclear-state"}
    assert {row.status for row in ANSWERS} | {row.later for row in ANSWERS} - {None} <= set(STATUSES)
    assert all((row.exit_code is not None) == (row.verdict is RUN) for row in ANSWERS)
    assert all(row.later == "in_doubt" for row in ANSWERS if row.status == "skipped")


def test_people_see_the_rows_that_an_operation_can_meet():
    rows = {action: {row.name for row in possible_answers(BY_ACTION[action])} for action in ACTIONS}
    everywhere = set.intersection(*rows.values())
    assert {"done", "other-object", "throttled", "not-found", "invalid-parameter", "not-understood"} <= everywhere
    assert rows["update"] - everywhere == {"unclear", "configuration-error", "not-product-owner"}
    assert rows["sync_address"] - everywhere == {"unclear"}
    assert rows["reactivate"] - everywhere == {
        "unclear-once", "not-tulo-provisioned", "invalid-state", "assumed", "unclear-state", "not-of-account",
    }  # fmt: skip


# --- Whatever is answered ---

bodies = st.one_of(
    st.binary(max_size=200),
    st.dictionaries(
        st.sampled_from(["code", "field", "message", "id"]),
        st.one_of(st.none(), st.integers(), st.text(max_size=700), st.just("invalid_parameter"), st.just(OURS)),
    ).map(lambda data: json.dumps(data).encode()),
)


@given(
    st.sampled_from(OPERATIONS),
    st.integers(0, 1000),
    bodies,
    st.one_of(st.none(), st.text(max_size=60)),
    st.booleans(),
)
def test_any_answer_gets_one_printable_judgement(operation, status, body, retry_after, first_try):
    given = Answer(status, body, None, retry_after)
    found = judge(operation, given, expected_id=OURS, moment=NOW, first_try=first_try)
    assert found.status in STATUSES
    assert found.message.isprintable() and len(found.message) <= 500
    for word in (found.code, found.field):
        assert word is None or (word.isprintable() and len(word) <= 100)
    assert found.retry_after is None or 0 <= found.retry_after <= 120
    if found.status == "applied":
        assert status == 200 and found.answered_id == OURS
    if not first_try:
        assert found.status != "skipped"


@given(st.text(max_size=1200), st.integers(1, 600))
def test_text_is_made_printable_and_short(text, limit):
    shown = answers.printable(text, limit)
    assert len(shown) <= limit
    assert shown.isprintable()
    if text.isprintable() and len(text) <= limit:
        assert shown == text


def test_control_characters_are_written_as_escapes():
    assert answers.printable("a\x1b[31m\n\u202eb\U000e0001") == "a\\x1b[31m\\x0a\\u202eb\\U000e0001"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0), ("7", 7), (" 7 ", 7), ("120", 120), ("121", 120), ("999999999999999999", 120),
        ("-1", None), ("1.5", None), ("", None), ("soon", None), ("٣", None), ("1" * 200, None),
        ("Tue, 24 Nov 2026 10:00:30 GMT", 30), ("Tue, 24 Nov 2026 09:00:00 GMT", 0),
        ("Wed, 25 Nov 2026 10:00:00 GMT", 120),
        ("Tuesday, 24-Nov-26 10:00:45 GMT", 45), ("Tue Nov 24 10:01:00 2026", 60), ("Tue Nov  3 10:01:00 2026", 0),
        ("Tue, 24 Nov 2026 10:00:60 GMT", 59), ("Tue, 31 Feb 2026 10:00:00 GMT", None),
        ("Tue, 24 Foo 2026 10:00:00 GMT", None), ("Tue, 24 Nov 2026 25:00:00 GMT", None),
        ("Tue, 24 Nov 2026 10:00:30 +0100", None),
        ("Tue, 24 Nov 0000 10:00:00 GMT", None), ("Sunday, 06-Nov-94 08:49:37 GMT", 0),
    ],
)  # fmt: skip
def test_retry_after_is_read_in_both_forms_and_capped(text, seconds):
    assert answers.retry_after(text, NOW) == seconds


def test_retry_after_dates_are_relative_to_the_answers_moment():
    text = "Tue, 24 Nov 2026 10:01:00 GMT"
    assert [answers.retry_after(text, NOW + timedelta(seconds=s)) for s in (0, 50, 100)] == [60, 10, 0]


@pytest.mark.parametrize("given", [answer(429, retry_after="9"), answer(503, retry_after="9")])
def test_retry_after_counts_for_whatever_is_tried_again(given):
    assert judged("update", given).retry_after == 9
    assert judged("update", answer(400, retry_after="9", code="invalid_parameter")).retry_after is None


def test_payways_own_words_are_quoted_but_never_steer():
    found = judged("update", error(400, "invalid_parameter", "valid_to"))
    assert found.message == 'Payway doesn\'t accept the value of valid_to. Payway says: "Something is wrong"'
    assert (found.code, found.field) == ("invalid_parameter", "valid_to")
