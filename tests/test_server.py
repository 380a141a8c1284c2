"""The simulator over HTTP on loopback: calls, tokens, faults on the wire, bounds, and a quiet end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from reconciler.errors import UsageError
from reconciler.operations import BY_ACTION, body_bytes
from reconciler.payway.faults import parse_faults
from reconciler.payway.pages import SCOPES
from reconciler.payway.server import IDLE, MAX_REQUEST, TOKEN_PATH, SimulatorServer, running
from reconciler.payway.simulator import Simulator
from reconciler.payway.world import World
from reconciler.payway.worldmodel import WorldAccount, WorldProduct

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ONE, OWN = "a" * 24, "1" * 24
REQUEST = BY_ACTION["subscription_number"].request(
    {"account_id": ONE, "user_product_id": OWN, "subscription_number": "0012"}
)
JSON = {"Content-Type": "application/json"}
FORM = {"client_id": "me", "client_secret": "hush", "grant_type": "none", "scope": " ".join(sorted(SCOPES))}


class Moment:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def simulate(rules=(), **options) -> Simulator:
    world = World(accounts=[WorldAccount(ONE, "77", (WorldProduct(OWN),))])
    return Simulator(world, clock=options.pop("clock", Moment()), faults=parse_faults(list(rules)), **options)


def number(simulator: Simulator) -> str | None:
    return simulator.world.account(ONE).user_products[0].subscription_number


@contextmanager
def client(simulator, *, bearer: str | None = "any", **options):
    headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
    with (
        running(simulator, **options) as url,
        httpx.Client(base_url=url, headers=headers, timeout=10, trust_env=False) as opened,
    ):
        yield opened


def put(opened: httpx.Client, **options) -> httpx.Response:
    return opened.put(REQUEST.path, content=body_bytes(REQUEST), headers=options.pop("headers", JSON), **options)


# --- Calls ---


def test_a_call_is_answered_as_in_process():
    simulator = simulate()
    with client(simulator) as opened:
        answer = put(opened)
    assert (answer.status_code, answer.content) == (200, b'{"id":"%s"}' % OWN.encode())
    assert answer.headers["content-type"] == "application/json"
    assert answer.http_version == "HTTP/1.1" and "reconciler" in answer.headers["server"]
    assert number(simulator) == "0012"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
def test_other_content_types_are_refused(kind):
    with client(simulate()) as opened:
        answer = put(opened, headers={} if kind is None else {"Content-Type": kind})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_content_type_error")


def test_paths_and_methods_that_arent_payways():
    with client(simulate()) as opened:
        for method, path, status in [
            ("PUT", "/external/api/v1/nothing", 404),
            ("GET", "/", 404),
            ("POST", REQUEST.path, 405),
            ("DELETE", REQUEST.path, 405),
            ("GET", TOKEN_PATH, 404),
        ]:
            answer = opened.request(method, path)
            assert (answer.status_code, answer.headers["content-type"]) == (status, "text/plain; charset=utf-8")
        assert opened.head("/").content == b""


def test_one_connection_serves_many_calls_without_waiting_for_the_network(monkeypatch):
    accepted = []
    process = SimulatorServer.process_request

    def count(server, request, address):
        accepted.append(address)
        process(server, request, address)

    monkeypatch.setattr(SimulatorServer, "process_request", count)
    simulator = simulate()
    with client(simulator) as opened:
        began = time.perf_counter()
        for _ in range(50):
            assert put(opened).status_code == 200
        # Nagle's wait would be 40 ms a call.
        assert time.perf_counter() - began < 1.5
    assert len(accepted) == 1 and simulator.violations == []


def test_parallel_calls_are_served_and_told_of():
    simulator = simulate([{"call": 1, "fault": {"delay": 0.3}}])
    with client(simulator) as opened:
        first = threading.Thread(target=put, args=(opened,))
        first.start()
        while simulator.calls == 0:
            time.sleep(0.005)
        assert put(opened).status_code == 200
        first.join()
    assert simulator.violations == ["call 2 came while call 1 was in flight"]


# --- Tokens ---


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (None, 401),
        ("", 401),
        ("Bearer", 401),
        ("Basic good", 401),
        ("Bearer bad", 401),
        ("Bearer  good", 200),
        ("bearer good", 200),
        ("Bearer good", 200),
        ("Bearer gööd", 401),
    ],
)
def test_a_set_token_is_the_only_one(header, status):
    log = []
    simulator = simulate(log=log)
    with client(simulator, token="good", bearer=None) as opened:
        headers = JSON if header is None else [*JSON.items(), ("Authorization", header.encode("latin-1"))]
        answer = put(opened, headers=headers)
    assert answer.status_code == status
    assert (number(simulator) == "0012") == (status == 200)
    if status == 401:
        assert answer.headers["www-authenticate"] == "Bearer" and "code" not in answer.json()
    assert [call.status for call in log] == [status]
    assert "good" not in repr(log)


@pytest.mark.parametrize(("bearer", "status"), [("anything", 200), (None, 401)])
def test_without_a_set_token_any_will_do_but_there_must_be_one(bearer, status):
    with client(simulate(), bearer=bearer) as opened:
        assert put(opened).status_code == status


def test_tokens_are_given_accepted_and_end():
    clock, log = Moment(), []
    simulator = simulate(clock=clock, log=log)
    with client(simulator, token="other", bearer=None, expires_in=60) as opened:
        given = opened.post(TOKEN_PATH, data=FORM)
        assert (given.status_code, given.json()["expires_in"]) == (200, 60)
        token = given.json()["access_token"]
        headers = {**JSON, "Authorization": f"Bearer {token}"}
        assert put(opened, headers=headers).status_code == 200
        clock.now += timedelta(seconds=60)
        assert put(opened, headers=headers).status_code == 401
        assert opened.post(TOKEN_PATH, data=FORM).json()["access_token"] != token
        assert put(opened, headers=headers).status_code == 401
    assert [call.path for call in log] == [REQUEST.path] * 3
    assert token not in repr(log) and "hush" not in repr(log)


def test_a_token_has_the_scopes_that_were_asked_for():
    with client(simulate(), bearer=None) as opened:
        for scope, status in [("/external/subscription_system/w", 200), ("/external/userproduct/w", 403)]:
            token = opened.post(TOKEN_PATH, data={**FORM, "scope": scope}).json()["access_token"]
            assert put(opened, headers={**JSON, "Authorization": f"Bearer {token}"}).status_code == status


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": ""}, 401, "invalid_client"),
        ({"grant_type": "client_credentials"}, 400, "unsupported_grant_type"),
        ({"scope": "/external/everything/w"}, 400, "invalid_scope"),
        ({"scope": ""}, 400, "invalid_scope"),
    ],
)
def test_tokens_are_refused_in_oauths_shape(form, status, error):
    with client(simulate(), bearer=None, client=("me", "hush")) as opened:
        assert opened.post(TOKEN_PATH, data=FORM).status_code == 200
        answer = opened.post(TOKEN_PATH, data={**FORM, **form})
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert set(answer.json()) == {"error", "error_description"}


@pytest.mark.parametrize("request_", [{"json": FORM}, {"content": b"\xff"}, {"content": b"client_id"}], ids=range(3))
def test_token_requests_that_are_no_form(request_):
    with client(simulate(), bearer=None) as opened:
        answer = opened.post(TOKEN_PATH, **request_)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


# --- Faults on the wire ---


@pytest.mark.parametrize(
    ("fault", "error", "done"),
    [
        ({"drop": "before"}, httpx.ReadError, False),
        ({"drop": "after"}, httpx.ReadError, True),
        ({"refuse": True}, httpx.ReadError, False),
        ({"drop": "body"}, httpx.RemoteProtocolError, True),
    ],
)
def test_connections_are_really_cut(fault, error, done):
    simulator = simulate([{"call": 1, "fault": fault}])
    with client(simulator) as opened:
        with pytest.raises(error):
            put(opened)
        assert (number(simulator) == "0012") == done
        assert put(opened).status_code == 200


def test_answers_come_late_or_in_drips():
    simulator = simulate(
        [
            {"call": 1, "fault": {"delay": 0.2}},
            {"call": 2, "fault": {"drip": {"bytes": 8, "seconds": 0.05}}},
            {"call": 3, "fault": {"drip": {"bytes": 1, "seconds": 0.15}}},
        ]
    )
    with client(simulator) as opened:
        for pause in (0.2, 0.2):
            began = time.perf_counter()
            assert put(opened).json() == {"id": OWN}
            assert time.perf_counter() - began >= pause
        # No single read takes long; only a deadline over all of them ends this.
        began = time.perf_counter()
        with opened.stream("PUT", REQUEST.path, content=body_bytes(REQUEST), headers=JSON, timeout=0.5) as answer:
            for _ in answer.iter_raw(1):
                if time.perf_counter() - began > 0.6:
                    break
        assert time.perf_counter() - began > 0.6


def test_fault_answers_with_their_headers():
    rules = [
        {"call": 1, "fault": {"status": 429, "body": "slow down", "headers": {"Retry-After": "2"}}},
        {"call": 2, "fault": {"status": 302, "headers": {"Location": "http://example.com/"}}},
        {"call": 3, "fault": {"status": 204}},
        {"call": 4, "fault": {"status": 500, "body": {"code": "internal_server_error", "message": "x"}}},
    ]
    with client(simulate(rules)) as opened:
        first, second, third, fourth = (put(opened) for _ in range(4))
    assert (first.status_code, first.text, first.headers["retry-after"]) == (429, "slow down", "2")
    assert (second.status_code, second.headers["location"]) == (302, "http://example.com/")
    assert (third.status_code, third.content) == (204, b"")
    assert fourth.json()["code"] == "internal_server_error"


# --- Bounds ---


def raw(url: str, data: bytes) -> bytes:
    """What comes back on a connection of its own, until the server ends it."""
    target = httpx.URL(url)
    with socket.create_connection((target.host, target.port), timeout=5) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"Content-Length: %d" % (MAX_REQUEST + 1), b"413"),
        (b"Content-Length: 99999999999999999999", b"400"),
        (b"Content-Length: -1", b"400"),
        (b"Content-Length: 1_0", b"400"),
        (b"Content-Length: \xb2", b"400"),
        (b"Transfer-Encoding: chunked", b"411"),
        (b"X: y", b"411"),
        (b"X: " + b"y" * 70_000, b"431"),
    ],
    ids=range(8),
)
def test_requests_that_cant_be_bounded_are_refused_and_the_connection_ends(headers, status):
    simulator = simulate()
    head = b"PUT %s HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n" % (REQUEST.path.encode(), headers)
    with running(simulator) as url:
        answer = raw(url, head)
    assert answer.startswith(b"HTTP/1.1 %s " % status) and b"Connection: close" in answer
    assert simulator.calls == 0


def test_a_request_that_breaks_off_isnt_carried_out():
    simulator = simulate()
    head = b"PUT %s HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{" % REQUEST.path.encode()
    with running(simulator) as url:
        assert raw(url, head) == b""
    assert simulator.calls == 0


def test_a_silent_connection_doesnt_stay_for_ever():
    assert 10 <= IDLE <= 300


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.1", "example.com", "", "::", "127.0.0.1.example.com"])
def test_only_loopback_is_listened_on(host):
    with pytest.raises(UsageError, match="loopback"):
        SimulatorServer(simulate(), host)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.0.0.2", "::1", "[::1]"])
def test_every_loopback_will_do(host):
    if ":" in host and not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        with client(simulate(), host=host) as opened:
            assert put(opened).status_code == 200
    except UsageError:
        if ":" not in host:
            raise
        pytest.skip("no IPv6 loopback here")


@pytest.mark.parametrize("port", [None, 70_000, -1])
def test_a_port_that_cant_be_had_is_said(port):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UsageError, match="can't listen on"):
            SimulatorServer(simulate(), port=taken.getsockname()[1] if port is None else port)


def test_a_world_that_cant_be_written_is_an_internal_error(tmp_path):
    simulator = simulate(log=tmp_path / "none" / "calls.jsonl")
    with client(simulator) as opened:
        answer = put(opened)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_server_error")


# --- The end ---


def test_the_end_waits_for_no_idle_connection_and_cuts_waits_short():
    simulator = simulate([{"fault": {"delay": 60}}])
    answers = []
    with httpx.Client(headers={"Authorization": "Bearer x"}, trust_env=False, timeout=10) as opened:
        with running(simulator) as url:
            target = httpx.URL(url)
            idle = socket.create_connection((target.host, target.port), timeout=5)
            content = body_bytes(REQUEST)
            busy = threading.Thread(
                target=lambda: answers.append(opened.put(url + REQUEST.path, content=content, headers=JSON))
            )
            busy.start()
            while simulator.calls == 0:
                time.sleep(0.005)
            began = time.perf_counter()
        # The call in flight has had its answer.
        assert time.perf_counter() - began < 5
        busy.join(5)
        assert [answer.status_code for answer in answers] == [200]
        assert idle.recv(1) == b""
        idle.close()


SERVE = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from reconciler.payway.server import serve
from reconciler.payway.simulator import Simulator
from reconciler.payway.world import World
world = World(Path(sys.argv[1]))
serve(Simulator(world, clock=lambda: datetime.now(UTC)), on_ready=lambda url: print(url, flush=True))
print("ended", len(world))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_serve_and_leaves_a_tidy_world(tmp_path, number):
    path = tmp_path / "world.jsonl"
    account = {"account_id": ONE, "user_products": [{"user_product_id": OWN}]}
    path.write_text('{"format": "reconciler.world/v1"}\n' + json.dumps(account) + "\n")
    command = [sys.executable, "-c", SERVE, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            url = process.stdout.readline().strip()
            with httpx.Client(base_url=url, headers={"Authorization": "Bearer x"}, trust_env=False) as opened:
                assert put(opened).status_code == 200
                assert len(path.read_text().splitlines()) == 3
                os.kill(process.pid, number)
                out, err = process.communicate(timeout=20)
        finally:
            process.kill()
    assert (process.returncode, out, err) == (0, "ended 1\n", "")
    assert '"subscription_number":"0012"' in path.read_text() and len(path.read_text().splitlines()) == 2
