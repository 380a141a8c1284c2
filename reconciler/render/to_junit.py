"""Findings as JUnit XML: a suite a file, a test case a finding.

An error is a failed test. A warning is a skipped one, since it fails nothing, and a failed one when warnings refuse,
too. No two cases have one name, because GitLab drops all but the first; names stay when lines move, so that it can
tell new failures from old ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from reconciler.diagnostics import Diagnostic
from reconciler.errors import ReconcilerError
from reconciler.manifests.files import STDIN_NAME
from reconciler.render.escape import copyable
from reconciler.render.findings import diagnostics_to_text, error_to_text
from reconciler.render.placing import Identified, identified

#: The suite and the class of what isn't about one file.
_WHOLE: Final = "reconciler validate"


@dataclass(frozen=True, slots=True)
class _Case:
    """One ``<testcase>``. ``kind`` is ``failure``, ``skipped``, ``error`` or empty for a test that passes."""

    name: str
    suite: str
    kind: str = ""
    type: str = ""
    message: str = ""
    text: str = ""
    line: int | None = None


def diagnostics_to_junit(
    diagnostics: Iterable[Diagnostic], *, strict: bool = False, refusal: ReconcilerError | None = None
) -> Iterator[str]:
    """All findings by place as one XML document in lines; ASCII only.

    With ``strict`` warnings are failures. Without any finding there is one test, which passes; ``refusal`` says why
    the manifests weren't looked at, if they weren't, and is an error.
    """
    cases = [_finding(one, strict) for one in identified(diagnostics)]
    if refusal is not None:
        text = "\n".join(error_to_text(ReconcilerError(refusal.message, hint=refusal.hint, details=refusal.details)))
        cases.append(_Case("the manifests can be read", _WHOLE, "error", "refused", refusal.message, text))
    elif not cases:
        cases.append(_Case("the manifests are valid", _WHOLE))
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield "<testsuites " + " ".join(f'{name}="{value}"' for name, value in _counts(cases).items()) + ">"
    for name, of_this in groupby(cases, key=lambda case: case.suite):
        yield from _suite(name, list(of_this))
    yield "</testsuites>"


def _finding(one: Identified, strict: bool) -> _Case:
    found = one.diagnostic
    # Behind the rule, whose name is ours: no message can be made to look like another one's second.
    again = f" ({one.nth})" if one.nth > 1 else ""
    return _Case(
        name=f"{found.rule}{again}: {found.message}",
        suite=found.position.file,
        kind="failure" if found.is_error or strict else "skipped",
        type=f"{found.severity.value}.{found.rule}",
        message=found.message,
        text="\n".join(diagnostics_to_text([found], total=False)),
        line=found.position.line,
    )


def _counts(cases: list[_Case]) -> dict[str, str]:
    kinds = Counter(case.kind for case in cases)
    numbers = {"tests": len(cases), "failures": kinds["failure"], "errors": kinds["error"], "skipped": kinds["skipped"]}
    return {name: str(number) for name, number in numbers.items()} | {"time": "0"}


def _suite(name: str, cases: list[_Case]) -> list[str]:
    from xml.etree import ElementTree as Xml

    suite = Xml.Element("testsuite", {"name": copyable(name)} | _counts(cases))
    for case in cases:
        place: dict[str, str] = {}
        if case.line is not None and case.suite != STDIN_NAME:
            place = {"file": copyable(case.suite), "line": str(case.line)}
        named = {"name": copyable(case.name), "classname": copyable(case.suite), "time": "0"}
        element = Xml.SubElement(suite, "testcase", named | place)
        if case.kind:
            said = {"message": copyable(case.message)} | ({} if case.kind == "skipped" else {"type": case.type})
            Xml.SubElement(element, case.kind, said).text = case.text
    Xml.indent(suite)
    text: bytes = Xml.tostring(suite, encoding="us-ascii", xml_declaration=False)
    return text.decode("ascii").split("\n")
