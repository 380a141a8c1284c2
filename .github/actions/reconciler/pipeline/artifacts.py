"""Artifacts of other runs: which one is meant, and reading one file out of it without trusting anything in it.

An artifact of a pull request's run can be made by whoever wrote the pull request. Nothing is unpacked: one entry of
an exact name is read, to a limit, into a place of ours.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from pipeline.forge import Forge, forge_of, time_of
from pipeline.runner import Failed, Runner
from reconciler.errors import ExitCode

#: Bytes of an artifact, of a plan and of a snapshot in it; entries of an artifact.
LONGEST_ARCHIVE: Final = 256 * 1024 * 1024
LONGEST_PLAN: Final = 256 * 1024 * 1024
LONGEST_SNAPSHOT: Final = 2 * 1024 * 1024 * 1024
_ENTRIES: Final = 100

_CHUNK: Final = 1024 * 1024
_READERS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_SYMLINK: Final = 0o120000

#: What the standard library raises for archives that somebody has damaged, one way or another.
_UNREADABLE: Final = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, OverflowError, ValueError,
)  # fmt: skip

#: What starts a run that only the main branch's own files decide about.
_TRUSTED_EVENTS: Final = ("push", "schedule", "workflow_dispatch")


def known_state(runner: Runner) -> None:
    """Say where this run's known state comes from: a store, a snapshot that another run left, or nowhere."""
    if runner.said("PIPELINE_HAS_STORE") == "true":
        runner.output(source="store")
        return
    forge = forge_of(runner)
    try:
        path = _snapshot(runner, forge)
    finally:
        forge.close()
    if path is None:
        runner.summary("The manifests are validated only: this run has no known state to plan from.")
        runner.output(source="none")
    else:
        runner.output(source="snapshot", snapshot=path)


def is_private(repository: dict[str, Any]) -> bool:
    """True unless anybody may read the repository, and so its artifacts."""
    return repository.get("private") is True and repository.get("visibility", "private") in ("private", "internal")


def _snapshot(runner: Runner, forge: Forge) -> Path | None:
    repository = forge.get("")
    if not is_private(repository):
        runner.notice("no snapshot of known state is used: this repository is public, and snapshots are personal data")
        return None
    name = f"payway-known-state-{runner.environment}"
    for artifact in _newest(forge.pages("/actions/artifacts", "artifacts", name=name)):
        if artifact.get("name") == name and _of_main_branch(forge, repository, artifact):
            runner.say(f"known state is the snapshot of {artifact.get('created_at')}")
            folder = runner.folder("known")
            return fetch(forge, artifact, "known-state.json", folder, LONGEST_SNAPSHOT)
    runner.notice(f"there is no artifact {name} yet; apply.yml and drift.yml make one")
    return None


def _of_main_branch(forge: Forge, repository: dict[str, Any], artifact: dict[str, Any]) -> bool:
    """True if a run of the main branch's own workflows made the artifact: no pull request can."""
    run = artifact.get("workflow_run") or {}
    ours = repository.get("id")
    if run.get("repository_id") != ours or run.get("head_repository_id") != ours:
        return False
    if run.get("head_branch") != repository.get("default_branch"):
        return False
    return forge.get(f"/actions/runs/{int(run['id'])}").get("event") in _TRUSTED_EVENTS


def plan_of_head(forge: Forge, environment: str, head: str, before: datetime) -> dict[str, Any] | None:
    """The newest plan artifact that a pull request's run made for the commit ``head`` before that moment."""
    name = f"payway-plan-{environment}"
    found = []
    for run in forge.pages("/actions/runs", "workflow_runs", head_sha=head, event="pull_request"):
        if run.get("head_sha") != head or run.get("event") != "pull_request":
            continue
        for artifact in forge.pages(f"/actions/runs/{int(run['id'])}/artifacts", "artifacts", name=name):
            made = time_of(artifact.get("created_at"))
            if artifact.get("name") == name and made is not None and made <= before:
                found.append(artifact)
    return next(_newest(iter(found)), None)


def _newest(artifacts: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Those that haven't expired, the newest first."""
    alive = [one for one in artifacts if one.get("expired") is False]
    return iter(sorted(alive, key=lambda one: (str(one.get("created_at")), int(one.get("id", 0))), reverse=True))


def fetch(forge: Forge, artifact: dict[str, Any], entry: str, folder: Path, limit: int) -> Path:
    """The file ``entry`` of an artifact, in ``folder``. Raises `Failed` for one that isn't as it should be."""
    archive = folder / "artifact.zip"
    forge.download(f"/actions/artifacts/{int(artifact['id'])}/zip", archive, LONGEST_ARCHIVE)
    digest = artifact.get("digest")
    if isinstance(digest, str) and re.fullmatch(r"sha256:[0-9a-f]{64}", digest) and digest != _digest(archive):
        raise _hostile("it isn't what the forge has noted down of it")
    try:
        target = read_entry(archive, entry, folder / entry, limit)
    finally:
        archive.unlink(missing_ok=True)
    return target


def read_entry(archive: Path, entry: str, target: Path, limit: int) -> Path:
    """``target``, with the one entry of that name in it. Raises `Failed` for anything odd about the archive."""
    try:
        with zipfile.ZipFile(archive) as opened:
            infos = opened.infolist()
            if len(infos) > _ENTRIES:
                raise _hostile(f"it holds {len(infos):,} entries")
            found = [info for info in infos if info.filename == entry]
            if len(found) != 1:
                raise _hostile(f"it holds {len(found) or 'no'} {entry}")
            [info] = found
            if (
                info.flag_bits & 1
                or info.compress_type not in _READERS
                or info.external_attr >> 16 & _SYMLINK == _SYMLINK
            ):
                raise _hostile(f"its {entry} is no plain file")
            if info.file_size > limit:
                raise _hostile(f"its {entry} has {info.file_size:,} bytes, more than {limit:,}")
            _copy(opened, info, target, limit)
    except _UNREADABLE as error:
        raise _hostile(f"it can't be read: {error}") from None
    return target


def _copy(opened: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, limit: int) -> None:
    target.touch(mode=0o600)
    size = 0
    with opened.open(info) as source, target.open("wb") as file:
        # What the archive says of the size is only what it says.
        while chunk := source.read(_CHUNK):
            size += len(chunk)
            if size > limit:
                raise _hostile(f"its {info.filename} is longer than {limit:,} bytes")
            file.write(chunk)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _hostile(why: str) -> Failed:
    return Failed(f"the artifact can't be used: {why}", int(ExitCode.STALE))
