"""The simulator on a loopback port: HTTP/1.1 as Payway speaks it, with a token endpoint.

Faults are real here: connections are cut, answers drip. Only loopback, because it asks for no real secret
and knows customers' data.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import signal
import socket
import socketserver
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qsl

from reconciler.errors import ReconcilerError, UsageError
from reconciler.payway.pages import SCOPES
from reconciler.payway.simulator import Reply, Simulator, json_reply, text_reply

TOKEN_PATH: Final = "/api/authorization/access_token"  # noqa: S105 (a path, not a secret)

#: A request's body is read to this many bytes; the largest that the five pages allow is far below 1 KiB.
MAX_REQUEST: Final = 64 * 1024
#: Seconds after which a silent connection is closed.
IDLE: Final = 120.0

_NO_BODY: Final = frozenset({204, 304})
_FORM_TYPE: Final = "application/x-www-form-urlencoded"


class SimulatorServer(ThreadingHTTPServer):
    """``simulator`` behind HTTP. Raises `UsageError` for a host that isn't loopback or a port that is taken.

    With ``token``, only that bearer token and those that the token endpoint gave are accepted, else any.
    With ``client`` (id and secret), the token endpoint takes no other. Given tokens live ``expires_in``
    seconds by the simulator's clock.
    """

    daemon_threads = False
    block_on_close = True
    allow_reuse_address = True

    def __init__(
        self,
        simulator: Simulator,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        token: str | None = None,
        client: tuple[str, str] | None = None,
        expires_in: int = 3600,
    ) -> None:
        # Set before listening starts: should that fail, the base class calls server_close().
        self.simulator = simulator
        self.token = token
        self.client = client
        self.expires_in = expires_in
        self.stopping = threading.Event()
        self._issued: dict[str, tuple[datetime, frozenset[str]]] = {}
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        address = _loopback(host)
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            super().__init__((address, port), _Handler)
        except (OSError, OverflowError) as error:
            raise UsageError(
                f"the simulator can't listen on {address} port {port}: {error}", hint="choose another --port"
            ) from None

    @property
    def url(self) -> str:
        """Where it listens, as a base URL."""
        host, port = self.server_address[:2]
        name = host.decode() if isinstance(host, bytes) else str(host)
        return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"

    def server_bind(self) -> None:
        """Bind without asking the resolver for the host's name, as the base class would."""
        # Not HTTPServer's own, whose getfqdn can take seconds.
        socketserver.TCPServer.server_bind(self)
        host, port = self.server_address[:2]
        self.server_name, self.server_port = str(host), int(port)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start the connection's thread, and remember the connection for the end."""
        with self._guard:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget and close a connection."""
        with self._guard:
            self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Stop listening, let calls in flight finish, close what idles."""
        self.stopping.set()
        with self._guard:
            for connection in self._open:
                # A handler that waits for its next request reads the end and leaves; answers still go out.
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RD)
        super().server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away; anything else is a bug and is shown."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def granted(self, authorization: str | None) -> frozenset[str] | None:
        """The scopes of an ``Authorization`` header's token; ``None`` if it isn't accepted."""
        kind, _, value = (authorization or "").partition(" ")
        value = value.strip()
        if kind.lower() != "bearer" or not value:
            return None
        with self._guard:
            issued = self._issued.get(value)
        if issued is not None:
            until, scopes = issued
            return scopes if self.simulator.clock() < until else None
        if self.token is None or hmac.compare_digest(value.encode("latin-1"), self.token.encode("utf-8")):
            return SCOPES
        return None

    def grant(self, form: dict[str, str]) -> Reply:
        """The token endpoint's answer to ``client_id``, ``client_secret``, ``grant_type=none`` and ``scope``."""
        pair = (form.get("client_id", ""), form.get("client_secret", ""))
        if form.get("grant_type") != "none":
            return _oauth(400, "unsupported_grant_type", "grant_type must be none")
        if not all(pair) or (self.client is not None and not _same(pair, self.client)):
            return _oauth(401, "invalid_client", "client_id or client_secret is wrong")
        scopes = frozenset(form.get("scope", "").split())
        if not scopes or not scopes <= self.simulator.scopes:
            return _oauth(400, "invalid_scope", "the client may not have this scope")
        token = secrets.token_urlsafe(24)
        now = self.simulator.clock()
        with self._guard:
            self._issued = {known: issued for known, issued in self._issued.items() if now < issued[0]}
            self._issued[token] = (now + timedelta(seconds=self.expires_in), scopes)
        return json_reply(200, {"access_token": token, "token_type": "bearer", "expires_in": self.expires_in})


def _same(one: tuple[str, str], other: tuple[str, str]) -> bool:
    return all(hmac.compare_digest(a.encode(), b.encode()) for a, b in zip(one, other, strict=True))


def _oauth(status: int, error: str, description: str) -> Reply:
    return json_reply(status, {"error": error, "error_description": description})


def _loopback(host: str) -> str:
    """``host`` as a loopback address. Raises `UsageError` if it is none."""
    if host.lower() == "localhost":
        return "127.0.0.1"
    with suppress(ValueError):
        if ipaddress.ip_address(host.strip("[]")).is_loopback:
            return host.strip("[]")
    raise UsageError(f"the simulator listens on loopback only, not on {host!r}", hint="use 127.0.0.1")


class _Handler(BaseHTTPRequestHandler):
    """One connection: requests one after another until either side ends it."""

    server: SimulatorServer
    protocol_version = "HTTP/1.1"
    server_version = "reconciler-simulator"
    sys_version = ""
    timeout = IDLE
    # Head and body leave in one packet: unbuffered writes and Nagle's wait cost 40 ms a call.
    wbufsize = 64 * 1024
    disable_nagle_algorithm = True
    _reset = False

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the simulator has its own log, which knows no header."""

    def finish(self) -> None:
        """Flush and close; after a cut, so that the client sees a reset."""
        with suppress(OSError):
            super().finish()
        if self._reset:
            # Both files are closed, so this closes the socket itself, and lingering 0 s means: reset.
            self.connection.close()

    def handle_one_request(self) -> None:
        """Serve a request, unless the server is stopping."""
        if self.server.stopping.is_set():
            self.close_connection = True
            return
        super().handle_one_request()

    def do_PUT(self) -> None:
        """Serve any method: the simulator knows which it allows."""
        body = self._body()
        if body is None:
            return
        if self.command == "POST" and self.path == TOKEN_PATH:
            self._send(self._token(body))
            return
        scopes = self.server.granted(self.headers.get("Authorization"))
        refusal = None
        if scopes is None:
            refusal = json_reply(401, {"error": "invalid_token"}, ("WWW-Authenticate", "Bearer"))
        try:
            reply = self.server.simulator.respond(
                self.command,
                self.path,
                body,
                self.headers.get("Content-Type"),
                scopes=scopes,
                refusal=refusal,
                sleep=self.server.stopping.wait,
            )
        except ReconcilerError as error:
            # The world or the log can't be written: Payway's word for that, with a reason for once.
            reply = json_reply(500, {"code": "internal_server_error", "message": error.message})
        self._send(reply)

    do_GET = do_HEAD = do_POST = do_PATCH = do_DELETE = do_OPTIONS = do_PUT

    def _token(self, body: bytes) -> Reply:
        kind = (self.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
        try:
            form = dict(parse_qsl(body.decode("ascii"), strict_parsing=True, max_num_fields=20))
        except ValueError:
            form = {}
        if kind != _FORM_TYPE or not form:
            return _oauth(400, "invalid_request", f"the body must be {_FORM_TYPE}")
        return self.server.grant(form)

    def _body(self) -> bytes | None:
        """The request's body, or ``None`` if it was refused or broke off."""
        length = self.headers.get("Content-Length")
        refusal = None
        if self.headers.get("Transfer-Encoding") is not None:
            refusal = text_reply(411, "Send a Content-Length, not a transfer encoding.")
        elif length is None and self.command in ("PUT", "POST", "PATCH"):
            refusal = text_reply(411, "Send a Content-Length.")
        elif length is not None and not (length.isascii() and length.isdigit() and len(length) < 19):
            refusal = text_reply(400, "That is no Content-Length.")
        elif int(length or 0) > MAX_REQUEST:
            refusal = text_reply(413, f"A request has at most {MAX_REQUEST} bytes.")
        if refusal is not None:
            # What follows on this connection can't be read as a request.
            self.close_connection = True
            self._send(refusal)
            return None
        wanted = int(length or 0)
        body = self.rfile.read(wanted)
        if len(body) < wanted:
            self.close_connection = True
            return None
        return body

    def _send(self, reply: Reply) -> None:
        if reply.refused or reply.cut in ("before", "after"):
            self._cut(reset=True)
            return
        self.send_response(reply.status)
        for name, text in reply.headers:
            self.send_header(name, text)
        if reply.status not in _NO_BODY:
            self.send_header("Content-Length", str(len(reply.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        body = b"" if self.command == "HEAD" or reply.status in _NO_BODY else reply.body
        if reply.cut == "body":
            self.wfile.write(body[: len(body) // 2])
            self._cut(reset=False)
        elif reply.drip is not None:
            self.wfile.flush()
            for start in range(0, len(body), reply.drip.size):
                self.wfile.write(body[start : start + reply.drip.size])
                self.wfile.flush()
                self.server.stopping.wait(reply.drip.seconds)
        else:
            self.wfile.write(body)

    def _cut(self, *, reset: bool) -> None:
        self.close_connection = True
        self._reset = reset
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def serve(
    simulator: Simulator,
    host: str = "127.0.0.1",
    port: int = 0,
    token: str | None = None,
    *,
    client: tuple[str, str] | None = None,
    expires_in: int = 3600,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, then let the call in flight finish and close the simulator.

    ``on_ready`` is told the base URL once connections are accepted. Raises `UsageError` as
    `SimulatorServer` does. Call it from the main thread.
    """
    server = SimulatorServer(simulator, host, port, token=token, client=client, expires_in=expires_in)

    def stop(number: int, frame: object) -> None:
        # From another thread: shutdown() waits for the loop that this handler interrupts.
        threading.Thread(target=server.shutdown).start()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        if on_ready is not None:
            on_ready(server.url)
        server.serve_forever(poll_interval=0.1)
    finally:
        server.server_close()
        simulator.close()
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def running(
    simulator: Simulator,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    token: str | None = None,
    client: tuple[str, str] | None = None,
    expires_in: int = 3600,
) -> Iterator[str]:
    """The simulator served by a thread while the block runs; gives the base URL. The simulator stays open."""
    server = SimulatorServer(simulator, host, port, token=token, client=client, expires_in=expires_in)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, name="simulator")
    thread.start()
    try:
        yield server.url
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
