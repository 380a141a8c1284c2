"""Where text goes: documents to standard output, all else to standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import IO, TYPE_CHECKING

from reconciler import canonical

if TYPE_CHECKING:
    import rich_click as click

    from reconciler.errors import ReconcilerError

_DUMB = ("dumb", "unknown")


class Output:
    """The two streams, and how the person wants to read them.

    ``color`` is ``auto``, ``always`` or ``never``; ``log_format`` is ``text`` or ``json`` and is about
    standard error alone.
    """

    def __init__(self) -> None:
        self.color = "auto"
        self.quiet = False
        self.verbose = False
        self.log_format = "text"

    def document(self, lines: Iterable[str]) -> None:
        """Write lines to standard output."""
        for line in lines:
            sys.stdout.write(line + "\n")
        sys.stdout.flush()

    def text(self, pieces: Iterable[str]) -> None:
        """Write text to standard output as it is."""
        sys.stdout.writelines(pieces)
        sys.stdout.flush()

    def note(self, message: str, **facts: object) -> None:
        """Say something in passing; ``--quiet`` silences it."""
        if not self.quiet:
            self._say("info", message, facts)

    def warning(self, message: str, **facts: object) -> None:
        """Say something that deserves attention."""
        self._say("warning", message, facts)

    def raw(self, line: str) -> None:
        """Write a line to standard error as it is (it was made harmless by whoever made it)."""
        if self.log_format == "json":
            self._say("info", line, {})
        else:
            self._lines([line])

    def error(self, error: ReconcilerError) -> None:
        """Say what a person can mend, and how."""
        if self.log_format == "json":
            facts: dict[str, object] = {
                "hint": error.hint,
                "details": list(error.details),
                "exit_code": int(error.exit_code),
            }
            self._say("error", error.message, facts)
            return
        from reconciler.render import error_to_text

        self._lines(error_to_text(error, color=self.colored(sys.stderr)))

    def usage(self, error: click.UsageError) -> None:
        """Say how a command line can't be understood."""
        from reconciler.render.escape import terminal

        where = f" (see {error.ctx.command_path} --help)" if error.ctx is not None else ""
        self._say("error", terminal(error.format_message()) + where, {"exit_code": 64})

    def bug(self, error: Exception) -> None:
        """Own up to a defect of this program."""
        from reconciler.render.escape import terminal

        message = f"unexpected {type(error).__name__}: {error}"
        self._say("error", terminal(message) + "; this is a bug, please report it", {"exit_code": 1})
        if self.verbose:
            import traceback

            # Line by line, so that a value in a message can't forge one.
            for line in "".join(traceback.format_exception(error)).splitlines():
                sys.stderr.write(terminal(line) + "\n")
        else:
            self._say("info", "-v shows where it happened", {})

    def abandon(self) -> None:
        """Nobody reads standard output any more: don't fail once more when the interpreter flushes it."""
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)

    def colored(self, stream: IO[str] | None = None) -> bool:
        """True if ``stream`` (standard output, unless said) gets colour."""
        if self.color != "auto":
            return self.color == "always"
        if os.environ.get("NO_COLOR") or os.environ.get("TERM") in _DUMB:
            return False
        return (stream or sys.stdout).isatty()

    def _say(self, level: str, message: str, facts: dict[str, object]) -> None:
        if self.log_format == "json":
            sys.stderr.write(canonical.dumps({"level": level, "message": message, **facts}) + "\n")
        else:
            prefix = "" if level == "info" else f"{level}: "
            sys.stderr.write(f"{prefix}{message}\n")
        sys.stderr.flush()

    def _lines(self, lines: Iterable[str]) -> None:
        sys.stderr.writelines(line + "\n" for line in lines)
        sys.stderr.flush()
