"""What the commands share that run a plan: their bounds, their progress, their report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from reconciler.cli.host import Host
from reconciler.errors import ExitCode, ReconcilerError

if TYPE_CHECKING:
    from reconciler.applying.runreport import Event, RunReport
    from reconciler.execution import RunOptions

_STOPPING: Final = "stopping after the call in flight; once more ends at once"


def run_and_report(
    here: Host,
    command: str,
    run: Callable[[RunOptions], RunReport],
    report: str | None = None,
    *,
    rehearsal: bool = False,
    rate: float | None = None,
    max_duration: float | None = None,
    limit: int | None = None,
) -> ExitCode:
    """Run with progress on standard error, then write the report; returns the run's exit code.

    How the run ended counts for more than whether that can be shown: the journal holds the report, too.
    """
    from contextlib import closing

    from reconciler.cli.progress import Progress
    from reconciler.files import check_writable

    if report is not None:
        check_writable(report)
    with closing(Progress(here.output)) as progress:
        options = run_options(here, command, events=progress, rate=rate, max_duration=max_duration, limit=limit)
        with options.stop.listening(lambda: here.output.note(_STOPPING)):
            result = run(options)
    code = ExitCode(result.exit_code if result.exit_code is not None else ExitCode.DONE)
    try:
        _show(here, result, report, rehearsal=rehearsal)
    except ReconcilerError as error:
        if code is ExitCode.DONE:
            raise
        here.output.error(error)
    except BrokenPipeError:
        here.output.abandon()
    return code


def _show(here: Host, result: RunReport, report: str | None, *, rehearsal: bool) -> None:
    from reconciler import canonical
    from reconciler.files import write_atomically
    from reconciler.render import report_to_text

    data = result.to_json()
    if report is not None:
        write_atomically(report, canonical.dumps(data).encode("ascii") + b"\n")
    shown = report_to_text(
        data,
        color=here.output.colored(),
        quiet=here.output.quiet,
        options=here.repeated(),
        rehearsal=rehearsal,
    )
    here.output.document(shown)


def run_options(
    here: Host,
    command: str,
    *,
    events: Callable[[Event], None] = lambda _: None,
    rate: float | None = None,
    max_duration: float | None = None,
    limit: int | None = None,
) -> RunOptions:
    """How a run goes on this terminal: its progress, its emergency file, its bounds."""
    from reconciler.execution import RunOptions

    def emergency(path: Path) -> None:
        here.output.warning(f"the store couldn't take the outcome of a call that was made; it is kept in {path}")

    return RunOptions(
        command=f"reconciler {command}",
        environ=here.environ,
        events=events,
        emergency=emergency,
        rate=rate,
        max_duration=max_duration,
        limit=limit,
    )
