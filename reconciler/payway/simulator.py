"""Payway simulated in process: a `Sender` for `-e simulator` and dry runs, and what the HTTP server stands on.

It holds to the vendor's pages (`pages`, `behaviour`), keeps a world, does faults on request, and notes
every call. It never holds a token.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, TextIO

from reconciler import canonical
from reconciler.canonical import Json
from reconciler.errors import StoreFailed
from reconciler.instants import clock_text, minute_of
from reconciler.operations import body_bytes
from reconciler.payway.behaviour import EFFECTS, Setting
from reconciler.payway.faults import CallInfo, Drip, Drop, Fault, Faults, Sleep
from reconciler.payway.pages import BY_PATH, JSON_TYPE, SCOPES, Rejected, read_body
from reconciler.payway.world import World
from reconciler.plan import Request
from reconciler.wire import Answer, CallFailed, Phase

_METHOD: Final = "PUT"
_PLAIN: Final = (("Content-Type", "text/plain; charset=utf-8"),)
_JSON: Final = (("Content-Type", JSON_TYPE),)
_NO_FAULT: Final = Fault()


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer and how it travels: ``cut`` and ``drip`` are the transport's part of a fault."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    cut: Drop | None = None
    refused: bool = False
    drip: Drip | None = None

    def header(self, name: str) -> str | None:
        """The text of a header, by its name in lower case."""
        return next((text for known, text in self.headers if known.lower() == name), None)


@dataclass(frozen=True, slots=True)
class LoggedCall:
    """A call as it came in. ``status`` is ``None`` if the answer was cut; ``overlap`` if another call was in flight."""

    number: int
    at: str
    method: str
    path: str
    body: str
    status: int | None
    overlap: bool

    def to_json(self) -> dict[str, Json]:
        """As a line of the log."""
        return {name: getattr(self, name) for name in self.__slots__}


def json_reply(status: int, data: Mapping[str, Json], *headers: tuple[str, str]) -> Reply:
    """``data`` as an answer."""
    return Reply(status, canonical.dumps(dict(data)).encode("ascii"), (*_JSON, *headers))


def text_reply(status: int, text: str, *headers: tuple[str, str]) -> Reply:
    """An answer that isn't Payway's own."""
    return Reply(status, (text + "\n").encode("utf-8"), (*_PLAIN, *headers))


def _rejection(error: Rejected) -> Reply:
    data: dict[str, Json] = {"code": error.code}
    if error.field is not None:
        data["field"] = error.field
    data["message"] = error.message
    return json_reply(error.status, data)


class Simulator:
    """Payway's five calls over a `World`. Implements `reconciler.wire.Sender`.

    ``clock`` gives aware moments. ``provision_service`` is the API user's: ``None`` checks none,
    `reconciler.payway.behaviour.NO_SERVICE` is an API user without one. ``scopes`` are what its token
    may do. ``log`` is a list that gets every `LoggedCall`, or the path of a JSON Lines file (mode 0600).
    ``sleep`` waits for a fault's ``delay``.

    Payway forbids bulk calls in parallel: ``violations`` tells of each call that came while another was
    in flight.
    """

    def __init__(
        self,
        world: World,
        *,
        clock: Callable[[], datetime],
        provision_service: str | None = None,
        scopes: Iterable[str] = SCOPES,
        faults: Faults | None = None,
        log: list[LoggedCall] | Path | None = None,
        sleep: Sleep = time.sleep,
    ) -> None:
        self.world = world
        self.clock = clock
        self.provision_service = provision_service
        self.scopes = frozenset(scopes)
        self.faults = faults if faults is not None else Faults()
        self.sleep = sleep
        self.violations: list[str] = []
        self.token_renewals = 0
        self.calls = 0
        self._log = log
        self._log_file: TextIO | None = None
        self._in_flight: list[int] = []
        self._book = threading.Lock()
        self._work = threading.Lock()

    def send(self, request: Request) -> Answer:
        """Carry ``request`` out. Raises `CallFailed` where a fault wants it so."""
        reply = self.respond(request.method, request.path, body_bytes(request), JSON_TYPE)
        if reply.refused:
            raise CallFailed("refused", Phase.NOT_SENT)
        if reply.cut is not None:
            raise CallFailed("cut_body" if reply.cut == "body" else "reset", Phase.UNKNOWN)
        if reply.drip is not None:
            self.sleep(len(reply.body) // reply.drip.size * reply.drip.seconds)
        return Answer(reply.status, reply.body, reply.header("content-type"), reply.header("retry-after"))

    def renew_token(self) -> bool:
        """Always a fresh token; counted in ``token_renewals``."""
        self.token_renewals += 1
        return True

    def close(self) -> None:
        """Close the world and the log."""
        self.world.close()
        if self._log_file is not None:
            self._log_file.close()
            self._log_file = None

    def respond(
        self,
        method: str,
        path: str,
        body: bytes,
        content_type: str | None,
        *,
        scopes: frozenset[str] | None = None,
        refusal: Reply | None = None,
        sleep: Sleep | None = None,
    ) -> Reply:
        """The answer to one call, whatever it is: counted, put through the faults, noted.

        ``scopes`` narrow what the call's token may do. ``refusal`` is an answer that the transport already
        has (no token): nothing is carried out then. ``sleep`` replaces the simulator's own for this call.
        """
        number, overlap = self._arrive()
        reply: Reply | None = None
        try:
            fault = self._fault(number, path, body)
            if fault.delay:
                (sleep or self.sleep)(fault.delay)
            if refusal is not None:
                reply = refusal
            else:
                granted = self.scopes if scopes is None else self.scopes & scopes
                with self._work:
                    reply = self._through(fault, method, path, body, content_type, granted)
            return reply
        finally:
            self._leave(number)
            status = None if reply is None or reply.cut is not None or reply.refused else reply.status
            shown = body.decode("utf-8", "backslashreplace")
            self._note(LoggedCall(number, clock_text(self.clock()), method, path, shown, status, overlap))

    def _through(
        self,
        fault: Fault,
        method: str,
        path: str,
        body: bytes,
        content_type: str | None,
        scopes: frozenset[str],
    ) -> Reply:
        reply = Reply(0)
        if fault.lets_through:
            reply = self._answer(method, path, body, content_type, scopes)
        if fault.status is not None:
            reply = Reply(fault.status, fault.body, fault.headers)
        elif fault.answer_id is not None and reply.status == 200:
            reply = json_reply(200, {"id": fault.answer_id})
        return Reply(reply.status, reply.body, reply.headers, fault.drop, fault.refuse, fault.drip)

    def _answer(self, method: str, path: str, body: bytes, content_type: str | None, scopes: frozenset[str]) -> Reply:
        page = BY_PATH.get(path)
        if page is None:
            return text_reply(404, "There is nothing at this path.")
        if method != _METHOD:
            return text_reply(405, f"Only {_METHOD} is allowed here.", ("Allow", _METHOD))
        if page.scope not in scopes:
            # missing-scope: the pages name the scope, not the answer without it.
            return json_reply(403, {"error": "insufficient_scope", "error_description": f"needs {page.scope}"})
        setting = Setting(self.world, minute_of(self.clock()), self.provision_service)
        try:
            answered = EFFECTS[page.action](read_body(page, body, content_type), setting)
        except Rejected as error:
            return _rejection(error)
        return json_reply(200, {"id": answered})

    def _fault(self, number: int, path: str, body: bytes) -> Fault:
        if not self.faults.rules:
            return _NO_FAULT
        page = BY_PATH.get(path)
        try:
            values = json.loads(body)
        except (ValueError, RecursionError):
            values = None
        info = CallInfo(number, page.action if page else None, values if isinstance(values, dict) else {})
        with self._book:
            return self.faults.choose(info) or _NO_FAULT

    def _arrive(self) -> tuple[int, bool]:
        with self._book:
            self.calls += 1
            number = self.calls
            overlap = bool(self._in_flight)
            if overlap:
                others = ", ".join(str(other) for other in self._in_flight)
                self.violations.append(f"call {number} came while call {others} was in flight")
            self._in_flight.append(number)
        return number, overlap

    def _leave(self, number: int) -> None:
        with self._book:
            self._in_flight.remove(number)

    def _note(self, call: LoggedCall) -> None:
        if self._log is None:
            return
        with self._book:
            if isinstance(self._log, list):
                self._log.append(call)
                return
            try:
                if self._log_file is None:
                    handle = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
                    self._log_file = os.fdopen(handle, "a", encoding="ascii", newline="\n")
                self._log_file.write(canonical.dumps(call.to_json()) + "\n")
                self._log_file.flush()
            except OSError as error:
                raise StoreFailed(f"the request log {self._log} can't be written: {error.strerror}") from None
