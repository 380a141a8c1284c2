"""Every format of one run tells the same counts."""

import json
import re
from collections import Counter

import jsonschema
from hypothesis import given, settings
from hypothesis import strategies as st
from support.commands import ROOT
from support.pagereading import parse, summary

from reconciler import render
from reconciler.applying.runreport import OUTCOMES, RunReport, StepReport
from reconciler.model import Source

SCHEMA = jsonschema.Draft202012Validator(json.loads((ROOT / "schemas" / "report.schema.json").read_text()))
_TEXTS = st.none() | st.text(min_size=1, max_size=20)
_CLOCKS = st.just("2026-11-24T10:00:00Z")


@st.composite
def reports(draw):
    statuses = draw(st.lists(st.sampled_from(OUTCOMES), max_size=12))
    steps = tuple(
        StepReport(
            number, "update", "52a781d6400e06897c00000f", draw(_TEXTS), draw(_TEXTS), draw(_TEXTS), status,
            draw(st.integers(0, 5)), draw(st.none() | st.integers(200, 599)), draw(_TEXTS), draw(_TEXTS), draw(_TEXTS),
            draw(_TEXTS), draw(st.none() | _CLOCKS), Source(draw(st.text(max_size=20)), draw(st.integers(1, 99))),
        )
        for number, status in enumerate(statuses, 1)
    )  # fmt: skip
    return RunReport(
        run_id=draw(st.text(min_size=1, max_size=12)), plan_id="sha256:" + "2" * 64,
        environment=draw(st.text(min_size=1, max_size=12)), host="https://payway-api.stage.adeprimo.se",
        status=draw(st.sampled_from(["running", "stopped", "finished", "abandoned"])),
        started_at="2026-11-24T10:00:00Z", ended_at=draw(st.none() | _CLOCKS),
        exit_code=draw(st.none() | st.integers(0, 130)), stopped_by=draw(_TEXTS),
        counts={status: statuses.count(status) for status in OUTCOMES}, steps=steps, simulated=draw(st.booleans()),
    )  # fmt: skip


def counts(sentence):
    """What "3: 2 applied, 1 in doubt" says."""
    total, _, parts = sentence.partition(": ")
    told = {words.replace(" ", "_"): int(number) for number, words in re.findall(r"([0-9]+) ([a-z ]+)", parts)}
    return int(total), told


@settings(deadline=None)
@given(reports())
def test_every_format_tells_the_same_counts(made):
    data = made.to_json()
    SCHEMA.validate(data)
    expected = (len(made.steps), {status: number for status, number in made.counts.items() if number})
    text = list(render.report_to_text(data, width=500))
    [line] = [line for line in text if line.startswith("Steps ")]
    assert counts(line.removeprefix("Steps").strip()) == expected
    markdown = "\n".join(render.report_to_markdown(data))
    [line] = re.findall(r"^- \*\*Steps\*\*: (.*)$", markdown, re.MULTILINE)
    assert counts(line) == expected
    assert len(re.findall(r"^- \*\*[0-9]+\.\*\*", markdown, re.MULTILINE)) == len(made.steps)
    page = parse("".join(render.report_to_html(data)))
    assert counts(summary(page)["Steps"]) == expected
    [tiles] = page.all("ul", "tiles")
    told = Counter({words.replace(" ", "_"): int(n) for n, words in (t.words.split(" ", 1) for t in tiles.all("li"))})
    assert {status: number for status, number in told.items() if number} == expected[1]
    folded = sum(len(one.all("dt")) for one in page.all("details"))
    assert len(page.all("div", "card")) + folded == len(made.steps)
