"""A token that nobody may see goes through success and failure, and stands in no output, file or journal afterwards."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest
from support.commands import ROOT, run

CANARY = "canary7f3a9c51e8d24b60"
FETCHED = "canaryfetched0b5d7e91"

#: What the calls of the three readers answer with, where the body doesn't say it.
IDS = {"userproducts": "57a0000000000000000000a1", "sync_customer_subscriptions": "50f3ac249f6aef294d000003"}

#: Where nobody listens.
NOWHERE = "http://127.0.0.1:9"

#: A defect in the middle of a call, while the token is in somebody's hands.
BUG = """
from reconciler.payway.connection import Connection

def broken(self, method, path, body, headers):
    raise RuntimeError("a defect of this program")

Connection.call = broken
"""


class Parrot(BaseHTTPRequestHandler):
    """A host that repeats what it was told: in its errors, its messages and its headers.

    ``server.script`` holds the statuses of the next answers; ``server.heard`` collects the authorizations.
    """

    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        told = self.rfile.read(int(self.headers["Content-Length"]))
        authorization = self.headers["Authorization"]
        self.server.heard.append(authorization)
        body = json.loads(told)
        status = self.server.script.pop(0) if self.server.script else 200
        if status == 200:
            self.answer(
                200, {"id": body.get("user_product_id") or IDS[self.path.rpartition("/")[2]], "you": authorization}
            )
        else:
            words = f"Refused {authorization}"
            self.answer(status, {"code": self.server.code or words, "field": authorization, "message": words})

    def do_POST(self):
        told = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.heard.append(parse_qs(told)["client_secret"][0])
        status = self.server.token_script.pop(0) if self.server.token_script else 200
        if status == 200:
            self.answer(200, {"access_token": FETCHED, "expires_in": 3600})
        else:
            self.answer(status, {"error": "invalid_client", "error_description": f"Wrong: {told}"})

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-You-Said", self.headers.get("Authorization", ""))
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        """Stay silent."""


@pytest.fixture
def parrot():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Parrot)
    server.daemon_threads = True
    server.heard, server.script, server.token_script, server.code = [], [], [], None
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    server.url = f"http://127.0.0.1:{server.server_port}"
    yield server
    server.shutdown()
    thread.join(5)
    server.server_close()


@pytest.fixture
def watched(journey):
    """A journey whose outputs and files are searched at the end; `apply` runs in a process of its own."""
    here = journey("three-readers", payway=False)
    (here.folder / "tmp").mkdir()
    yield here
    for canary in (CANARY, FETCHED):
        for result in here.results:
            assert canary not in result.out + result.err, result.said
        for path in here.folder.rglob("*"):
            assert not path.is_file() or canary.encode() not in path.read_bytes(), path


def plan(here, url, **environment):
    """Make the plan that is applied."""
    made = here.run("plan", "-e", "stage", "--base-url", url, "-o", "plan.json", **environment)
    assert made.code == 0, made.said


def apply(here, url, *more, **environment):
    """Apply the plan; returns how it ended."""
    arguments = ("apply", "--base-url", url, "plan.json", "--report", "report.json", *more)
    result = run(*arguments, cwd=here.folder, env={"TMPDIR": str(here.folder / "tmp"), **environment})
    here.results.append(result)
    return result


def look_at_everything(here, **environment):
    """All that shows a run, a plan or a setting afterwards, with the token still at hand."""
    run_id = json.loads(here.run("runs", "list", "-e", "stage", "--format", "json").out.splitlines()[-1])["run_id"]
    for arguments in (
        ("runs", "show", "-e", "stage", run_id),
        ("runs", "show", "-e", "stage", run_id, "--format", "json"),
        ("show", "-e", "stage", run_id),
        ("state", "export", "-e", "stage", "known.json"),
        ("state", "list", "-e", "stage", "-v"),
        ("config", "show", "-e", "stage", "--origin"),
        ("requests", "plan.json"),
        ("explain", "plan.json", "-v"),
    ):
        shown = here.run(*arguments, **environment)
        assert shown.code == 0, shown.said


LOUD = [("-v",), ("-v", "--log-format", "json")]


@pytest.mark.parametrize("loud", LOUD, ids=" ".join)
@pytest.mark.parametrize(
    ("script", "code", "exit_code"),
    [
        ([], None, 0),
        ([401], None, 69),
        ([403], None, 69),
        ([500, 500, 502], None, None),
        ([400], "invalid_parameter", 7),
        ([404], "not_found", 7),
        ([409], None, 7),
        ([302], None, 7),
    ],
    ids=["success", "401", "403", "500", "400", "404", "409", "302"],
)
def test_a_token_is_seen_by_nobody_but_payway(watched, parrot, script, code, exit_code, loud):
    parrot.script, parrot.code = list(script), code
    token = {"PAYWAY_TOKEN": CANARY}
    plan(watched, parrot.url, **token)
    applied = apply(watched, parrot.url, *loud, **token)
    assert exit_code in (None, applied.code), applied.said
    assert set(parrot.heard) == {f"Bearer {CANARY}"}, "Payway was told"
    look_at_everything(watched, **token)


@pytest.mark.parametrize("loud", LOUD, ids=" ".join)
def test_nor_by_anybody_when_payway_isnt_there(watched, loud):
    token = {"PAYWAY_TOKEN": CANARY}
    plan(watched, NOWHERE)
    applied = apply(watched, NOWHERE, *loud, **token)
    assert applied.code == 69, applied.said
    look_at_everything(watched, **token)


@pytest.mark.parametrize("loud", LOUD, ids=" ".join)
def test_nor_by_a_bug(watched, tmp_path, loud):
    (tmp_path / "bug").mkdir()
    (tmp_path / "bug" / "sitecustomize.py").write_text(BUG)
    token = {"PAYWAY_TOKEN": CANARY, "PYTHONPATH": f"{tmp_path / 'bug'}:{ROOT}"}
    plan(watched, NOWHERE)
    applied = apply(watched, NOWHERE, *loud, **token)
    assert applied.code == 1, applied.said
    assert "a defect of this program" in applied.err
    assert "Traceback" in applied.err
    look_at_everything(watched, **token)


@pytest.mark.parametrize("loud", LOUD, ids=" ".join)
@pytest.mark.parametrize("script", [[], [401], [500, 500, 500, 500] * 3, [302]], ids=["success", "401", "500", "302"])
def test_a_client_secret_is_seen_by_nobody_but_payway(watched, parrot, script, loud):
    parrot.token_script = list(script)
    client = {"PAYWAY_CLIENT_ID_STAGE": "client", "PAYWAY_CLIENT_SECRET_STAGE": CANARY}
    plan(watched, parrot.url, **client)
    applied = apply(watched, parrot.url, *loud, **client)
    assert applied.code == (0 if not script else 69), applied.said
    assert parrot.heard[0] == CANARY, "Payway was told"
    assert (f"Bearer {FETCHED}" in parrot.heard) is (not script)
    look_at_everything(watched, **client)


@pytest.mark.parametrize(
    ("settings", "environment"),
    [
        ('token = {env = "MY_TOKEN"}', {"MY_TOKEN": CANARY}),
        ('token = {file = "../token"}', {}),
        ('token = {command = ["cat", "../token"]}', {}),
        ('client = {id = "client", secret = {env = "MY_SECRET"}}', {"MY_SECRET": CANARY}),
    ],
    ids=["variable", "file", "command", "client"],
)
@pytest.mark.parametrize("script", [[], [401, 401]], ids=["success", "401"])
def test_a_secret_by_reference_is_seen_by_nobody_but_payway(watched, parrot, tmp_path, settings, environment, script):
    parrot.script = list(script)
    secret = watched.folder.parent / "token"
    secret.write_text(CANARY + "\n")
    secret.chmod(0o600)
    toml = watched.folder / "reconciler.toml"
    toml.write_text(f"{toml.read_text()}\n[payway]\n{settings}\n")
    plan(watched, parrot.url, **environment)
    applied = apply(watched, parrot.url, "-v", **environment)
    assert applied.code == (0 if not script else 69), applied.said
    assert CANARY in "".join(parrot.heard)
    look_at_everything(watched, **environment)


@pytest.mark.parametrize("token", [CANARY + "\r\nX-Evil: 1", CANARY + "å", CANARY + " x", CANARY * 5000], ids=len)
def test_a_token_that_cant_be_one_isnt_shown_either(watched, token):
    plan(watched, NOWHERE)
    applied = apply(watched, NOWHERE, "-v", PAYWAY_TOKEN=token)
    assert applied.code == 69, applied.said


@pytest.mark.parametrize("arguments", [("--token", CANARY), (f"--token={CANARY}",)], ids=["two words", "one"])
def test_no_flag_takes_a_token(watched, arguments):
    typed = watched.run("apply", "-e", "stage", *arguments)
    assert typed.code == 64, typed.said
