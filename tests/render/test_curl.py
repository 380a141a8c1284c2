"""Requests as commands that a shell reads back as exactly what the plan holds, and as nothing else."""

import json
import shlex
import subprocess
from dataclasses import replace

from reconciler.operations import body_bytes
from reconciler.render import requests_to_text


def commands(plan):
    """The arguments of each command, as a shell's own rules read them."""
    whole = "".join(f"{line}\n" for line in requests_to_text(plan))
    joined = whole.replace("\\\n", "")
    return [shlex.split(line) for line in joined.splitlines() if line and not line.startswith("#")]


def test_the_sample_reads_like_this(plan, golden):
    golden("requests.txt", "".join(f"{line}\n" for line in requests_to_text(plan)))


def test_every_request_is_there_byte_for_byte_in_order(plan):
    found = commands(plan)
    assert [arguments[-1].encode() for arguments in found] == [body_bytes(step.request) for step in plan.steps]
    assert [arguments[4] for arguments in found] == [plan.host + step.request.path for step in plan.steps]
    assert all(arguments[:3] == ["curl", "--request", "PUT"] for arguments in found)


def test_the_token_is_a_variable(plan):
    assert all("authorization: Bearer $PAYWAY_TOKEN" in arguments for arguments in commands(plan))


def test_hostile_text_breaks_out_of_nothing(poisoned, hostile):
    plan = poisoned(hostile)
    plan = replace(
        plan, steps=tuple(replace(step, request=replace(step.request, path="/" + hostile)) for step in plan.steps)
    )
    whole = "".join(f"{line}\n" for line in requests_to_text(plan))
    assert all(c == "\n" or c.isprintable() for c in whole)
    found = commands(plan)
    assert [len(arguments) for arguments in found] == [13] * len(plan.steps)
    assert all(json.loads(arguments[-1])["valid_to"] == hostile for arguments in found)


def test_a_shell_runs_curl_and_nothing_else(poisoned, hostile, tmp_path):
    script = "curl() { echo called; }\n" + "".join(f"{line}\n" for line in requests_to_text(poisoned(hostile)))
    run = subprocess.run(
        ["/bin/sh", "-u"], input=script, cwd=tmp_path, env={"PAYWAY_TOKEN": "t", "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert run.stdout == "called\n" * 6
    assert run.stderr == ""
    assert list(tmp_path.iterdir()) == []
