"""`apply` at a terminal: the plan, the question, the bar, and Ctrl-C at every moment."""

import json
from contextlib import closing

import pytest
from support.commands import call, run
from support.terminal import at_terminal

from reconciler.state import open_store

QUESTION = "Make these 8 calls to simulator (simulator:)? Only yes goes on: "
APPLY = ("apply", "-e", "simulator")


def runs(folder):
    url = f"sqlite:///{folder}/.reconciler/simulator.db"
    with closing(open_store(url, environment="simulator", read_only=True)) as store:
        return store.runs()


def test_the_plan_is_shown_then_asked_then_run(folder):
    with at_terminal(*APPLY, cwd=folder) as terminal:
        terminal.wait_for(QUESTION)
        assert "Plan for simulator" in terminal.shown
        assert "applying" not in terminal.shown
        terminal.type("yes")
        assert terminal.ended() == 0
    assert "exit code 0: done" in terminal.shown
    assert [run.status for run in runs(folder)] == ["finished"]


@pytest.mark.parametrize("answer", ["no", "", "y", "YES please", "Yes", "yes\u202e"])
def test_only_yes_is_yes(folder, answer):
    with at_terminal(*APPLY, cwd=folder) as terminal:
        terminal.wait_for(QUESTION)
        terminal.type(answer)
        assert terminal.ended() == 9
    assert "not approved; nothing was sent" in terminal.shown
    assert runs(folder) == ()


def test_the_end_of_input_is_no(folder):
    with at_terminal(*APPLY, cwd=folder) as terminal:
        terminal.wait_for(QUESTION)
        terminal.end_input()
        assert terminal.ended() == 9
    assert runs(folder) == ()


def test_ctrl_c_at_the_question_ends_it(folder):
    with at_terminal(*APPLY, cwd=folder) as terminal:
        terminal.wait_for(QUESTION)
        terminal.interrupt()
        assert terminal.ended() == 130
    assert "interrupted" in terminal.shown
    assert "Traceback" not in terminal.shown
    assert runs(folder) == ()


def test_the_question_is_json_where_messages_are(folder):
    with at_terminal(*APPLY, "--log-format", "json", cwd=folder) as terminal:
        terminal.wait_for('{"level":"question"')
        terminal.type("no")
        assert terminal.ended() == 9
    lines = [line for line in terminal.shown.splitlines() if line.startswith("{")]
    assert json.loads(lines[-1])["exit_code"] == 9


@pytest.mark.parametrize("how", [("--yes",), ("--expect", "plan.json"), ("--dry-run",)])
def test_who_has_decided_is_not_asked(folder, how):
    with at_terminal(*APPLY, *how, cwd=folder) as terminal:
        assert terminal.ended() == 0
    assert "Only yes goes on" not in terminal.shown


def test_a_saved_plan_is_not_asked_about(folder):
    with at_terminal("apply", "plan.json", cwd=folder) as terminal:
        assert terminal.ended() == 0
    assert "Only yes goes on" not in terminal.shown


def test_nothing_to_do_is_not_asked_about(folder):
    call(*APPLY, "--yes", cwd=folder)
    call(*APPLY, "--yes", cwd=folder)
    with at_terminal(*APPLY, cwd=folder) as terminal:
        assert terminal.ended() == 0
    assert "Only yes goes on" not in terminal.shown
    assert "nothing, no call is due" in terminal.shown


# --- The bar ---


def test_a_bar_counts_the_steps_and_the_cursor_comes_back(folder):
    with at_terminal("apply", "plan.json", cwd=folder) as terminal:
        assert terminal.ended() == 0
    assert "applying" in terminal.shown
    assert "8/8" in terminal.shown
    # Hidden by the bar, shown again at once and not only at the end: the process may be killed.
    assert terminal.shown.index("\x1b[?25l") < terminal.shown.index("\x1b[?25h") < terminal.shown.index("8/8")
    # What went well needs no line of its own.
    assert "applied    update" not in terminal.shown


def test_above_the_bar_stands_what_went_wrong(folder):
    with at_terminal("apply", "--yes", "-e", "simulator", "--limit", "2", cwd=folder) as terminal:
        assert terminal.ended() == 7
    assert "stopping: limit" in terminal.shown
    assert "2/8" in terminal.shown


@pytest.mark.parametrize(
    ("arguments", "variables"),
    [(("-q",), {}), (("--log-format=json",), {}), ((), {"TERM": "dumb"})],
    ids=["quiet", "json", "a terminal that only prints lines"],
)
def test_there_is_no_bar_where_it_would_disturb(folder, arguments, variables):
    with at_terminal("apply", "plan.json", *arguments, cwd=folder, env=variables) as terminal:
        assert terminal.ended() == 0
    assert "8/8" not in terminal.shown
    assert "\x1b[?25l" not in terminal.shown


def test_without_a_terminal_each_step_is_a_line(folder):
    done = run("apply", "plan.json", cwd=folder)
    assert done.code == 0, done.said
    lines = [line for line in done.err.splitlines() if "applied" in line]
    assert [line.split()[0] for line in lines] == [str(number) for number in range(1, 9)]
    assert "\x1b" not in done.out + done.err


def test_ctrl_c_finishes_the_call_and_the_run_can_go_on(folder):
    with at_terminal("apply", "plan.json", "--rate", "0.5", cwd=folder) as terminal:
        terminal.wait_for("1/8")
        terminal.interrupt()
        assert terminal.ended() == 130
    assert "stopping after the call in flight" in terminal.shown
    assert "reconciler resume -e simulator" in terminal.shown
    assert [run.status for run in runs(folder)] == ["stopped"]
    resumed = call("resume", "-e", "simulator", cwd=folder)
    assert resumed.code == 0, resumed.said


def test_an_error_takes_the_bar_away(folder):
    with at_terminal("apply", "plan.json", "--rate", "0.5", cwd=folder) as terminal:
        terminal.wait_for("1/8")
        [lock] = [run.run_id for run in runs(folder)]
        assert call("unlock", lock, "-e", "simulator", cwd=folder).code == 0
        assert terminal.ended() == 6
    error = terminal.shown.index("error: ")
    assert "was taken away" in terminal.shown[error:]
    assert "applying" not in terminal.shown[error:]
    assert "Traceback" not in terminal.shown


def test_a_terminal_that_goes_away_stops_no_run(folder):
    with at_terminal("apply", "plan.json", "--rate", "4", cwd=folder, nohup=True) as terminal:
        terminal.wait_for("1/8")
        terminal.hang_up()
        terminal.ended()
    assert [(run.status, run.exit_code) for run in runs(folder)] == [("finished", 0)]
