"""The stores that the contract's tests run against, and known things in a few words."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from support import postgres
from support.known import journal_entry, known_account, known_product, object_id, some_holder, some_run

from reconciler.state import open_store
from reconciler.state.memory import MemoryStore, copy_of
from reconciler.state.sqlite import SqliteStore
from reconciler.state.store import Store


@dataclass
class Backend:
    """One kind of store: ``create`` makes a new one, ``reopen`` closes one and opens it again."""

    create: Callable[[], Store]
    reopen: Callable[[Store], Store]


def sqlite_backend(folder):
    numbers = iter(range(1000))

    def create():
        return SqliteStore.open(folder / f"{next(numbers)}.db", create=True, environment="stage")

    def reopen(store):
        path = store.url.removeprefix("sqlite:///")
        store.close()
        return SqliteStore.open(path, environment="stage")

    return Backend(create, reopen)


def copy_backend(folder):
    """A dry run's copy of an SQLite store: it must behave as a store of its own."""
    below = sqlite_backend(folder)
    return Backend(lambda: copy_of(below.create()), lambda store: store)


def postgres_backend(server):
    urls = []

    def create():
        # A database of its own, since an environment has one store there.
        urls.append(postgres.make_database(server))
        return open_store(urls[-1], create=True, environment="stage")

    def reopen(store):
        store.close()
        return open_store(urls[-1], environment="stage")

    return Backend(create, reopen)


BACKENDS = {
    "memory": lambda folder: Backend(lambda: MemoryStore("stage"), lambda store: store),
    "sqlite": sqlite_backend,
    "copy": copy_backend,
}


@pytest.fixture(scope="session")
def server():
    """The URL of a PostgreSQL server, as its superuser."""
    with postgres.server() as url:
        yield url


@pytest.fixture
def database(server):
    """The URL of an empty PostgreSQL database."""
    return postgres.make_database(server)


@pytest.fixture(params=[*BACKENDS, "postgres"])
def backend(request, tmp_path):
    if request.param == "postgres":
        return postgres_backend(request.getfixturevalue("server"))
    return BACKENDS[request.param](tmp_path)


@pytest.fixture
def store(backend):
    store = backend.create()
    yield store
    store.close()


@dataclass(frozen=True)
class Make:
    """The builders above, for tests."""

    id = staticmethod(object_id)
    account = staticmethod(known_account)
    product = staticmethod(known_product)
    entry = staticmethod(journal_entry)
    run = staticmethod(some_run)
    holder = staticmethod(some_holder)


@pytest.fixture(scope="session")
def make():
    return Make()
