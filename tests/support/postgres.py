"""A real PostgreSQL server for tests: the one that `RECONCILER_TEST_POSTGRES` names, or one that `.ci/postgres` starts.

Where there is neither, tests that need it are skipped, but never under ``CI=true``.
"""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

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
            _give_up(first or "no PostgreSQL server could be started")
        yield first
        process.stdin.close()


def _give_up(reason: str) -> None:
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


def as_role(url: str, role: str, password: str) -> str:
    """``url`` with another user."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{role}:{password}@{rest.rpartition('@')[2]}"
