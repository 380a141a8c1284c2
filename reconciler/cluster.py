"""Workers of a Dask scheduler that read manifests: other processes and machines that see the same files as this one.

They only ever turn files into rows. That they run the same program and see the same files isn't taken for granted: each
task compares the program, and each file's size and time are compared with what stands here.
"""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

from reconciler import __version__, schemafiles
from reconciler.errors import UsageError
from reconciler.manifests.documents import parser_version
from reconciler.manifests.files import ManifestFile, signature_of
from reconciler.manifests.rows import FileRows
from reconciler.manifests.spread import AHEAD

#: Seconds to wait for a scheduler, at the beginning and if it is gone for a while.
TIMEOUT: Final = 10
#: Seconds to wait for workers while there are none.
PATIENCE: Final = 30
#: Seconds after which it is looked whether there still are workers.
_LOOK_AGAIN: Final = 2
#: What they log is for whoever runs the cluster.
_LOGGERS: Final = ("distributed", "tornado", "asyncio")

Asked = Sequence[tuple[ManifestFile, bytes | None]]
Reads = Callable[[Asked], list[FileRows]]


@contextmanager
def connected(address: str) -> Iterator[Executor]:
    """The workers of the scheduler at ``address``. Raises `UsageError` if they can't be had, now or later."""
    with _silenced():
        try:
            from distributed import Client
        except ImportError:
            hint = "install it: pip install 'payway-reconciler[dask]'"
            raise UsageError("--cluster needs Dask, which isn't installed", hint=hint) from None
        try:
            _check_tls(address)
            with warnings.catch_warnings():
                # About versions: what matters of them is compared by each task.
                warnings.simplefilter("ignore")
                client = cast(Any, Client)(address, timeout=TIMEOUT, set_as_default=False)
        except (OSError, ValueError, TimeoutError, RuntimeError) as error:
            hint = "start a scheduler there, or leave --cluster out"
            raise UsageError(f"--cluster {address}: no scheduler answers ({error})", hint=hint) from None
        with client:
            yield _Cluster(client, address)


def _check_tls(address: str) -> None:
    """Raise `ValueError` or `OSError` if an address needs keys and there are none: Dask would fail later."""
    import dask.config
    from distributed.security import Security

    if not address.startswith("tls://") or dask.config.get("distributed.client.security-loader", None):
        return
    if cast(Any, Security)().get_connection_args("client").get("ssl_context") is None:
        raise ValueError("TLS needs Dask's settings distributed.comm.tls.ca-file, client.cert and client.key")


class _Cluster(Executor):
    """The workers as an executor. ``ahead`` is how many tasks keep them busy."""

    def __init__(self, client: Any, address: str) -> None:
        self._client, self._address = client, address
        self._task = _task()
        self.ahead = max(AHEAD, 2 * sum(self._threads().values()))

    def submit(self, read: Reads, asked: Asked, /) -> Future[list[FileRows]]:  # type: ignore[override]  # all it does
        """Have some files read."""
        try:
            future = self._client.submit(self._task, program(), pickle.dumps((read, asked)), pure=False)
        except (OSError, RuntimeError) as error:
            raise self._lost(error) from None
        return _Answer(self, future, read, asked)

    def answer(self, future: Any) -> list[FileRows]:
        """Wait for a task."""
        alone_since: float | None = None
        while True:
            try:
                kind, value = future.result(timeout=_LOOK_AGAIN)
                break
            except TimeoutError:
                if self._threads():
                    alone_since = None
                    continue
                alone_since = alone_since or time.monotonic()
                if time.monotonic() - alone_since > PATIENCE:
                    raise self._refused("has no workers any more", "start workers") from None
            except Exception as error:
                if not _is_of_cluster(error):
                    raise
                raise self._lost(error) from None
        future.release()
        if kind == "rows":
            return cast(list[FileRows], pickle.loads(value))  # noqa: S301 (Dask itself trusts its workers as far)
        if kind == "missing":
            raise self._refused("its workers don't have this program", f"install payway-reconciler {__version__} there")
        raise self._refused(
            f"its workers run another program: {value}; here it is {_described()}", "install the same on both sides"
        )

    def other_file(self, file: ManifestFile, what: str) -> UsageError:
        """The refusal for a file that workers see otherwise."""
        hint = "give them the same folder, at the same path, or leave --cluster out; nobody may write to it meanwhile"
        return self._refused(f"its workers {what} {file.name} as it is here", hint)

    def _threads(self) -> dict[str, int]:
        """The threads of each worker; none, if the scheduler can't be asked."""
        with suppress(Exception):
            return dict(self._client.nthreads())
        return {}

    def _lost(self, error: BaseException) -> UsageError:
        return self._refused(f"the cluster was lost ({type(error).__name__})", "run the command again")

    def _refused(self, what: str, hint: str) -> UsageError:
        return UsageError(f"--cluster {self._address}: {what}", hint=hint)


class _Answer(Future[list[FileRows]]):
    """What comes of a task: its rows, if they are what this process would have read."""

    def __init__(self, cluster: _Cluster, future: Any, read: Reads, asked: Asked) -> None:
        super().__init__()
        self._cluster, self._future, self._read, self._asked = cluster, future, read, asked
        self._sent_at = time.time_ns()

    def result(self, timeout: float | None = None) -> list[FileRows]:
        """The rows of all files. Raises `UsageError` if the cluster is gone, or isn't what it should be."""
        found = self._cluster.answer(self._future)
        return [self._held(*asked, rows) for asked, rows in zip(self._asked, found, strict=True)]

    def _held(self, file: ManifestFile, known: bytes | None, rows: FileRows) -> FileRows:
        """``rows`` with the signature that the file has here."""
        assert file.path is not None
        try:
            here: tuple[int, ...] = signature_of(os.lstat(file.path))
        except OSError:
            here = ()
        if rows.content and rows.signature[:2] == here[:2]:
            return rows._replace(signature=here, read_at=min(rows.read_at, self._sent_at))
        [again] = self._read([(file, rows.content or known)])
        if rows.content and again.same:
            return rows._replace(signature=again.signature, read_at=again.read_at)
        if rows.content or again.content:
            raise self._cluster.other_file(file, "don't see")
        return again


def _task() -> Callable[[str, bytes], tuple[str, Any]]:
    """What is sent to the workers: a function that holds no name of this program, which they may not have."""

    def read_there(program: str, asked: bytes) -> tuple[str, Any]:
        try:
            from reconciler.cluster import read_for
        except ImportError:
            return "missing", None
        return read_for(program, asked)

    return read_there


def read_for(other: str, asked: bytes) -> tuple[str, Any]:
    """Read for the program ``other``, in a worker: ``rows`` and these as bytes, or ``other`` and what this one is."""
    if other != program():
        return "other", _described()
    read, files = pickle.loads(asked)  # noqa: S301 (whoever may send tasks may run anything)
    return "rows", pickle.dumps(read(files))


@cache
def program() -> str:
    """What tells this program from another one that might read manifests otherwise."""
    found = hashlib.sha256(repr((sys.version_info[:2], sys.hash_info.modulus, parser_version())).encode())
    root = Path(__file__).parent
    # No reading of manifests goes through the other folders.
    for file in sorted([*root.glob("*.py"), *(root / "manifests").glob("*.py")]):
        found.update(f"{file.relative_to(root).as_posix()}\n".encode() + file.read_bytes())
    for name in schemafiles.schema_names():
        found.update(schemafiles.schema_text(name).encode())
    return found.hexdigest()


def _described() -> str:
    return f"{__version__} ({program()[:8]}) on Python {sys.version_info[0]}.{sys.version_info[1]}"


def _is_of_cluster(error: Exception) -> bool:
    """True for what Dask says when workers or the scheduler are gone, or don't understand what they get."""
    from concurrent.futures import CancelledError

    return type(error).__module__.partition(".")[0] == "distributed" or isinstance(error, CancelledError | OSError)


@contextmanager
def _silenced() -> Iterator[None]:
    """Without what Dask logs."""
    before: dict[logging.Logger, int] = {}
    try:
        with suppress(ImportError):
            import distributed  # noqa: F401 (gives its loggers their levels)
        for name in (*_LOGGERS, *list(logging.root.manager.loggerDict)):
            if name.partition(".")[0] in _LOGGERS:
                logger = logging.getLogger(name)
                before[logger] = logger.level
                logger.setLevel(logging.CRITICAL + 1)
        yield
    finally:
        for logger, level in before.items():
            logger.setLevel(level)
