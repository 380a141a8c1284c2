"""The connection to one host: kept alive, one call at a time, each answer read whole or not at all."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import httpcore
import httpx

from reconciler.errors import InvalidInput
from reconciler.payway.network import Call, Network
from reconciler.wire import MAX_ANSWER, Answer

#: An idle connection is given up after this many seconds, sooner than common servers do: a request that
#: meets a connection the server is just closing has an unknown outcome.
_KEEPALIVE: Final = 4.0


class Connection:
    """One lane to ``base_url`` (scheme, host and port alone).

    ``proxy`` is an ``http://`` proxy to go through (its user and password may stand in it), ``ca_file``
    holds further certificate authorities; `InvalidInput` is raised if it can't be read.
    Neither environment variables nor netrc are read, redirects aren't followed, cookies aren't kept, and
    answers aren't decompressed.
    """

    def __init__(
        self,
        base_url: str,
        *,
        connect_timeout: float,
        call_deadline: float,
        proxy: str | None = None,
        ca_file: str | None = None,
        user_agent: str = "payway-reconciler",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._base_url = base_url
        self._connect_timeout = connect_timeout
        self._call_deadline = call_deadline
        self._clock = clock
        self._transport = _Transport(base_url, proxy, ca_file)
        self._client = httpx.Client(
            transport=self._transport,
            timeout=None,  # noqa: S113 - the transport bounds every wait by the call's deadline
            trust_env=False,
            follow_redirects=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            headers={"accept": "application/json", "accept-encoding": "identity", "user-agent": user_agent},
        )

    def call(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        """Send ``body`` to ``path`` (from the host's root) and read the answer whole. Raises `CallFailed`."""
        if not path.startswith("/"):
            raise ValueError("a path begins at the host's root")
        now = self._clock()
        call = Call(self._clock, now + self._connect_timeout, now + self._call_deadline)
        self._transport.network.call = call
        with self._client.stream(method, self._base_url + path, content=body, headers=dict(headers)) as response:
            read = bytearray()
            for chunk in response.iter_raw():
                read += chunk
                if len(read) > MAX_ANSWER:
                    raise call.failed("too_large")
            return Answer(
                response.status_code,
                bytes(read),
                response.headers.get("content-type"),
                response.headers.get("retry-after"),
            )

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


class _Transport(httpx.BaseTransport):
    """httpx's seam: hands requests to a pool of one connection whose sockets are ours."""

    def __init__(self, base_url: str, proxy: str | None, ca_file: str | None) -> None:
        encrypted = base_url.startswith("https:")
        self.network = Network(encrypted)
        options: dict[str, Any] = {
            "ssl_context": _trust(ca_file) if encrypted else None,
            "max_connections": 1,
            "keepalive_expiry": _KEEPALIVE,
            "network_backend": self.network,
        }
        self._pool = _through(proxy, options) if proxy else httpcore.ConnectionPool(**options)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(request.stream, httpx.SyncByteStream)
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        with _protocol_errors(self.network.call):
            answer = self._pool.handle_request(
                httpcore.Request(request.method, url, headers=request.headers.raw, content=request.stream)
            )
        assert isinstance(answer.stream, Iterable)
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer.stream, self.network.call))

    def close(self) -> None:
        self._pool.close()


class _Body(httpx.SyncByteStream):
    """An answer's body as it arrives."""

    def __init__(self, stream: Iterable[bytes], call: Call) -> None:
        self._stream = stream
        self._call = call

    def __iter__(self) -> Iterator[bytes]:
        with _protocol_errors(self._call):
            yield from self._stream

    def close(self) -> None:
        close = getattr(self._stream, "close", None)
        if close is not None:
            close()


@contextmanager
def _protocol_errors(call: Call) -> Iterator[None]:
    try:
        yield
    except httpcore.ProxyError as error:
        raise call.failed("refused", f"the proxy answered {error}") from None
    except httpcore.RemoteProtocolError:
        if not call.ended:
            raise call.failed("not_http") from None
        raise call.failed("cut_body" if call.received else "reset") from None


def _through(proxy: str, options: Mapping[str, Any]) -> httpcore.HTTPProxy:
    parts = urlsplit(proxy)
    user, password = (unquote(text or "") for text in (parts.username, parts.password))
    address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    return httpcore.HTTPProxy(address, proxy_auth=(user, password) if user else None, **options)


def _trust(ca_file: str | None) -> ssl.SSLContext:
    context = httpx.create_ssl_context(trust_env=False)
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=ca_file)
        except OSError as error:
            reason = getattr(error, "reason", None) or error.strerror
            raise InvalidInput(f"ca_file {ca_file!r} holds no certificates that can be read: {reason}") from None
    return context
