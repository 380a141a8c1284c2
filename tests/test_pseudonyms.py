"""No id and no number of a reader gets into output that is shared, and only who has the table gets them back."""

import json
import re
import string
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.commands import ROOT, call
from support.planning import CONTEXT, minute, moment, view

from reconciler import render
from reconciler.applying.runreport import RunReport, StepReport
from reconciler.errors import InvalidInput, StalePlan
from reconciler.model import DeclaredAccount, DeclaredProduct, KnownAccount, KnownProduct, Source
from reconciler.planfile import plan_text, read_plan, seal
from reconciler.planning import make_plan
from reconciler.pseudonyms import Pseudonyms, Revealed, of_plan, of_report, open_keeper, reveal
from reconciler.pseudonyms.keeping import table_of
from reconciler.pseudonyms.scanning import values_in
from reconciler.validation import schema_errors

KEY = bytes(range(32))
ACCOUNT, OWN, CATALOGUE = "52a781d6400e06897c00000f", "56e1741a6fc9365306000034", "56e1741a6fc9365306000002"


@pytest.fixture
def names():
    return Pseudonyms(KEY)


# --- Stand-ins ---


def test_a_stand_in_looks_like_what_it_replaces(names):
    assert re.fullmatch(r"000000[0-9a-f]{18}", names.value(ACCOUNT))
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,50}", names.value("0012345670"))
    assert names.value("0012345670").startswith("pseudo-")
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", names.digest("sha256:" + "1" * 64))


def test_the_same_value_has_the_same_stand_in_under_one_key_alone(names):
    again, other = Pseudonyms(KEY), Pseudonyms(bytes(32))
    for value in (ACCOUNT, "0012345670", "x"):
        assert names.value(value) == again.value(value) != other.value(value)
    assert names.value(ACCOUNT) == names.value(ACCOUNT.upper())
    assert names.value("abc-1") != names.value("ABC-1")


def test_stand_ins_are_told_from_ids_that_anybody_could_have(names):
    assert len({names.value(f"{number:024x}") for number in range(1000)}) == 1000
    assert len({names.value(str(number)) for number in range(1000)}) == 1000


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("customer 1234567890 moved", "customer {number} moved"),
        ("manifests/acc_1234567890.yaml", "manifests/acc_{number}.yaml"),
        ("x1234567890y", "x{number}y"),
        (f"manifests/{ACCOUNT.upper()}.yaml", "manifests/{account}.yaml"),
        (f"abc{ACCOUNT}def", "abc{account}def"),
        (f"{ACCOUNT}1234567890", "{account}{number}"),
        ("number 77 and 177, on 2026-77-01", "number {short} and 177, on 2026-77-01"),
        ("has a space in '12 34567'", "has a space in '{odd}'"),
        ("NORTH-7a and north-7A", "{word} and {word}"),
        (f"product {CATALOGUE} stays", f"product {CATALOGUE} stays"),
        ("sha256:" + "1" * 63, "sha256:" + "1" * 63),
        ("", ""),
    ],
)
def test_values_are_found_wherever_they_stand(names, text, shown):
    names.learn((ACCOUNT, "1234567890", "77", "12 34567", "NORTH-7a"))
    names.keep((CATALOGUE,))
    stand_ins = {
        name: names.value(value)
        for name, value in {
            "account": ACCOUNT, "number": "1234567890", "short": "77", "odd": "12 34567", "word": "NORTH-7a"
        }.items()
    }  # fmt: skip
    found = names.text(text)
    assert found == shown.format(**stand_ins)
    assert names.text(found) == found


def test_an_id_that_nobody_has_told_of_is_found_by_its_form(names):
    assert names.text(f"the account {ACCOUNT}") == f"the account {names.value(ACCOUNT)}"
    assert names.text("a" * 25) == "a" * 25


def test_a_catalogue_id_that_is_also_a_readers_is_the_readers(names):
    names.keep((CATALOGUE,))
    assert names.product_id(CATALOGUE) == CATALOGUE
    names.learn((CATALOGUE,))
    assert names.product_id(CATALOGUE) == names.value(CATALOGUE)
    assert CATALOGUE not in names.text(f"product {CATALOGUE}")


# --- Whole plans, in every format ---

IDS = st.text("0123456789abcdef", min_size=24, max_size=24).filter(lambda text: not text.startswith("0000"))
NUMBERS = st.one_of(
    st.from_regex(r"[A-Z][0-9]{6,9}", fullmatch=True),
    st.text(string.digits, min_size=9, max_size=12),
    st.from_regex(r"[a-z]{2}-[0-9]{6}_[0-9]", fullmatch=True),
)
CATALOGUE_IDS = [f"56e1741a6fc936530600000{digit}" for digit in range(4)]


@st.composite
def fleets(draw):
    """Declared and known accounts whose ids and numbers stand in every text that there is; and those."""
    originals = draw(st.lists(IDS, min_size=9, max_size=9, unique=True))
    numbers = draw(st.lists(NUMBERS, min_size=9, max_size=9, unique=True))
    declared, known = [], []
    for place in range(draw(st.integers(1, 3))):
        account, owns = originals[place], originals[3 + place * 2 : 5 + place * 2]
        customer, inside = numbers[place], numbers[3 + place * 2 : 5 + place * 2]
        spot = f"manifests/{account}/x{customer}y.yaml"
        wants, haves = [], []
        for index, (own, number) in enumerate(zip(owns, inside, strict=True)):
            is_known, told = draw(st.booleans()), draw(st.sampled_from([None, own]))
            if is_known:
                haves.append(
                    KnownProduct(
                        product_id=CATALOGUE_IDS[index],
                        user_product_id=own,
                        state=draw(st.sampled_from(["activated", "cancelled", "deactivated", "frozen"])),
                        subscription_type="limited",
                        valid_from=minute("2026-01-01"),
                        valid_to=draw(st.sampled_from([minute("2026-10-01"), minute("2027-10-01")])),
                        subscription_number=draw(st.sampled_from([None, number, f"9{number}"])),
                        provision_service=draw(st.sampled_from(["tulo", "kayak"])),
                    )
                )
            if draw(st.integers(0, 3)):
                wants.append(
                    DeclaredProduct(
                        source=Source(spot, 9 + index, {"state": 12}),
                        # Nobody can tell a user product's own id from the catalogue's unless it is named as such.
                        product_id=draw(st.sampled_from([CATALOGUE_IDS[index], own if is_known or told else None]))
                        or CATALOGUE_IDS[index],
                        user_product_id=told,
                        state=draw(st.sampled_from(["activated", "deactivated"])),
                        valid_to=draw(st.sampled_from([None, moment("2028-01-01")])),
                        subscription_number=draw(st.sampled_from([None, number])),
                    )
                )
        if haves or draw(st.booleans()):
            known.append(KnownAccount(account, customer_number=customer, user_products=tuple(haves)))
        if wants or draw(st.booleans()):
            declared.append(
                DeclaredAccount(
                    account_id=account,
                    source=Source(spot, 1),
                    customer_number=customer,
                    owner=f"for {customer.lower()} ({account})",
                    labels={f"c-{customer}": owns[0], "plain": "north"},
                    sync={"address": f"moved {customer}"} if draw(st.booleans()) else {},
                    user_products=tuple(wants),
                )
            )
    named = {account.account_id for account in (*declared, *known)}
    return declared, known, [*named, *originals[3:], *numbers]


def planned(declared, known):
    context = replace(CONTEXT, select=tuple(f"account={account.account_id}" for account in declared))
    ordered = sorted(declared, key=lambda account: account.account_id)
    return seal(make_plan(ordered, view(known), context, manifests_digest="sha256:" + "7" * 64))


def taught(declared):
    """What the commands know from the manifests: also of accounts without a step, which a plan doesn't name."""
    names = Pseudonyms(KEY)
    names.learn(account.customer_number for account in declared)
    return names


def every_format(plan):
    """A plan as every command shows it, by format."""
    invocation = render.Invocation("plan.json", ("manifests",), ())
    return {
        "text": "\n".join(render.plan_to_text(plan, invocation=invocation, color=True)),
        "markdown": "\n".join(render.plan_to_markdown(plan, invocation=invocation)),
        "html": "".join(render.plan_to_html(plan, invocation=invocation)),
        "json": plan_text(plan),
        "explain": "\n".join(render.explain_to_text(plan)),
        "requests": "\n".join(render.requests_to_text(plan)),
    }


def assert_none_of(originals, shown):
    for form, text in shown.items():
        low = text.lower()
        assert [one for one in originals if one.lower() in low] == [], form


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(fleets())
def test_no_original_is_in_any_format_of_a_plan(fleet):
    declared, known, originals = fleet
    plan = planned(declared, known)
    shown = every_format(of_plan(plan, taught(declared)))
    assert_none_of(originals, shown)
    for digest in (plan.plan_id, plan.steps_digest, *(step.known for step in plan.steps)):
        assert all(digest not in text for text in shown.values())


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(fleets())
def test_a_plan_with_stand_ins_tells_the_same_and_leads_back(fleet):
    declared, known, _ = fleet
    plan = planned(declared, known)
    names = Pseudonyms(KEY)
    shown = of_plan(plan, names)
    assert len(plan_text(shown).splitlines()) == len(plan_text(plan).splitlines())
    assert [step.action for step in shown.steps] == [step.action for step in plan.steps]
    assert (shown.summary, shown.as_of, shown.environment) == (plan.summary, plan.as_of, plan.environment)
    assert schema_errors("plan", json.loads(plan_text(shown))) == []
    text = plan_text(shown)
    for name, value in sorted(names.made.items(), key=lambda pair: -len(pair[0])):
        text = text.replace(name, value)
    back = json.loads(text)
    assert back.pop("format") == "reconciler.pseudonymized-plan/v1"
    expected = json.loads(plan_text(plan))
    del expected["format"]
    # An owner may have been written in small letters, which lead back to the number as it is.
    for data in (back, expected):
        for account in data["accounts"]:
            account["owner"] = account["owner"] and account["owner"].lower()
    assert back == expected


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(fleets(), st.data())
def test_no_original_is_in_any_format_of_a_run(fleet, data):
    declared, known, originals = fleet
    plan = planned(declared, known)
    steps = tuple(
        StepReport(
            number=step.number,
            action=step.action,
            account_id=step.account_id,
            product_id=step.product_id,
            user_product_id=step.user_product_id,
            customer_number=step.customer_number,
            status=data.draw(st.sampled_from(["applied", "rejected", "in_doubt"])),
            attempts=1,
            http_status=409,
            code=data.draw(st.sampled_from(["invalid_state", f"no_{step.account_id}"])),
            field="account_id",
            message=" ".join(["refused:", step.account_id, *step.request.body.values()]),
            answered_id=data.draw(st.sampled_from(originals[:1])),
            at="2026-11-24T10:00:00Z",
            source=step.source,
        )
        for step in plan.steps
    )
    report = RunReport(
        "20261124T100000-abc123", plan.plan_id, "stage", "https://x.example.com", "finished", "2026-11-24T10:00:00Z",
        "2026-11-24T10:00:09Z", 7, None, {}, steps,
    ).to_json()  # fmt: skip
    shown = of_report(report, plan, taught(declared))
    assert set(shown) == set(report)
    assert_none_of(
        originals,
        {
            "json": json.dumps(shown),
            "text": "\n".join(render.report_to_text(shown)),
            "markdown": "\n".join(render.report_to_markdown(shown)),
            "html": "".join(render.report_to_html(shown)),
        },
    )


def test_a_plan_with_stand_ins_is_refused_with_the_reason(tmp_path):
    declared = [DeclaredAccount(ACCOUNT, Source("a.yaml", 1), customer_number="1234567890", sync={"address": "1"})]
    text = plan_text(of_plan(planned(declared, []), Pseudonyms(KEY)))
    with pytest.raises(StalePlan, match="holds stand-ins for readers' ids") as refused:
        read_plan(text, name="plan.json")
    assert "plan --out" in refused.value.hint


# --- Manifests that may be broken ---


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("account_id: 1a", [("account_id", "1a")]),
        ('"customer_number": "0012 3", "owner": x', [("customer_number", "0012 3")]),
        ("{customer_number: '00''12', owner: x}", [("customer_number", "00''12".replace("''", "'"))]),
        ("- {user_product_id: 7f, state: activated}", [("user_product_id", "7f")]),
        ("subscription_number: 12 34 # note", [("subscription_number", "12 34")]),
        ("customer_number:\n  99x\nowner: y", [("customer_number", "99x")]),
        ("customer_number:\nowner: y", []),
        ("customer_number: |\n  99x\n", [("customer_number", "99x")]),
        ("customer_number: !!int 99", [("customer_number", "99")]),
        ("customer_number: &a 99", [("customer_number", "99")]),
        ("CUSTOMER_NUMBER : 99", [("customer_number", "99")]),
        ("my_account_id: 99", []),
        ("product_id: 7a\nuser_product_id: 7b", [("product_id", "7a"), ("user_product_id", "7b")]),
    ],
)
def test_what_manifests_hold_is_found_however_it_is_written(text, found):
    assert list(values_in(text)) == found


NUMBER, OTHER_NUMBER = "1234567890", "0077665544"
HEAD = f"apiVersion: payway/v1\nkind: Account\naccount_id: {ACCOUNT}\ncustomer_number: '{NUMBER}'\n"
PRODUCT = f"user_products:\n  - product_id: {CATALOGUE}\n    user_product_id: {OWN}\n"

#: Manifests with something wrong, near what names a reader.
WRONG = {
    "short id": HEAD.replace(ACCOUNT, ACCOUNT[:-1]) + PRODUCT,
    "id with a space": HEAD.replace(ACCOUNT, f"{ACCOUNT} x") + PRODUCT,
    "number with a space": HEAD.replace(NUMBER, "12345 67890") + PRODUCT,
    "number with a quote": HEAD.replace(f"'{NUMBER}'", '"12345\'67890"') + PRODUCT,
    "number with a control character": HEAD.replace(f"'{NUMBER}'", '"12345\\u000767890"') + PRODUCT,
    "number too long": HEAD.replace(NUMBER, NUMBER * 7) + PRODUCT,
    "number as a list": HEAD.replace(f"'{NUMBER}'", f"[{NUMBER}]") + PRODUCT,
    "number twice": HEAD + f"customer_number: '{OTHER_NUMBER}'\n" + PRODUCT,
    "a plain number": HEAD + PRODUCT + f"    subscription_number: {OTHER_NUMBER}\n    state: activated\n",
    "a number with a tag": HEAD + PRODUCT + f"    subscription_number: !!int {OTHER_NUMBER}\n",
    "an anchor": HEAD.replace(f"'{NUMBER}'", f"&{NUMBER} x") + PRODUCT,
    "an id as a key": HEAD + PRODUCT + f"    {ACCOUNT}: x\n",
    "the account twice": f"{HEAD}{PRODUCT}---\n{HEAD}{PRODUCT}",
    "the product twice": HEAD + PRODUCT + PRODUCT.partition("\n")[2],
    "another account with the number": f"{HEAD}user_products: []\n---\n"
    + HEAD.replace(ACCOUNT, ACCOUNT[:-1] + "e")
    + "user_products: []\n",
    "a word for a state": HEAD + PRODUCT + f"    state: activated {NUMBER}\n",
    "no YAML": HEAD + PRODUCT + f"  customer_number: [{NUMBER}\n",
}


def file_of(text):
    """A file's name that holds what the manifest itself does."""
    return "-".join(["a", *(secret for secret in (ACCOUNT, NUMBER) if re.search(rf"\b{secret}\b", text))]) + ".yaml"


SECRETS = (ACCOUNT[:-1], OWN, NUMBER, OTHER_NUMBER, "12345 67890", "12345'67890", "12345\\x0767890", "1234567890")
FORMATS = ("text", "json", "github", "sarif", "gitlab", "junit")


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", WRONG)
def test_no_original_is_in_any_finding(empty, name, form):
    path = empty / "manifests" / file_of(WRONG[name])
    path.parent.mkdir()
    path.write_text(WRONG[name])
    plain = call("validate", "--strict", "--format", form, cwd=empty)
    shown = call("validate", "--strict", "--format", form, "--pseudonymize", cwd=empty)
    assert shown.code == plain.code == 3, shown.said
    assert any(secret.lower() in plain.out.lower() for secret in SECRETS)
    assert_none_of(SECRETS, {"out": shown.out, "err": shown.err})
    assert shown.out.count("\n") == plain.out.count("\n")
    if form == "json":
        rules = [[one["rule"], one["line"], one["column"]] for one in json.loads(shown.out)["diagnostics"]]
        assert rules == [[one["rule"], one["line"], one["column"]] for one in json.loads(plain.out)["diagnostics"]]


@pytest.mark.parametrize("log", ["text", "json"])
@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("typed", [("manifests",), ("-",)], ids=["files", "stdin"])
def test_no_original_is_in_what_stops_a_plan(empty, name, typed, log):
    (empty / "manifests").mkdir()
    (empty / "manifests" / file_of(WRONG[name])).write_text(WRONG[name])
    (empty / "known.json").write_text(json.dumps({"format": "reconciler.known-state/v1", "accounts": []}))
    shown = call(
        "plan", "-e", "simulator", "--state=file:known.json", "--pseudonymize", "--log-format", log, *typed,
        cwd=empty, stdin=WRONG[name],
    )  # fmt: skip
    assert shown.code in (0, 3, 5), shown.said
    assert_none_of(SECRETS, {"out": shown.out, "err": shown.err})


@pytest.fixture
def empty(tmp_path):
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


# --- Through the commands ---


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The worked fleet with a plan file and a run that wasn't finished; and all that names a reader in it."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "manifests").symlink_to(ROOT / "manifests")
    snapshot = ROOT / "examples/known-state.json"
    assert call("state", "import", str(snapshot), "-e", "simulator", cwd=folder).code == 0
    assert call("plan", "-o", "plan.json", "-e", "simulator", cwd=folder).code == 0
    call("apply", "--limit", "4", "-e", "simulator", "plan.json", cwd=folder)
    # What shows nobody makes no table of stand-ins, whichever test comes first.
    assert call("show", "plan.json", "--pseudonymize", cwd=folder).code == 0
    text = snapshot.read_text() + "".join(path.read_text() for path in (ROOT / "manifests").iterdir())
    catalogue = {value for key, value in values_in(text) if key == "product_id"}
    found = {value for key, value in values_in(text) if key != "product_id"} - catalogue
    assert len(found) > 20
    return folder, sorted(found)


def run_of(folder):
    return json.loads(call("runs", "list", "--format", "json", "-e", "simulator", cwd=folder).out.splitlines()[0])[
        "run_id"
    ]


@pytest.mark.parametrize(
    "typed",
    [
        *(("plan", "-e", "simulator", "--format", form) for form in ("text", "json", "markdown", "html")),
        *(("show", "plan.json", "--format", form) for form in ("text", "json", "markdown", "html")),
        ("explain", "plan.json"),
        ("requests", "plan.json"),
        *(
            ("runs", "show", "RUN", "-e", "simulator", "--format", form)
            for form in ("text", "json", "markdown", "html")
        ),
        ("show", "RUN", "-e", "simulator", "--format", "text"),
        *(("validate", "--format", form) for form in FORMATS),
    ],
    ids=lambda typed: "-".join(typed).replace("-e-simulator-", ""),
)
def test_no_command_shows_an_original(made, typed):
    folder, originals = made
    run = run_of(folder)
    arguments = [run if word == "RUN" else word for word in typed]
    shown = call(*arguments, "--pseudonymize", cwd=folder)
    assert shown.code == 0, shown.said
    assert_none_of(originals, {"out": shown.out, "err": shown.err})
    plain = call(*arguments, cwd=folder)
    if typed[0] != "validate":
        assert any(one in plain.out for one in originals)
        assert "stand-ins" in shown.err
    back = call("reveal", cwd=folder, stdin=shown.out)
    assert back.code == 0, back.said
    assert "aren't in the table" not in back.err
    if typed[0] in ("explain", "requests") or "json" in typed:
        expected = plain.out.replace("reconciler.plan/v1", "reconciler.pseudonymized-plan/v1")
        moments = r"\"(as_of|expires_at|plan_id)\": ?\"[^\"]*\""
        # Stand-ins are longer than some numbers, so lines are broken elsewhere.
        assert re.sub(moments, "", back.out).split() == re.sub(moments, "", expected).split()


def test_the_file_of_out_is_the_real_plan(made):
    folder, _ = made
    shown = call("plan", "-e", "simulator", "--pseudonymize", "-o", "real.json", "--format", "json", cwd=folder)
    assert shown.code == 0
    (folder / "shared.json").write_text(shown.out)
    assert read_plan((folder / "real.json").read_text(), name="real.json").stand_ins is False
    for typed in (("apply", "-e", "simulator", "shared.json"), ("show", "shared.json"), ("explain", "shared.json")):
        refused = call(*typed, cwd=folder)
        assert refused.code == 4, refused.said
        assert "holds stand-ins for readers' ids (--pseudonymize)" in refused.err


def test_a_number_that_only_the_manifests_hold_is_found_in_a_saved_plan(empty):
    (empty / "manifests").mkdir()
    (empty / "manifests" / f"of-{NUMBER}.yaml").write_text(HEAD + PRODUCT + "    state: activated\n")
    known = {"account_id": ACCOUNT, "user_products": [{"user_product_id": OWN, "state": "frozen"}]}
    snapshot = {"format": "reconciler.known-state/v1", "environment": "stage", "accounts": [known]}
    (empty / "known.json").write_text(json.dumps(snapshot))
    assert call("plan", "-e", "stage", "--state=file:known.json", "-o", "plan.json", cwd=empty).code == 0
    assert f"of-{NUMBER}.yaml" in call("show", "plan.json", cwd=empty).out
    shown = call("show", "plan.json", "--pseudonymize", cwd=empty)
    assert shown.code == 0
    assert "of-pseudo-" in shown.out
    assert_none_of([NUMBER, ACCOUNT], {"out": shown.out})


def test_errors_with_ids_in_them_hold_stand_ins(made):
    folder, _ = made
    refused = call("show", f"{ACCOUNT}.json", "--pseudonymize", cwd=folder)
    assert refused.code == 3
    assert ACCOUNT not in refused.err
    assert "000000" in refused.err


def test_the_variable_switches_it_on_for_every_command(made):
    folder, originals = made
    shown = call("explain", "plan.json", cwd=folder, env={"RECONCILER_PSEUDONYMIZE": "true"})
    assert_none_of(originals, {"out": shown.out})


# --- The key and its table ---


def test_key_and_table_are_made_once_and_for_their_owner(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = open_keeper(None)
    assert len(first.notes) == 1
    text = first.text(f"account {ACCOUNT}")
    assert [path.stat().st_mode & 0o777 for path in (first.path, first.table, first.path.parent)] == [
        0o600,
        0o600,
        0o700,
    ]
    again = open_keeper(None)
    assert again.notes == ()
    assert again.text(f"account {ACCOUNT}") == text
    assert len(first.table.read_text().splitlines()) == 1
    assert sorted(path.name for path in first.path.parent.iterdir()) == ["pseudonyms.key", "pseudonyms.key.table"]


def test_another_key_has_other_stand_ins_and_another_table(tmp_path):
    one, two = open_keeper(str(tmp_path / "one")), open_keeper(str(tmp_path / "two"))
    assert one.text(ACCOUNT) != two.text(ACCOUNT)
    found = Revealed()
    assert "".join(reveal([two.text(ACCOUNT)], str(tmp_path / "one"), found)) == two.text(ACCOUNT)
    assert (found.count, found.unknown) == (0, {two.text(ACCOUNT)})


@pytest.mark.parametrize("content", ["", "x", "1" * 63, "G" * 64, "1" * 65, "é" * 64])
def test_what_is_no_key_is_refused(tmp_path, content):
    (tmp_path / "key").write_text(content)
    (tmp_path / "key").chmod(0o600)
    with pytest.raises(InvalidInput):
        open_keeper(str(tmp_path / "key"))


def test_a_key_that_others_can_read_is_told(tmp_path):
    keeper = open_keeper(str(tmp_path / "key"))
    keeper.path.chmod(0o644)
    assert "chmod 600" in open_keeper(str(tmp_path / "key")).notes[0]


def test_where_no_table_can_be_written_nothing_is_shown(made, tmp_path):
    folder, _ = made
    key = tmp_path / "key"
    open_keeper(str(key))
    table_of(key).mkdir()
    shown = call("explain", "plan.json", "--pseudonymize", f"--pseudonym-key={key}", cwd=folder)
    assert shown.code == 3
    assert shown.out == ""


def test_half_a_line_that_a_death_left_harms_nothing(tmp_path):
    keeper = open_keeper(str(tmp_path / "key"))
    shown = keeper.text(ACCOUNT)
    with keeper.table.open("a") as file:
        file.write('["000000')
    again = open_keeper(str(tmp_path / "key"))
    other = again.text(OWN)
    assert "".join(reveal([f"{shown} {other}"], str(tmp_path / "key"), Revealed())) == f"{ACCOUNT} {OWN}"


def test_what_is_put_back_cannot_act(tmp_path):
    keeper = open_keeper(str(tmp_path / "key"))
    keeper.names.learn(["1\x1b[2J2\n3"])
    shown = keeper.text("number 1\x1b[2J2\n3 it is")
    assert "\x1b" not in shown
    assert "".join(reveal([shown], str(tmp_path / "key"), Revealed())) == r"number 1\x1b[2J2\n3 it is"


@pytest.mark.parametrize("around", ["{}", "a{}b", "0{}", "x={}&", "0000{}00"])
def test_a_stand_in_is_found_whatever_stands_around_it(tmp_path, around):
    keeper = open_keeper(str(tmp_path / "key"))
    keeper.names.learn((ACCOUNT, "1234567890"))
    for value in (ACCOUNT, "1234567890"):
        shown = keeper.text(around.format(value))
        assert value not in shown
        assert "".join(reveal([shown], str(tmp_path / "key"), Revealed())) == around.format(value)


def test_reveal_without_a_table_says_where_it_looked(empty):
    refused = call("reveal", cwd=empty, stdin="x")
    assert refused.code == 3
    assert ".reconciler/pseudonyms.key.table" in refused.err


def test_reveal_leaves_text_that_isnt_text_as_it_is(made):
    folder, _ = made
    call("explain", "plan.json", "--pseudonymize", cwd=folder)
    (folder / "page").write_bytes(b"line\r\n\xff\xfe end")
    assert call("reveal", "page", cwd=folder).code in (0, 1)
