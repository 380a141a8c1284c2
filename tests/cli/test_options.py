"""Every option of every command: its variable, its place on the line, and the page that lists it."""

import json
import re

import click
import pytest
from support.commands import ROOT, call

from reconciler.cli.app import app
from reconciler.cli.menu import COMMANDS, COMMON, EXIT_CODES, help_page
from reconciler.cli.options import IN_SETTINGS, SAID_ALOUD, variable_of
from reconciler.errors import ExitCode

PAGE = (ROOT / "docs" / "commands.md").read_text()
COMMON_FLAGS = {name for option in COMMON for name in option.names if name.startswith("--")}


def commands(command=app, path=("reconciler",), context=None):
    """Every command with its path, groups too."""
    context = click.Context(command, context, info_name=path[-1])
    yield path, command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            yield from commands(command.get_command(context, name), (*path, name), context)


ALL = dict(commands())


def _written(value):
    return " ".join(value) if isinstance(value, tuple) else getattr(value, "name", value)


OPTIONS = [
    (path, option, next(name for name in option.opts if name.startswith("--")))
    for path, command in ALL.items()
    for option in command.params
    if isinstance(option, click.Option) and "--version" not in option.opts
]


def test_the_commands_of_the_contract_are_there():
    assert {path[1] for path in ALL if len(path) > 1} == set(COMMANDS)
    assert {"import", "export", "list", "show", "forget"} <= {
        path[2] for path in ALL if path[1:2] == ("state",) and len(path) == 3
    }


@pytest.mark.parametrize(("path", "option", "flag"), OPTIONS, ids=_written)
def test_every_flag_has_its_variable_but_those_said_aloud(path, option, flag):
    if flag in SAID_ALOUD:
        assert option.envvar is None
    elif flag in IN_SETTINGS:
        assert option.envvar is None, "the settings read it, so that config show --origin can tell"
    else:
        assert option.envvar == "RECONCILER_" + flag[2:].upper().replace("-", "_")


def test_said_aloud_are_those_of_the_contract():
    assert {"--yes", "--accept", "--expect", "--at", "--base-url"} == SAID_ALOUD
    assert {flag for _, _, flag in OPTIONS} > SAID_ALOUD


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_takes_the_common_options_and_says_what_it_does(path):
    flags = {name for option in ALL[path].params for name in option.opts if name.startswith("--")}
    assert flags >= COMMON_FLAGS
    assert ALL[path].help
    shown = call(*path[1:], "--help", cwd=ROOT)
    assert shown.code == 0
    assert "Usage: " in shown.out
    assert shown.err == ""
    assert call(*path[1:], "-h", cwd=ROOT).out == shown.out


@pytest.mark.parametrize(("path", "option", "flag"), OPTIONS, ids=_written)
def test_every_option_says_what_it_does_and_stands_on_the_page(path, option, flag):
    assert option.help.endswith(".")
    below = PAGE if flag in COMMON_FLAGS else PAGE.partition(f"## `{' '.join(path)}`\n")[2].partition("\n## ")[0]
    assert flag in below
    if flag not in SAID_ALOUD:
        assert f"`{variable_of(flag)}`" in below


def test_the_page_lists_every_exit_code_once():
    assert set(EXIT_CODES) == set(ExitCode)
    rows = re.findall(r"^\| ([0-9]+) \| (.*) \|$", PAGE, re.MULTILINE)
    assert rows == [(str(code), words) for code, words in EXIT_CODES.items()]


# --- Help and version ---


@pytest.mark.parametrize("typed", [[], ["--help"], ["-h"], ["-v", "--help"], ["-e", "stage"]], ids=" ".join)
def test_alone_it_shows_its_help(empty, typed):
    shown = call(*typed, cwd=empty)
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.splitlines() == list(help_page())


def test_the_help_names_every_command_and_fits_a_terminal():
    lines = list(help_page())
    assert max(map(len, lines)) <= 80
    for name in COMMANDS:
        assert any(line.startswith(f"  {name} ") for line in lines)
    for flag in COMMON_FLAGS:
        assert any(flag in line for line in lines)


@pytest.mark.parametrize("group", ["state", "runs", "config"])
def test_a_group_alone_shows_its_help(empty, group):
    shown = call(group, cwd=empty)
    assert (shown.code, shown.err) == (0, "")
    assert f"Usage: reconciler {group} " in shown.out
    assert "Commands" in shown.out


def test_version_is_said_the_same_by_every_way(empty):
    from reconciler import __version__

    assert call("version", cwd=empty).out == f"{__version__}\n"
    assert call("version", "-q", cwd=empty).out == f"{__version__}\n"
    assert call("--version", cwd=empty).out == f"reconciler {__version__}\n"
    assert call("-v", "--version", cwd=empty).out == f"reconciler {__version__}\n"


@pytest.mark.parametrize("name", ["account", "known-state", "plan", "report", "config"])
def test_every_schema_is_json(empty, name):
    shown = call("schema", name, cwd=empty)
    assert (shown.code, shown.err) == (0, "")
    assert json.loads(shown.out)["$schema"].startswith("https://json-schema.org/")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_that_the_shell_asks(empty, shell):
    shown = call("completion", shell, cwd=empty)
    assert (shown.code, shown.err) == (0, "")
    assert f"_RECONCILER_COMPLETE={shell}_complete" in shown.out


def test_the_shell_is_told_what_can_follow(folder):
    def follows(words):
        asked = {
            "_RECONCILER_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split()) - 1),
        }
        return {line.partition(",")[2] for line in call(cwd=folder, env=asked).out.splitlines()}

    assert follows("reconciler pl") == {"plan"}
    assert follows("reconciler state im") == {"import"}
    assert {"--environment", "--expect"} <= follows("reconciler apply --e")
    assert follows("reconciler plan --format m") == {"markdown"}


# --- Before and after the name ---


@pytest.mark.parametrize(
    "typed",
    [
        ["-e", "simulator", "plan"],
        ["plan", "-e", "simulator"],
        ["plan", "manifests", "-e", "simulator"],
        ["--environment=simulator", "plan"],
        ["-e", "stage", "plan", "-e", "simulator"],
        ["-esimulator", "plan"],
    ],
    ids=" ".join,
)
def test_options_stand_before_or_after_the_name_and_the_last_wins(folder, typed):
    shown = call(*typed, cwd=folder)
    assert shown.code == 0, shown.said
    assert shown.out.startswith("Plan for simulator")


@pytest.mark.parametrize(
    "typed",
    [["-e", "simulator", "state", "list"], ["state", "-e", "simulator", "list"], ["state", "list", "-e", "simulator"]],
    ids=" ".join,
)
def test_options_stand_anywhere_for_commands_below_commands(folder, typed):
    shown = call(*typed, cwd=folder)
    assert shown.code == 0, shown.said
    assert len(shown.out.splitlines()) == 12


@pytest.mark.parametrize(
    "typed",
    [["-q", "plan"], ["plan", "-q"], ["--log-format", "json", "plan"], ["plan", "--log-format=json", "-v"]],
    ids=" ".join,
)
def test_options_about_messages_stand_anywhere(folder, typed):
    shown = call(*typed, "-e", "simulator", "-o", "new.json", cwd=folder)
    if "-q" in typed:
        assert "wrote the plan" not in shown.err
    else:
        assert '"message":"wrote the plan to new.json"' in shown.err


# --- Variables ---


def test_variables_say_what_options_say(folder):
    variables = {
        "RECONCILER_ENVIRONMENT": "simulator",
        "RECONCILER_OUT": "new.json",
        "RECONCILER_FORMAT": "json",
        "RECONCILER_SELECT": "label.region=north\nowner=nobody at all",
        "RECONCILER_DETAILED_EXITCODE": "true",
        "RECONCILER_LOG_FORMAT": "json",
    }
    shown = call("plan", cwd=folder, env=variables)
    assert shown.code == 2, shown.said
    plan = json.loads(shown.out)
    assert plan["manifests"]["select"] == ["label.region=north", "owner=nobody at all"]
    assert (folder / "new.json").read_text() == shown.out
    assert all(line.startswith("{") for line in shown.err.splitlines())


@pytest.mark.parametrize("before", [True, False], ids=["before the name", "after it"])
@pytest.mark.parametrize(
    ("variable", "value", "flag"),
    [
        ("RECONCILER_ENVIRONMENT", "stage", "--environment=simulator"),
        ("RECONCILER_STATE", "sqlite:///missing.db", "--state=sqlite:///.reconciler/simulator.db"),
        ("RECONCILER_CONFIG", "missing.toml", "--config=good.toml"),
        ("RECONCILER_COLOR", "always", "--color=never"),
        ("RECONCILER_LOG_FORMAT", "json", "--log-format=text"),
    ],
)
def test_a_flag_goes_before_its_variable(folder, variable, value, flag, before):
    (folder / "good.toml").write_text("")
    typed = [flag, "plan"] if before else ["plan", flag]
    given = {"RECONCILER_ENVIRONMENT": "simulator"} | {variable: value}
    shown = call(*typed, cwd=folder, env=given)
    assert shown.code == 0, shown.said
    assert "\x1b" not in shown.out + shown.err
    assert not shown.err.startswith("{")


def test_an_empty_variable_is_not_set(folder):
    flags = {flag for _, _, flag in OPTIONS}
    empty = {variable_of(flag): "" for flag in flags}
    shown = call("plan", "-e", "simulator", cwd=folder, env=empty)
    assert shown.code == 0, shown.said


@pytest.mark.parametrize(
    ("variable", "value", "code", "said"),
    [
        ("RECONCILER_LIMIT", "abc", 64, "(from the variable RECONCILER_LIMIT)"),
        ("RECONCILER_RATE", "fast", 64, "(from the variable RECONCILER_RATE)"),
        ("RECONCILER_MAX_DURATION", "soon", 64, "(from the variable RECONCILER_MAX_DURATION)"),
        ("RECONCILER_MAX_FAILURES", "0", 64, "the variable RECONCILER_MAX_FAILURES must be a whole number"),
        ("RECONCILER_DRY_RUN", "maybe", 64, "(from the variable RECONCILER_DRY_RUN)"),
        ("RECONCILER_COLOR", "pink", 64, "(from the variable RECONCILER_COLOR)"),
        ("RECONCILER_LOG_FORMAT", "xml", 64, "(from the variable RECONCILER_LOG_FORMAT)"),
        ("RECONCILER_QUIET", "perhaps", 64, "(from the variable RECONCILER_QUIET)"),
        ("RECONCILER_SELECT", "bogus", 64, "--select 'bogus' can't be used"),
        ("RECONCILER_REPORT", "missing/x", 3, "missing/x can't be written"),
        ("RECONCILER_STATE", "bogus", 3, "isn't the URL of a state store"),
        ("RECONCILER_CONFIG", "missing.toml", 3, "missing.toml: there is no such file"),
        ("RECONCILER_ENVIRONMENT", "prodution", 64, "did you mean 'production'?"),
    ],
)
def test_nonsense_in_a_variable_is_told_with_its_name(folder, variable, value, code, said):
    given = {"RECONCILER_ENVIRONMENT": "simulator"} | {variable: value}
    shown = call("apply", cwd=folder, env=given)
    assert shown.code == code, shown.said
    assert said in shown.err


def test_a_variable_for_planning_does_not_disturb_a_saved_plan(folder):
    shown = call("apply", "plan.json", "--dry-run", cwd=folder, env={"RECONCILER_SELECT": "owner=nobody"})
    assert shown.code == 0, shown.said


@pytest.mark.parametrize("flag", sorted(SAID_ALOUD))
def test_what_is_said_aloud_is_not_said_by_a_variable(folder, flag):
    value = {"--yes": "1", "--accept": "revoked", "--at": "2026-01-01T00:00Z"}.get(flag, "nonsense")
    shown = call("apply", "-e", "simulator", cwd=folder, env={variable_of(flag): value})
    assert shown.code == 9, shown.said


# --- config show ---


def test_config_show_tells_what_each_setting_is_and_which_won(folder):
    (folder / "reconciler.toml").write_text('state = "sqlite:///from-file.db"\n[apply]\ntries = 2\n')
    shown = call("config", "show", "-e", "stage", "--origin", cwd=folder, env={"RECONCILER_MAX_FAILURES": "3"})
    assert shown.code == 0, shown.said
    rows = {line.split()[0]: line for line in shown.out.splitlines()}
    assert rows["environment"].endswith("(flag --environment)")
    assert rows["state"].endswith("(reconciler.toml:1)")
    assert rows["apply.tries"].endswith("(reconciler.toml:3)")
    assert rows["apply.max_failures"].endswith("3   (variable RECONCILER_MAX_FAILURES)")
    assert rows["apply.cool_down"].endswith("(default)")
    plain = call("config", "show", "-e", "stage", cwd=folder)
    assert "(default)" not in plain.out


def test_config_show_shows_no_secret(folder):
    secrets = {"PAYWAY_TOKEN": "hush-token", "PAYWAY_CLIENT_SECRET": "hush-secret"}
    shown = call("config", "show", "-e", "stage", "--state", "postgresql://me:hush@host/db", cwd=folder, env=secrets)
    assert shown.code == 0, shown.said
    assert "hush" not in shown.out + shown.err


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("x = [\n", "reconciler.toml:1:1: error: this isn't TOML"),
        ('manifest = ["x"]\n', "reconciler.toml:1:1: error: manifest: is an unknown key"),
        ('manifests = ["x"]\r\n[apply]\r\ntrie = 3\r\n', "reconciler.toml:3:1: error: apply.trie: is an unknown key"),
        ('[environments.x]\nlike = "stag"\n', "reconciler.toml:2:1: error: environments.x.like"),
        ('[environments.stage]\nbase_url = "https://example.com"\n', "reconciler.toml:2:1: error"),
        ("\x00", "reconciler.toml:1:1: error"),
        ("[guards]\nrevokd = 1\n", "did you mean revoked?"),
    ],
)
def test_settings_that_cannot_be_used_are_told_with_their_place(folder, text, place):
    (folder / "reconciler.toml").write_bytes(text.encode())
    for command in (("plan", "-e", "simulator"), ("config", "show", "-e", "simulator"), ("validate",)):
        shown = call(*command, cwd=folder)
        assert shown.code == 3, shown.said
        assert place in shown.err


def test_settings_with_the_line_ends_of_another_system_are_read(folder):
    (folder / "reconciler.toml").write_bytes(b'manifests = ["manifests"]\r\n[apply]\r\ntries = 3\r\n')
    assert call("plan", "-e", "simulator", cwd=folder).code == 0
