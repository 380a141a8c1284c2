"""The sender that talks to Payway over HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlencode

from reconciler import __version__
from reconciler.limits import ApplySettings
from reconciler.operations import body_bytes
from reconciler.payway.auth import Credentials, scopes_of
from reconciler.payway.connection import Connection
from reconciler.plan import Request
from reconciler.wire import Answer

_DEFAULTS = ApplySettings()


class HttpSender:
    """One lane to the Payway at ``base_url``: a `reconciler.wire.Sender` over one kept-alive connection.

    ``connect_timeout`` and ``call_deadline`` are seconds, ``scopes`` those that a fetched token is asked
    for. ``proxy`` and ``ca_file`` are as in `Connection`. The token goes into one header of each call and
    nowhere else, and to no other host.
    """

    def __init__(
        self,
        base_url: str,
        credentials: Credentials,
        *,
        connect_timeout: float = _DEFAULTS.connect_timeout,
        call_deadline: float = _DEFAULTS.call_deadline,
        scopes: Sequence[str] | None = None,
        proxy: str | None = None,
        ca_file: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._base_url = base_url
        self._credentials = credentials
        self._scopes = tuple(scopes) if scopes is not None else scopes_of()
        self._connection = Connection(
            base_url,
            connect_timeout=connect_timeout,
            call_deadline=call_deadline,
            proxy=proxy,
            ca_file=ca_file,
            user_agent=user_agent(),
            clock=clock,
        )

    def __repr__(self) -> str:
        return f"HttpSender({self._base_url!r})"

    def send(self, request: Request) -> Answer:
        """Send ``request`` and wait for its answer; a ``GET`` goes without a body.

        Raises `CallFailed` if there was none, `reconciler.errors.Unreachable` if no token can be had.
        """
        token = self._credentials.token(self._post_form, self._scopes)
        headers = {"authorization": f"Bearer {token.reveal()}"}
        body = None
        if request.method != "GET":
            headers["content-type"] = "application/json"
            body = body_bytes(request)
        answer = self._connection.call(request.method, request.path, body, headers)
        # A message of Payway's goes into journal and report: an echo of the token must not.
        return _without(token.reveal().encode("ascii"), answer)

    def renew_token(self) -> bool:
        """Throw the token away; False if the credentials allow only the one they have.

        A token that has to be fetched is fetched by the next `send`. Raises `Unreachable` if the file or
        command that holds the token fails.
        """
        return self._credentials.renew()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _post_form(self, path: str, form: Mapping[str, str]) -> Answer:
        headers = {"content-type": "application/x-www-form-urlencoded"}
        return self._connection.call("POST", path, urlencode(form).encode("ascii"), headers)


def _without(token: bytes, answer: Answer) -> Answer:
    return replace(answer, body=answer.body.replace(token, b"[token]")) if token in answer.body else answer


def user_agent() -> str:
    """Name and version, as Payway's logs will show them."""
    return f"payway-reconciler/{__version__}"
