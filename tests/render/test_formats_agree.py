"""Text, Markdown, HTML and JSON of one plan tell the same counts: over random plans, read out of each format."""

import json
import re
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from markdown_it import MarkdownIt
from support.fleets import fleets
from support.pagereading import numbers, parse, summary
from support.planfiles import SEALED
from support.planning import plan

from reconciler.operations import OPERATIONS
from reconciler.planfile import plan_lines, seal
from reconciler.render import plan_to_html, plan_to_markdown, plan_to_text

ACTIONS = [operation.action for operation in OPERATIONS]
VERBS = {action.replace("_", " "): action for action in ACTIONS} | {"set subscription number": "subscription_number"}
LABELS = ("Calls", "Readers", "Products", "Findings", "Careful", "Deadline")


def told(rows, *, steps, listed):
    """What a headline says, as numbers, with the calls and the findings that are listed below it."""
    calls = dict.fromkeys(ACTIONS, 0)
    calls |= {
        action: int(count.replace(",", "")) for count, action in re.findall(r"([0-9][0-9,]*) (\w+)", rows["Calls"])
    }
    [unchanged, adopted, unmanaged] = numbers(rows["Products"])
    [deferred, blocked, warnings] = numbers(rows["Findings"])
    [taking, irreversible] = numbers(rows.get("Careful", "0 0"))
    return {
        "steps": numbers(rows["Calls"])[0],
        "calls": calls,
        "unchanged": unchanged,
        "adopted": adopted,
        "unmanaged": unmanaged,
        "deferred": deferred,
        "blocked": blocked,
        "warnings": warnings,
        "taking": taking,
        "irreversible": irreversible,
        "listed steps": Counter(VERBS[verb] for verb in steps),
        "listed": listed,
    }


def from_json(made):
    data = json.loads("".join(plan_lines(made)))
    summary_ = data["summary"]
    impacts = summary_["impact"]
    assert sum(impacts.values()) == len(data["steps"])
    return {
        "steps": len(data["steps"]),
        "calls": {action: summary_[action] for action in ACTIONS},
        **{name: summary_[name] for name in ("unchanged", "adopted", "unmanaged", "deferred", "blocked")},
        "warnings": len(data["warnings"]),
        "taking": impacts["shorten"] + impacts["revoke"],
        "irreversible": sum(not step["reversible"] for step in data["steps"]),
        "listed steps": Counter(step["action"] for step in data["steps"]),
        "listed": [len(data[name]) for name in ("deferred", "blocked", "warnings", "unmanaged")],
    }


def from_text(made):
    lines = list(plan_to_text(made, next_line=False))
    rows: dict[str, str] = {}
    label = None
    for line in lines:
        match = re.match(r"(\w+) {2,}(.*)", line)
        if match and match[1] in LABELS:
            label, rows[match[1]] = match[1], match[2]
        elif label and line.startswith(" " * 10):
            rows[label] += " " + line.strip()
        else:
            label = None
    verbs = [match[1] for line in lines if (match := re.match(r" +[0-9]+\. [-+~?] (\w+(?: \w+)*)  ", line))]
    listed = [len(section(lines, title)) for title in ("Deferred", "Blocked", "Warnings", "Unmanaged")]
    return told(rows, steps=verbs, listed=listed), readers(rows["Readers"])


def section(lines, title):
    """The entries below a title of the text."""
    start = [at for at, line in enumerate(lines) if re.match(rf"{title} \([0-9]+\):", line)]
    if not start:
        return []
    below = lines[start[0] + 1 :]
    end = below.index("") if "" in below else len(below)
    return [line for line in below[:end] if re.match(r"  (! |account )", line)]


def readers(sentence):
    """Who gains, gets longer, loses, gets shorter, keeps."""
    return tuple(numbers(sentence))


def from_markdown(made):
    whole = "\n".join(plan_to_markdown(made))
    assert "Left out" not in whole
    rows = dict(re.findall(r"^- \*\*(\w+)\*\*: (.*)$", whole, re.MULTILINE))
    verbs = re.findall(r"^- \*\*[0-9]+\.\*\* `.` `([^`]+)`", whole, re.MULTILINE)
    # Read by a Markdown renderer, so that a table that doesn't look like one counts for nothing.
    page = parse(MarkdownIt("commonmark", {"html": True}).enable("table").render(whole))
    [table] = page.all("table")
    people = tuple(int(cell.words) for cell in table.all("td"))
    titles = ("Deferred to a later plan", "Blocked", "Warnings", "Unmanaged")
    listed = []
    for title in titles:
        match = re.search(rf"^### {title} \(.*\)\n\n((?:- .*\n)+)", whole, re.MULTILINE)
        listed.append(len(match[1].splitlines()) if match else 0)
    return told(rows, steps=verbs, listed=listed), people


def from_html(made):
    page = parse("".join(plan_to_html(made)))
    rows = summary(page)
    verbs = [step.all("summary")[0].all("b")[0].words for step in page.all("details", "step")]
    listed = []
    for id_ in ("deferred", "blocked", "warnings", "unmanaged"):
        found = [one for one in page.all("section") if one.attributes.get("aria-labelledby") == id_]
        listed.append(len(found[0].all("li", "finding")) if found else 0)
    [tiles] = page.all("ul", "tiles")
    gain, longer, keep, shorter, lose = (numbers(tile.words)[0] for tile in tiles.all("li"))
    bars = [table for table in page.all("table", "bars") if "Calls" in table.all("caption")[0].words]
    impacts = Counter(step.attributes["data-impact"] for step in page.all("details", "step"))
    drawn = [numbers(row.all("td")[0].words)[0] for row in bars[0].all("tr")]
    assert drawn == [impacts[name] for name in ("grant", "extend", "neutral", "shorten", "revoke")]
    badges = Counter(account.all("header")[0].all("b")[0].words for account in page.all("article", "account"))
    assert badges == Counter(
        {"gains access": gain, "gets longer access": longer, "loses access": lose, "gets shorter access": shorter,
         "keeps access": keep}
    )  # fmt: skip
    assert readers(rows["Readers"]) == (gain, longer, lose, shorter, keep)
    return told(rows, steps=verbs, listed=listed), (gain, longer, lose, shorter, keep)


def agree(made):
    data = from_json(made)
    (text, people), markdown, html = from_text(made), from_markdown(made), from_html(made)
    assert text == data
    assert markdown == (data, people)
    assert html == (data, people)


@pytest.mark.parametrize("made", [SEALED], ids=["whole"])
def test_a_plan_with_something_in_every_list_is_told_the_same_everywhere(made):
    assert made.steps and made.deferred and made.blocked and made.warnings and made.unmanaged
    agree(made)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(fleets())
def test_every_plan_is_told_the_same_everywhere(fleet):
    agree(seal(plan(fleet.declared, fleet.known)))
