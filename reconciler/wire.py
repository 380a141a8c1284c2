"""What passes between the applier and whoever answers: Payway over HTTP, or the simulator in process."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from reconciler.plan import Request

#: An answer is read to this many bytes at most.
MAX_ANSWER: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, read whole. ``retry_after`` and ``content_type`` are the headers' texts."""

    status: int
    body: bytes
    content_type: str | None = None
    retry_after: str | None = None


class Phase(Enum):
    """Were bytes of the request sent? If not, the call was surely not carried out; else nobody knows."""

    NOT_SENT = "not sent"
    UNKNOWN = "unknown"


#: How a call can fail without an answer, and what a person calls that.
FAILURES: Final = {
    "dns": "the host's name can't be resolved",
    "refused": "the connection was refused",
    "connect_timeout": "the connection took too long",
    "tls": "the TLS handshake failed",
    "certificate": "the host's certificate isn't valid",
    "write_timeout": "sending took too long",
    "read_timeout": "the answer took too long",
    "reset": "the connection was cut",
    "cut_body": "the answer ended too early",
    "deadline": "the call's deadline passed",
    "too_large": "the answer is over 1 MiB",
    "not_http": "the answer isn't HTTP",
    "token": "no token could be had for now",
}


class CallFailed(Exception):
    """A call that got no answer: ``kind`` is a key of `FAILURES`, ``phase`` tells whether it may have worked."""

    def __init__(self, kind: str, phase: Phase, detail: str = "") -> None:
        super().__init__(FAILURES[kind] + (f": {detail}" if detail else ""))
        self.kind = kind
        self.phase = phase


class Sender(Protocol):
    """One lane to Payway: a call at a time."""

    def send(self, request: Request) -> Answer:
        """Send ``request`` and wait for its answer.

        Raises `CallFailed` if there was none, `reconciler.errors.Unreachable` if no token can be had
        (nothing was sent then).
        """
        ...

    def renew_token(self) -> bool:
        """Throw the token away and get a fresh one; False if the credentials allow only the one they have."""
        ...

    def close(self) -> None:
        """Give back connections and files."""
        ...
