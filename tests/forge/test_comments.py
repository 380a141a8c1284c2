"""The plan's comment: made, updated in place, never mistaken, and never a reason to fail where nobody may write."""

import pytest
from forge.standin import BOT, TOKEN, Fault
from pipeline import comments, texts
from pipeline.forge import Busy, ForgeError

MARKER = texts.plan_marker("stage")
STRANGER = {"login": "stranger", "type": "User"}


def body(text="## Plan"):
    return f"{text}\n\n{MARKER}\n"


@pytest.fixture
def comment(step, tmp_path):
    def run(text=None, **more):
        path = tmp_path / "comment.md"
        path.write_text(text if text is not None else body(), encoding="utf-8")
        here = step()
        comments.comment(here.runner(PIPELINE_COMMENT=str(path), PIPELINE_EXITCODE="2", **more))

    return run


def test_made_then_updated_in_place(forge, comment):
    comment(body("first"))
    comment(body("second"))
    assert [one["body"] for one in forge.comments] == [body("second")]
    assert [r.path.rpartition("/issues")[2] for r in forge.requests if r.method != "GET"] == [
        "/7/comments",
        f"/comments/{forge.comments[0]['id']}",
    ]


@pytest.mark.parametrize("user", [STRANGER, {"login": "github-actions[bot]", "type": "User"}, {}, None])
def test_somebody_elses_marker_is_left_alone(forge, comment, user):
    theirs = forge.comment(body("mine!"), STRANGER)
    theirs["user"] = user
    comment(body("ours"))
    assert [one["body"] for one in forge.comments] == [body("mine!"), body("ours")]


@pytest.mark.parametrize(
    "text",
    [
        "quoted: " + MARKER + " and more",
        MARKER + "\nlast line",
        texts.plan_marker("production"),
        texts.drift_marker("stage"),
        "",
        None,
    ],
)
def test_only_a_marker_on_the_last_line_counts(forge, comment, text):
    forge.comment(text)["body"] = text
    comment(body("ours"))
    assert len(forge.comments) == 2


@pytest.mark.parametrize("ending", ["", "\n", "\r\n \n", " "])
def test_line_ends_of_the_forge_do_not_matter(forge, comment, ending):
    forge.comment("## Plan\r\n\r\n" + MARKER + ending)
    comment(body("ours"))
    assert [one["body"] for one in forge.comments] == [body("ours")]


def test_a_marker_with_more_facts_is_known_too():
    assert texts.is_marked("x\n<!-- payway-reconciler plan environment=stage commit=abc -->", "plan", "stage")


def test_found_behind_many_others(forge, comment):
    for number in range(230):
        forge.comment(f"chat {number}", STRANGER)
    ours = forge.comment(body("old"))
    for number in range(30):
        forge.comment(f"chat {number}", STRANGER)
    comment(body("new"))
    assert ours["body"] == body("new")
    assert len(forge.comments) == 261
    assert [r.query["page"] for r in forge.sent("GET")] == ["1", "2", "3"]


def test_of_two_of_ours_one_stays(forge, comment):
    forge.comment(body("one"))
    forge.comment(body("two"))
    comment(body("three"))
    assert [one["body"] for one in forge.comments] == [body("three")]


def test_too_long_points_to_the_artifact(forge, comment):
    comment(
        body("x" * 70_000), PIPELINE_ARTIFACT_URL="https://forge.example/publisher/readers/actions/runs/5/artifacts/6"
    )
    [made] = forge.comments
    assert len(made["body"]) < 1000
    assert "(https://forge.example/publisher/readers/actions/runs/5/artifacts/6)" in made["body"]
    assert texts.is_marked(made["body"], "plan", "stage")


def test_too_long_for_this_forge(forge, comment):
    forge.longest = 2_000
    comment(body("x" * 3_000), PIPELINE_ARTIFACT_URL="javascript:alert(1)")
    [made] = forge.comments
    assert "too long" in made["body"] and "javascript" not in made["body"]


def test_a_token_that_only_reads_is_no_failure(forge, comment, capsys):
    forge.read_only = True
    comment()
    assert forge.comments == []
    assert "::notice::the plan can't be posted" in capsys.readouterr().out


def test_made_although_the_answer_was_lost(forge, comment):
    forge.faults = [Fault("POST", "/comments$", 502, after=True)]
    comment(body("ours"))
    assert [one["body"] for one in forge.comments] == [body("ours")]


def test_deleted_in_between(forge, comment):
    ours = forge.comment(body("old"))
    forge.faults = [Fault("PATCH", f"/comments/{ours['id']}$", 404)]
    comment(body("new"))
    assert [one["body"] for one in forge.comments] == [body("new")]


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_tried_again_when_the_forge_is_busy(forge, comment, status):
    forge.faults = [Fault("GET", "/comments$", status, times=3)]
    comment()
    assert len(forge.comments) == 1


def test_rate_limit_is_waited_for(forge, comment):
    forge.faults = [
        Fault("POST", "/comments$", 403, headers={"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}),
        Fault("POST", "/comments$", 403, body=b'{"message": "You have exceeded a secondary rate limit"}'),
        Fault("POST", "/comments$", 429, headers={"Retry-After": "1"}),
    ]
    comment()
    assert len(forge.comments) == 1


def test_a_long_wait_is_given_up(forge, comment):
    forge.faults = [Fault("GET", "/comments$", 429, headers={"Retry-After": "3600"}, times=9)]
    with pytest.raises(ForgeError, match="wait of 3600 s"):
        comment()
    assert len(forge.requests) == 1


def test_tries_have_an_end(forge, comment):
    forge.faults = [Fault("GET", "/comments$", 500, times=99)]
    with pytest.raises(Busy) as raised:
        comment()
    assert raised.value.code == 69
    assert len(forge.requests) == 12


def test_redirects_are_refused(forge, comment):
    forge.faults = [Fault("GET", "/comments$", 302, headers={"Location": "https://elsewhere.example/"})]
    with pytest.raises(ForgeError, match="redirected"):
        comment()


@pytest.mark.parametrize("answer", [b"<html>", b"{}", b"[" * 200_000])
def test_answers_that_are_no_list(forge, comment, answer):
    forge.faults = [Fault("GET", "/comments$", 200, body=answer)]
    with pytest.raises(ForgeError):
        comment()


def test_the_token_is_in_no_message(forge, comment, capsys):
    for status in (401, 404, 422, 500):
        message = f'{{"message": "you sent {TOKEN}\\u001b[2J::error::x"}}'.encode()
        forge.faults = [Fault("GET", "/comments$", status, body=message, times=20)]
        try:
            comment()
        except ForgeError as error:
            assert TOKEN not in repr(error) + str(error)
            assert "\x1b" not in str(error) and "::error" not in str(error)
    out = capsys.readouterr()
    assert TOKEN not in out.out + out.err


@pytest.mark.parametrize(
    "url",
    ["http://forge.example", "ftp://127.0.0.1", "https://user:pass@forge.example", "https://", "file:///etc/passwd"],
)
def test_only_https(forge, comment, url):
    with pytest.raises(ForgeError, match="only https"):
        comment(GITHUB_API_URL=url)
    assert forge.requests == []


def test_written_as_the_bot_of_the_token(forge, comment):
    comment()
    assert forge.comments[0]["user"] == BOT
    assert BOT["login"] == comments.OURSELVES
