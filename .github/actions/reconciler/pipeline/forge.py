"""The forge's REST API, as far as it is needed here: bounded in time, size, pages and tries.

::

    ForgeError
     ├── Forbidden   the token may not do this
     ├── Missing     there is no such thing, or the token may not see it
     ├── Unfit       the request can't be taken as it is, such as a text that is too long
     └── Busy        tried several times in vain
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import httpx
import stamina

from pipeline.runner import Failed, Runner
from reconciler.errors import ExitCode
from reconciler.instants import BadTime, parse_clock
from reconciler.payway.environments import is_loopback
from reconciler.render.escape import terminal

#: Bytes of a JSON answer, entries of a page, pages of a list, tries of a call, seconds of a call and of a wait.
_ANSWER: Final = 32 * 1024 * 1024
_PAGE: Final = 100
_PAGES: Final = 50
_TRIES: Final = 4
_DEADLINE: Final = 120.0
_LONGEST_WAIT: Final = 90.0

_CHUNK: Final = 64 * 1024


class ForgeError(Failed):
    """A call that didn't do what was wanted; ``status`` is the HTTP status, if there was an answer."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message, int(ExitCode.UNREACHABLE))
        self.status = status


class Forbidden(ForgeError):
    """401 or 403 that isn't about a rate."""


class Missing(ForgeError):
    """404 or 410."""


class Unfit(ForgeError):
    """413 or 422."""


class Busy(ForgeError):
    """An answer that may be another one later. ``undone``: the call surely had no effect; ``wait`` is in seconds."""

    def __init__(
        self, message: str, status: int | None = None, *, undone: bool = False, wait: float | None = None
    ) -> None:
        super().__init__(message, status)
        self.undone = undone
        self.wait = wait


class Forge:
    """The API for one repository, with one token, which no message ever holds."""

    def __init__(self, url: str, repository: str, token: str) -> None:
        _check_url(url)
        self.repository = repository
        self._token = token
        self._client = httpx.Client(
            base_url=url.rstrip("/"),
            headers={
                "Authorization": f"Bearer {token}",
                "Accept": "application/vnd.github+json",
                "X-GitHub-Api-Version": "2022-11-28",
                "User-Agent": "payway-reconciler",
            },
            follow_redirects=False,
            timeout=30.0,
        )

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def get(self, path: str, **params: str | int) -> Any:
        """What is at ``path`` below the repository. Raises `ForgeError`."""
        return self._send("GET", path, params=params)

    def pages(self, path: str, key: str | None = None, **params: str | int) -> Iterator[dict[str, Any]]:
        """The entries of a list, page by page; ``key`` names the list inside the answer. Raises `ForgeError`."""
        for page in range(1, _PAGES + 1):
            answer = self.get(path, **params, per_page=_PAGE, page=page)
            entries = answer.get(key) if key is not None and isinstance(answer, dict) else answer
            if not isinstance(entries, list):
                raise ForgeError(f"GET {path}: the answer holds no list")
            yield from (entry for entry in entries if isinstance(entry, dict))
            if len(entries) < _PAGE:
                return
        raise ForgeError(f"GET {path}: more than {_PAGES} pages")

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Make something. Repeated only where the forge surely didn't make it. Raises `ForgeError`."""
        return self._send("POST", path, body=body)

    def patch(self, path: str, body: dict[str, Any]) -> Any:
        """Change something. Raises `ForgeError`."""
        return self._send("PATCH", path, body=body)

    def delete(self, path: str) -> None:
        """Take something away. Raises `ForgeError`."""
        self._send("DELETE", path)

    def download(self, path: str, target: Path, limit: int) -> None:
        """Put what is behind ``path`` into ``target``, at most ``limit`` bytes. Raises `ForgeError`.

        The forge answers with the address of its storage. That is followed once, without the token.
        """
        answer = self._retried("GET", path, lambda: self._once("GET", path, None, {}))
        where = answer.headers.get("location", "")
        if answer.status_code != 302 or not where:
            raise ForgeError(f"GET {path}: HTTP {answer.status_code}, not the address of a file", answer.status_code)
        address = urljoin(str(self._client.base_url), where)
        _check_url(address)
        self._retried("GET", "the file", lambda: self._fetch(address, target, limit))

    def _fetch(self, address: str, target: Path, limit: int) -> None:
        until = time.monotonic() + _DEADLINE
        with httpx.Client(follow_redirects=False, timeout=30.0) as storage, storage.stream("GET", address) as answer:
            if answer.status_code != 200:
                raise _error("GET the file", answer, b"", "")
            size = 0
            with target.open("wb") as file:
                for chunk in answer.iter_raw(_CHUNK):
                    size += len(chunk)
                    if size > limit:
                        raise ForgeError(f"the file is longer than {limit:,} bytes")
                    if time.monotonic() > until:
                        raise ForgeError(f"the file didn't come within {_DEADLINE:.0f} s")
                    file.write(chunk)

    def _send(
        self, method: str, path: str, *, body: dict[str, Any] | None = None, params: dict[str, str | int] | None = None
    ) -> Any:
        answer = self._retried(method, path, lambda: self._once(method, path, body, params or {}))
        if 300 <= answer.status_code < 400:
            raise ForgeError(f"{method} {path}: redirected, which isn't followed", answer.status_code)
        if answer.status_code == 204 or not answer.content:
            return None
        try:
            return json.loads(answer.content)
        except (ValueError, RecursionError):
            raise ForgeError(f"{method} {path}: the answer isn't JSON", answer.status_code) from None

    def _retried(self, method: str, path: str, call: Any) -> Any:
        again = method != "POST"

        def hook(error: Exception) -> bool | float:
            if not isinstance(error, Busy) or not (again or error.undone):
                return False
            return True if error.wait is None else max(error.wait, 0.1)

        for attempt in stamina.retry_context(on=hook, attempts=_TRIES, timeout=300.0, wait_initial=1.0, wait_max=20.0):
            with attempt:
                try:
                    return call()
                except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                    raise Busy(f"{method} {path}: {type(error).__name__}", undone=True) from None
                except httpx.HTTPError as error:
                    raise Busy(f"{method} {path}: {type(error).__name__}") from None
        raise AssertionError("the last try raises")

    def _once(
        self, method: str, path: str, body: dict[str, Any] | None, params: dict[str, str | int]
    ) -> httpx.Response:
        until = time.monotonic() + _DEADLINE
        url = f"/repos/{self.repository}{path}"
        with self._client.stream(method, url, json=body, params=params or None) as answer:
            data = bytearray()
            for chunk in answer.iter_bytes(_CHUNK):
                data += chunk
                if len(data) > _ANSWER or time.monotonic() > until:
                    raise ForgeError(f"{method} {path}: the answer is too long or too slow", answer.status_code)
        if answer.status_code >= 400:
            raise _error(f"{method} {path}", answer, bytes(data), self._token)
        return httpx.Response(
            answer.status_code,
            headers={name: answer.headers[name] for name in ("location",) if name in answer.headers},
            content=bytes(data),
        )


def forge_of(runner: Runner) -> Forge:
    """The forge that the runner belongs to. Raises `Failed` if a variable is missing or can't be."""
    repository = runner.needed("GITHUB_REPOSITORY")
    parts = repository.split("/")
    if len(parts) != 2 or not all(part.replace("-", "").replace("_", "").replace(".", "").isalnum() for part in parts):
        raise Failed(f"{repository!r} can't be a repository", int(ExitCode.USAGE))
    return Forge(runner.said("GITHUB_API_URL") or "https://api.github.com", repository, runner.needed("GITHUB_TOKEN"))


def time_of(text: object) -> datetime | None:
    """The forge's time stamp as a moment, if it is one."""
    try:
        return parse_clock(text) if isinstance(text, str) else None
    except BadTime:
        return None


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    secure = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(url))
    if not secure or not parts.hostname or parts.username is not None:
        raise ForgeError(f"{parts.scheme}://{parts.hostname}: only https is used")


def _error(what: str, answer: httpx.Response, data: bytes, token: str) -> ForgeError:
    status = answer.status_code
    message = f"{what}: HTTP {status}{_told(data, token)}"
    wait = _wait(answer)
    if status == 429 or (status == 403 and (wait is not None or b"rate limit" in data.lower())):
        if wait is not None and wait > _LONGEST_WAIT:
            return ForgeError(f"{message}; the forge asks for a wait of {wait:.0f} s", status)
        return Busy(message, status, undone=True, wait=wait)
    if status in (401, 403):
        return Forbidden(message, status)
    if status in (404, 410):
        return Missing(message, status)
    if status in (413, 422):
        return Unfit(message, status)
    return Busy(message, status) if status >= 500 or status == 408 else ForgeError(message, status)


def _told(data: bytes, token: str) -> str:
    """What the answer says for people, if it is short and holds no secret."""
    try:
        message = json.loads(data).get("message")
    except (ValueError, AttributeError, RecursionError):
        return ""
    if not isinstance(message, str):
        return ""
    shown = terminal(message[:300])
    return f" ({shown.replace(token, '***') if token else shown})"


def _wait(answer: httpx.Response) -> float | None:
    """How long the forge asks to wait, in seconds."""
    after = answer.headers.get("retry-after", "")
    if after.isascii() and after.isdigit():
        return float(after[:9])
    reset = answer.headers.get("x-ratelimit-reset", "")
    if answer.headers.get("x-ratelimit-remaining") == "0" and reset.isascii() and reset.isdigit():
        return max(0.0, float(reset[:15]) - time.time()) + 1.0
    return None
