"""Where text goes: documents to standard output, all else to standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, TextIO

from reconciler.errors import InvalidInput

if TYPE_CHECKING:
    import rich_click as click

    from reconciler.diagnostics import Diagnostic
    from reconciler.errors import ReconcilerError
    from reconciler.pseudonyms import Keeper

#: Terminals that only print lines.
DUMB = ("dumb", "unknown")

#: Pieces of text that are written in one go.
_BLOCK = 64


class Output:
    """The two streams, and how the person wants to read them.

    ``color`` is ``auto``, ``always`` or ``never``; ``log_format`` is ``text`` or ``json`` and is about standard
    error alone. What can't be written to standard error is lost: no run may stop for it.
    """

    def __init__(self) -> None:
        self.color = "auto"
        self.quiet = False
        self.verbose = False
        self.log_format = "text"
        #: Stand-ins for what names a reader, once a command was told to show none of it.
        self.keeper: Keeper | None = None

    @property
    def in_json(self) -> bool:
        """True if every line on standard error is a JSON object."""
        return self.log_format == "json"

    def document(self, lines: Iterable[str]) -> None:
        """Write lines to standard output. Raises as `text` does."""
        self.text(line + "\n" for line in lines)

    def text(self, pieces: Iterable[str]) -> None:
        """Write text to standard output as it is.

        Raises `BrokenPipeError` if nobody reads it any more, `InvalidInput` if it can't be written.
        """
        with self.writing() as stdout:
            for block in _blocks(pieces):
                stdout.write(block)

    @contextmanager
    def writing(self) -> Iterator[TextIO]:
        """Standard output, for a block that writes to it. Raises as `text` does."""
        try:
            yield sys.stdout
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            self.abandon()
            raise InvalidInput(
                f"standard output can't be written: {error.strerror}", hint="check where it is led to"
            ) from None

    def note(self, message: str, **facts: object) -> None:
        """Say something in passing; ``--quiet`` silences it."""
        if not self.quiet:
            self._say("info", message, facts)

    def detail(self, message: str, **facts: object) -> None:
        """Say something that only ``--verbose`` asks for."""
        if self.verbose:
            self._say("debug", message, facts)

    def warning(self, message: str, **facts: object) -> None:
        """Say something that deserves attention."""
        self._say("warning", message, facts)

    def findings(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Say what was found in files."""
        from reconciler import render

        if self.keeper is not None:
            from reconciler.pseudonyms import of_diagnostics

            diagnostics = list(of_diagnostics(diagnostics, self.keeper.names))
            self.keeper.save()
        if not self.in_json:
            self._lines(render.diagnostics_to_text(diagnostics, color=self.colored(sys.stderr), total=False))
            return
        for data in map(render.diagnostic_to_json, diagnostics):
            self._say(str(data.pop("severity")), str(data.pop("message")), data)

    def error(self, error: ReconcilerError) -> None:
        """Say what a person can mend, and how."""
        error = self.shared(error)
        if not self.in_json:
            from reconciler.render import error_to_text

            self._lines(error_to_text(error, color=self.colored(sys.stderr)))
            return
        if isinstance(error, InvalidInput):
            self.findings(error.diagnostics)
        details = list(error.details)
        facts = {"hint": error.hint, "details": details, "exit_code": int(error.exit_code)}
        self._say("error", error.message, facts)

    def shared(self, error: ReconcilerError) -> ReconcilerError:
        """``error`` as it is shown: itself, or a copy with stand-ins."""
        if self.keeper is None:
            return error
        import copy

        from reconciler.pseudonyms import of_diagnostics

        shown = copy.copy(error)
        shown.message = self.keeper.text(error.message)
        shown.hint = None if error.hint is None else self.keeper.text(error.hint)
        shown.details = tuple(map(self.keeper.text, error.details))
        if isinstance(shown, InvalidInput):
            shown.diagnostics = tuple(of_diagnostics(shown.diagnostics, self.keeper.names))
            self.keeper.save()
        return shown

    def usage(self, error: click.UsageError) -> None:
        """Say how a command line can't be understood."""
        message = error.format_message()
        variable = _variable_behind(error)
        if variable is not None:
            message += f" (from the variable {variable})"
        if error.ctx is not None:
            message += f" (see {error.ctx.command_path} --help)"
        self._say("error", message, {"exit_code": 64})

    def bug(self, error: Exception) -> None:
        """Own up to a defect of this program."""
        import traceback

        message = f"unexpected {type(error).__name__}: {error}; this is a bug, please report it"
        # Line by line, so that a value in a message can't forge one.
        trace = "".join(traceback.format_exception(error)).splitlines()
        facts: dict[str, object] = {"exit_code": 1}
        if self.in_json:
            self._say("error", message, facts | {"traceback": trace})
            return
        self._say("error", message, facts)
        if not self.verbose:
            self._say("info", "-v shows where it happened", {})
        for line in trace if self.verbose else ():
            self._say("info", line, {})

    def interrupted(self) -> None:
        """Say that a signal ended the command."""
        if sys.stderr.isatty() and not self.in_json:
            self._lines([""])
        self.note("interrupted")

    def ask(self, question: str) -> str:
        """Put a question to the person at the terminal; returns what was typed, "" at its end."""
        if self.in_json:
            self._say("question", question, {})
        else:
            self._put(_harmless(question) + " ")
        answer = sys.stdin.readline()
        if not answer and not self.in_json:
            self._lines([""])
        return answer.strip()

    def abandon(self, stream: IO[str] | None = None) -> None:
        """Give up ``stream`` (standard output, unless said), so that the interpreter's last flush doesn't fail, too."""
        with suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, (stream or sys.stdout).fileno())
            os.close(null)

    def colored(self, stream: IO[str] | None = None) -> bool:
        """True if ``stream`` (standard output, unless said) gets colour."""
        if self.color != "auto":
            return self.color == "always"
        if os.environ.get("NO_COLOR") or os.environ.get("TERM") in DUMB:
            return False
        return (stream or sys.stdout).isatty()

    def _say(self, level: str, message: str, facts: dict[str, Any]) -> None:
        if self.keeper is not None:
            message, facts = self.keeper.text(message), {name: self._shared(value) for name, value in facts.items()}
        if self.in_json:
            from reconciler import canonical

            # A CI runner that sees `##[` in its log takes an order from it; inside JSON it can be written otherwise.
            line = canonical.dumps({"level": level, "message": message, **facts}).replace("##", r"#\u0023")
        else:
            line = ("" if level in ("info", "debug") else f"{level}: ") + _harmless(message)
        self._lines([line])

    def _shared(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._shared(below) for name, below in value.items()}
        if isinstance(value, list):
            return list(map(self._shared, value))
        return self.keeper.text(value) if self.keeper is not None and isinstance(value, str) else value

    def _lines(self, lines: Iterable[str]) -> None:
        self._put("".join(line + "\n" for line in lines))

    def _put(self, text: str) -> None:
        # RuntimeError: a signal came while a line was being written, and its handler has something to say.
        with suppress(ValueError, RuntimeError):
            try:
                sys.stderr.write(text)
                sys.stderr.flush()
            except OSError:
                self.abandon(sys.stderr)


def _blocks(pieces: Iterable[str]) -> Iterator[str]:
    """``pieces`` joined, since a stream asks for much with every write: the first alone, then more and more of them."""
    coming, most = iter(pieces), 1
    while block := tuple(islice(coming, most)):
        yield "".join(block)
        most = min(2 * most, _BLOCK)


def _harmless(text: str) -> str:
    from reconciler.render.escape import copyable

    return copyable(text)


def _variable_behind(error: click.UsageError) -> str | None:
    """The variable that the value came from which an option can't take, if it was one."""
    from click.core import ParameterSource

    parameter, context = getattr(error, "param", None), error.ctx
    if parameter is None or context is None or parameter.name is None:
        return None
    from_variable = context.get_parameter_source(parameter.name) is ParameterSource.ENVIRONMENT
    return str(parameter.envvar) if from_variable else None
