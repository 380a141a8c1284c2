"""Sockets on which no wait outlasts the call, and which see whether a byte of the request was sent.

httpx bounds each read and write on its own, so an answer dripped a byte at a time would never end, and it
tells failures apart by the exception's name. httpcore takes its sockets from a network backend: this is
ours. Every wait is cut to what is left of the call in flight; failures are named where they happen.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Final

import httpcore

from reconciler.wire import MAX_ANSWER, CallFailed, Phase

#: What goes over the line for one answer at most: headers and chunk frames come on top of the body.
_MAX_RECEIVED: Final = MAX_ANSWER + 256 * 1024


@dataclass(slots=True)
class Call:
    """The call in flight: its deadlines on ``clock``, and what passed over the line so far."""

    clock: Callable[[], float]
    connect_by: float
    end_by: float
    sent: bool = False
    received: int = 0
    ended: bool = False

    @property
    def phase(self) -> Phase:
        """What a failure now says about the request."""
        return Phase.UNKNOWN if self.sent else Phase.NOT_SENT

    def failed(self, kind: str, detail: str = "") -> CallFailed:
        """The failure to raise."""
        return CallFailed(kind, self.phase, detail)

    def timed_out(self, kind: str) -> CallFailed:
        """``kind``, or the deadline if an answer had begun: then the host is slow rather than silent."""
        return self.failed("deadline" if self.received else kind)

    def left_to_connect(self) -> float:
        """Seconds until the connection must stand, more than zero."""
        left = min(self.connect_by, self.end_by) - self.clock()
        if left <= 0:
            raise self.failed("connect_timeout")
        return left

    def left(self, kind: str) -> float:
        """Seconds until the call must be over, more than zero; ``kind`` is the failure if it is."""
        left = self.end_by - self.clock()
        if left <= 0:
            raise self.timed_out(kind)
        return left


class Network(httpcore.NetworkBackend):
    """Opens sockets for the call in flight.

    On an ``encrypted`` host only what goes through TLS is the request; what a proxy is told before isn't.
    """

    def __init__(self, encrypted: bool) -> None:
        self.encrypted = encrypted
        self.call = Call(time.monotonic, 0.0, 0.0)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """A stream to ``host``; only `start_tls` of it encrypts."""
        return _Stream(_connect(host, port, self.call), self)


class _Stream(httpcore.NetworkStream):
    """A socket whose every wait ends with the call. The ``timeout`` arguments are httpx's, which has none."""

    def __init__(self, sock: socket.socket, network: Network) -> None:
        self._socket = sock
        self._network = network
        self._secure = isinstance(sock, ssl.SSLSocket)
        self._counts = self._secure or not network.encrypted

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        call = self._network.call
        self._socket.settimeout(call.left("read_timeout"))
        try:
            data = self._socket.recv(max_bytes)
        except TimeoutError:
            raise call.timed_out("read_timeout") from None
        except OSError as error:
            raise call.failed("reset", error.strerror or "") from None
        call.received += len(data)
        call.ended = not data
        if call.received > _MAX_RECEIVED:
            raise call.failed("too_large")
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        call = self._network.call
        view = memoryview(buffer)
        while view:
            self._socket.settimeout(call.left("write_timeout"))
            # A record of TLS that fails half-way may have left bytes on the line; a plain send that fails has not.
            call.sent |= self._secure
            try:
                count = self._socket.send(view)
            except TimeoutError:
                raise call.timed_out("write_timeout") from None
            except OSError as error:
                if call.sent:
                    # The host may have answered before it closed: httpcore looks for that answer.
                    raise httpcore.WriteError(error.strerror or "") from None
                raise call.failed("reset", error.strerror or "") from None
            call.sent |= self._counts
            view = view[count:]

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        call = self._network.call
        try:
            self._socket.settimeout(call.left_to_connect())
            secure = ssl_context.wrap_socket(self._socket, server_hostname=server_hostname)
        except CallFailed:
            self.close()
            raise
        except ssl.SSLCertVerificationError as error:
            self.close()
            raise call.failed("certificate", error.verify_message) from None
        except TimeoutError:
            self.close()
            raise call.failed("connect_timeout", "the TLS handshake didn't end") from None
        except OSError as error:
            self.close()
            raise call.failed("tls", getattr(error, "reason", None) or error.strerror or "") from None
        call.received = 0
        return _Stream(secure, self._network)

    def close(self) -> None:
        self._socket.close()

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks: is an idle connection closed by the host, and is it TLS."""
        if info == "ssl_object":
            return self._socket if self._secure else None
        if info == "is_readable":
            return _is_readable(self._socket)
        return None


def _connect(host: str, port: int, call: Call) -> socket.socket:
    """A connected socket; each address gets an even share of what is left of the connect time-out."""
    addresses = _resolve(host, port, call)
    failure = call.failed("dns", "no addresses")
    for index, (family, kind, protocol, _, address) in enumerate(addresses):
        share = call.left_to_connect() / (len(addresses) - index)
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as error:
            failure = call.failed("refused", error.strerror or "")
            continue
        try:
            sock.settimeout(share)
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except TimeoutError:
            sock.close()
            failure = call.failed("connect_timeout")
        except OSError as error:
            sock.close()
            # The failure's own text says "refused"; a detail is added only where it is another.
            refused = isinstance(error, ConnectionRefusedError)
            failure = call.failed("refused", "" if refused else error.strerror or "")
        else:
            return sock
    raise failure


def _resolve(host: str, port: int, call: Call) -> list[tuple[Any, ...]]:
    """The addresses of ``host``. The system's resolver can't be bounded, so it is waited for no longer instead."""
    found: SimpleQueue[list[tuple[Any, ...]] | Exception] = SimpleQueue()

    def look() -> None:
        try:
            found.put(list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
        except (OSError, UnicodeError) as error:
            found.put(error)

    threading.Thread(target=look, name="resolve", daemon=True).start()
    try:
        answer = found.get(timeout=call.left_to_connect())
    except Empty:
        raise call.failed("dns", "the resolver didn't answer in time") from None
    if isinstance(answer, Exception):
        raise call.failed("dns", getattr(answer, "strerror", None) or "") from None
    return answer


def _is_readable(sock: socket.socket) -> bool:
    """True if something can be read at once: on an idle connection that is its end."""
    if sock.fileno() < 0:
        return True
    with selectors.DefaultSelector() as selector:
        selector.register(sock, selectors.EVENT_READ)
        return bool(selector.select(0))
