"""A plan as one HTML file: whole, closed off, and harmless whatever the plan holds."""

import base64
import hashlib
import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.commands import call
from support.pagereading import numbers, parse, summary

from reconciler.instants import parse_known
from reconciler.operations import body_bytes
from reconciler.plan import FieldChange, Finding, Unmanaged
from reconciler.render import Invocation, plan_to_html, plan_to_text
from reconciler.render.to_html import FEW, FIRST, MANY, MOST

POISON = "\x1b[31m<b>'\"&amp;{{ 7*7 }}</code></script><script>alert(1)</script>\u202e\n]]> --> <!-- javascript:x"


def text(plan, **how):
    return "".join(plan_to_html(plan, **how))


def page(plan):
    return parse(text(plan))


def drawn(plan, **how):
    """The page without its style and script, which are files of their own."""
    whole = re.sub(r"<(style|script)>.*?</\1>", r"<\1>…</\1>", text(plan, **how), flags=re.DOTALL)
    return re.sub(r"sha256-[\w+/]{43}=", "sha256-…", whole)


def test_the_sample_reads_like_this(plan, golden):
    golden("plan.html", drawn(plan, invocation=Invocation(saved_as="plan.json")))


def test_a_hostile_plan_reads_like_this(poisoned, golden):
    golden("plan-hostile.html", drawn(poisoned(POISON)))


# --- What it holds ---


def test_it_tells_the_same_counts_as_the_text(plan):
    found, lines = summary(page(plan)), list(plan_to_text(plan))
    for label in ("Calls", "Products", "Findings", "Careful", "Deadline"):
        [line] = [line for line in lines if line.startswith(f"{label} ")]
        assert found[label] == line.removeprefix(label).strip()
    assert numbers(found["Readers"]) == [1, 0, 1, 0, 1]
    [tiles] = page(plan).all("ul", "tiles")
    assert [tile.words for tile in tiles.all("li")] == [
        "1 gain access", "0 get a longer one", "1 keep it", "0 get a shorter one", "1 lose it",
    ]  # fmt: skip


def test_what_takes_access_and_what_cannot_be_undone_stands_before_all_calls(plan):
    [taking, final] = page(plan).all("ul", "first")
    assert [link.attributes["href"] for link in taking.all("a")] == ["#s5"]
    assert [link.attributes["href"] for link in final.all("a")] == ["#s1", "#s3", "#s4", "#s6"]
    assert "lost from now on, without end" in taking.words
    assert "Southern office, second floor" in taking.words
    whole = text(plan)
    assert whole.index('id="refused"') < whole.index('id="first"') < whole.index('id="calls"')


def test_every_step_has_its_reason_request_answers_and_line(plan):
    found = page(plan)
    shown = found.all("details", "step")
    assert [one.attributes["id"] for one in shown] == [f"s{step.number}" for step in plan.steps]
    answers = {one.attributes["id"] for one in found.all("details", "answers")}
    for one, step in zip(shown, plan.steps, strict=True):
        assert step.reason in one.text
        assert f"{step.request.method} {step.request.path}" in one.text
        [body] = one.all("code")
        # Byte for byte what is sent.
        assert body.text == body_bytes(step.request).decode()
        assert f"{step.source.file}:{step.source.line}" in one.text
        [link] = one.all("a")
        assert link.attributes["href"].removeprefix("#") in answers
        assert ("can't be undone" in one.all("summary")[0].text) is not step.reversible


def test_every_link_leads_to_a_place_in_the_page(plan):
    found = page(plan)
    ids = [element.attributes["id"] for element in found.every() if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    for element in found.every():
        target = element.attributes.get("href")
        if target is not None:
            assert target.startswith("#") and target[1:] in ids
        named = element.attributes.get("aria-labelledby")
        assert named is None or named in ids


def test_access_is_drawn_for_every_product_with_steps_and_told_in_words(plan):
    north, south, east = page(plan).all("article", "account")
    words = north.all("p")[0]
    assert "until 2026-12-01 → until 2027-12-01" in words.words
    assert "Gained from 2026-12-01 until 2027-12-01" in words.words
    [picture] = north.all("svg", "tl")
    assert picture.all("rect", "gained") and not picture.all("rect", "lost")
    assert [use.attributes["href"] for use in picture.all("use")] == ["#bg", "#back", "#back", "#now", "#due"]
    assert picture.all("title") and picture.all("desc")
    [picture] = south.all("svg", "tl")
    assert picture.all("rect", "lost") and not picture.all("rect", "gained")
    [picture] = east.all("svg", "tl")
    assert len(picture.all("rect", "unknown")) == 2
    assert [badge.words for a in (north, south, east) for badge in a.all("header")[0].all("b")] == [
        "gains access", "loses access", "keeps access",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, "Refused by 1 guard"),
        ({"refusals": ()}, "6 calls for 3 readers; no guard"),
        ({"refusals": (), "steps": (), "accounts": ()}, "No call is due. Some products are blocked."),
        ({"refusals": (), "steps": (), "blocked": ()}, "No call is due."),
        ({"what_if": True}, "What-if"),
    ],
    ids=["refused", "ready", "blocked", "nothing", "what-if"],
)
def test_the_verdict_stands_first(plan, change, said):
    [verdict] = page(replace(plan, **change)).all("p", "verdict")
    assert verdict.words.startswith(said)


def test_the_command_that_comes_next_can_be_copied(plan):
    [command] = page(plan).all("pre")
    assert command.text == "reconciler plan -e stage --accept=adopted --accept=revoked --out plan.json"


# --- Closed off ---


def test_the_policy_allows_this_style_and_this_script_and_nothing_else(plan):
    found = page(plan)
    [meta] = [each for each in found.all("meta") if "http-equiv" in each.attributes]
    hashes = {}
    for name in ("style", "script"):
        [element] = found.all(name)
        digest = hashlib.sha256(element.text.encode()).digest()
        hashes[name] = f"'sha256-{base64.b64encode(digest).decode()}'"
    assert meta.attributes["content"] == (
        f"default-src 'none'; style-src {hashes['style']}; script-src {hashes['script']}; "
        "base-uri 'none'; form-action 'none'"
    )


def test_nothing_is_asked_of_anybody_else(plan):
    found = page(plan)
    for element in found.every():
        assert element.name not in {"link", "img", "iframe", "object", "embed", "form", "base", "video", "audio"}
        assert not {name for name in element.attributes if name == "style" or name.startswith("on")}
        assert not {"src", "action", "srcset", "ping"} & set(element.attributes)
    [style], [script] = found.all("style"), found.all("script")
    assert not re.search(r"url\((?!#)|@import|https?:", style.text)
    assert not re.search(r"https?:|fetch|XMLHttp|import\b|innerHTML|insertAdjacent|document\.write|eval", script.text)


# --- Harmless ---


def test_no_value_is_markup(poisoned, hostile):
    whole = text(poisoned(hostile))
    assert all(c == "\n" or c.isprintable() for c in whole)
    assert parse(whole).shape() == page(poisoned("tame" if hostile else "")).shape()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text("<>&'\"`=/{}%#- \n\x00\u202eab1", min_size=1, max_size=30))
def test_no_text_is_markup(poisoned, value):
    assert page(poisoned(f"x{value}x")).shape() == page(poisoned("tame")).shape()


@pytest.mark.parametrize("field", ["action", "impact"])
def test_words_that_only_a_forged_plan_holds_are_harmless_too(plan, field):
    forged = replace(plan, steps=tuple(replace(step, **{field: '"><script>'}) for step in plan.steps))
    assert len(page(forged).all("script")) == 1


# --- Big plans ---


def big(plan, accounts):
    one, many = plan.accounts[0], [f"{n:024x}" for n in range(accounts)]
    return replace(
        plan,
        accounts=tuple(replace(one, account_id=account_id) for account_id in many),
        steps=tuple(replace(plan.steps[1], number=n + 1, account_id=many[n]) for n in range(accounts)),
    )


def test_the_page_comes_in_pieces_while_accounts_are_still_being_drawn(plan, monkeypatch):
    from reconciler.render import view

    seen = []
    monkeypatch.setattr(view, "view_step", lambda step, real=view.view_step: seen.append(step.number) or real(step))
    pieces = plan_to_html(big(plan, 1000))
    first = next(pieces)
    assert first.startswith("<!doctype html>")
    # Twice it looks for what must be shown first; the third time it draws.
    assert len(seen) < 2100
    rest = list(pieces)
    assert len(rest) > 50
    assert max(map(len, rest)) < 100_000


def test_lists_that_are_too_long_to_read_are_cut_and_counted(plan):
    where = plan.warnings[0].source
    warning = Finding("ended", "its window ran out", "1" * 24, None, None, where)
    taking = replace(plan.steps[4], account_id=plan.steps[0].account_id)
    long = replace(
        plan,
        steps=tuple(replace(taking, number=n + 1) for n in range(FIRST + 3)),
        blocked=(plan.blocked[0],) * (MOST + 4),
        warnings=(warning,) * (FEW + 2) + plan.warnings,
        unmanaged=(Unmanaged("1" * 24, None, None),) * (FEW + 5),
    )
    found = page(long)
    assert [rest.words for rest in found.all("p", "rest")] == [
        "and 3 more, all of them below",
        "and 4 more; --format json lists them all",
        "and 2 more with ended; --format json lists them all",
        "and 5 more; --format json lists them all",
    ]
    assert len(found.all("details", "step")) == FIRST + 3


def test_three_thousand_steps_stay_under_five_mebibytes(plan):
    whole = text(big(plan, 3000))
    assert len(whole.encode()) < 5 * 1024 * 1024, len(whole)
    assert whole.count('<details class="step"') == 3000


def test_only_big_pages_leave_out_what_is_off_the_screen(plan):
    assert "<body>" in text(plan)
    assert '<body class="many">' in text(big(plan, MANY))


def test_the_same_plan_gives_the_same_bytes(plan):
    assert text(plan) == text(plan)


def test_old_and_far_moments_can_be_drawn(plan):
    ends = [(parse_known("0001-01-02T00:00Z"), parse_known("9999-12-30T00:00Z"))]
    product = replace(plan.accounts[0].user_products[0], before=tuple(ends), after=())
    strange = replace(
        plan,
        as_of="9999-12-29T00:00:00Z",
        accounts=(replace(plan.accounts[0], user_products=(product,)),),
        steps=(replace(plan.steps[0], changes=(FieldChange("state", None, "activated"),)),),
    )
    assert "Lost from now until 9999-12-30" in page(strange).words


# --- The commands ---


@pytest.mark.parametrize("command", ["plan", "show"])
def test_plan_and_show_write_it(command, tmp_path):
    from support.commands import ROOT

    (tmp_path / "manifests").symlink_to(ROOT / "manifests")
    snapshot = f"file:{ROOT / 'examples' / 'known-state.json'}"
    planning = ["plan", "-e", "stage", "--at", "2026-11-24T10:00Z", "--state", snapshot, "manifests"]
    made = call(*planning, "-o", "plan.json", "--format", "html", cwd=tmp_path)
    if command == "show":
        made = call("show", "plan.json", "--format", "html", cwd=tmp_path)
    assert made.out.startswith("<!doctype html>") and made.out.endswith("</html>\n"), made.said
    assert "simulator" not in parse(made.out).all("h1")[0].words
