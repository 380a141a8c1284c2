"""The command line: words in, text and an exit code out.

Each file here holds the commands of one subject and imports what it needs inside its functions, so that
``--help`` loads nothing heavy. What a command *does* stands in `reconciler.session`.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

from reconciler.errors import ExitCode, InvalidInput, ReconcilerError

#: The collector looks for cycles when so many more values are there.
_COLLECT_AFTER: Final = 50_000


def main() -> NoReturn:
    """Run the command that the process was started with, and exit with its code."""
    import gc
    import signal

    # Of what is made in a short life, next to nothing is garbage in cycles.
    gc.set_threshold(_COLLECT_AFTER)
    _mend_streams()
    # As Ctrl-C, so that locks and files are given back. While a plan runs, `reconciler.execution.Stop` listens.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    code = run(sys.argv[1:])
    # The process ends: nobody needs to know which of its modules are in cycles.
    gc.freeze()
    sys.exit(code)


def run(argv: Sequence[str]) -> int:
    """Run one command line; returns its exit code (contract, section 6)."""
    from reconciler.cli.output import Output

    output = Output()
    try:
        page = _page(argv)
        if page is not None:
            output.document(page)
            return ExitCode.DONE
        from reconciler.cli.app import invoke

        code = invoke(argv, output)
        # Not all that click writes has left yet; what can't is told here and not by the interpreter's last flush.
        output.text(())
        return code
    except ReconcilerError as error:
        output.error(error)
        return error.exit_code
    except KeyboardInterrupt:
        output.interrupted()
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        output.abandon()
        return ExitCode.INTERRUPTED
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            output.bug(error)
            return ExitCode.BUG
        output.abandon()
        output.error(InvalidInput(f"nothing can be written: {error.strerror}", hint="check where the output is led to"))
        return ExitCode.INVALID
    except Exception as error:
        output.bug(error)
        return ExitCode.BUG


def _page(argv: Sequence[str]) -> list[str] | None:
    """What is printed without looking at anything else, and so without loading click."""
    from reconciler.cli.menu import COMPLETION_VARIABLE, help_page

    if COMPLETION_VARIABLE in os.environ:
        return None
    if list(argv) in ([], ["--help"], ["-h"]):
        return list(help_page())
    if list(argv) in (["--version"], ["version"]):
        from reconciler import __version__

        return [__version__ if argv[0] == "version" else f"reconciler {__version__}"]
    return None


def _mend_streams() -> None:
    """Have three streams that take any text: one that was closed reads and writes nothing."""
    # In this order, and before any other file is opened: each takes the lowest number that is free, its own.
    if sys.stdin is None:
        sys.stdin = os.fdopen(os.open(os.devnull, os.O_RDONLY), encoding="utf-8")
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    # A locale without the letter must not stop a run; standard error does this by itself.
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # what Python starts with has it
