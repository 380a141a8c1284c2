"""Every exception of the project, and the exit code that each one ends a command with.

::

    ReconcilerError
     ├── InvalidInput      3   a manifest, plan, snapshot or setting that can't be used
     ├── StalePlan         4   a plan that is altered, expired, foreign or overtaken
     ├── Refused           5   a guard, a protection or a block that nobody accepted
     ├── Locked            6   somebody else holds the lock, or an unfinished run is in the way
     ├── NotApproved       9   nobody said yes
     ├── UsageError       64   a command line that can't be understood
     ├── Unreachable      69   Payway can't be reached, or refuses the credentials
     ├── StoreFailed      74   the state store can't be read or written
     └── Interrupted     130   stopped by a signal, the journal is consistent

The codes are those of the contract, section 6. Anything else that escapes is a bug (exit 1).
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.diagnostics import Diagnostic


class ExitCode(IntEnum):
    """What a command's exit status means."""

    DONE = 0
    BUG = 1
    CHANGES = 2
    INVALID = 3
    STALE = 4
    REFUSED = 5
    LOCKED = 6
    INCOMPLETE = 7
    UNKNOWN_OUTCOME = 8
    NOT_APPROVED = 9
    USAGE = 64
    UNREACHABLE = 69
    STORE_FAILED = 74
    INTERRUPTED = 130


class ReconcilerError(Exception):
    """What a person can mend: a message that says what is wrong and a hint that says how to mend it.

    ``details`` are further lines, one finding each, shown below the message.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.BUG

    def __init__(self, message: str, *, hint: str | None = None, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = tuple(details)


class InvalidInput(ReconcilerError):
    """Input that can't be used. ``diagnostics`` are the findings with their places, if it was a file."""

    exit_code = ExitCode.INVALID

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        details: Sequence[str] = (),
        diagnostics: Sequence[Diagnostic] = (),
    ) -> None:
        super().__init__(message, hint=hint, details=details)
        self.diagnostics = tuple(diagnostics)


class StalePlan(ReconcilerError):
    """A plan that must not be run: altered, expired, foreign, a what-if, applied before or overtaken."""

    exit_code = ExitCode.STALE


class Refused(ReconcilerError):
    """A guard was exceeded and nobody accepted that."""

    exit_code = ExitCode.REFUSED


class Locked(ReconcilerError):
    """The store is held by another process, or a run there isn't finished."""

    exit_code = ExitCode.LOCKED


class NotApproved(ReconcilerError):
    """The question was answered with no, or could not be asked."""

    exit_code = ExitCode.NOT_APPROVED


class UsageError(ReconcilerError):
    """The command line asks for something that can't be."""

    exit_code = ExitCode.USAGE


class Unreachable(ReconcilerError):
    """Payway can't be reached, or refuses the credentials."""

    exit_code = ExitCode.UNREACHABLE


class StoreFailed(ReconcilerError):
    """The state store can't be opened, read or written."""

    exit_code = ExitCode.STORE_FAILED


class Interrupted(ReconcilerError):
    """A signal stopped the command; what was done is in the journal."""

    exit_code = ExitCode.INTERRUPTED
