"""What the commands share that show something: their options, and plans, runs and warnings as text."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from typing import TYPE_CHECKING

from reconciler.cli.host import Host
from reconciler.cli.kinds import Word
from reconciler.cli.options import option
from reconciler.cli.sharing import begin, shared_report
from reconciler.errors import ExitCode

if TYPE_CHECKING:
    from reconciler.diagnostics import Diagnostic
    from reconciler.plan import Plan
    from reconciler.render import Invocation

form_option = option(
    "--format",
    "form",
    type=Word(["text", "json", "markdown", "html"]),
    default="text",
    help="text for people, json for programs, markdown for comments, html for a report in one file.",
)

select_option = option(
    "--select",
    multiple=True,
    metavar="EXPR",
    help="Only some accounts: account=ID, label.NAME=VALUE, owner=TEXT or file=GLOB; repeated, it widens.",
)
accept_option = option("--accept", multiple=True, metavar="GUARD", help="Accept that a guard is exceeded.")


def show_plan(here: Host, shown: Plan, form: str, invocation: Invocation, *, next_line: bool = True) -> None:
    """Write a plan to standard output in one of its forms."""
    from reconciler import render

    if form == "json":
        from reconciler.planfile import plan_lines

        here.output.text(plan_lines(shown))
    elif form == "markdown":
        here.output.document(render.plan_to_markdown(shown, invocation=invocation))
    elif form == "html":
        here.output.text(render.plan_to_html(shown, invocation=invocation))
    else:
        lines: Iterable[str] = render.plan_to_text(
            shown,
            invocation=invocation,
            color=here.output.colored(),
            quiet=here.output.quiet,
            next_line=next_line,
        )
        here.output.document(lines)


def warn(here: Host, diagnostics: Iterable[Diagnostic]) -> None:
    """Write what the manifests only warn about to standard error."""
    here.output.findings(diagnostics)


def warn_if_nothing_selected(here: Host, shown: Plan) -> None:
    """Say so if ``--select`` took in no account: more likely a slip of the finger than a wish."""
    if shown.manifests.select and not shown.manifests.accounts:
        here.output.warning(f"--select {' '.join(shown.manifests.select)} takes in no account")


def show_run(here: Host, run_id: str, form: str) -> ExitCode:
    """Write the report of a run to standard output."""
    from reconciler import canonical, render
    from reconciler.applying.runreport import report_from_journal
    from reconciler.execution import find_run, plan_of

    with closing(here.session().open_store(read_only=True)) as store:
        run = find_run(store, run_id)
        plan = plan_of(run)
        report = shared_report(begin(here), report_from_journal(run, store.entries(run.run_id), plan).to_json(), plan)
    options = here.repeated()
    if form == "json":
        here.output.document([canonical.dumps(report)])
    elif form == "markdown":
        here.output.document(render.report_to_markdown(report, options=options))
    elif form == "html":
        here.output.text(render.report_to_html(report, options=options))
    else:
        color, quiet = here.output.colored(), here.output.quiet
        here.output.document(render.report_to_text(report, color=color, quiet=quiet, options=options))
    return ExitCode.DONE
