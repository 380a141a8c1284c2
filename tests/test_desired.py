"""Contract, section 1: every refusal and warning with its place, and what sound manifests come to."""

import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.errors import InvalidInput, UsageError
from reconciler.instants import parse_known
from reconciler.manifests.desired import digest, load_desired
from reconciler.manifests.selecting import Selector, parse_selector, selectable, selects

NOW = parse_known("2026-11-24T10:00:00Z")

ACCOUNT = "52a781d6400e06897c00000f"
OTHER_ACCOUNT = "52a781d6400e06897c000010"
PRODUCT = "56e1741a6fc9365306000002"
USER_PRODUCT = "56e1741a6fc9365306000034"
OTHER_USER_PRODUCT = "56e1741a6fc9365306000035"

# Lines 1 to 3 of most manifests below; a row's own text starts on line 4.
HEAD = f"apiVersion: payway/v1\nkind: Account\naccount_id: {ACCOUNT}\n"
NONE = "user_products: []\n"
# Lines 4 and 5: the row's own text starts on line 6, in column 5.
ITEM = f"user_products:\n  - product_id: {PRODUCT}\n"


def second(account: str, text: str) -> str:
    return f"---\napiVersion: payway/v1\nkind: Account\naccount_id: {account}\n{text}"


DEEP = "labels:" + " [" * 17
# Lines 4 and 5, again: a product that only its user_product_id names.
OWNED = f"user_products:\n  - user_product_id: {USER_PRODUCT}\n"
OWNED_TOO = f"  - user_product_id: {USER_PRODUCT}\n"
FROM = "    valid_from: 2036-02-20 13:00 +0100\n"
NUMBER = "    subscription_number: a1\n"
CUSTOMER = "customer_number: a1\n" + NONE

#: Rule, its place, the place it relates to (or ""), the manifest.
ERRORS = [
    # The text.
    ("bad-yaml", "4:8", "", HEAD + "owner: [\n"),
    ("bad-yaml", "4:8", "", HEAD + 'owner: "never closed\nuser_products: []\n'),
    ("bad-yaml", "4:12", "", HEAD + "owner: Anna: Bo\n" + NONE),
    ("bad-yaml", "5:1", "", HEAD + "owner: x\n\tlabels: {}\n"),
    ("bad-yaml", "4:8", "", HEAD + "owner: @desk\n" + NONE),
    ("bad-yaml", "4:8", "", HEAD + "owner: \x07\n" + NONE),
    ("bad-yaml", "4:11", "", HEAD + 'owner: "a \\q"\n' + NONE),
    ("not-utf8", "4:9", "", (HEAD + "owner: x").encode() + b"\xff\n"),
    ("not-utf8", "1:1", "", (HEAD + NONE).encode("utf-16")),
    ("not-utf8", "1:1", "", (HEAD + NONE).encode("utf-16-le")),
    ("not-utf8", "1:1", "", (HEAD + NONE).encode("utf-16-be")),
    ("nul-character", "4:9", "", HEAD + "owner: x\0\n" + NONE),
    ("nul-character", "4:8", "", HEAD + 'owner: "x\\0"\n' + NONE),
    ("nesting-too-deep", "4:39", "", HEAD + DEEP + "\n"),
    # What YAML offers and a manifest doesn't have.
    ("duplicate-key", "5:1", "4:1", HEAD + "owner: a\nowner: b\n" + NONE),
    ("duplicate-key", "4:16", "4:10", HEAD + "labels: {a: x, 'a': y}\n" + NONE),
    ("anchor", "4:8", "", HEAD + "owner: &desk a\n" + NONE),
    ("anchor", "5:5", "", HEAD + "user_products:\n  - &p\n    product_id: " + PRODUCT + "\n"),
    ("anchor", "4:1", "", HEAD + "&key owner: a\n" + NONE),
    ("alias", "4:8", "", HEAD + "owner: *desk\n" + NONE),
    ("alias", "4:10", "", HEAD + "labels: {*a : b}\n" + NONE),
    ("merge-key", "4:10", "", HEAD + "labels: {<<: {a: b}}\n" + NONE),
    ("tag", "4:8", "", HEAD + "owner: !!str a\n" + NONE),
    ("tag", "4:8", "", HEAD + "owner: ! a\n" + NONE),
    ("tag", "4:8", "", HEAD + "owner: !mine!x a\n" + NONE),
    ("tag", "4:16", "", HEAD + "user_products: !!seq []\n"),
    ("non-text-key", "4:10", "", HEAD + "labels: {[a]: b}\n" + NONE),
    ("non-text-key", "4:10", "", HEAD + "labels: {{a: b}: c}\n" + NONE),
    ("non-text-key", "4:10", "", HEAD + "labels: {~: b}\n" + NONE),
    ("null-value", "4:8", "", HEAD + "owner: null\n" + NONE),
    ("null-value", "4:8", "", HEAD + "owner: Null\n" + NONE),
    ("null-value", "4:8", "", HEAD + "owner: NULL\n" + NONE),
    ("null-value", "4:8", "", HEAD + "owner: ~\n" + NONE),
    ("null-value", "4:7", "", HEAD + "owner:\n" + NONE),
    ("null-value", "4:15", "", HEAD + "user_products:\n"),
    ("null-value", "5:5", "", HEAD + "user_products:\n  - ~\n"),
    ("empty-document", "2:1", "", "---\n~\n"),
    ("empty-document", "1:5", "", "--- null\n"),
    # The schema.
    ("unknown-key", "4:1", "", HEAD + "ovner: a\n" + NONE),
    ("unknown-key", "6:5", "", HEAD + ITEM + "    sate: activated\n"),
    ("unknown-key", "4:8", "", HEAD + "sync: {adress: a}\ncustomer_number: a1\n" + NONE),
    ("missing-key", "1:1", "", HEAD),
    ("missing-key", "1:1", "", "apiVersion: payway/v1\nkind: Account\n" + NONE),
    ("missing-key", "2:1", "", f"---\nkind: Account\naccount_id: {ACCOUNT}\n{NONE}"),
    ("missing-key", "1:1", "", f"apiVersion: payway/v1\naccount_id: {ACCOUNT}\n{NONE}"),
    ("missing-key", "5:5", "", HEAD + OWNED + "    state: activated\n"),
    ("missing-key", "5:5", "", HEAD + OWNED + "    valid_to: 2036-10-02T13:00Z\n"),
    ("missing-product-id", "5:5", "", HEAD + "user_products:\n  - state: activated\n"),
    ("missing-product-id", "4:17", "", HEAD + "user_products: [{}]\n"),
    ("sync-without-customer-number", "4:1", "", HEAD + 'sync: {address: "1 a"}\n' + NONE),
    ("wrong-type", "1:1", "", "just text\n"),
    ("wrong-type", "1:1", "", "- a\n"),
    ("wrong-type", "4:8", "", HEAD + "owner: [a]\n" + NONE),
    ("wrong-type", "4:9", "", HEAD + "labels: text\n" + NONE),
    ("wrong-type", "4:13", "", HEAD + "labels: {a: {b: c}}\n" + NONE),
    ("wrong-type", "4:16", "", HEAD + "user_products: none\n"),
    ("wrong-type", "4:16", "", HEAD + "user_products: {}\n"),
    ("wrong-type", "5:5", "", HEAD + "user_products:\n  - text\n"),
    ("wrong-type", "6:14", "", HEAD + ITEM + "    protect: yes\n"),
    ("wrong-type", "6:14", "", HEAD + ITEM + "    protect: 'true'\n"),
    ("wrong-type", "6:14", "", HEAD + ITEM + "    protect: True\n"),
    ("unknown-word", "1:13", "", f"apiVersion: payway/v2\nkind: Account\naccount_id: {ACCOUNT}\n{NONE}"),
    ("unknown-word", "2:7", "", f"apiVersion: payway/v1\nkind: account\naccount_id: {ACCOUNT}\n{NONE}"),
    ("unknown-word", "6:12", "", HEAD + ITEM + "    state: cancelled\n"),
    ("unknown-word", "6:24", "", HEAD + ITEM + "    subscription_type: Limited\n"),
    ("bad-pattern", "3:13", "", f"apiVersion: payway/v1\nkind: Account\naccount_id: {ACCOUNT[:-1]}g\n{NONE}"),
    ("bad-pattern", "3:13", "", f'apiVersion: payway/v1\nkind: Account\naccount_id: "{ACCOUNT}\\n"\n{NONE}'),
    ("bad-pattern", "3:13", "", f'apiVersion: payway/v1\nkind: Account\naccount_id: "{ACCOUNT[:-1]}\\n"\n{NONE}'),
    ("bad-pattern", "4:18", "", HEAD + "customer_number: '12 34'\n" + NONE),
    ("bad-pattern", "4:18", "", HEAD + "customer_number: ١٢٣\n" + NONE),
    ("bad-pattern", "4:18", "", HEAD + 'customer_number: "12\\n"\n' + NONE),
    ("bad-pattern", "6:26", "", HEAD + ITEM + "    subscription_number: a/b\n"),
    ("bad-length", "3:13", "", f"apiVersion: payway/v1\nkind: Account\naccount_id: {ACCOUNT}0\n{NONE}"),
    ("bad-length", "5:17", "", HEAD + f"user_products:\n  - product_id: {PRODUCT[:-1]}\n"),
    ("bad-length", "4:18", "", HEAD + "customer_number: ''\n" + NONE),
    ("bad-length", "4:18", "", HEAD + f"customer_number: {'x' * 51}\n" + NONE),
    ("bad-length", "6:26", "", HEAD + ITEM + f"    subscription_number: {'x' * 51}\n"),
    ("bad-length", "4:8", "", HEAD + f"owner: {'x' * 201}\n" + NONE),
    ("bad-length", "5:17", "", HEAD + "customer_number: a1\nsync: {address: ''}\n" + NONE),
    ("bad-length", "5:17", "", HEAD + f"customer_number: a1\nsync: {{address: {'x' * 201}}}\n" + NONE),
    ("bad-length", "4:13", "", HEAD + f"labels: {{a: {'x' * 201}}}\n" + NONE),
    ("bad-length", "4:10", "", HEAD + f"labels: {{{'x' * 101}: a}}\n" + NONE),
    # Times.
    ("bad-time", "6:15", "", HEAD + ITEM + "    valid_to: tomorrow\n"),
    ("bad-time", "6:15", "", HEAD + ITEM + "    valid_to: 2036-02-30 13:00 +0100\n"),
    ("bad-time", "6:15", "", HEAD + ITEM + "    valid_to: 2036-02-20 24:00 +0100\n"),
    ("bad-time", "6:15", "", HEAD + ITEM + "    valid_to: ٢036-02-20 13:00 +0100\n"),
    ("bad-time", "6:15", "", HEAD + ITEM + '    valid_to: "2036-02-20 13:00 +0100\\n"\n'),
    ("time-without-offset", "6:15", "", HEAD + ITEM + "    valid_to: 2036-02-20 13:00\n"),
    ("time-without-offset", "6:15", "", HEAD + ITEM + "    valid_to: 2036-02-20\n"),
    ("time-with-seconds", "6:15", "", HEAD + ITEM + "    valid_to: 2036-02-20T13:00:01Z\n"),
    ("time-with-seconds", "6:15", "", HEAD + ITEM + "    valid_to: 2036-02-20T13:00:00.0Z\n"),
    ("bad-offset", "6:15", "", HEAD + ITEM + "    valid_to: 2036-02-20 13:00 +1401\n"),
    ("bad-offset", "6:15", "", HEAD + ITEM + "    valid_to: 2036-02-20 13:00 -0000\n"),
    ("window-inverted", "7:15", "6:17", HEAD + ITEM + FROM + "    valid_to: 2036-02-20 12:00 +0000\n"),
    # Places that can't both be.
    ("duplicate-account", "8:13", "3:13", HEAD + NONE + second(ACCOUNT.upper(), NONE)),
    ("duplicate-product", "6:17", "5:17", HEAD + ITEM + f"  - product_id: {PRODUCT.upper()}\n"),
    ("duplicate-user-product", "6:22", "5:22", HEAD + OWNED + f"  - user_product_id: {USER_PRODUCT.upper()}\n"),
    ("duplicate-user-product", "11:22", "5:22", HEAD + OWNED + second(OTHER_ACCOUNT, OWNED)),
    ("duplicate-customer-number", "10:18", "4:18", HEAD + CUSTOMER + second(OTHER_ACCOUNT, CUSTOMER)),
]  # fmt: skip

WARNINGS = [
    ("duplicate-subscription-number", "8:26", "6:26", HEAD + ITEM + NUMBER + OWNED_TOO + NUMBER),
    ("ambiguous-scalar", "6:26", "", HEAD + ITEM + "    subscription_number: 0012345670\n"),
    ("ambiguous-scalar", "3:13", "", f"apiVersion: payway/v1\nkind: Account\naccount_id: {'1' * 24}\n{NONE}"),
    ("ambiguous-scalar", "4:8", "", HEAD + "owner: no\n" + NONE),
    ("ambiguous-scalar", "4:8", "", HEAD + "owner: 2016-10-02\n" + NONE),
    ("ambiguous-scalar", "4:8", "", HEAD + "owner: 13:00\n" + NONE),
    ("ambiguous-scalar", "4:8", "", HEAD + "owner: 1_000\n" + NONE),
    ("ambiguous-scalar", "4:8", "", HEAD + "owner: .5\n" + NONE),
    ("ambiguous-scalar", "4:10", "", HEAD + "labels: {on: a}\n" + NONE),
    ("ambiguous-scalar", "4:13", "", HEAD + "labels: {a: true}\n" + NONE),
    ("ambiguous-scalar", "6:15", "", HEAD + ITEM + "    valid_to: 2036-10-02T13:00:00Z\n"),
    ("limited-without-end", "6:24", "", HEAD + ITEM + "    subscription_type: limited\n"),
    ("window-over", "7:15", "", HEAD + ITEM + "    state: activated\n    valid_to: 2026-11-24 11:00 +0100\n"),
]  # fmt: skip


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, text: str | bytes, name: str = "a.yaml") -> None:
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())


def found(desired) -> list[tuple[str, str, str]]:
    return [
        (each.rule, f"{each.position}", f"{each.related}" if each.related is not None else "")
        for each in desired.diagnostics
    ]


def named(rows):
    return [pytest.param(*row, id=f"{row[0]}-{number}") for number, row in enumerate(rows)]


@pytest.mark.parametrize(("rule", "at", "related", "text"), named(ERRORS))
def test_every_refusal_has_its_rule_and_place(here, rule, at, related, text):
    write(here, text)
    desired = load_desired(["a.yaml"], now=NOW)
    assert found(desired) == [(rule, f"a.yaml:{at}", f"a.yaml:{related}" if related else "")]
    assert desired.errors == desired.diagnostics
    assert all(each.hint for each in desired.errors)


@pytest.mark.parametrize(("rule", "at", "related", "text"), named(WARNINGS))
def test_every_warning_has_its_rule_and_place(here, rule, at, related, text):
    write(here, text)
    desired = load_desired(["a.yaml"], now=NOW)
    assert found(desired) == [(rule, f"a.yaml:{at}", f"a.yaml:{related}" if related else "")]
    assert desired.errors == ()
    assert len(desired.accounts) == 1
    assert all(each.hint for each in desired.warnings)


FULL = f"""\
# yaml-language-server: $schema=../schemas/account.schema.json
apiVersion: payway/v1
kind: Account
account_id: 52A781D6400E06897C00000F
customer_number: "1234567890"
owner: circulation@example.com
labels: {{region: north, area: a}}
sync:
  subscriptions: "2026-11-24 renumbering"
  address: "1"
user_products:
  - product_id: 56E1741A6FC9365306000002
    user_product_id: {USER_PRODUCT}
    state: activated
    subscription_type: limited
    valid_from: 2016-10-02 13:00 +0100
    valid_to: 2036-11-02T13:00+01:00
    subscription_number: "0012345670"
    protect: true
  -
    user_product_id: {OTHER_USER_PRODUCT}
"""


def test_a_full_manifest_becomes_an_account_with_its_lines(here):
    write(here, FULL)
    desired = load_desired(["a.yaml"], now=NOW)
    assert desired.diagnostics == ()
    assert desired.files == 1
    [account] = desired.accounts
    assert account.to_json() == {
        "account_id": ACCOUNT,
        "customer_number": "1234567890",
        "owner": "circulation@example.com",
        "labels": {"area": "a", "region": "north"},
        "sync": {"address": "1", "subscriptions": "2026-11-24 renumbering"},
        "user_products": [
            {"user_product_id": OTHER_USER_PRODUCT},
            {
                "product_id": PRODUCT,
                "user_product_id": USER_PRODUCT,
                "state": "activated",
                "subscription_type": "limited",
                "valid_from": "2016-10-02 13:00 +0100",
                "valid_to": "2036-11-02 13:00 +0100",
                "subscription_number": "0012345670",
                "protect": True,
            },
        ],
    }
    assert (account.source.file, account.source.line) == ("a.yaml", 2)
    assert account.source.fields == {"customer_number": 5, "sync.subscriptions": 9, "sync.address": 10}
    first, last = account.user_products
    assert (first.source.line, last.source.line) == (12, 21)
    assert first.source.fields == {
        "product_id": 12,
        "user_product_id": 13,
        "state": 14,
        "subscription_type": 15,
        "valid_from": 16,
        "valid_to": 17,
        "subscription_number": 18,
        "protect": 19,
    }


def test_plain_scalars_mean_exactly_their_characters(here):
    write(
        here,
        HEAD + "customer_number: 0012345670\nowner: 2016-10-02\n"
        "labels: {a: no, b: 13:00, c: 1_000, d: 0x1F, e: 'null', f: \"~\", g: 1.0, h: ''}\n"
        + ITEM
        + "    subscription_number: 1e5\n",
    )
    [account] = load_desired(["a.yaml"], now=NOW).accounts
    assert account.customer_number == "0012345670"
    assert account.owner == "2016-10-02"
    labels = {"a": "no", "b": "13:00", "c": "1_000", "d": "0x1F", "e": "null", "f": "~", "g": "1.0", "h": ""}
    assert account.labels == labels
    assert account.user_products[0].subscription_number == "1e5"


def test_all_findings_of_all_files_come_at_once_in_order(here):
    write(here, HEAD + "ovner: a\nowner: [\n", "b.yaml")
    write(here, HEAD + "customer_number: 'a b'\nsate: x\nowner: ~\n", "a.yaml")
    write(here, HEAD + NONE, "c.yml")
    assert found(load_desired(["."], now=NOW)) == [
        ("missing-key", "a.yaml:1:1", ""),
        ("bad-pattern", "a.yaml:4:18", ""),
        ("unknown-key", "a.yaml:5:1", ""),
        ("null-value", "a.yaml:6:8", ""),
        ("bad-yaml", "b.yaml:5:8", ""),
        ("duplicate-account", "c.yml:3:13", "a.yaml:3:13"),
    ]


def test_accounts_are_in_the_order_of_their_ids_whatever_the_files(here):
    write(here, HEAD.replace(ACCOUNT, OTHER_ACCOUNT) + NONE, "a.yaml")
    write(here, HEAD.replace(ACCOUNT, ACCOUNT.upper()) + NONE, "b.yaml")
    desired = load_desired(["b.yaml", "a.yaml"], now=NOW)
    assert [account.account_id for account in desired.accounts] == [ACCOUNT, OTHER_ACCOUNT]
    assert desired.files == 2


def test_documents_with_errors_give_no_account_but_the_others_do(here):
    write(here, HEAD + "ovner: a\n" + NONE + second(OTHER_ACCOUNT, NONE))
    desired = load_desired(["a.yaml"], now=NOW)
    assert [account.account_id for account in desired.accounts] == [OTHER_ACCOUNT]


@pytest.mark.parametrize("bad", ["owner: &a x\n", "owner: x\nowner: y\n", "labels: {<<: {}}\n", "labels: {[a]: b}\n"])
def test_an_error_of_the_text_alone_refuses_the_account(here, bad):
    write(here, HEAD + bad + NONE)
    assert load_desired(["a.yaml"], now=NOW).accounts == ()


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "---\n# a\n---\n...\n", "\ufeff", "\n\n"])
def test_empty_files_and_documents_are_fine(here, text):
    write(here, text)
    desired = load_desired(["a.yaml"], now=NOW)
    assert (desired.accounts, desired.diagnostics, desired.files) == ((), (), 1)


def test_a_copied_document_with_a_customer_number_is_one_duplicate_account(here):
    text = "customer_number: a1\n" + NONE
    write(here, HEAD + text + second(ACCOUNT, text))
    assert found(load_desired(["a.yaml"], now=NOW)) == [("duplicate-account", "a.yaml:9:13", "a.yaml:3:13")]


def test_a_window_is_over_from_its_last_minute_on(here):
    write(here, HEAD + ITEM + "    state: activated\n    valid_to: 2026-11-24 11:00 +0100\n")
    rules = [[each.rule for each in load_desired(["a.yaml"], now=now).warnings] for now in (NOW - 1, NOW)]
    assert rules == [[], ["window-over"]]


@pytest.mark.parametrize("state", ["", "    state: deactivated\n"])
def test_a_window_that_is_over_is_no_matter_unless_activated(here, state):
    write(here, HEAD + ITEM + state + "    valid_to: 2020-11-24 11:00 +0100\n")
    assert load_desired(["a.yaml"], now=NOW).diagnostics == ()


def test_standard_input_is_a_manifest(here):
    desired = load_desired(["-", "-"], now=NOW, stdin=io.BytesIO((HEAD + "ovner: a\n" + NONE).encode()))
    assert found(desired) == [("unknown-key", "<stdin>:4:1", "")]
    assert desired.errors[0].hint == "did you mean owner?"


def test_no_manifest_at_all_is_an_error_of_the_input(here):
    with pytest.raises(InvalidInput, match="no manifest in"):
        load_desired(["."], now=NOW)
    with pytest.raises(InvalidInput, match="doesn't exist"):
        load_desired(["nowhere"], now=NOW)


def test_the_digest_knows_no_files_order_or_comments(here):
    write(here, FULL + second(OTHER_ACCOUNT, NONE))
    one = digest(load_desired(["."], now=NOW).accounts)
    (here / "a.yaml").unlink()
    write(here, "# words\n" + FULL.replace("2036-11-02T13:00+01:00", "2036-11-02 13:00 +0100"), "z.yaml")
    write(here, second(OTHER_ACCOUNT, NONE), "b.json")
    two = digest(reversed(load_desired(["."], now=NOW).accounts))
    assert one == two
    assert one.startswith("sha256:")
    assert digest(()) != one


# --- Selection ---


@pytest.mark.parametrize(
    ("text", "selector"),
    [
        (f"account={ACCOUNT.upper()}", Selector("account", ACCOUNT)),
        ("label.region=north", Selector("label", "north", "region")),
        ("label.a.b=c=d", Selector("label", "c=d", "a.b")),
        ("label.region=", Selector("label", "", "region")),
        ("owner=a@example.com", Selector("owner", "a@example.com")),
        ("file=manifests/*.yaml", Selector("file", "manifests/*.yaml")),
        ("file=./north.yaml", Selector("file", "north.yaml")),
    ],
)
def test_selectors_are_parsed(text, selector):
    assert parse_selector(text) == selector


@pytest.mark.parametrize(
    "text", ["", "account", "account=", "account=12", "label.=x", "label.x", "owner=", "file=", "file=.", "x=y", "=x"]
)
def test_a_selector_that_is_none_names_the_forms(text):
    with pytest.raises(UsageError) as raised:
        parse_selector(text)
    assert "account=ID, label.NAME=VALUE, owner=TEXT or file=GLOB" in (raised.value.hint or "")


@pytest.mark.parametrize(
    ("texts", "taken"),
    [
        ([], True),
        ([f"account={ACCOUNT}"], True),
        ([f"account={OTHER_ACCOUNT}"], False),
        (["label.region=north"], True),
        (["label.region=south"], False),
        (["label.other=north"], False),
        (["owner=circulation@example.com"], True),
        (["owner=circulation"], False),
        (["file=fleet/*.yaml"], True),
        (["file=a.yaml"], True),
        (["file=f*"], True),
        (["file=b.yaml"], False),
        (["label.region=south", "file=a.yaml"], True),
        (["label.region=south", "file=b.yaml"], False),
    ],
)
def test_selectors_widen(here, texts, taken):
    (here / "fleet").mkdir()
    write(here / "fleet", FULL)
    [account] = load_desired(["fleet"], now=NOW).accounts
    assert selects([parse_selector(text) for text in texts], selectable(account)) is taken


# --- Never a crash ---


def load(data: bytes):
    return load_desired(["-"], now=NOW, stdin=io.BytesIO(data))


PIECES = [
    *"\t\n\r :-?,[]{}#&*!|>'\"%@`~=\\\0é😀",
    "\n  ",
    "- ",
    ": ",
    "<<: ",
    "null",
    "true",
    "\\ud83d\\ude00",
    "\\x00",
]
PIECES += ["---\n", "...\n", "!!int ", "&a ", "*a", "\x85", "\u2028", "\ufeff", "2016-10-02", "'", "{a: ", "[a, ", "? "]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_findings_only(data):
    load(data)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=30))
def test_any_yaml_like_text_gives_findings_only(pieces):
    load("".join(pieces).encode())


@settings(max_examples=400, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, len(FULL)), st.integers(0, 30), st.sampled_from(PIECES) | st.text(max_size=5)),
        min_size=1,
        max_size=3,
    )
)
def test_any_mutation_of_a_manifest_gives_an_account_or_an_error(edits):
    text = FULL
    for start, length, new in edits:
        text = text[:start] + new + text[start + length :]
    desired = load(text.encode("utf-8", "surrogatepass"))
    lines = text.splitlines()
    for each in desired.diagnostics:
        assert 1 <= each.position.line <= len(lines) + 1
        assert each.position.column >= 1
    assert desired.accounts or desired.errors or not text.strip() or "#" in text or "---" in text


NAMES = st.sampled_from(
    [
        *("apiVersion", "kind", "account_id", "customer_number", "owner", "labels", "sync", "address", "x"),
        *("user_products", "product_id", "user_product_id", "state", "subscription_type"),
        *("valid_from", "valid_to", "subscription_number", "protect"),
    ]
)
VALUES = st.sampled_from(
    ["payway/v1", "Account", f'"{ACCOUNT}"', "a1", "activated", "limited", "2036-10-02 13:00 +0100", "true", "~", "[]"]
)
TREES = st.recursive(
    VALUES,
    lambda below: (
        st.lists(below, max_size=3).map(lambda items: "[" + ", ".join(items) + "]")
        | st.lists(st.tuples(NAMES, below), max_size=5).map(
            lambda pairs: "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"
        )
    ),
    max_leaves=25,
)


@settings(max_examples=300, deadline=None)
@given(TREES)
def test_any_shape_gives_findings_only(text):
    load(text.encode())
