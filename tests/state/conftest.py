"""The stores that the contract's tests run against, and known things in a few words."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from reconciler.model import KnownAccount, KnownProduct
from reconciler.state.memory import MemoryStore, copy_of
from reconciler.state.sqlite import SqliteStore
from reconciler.state.store import Holder, JournalEntry, Run, Store


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


BACKENDS = {
    "memory": lambda folder: Backend(lambda: MemoryStore("stage"), lambda store: store),
    "sqlite": sqlite_backend,
    "copy": copy_backend,
}


@pytest.fixture(params=BACKENDS)
def backend(request, tmp_path):
    return BACKENDS[request.param](tmp_path)


@pytest.fixture
def store(backend):
    store = backend.create()
    yield store
    store.close()


def object_id(text):
    """24 hexadecimal digits that end with ``text``."""
    return text.rjust(24, "0")


def known_account(name, *products, **values):
    return KnownAccount(object_id(name), user_products=products, **values)


def known_product(product_id=None, user_product_id=None, **values):
    return KnownProduct(product_id and object_id(product_id), user_product_id and object_id(user_product_id), **values)


def journal_entry(account="a1", step=1, status="applied", run="run-1", **values):
    return JournalEntry(
        run_id=run,
        plan_id="sha256:plan",
        step=step,
        attempt=1,
        action="update",
        account_id=object_id(account),
        product_id=object_id("b1"),
        user_product_id=None,
        customer_number=None,
        body_sha256="sha256:body",
        status=status,
        at="2026-11-24T10:00:00Z",
        **values,
    )


def some_run(run_id="run-1", status="running", **values):
    return Run(
        run_id=run_id,
        plan_id="sha256:plan",
        steps_digest="sha256:steps",
        environment="stage",
        status=status,
        started_at="2026-11-24T10:00:00Z",
        who="anna",
        host="desk",
        command="reconciler apply plan.json",
        steps=3,
        plan="{}",
        **values,
    )


def some_holder(lock_id="lock-1", host="elsewhere", process=4242, **values):
    return Holder(
        lock_id=lock_id,
        who="anna",
        host=host,
        process=process,
        command="reconciler apply plan.json",
        started_at="2026-11-24T10:00:00Z",
        **values,
    )


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
