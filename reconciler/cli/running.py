"""What the commands share that run a plan: their bounds, their progress, their report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from reconciler.cli.host import Host
from reconciler.errors import ExitCode

if TYPE_CHECKING:
    from reconciler.execution import RunOptions
    from reconciler.runreport import RunReport


class Duration(click.ParamType[float]):
    """Seconds, written as ``30s``, ``90m``, ``24h`` or a number."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The seconds behind ``value``."""
        from reconciler.limits import BadDuration, parse_duration

        try:
            return parse_duration(str(value))
        except BadDuration as error:
            self.fail(str(error), param, ctx)


def run_and_report(
    here: Host, options: RunOptions, run: Callable[[], RunReport], report: str | None = None, *, rehearsal: bool = False
) -> ExitCode:
    """Run with progress on standard error, then write the report; returns the run's exit code."""
    from reconciler import canonical
    from reconciler.files import write_atomically
    from reconciler.render import report_to_text

    with options.stop.listening(lambda: here.output.note("stopping after the call in flight; once more ends at once")):
        result = run()
    if report is not None:
        write_atomically(report, canonical.dumps(result.to_json()).encode("ascii") + b"\n")
    shown = report_to_text(
        result.to_json(),
        color=here.output.colored(),
        quiet=here.output.quiet,
        options=here.repeated(),
        rehearsal=rehearsal,
    )
    here.output.document(shown)
    return ExitCode(result.exit_code if result.exit_code is not None else ExitCode.DONE)


def run_options(
    here: Host,
    command: str,
    *,
    rate: float | None = None,
    max_duration: float | None = None,
    limit: int | None = None,
) -> RunOptions:
    """How a run goes on this terminal: its progress, its emergency file, its bounds."""
    from reconciler.cli.progress import Progress
    from reconciler.execution import RunOptions

    def emergency(path: Path) -> None:
        here.output.warning(f"the store couldn't take the outcome of a call that was made; it is kept in {path}")

    return RunOptions(
        command=f"reconciler {command}",
        environ=here.environ,
        events=Progress(here.output),
        emergency=emergency,
        rate=rate,
        max_duration=max_duration,
        limit=limit,
    )
