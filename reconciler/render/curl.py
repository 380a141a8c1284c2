"""The exact requests of a plan as curl commands for a POSIX shell. The token stays out: the shell puts it in."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

from reconciler import canonical
from reconciler.plan import Plan, Request
from reconciler.render.escape import copyable
from reconciler.render.words import counted, place, verb

#: The one argument that the shell is meant to read into.
_AUTHORIZATION: Final = '"authorization: Bearer $PAYWAY_TOKEN"'

_URL_CHARACTERS: Final = ":/?&=%~"


def requests_to_text(plan: Plan) -> Iterator[str]:
    """Every request of ``plan`` as a command of a few lines, in plan order; safe to paste whatever it holds."""
    total = counted(len(plan.steps), "request")
    yield copyable(f"# {total} for {plan.environment}, to be sent one after another, never at the same time.")
    for step in plan.steps:
        yield ""
        yield copyable(f"# {step.number}. {verb(step.action)}, account {step.account_id}, from {place(step.source)}")
        yield from _curl(plan.host, step.request)


def _curl(host: str, request: Request) -> Iterator[str]:
    # Percent signs and ASCII only: nothing in it can end a line, and curl has no ranges to expand.
    url = quote(host + request.path, safe=_URL_CHARACTERS, errors="replace")
    yield f"curl --request {shlex.quote(copyable(request.method))} \\"
    yield f"  --url {shlex.quote(url)} \\"
    yield "  --header 'accept: application/json' \\"
    yield f"  --header {_AUTHORIZATION} \\"
    yield "  --header 'content-type: application/json' \\"
    yield f"  --data-raw {shlex.quote(canonical.dumps(dict(request.body)))}"
