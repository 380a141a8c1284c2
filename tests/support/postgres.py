"""A real PostgreSQL server for tests: the one that `RECONCILER_TEST_POSTGRES` names, or one that `.ci/postgres` starts.

Where there is neither, tests that need it are skipped, but never under ``CI=true``.
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import pytest

from support.commands import ROOT

VARIABLE = "RECONCILER_TEST_POSTGRES"


@contextmanager
def server() -> Iterator[str]:
    """The URL of a server's database ``postgres``, as a superuser; skips or fails if no server can be had."""
    url = os.environ.get(VARIABLE)
    if url:
        yield url
        return
    with subprocess.Popen(
        ["bash", ".ci/postgres"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        # It lives as long as its standard input: also a killed test run leaves no server behind.
        assert process.stdin is not None and process.stdout is not None
        first = process.stdout.readline().strip()
        if not first.startswith("postgresql://"):
            give_up(first or "no PostgreSQL server could be started")
        yield first
        process.stdin.close()


def give_up(reason: str) -> None:
    """End a test that needs a server and has none."""
    if os.environ.get("CI", "").lower() not in ("", "0", "false"):
        pytest.fail(f"CI needs a PostgreSQL server: {reason}", pytrace=False)
    pytest.skip(reason)


def make_database(url: str, *options: str) -> str:
    """A new, empty database on the server at ``url``; gives its URL. It is gone with the server."""
    import psycopg

    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} {' '.join(options)}".encode())
    return in_database(url, name)


def in_database(url: str, name: str) -> str:
    """``url`` with another database."""
    place, _, options = url.partition("?")
    return f"{place.rpartition('/')[0]}/{name}" + (f"?{options}" if options else "")


def name_of(url: str) -> str:
    """The name of a URL's database."""
    return url.partition("?")[0].rpartition("/")[2]


def password_of(url: str) -> str:
    """The password in a URL."""
    return str(urlsplit(url).password)


def as_role(url: str, role: str, password: str) -> str:
    """``url`` with another user."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{role}:{password}@{rest.rpartition('@')[2]}"


class Wire:
    """A way to the server at ``url`` that can be cut at the worst moment; ``url`` leads through it."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self._target = (str(place.hostname), place.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = url.replace(f":{place.port}/", f":{self._listener.getsockname()[1]}/") + "?sslmode=disable"
        self._word: bytes | None = None
        self._deliver = True
        self._is_cut = False
        self._threads = [threading.Thread(target=self._accept)]
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Wire:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        # Only a shutdown wakes a thread that waits for somebody to connect.
        for each in (self._listener, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(10)

    def cut_at(self, word: bytes, *, deliver: bool) -> None:
        """Cut the connection at the message that holds ``word``, which still arrives if ``deliver``; no answer does."""
        self._word, self._deliver = word, deliver

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                self._sockets += [client, server]
                for source, target in ((client, server), (server, client)):
                    self._threads.append(threading.Thread(target=self._pass, args=(source, target, client)))
                    self._threads[-1].start()

    def _pass(self, source: socket.socket, target: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if source is client and self._word is not None and self._word in data:
                    self._is_cut = True
                    if self._deliver:
                        target.sendall(data)
                        target.shutdown(socket.SHUT_WR)
                    else:
                        target.shutdown(socket.SHUT_RDWR)
                    client.shutdown(socket.SHUT_RDWR)
                    return
                if self._is_cut:
                    return
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)
