"""A stand-in of the forge's REST API on loopback: one repository, its comments, issues, labels, runs and artifacts.

It was written from the forge's public reference, as far as the steps use it, and answers as that says. Every request
is kept, and a fault can be put before any of them. Its clock goes on by a second with every look, so that "before" and
"after" are told apart.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

REPOSITORY = "publisher/readers"
TOKEN = "token-of-the-forge-which-nobody-may-see"
BOT = {"login": "github-actions[bot]", "type": "Bot"}
REPOSITORY_ID = 1001


@dataclass
class Fault:
    """An answer instead of the real one, for requests that match; ``after`` lets the real thing happen first."""

    method: str
    path: str
    status: int
    times: int = 1
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b'{"message": "as the test wants it"}'
    after: bool = False


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    authorization: str | None
    body: Any


def archive(files: dict[str, bytes | str]) -> bytes:
    """A zip archive as the forge stores one."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    return buffer.getvalue()


class Forge:
    """The forge's data and what is done to it from outside."""

    def __init__(self) -> None:
        self.url = ""
        self.private = True
        self.read_only = False
        self.comments: list[dict[str, Any]] = []
        self.issues: list[dict[str, Any]] = []
        self.labels: list[str] = []
        self.events: list[dict[str, Any]] = []
        self.runs: list[dict[str, Any]] = []
        self.artifacts: list[dict[str, Any]] = []
        self.zips: dict[int, bytes] = {}
        self.pulls: list[dict[str, Any]] = []
        self.permissions: dict[str, str] = {"maintainer": "write", "helper": "read", "stranger": "read"}
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.longest = 65_536
        self._now = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
        self._next = 100
        self._lock = threading.RLock()

    def now(self) -> str:
        self._now += timedelta(seconds=1)
        return f"{self._now:%Y-%m-%dT%H:%M:%SZ}"

    def number(self) -> int:
        self._next += 1
        return self._next

    def repository(self) -> dict[str, Any]:
        visibility = "private" if self.private else "public"
        return {"id": REPOSITORY_ID, "private": self.private, "visibility": visibility, "default_branch": "main"}

    def comment(self, body: str, user: dict[str, str] | None = None) -> dict[str, Any]:
        made = {"id": self.number(), "user": user or BOT, "body": body}
        self.comments.append(made)
        return made

    def issue(self, body: str, user: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
        made = {"number": self.number(), "user": user or BOT, "body": body, "state": "open", "title": "", **more}
        self.issues.append(made)
        return made

    def label(self, name: str, who: str) -> None:
        """Somebody sets a label on the pull request."""
        self.labels.append(name)
        self._event("labeled", who, label={"name": name})

    def unlabel(self, name: str, who: str) -> None:
        self.labels.remove(name)
        self._event("unlabeled", who, label={"name": name})

    def force_push(self, who: str) -> None:
        self._event("head_ref_force_pushed", who)

    def _event(self, kind: str, who: str, **more: Any) -> None:
        self.events.append(
            {"id": self.number(), "event": kind, "actor": {"login": who}, "created_at": self.now(), **more}
        )

    def run(self, head_sha: str, event: str, branch: str, **more: Any) -> dict[str, Any]:
        """A workflow run that has begun."""
        made = {
            "id": self.number(),
            "head_sha": head_sha,
            "event": event,
            "head_branch": branch,
            "status": "in_progress",
            "created_at": self.now(),
            "repository_id": REPOSITORY_ID,
            "head_repository_id": REPOSITORY_ID,
            **more,
        }
        self.runs.append(made)
        return made

    def upload(self, run: dict[str, Any], name: str, data: bytes, **more: Any) -> dict[str, Any]:
        """An artifact of a run; one of the same name is replaced."""
        self.artifacts = [
            one for one in self.artifacts if (one["workflow_run"]["id"], one["name"]) != (run["id"], name)
        ]
        names = ("id", "repository_id", "head_repository_id", "head_branch", "head_sha")
        made = {
            "id": self.number(),
            "name": name,
            "expired": False,
            "created_at": self.now(),
            "workflow_run": {key: run[key] for key in names},
            **more,
        }
        self.artifacts.append(made)
        self.zips[made["id"]] = data
        return made

    def sent(self, method: str) -> list[Request]:
        return [request for request in self.requests if request.method == method]

    def answer(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body for a request."""
        with self._lock:
            self.requests.append(request)
            fault = next(
                (f for f in self.faults if f.times and f.method == request.method and re.search(f.path, request.path)),
                None,
            )
            if fault is not None:
                fault.times -= 1
                if fault.after:
                    self._route(request)
                return fault.status, fault.headers, fault.body
            return self._route(request)

    def _route(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        storage = re.fullmatch(r"/storage/(\d+)", request.path)
        if storage:
            if request.authorization is not None:
                return _json(400, {"message": "the storage was shown the token"})
            return 200, {"Content-Type": "application/zip"}, self.zips[int(storage[1])]
        if request.authorization != f"Bearer {TOKEN}":
            return _json(401, {"message": "Bad credentials"})
        if self.read_only and request.method != "GET":
            return _json(403, {"message": "Resource not accessible by integration"})
        path = request.path.removeprefix(f"/repos/{REPOSITORY}")
        for method, pattern, handler in ROUTES:
            match = re.fullmatch(pattern, path)
            if match and method == request.method:
                return handler(self, request, *map(unquote, match.groups()))
        return _json(404, {"message": "Not Found"})


def _json(status: int, data: Any, **headers: str) -> tuple[int, dict[str, str], bytes]:
    return status, {"Content-Type": "application/json", **headers}, b"" if data is None else json.dumps(data).encode()


def _listed(request: Request, entries: list[Any], key: str | None = None) -> tuple[int, dict[str, str], bytes]:
    size, page = int(request.query.get("per_page", "30")), int(request.query.get("page", "1"))
    shown = entries[(page - 1) * size : page * size]
    return _json(200, shown if key is None else {"total_count": len(entries), key: shown})


def _make_comment(forge: Forge, request: Request, number: str) -> tuple[int, dict[str, str], bytes]:
    if len(request.body["body"]) > forge.longest:
        return _json(422, {"message": "Validation Failed: body is too long"})
    return _json(201, forge.comment(request.body["body"]))


def _change(
    forge: Forge, request: Request, entries: list[dict[str, Any]], key: str, value: str
) -> tuple[int, dict[str, str], bytes]:
    found = next((one for one in entries if str(one[key]) == value), None)
    if found is None:
        return _json(404, {"message": "Not Found"})
    if len(request.body.get("body", "")) > forge.longest:
        return _json(422, {"message": "Validation Failed: body is too long"})
    found.update(request.body)
    return _json(200, found)


def _delete_comment(forge: Forge, _: Request, number: str) -> tuple[int, dict[str, str], bytes]:
    forge.comments = [one for one in forge.comments if str(one["id"]) != number]
    return _json(204, None)


def _make_issue(forge: Forge, request: Request) -> tuple[int, dict[str, str], bytes]:
    if len(request.body["body"]) > forge.longest:
        return _json(422, {"message": "Validation Failed: body is too long"})
    return _json(201, forge.issue(**request.body))


def _unlabel(forge: Forge, _: Request, number: str, name: str) -> tuple[int, dict[str, str], bytes]:
    if name not in forge.labels:
        return _json(404, {"message": "Label does not exist"})
    forge.unlabel(name, BOT["login"])
    return _json(200, [])


def _permission(forge: Forge, _: Request, login: str) -> tuple[int, dict[str, str], bytes]:
    found = forge.permissions.get(login)
    return _json(200, {"permission": found}) if found else _json(404, {"message": f"{login} is not a user"})


def _runs(forge: Forge, request: Request) -> tuple[int, dict[str, str], bytes]:
    found = [
        run
        for run in reversed(forge.runs)
        if all(str(run[key]) == request.query[key] for key in ("head_sha", "event") if key in request.query)
    ]
    return _listed(request, found, "workflow_runs")


def _run(forge: Forge, _: Request, number: str) -> tuple[int, dict[str, str], bytes]:
    found = next((run for run in forge.runs if str(run["id"]) == number), None)
    return _json(200, found) if found else _json(404, {"message": "Not Found"})


def _artifacts(forge: Forge, request: Request, run: str | None = None) -> tuple[int, dict[str, str], bytes]:
    wanted = request.query.get("name")
    found = [
        one
        for one in reversed(forge.artifacts)
        if (wanted is None or one["name"] == wanted) and (run is None or str(one["workflow_run"]["id"]) == run)
    ]
    return _listed(request, found, "artifacts")


def _zip(forge: Forge, _: Request, number: str) -> tuple[int, dict[str, str], bytes]:
    return _json(302, None, Location=f"{forge.url}/storage/{number}?signed=yes")


def _issues(forge: Forge, request: Request) -> tuple[int, dict[str, str], bytes]:
    return _listed(request, [one for one in forge.issues if one["state"] == request.query.get("state", "open")])


_Handler = Callable[..., tuple[int, dict[str, str], bytes]]
ROUTES: list[tuple[str, str, _Handler]] = [
    ("GET", r"", lambda forge, request: _json(200, forge.repository())),
    ("GET", r"/issues/(\d+)/comments", lambda forge, request, _: _listed(request, forge.comments)),
    ("POST", r"/issues/(\d+)/comments", _make_comment),
    ("PATCH", r"/issues/comments/(\d+)", lambda f, request, n: _change(f, request, f.comments, "id", n)),
    ("DELETE", r"/issues/comments/(\d+)", _delete_comment),
    ("GET", r"/issues", _issues),
    ("POST", r"/issues", _make_issue),
    ("PATCH", r"/issues/(\d+)", lambda f, request, n: _change(f, request, f.issues, "number", n)),
    ("GET", r"/issues/(\d+)/labels", lambda f, request, _: _listed(request, [{"name": name} for name in f.labels])),
    ("DELETE", r"/issues/(\d+)/labels/([^/]+)", _unlabel),
    ("GET", r"/issues/(\d+)/events", lambda f, request, _: _listed(request, f.events)),
    ("GET", r"/collaborators/([^/]+)/permission", _permission),
    ("GET", r"/commits/([0-9a-f]+)/pulls", lambda f, request, _: _listed(request, f.pulls)),
    ("GET", r"/actions/runs", _runs),
    ("GET", r"/actions/runs/(\d+)", _run),
    ("GET", r"/actions/runs/(\d+)/artifacts", _artifacts),
    ("GET", r"/actions/artifacts", _artifacts),
    ("GET", r"/actions/artifacts/(\d+)/zip", _zip),
]


@contextlib.contextmanager
def standing_in() -> Iterator[Forge]:
    """The stand-in on a loopback port of its own."""
    forge = Forge()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            data = self.rfile.read(length)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            body = json.loads(data) if data else None
            request = Request(self.command, parts.path, query, self.headers.get("Authorization"), body)
            status, headers, answer = forge.answer(request)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
            self.wfile.flush()

        do_GET = do_POST = do_PATCH = do_DELETE = _serve

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    forge.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield forge
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
