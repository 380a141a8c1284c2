"""Progress of a run on standard error: a bar on a terminal, one line a step elsewhere."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from reconciler.cli.output import DUMB, Output

if TYPE_CHECKING:
    from reconciler.applying.runreport import Event


class Progress:
    """Takes the applier's events. A terminal that goes away stops no run."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._bar: Any = None
        self._task: Any = None
        self._on_terminal = sys.stderr.isatty() and not output.in_json and os.environ.get("TERM") not in DUMB

    def __call__(self, event: Event) -> None:
        """Show one event."""
        if not self._output.quiet:
            with suppress(OSError):
                self._show(event)

    def _show(self, event: Event) -> None:
        if event.kind == "run":
            self._line(f"one call after another: about {_duration(event.seconds)}", steps=event.steps)
            self._begin(event.steps)
        elif event.kind == "waiting":
            self._line(f"waiting {event.seconds:.3g} s", seconds=event.seconds)
        elif event.kind == "outcome":
            self._outcome(event)
        elif event.kind == "stopping" and event.message is not None:
            self._line(f"stopping: {event.message.replace('-', ' ')}", stopped_by=event.message)
        elif event.kind == "step" and event.step is not None:
            self._output.detail(f"sending step {event.step.number}, try {event.attempt}", step=event.step.number)
        elif event.kind == "report":
            self.close()

    def _begin(self, steps: int) -> None:
        if not self._on_terminal or steps == 0:
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Bar(*columns, console=Console(stderr=True, no_color=not self._output.colored(sys.stderr)))
        self._task = self._bar.add_task("applying", total=steps)
        self._bar.start()
        # Whatever ends the process, even a second Ctrl-C, the terminal keeps its cursor.
        self._bar.console.show_cursor(True)

    def close(self) -> None:
        """Take the bar away."""
        bar, self._bar = self._bar, None
        if bar is not None:
            with suppress(OSError):
                bar.stop()

    def _outcome(self, event: Event) -> None:
        step, entry = event.step, event.entry
        if step is None or entry is None or entry.status == "intent":
            return
        if self._bar is not None:
            self._bar.update(self._task, completed=step.number)
            if entry.status in ("applied", "assumed"):
                return
        from reconciler.render.escape import terminal

        said = f": {terminal(entry.message)}" if entry.message and entry.status != "applied" else ""
        place = step.user_product_id or step.product_id or step.customer_number or ""
        text = f"{step.number:>5}  {entry.status:<9}  {step.action:<20} account {step.account_id} {place}{said}"
        self._line(text.rstrip(), step=step.number, action=step.action, account=step.account_id, status=entry.status)

    def _line(self, text: str, **facts: object) -> None:
        if self._bar is not None:
            from reconciler.render.escape import copyable

            self._bar.console.print(copyable(text), markup=False, highlight=False, soft_wrap=True)
        else:
            self._output.note(text, **facts)


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{max(seconds, 1):.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
