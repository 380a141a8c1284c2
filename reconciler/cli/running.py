"""What the commands share that run a plan: their bounds, their progress, their report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from reconciler.cli.host import Host
from reconciler.cli.kinds import Duration, Rate, Whole
from reconciler.cli.options import Command, option
from reconciler.errors import ExitCode, ReconcilerError

if TYPE_CHECKING:
    from reconciler.applying.runreport import Event, RunReport
    from reconciler.execution import RunOptions

_STOPPING: Final = "stopping after the call in flight; once more ends at once"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What ``--rate``, ``--max-duration``, ``--limit`` and ``--report`` say of a run."""

    rate: float | None = None
    max_duration: float | None = None
    limit: int | None = None
    report: str | None = None

    def check(self) -> None:
        """Raise `InvalidInput` if the report couldn't be written: before anything is sent that it would tell of."""
        from reconciler.files import check_writable

        if self.report is not None:
            check_writable(self.report)


_UNBOUND: Final = Bounds()


def bounds_options(command: Command) -> Command:
    """Add the options behind `Bounds`."""
    for decorate in (
        option("--report", metavar="FILE", help="Write the run report (JSON)."),
        option("--limit", type=Whole(1), metavar="N", help="Send at most so many steps."),
        option("--max-duration", type=Duration(), metavar="D", help="Begin no step after this long, as in 90m."),
        option("--rate", type=Rate(), metavar="N", help="At most so many calls a second."),
    ):
        command = decorate(command)
    return command


def run_and_report(
    here: Host, command: str, bounds: Bounds, run: Callable[[RunOptions], RunReport], *, rehearsal: bool = False
) -> ExitCode:
    """Run with progress on standard error, then write the report; returns the run's exit code.

    How the run ended counts for more than whether that can be shown: the journal holds the report, too.
    """
    from contextlib import closing

    from reconciler.cli.progress import Progress

    bounds.check()
    with closing(Progress(here.output)) as progress:
        options = run_options(here, command, bounds, events=progress)
        with options.stop.listening(lambda: here.output.note(_STOPPING)):
            result = run(options)
    code = ExitCode(result.exit_code if result.exit_code is not None else ExitCode.DONE)
    try:
        _show(here, result, bounds.report, rehearsal=rehearsal)
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
    here: Host, command: str, bounds: Bounds = _UNBOUND, *, events: Callable[[Event], None] = lambda _: None
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
        rate=bounds.rate,
        max_duration=bounds.max_duration,
        limit=bounds.limit,
    )
