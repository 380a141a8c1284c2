"""The command line: words in, text and an exit code out.

Each file here holds the commands of one subject and imports what it needs inside its functions, so that
``--help`` loads nothing heavy. What a command *does* stands in `reconciler.session`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

from reconciler.errors import ExitCode


def main() -> NoReturn:
    """Run the command that the process was started with, and exit with its code."""
    sys.exit(run(sys.argv[1:]))


def run(argv: Sequence[str]) -> int:
    """Run one command line; returns its exit code (contract, section 6)."""
    import rich_click as click

    from reconciler.cli.app import app
    from reconciler.cli.output import Output
    from reconciler.errors import ReconcilerError

    output = Output()
    try:
        result = app.main(args=list(argv), prog_name="reconciler", standalone_mode=False, obj={"output": output})
        return int(result or ExitCode.DONE)
    except click.UsageError as error:
        output.usage(error)
        return ExitCode.USAGE
    except ReconcilerError as error:
        output.error(error)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        output.note("interrupted")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        output.abandon()
        return ExitCode.INTERRUPTED
    except Exception as error:
        output.bug(error)
        return ExitCode.BUG
