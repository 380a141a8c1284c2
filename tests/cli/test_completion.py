"""Completion in the shells themselves: the Tab key in bash and zsh, and fish's own way of asking."""

import shlex
import shutil
import subprocess
import sys

import pytest
from support.commands import PATIENCE, environment
from support.terminal import at_terminal

#: How each shell is started without anybody's own settings, and what has to come before the script is read.
SHELLS = {
    "bash": (("bash", "--norc", "--noprofile", "-i"), ""),
    "zsh": (("zsh", "-f", "-i"), "autoload -U compinit && compinit -u -D; "),
    "fish": (("fish", "--no-config", "-i"), ""),
}

#: What is typed before Tab is pressed, and what stands there afterwards.
TYPED = [
    ("reconciler complet", "reconciler completion "),
    ("reconciler show --format mark", "reconciler show --format markdown "),
    ("reconciler state verif", "reconciler state verify "),
    ("reconciler plan --detailed", "reconciler plan --detailed-exitcode "),
    ("reconciler plan mer", "reconciler plan merge "),
    ("reconciler plan merge --acc", "reconciler plan merge --accept "),
    ("reconciler plan manif", "reconciler plan manifests"),
    ("reconciler plan merge plan-of-to", "reconciler plan merge plan-of-today.json"),
    ("reconciler plan -e simul", "reconciler plan -e simulator "),
    ("reconciler plan -e north-w", "reconciler plan -e north-west "),
    ("reconciler validate manif", "reconciler validate manifests"),
    ("reconciler explain plan-of-to", "reconciler explain plan-of-today.json"),
]


@pytest.fixture
def here(empty):
    """A folder with something to complete, and the command on its path; gives the shells' environment."""
    (empty / "manifests").mkdir()
    (empty / "plan-of-today.json").touch()
    (empty / "reconciler.toml").write_text("[environments.north-west]\nlike = 'stage'\n")
    command = empty / "bin" / "reconciler"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m reconciler "$@"\n')
    command.chmod(0o755)
    env = environment({"HOME": str(empty), "PS1": "$ ", "LC_ALL": "C.UTF-8", "TERM": "dumb"})
    return env | {"PATH": f"{command.parent}:{env['PATH']}"}


def shell(name):
    if shutil.which(name) is None:
        pytest.skip(f"{name} isn't installed")
    return SHELLS[name]


@pytest.mark.parametrize("name", ["bash", "zsh"])
def test_tab_completes(here, empty, name):
    program, before = shell(name)
    with at_terminal(cwd=empty, env=here, program=program) as terminal:
        terminal.type(f'{before}source <(reconciler completion {name}); echo "is re"ady')
        terminal.wait_for("is ready")
        for typed, completed in TYPED:
            terminal.shown = ""
            terminal.press(f"{typed}\t")
            terminal.wait_for(completed)
            terminal.press("\x15")
        terminal.type("exit")
        terminal.ended()


def test_fish_is_told(here, empty):
    program, _ = shell("fish")
    asked = "\n".join(f"complete -C {shlex.quote(typed)}" for typed, _ in TYPED)
    script = f"reconciler completion fish | source\n{asked}\n"
    done = subprocess.run(
        [*program[:2], "-c", script], cwd=empty, env=here, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    found = [line.partition("\t")[0] for line in done.stdout.splitlines()]
    assert found == [completed.split()[-1] + ("/" if completed.endswith("manifests") else "") for _, completed in TYPED]


@pytest.mark.parametrize("name", SHELLS)
def test_settings_that_cant_be_read_dont_show_at_the_prompt(here, empty, name):
    (empty / "reconciler.toml").write_text("[[[")
    asked = {"COMP_WORDS": "reconciler plan -e sta", "COMP_CWORD": "sta" if name == "fish" else "3"}
    done = subprocess.run(
        ["reconciler"],
        cwd=empty,
        env=here | asked | {"_RECONCILER_COMPLETE": f"{name}_complete"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.stderr == ""
    assert "stage" in done.stdout
