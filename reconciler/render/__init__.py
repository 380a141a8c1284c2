"""Text, made last: a plan, a run or a finding as people and machines want to read it.

Every function gives lines without their ends; whoever calls writes them. Plans are drawn from `view`, values
are made harmless by `escape`. Each format is loaded when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from reconciler.render.checkup import checkup_to_json, checkup_to_text
    from reconciler.render.curl import requests_to_text
    from reconciler.render.explain import explain_to_text
    from reconciler.render.findings import diagnostics_to_text, error_to_text
    from reconciler.render.next_command import Invocation
    from reconciler.render.placing import Base, rebased
    from reconciler.render.runs import report_to_text, runs_to_text
    from reconciler.render.runs_html import report_to_html
    from reconciler.render.runs_markdown import report_to_markdown
    from reconciler.render.to_gitlab import diagnostics_to_gitlab
    from reconciler.render.to_html import plan_to_html
    from reconciler.render.to_json import diagnostic_to_json, diagnostics_to_github, diagnostics_to_json
    from reconciler.render.to_junit import diagnostics_to_junit
    from reconciler.render.to_markdown import plan_to_markdown
    from reconciler.render.to_sarif import diagnostics_to_sarif
    from reconciler.render.to_text import plan_to_text

_HOMES: Final = {
    "Base": "placing",
    "Invocation": "next_command",
    "checkup_to_json": "checkup",
    "checkup_to_text": "checkup",
    "diagnostic_to_json": "to_json",
    "diagnostics_to_github": "to_json",
    "diagnostics_to_gitlab": "to_gitlab",
    "diagnostics_to_json": "to_json",
    "diagnostics_to_junit": "to_junit",
    "diagnostics_to_sarif": "to_sarif",
    "diagnostics_to_text": "findings",
    "error_to_text": "findings",
    "explain_to_text": "explain",
    "plan_to_html": "to_html",
    "plan_to_markdown": "to_markdown",
    "plan_to_text": "to_text",
    "rebased": "placing",
    "report_to_html": "runs_html",
    "report_to_markdown": "runs_markdown",
    "report_to_text": "runs",
    "requests_to_text": "curl",
    "runs_to_text": "runs",
}

__all__ = [
    "Base",
    "Invocation",
    "checkup_to_json",
    "checkup_to_text",
    "diagnostic_to_json",
    "diagnostics_to_github",
    "diagnostics_to_gitlab",
    "diagnostics_to_json",
    "diagnostics_to_junit",
    "diagnostics_to_sarif",
    "diagnostics_to_text",
    "error_to_text",
    "explain_to_text",
    "plan_to_html",
    "plan_to_markdown",
    "plan_to_text",
    "rebased",
    "report_to_html",
    "report_to_markdown",
    "report_to_text",
    "requests_to_text",
    "runs_to_text",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its home."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
