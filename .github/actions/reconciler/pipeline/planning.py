"""The steps that make plans: settings from the base commit, validation, the plan for reviewers, the one afterwards."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Final

from pipeline import texts, tool
from pipeline.runner import Failed, Runner
from pipeline.tool import PLANNED
from reconciler.errors import ExitCode

_SETTINGS: Final = "reconciler.toml"

#: Characters of standard error that a comment repeats when there is no plan.
_SAID: Final = 8_000


def base_settings(runner: Runner) -> None:
    """Put the base commit's reconciler.toml in the place of the pull request's: it can name hosts and commands.

    The working folder holds the merge that the forge made for the pull request; its first parent is the base.
    """
    head = runner.pull_request()["head"]["sha"]
    parents = tool.git("rev-list", "--parents", "-n", "1", "HEAD").decode().split()[1:]
    if len(parents) != 2 or parents[1] != head:
        raise Failed(
            "this isn't the merge of the pull request's head; check the default ref out with fetch-depth: 2",
            int(ExitCode.INVALID),
        )
    tool.refuse_committed_state()
    base, merged = (_entry(commit) for commit in (parents[0], "HEAD"))
    _replace(Path(_SETTINGS), None if base is None else tool.git("cat-file", "blob", base[1]))
    if base != merged:
        runner.notice("the pull request changes reconciler.toml; its plan is made with the base commit's")
    runner.output(changed=base != merged)


def _entry(commit: str) -> tuple[str, str] | None:
    """Mode and object id of reconciler.toml at ``commit``. Raises `Failed` if that is a link of the base commit."""
    listed = tool.git("ls-tree", "-z", commit, "--", _SETTINGS).decode("utf-8", "replace")
    if not listed:
        return None
    mode, _, blob = listed.partition("\t")[0].split()
    if mode not in ("100644", "100755") and commit != "HEAD":
        raise Failed("reconciler.toml of the base commit is no plain file", int(ExitCode.INVALID))
    return mode, blob


def _replace(path: Path, data: bytes | None) -> None:
    """Put ``data`` at ``path`` whatever the pull request has put there, or nothing."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    if data is not None:
        path.write_bytes(data)


def validate(runner: Runner) -> None:
    """Say what is wrong with the manifests beside their lines; how the job ends is decided later."""
    ended = tool.run(runner, "validate", "--format", "github", *tool.paths(runner), without=("RECONCILER_STATE",))
    runner.pass_on(ended.out)
    runner.output(exitcode=ended.code)


def plan(runner: Runner) -> None:
    """Plan, and keep the plan, its Markdown and its HTML in one folder; also where a guard refuses it."""
    tool.refuse_committed_state()
    folder = runner.folder("plan")
    ended = make_plan(runner, folder / "plan.json")
    saved = _summary_of(folder / "plan.json")
    changed = bool(saved.get("steps"))
    if ended.code in PLANNED and saved:
        tool.write(folder / "plan.md", ended.out)
        _draw_html(runner, folder)
        note = texts.SETTINGS_NOTE if runner.said("PIPELINE_SETTINGS_CHANGED") == "true" else ""
        comment = note + ended.out
        runner.output(folder=folder, plan_path=folder / "plan.json", steps_digest=saved["steps_digest"])
    else:
        comment = texts.no_plan(runner.environment, ended.code, ended.err[:_SAID])
    runner.summary(comment)
    place = tool.write(runner.folder("comment") / "comment.md", comment)
    runner.output(exitcode=ended.code, has_changes=changed, comment=place)


def make_plan(runner: Runner, out: Path | None) -> tool.Ended:
    """Run ``reconciler plan`` over the known state that the step was given."""
    state: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    snapshot = runner.said("PIPELINE_SNAPSHOT")
    if snapshot and not runner.said("RECONCILER_STATE"):
        state, without = (f"--state=file:{snapshot}",), ("RECONCILER_STATE",)
    accept = tuple(f"--accept={guard}" for guard in runner.said("PIPELINE_ACCEPT").split())
    saved = ("--out", str(out)) if out is not None else ()
    options = ("-e", runner.environment, "--detailed-exitcode", "--format", "markdown")
    arguments = ("plan", *options, *state, *accept, *saved, *tool.paths(runner))
    return tool.run(runner, *arguments, keep_err=True, without=without)


def _draw_html(runner: Runner, folder: Path) -> None:
    drawn = tool.run(runner, "show", "--format", "html", str(folder / "plan.json"), keep_err=True)
    tool.succeed("show --format html", drawn.code)
    tool.write(folder / "plan.html", drawn.out)


def _summary_of(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        return {}
    return data if isinstance(data, dict) else {}


def action(runner: Runner) -> None:
    """What the composite action runs: ``plan`` or ``validate``, which ends as the command does."""
    command = runner.said("PIPELINE_COMMAND")
    if command == "validate":
        ended = tool.run(runner, "validate", "--format", "github", *tool.paths(runner))
        runner.pass_on(ended.out)
        runner.output(exitcode=ended.code)
        tool.succeed("validate", ended.code)
        return
    if command != "plan":
        raise Failed(f"there is no command {command!r}: plan, validate or install", int(ExitCode.USAGE))
    tool.refuse_committed_state()
    state = runner.said("PIPELINE_STATE")
    folder = runner.folder("plan")
    chosen = runner if not state else Runner({**runner.environ, "RECONCILER_STATE": state})
    ended = make_plan(chosen, folder / "plan.json")
    saved = _summary_of(folder / "plan.json")
    if saved:
        tool.write(folder / "plan.md", ended.out)
        _draw_html(runner, folder)
        runner.output(plan_path=folder / "plan.json", steps_digest=saved["steps_digest"])
    runner.summary(ended.out or texts.no_plan(runner.environment, ended.code, ended.err[:_SAID]))
    runner.output(exitcode=ended.code, has_changes=bool(saved.get("steps")))
    tool.succeed("plan", ended.code, frozenset({ExitCode.DONE, ExitCode.CHANGES}))


def verdict(runner: Runner) -> None:
    """End the job as validation or, where there is one, the plan ended."""
    code = runner.said("PIPELINE_EXITCODE")
    if code:
        tool.succeed("plan", int(code), frozenset({ExitCode.DONE, ExitCode.CHANGES}))
    tool.succeed("validate", int(runner.needed("PIPELINE_VALIDATE_EXITCODE")))


def fresh_plan(runner: Runner) -> None:
    """After an apply: say what is still due, if anything is. Only a plan that can't be made is a failure."""
    ended = make_plan(runner, None)
    tool.succeed("plan", ended.code, PLANNED)
    left = ended.code != ExitCode.DONE
    runner.output(exitcode=ended.code, has_changes=left)
    if left:
        runner.warning("a fresh plan holds calls that nobody has reviewed yet; the summary shows them")
        runner.summary(ended.out)
    else:
        runner.summary(f"A fresh plan for `{runner.environment}` holds no call: Payway is as declared.")
