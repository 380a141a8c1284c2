"""``doctor``: what is wrong here, and how to mend it."""

from __future__ import annotations

import json

import click

from reconciler.cli.commands import command
from reconciler.cli.host import host
from reconciler.cli.kinds import Word
from reconciler.cli.options import common_options, option
from reconciler.errors import ExitCode


@command()
@option("--format", "form", type=Word(["text", "json"]), default="text", help="text for people, json for programs.")
@common_options
@click.pass_context
def doctor(context: click.Context, form: str) -> ExitCode:
    """Look at the program, settings, schemas, manifests, store, clock, host name and credentials, and say what mends.

    Nothing is written, nothing is sent to Payway, no secret is shown. Without an environment, only what needs none is
    looked at. Exits 0 if nothing is wrong, 74 if the store failed, 69 if the host's name can't be looked up or there
    are no credentials, 3 for any other problem. A warning isn't a problem.
    """
    from reconciler.doctor import examine, exit_code
    from reconciler.render import checkup_to_json, checkup_to_text
    from reconciler.session import system_clock

    here = host(context)
    named = here.named_environment()
    checks = list(examine(here.settings, here.session if named else None, environ=here.environ, now=system_clock()))
    code = exit_code(checks)
    if form == "json":
        data = checkup_to_json(checks, environment=named, exit_code=int(code))
        here.output.document(json.dumps(data, indent=2).replace("##", r"#\u0023").splitlines())
    else:
        here.output.document(checkup_to_text(checks, color=here.output.colored()))
    return code
