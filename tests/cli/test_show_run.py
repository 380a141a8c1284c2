"""A run in every format, from the store that holds it."""

import json

import pytest
from support.commands import call
from support.pagereading import parse, summary

E = ("-e", "simulator")


@pytest.fixture
def run_id(folder):
    """The id of a run that was stopped behind its third step."""
    applied = call("apply", *E, "--yes", "--limit", "3", cwd=folder)
    assert applied.code == 7, applied.said
    return json.loads(call("runs", "list", *E, "--format", "json", cwd=folder).out)["run_id"]


@pytest.mark.parametrize("command", [("show",), ("runs", "show")], ids=" ".join)
def test_each_format_tells_of_the_run(folder, run_id, command):
    def shown(form):
        result = call(*command, run_id[:20], *E, "--format", form, cwd=folder)
        assert result.code == 0, result.said
        return result.out

    report = json.loads(shown("json"))
    assert (report["run_id"], report["counts"]["applied"]) == (run_id, 3)
    steps = f"{len(report['steps'])}: 3 applied, {report['counts']['not_reached']} not reached"
    assert f"Steps    {steps}" in shown("text")
    markdown = shown("markdown")
    assert f"- **Steps**: {steps}" in markdown
    assert "<!-- payway-reconciler run environment=simulator -->" in markdown
    assert "```\nreconciler resume -e simulator\n```" in markdown
    page = parse(shown("html"))
    assert summary(page)["Steps"] == steps


def test_a_list_of_runs_is_no_report(folder):
    result = call("runs", "list", *E, "--format", "markdown", cwd=folder)
    assert result.code == 64


def test_no_password_gets_into_what_is_handed_on():
    from reconciler.cli.host import Host
    from reconciler.cli.options import Said
    from reconciler.cli.output import Output

    said = Said(Output())
    said.keep("state", "postgresql://plan:s3cret@db.example/fleet", by_flag=True)
    said.keep("config", "other.toml", by_flag=True)
    assert Host(said).repeated() == ("--config=other.toml", "--state=postgresql://plan:…@db.example/fleet")
