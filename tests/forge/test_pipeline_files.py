"""The files that pipelines read: sound by the linters of their kind, and in step with the scripts behind them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from forge.conftest import ACTION, ROOT
from pipeline import __main__, locked

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
CALLED = [path for path in WORKFLOWS if "workflow_call" in path.read_text()]
ACTION_FILE = ACTION / "action.yml"
GITLAB = ROOT / "gitlab" / "reconciler.gitlab-ci.yml"


def tool(name: str, *arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a program that the development dependencies bring; it reaches for nothing outside."""
    program = shutil.which(name, path=str(Path(sys.executable).parent))
    assert program, f"{name} isn't installed beside this Python: make venv"
    return subprocess.run([program, *arguments], cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


def loaded(path: Path) -> dict:
    return yaml.safe_load(path.read_text())


def scripts(path: Path) -> list[dict]:
    data = loaded(path)
    jobs = data["jobs"].values() if "jobs" in data else [{"steps": data["runs"]["steps"]}]
    return [step for job in jobs for step in job["steps"] if "run" in step]


def test_zizmor_finds_nothing():
    done = tool("zizmor", "--offline", "--persona=pedantic", "--no-progress", "--collect=all", ".github")
    assert done.returncode == 0 and "No findings" in done.stdout + done.stderr, done.stdout + done.stderr


def test_zizmor_would_find_something(tmp_path):
    bad = tmp_path / "bad.yml"
    text = (ROOT / ".github" / "workflows" / "plan.yml").read_text()
    bad.write_text(
        text.replace("run: reconciler-pipeline labels", 'run: echo "${{ github.event.pull_request.title }}"')
    )
    assert tool("zizmor", "--offline", "--no-progress", str(bad)).returncode != 0


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        *(("vendor.github-workflows", path) for path in WORKFLOWS),
        ("vendor.github-actions", ACTION_FILE),
        ("vendor.dependabot", ROOT / ".github" / "dependabot.yml"),
        ("vendor.gitlab-ci", GITLAB),
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_published_schemas_accept_them(schema, path):
    done = tool("check-jsonschema", "--builtin-schema", schema, str(path))
    assert done.returncode == 0, done.stdout + done.stderr


def test_pre_commit_accepts_the_hook():
    done = tool("pre-commit", "validate-manifest", ".pre-commit-hooks.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    [hook] = loaded(ROOT / ".pre-commit-hooks.yaml")
    assert (hook["id"], hook["language"], hook["pass_filenames"]) == ("reconciler-validate", "python", False)
    program, command = hook["entry"].split()
    assert f"{program} = " in (ROOT / "pyproject.toml").read_text() and command == "validate"


# --- Workflows and scripts ---


@pytest.mark.parametrize("path", [*CALLED, ACTION_FILE], ids=lambda path: path.name)
def test_every_script_is_one_command_that_exists(path):
    for step in scripts(path):
        if step["run"] == 'bash "$GITHUB_ACTION_PATH/install"':
            continue
        name = re.fullmatch(r"reconciler-pipeline ([a-z-]+)", step["run"])
        assert name and name[1] in __main__.STEPS, step["run"]


def test_every_command_is_used():
    used = {step["run"].split()[-1] for path in [*CALLED, ACTION_FILE] for step in scripts(path)}
    assert set(__main__.STEPS) <= used


@pytest.mark.parametrize("path", [*WORKFLOWS, ACTION_FILE], ids=lambda path: path.name)
def test_no_expression_in_a_script(path):
    assert [step["run"] for step in scripts(path) if "${{" in step["run"]] == []


@pytest.mark.parametrize("path", CALLED, ids=lambda path: path.name)
def test_the_tokens_go_where_they_are_needed_only(path):
    """No step gets both the forge's token and Payway's, and no plan of a pull request gets either."""
    for step in scripts(path):
        given = set(step.get("env", {}))
        payway = {name for name in given if name.startswith("PAYWAY_")}
        assert not (payway and "GITHUB_TOKEN" in given), step
        name = step["run"].split()[-1]
        assert bool(payway) == (name in ("apply", "resume"))
        if name in ("plan", "validate", "base-settings", "verdict"):
            assert "GITHUB_TOKEN" not in given
    [job] = loaded(path)["jobs"].values()
    assert not {name for name in job.get("env", {}) if "TOKEN" in name or "SECRET" in name or "STATE" in name}


def test_permissions_are_the_least():
    found = {path.stem: next(iter(loaded(path)["jobs"].values()))["permissions"] for path in CALLED}
    assert found == {
        "plan": {"contents": "read", "actions": "read", "pull-requests": "write"},
        "apply": {"contents": "read", "actions": "read", "pull-requests": "read"},
        "drift": {"contents": "read", "issues": "write"},
    }


def test_applies_queue_and_are_never_cancelled():
    for name in ("apply", "drift"):
        [job] = loaded(ROOT / ".github" / "workflows" / f"{name}.yml")["jobs"].values()
        group = "payway-${{ inputs.environment }}"
        assert job["concurrency"] == {"group": group, "cancel-in-progress": False, "queue": "max"}
    [apply] = loaded(ROOT / ".github" / "workflows" / "apply.yml")["jobs"].values()
    assert apply["environment"] == "${{ inputs.environment }}"


def test_the_resume_comes_first_and_a_fresh_plan_last():
    [job] = loaded(ROOT / ".github" / "workflows" / "apply.yml")["jobs"].values()
    order = [step["run"].split()[-1] for step in job["steps"] if "run" in step]
    assert order == ["unlock", "resume", "reviewed", "apply", "fresh-plan", "export"]


def test_the_action_says_what_it_promises():
    action = loaded(ACTION_FILE)
    assert list(action["outputs"]) == ["exitcode", "has-changes", "steps-digest", "plan-path"]
    source = (ACTION / "pipeline" / "planning.py").read_text()
    for name in action["outputs"]:
        assert f"{name.replace('-', '_')}=" in source


def test_every_variable_of_the_scripts_is_given():
    """A name that is mistyped on one side would read as unset."""
    asked = {
        name
        for path in (ACTION / "pipeline").glob("*.py")
        for name in re.findall(r'(?:said|needed)\("(PIPELINE_[A-Z_]+)"\)', path.read_text())
    }
    given = {name for path in [*CALLED, ACTION_FILE] for name in re.findall(r"\b(PIPELINE_[A-Z_]+):", path.read_text())}
    assert asked == given


# --- The lock ---

LOCK, PYPROJECT = ((ROOT / name).read_text() for name in ("requirements.lock", "pyproject.toml"))


def names(part: str) -> set[str]:
    return set(re.findall(r"^([\w.-]+)==", part, re.MULTILINE))


def test_the_part_to_run_with():
    found = names(locked.part_of(LOCK, PYPROJECT))
    needed = {"httpx", "anyio", "h11", "tenacity", "markupsafe", "orderly-set", "psycopg-binary", "mdurl", "rpds-py"}
    assert needed <= found
    assert not found & {"pytest", "mypy", "ruff", "hatchling", "hypothesis", "import-linter"}


def test_the_part_to_build_with():
    found = names(locked.part_of(LOCK, PYPROJECT, build=True))
    assert {"hatchling", "pathspec", "pluggy"} <= found and "httpx" not in found


@pytest.mark.parametrize("build", [True, False])
def test_every_entry_keeps_its_hashes_and_its_marker(build):
    part = locked.part_of(LOCK, PYPROJECT, build=build)
    entries = re.split(r"^(?=[\w.-]+==)", part, flags=re.MULTILINE)[1:]
    assert entries and all("--hash=sha256:" in entry and entry in LOCK for entry in entries)


def test_a_lock_that_lacks_something():
    with pytest.raises(ValueError, match="lacks stamina"):
        locked.part_of(LOCK.replace("stamina==", "other=="), PYPROJECT)


# --- The image ---


def test_the_image():
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line.split(None, 1) for line in text.splitlines() if line and not line.startswith("#")]
    words = [(word, rest.strip()) for word, rest in lines]
    assert [rest for word, rest in words if word == "FROM"] == ["${BASE} AS build", "${BASE}"]
    [base] = [rest.partition("=")[2] for word, rest in words if word == "ARG"]
    assert re.fullmatch(r"python:3\.\d+-slim-\w+", base)
    last = words[max(index for index, (word, _) in enumerate(words) if word == "FROM") :]
    assert not [word for word, _ in last if word in ("RUN", "ADD")]
    assert [rest for word, rest in last if word == "USER"] == ["10001:10001"]
    assert [rest for word, rest in last if word == "ENTRYPOINT"] == ['["reconciler"]']
    for line in [rest for word, rest in words if word == "RUN" and "pip" in rest]:
        for install in re.findall(r"pip(?: --python \S+)? install [^&]*", line):
            assert "--require-hashes" in install or "--no-index" in install, install


def test_the_image_is_made_of_what_is_let_in():
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert (ROOT / ".dockerignore").read_text().startswith("*\n")
    copied = [
        source
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
    ]
    for source in copied:
        assert (ROOT / source).exists(), source
        inside = [entry for entry in let_in if entry.startswith(source.rstrip("/"))]
        assert source in let_in or inside, source


# --- GitLab ---


def test_gitlab_applies_one_at_a_time_and_by_hand():
    jobs = loaded(GITLAB)
    apply = jobs["payway:apply"]
    assert apply["resource_group"] == "payway-$RECONCILER_ENVIRONMENT" and apply["interruptible"] is False
    assert apply["environment"]["name"] == "$RECONCILER_ENVIRONMENT"
    assert [rule["when"] for rule in apply["rules"]] == ["manual"]
    script = "\n".join(apply["script"])
    assert script.index("reconciler resume") < script.index("reconciler apply") < script.rindex("reconciler plan")
    assert jobs["payway:validate"]["artifacts"]["reports"]["codequality"]


def test_gitlab_scripts_parse():
    for job in loaded(GITLAB).values():
        for line in [*job.get("before_script", []), *job.get("script", [])]:
            checked = subprocess.run(["bash", "-n", "-c", line], capture_output=True, text=True, check=False)
            assert checked.returncode == 0, checked.stderr


# --- The page ---

PAGE = (ROOT / "docs" / "pipelines.md").read_text()
BLOCKS = list(re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
CALLERS = [yaml.safe_load(block) for block in BLOCKS if "jobs:" in block]


def test_callers_on_the_page_fit_the_workflows():
    assert len(CALLERS) == len(CALLED)
    for caller in CALLERS:
        assert caller["permissions"] == {}
        [call] = caller["jobs"].values()
        name = re.fullmatch(r"OWNER/payway-reconciler/\.github/workflows/(\w+)\.yml@COMMIT", call["uses"])[1]
        called = loaded(ROOT / ".github" / "workflows" / f"{name}.yml")
        offered = called[True]["workflow_call"]
        assert set(call["with"]) <= set(offered["inputs"]) and set(call["secrets"]) <= set(offered["secrets"])
        wanted = {key for key, value in offered["secrets"].items() if value.get("required")}
        assert wanted <= set(call["secrets"])
        [job] = called["jobs"].values()
        assert call["permissions"] == job["permissions"]


def test_callers_on_the_page_are_sound(tmp_path):
    for number, block in enumerate(block for block in BLOCKS if "jobs:" in block):
        path = tmp_path / f"caller{number}.yml"
        path.write_text(block.replace("@COMMIT", f"@{'a' * 40} # v1.0.0"))
        done = tool("check-jsonschema", "--builtin-schema", "vendor.github-workflows", str(path))
        assert done.returncode == 0, done.stdout + done.stderr
        done = tool("zizmor", "--offline", "--no-progress", str(path))
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_tells_the_actions_inputs_and_outputs():
    action = loaded(ACTION_FILE)
    assert [name for name in [*action["inputs"], *action["outputs"]] if f"| `{name}` |" not in PAGE] == []
