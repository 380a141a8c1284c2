"""Known state, the journal and the lock: where a URL leads to.

``sqlite:///relative.db`` or ``sqlite:////absolute.db`` is a store in a file, ``postgresql://HOST/DATABASE`` one on a
server, ``memory:`` one that is gone with the process; ``file:PATH`` is a snapshot, which can be planned from but not
written.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from reconciler.errors import InvalidInput, StoreFailed

if TYPE_CHECKING:
    from reconciler.model import KnownView
    from reconciler.state.store import Store

FORMS: Final = (
    "write it as sqlite:///PATH (sqlite:////PATH for an absolute path), postgresql://HOST/DATABASE or file:PATH"
)

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
# Strict, so that a password with a character that it should have escaped isn't taken for something that may be shown.
_HOST: Final = r"(?:\[[0-9A-Fa-f:.]+\]|[^/?#@:,\[\]]*)(?::[0-9]*)?"
_SERVER_URL: Final = re.compile(
    rf"([A-Za-z][A-Za-z0-9+.-]*://)(?:[^/?#@]*@)?({_HOST}(?:,{_HOST})*(?:/[^/?#@]*)?)(?:\?[^#@]*)?"
)
_PATH_SCHEMES: Final = frozenset({"sqlite", "file", "memory"})


def open_store(url: str, *, environment: str | None, read_only: bool = False, create: bool = False) -> Store:
    """The store at ``url``, for ``environment`` (``None`` takes any); with ``create``, a new one if there is none.

    Raises `InvalidInput` if there is no store, it is another environment's, or the URL names none;
    `reconciler.errors.StoreFailed` if it can't be used.
    """
    scheme = scheme_of(url)
    if scheme == "sqlite":
        from reconciler.state.sqlite import SqliteStore

        return SqliteStore.open(_sqlite_path(url), create=create, environment=environment, read_only=read_only)
    if scheme == "memory":
        from reconciler.state.memory import MemoryStore

        return MemoryStore(environment or "simulator")
    if scheme == "file":
        raise InvalidInput(f"{shown(url)} is a snapshot, which can be planned from but not written", hint=FORMS)
    if scheme in ("postgresql", "postgres"):
        return _postgres(url, environment=environment, read_only=read_only, create=create)
    raise InvalidInput(f"{shown(url)} isn't the URL of a state store", hint=FORMS)


def open_view(url: str, environment: str) -> KnownView:
    """Known state at ``url`` for the planner; nothing is written, and a snapshot will do.

    The store is given back when nobody refers to the view any more. Raises `InvalidInput` if nothing is known
    there, `reconciler.errors.StalePlan` for another environment's snapshot, `reconciler.errors.StoreFailed`.
    """
    if scheme_of(url) == "file":
        from dataclasses import replace

        from reconciler.state.merge import check_environment
        from reconciler.state.snapshot import read_snapshot, snapshot_view

        snapshot = read_snapshot(url[len("file:") :])
        check_environment(snapshot.head, environment)
        return snapshot_view(replace(snapshot, head=replace(snapshot.head, environment=environment)))
    store = open_store(url, environment=environment, read_only=True)
    require_filled(store)
    return store.view()


def require_filled(store: Store) -> None:
    """Raises `InvalidInput`, naming the ways to fill it, if nothing was ever imported into ``store``."""
    if not store.is_filled():
        raise InvalidInput(
            f"the state store at {store.url} was never filled",
            hint="fill it with `reconciler state import FILE`, or say that it is empty on purpose with "
            "`reconciler state init`",
        )


def scheme_of(url: str) -> str:
    """``sqlite``, ``file`` and so on; "" if ``url`` has none."""
    match = _SCHEME.match(url)
    return match[1].lower() if match else ""


def shown(url: str) -> str:
    """``url`` for people, in quotes: without user, password and options, which may hold secrets."""
    return repr(_without_credentials(url))


def _without_credentials(url: str) -> str:
    scheme = scheme_of(url)
    if scheme in _PATH_SCHEMES:
        before, separator, rest = url.partition("://")
        authority, slash, path = rest.partition("/")
        return f"{before}://{authority.rpartition('@')[2]}{slash}{path}".partition("?")[0] if separator else url
    match = _SERVER_URL.fullmatch(url)
    if match is not None:
        return match[1] + match[2]
    # What isn't written as a URL could have its password anywhere.
    return f"{scheme}:…" if scheme else "…" if "password" in url.lower() else url


def _postgres(url: str, *, environment: str | None, read_only: bool, create: bool) -> Store:
    if environment is None:
        raise InvalidInput(
            f"{shown(url)} holds a state store for each environment", hint="name the environment with -e"
        )
    place = _without_credentials(url)
    try:
        from reconciler.state.postgres import PostgresStore
        from reconciler.state.postgres_server import bad_url
    except ImportError as error:
        raise StoreFailed(
            f"{shown(url)} needs psycopg, PostgreSQL's driver",
            hint="install it: pip install 'payway-reconciler[postgres]'",
            details=[str(error)],
        ) from error
    if _SERVER_URL.fullmatch(url) is None:
        raise bad_url(place)
    return PostgresStore.open(url, shown=place, environment=environment, create=create, read_only=read_only)


def _sqlite_path(url: str) -> Path:
    rest = url[len("sqlite:") :]
    if not rest.startswith("///") or rest == "///" or "?" in rest:
        raise InvalidInput(f"{shown(url)} doesn't name a file", hint=FORMS)
    return Path(rest[len("///") :])
