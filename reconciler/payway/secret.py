"""Secrets: texts that show themselves nowhere, and the three places where one can be kept."""

from __future__ import annotations

import hmac
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn, TypeAlias

from reconciler.errors import Unreachable

#: How long a command may take to give a secret, in seconds.
COMMAND_TIMEOUT: Final = 30.0

#: A secret is read to this many bytes at most.
MAX_SECRET: Final = 16 * 1024

_PRINTABLE: Final = re.compile(r"[\x21-\x7e]+")
_FILE_HINT: Final = 'a path relative to reconciler.toml, in token = {file = "…"}'
_COMMAND_HINT: Final = 'the program and each argument are texts of their own, as in {command = ["pass", "payway"]}'


class Secret:
    """A text that no ``repr``, format, log line, pickle or copy shows; `reveal` is the one way to it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the header or form that needs it."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(…)"

    def same(self, other: Secret) -> bool:
        """True if both hide the same text."""
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret can't be copied or pickled")


@dataclass(frozen=True, slots=True)
class EnvRef:
    """A secret in the environment variable ``name``."""

    name: str

    def describe(self) -> str:
        """Where the secret is, without it."""
        return self.name

    def resolve(self, environ: Mapping[str, str]) -> Secret:
        """The secret. Raises `Unreachable` if the variable is unset or can't be a secret."""
        return usable(environ.get(self.name, ""), f"the variable {self.name}")

    def probe(self, environ: Mapping[str, str]) -> str | None:
        """Look whether there is a secret, without giving it: what is unwise about it, if anything. Raises as above."""
        self.resolve(environ)
        return None


@dataclass(frozen=True, slots=True)
class FileRef:
    """A secret in a file, with nothing else in it than white space around."""

    path: str

    def describe(self) -> str:
        """Where the secret is, without it."""
        return f"the file {self.path}"

    def resolve(self, environ: Mapping[str, str]) -> Secret:
        """The secret. Raises `Unreachable`; warns in the log if others on this machine can read the file."""
        secret, unwise = self._read()
        if unwise is not None:
            import logging

            logging.getLogger(__name__).warning("%s", unwise)
        return secret

    def probe(self, environ: Mapping[str, str]) -> str | None:
        """Look whether there is a secret, without giving it: what is unwise about it, if anything. Raises as above."""
        return self._read()[1]

    def _read(self) -> tuple[Secret, str | None]:
        try:
            path = Path(self.path).expanduser()
            with path.open("rb") as file:
                mode = path.stat().st_mode
                data = file.read(MAX_SECRET + 1)
        except (OSError, RuntimeError) as error:
            reason = getattr(error, "strerror", None) or "no such home folder"
            raise Unreachable(f"{self.describe()} can't be read: {reason}", hint=_FILE_HINT) from None
        open_to_others = mode & (stat.S_IRGRP | stat.S_IROTH)
        unwise = f"{self.path} holds a secret and can be read by others: chmod 600 it" if open_to_others else None
        return usable(_decoded(data, self.describe()), self.describe()), unwise


@dataclass(frozen=True, slots=True)
class CommandRef:
    """A secret on the standard output of a command, which is run without a shell."""

    argv: tuple[str, ...]

    def describe(self) -> str:
        """Where the secret is, without it: the program alone, since arguments may be secrets too."""
        return f"the command {self.argv[0]}"

    def resolve(self, environ: Mapping[str, str]) -> Secret:
        """The secret. Raises `Unreachable`; what the command writes to standard error is dropped."""
        import subprocess

        try:
            done = subprocess.run(  # noqa: S603 - the configuration is trusted like code; no shell reads it
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=COMMAND_TIMEOUT,
                env=dict(environ),
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Unreachable(f"{self.describe()} gave no secret within {COMMAND_TIMEOUT:g} s") from None
        except OSError as error:
            raise Unreachable(f"{self.describe()} can't be run: {error.strerror}", hint=_COMMAND_HINT) from None
        if done.returncode != 0:
            raise Unreachable(
                f"{self.describe()} gave no secret: it ended with {done.returncode}", hint="run it by hand to see why"
            )
        return usable(_decoded(done.stdout, self.describe()), self.describe())

    def probe(self, environ: Mapping[str, str]) -> str | None:
        """Look whether there is such a program, without running it. Raises `Unreachable` if there is none."""
        import shutil

        if shutil.which(self.argv[0], path=environ.get("PATH")) is None:
            raise Unreachable(f"{self.describe()} can't be run: there is no such program", hint=_COMMAND_HINT)
        return None


#: Where a secret is.
Ref: TypeAlias = EnvRef | FileRef | CommandRef


def usable(text: str, origin: str) -> Secret:
    """``text`` without white space around, as a secret.

    Raises `Unreachable` unless it is printable ASCII without spaces: anything else could end a header
    early, or end up in the message of whoever refuses it.
    """
    stripped = text.strip()
    if not stripped:
        raise Unreachable(f"{origin} is empty or not set")
    if not _PRINTABLE.fullmatch(stripped):
        raise Unreachable(
            f"{origin} holds something that can't be a secret: spaces, control characters or non-ASCII ones",
            hint="it must be the token or secret alone, without 'Bearer', quotes or comments",
        )
    return Secret(stripped)


def _decoded(data: bytes, origin: str) -> str:
    if len(data) > MAX_SECRET:
        raise Unreachable(f"{origin} holds more than {MAX_SECRET} bytes, which is no secret")
    # What isn't ASCII becomes a character that `usable` refuses.
    return data.decode("ascii", errors="replace")
