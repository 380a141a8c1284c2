"""The commit that a plan names: of every kind of checkout git makes, and null for whatever is odd."""

import os
import subprocess

import pytest

from reconciler.checkout import revision

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHER = "f" * 40


def git(folder, *arguments):
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, env=clean, check=True, capture_output=True, text=True, timeout=30
    )
    return done.stdout.strip()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A real checkout with one commit."""
    folder = tmp_path_factory.mktemp("checkout")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "commit", "-q", "--allow-empty", "-m", "first")
    return folder


def test_a_branch(checkout):
    assert revision(checkout) == git(checkout, "rev-parse", "HEAD")


def test_a_folder_below(checkout):
    below = checkout / "manifests" / "north"
    below.mkdir(parents=True)
    assert revision(below) == git(checkout, "rev-parse", "HEAD")


def test_packed_refs(checkout):
    git(checkout, "pack-refs", "--all")
    assert not (checkout / ".git" / "refs" / "heads" / "main").exists()
    assert revision(checkout) == git(checkout, "rev-parse", "HEAD")


def test_a_loose_ref_goes_before_a_packed_one(checkout):
    git(checkout, "pack-refs", "--all")
    git(checkout, "commit", "-q", "--allow-empty", "-m", "second")
    assert revision(checkout) == git(checkout, "rev-parse", "HEAD")


def test_a_detached_head(checkout, tmp_path):
    git(tmp_path, "clone", "-q", str(checkout), "clone")
    git(tmp_path / "clone", "checkout", "-q", "--detach")
    assert revision(tmp_path / "clone") == git(checkout, "rev-parse", "HEAD")


@pytest.mark.parametrize("how", [("-b", "other"), ("--detach",)])
def test_a_linked_work_tree(checkout, tmp_path, how):
    git(checkout, "worktree", "add", "-q", *how, str(tmp_path / "linked"))
    try:
        assert (tmp_path / "linked" / ".git").is_file()
        assert revision(tmp_path / "linked") == git(checkout, "rev-parse", "HEAD")
    finally:
        git(checkout, "worktree", "remove", "--force", str(tmp_path / "linked"))
        if "-b" in how:
            git(checkout, "branch", "-q", "-D", "other")


def test_before_the_first_commit(tmp_path):
    git(tmp_path, "init", "-q")
    assert revision(tmp_path) is None


def test_outside_any_checkout(tmp_path):
    # The folders above are the machine's own; only what is found there can answer.
    above = next((place for place in tmp_path.parents if (place / ".git").exists()), None)
    assert above is not None or revision(tmp_path) is None


@pytest.fixture
def odd(tmp_path):
    """A folder with a .git of our own making, which names COMMIT."""
    (tmp_path / ".git" / "refs" / "heads").mkdir(parents=True)
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (tmp_path / ".git" / "refs" / "heads" / "main").write_text(COMMIT + "\n")
    return tmp_path


def test_our_own_making_is_read(odd):
    assert revision(odd) == COMMIT


@pytest.mark.parametrize(
    "head",
    [
        "ref: ../../../etc/passwd",
        "ref: refs/../../secret",
        "ref: refs/heads/../heads/main",
        "ref: /etc/passwd",
        "ref: refs/heads/ma in",
        "ref: refs/heads/main\nref: refs/heads/main",
        "ref: refs/heads/" + "x" * 300,
        "ref:",
        "ref: refs",
        "ref: HEAD",
        "",
        "main",
        COMMIT[:39],
        COMMIT + "0",
        COMMIT.upper(),
        COMMIT + "\n" + OTHER,
        "\x00",
        "٠" * 40,
        "x" * 10_000,
    ],
    ids=lambda head: repr(head)[:40],
)
def test_a_hostile_head_names_nothing(odd, head):
    (odd / "secret").write_text(COMMIT)
    (odd / ".git" / "HEAD").write_text(head)
    assert revision(odd) is None


@pytest.mark.parametrize(
    "ref", ["", "x", COMMIT[:-1], "ref: refs/heads/other", COMMIT + " " + OTHER, "\xff", "\x00" * 5000]
)
def test_a_hostile_ref_names_nothing(odd, ref):
    (odd / ".git" / "refs" / "heads" / "main").write_text(ref, encoding="latin-1")
    assert revision(odd) is None


@pytest.mark.parametrize(
    "packed",
    [
        "",
        "# pack-refs\n",
        f"{COMMIT} refs/heads/mainly\n",
        f"{COMMIT[:-1]} refs/heads/main\n",
        "refs/heads/main\n",
        "\x00",
    ],
)
def test_hostile_packed_refs_name_nothing(odd, packed):
    (odd / ".git" / "refs" / "heads" / "main").unlink()
    (odd / ".git" / "packed-refs").write_text(packed)
    assert revision(odd) is None


def test_packed_refs_with_all_that_git_writes(odd):
    (odd / ".git" / "refs" / "heads" / "main").unlink()
    lines = [
        "# pack-refs with: peeled fully-peeled sorted ",
        f"{OTHER} refs/heads/a",
        f"{COMMIT} refs/heads/main",
        f"^{OTHER}",
    ]
    (odd / ".git" / "packed-refs").write_text("\n".join(lines) + "\n")
    assert revision(odd) == COMMIT


@pytest.mark.parametrize("name", ["HEAD", "refs/heads/main", "packed-refs", "commondir"])
@pytest.mark.parametrize("kind", ["pipe", "folder", "dangling link", "device", "unreadable bytes"])
def test_a_file_that_is_no_file_never_hangs(odd, name, kind):
    path = odd / ".git" / name
    if name == "packed-refs":
        (odd / ".git" / "refs" / "heads" / "main").unlink()
    path.unlink(missing_ok=True)
    make = {
        "pipe": lambda: os.mkfifo(path),
        "folder": path.mkdir,
        "dangling link": lambda: path.symlink_to("nowhere"),
        "device": lambda: path.symlink_to("/dev/zero"),
        "unreadable bytes": lambda: path.write_bytes(b"\xff\xfe"),
    }
    make[kind]()
    assert revision(odd) in ((None, COMMIT) if name == "commondir" else (None,))


@pytest.mark.parametrize("content", ["", "gitdir:", "gitdir: nowhere", "x", "\x00", "ref: refs/heads/main", "y" * 9000])
def test_a_git_file_that_leads_nowhere(tmp_path, content):
    (tmp_path / ".git").write_text(content)
    assert revision(tmp_path) is None


def test_a_sha_256_repository(odd):
    (odd / ".git" / "refs" / "heads" / "main").write_text("a" * 64)
    assert revision(odd) == "a" * 64
