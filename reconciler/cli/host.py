"""What every command needs of its surroundings: the settings, the session, the clock said by ``--at``."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from reconciler.cli.options import Said, argument, option, said
from reconciler.cli.output import Output
from reconciler.errors import UsageError

if TYPE_CHECKING:
    from reconciler.reading import Reading
    from reconciler.session import Session
    from reconciler.settings import EnvironmentSettings, Settings

Command = TypeVar("Command", bound=Callable[..., Any])


class Host:
    """One command's surroundings, drawn from the options, the variables and ``reconciler.toml``."""

    def __init__(self, said: Said) -> None:
        self._said = said.values
        self.output: Output = said.output
        self.environ = dict(os.environ)

    def settings(self) -> Settings:
        """The settings file, or the defaults."""
        from reconciler.settings import load_settings

        return load_settings(self._said.get("config"), self.environ)

    def said(self, name: str) -> Any:
        """What an option said that isn't handed to the command, such as ``pseudonymize``; `None` if it wasn't said."""
        return self._said.get(name)

    def named_environment(self) -> str | None:
        """The environment that the flag or its variable names, if either does."""
        return self._said.get("environment") or self.environ.get("RECONCILER_ENVIRONMENT") or None

    def session(
        self, paths: tuple[str, ...] = (), *, environment: str | None = None, max_failures: int | None = None
    ) -> Session:
        """The session of the environment that was said; ``environment`` is what to take if none was."""
        from reconciler.session import Session
        from reconciler.settings import choose_environment, resolve

        said = self._said.get("environment")
        named_by = "the plan"
        if said or self.environ.get("RECONCILER_ENVIRONMENT") or environment is None:
            environment, named_by = choose_environment(said, self.environ)
        resolved = resolve(
            self.settings(),
            environment,
            self.environ,
            named_by=named_by,
            manifests=paths,
            state=self._said.get("state"),
            base_url=self._said.get("base_url"),
            max_failures=max_failures,
        )
        if self.output.verbose:
            self._tell(resolved)
        return Session(resolved, reading=self.reading())

    def reading(self) -> Reading:
        """How manifests are read."""
        from reconciler.reading import Reading

        said: dict[str, Any] = dict(self._said)
        return Reading(
            jobs=said.get("jobs"),
            cluster=said.get("cluster"),
            cache=not said.get("no_cache"),
            full_hash=bool(said.get("full_hash")),
        )

    def _tell(self, resolved: EnvironmentSettings) -> None:
        from reconciler.settings import explain

        for row in explain(resolved):
            if row.name in ("environment", "host", "manifests", "state"):
                self.output.detail(f"{row.name} is {row.value} ({row.origin})")

    def manifests(self, paths: tuple[str, ...]) -> tuple[str, ...]:
        """The manifest paths of a command that needs no environment."""
        from reconciler.settings import DEFAULT_MANIFESTS

        return paths or self.settings().general.manifests or DEFAULT_MANIFESTS

    def repeated(self) -> tuple[str, ...]:
        """The common options that the next command needs again, as whole arguments.

        They get into comments and reports, so a password in a URL isn't among them.
        """
        from reconciler.settings import without_password

        names = ("config", "state", "base_url")
        said = {name: self._said[name] for name in names if name in self._said}
        if "state" in said:
            said["state"] = without_password(said["state"])
        return tuple(f"--{name.replace('_', '-')}={value}" for name, value in said.items())


def host(context: click.Context) -> Host:
    """The surroundings of the command that ``context`` runs."""
    return Host(said(context))


def moment(text: str | None) -> datetime | None:
    """What ``--at`` says. Raises `UsageError` if it isn't a time."""
    from reconciler.instants import FORMS, BadTime, parse_clock

    try:
        return None if text is None else parse_clock(text)
    except BadTime as error:
        raise UsageError(f"--at: {error}", hint=f"write it as {FORMS}") from None


def paths_argument(command: Command) -> Command:
    """Add the manifest paths."""
    return argument("paths", nargs=-1, metavar="[PATHS]...")(command)


def at_option(text: str) -> Callable[[Command], Command]:
    """Add ``--at`` with what it is for."""
    return option("--at", metavar="TIME", help=text)
