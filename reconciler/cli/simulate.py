"""``simulate``: Payway on a loopback port."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.commands import command
from reconciler.cli.host import host
from reconciler.cli.kinds import Whole
from reconciler.cli.options import common_options, option
from reconciler.errors import ExitCode


@command()
@option("--port", type=Whole(0, 65535), default=0, metavar="N", help="The port (default: a free one).")
@option("--world", metavar="FILE", help="The world file (JSON Lines); made if it isn't there.")
@option("--snapshot", metavar="FILE", help="Fill the world from a snapshot of known state.")
@option("--faults", metavar="FILE", help="Scripted faults (JSON).")
@option("--request-log", metavar="FILE", help="Write every request to this file (JSON Lines).")
@common_options
@click.pass_context
def simulate(
    context: click.Context,
    port: int,
    world: str | None,
    snapshot: str | None,
    faults: str | None,
    request_log: str | None,
) -> ExitCode:
    """Serve Payway's documented rules on 127.0.0.1, for rehearsals over HTTP.

    Then: PAYWAY_TOKEN=any reconciler apply -e stage --base-url http://127.0.0.1:PORT … in another terminal.
    """
    from reconciler.files import check_writable
    from reconciler.payway.faults import Faults, load_faults
    from reconciler.payway.server import serve
    from reconciler.payway.simulator import Simulator
    from reconciler.payway.world import World
    from reconciler.session import system_clock
    from reconciler.state.snapshot import read_snapshot

    here = host(context)
    for file in (world, request_log):
        if file is not None:
            check_writable(file)
    path = None if world is None else Path(world)
    accounts = () if snapshot is None else read_snapshot(snapshot).accounts
    simulator = Simulator(
        World.from_known(accounts, system_clock, path=path) if accounts else World(path),
        clock=system_clock,
        faults=Faults() if faults is None else load_faults(Path(faults)),
        log=None if request_log is None else Path(request_log),
    )
    serve(simulator, port=port, on_ready=lambda url: here.output.note(f"Payway is simulated at {url}; Ctrl-C ends it"))
    return ExitCode.DONE
