"""payway-reconciler: declare Tulo Payway user products in YAML, review the plan, apply exactly that.

One street, from YAML to HTTP; every room uses only those before it (the import contracts in pyproject.toml hold
it to that)::

    errors, rules, diagnostics, canonical, instants, limits     the ground
    model, plan                                                 the nouns
    operations/, wire, answers, verdicts, judging               Payway's calls, and what their answers mean
    manifests/ · state/                                         the two doors: what is declared, what is known
    planning/, planfile                                         the thinking, and plans as bytes
    render/ · payway/ · applying/                               three wings that never meet
    settings                                                    what reconciler.toml and variables say
    session, execution, expectations                            the front door of the library
    cli/                                                        the front door of the command

The names below are the library; each is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

__version__ = "0.1.0"

_HOMES: Final = {
    "Desired": "manifests.desired",
    "InvalidInput": "errors",
    "Plan": "plan",
    "Planned": "session",
    "ReconcilerError": "errors",
    "RunOptions": "execution",
    "RunReport": "applying.runreport",
    "Session": "session",
    "apply_plan": "execution",
    "dry_run": "execution",
    "load_manifests": "session",
    "load_settings": "settings",
    "read_plan_file": "session",
    "resolve": "settings",
    "resume_run": "execution",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    """Load a public name from its home."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
