"""``init`` makes a repository in which everything works at once, and harms nothing that is there."""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib

import pytest
import yaml
from support.commands import ROOT, call, environment, run

from reconciler import scaffold
from reconciler.scaffold import Reference, parse_reference, pieces, write

FILES = {
    "reconciler.toml",
    "manifests/example.yaml",
    "schemas/account.schema.json",
    "examples/known-state.json",
    ".gitignore",
}


def files(folder):
    """Every file below a folder but those of the store, by its path from there."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)) for path in found if path.parent.name != ".reconciler"}


def next_lines(err):
    """The commands that ``init`` says to type next."""
    return [line.strip() for line in err.partition("next:\n")[2].splitlines()]


def test_what_it_says_to_type_next_works_as_typed(empty):
    made = run("init", "a repository", cwd=empty)
    assert made.code == 0, made.said
    typed = [*next_lines(made.err)[:-1], "reconciler apply -e simulator --yes", "reconciler plan -e simulator"]
    assert typed[:3] == ["cd 'a repository'", "reconciler validate", "reconciler plan -e simulator"]
    script = "\n".join(line.replace("reconciler", f"{shlex.quote(sys.executable)} -m reconciler", 1) for line in typed)
    done = subprocess.run(
        ["bash", "-e"],
        input=script,
        cwd=empty,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 accounts in 1 file: 0 errors, 0 warnings" in done.stderr
    assert "2 applied" in done.stdout
    assert done.stdout.rstrip().endswith("Next: nothing, no call is due")


def test_the_example_shows_a_plan_and_no_warning_of_the_manifests(empty):
    assert call("init", cwd=empty).code == 0
    assert call("validate", "--strict", cwd=empty).code == 0
    planned = call("plan", "-e", "simulator", "--format", "json", cwd=empty)
    summary = json.loads(planned.out)["summary"]
    assert (summary["update"], summary["reactivate"], summary["unchanged"], summary["unmanaged"]) == (1, 1, 2, 0)


def test_the_files_are_those_of_a_repository(empty):
    made = call("init", cwd=empty)
    assert files(empty) == FILES
    assert {line.partition(" ")[2] for line in made.err.splitlines() if line.startswith("wrote ")} == FILES
    mask = os.umask(0)
    os.umask(mask)
    assert {(empty / name).stat().st_mode & 0o777 for name in FILES} == {0o666 & ~mask}
    assert (empty / "schemas/account.schema.json").read_text() == (ROOT / "schemas/account.schema.json").read_text()
    first = (empty / "manifests/example.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=../schemas/account.schema.json"


def test_the_settings_name_stage_and_production_and_can_be_used(empty):
    call("init", cwd=empty)
    assert set(tomllib.loads((empty / "reconciler.toml").read_text())["environments"]) == {"stage", "production"}
    for name in ("stage", "production"):
        shown = call("config", "show", "--origin", "-e", name, cwd=empty)
        assert shown.code == 0, shown.said
        assert re.search(r"guards\.revoked .*reconciler\.toml:", shown.out)


def test_every_setting_that_is_commented_out_can_be_used(empty):
    call("init", cwd=empty)
    text, count = re.subn(r"(?m)^# (\w+ = )", r"\1", (empty / "reconciler.toml").read_text())
    (empty / "reconciler.toml").write_text(text)
    assert count >= 9
    shown = call("config", "show", "--origin", "-e", "stage", cwd=empty)
    assert shown.code == 0, shown.said
    assert re.search(r"guards\.adopted .*0 +\(reconciler\.toml:", shown.out)


def test_git_sees_nothing_personal(empty):
    call("init", cwd=empty)
    for name in ("plan.json", "north.plan.json", "report.json", ".reconciler/stage.db", ".reconciler/pseudonyms.key"):
        (empty / name).touch()
    subprocess.run(["git", "init", "-q"], cwd=empty, check=True)
    listed = subprocess.run(
        ["git", "ls-files", "--others", "--exclude-standard"], cwd=empty, check=True, capture_output=True, text=True
    )
    assert set(listed.stdout.splitlines()) == FILES


# --- What is there already ---


def test_again_changes_nothing(empty):
    call("init", cwd=empty)
    before = {name: (empty / name).stat().st_mtime_ns for name in FILES}
    again = call("init", cwd=empty)
    assert again.code == 0
    assert again.err.count("left as it is: ") == len(FILES)
    assert {name: (empty / name).stat().st_mtime_ns for name in FILES} == before


def test_nothing_is_written_beside_a_file_that_differs(empty):
    (empty / "reconciler.toml").write_text("max_plan_age = '1h'\n")
    refused = call("init", cwd=empty)
    assert refused.code == 3
    assert "reconciler.toml" in refused.err
    assert "--keep" in refused.err
    assert files(empty) == {"reconciler.toml"}


def test_with_keep_it_writes_the_others(empty):
    (empty / "reconciler.toml").write_text("max_plan_age = '1h'\n")
    kept = call("init", "--keep", cwd=empty)
    assert kept.code == 0, kept.said
    assert "left, though it differs: reconciler.toml" in kept.err
    assert (empty / "reconciler.toml").read_text() == "max_plan_age = '1h'\n"
    assert files(empty) == FILES


def test_a_gitignore_gets_the_lines_that_it_lacks(empty):
    (empty / ".gitignore").write_text("/mine\n.reconciler/")
    (empty / ".gitignore").chmod(0o640)
    assert call("init", cwd=empty).code == 0
    lines = (empty / ".gitignore").read_text().splitlines()
    assert lines[:2] == ["/mine", ".reconciler/"]
    assert lines.count(".reconciler/") == 1
    assert "/plan.*" in lines
    assert (empty / ".gitignore").stat().st_mode & 0o777 == 0o640
    assert "left as it is: .gitignore" in call("init", cwd=empty).err


def test_a_checkout_with_other_line_ends_counts_as_the_same(empty):
    call("init", cwd=empty)
    path = empty / "manifests/example.yaml"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert call("init", cwd=empty).code == 0


def test_a_store_that_holds_something_stays(empty):
    call("init", cwd=empty)
    call("apply", "--yes", "-e", "simulator", cwd=empty)
    before = call("state", "list", "-e", "simulator", "--format", "json", cwd=empty).out
    call("init", cwd=empty)
    assert call("state", "list", "-e", "simulator", "--format", "json", cwd=empty).out == before


def test_a_store_of_somebody_else_is_left_to_them(empty):
    made = call("init", cwd=empty, env={"RECONCILER_STATE": "sqlite:///elsewhere.db"})
    assert made.code == 0
    assert "reconciler state import -e simulator examples/known-state.json" in next_lines(made.err)
    assert not (empty / ".reconciler").exists()
    assert not (empty / "elsewhere.db").exists()


@pytest.mark.parametrize("inside", ["a-file", "a-file/below"])
def test_where_no_folder_can_be(empty, inside):
    (empty / "a-file").write_text("x")
    refused = call("init", inside, cwd=empty)
    assert refused.code == 3, refused.said
    assert "a-file" in refused.err


def test_a_link_that_leads_nowhere_is_named(empty):
    (empty / "reconciler.toml").symlink_to("nowhere")
    refused = call("init", cwd=empty)
    assert refused.code == 3
    assert "leads nowhere" in refused.err
    assert files(empty) == set()


# --- A death on the way ---


def test_a_file_is_there_whole_or_not_at_all(empty, monkeypatch):
    [first, *_] = pieces(empty, None)
    seen = []

    def killed(*_):
        seen.extend(path.name for path in empty.iterdir())
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "link", killed)
    with pytest.raises(KeyboardInterrupt):
        write(empty, first)
    assert len(seen) == 1
    assert seen[0].startswith(".reconciler-")
    assert list(empty.iterdir()) == []


@pytest.mark.parametrize("written", range(len(FILES)))
def test_killed_between_any_two_files_it_can_be_begun_again(empty, written):
    script = (
        "import os, sys; from reconciler import cli; count = [0]; link = os.link\n"
        "def linked(*args):\n"
        f"    os._exit(9) if count[0] == {written} else None; count[0] += 1; link(*args)\n"
        "os.link = linked; sys.exit(cli.run(['init']))"
    )
    died = subprocess.run([sys.executable, "-c", script], cwd=empty, env=environment(), capture_output=True, timeout=60)
    assert died.returncode == 9
    there = {name for name in files(empty) if ".reconciler-" not in name}
    assert len(there) == written
    again = call("init", cwd=empty)
    assert again.code == 0, again.said
    assert again.err.count("left as it is: ") == written
    assert call("plan", "-e", "simulator", cwd=empty).code == 0


def test_a_file_that_came_meanwhile_is_not_replaced(empty):
    [first, *_] = pieces(empty, None)
    (empty / first.path).write_text("mine")
    with pytest.raises(Exception, match=r"can't be written: File exists"):
        write(empty, first)
    assert (empty / first.path).read_text() == "mine"


def test_a_file_system_without_second_names_will_do(empty, monkeypatch):
    def refused(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    for piece in pieces(empty, None):
        write(empty, piece)
    assert files(empty) == FILES


# --- Workflows ---


@pytest.mark.parametrize(
    "text", ["", "owner", "owner/repo", "owner/repo@", "o/r@a b", "o/../x@v1", "-o/r@v1", "o/r@../x"]
)
def test_what_names_no_workflows(empty, text):
    refused = call("init", f"--workflows={text}", cwd=empty)
    assert refused.code == 64
    assert files(empty) == set()


def test_a_reference_that_can_be_moved_is_told():
    assert parse_reference("o/r@" + "0a" * 20).is_commit
    assert not parse_reference("o/r@v1").is_commit


COMMIT = "0a" * 20


def origin(url, commit=COMMIT):
    return {"url": url, "vcs_info": {"vcs": "git", "commit_id": commit}}


class Installed:
    """A distribution whose origin is the given one."""

    def __init__(self, origin):
        self.origin = origin

    def read_text(self, name):
        assert name == "direct_url.json"
        return self.origin if self.origin is None or isinstance(self.origin, str) else json.dumps(self.origin)


@pytest.mark.parametrize(
    ("written", "found"),
    [
        (origin("https://github.com/o/r.git"), Reference("o/r", COMMIT)),
        (origin("https://github.com/o/r"), Reference("o/r", COMMIT)),
        (origin("https://example.com/o/r"), None),
        (origin("https://github.com/o/r", "main"), None),
        ({"url": "file:///somewhere", "dir_info": {"editable": True}}, None),
        (None, None),
        ("not JSON", None),
        ("[]", None),
    ],
)  # fmt: skip
def test_where_pip_took_the_program_from(monkeypatch, written, found):
    monkeypatch.setattr(scaffold.metadata, "distribution", lambda _: Installed(written))
    assert scaffold.installed_from() == found


def test_without_a_reference_no_workflow_is_made_up(empty):
    made = call("init", cwd=empty)
    assert "no workflows: --workflows OWNER/REPO@REF" in made.err
    assert not (empty / ".github").exists()


@pytest.fixture
def called(empty):
    """The workflows that ``init`` writes for a commit of somebody's repository, by name."""
    made = call("init", f"--workflows=somebody/reconciler@{COMMIT}", cwd=empty)
    assert made.code == 0, made.said
    assert "which can be moved" not in made.err
    found = sorted((empty / ".github/workflows").iterdir())
    assert [path.name for path in found] == ["apply.yml", "drift.yml", "plan.yml"]
    return {path.stem: yaml.load(path.read_text(), yaml.BaseLoader) for path in found}


@pytest.mark.parametrize("name", scaffold.WORKFLOWS)
def test_a_workflow_gives_the_one_that_it_calls_what_that_takes_and_needs(called, name):
    theirs = yaml.load((ROOT / f".github/workflows/{name}.yml").read_text(), yaml.BaseLoader)
    takes = theirs["on"]["workflow_call"]
    [needs] = [job["permissions"] for job in theirs["jobs"].values()]
    assert called[name]["permissions"] == {}
    for job in called[name]["jobs"].values():
        assert job["uses"] == f"somebody/reconciler/.github/workflows/{name}.yml@{COMMIT}"
        assert job["permissions"] == needs
        for kind, given in (("inputs", job["with"]), ("secrets", job["secrets"])):
            required = {key for key, value in takes[kind].items() if value.get("required") == "true"}
            assert required <= set(given) <= set(takes[kind])


def test_a_branch_is_called_with_a_warning(empty):
    made = call("init", "--workflows=somebody/reconciler@main", cwd=empty)
    assert made.code == 0
    assert "somebody/reconciler@main, which can be moved" in made.err
