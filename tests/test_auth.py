"""Credentials: which ones count, when they are looked up, how a token lives, and that nothing shows it."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

import pytest

from reconciler.errors import Unreachable
from reconciler.payway import secret
from reconciler.payway.auth import (
    TOKEN_PATH,
    ClientRef,
    CredentialRefs,
    Credentials,
    find_credentials,
    read_token_answer,
    scopes_of,
    variable_suffix,
)
from reconciler.payway.secret import CommandRef, EnvRef, FileRef, Ref, Secret, usable
from reconciler.wire import Answer, CallFailed, Phase

CANARY = "canary-7f3a9c"
SCOPES = ("/external/subscription_system/w", "/external/userproduct/w")
CLIENT = ClientRef("reader", EnvRef("THE_SECRET"))


class Desk:
    """Gives out tokens, and remembers what it was asked."""

    def __init__(self, *answers: Answer | CallFailed) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, dict[str, str]]] = []

    def __call__(self, path: str, form: Mapping[str, str]) -> Answer:
        self.asked.append((path, dict(form)))
        answer = self.answers.pop(0)
        if isinstance(answer, CallFailed):
            raise answer
        return answer


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def token_answer(token: str, **more: object) -> Answer:
    return Answer(200, json.dumps({"access_token": token, **more}).encode())


def no_desk(path: str, form: Mapping[str, str]) -> Answer:
    raise AssertionError("nothing is to be fetched")


def ask(credentials: Credentials) -> str:
    return credentials.token(no_desk, SCOPES).reveal()


# Which credentials count


OWN = CredentialRefs(token=EnvRef("FROM_OWN_TABLE"))
GENERAL = CredentialRefs(token=EnvRef("FROM_GENERAL_TABLE"))
ALL = {
    "PAYWAY_TOKEN_STAGE": "a",
    "PAYWAY_CLIENT_ID_STAGE": "b",
    "PAYWAY_CLIENT_SECRET_STAGE": "c",
    "PAYWAY_TOKEN": "d",
    "PAYWAY_CLIENT_ID": "e",
    "PAYWAY_CLIENT_SECRET": "f",
}
#: In order: each counts when all before it are taken away.
PRECEDENCE = [
    ("token from PAYWAY_TOKEN_STAGE", "variable"),
    ("client credentials from PAYWAY_CLIENT_ID_STAGE and PAYWAY_CLIENT_SECRET_STAGE", "variable"),
    ("token from FROM_OWN_TABLE", "own"),
    ("token from PAYWAY_TOKEN", "variable"),
    ("client credentials from PAYWAY_CLIENT_ID and PAYWAY_CLIENT_SECRET", "variable"),
    ("token from FROM_GENERAL_TABLE", "general"),
]


def test_what_is_meant_for_one_environment_counts_before_what_is_meant_for_all() -> None:
    environ, own, general = dict(ALL), OWN, GENERAL
    for described, found in PRECEDENCE:
        credentials = find_credentials("stage", environ, own=own, general=general)
        assert (credentials.describe(), credentials.found, credentials.present) == (described, found, True)
        for name in described.removeprefix("token from ").removeprefix("client credentials from ").split(" and "):
            environ.pop(name, None)
        own = CredentialRefs() if "OWN" in described else own
    assert not find_credentials("stage", environ).present


@pytest.mark.parametrize("refs", ["own", "general"])
def test_a_configured_token_counts_before_configured_client_credentials(refs: str) -> None:
    both = CredentialRefs(token=EnvRef("A_TOKEN"), client=CLIENT)
    assert find_credentials("stage", {}, **{refs: both}).describe() == "token from A_TOKEN"
    pair = CredentialRefs(client=CLIENT)
    described = find_credentials("stage", {}, **{refs: pair}).describe()
    assert described == "client credentials from a fixed id and THE_SECRET"


def test_variables_of_another_environment_do_not_count() -> None:
    assert not find_credentials("stage", {"PAYWAY_TOKEN_PRODUCTION": "x"}).present
    assert find_credentials("north-west", {"PAYWAY_TOKEN_NORTH_WEST": "x"}).present
    assert variable_suffix("north-west") == "_NORTH_WEST"


@pytest.mark.parametrize("empty", ["", " \n"])
def test_an_empty_variable_counts_as_unset(empty: str) -> None:
    found = find_credentials("stage", {"PAYWAY_TOKEN_STAGE": empty, "PAYWAY_TOKEN": "x"})
    assert found.describe() == "token from PAYWAY_TOKEN"


@pytest.mark.parametrize(("there", "missing"), [("ID", "SECRET"), ("SECRET", "ID")])
@pytest.mark.parametrize("suffix", ["_STAGE", ""])
def test_half_a_pair_is_a_problem_and_no_reason_to_take_others(there: str, missing: str, suffix: str) -> None:
    environ = {f"PAYWAY_CLIENT_{there}{suffix}": CANARY}
    credentials = find_credentials("stage", environ, general=GENERAL)
    with pytest.raises(Unreachable, match=f"PAYWAY_CLIENT_{missing}{suffix} isn't"):
        ask(credentials)
    assert CANARY not in repr(credentials)


def test_no_credentials_end_with_69_and_the_names_of_the_variables() -> None:
    credentials = find_credentials("north-west", {})
    assert credentials.describe() == "none: there are no credentials for 'north-west'"
    with pytest.raises(Unreachable) as caught:
        ask(credentials)
    assert caught.value.exit_code == 69
    for name in ("PAYWAY_TOKEN_NORTH_WEST", "PAYWAY_TOKEN", "PAYWAY_CLIENT_ID", "PAYWAY_CLIENT_SECRET"):
        assert name in str(caught.value.hint)
    assert credentials.renew() is False


# Where a secret is


def test_nothing_is_looked_up_before_a_token_is_asked_for(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    command = CommandRef((sys.executable, "-c", f"open({str(mark)!r}, 'w').close(); print('{CANARY}')"))
    credentials = find_credentials("stage", {}, own=CredentialRefs(token=command))
    assert credentials.describe() == f"token from the command {sys.executable}"
    assert not mark.exists()
    assert ask(credentials) == CANARY
    assert mark.exists()


def test_white_space_around_a_token_is_no_part_of_it(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"\n  {CANARY}\r\n")
    file.chmod(0o600)
    assert FileRef(str(file)).resolve({}).reveal() == CANARY
    assert EnvRef("T").resolve({"T": f" {CANARY}\n"}).reveal() == CANARY


@pytest.mark.parametrize("bad", ["a b", "Bearer x", "a\nb", "a\r\nX: y", "a\x00b", "tökën", "a\x7f", "a\u2028b", "“x”"])
def test_a_token_that_could_not_stand_in_a_header_is_refused_and_not_shown(bad: str) -> None:
    with pytest.raises(Unreachable) as caught:
        usable(CANARY + bad, "the variable T")
    assert caught.value.exit_code == 69
    assert CANARY not in f"{caught.value}{caught.value.hint}"


def test_an_unset_variable_is_named() -> None:
    with pytest.raises(Unreachable, match="the variable NOBODY_SET_IT is empty or not set"):
        EnvRef("NOBODY_SET_IT").resolve({})


def test_a_file_that_others_can_read_is_warned_about(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "token"
    file.write_text(CANARY)
    for mode, warned in ((0o600, False), (0o640, True), (0o604, True)):
        caplog.clear()
        file.chmod(mode)
        assert FileRef(str(file)).resolve({}).reveal() == CANARY
        assert bool(caplog.records) is warned
        assert CANARY not in caplog.text


def test_a_file_that_is_no_secret_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "token"
    for content in (b"", b"\xff\xfe\x00", b"x" * (secret.MAX_SECRET + 1)):
        file.write_bytes(content)
        file.chmod(0o600)
        with pytest.raises(Unreachable):
            FileRef(str(file)).resolve({})
    for path in (tmp_path, tmp_path / "missing", Path("~no-such-user-at-all/x")):
        with pytest.raises(Unreachable, match="can't be read"):
            FileRef(str(path)).resolve({})


def test_a_command_runs_without_a_shell_and_with_the_given_environment() -> None:
    script = "import os, sys; print(os.environ['KEY'] + sys.argv[1])"
    ref = CommandRef((sys.executable, "-c", script, "$HOME;x"))
    assert ref.resolve({"KEY": "key"}).reveal() == "key$HOME;x"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ((sys.executable, "-c", f"import sys; print('{CANARY}'); sys.stderr.write('{CANARY}'); sys.exit(3)"), "with 3"),
        ((sys.executable, "-c", "pass"), "is empty"),
        (("/no/such/program",), "can't be run"),
    ],
)
def test_a_command_that_fails_is_reported_without_what_it_wrote(
    argv: tuple[str, ...], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Unreachable, match=said) as caught:
        CommandRef(argv).resolve({})
    output = capfd.readouterr()
    assert CANARY not in f"{caught.value}{caught.value.hint}{output.out}{output.err}"


def test_a_command_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret, "COMMAND_TIMEOUT", 0.2)
    with pytest.raises(Unreachable, match=r"within 0\.2 s"):
        CommandRef((sys.executable, "-c", "import time; time.sleep(20)")).resolve({})


# How a token lives


def test_a_given_token_is_looked_up_once() -> None:
    environ = {"PAYWAY_TOKEN": "one"}
    credentials = find_credentials("stage", environ)
    assert ask(credentials) == "one"
    environ["PAYWAY_TOKEN"] = "two"
    assert ask(credentials) == "one"
    assert credentials.renew() is False


@pytest.mark.parametrize("kind", ["file", "command"])
def test_a_file_or_command_may_have_a_newer_token(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "token"
    file.write_text("one")
    file.chmod(0o600)
    command = (sys.executable, "-c", f"print(open({str(file)!r}).read())")
    ref: Ref = FileRef(str(file)) if kind == "file" else CommandRef(command)
    credentials = find_credentials("stage", {}, general=CredentialRefs(token=ref))
    assert ask(credentials) == "one"
    assert credentials.renew() is False
    file.write_text("two")
    assert credentials.renew() is True
    assert ask(credentials) == "two"


def test_client_credentials_fetch_a_token_as_the_vendor_describes() -> None:
    environ = {"PAYWAY_CLIENT_ID": "reader", "PAYWAY_CLIENT_SECRET": "s3&="}
    desk = Desk(token_answer("tok", expires_in=3600))
    credentials = find_credentials("stage", environ)
    assert credentials.token(desk, SCOPES).reveal() == "tok"
    form = {"client_id": "reader", "client_secret": "s3&=", "grant_type": "none", "scope": " ".join(SCOPES)}
    assert desk.asked == [(TOKEN_PATH, form)]
    assert TOKEN_PATH == "/api/authorization/access_token"


@pytest.mark.parametrize(("lifetime", "kept", "over"), [(3600, 3539, 3541), (100, 89, 91), ("7200", 7139, 7141)])
def test_a_fetched_token_is_renewed_a_little_before_it_ends(lifetime: object, kept: float, over: float) -> None:
    clock = Clock()
    desk = Desk(token_answer("one", expires_in=lifetime), token_answer("two", expires_in=lifetime))
    credentials = find_credentials("stage", {"PAYWAY_CLIENT_ID": "i", "PAYWAY_CLIENT_SECRET": "s"}, clock=clock)
    start = clock.now
    for after, token in ((0, "one"), (kept, "one"), (over, "two"), (over + 1, "two")):
        clock.now = start + after
        assert credentials.token(desk, SCOPES).reveal() == token


@pytest.mark.parametrize("lifetime", [None, "soon", True, -1, float("inf"), []])
def test_a_token_of_unknown_life_is_kept_until_somebody_refuses_it(lifetime: object) -> None:
    clock = Clock()
    desk = Desk(Answer(200, json.dumps({"access_token": "one", "expires_in": lifetime}).encode()), token_answer("two"))
    credentials = find_credentials("stage", {"PAYWAY_CLIENT_ID": "i", "PAYWAY_CLIENT_SECRET": "s"}, clock=clock)
    credentials.token(desk, SCOPES)
    clock.now += 10**6
    assert credentials.token(desk, SCOPES).reveal() == "one"
    assert credentials.renew() is True
    assert credentials.token(desk, SCOPES).reveal() == "two"


def test_other_scopes_need_another_token() -> None:
    desk = Desk(token_answer("one"), token_answer("two"))
    credentials = find_credentials("stage", {"S": "s"}, own=CredentialRefs(client=ClientRef("i", EnvRef("S"))))
    assert credentials.token(desk, SCOPES).reveal() == "one"
    assert credentials.token(desk, SCOPES[:1]).reveal() == "two"
    assert desk.asked[1][1]["scope"] == SCOPES[0]


def test_the_scopes_are_those_of_the_planned_calls() -> None:
    assert scopes_of() == SCOPES
    assert scopes_of(["update"]) == ("/external/userproduct/w",)
    assert scopes_of(["reactivate", "sync_address"]) == ("/external/subscription_system/w",)
    assert scopes_of([]) == ()


# What can go wrong when a token is fetched


def fetch(*answers: Answer | CallFailed) -> str:
    environ = {"PAYWAY_CLIENT_ID": "reader", "PAYWAY_CLIENT_SECRET": CANARY}
    return find_credentials("stage", environ).token(Desk(*answers), SCOPES).reveal()


def oauth(status: int, **body: str) -> Answer:
    return Answer(status, json.dumps(body).encode())


@pytest.mark.parametrize("kind", ["dns", "refused", "read_timeout", "reset", "deadline", "certificate"])
def test_a_call_whose_token_could_not_be_fetched_was_surely_not_sent(kind: str) -> None:
    with pytest.raises(CallFailed) as caught:
        fetch(CallFailed(kind, Phase.UNKNOWN, "somewhere"))
    assert (caught.value.kind, caught.value.phase) == (kind, Phase.NOT_SENT)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_desk_that_is_busy_is_worth_another_try(status: int) -> None:
    with pytest.raises(CallFailed) as caught:
        fetch(oauth(status, error="invalid_client"))
    assert (caught.value.kind, caught.value.phase) == ("token", Phase.NOT_SENT)


@pytest.mark.parametrize(
    ("answer", "said", "hint"),
    [
        (oauth(401, error="invalid_client", error_description=CANARY), "invalid_client", "client id"),
        (oauth(400, error="invalid_scope"), "invalid_scope", SCOPES[0]),
        (oauth(403, error="unauthorized_client", error_uri=CANARY), "unauthorized_client", "client id"),
        (oauth(400, error=f"<{CANARY}>"), "answered 400", "base_url"),
        (Answer(302, b""), "answered 302", "redirects"),
        (Answer(404, CANARY.encode()), "answered 404", "base_url"),
        (Answer(401, b"[" * 100_000), "answered 401", "base_url"),
        (Answer(200, b"<html>"), "without an access token", "base_url"),
        (Answer(200, b"[]"), "without an access token", "base_url"),
        (Answer(200, b'{"access_token": 7}'), "without an access token", "base_url"),
        (token_answer(f"{CANARY}\nX-Other: 1"), "can't be a secret", "Bearer"),
        (token_answer(""), "is empty", None),
    ],
)
def test_a_refused_token_ends_with_69_and_without_any_secret(answer: Answer, said: str, hint: str | None) -> None:
    with pytest.raises(Unreachable, match=said) as caught:
        fetch(answer)
    assert hint is None or hint in str(caught.value.hint)
    assert CANARY not in f"{caught.value}{caught.value.hint}{caught.value.details}"


# Nothing shows a secret


def test_no_way_of_looking_at_a_secret_shows_it() -> None:
    hidden = Secret(CANARY)
    assert CANARY not in f"{hidden} {hidden!r} {hidden!s} {[hidden]}"
    with pytest.raises(TypeError):
        pickle.dumps(hidden)
    with pytest.raises(TypeError):
        copy.deepcopy(hidden)
    with pytest.raises(TypeError):
        json.dumps(hidden)
    assert not hasattr(hidden, "__dict__")
    assert hidden.reveal() == CANARY
    assert hidden.same(Secret(CANARY))
    assert not hidden.same(Secret("other"))


def test_credentials_and_their_failures_do_not_show_what_they_hold(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    environ = {"PAYWAY_CLIENT_ID": "reader", "PAYWAY_CLIENT_SECRET": CANARY}
    credentials = find_credentials("stage", environ)
    shown = [repr(credentials), credentials.describe()]
    for answer in (oauth(401, error="invalid_client", error_description=urlencode({"s": CANARY})), Answer(503, b"")):
        with pytest.raises((Unreachable, CallFailed)) as caught:
            credentials.token(Desk(answer), SCOPES)
        shown += [repr(caught.value), *traceback.format_exception(caught.value)]
    credentials.token(Desk(token_answer(CANARY)), SCOPES)
    shown += [repr(credentials), repr(vars(credentials)), caplog.text]
    assert CANARY not in "".join(shown)


def test_a_token_answer_is_read_as_oauth_has_it() -> None:
    token, lifetime = read_token_answer(token_answer("tok", expires_in=7200, token_type="bearer", more=1), SCOPES)
    assert (token.reveal(), lifetime) == ("tok", 7200.0)
