"""The HTTP client against loopback servers that misbehave: what is sent, what a failure is called, what it proves."""

from __future__ import annotations

import gzip
import json
import logging
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from reconciler.errors import InvalidInput, Unreachable
from reconciler.operations import UPDATE, body_bytes
from reconciler.payway import network
from reconciler.payway.auth import find_credentials
from reconciler.payway.client import HttpSender, user_agent
from reconciler.payway.connection import Connection
from reconciler.plan import Request
from reconciler.wire import MAX_ANSWER, Answer, CallFailed, Phase

CANARY = "canary-7f3a9c"
REQUEST = UPDATE.request({"account_id": "a" * 24, "product_id": "b" * 24, "state": "activated"})
OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"

#: What a server does with one connection.
Script = Callable[["Server", socket.socket], None]


class Server:
    """A loopback server that runs one script a connection, and stops by itself after a few seconds."""

    def __init__(self, script: Script, context: ssl.SSLContext | None = None) -> None:
        self.script = script
        self.context = context
        self.connections = 0
        self.requests: list[bytes] = []
        self.stopped = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(5)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def url(self, scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self.port}"

    def run(self) -> None:
        while not self.stopped.is_set():
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            plain.settimeout(5)
            with suppress(OSError), plain:
                sock = self.context.wrap_socket(plain, server_side=True) if self.context else plain
                with sock:
                    self.script(self, sock)

    def read(self, sock: socket.socket) -> bytes:
        """One request, headers and body; empty when the client has gone."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = sock.recv(65536)
            if not more:
                return b""
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        while len(body) < length:
            body += sock.recv(65536)
        self.requests.append(head + b"\r\n\r\n" + body)
        return self.requests[-1]

    def close(self) -> None:
        self.stopped.set()
        # A listener that is only closed stays open for a thread that waits in accept.
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(5)
        assert not self.thread.is_alive()


def answering(*answers: bytes) -> Script:
    """Answers each request of a connection in turn, the last answer again and again."""

    def script(server: Server, sock: socket.socket) -> None:
        number = 0
        while server.read(sock):
            sock.sendall(answers[min(number, len(answers) - 1)])
            number += 1

    return script


def once(*parts: bytes, reset: bool = False, pause: float = 0.0) -> Script:
    """Reads one request, sends the parts and closes, with a reset if asked to."""

    def script(server: Server, sock: socket.socket) -> None:
        server.read(sock)
        for part in parts:
            sock.sendall(part)
        if reset:
            # Time to read what was sent: a reset throws away what is still in the client's buffer.
            time.sleep(pause)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return script


def silent(server: Server, sock: socket.socket) -> None:
    server.read(sock)
    server.stopped.wait(5)


def dripping(first: bytes, drop: bytes) -> Script:
    def script(server: Server, sock: socket.socket) -> None:
        server.read(sock)
        sock.sendall(first)
        ends = time.monotonic() + 5
        while not server.stopped.wait(0.03) and time.monotonic() < ends:
            sock.sendall(drop)

    return script


Serve = Callable[..., Server]
Open = Callable[..., HttpSender]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[Server] = []

    def start(script: Script, context: ssl.SSLContext | None = None) -> Server:
        servers.append(Server(script, context))
        return servers[-1]

    yield start
    # All are told before the first is waited for: one may be a proxy that waits for another.
    for server in servers:
        server.stopped.set()
    for server in servers:
        server.close()


@pytest.fixture
def opened() -> Iterator[Open]:
    """Makes senders with the canary as token, and closes them before the servers stop."""
    with ExitStack() as stack:

        def make(url: str, **options: object) -> HttpSender:
            environ = options.pop("environ", {"PAYWAY_TOKEN": CANARY})
            options = {"connect_timeout": 2.0, "call_deadline": 3.0, **options}
            sender = HttpSender(url, find_credentials("stage", environ), **options)  # type: ignore[arg-type]
            stack.callback(sender.close)
            return sender

        yield make


def failure(sender: HttpSender, request: Request = REQUEST) -> tuple[str, Phase]:
    with pytest.raises(CallFailed) as caught:
        sender.send(request)
    text = f"{caught.value!r}{caught.value}{''.join(traceback.format_exception(caught.value))}"
    assert CANARY not in text
    return caught.value.kind, caught.value.phase


# What is sent and what is read


def test_the_bytes_sent_are_the_bytes_reviewed(serve: Serve, opened: Open) -> None:
    server = serve(answering(OK))
    answer = opened(server.url()).send(REQUEST)
    assert answer == Answer(200, b"{}", "application/json", None)
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert body == body_bytes(REQUEST)
    first, *lines = head.decode().split("\r\n")
    assert first == "PUT /external/api/v1/userproducts HTTP/1.1"
    headers = dict(line.lower().split(": ", 1) for line in lines)
    assert headers == {
        "host": f"127.0.0.1:{server.port}",
        "accept": "application/json",
        "accept-encoding": "identity",
        "connection": "keep-alive",
        "user-agent": user_agent(),
        "content-type": "application/json",
        "content-length": str(len(body)),
        "authorization": f"bearer {CANARY}",
    }


def test_a_read_goes_without_a_body(serve: Serve, opened: Open) -> None:
    server = serve(answering(OK))
    opened(server.url()).send(Request("GET", "/external/api/v1/userproducts/1?x=1", {}))
    assert server.requests[0].startswith(b"GET /external/api/v1/userproducts/1?x=1 HTTP/1.1\r\n")
    assert b"content-" not in server.requests[0].lower()


def test_many_calls_share_one_connection(serve: Serve, opened: Open) -> None:
    server = serve(answering(OK))
    sender = opened(server.url())
    for _ in range(20):
        assert sender.send(REQUEST).status == 200
    assert (server.connections, len(server.requests)) == (1, 20)


def test_a_connection_that_was_closed_while_idle_is_not_used_again(serve: Serve, opened: Open) -> None:
    closed = threading.Semaphore(0)

    def script(server: Server, sock: socket.socket) -> None:
        once(OK)(server, sock)
        sock.shutdown(socket.SHUT_RDWR)
        closed.release()

    server = serve(script)
    sender = opened(server.url())
    for _ in range(3):
        assert sender.send(REQUEST).status == 200
        assert closed.acquire(timeout=5)
    assert server.connections == 3


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", Answer(200, b"until the end")),
        (b"HTTP/1.1 204 No Content\r\n\r\n", Answer(204, b"")),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, Answer(200, b"{}", "application/json")),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", Answer(200, b"abc")),
        (
            b"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n",
            Answer(429, b"", "text/plain", "7"),
        ),
        (b"HTTP/1.0 502 Bad\r\n\r\n<html>", Answer(502, b"<html>")),
    ],
)
def test_an_answer_is_read_whole(serve: Serve, opened: Open, raw: bytes, expected: Answer) -> None:
    assert opened(serve(once(raw)).url()).send(REQUEST) == expected


def test_an_answer_is_not_decompressed(serve: Serve, opened: Open) -> None:
    packed = gzip.compress(bytes(10 * MAX_ANSWER))
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {len(packed)}\r\n\r\n"
    assert opened(serve(once(head.encode() + packed)).url()).send(REQUEST).body == packed


def test_a_token_that_an_answer_echoes_is_taken_out(serve: Serve, opened: Open) -> None:
    body = b'{"code": "not_found", "message": "no such bearer: ' + CANARY.encode() + b'"}'
    server = serve(once(b"HTTP/1.1 404 Not Found\r\ncontent-length: %d\r\n\r\n" % len(body), body))
    answer = opened(server.url()).send(REQUEST)
    assert CANARY.encode() not in answer.body
    assert b"no such bearer: [token]" in answer.body


def test_a_redirect_is_an_answer_and_is_not_followed(serve: Serve, opened: Open) -> None:
    elsewhere = serve(answering(OK))
    for status in (301, 302, 303, 307, 308):
        head = f"HTTP/1.1 {status} Moved\r\nlocation: {elsewhere.url()}/x\r\ncontent-length: 0\r\n\r\n"
        assert opened(serve(once(head.encode())).url()).send(REQUEST).status == status
    assert elsewhere.connections == 0


def test_cookies_are_not_kept(serve: Serve, opened: Open) -> None:
    server = serve(answering(OK.replace(b"\r\n\r\n", b"\r\nset-cookie: a=b; path=/\r\n\r\n", 1)))
    sender = opened(server.url())
    sender.send(REQUEST)
    sender.send(REQUEST)
    assert b"cookie" not in server.requests[1].lower()


def test_proxies_and_netrc_of_the_environment_are_not_read(
    serve: Serve, opened: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    trap = serve(answering(OK))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, trap.url())
    server = serve(answering(OK))
    opened(server.url()).send(REQUEST)
    assert f"Bearer {CANARY}".encode() in server.requests[0]
    assert trap.connections == 0


def test_a_path_cannot_lead_to_another_host(opened: Open) -> None:
    for path in ("@elsewhere.example/", ".elsewhere.example/", "", "https://elsewhere.example/"):
        with pytest.raises(ValueError, match="begins at the host's root"):
            opened("http://127.0.0.1:9").send(Request("PUT", path, {}))


# Failures before the request: surely not sent


def test_refused(opened: Open) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    assert failure(opened(f"http://127.0.0.1:{port}")) == ("refused", Phase.NOT_SENT)


def test_a_name_that_is_unknown(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(network.socket, "getaddrinfo", unknown)
    assert failure(opened("https://payway.invalid")) == ("dns", Phase.NOT_SENT)


def test_a_resolver_that_does_not_answer_is_not_waited_for(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def slow(*_: object, **__: object) -> list[object]:
        release.wait(5)
        return []

    monkeypatch.setattr(network.socket, "getaddrinfo", slow)
    with within(3.0):
        assert failure(opened("https://payway.invalid", connect_timeout=0.2)) == ("dns", Phase.NOT_SENT)
    release.set()


def test_every_address_gets_its_share_of_the_time(serve: Serve, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(answering(OK))
    with full_backlog() as port:
        addresses = [("127.0.0.1", port), ("127.0.0.1", server.port)]
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]
        monkeypatch.setattr(network.socket, "getaddrinfo", lambda *_, **__: found)
        with within(3.0):
            assert opened("http://localhost", connect_timeout=0.6).send(REQUEST).status == 200


def test_a_connection_that_takes_too_long(opened: Open) -> None:
    with full_backlog() as port, within(3.0):
        sender = opened(f"http://127.0.0.1:{port}", connect_timeout=0.3)
        assert failure(sender) == ("connect_timeout", Phase.NOT_SENT)


def test_the_deadline_of_the_call_bounds_the_connection_too(opened: Open) -> None:
    with full_backlog() as port, within(3.0):
        sender = opened(f"http://127.0.0.1:{port}", connect_timeout=60.0, call_deadline=0.3)
        assert failure(sender) == ("connect_timeout", Phase.NOT_SENT)


def test_a_connection_that_takes_no_byte_is_proof_that_nothing_was_sent(
    serve: Serve, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(socket.socket):
        def send(self, *_: object) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    server = serve(answering(OK))
    real = network._connect

    def connect(*arguments: object) -> socket.socket:
        sock = real(*arguments)  # type: ignore[arg-type]
        return Broken(fileno=sock.detach())

    monkeypatch.setattr(network, "_connect", connect)
    assert failure(opened(server.url())) == ("reset", Phase.NOT_SENT)


# Failures after the first byte: nobody knows


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (silent, "read_timeout"),
        (dripping(b"HTTP/1.1 200 OK\r\ncontent-length: 999999\r\n\r\n", b"x"), "deadline"),
        (dripping(b"HTTP/1.1 200 OK\r\nx-long: ", b"x"), "deadline"),
        (dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "deadline"),
        (dripping(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n"), "deadline"),
    ],
    ids=["silent", "body dripped", "header dripped", "interim answers", "chunks dripped"],
)
def test_the_deadline_bounds_the_whole_answer(serve: Serve, opened: Open, script: Script, kind: str) -> None:
    with within(3.0):
        assert failure(opened(serve(script).url(), call_deadline=0.4)) == (kind, Phase.UNKNOWN)


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (once(), "reset"),
        (once(reset=True), "reset"),
        (once(b"HTTP/1.1 200 OK\r\ncontent-le"), "cut_body"),
        (once(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{}"), "cut_body"),
        (once(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab"), "cut_body"),
        (once(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{}", reset=True, pause=0.1), "reset"),
        (once(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "not_http"),
        (once(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"), "not_http"),
        (once(b"HTTP/1.1 200 OK\r\ncontent-length: 1, 2\r\n\r\nab"), "not_http"),
    ],
)
def test_an_answer_that_does_not_come_whole(serve: Serve, opened: Open, script: Script, kind: str) -> None:
    assert failure(opened(serve(script).url())) == (kind, Phase.UNKNOWN)


def test_an_answer_of_a_mebibyte_is_read_and_a_byte_more_is_not(serve: Serve, opened: Open) -> None:
    def sized(size: int) -> Script:
        return once(f"HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n".encode() + bytes(size))

    assert len(opened(serve(sized(MAX_ANSWER)).url()).send(REQUEST).body) == MAX_ANSWER
    assert failure(opened(serve(sized(MAX_ANSWER + 1)).url())) == ("too_large", Phase.UNKNOWN)


@pytest.mark.parametrize(
    "part",
    [b"HTTP/1.1 100 Continue\r\nx: " + b"y" * 60_000 + b"\r\n\r\n", b"HTTP/1.1 102 Processing\r\n\r\n" * 4000],
)
def test_headers_without_end_are_too_large(serve: Serve, opened: Open, part: bytes) -> None:
    assert failure(opened(serve(once(*[part] * 40)).url())) == ("too_large", Phase.UNKNOWN)


def test_a_host_that_does_not_read(serve: Serve) -> None:
    def deaf(server: Server, sock: socket.socket) -> None:
        server.stopped.wait(5)

    connection = Connection(serve(deaf).url(), connect_timeout=1.0, call_deadline=0.4)
    with within(3.0), pytest.raises(CallFailed) as caught:
        connection.call("PUT", "/", bytes(64 * 1024 * 1024), {})
    connection.close()
    assert (caught.value.kind, caught.value.phase) == ("write_timeout", Phase.UNKNOWN)


def test_after_a_failure_the_next_call_begins_afresh(serve: Serve, opened: Open) -> None:
    def script(server: Server, sock: socket.socket) -> None:
        (once() if server.connections % 2 else answering(OK))(server, sock)

    server = serve(script)
    sender = opened(server.url())
    assert failure(sender) == ("reset", Phase.UNKNOWN)
    assert sender.send(REQUEST).status == 200
    assert sender.send(REQUEST).status == 200
    assert server.connections == 2


# TLS and proxies


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key in the same file."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    folder = tmp_path_factory.mktemp("tls")
    (folder / "openssl.cnf").write_text(
        "[req]\nprompt=no\ndistinguished_name=name\nx509_extensions=extensions\n[name]\nCN=loopback\n[extensions]\n"
        "subjectAltName=IP:127.0.0.1\nbasicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=hash\n"
        "authorityKeyIdentifier=keyid\nkeyUsage=critical,digitalSignature,keyCertSign\n"
    )
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-config", "openssl.cnf", "-keyout", "key.pem", "-out", "certificate.pem"],
        cwd=folder, check=True, capture_output=True, timeout=30,
    )  # fmt: skip
    return folder


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "certificate.pem", certificate / "key.pem")
    return context


def test_a_certificate_that_nobody_vouches_for(serve: Serve, opened: Open, tls: ssl.SSLContext) -> None:
    server = serve(answering(OK), tls)
    assert failure(opened(server.url("https"))) == ("certificate", Phase.NOT_SENT)
    assert server.requests == []


def test_a_certificate_for_another_name(serve: Serve, opened: Open, tls: ssl.SSLContext, certificate: Path) -> None:
    server = serve(answering(OK), tls)
    sender = opened(f"https://localhost:{server.port}", ca_file=str(certificate / "certificate.pem"))
    assert failure(sender) == ("certificate", Phase.NOT_SENT)


def test_a_further_authority_can_be_trusted(serve: Serve, opened: Open, tls: ssl.SSLContext, certificate: Path) -> None:
    server = serve(answering(OK), tls)
    sender = opened(server.url("https"), ca_file=str(certificate / "certificate.pem"))
    for _ in range(3):
        assert sender.send(REQUEST).body == b"{}"
    assert server.connections == 1


@pytest.mark.parametrize(
    ("script", "kind"),
    [(silent, "read_timeout"), (once(), "reset"), (once(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"), "cut_body")],
)
def test_after_the_handshake_nobody_knows(
    serve: Serve, opened: Open, tls: ssl.SSLContext, certificate: Path, script: Script, kind: str
) -> None:
    ca_file = str(certificate / "certificate.pem")
    sender = opened(serve(script, tls).url("https"), ca_file=ca_file, call_deadline=0.5)
    assert failure(sender) == (kind, Phase.UNKNOWN)


def test_a_record_that_fails_half_way_proves_nothing(
    serve: Serve, opened: Open, tls: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> int:
        raise BrokenPipeError(32, "Broken pipe")

    server = serve(silent, tls)
    sender = opened(server.url("https"), ca_file=str(certificate / "certificate.pem"), call_deadline=0.5)
    monkeypatch.setattr(ssl.SSLSocket, "send", broken)
    assert failure(sender) == ("read_timeout", Phase.UNKNOWN)


def test_a_file_without_certificates_is_a_bad_setting(opened: Open, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    for name in ("missing.pem", "empty.pem"):
        with pytest.raises(InvalidInput, match="ca_file"):
            opened("https://payway.invalid", ca_file=str(tmp_path / name))


@pytest.mark.parametrize("reset", [False, True])
def test_a_handshake_that_fails_has_sent_nothing(serve: Serve, opened: Open, reset: bool) -> None:
    def no_tls(server: Server, sock: socket.socket) -> None:
        sock.recv(5)
        if reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    assert failure(opened(serve(no_tls).url("https"))) == ("tls", Phase.NOT_SENT)


def test_a_handshake_that_does_not_end_has_sent_nothing(serve: Serve, opened: Open) -> None:
    def mute(server: Server, sock: socket.socket) -> None:
        server.stopped.wait(5)

    with within(3.0):
        sender = opened(serve(mute).url("https"), connect_timeout=0.3)
        assert failure(sender) == ("connect_timeout", Phase.NOT_SENT)


def tunnel(server: Server, sock: socket.socket) -> None:
    """A proxy for one connection."""
    first = server.read(sock).split(b" ")[1].decode()
    host, _, port = first.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5) as there:
        sock.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        back = threading.Thread(target=pump, args=(there, sock), daemon=True)
        back.start()
        pump(sock, there)
        back.join(5)


def pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def test_a_proxy_carries_the_call_and_sees_no_token(
    serve: Serve, opened: Open, tls: ssl.SSLContext, certificate: Path
) -> None:
    server, proxy = serve(answering(OK), tls), serve(tunnel)
    sender = opened(
        server.url("https"),
        proxy=f"http://some%40one:pass@127.0.0.1:{proxy.port}",
        ca_file=str(certificate / "certificate.pem"),
    )
    assert sender.send(REQUEST).status == 200
    assert sender.send(REQUEST).status == 200
    assert len(server.requests) == 2
    [connect] = proxy.requests
    assert connect.startswith(f"CONNECT 127.0.0.1:{server.port} ".encode())
    assert b"Basic c29tZUBvbmU6cGFzcw==" in connect
    assert CANARY.encode() not in connect
    assert b"Basic" not in server.requests[0]
    sender.close()


@pytest.mark.parametrize(("script", "kind"), [(silent, "read_timeout"), (once(), "reset")])
def test_an_answer_of_the_proxy_is_none_of_the_host(
    serve: Serve, opened: Open, tls: ssl.SSLContext, certificate: Path, script: Script, kind: str
) -> None:
    server, proxy = serve(script, tls), serve(tunnel)
    ca_file = str(certificate / "certificate.pem")
    sender = opened(server.url("https"), proxy=proxy.url(), ca_file=ca_file, call_deadline=0.5)
    assert failure(sender) == (kind, Phase.UNKNOWN)
    sender.close()


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (once(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n"), "refused"),
        (once(), "reset"),
        (silent, "read_timeout"),
    ],
)
def test_what_goes_wrong_at_the_proxy_has_sent_nothing(serve: Serve, opened: Open, script: Script, kind: str) -> None:
    sender = opened("https://payway.invalid", proxy=serve(script).url(), call_deadline=0.5)
    assert failure(sender) == (kind, Phase.NOT_SENT)


# Tokens


def test_a_fetched_token_comes_from_the_same_host_and_connection(serve: Serve, opened: Open) -> None:
    def token(text: str) -> bytes:
        body = json.dumps({"access_token": text, "expires_in": 3600}).encode()
        return f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body

    server = serve(answering(token("one"), OK, OK, token("two"), OK))
    environ = {"PAYWAY_CLIENT_ID": "a b", "PAYWAY_CLIENT_SECRET": CANARY}
    environ["PAYWAY_CLIENT_ID"] = "a&b"
    sender = opened(server.url(), environ=environ, scopes=["/external/userproduct/w"])
    sender.send(REQUEST)
    sender.send(REQUEST)
    assert sender.renew_token() is True
    sender.send(REQUEST)
    assert server.connections == 1
    posted, *calls = server.requests[0], *server.requests[1:3], server.requests[4]
    assert posted.startswith(b"POST /api/authorization/access_token HTTP/1.1\r\n")
    assert b"\r\ncontent-type: application/x-www-form-urlencoded\r\n" in posted.lower()
    assert posted.endswith(
        f"client_id=a%26b&client_secret={CANARY}&grant_type=none&scope=%2Fexternal%2Fuserproduct%2Fw".encode()
    )
    for call, text in zip(calls, (b"one", b"one", b"two"), strict=True):
        assert b"\r\nAuthorization: Bearer " + text + b"\r\n" in call.replace(b"authorization", b"Authorization")
        assert CANARY.encode() not in call


def test_a_call_whose_token_could_not_be_fetched_was_not_sent(serve: Serve, opened: Open) -> None:
    environ = {"PAYWAY_CLIENT_ID": "i", "PAYWAY_CLIENT_SECRET": CANARY}
    server = serve(once())
    assert failure(opened(server.url(), environ=environ)) == ("reset", Phase.NOT_SENT)
    assert [request[:4] for request in server.requests] == [b"POST"]


def test_without_credentials_nothing_is_connected(serve: Serve, opened: Open) -> None:
    server = serve(answering(OK))
    sender = opened(server.url(), environ={})
    with pytest.raises(Unreachable):
        sender.send(REQUEST)
    assert sender.renew_token() is False
    assert server.connections == 0


def test_the_token_is_in_no_repr_and_no_log(serve: Serve, opened: Open, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore", "httpcore.http11", "httpcore.connection"):
        caplog.set_level(logging.DEBUG, logger=name)
    sender = opened(serve(answering(OK)).url())
    sender.send(REQUEST)
    failure(opened(serve(once()).url()))
    assert caplog.records
    shown = [repr(sender), repr(vars(sender)), repr(vars(sender._connection)), caplog.text]
    shown += [str(vars(record)) for record in caplog.records]
    assert CANARY not in "".join(shown)


# Helpers


@contextmanager
def within(seconds: float) -> Iterator[None]:
    begin = time.monotonic()
    yield
    assert time.monotonic() - begin < seconds


@contextmanager
def full_backlog() -> Iterator[int]:
    """The port of a listener that takes no further connection: the system drops what would be one more."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(address)
        yield address[1]
