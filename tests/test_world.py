"""The simulator's world: made from known state, kept in a file, found again."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import InvalidInput, StoreFailed
from reconciler.instants import minute_of
from reconciler.model import UNKNOWN, DeclaredAccount, DeclaredProduct, KnownAccount, KnownProduct, Source
from reconciler.payway.world import World
from reconciler.payway.worldfile import account_line
from reconciler.payway.worldmodel import WorldAccount, WorldProduct, made_up_id

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
MINUTE = minute_of(NOW)
ONE, TWO = "a" * 24, "b" * 24
OWN, CATALOGUE = "1" * 24, "c" * 24
HEAD = '{"format":"reconciler.world/v1"}\n'


def from_known(*accounts: KnownAccount, **options) -> World:
    return World.from_known(accounts, lambda: NOW, **options)


def the_product(world: World, account_id: str = ONE) -> WorldProduct:
    [product] = world.account(account_id).user_products
    return product


# --- From known state ---


def test_what_is_known_is_taken_over():
    known = KnownProduct(CATALOGUE, OWN, "cancelled", "limited", MINUTE - 9, MINUTE + 9, "0012", "tulo")
    world = from_known(KnownAccount(ONE, "77", user_products=(known,)))
    product = WorldProduct(OWN, CATALOGUE, "cancelled", "limited", MINUTE - 9, MINUTE + 9, "0012", "tulo")
    assert world.account(ONE) == WorldAccount(ONE, "77", (product,))


@pytest.mark.parametrize(
    ("known", "filled"),
    [
        ({}, {"state": "activated", "subscription_type": "recurring", "provision_service": "*"}),
        ({"valid_to": MINUTE + 1}, {"subscription_type": "limited"}),
        ({"valid_to": None}, {"subscription_type": "recurring", "valid_to": None}),
        ({"subscription_type": None, "valid_to": MINUTE + 1}, {"subscription_type": None}),
        ({"state": None}, {"state": "activated"}),
        ({"state": ""}, {"state": "activated"}),
        ({"provision_service": None}, {"provision_service": None}),
        ({"subscription_number": ""}, {"subscription_number": None}),
        ({}, {"valid_from": None, "valid_to": None, "subscription_number": None}),
        # States are read at the clock's moment.
        ({"state": "cancelled", "valid_to": MINUTE}, {"state": "deactivated"}),
        ({"state": "pending", "valid_from": MINUTE}, {"state": "activated"}),
        # An observation is believed, even if the window speaks against it.
        ({"state": "activated", "valid_from": MINUTE + 9}, {"state": "activated"}),
    ],
)
def test_what_isnt_known_is_filled_in(known, filled):
    product = the_product(from_known(KnownAccount(ONE, user_products=(KnownProduct(CATALOGUE, OWN, **known),))))
    assert {name: getattr(product, name) for name in filled} == filled


def test_an_unknown_own_id_is_made_up_the_same_way_every_time():
    known = KnownAccount(ONE, user_products=(KnownProduct(CATALOGUE), KnownProduct(CATALOGUE)))
    first, second = from_known(known).account(ONE).user_products
    assert first.user_product_id == made_up_id(ONE, CATALOGUE, 0) == "e24d2b03102659269e59f52b"
    assert first.user_product_id != second.user_product_id
    assert from_known(replace(known, account_id=TWO)).account(TWO).user_products[0] != first


def test_manifests_lend_ids_and_customer_numbers_that_known_state_lacks():
    known = KnownAccount(ONE, user_products=(KnownProduct(CATALOGUE), KnownProduct(None, "2" * 24)))
    source = Source("a.yaml", 1)
    declared = DeclaredAccount(
        ONE,
        source,
        customer_number="77",
        user_products=(
            DeclaredProduct(source, CATALOGUE, OWN),
            DeclaredProduct(source, "d" * 24, "2" * 24),
            DeclaredProduct(source, "e" * 24, "3" * 24),
        ),
    )
    world = from_known(known, declared=[declared, replace(declared, account_id=TWO)])
    assert world.account_of_customer("77").account_id == ONE
    ids = [(p.product_id, p.user_product_id) for p in world.account(ONE).user_products]
    assert sorted(ids) == [(CATALOGUE, OWN), ("d" * 24, "2" * 24)]
    assert world.account(TWO) is None


def test_manifests_dont_overrule_what_is_known():
    source = Source("a.yaml", 1)
    declared = DeclaredAccount(ONE, source, "77", user_products=(DeclaredProduct(source, CATALOGUE, "9" * 24),))
    known = KnownAccount(ONE, None, user_products=(KnownProduct(CATALOGUE, OWN),))
    world = from_known(known, declared=[declared])
    assert the_product(world).user_product_id == OWN
    assert world.account(ONE).customer_number is None


def test_a_manifest_without_the_id_leaves_it_to_be_made_up():
    source = Source("a.yaml", 1)
    declared = DeclaredAccount(ONE, source, user_products=(DeclaredProduct(source, CATALOGUE),))
    known = KnownAccount(ONE, user_products=(KnownProduct(CATALOGUE),))
    assert the_product(from_known(known, declared=[declared])).user_product_id == made_up_id(ONE, CATALOGUE, 0)


def test_the_world_can_be_read_back_as_a_perfect_export_would_have_it():
    product = KnownProduct(CATALOGUE, OWN, "cancelled", None, None, MINUTE + 5, None, UNKNOWN)
    known = KnownAccount(ONE, "77", user_products=(product,))
    world = from_known(known)
    assert list(world.known(MINUTE)) == [known]
    [later] = world.known(MINUTE + 5)
    assert later.user_products == (replace(product, state="deactivated"),)


# --- Finding ---


def test_accounts_are_found_by_id_number_and_user_product():
    world = World(accounts=[WorldAccount(TWO, "78"), WorldAccount(ONE, "77", (WorldProduct(OWN),))])
    assert [account.account_id for account in world.accounts()] == [ONE, TWO]
    assert len(world) == 2
    assert world.account_of_customer("78").account_id == TWO
    assert world.owner_of(OWN) == ONE
    assert (world.account("f" * 24), world.account_of_customer("79"), world.owner_of("f" * 24)) == (None, None, None)


def test_what_an_account_gives_up_isnt_found_there_any_more():
    world = World(accounts=[WorldAccount(ONE, "77", (WorldProduct(OWN),))])
    world.put(WorldAccount(ONE, "78"))
    assert (world.account_of_customer("77"), world.owner_of(OWN)) == (None, None)
    world.put(WorldAccount(TWO, "77", (WorldProduct(OWN),)))
    assert (world.account_of_customer("77").account_id, world.owner_of(OWN)) == (TWO, TWO)


def test_of_two_accounts_with_one_number_the_first_keeps_it():
    world = World(accounts=[WorldAccount(TWO, "77", (WorldProduct(OWN),)), WorldAccount(ONE, "77")])
    assert world.account_of_customer("77").account_id == TWO
    world.put(WorldAccount(ONE, None))
    assert world.account_of_customer("77").account_id == TWO


# --- The file ---

IDS = st.text("0123456789abcdef", min_size=24, max_size=24)
TEXTS = st.none() | st.text(min_size=1, max_size=8).filter(lambda text: text.isprintable())
MINUTES = st.none() | st.integers(-(10**7), 10**8)
EXTERNAL = st.builds(
    KnownProduct,
    product_id=IDS,
    state=st.sampled_from([UNKNOWN, "activated"]),
    valid_to=MINUTES | st.just(UNKNOWN),
    subscription_number=TEXTS | st.just(UNKNOWN),
)
ACCOUNTS = st.builds(
    WorldAccount,
    account_id=IDS,
    customer_number=TEXTS,
    user_products=st.lists(
        st.builds(
            WorldProduct,
            user_product_id=IDS,
            product_id=st.none() | IDS,
            state=st.sampled_from(["activated", "cancelled", "a new word"]),
            subscription_type=TEXTS,
            valid_from=MINUTES,
            valid_to=MINUTES,
            subscription_number=TEXTS,
            provision_service=TEXTS,
        ),
        max_size=3,
        unique_by=lambda p: p.user_product_id,
    ).map(lambda products: tuple(sorted(products, key=lambda p: (p.product_id or "", p.user_product_id)))),
    syncs=st.fixed_dictionaries({"address": st.integers(0, 5), "subscriptions": st.integers(0, 5)}),
    external=st.none() | st.lists(EXTERNAL, max_size=1).map(tuple),
)


@given(accounts=st.lists(ACCOUNTS, max_size=5))
def test_a_world_is_the_same_after_its_file_is_opened_again(tmp_path_factory, accounts):
    path = tmp_path_factory.mktemp("world") / "world.jsonl"
    world = World(path)
    for account in accounts:
        world.put(account)
    after = list(world.accounts())
    assert list(World(path).accounts()) == after  # as if killed
    world.close()
    assert list(World(path).accounts()) == after
    assert len(path.read_text().splitlines()) == 1 + len(after)


def test_a_new_world_file_is_its_owners_alone_and_made_with_its_folder(tmp_path):
    path = tmp_path / "deep" / "world.jsonl"
    World.from_known([KnownAccount(ONE)], lambda: NOW, path=path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().startswith(HEAD)
    assert [p.name for p in path.parent.iterdir()] == ["world.jsonl"]


def test_a_change_is_one_line_more_and_there_at_once(tmp_path):
    path = tmp_path / "world.jsonl"
    world = World(path, [WorldAccount(ONE, "77"), WorldAccount(TWO)])
    before = path.read_text()
    changed = replace(world.account(ONE), customer_number="78")
    world.put(changed)
    assert path.read_text() == before + account_line(changed) + "\n"
    world.put(changed)
    assert path.read_text() == before + account_line(changed) + "\n"
    world.close()
    assert path.read_text() == HEAD + account_line(changed) + "\n" + account_line(WorldAccount(TWO)) + "\n"


def test_a_file_that_needs_no_tidying_isnt_touched(tmp_path):
    path = tmp_path / "world.jsonl"
    text = HEAD + "\n" + f'{{ "account_id": "{ONE.upper()}" }}\n'
    path.write_text(text)
    World(path).close()
    assert path.read_text() == text


def ids_if_killed_now(path: Path) -> list[str]:
    """The accounts that the file holds, though nobody closed it."""
    copy = path.with_name("copy.jsonl")
    copy.write_bytes(path.read_bytes())
    return [account.account_id for account in World(copy).accounts()]


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_torn_last_line_is_ignored_and_spoils_nothing_after_it(tmp_path, cut):
    path = tmp_path / "world.jsonl"
    first, second = account_line(WorldAccount(ONE, "77")), account_line(WorldAccount(ONE, "78"))
    path.write_text(HEAD + first + "\n" + second[:cut])
    world = World(path)
    assert world.account(ONE).customer_number == "77"
    world.put(WorldAccount(TWO))
    assert ids_if_killed_now(path) == [ONE, TWO]
    world.close()


def test_a_last_line_without_its_end_counts_if_it_is_whole(tmp_path):
    path = tmp_path / "world.jsonl"
    path.write_text(HEAD + account_line(WorldAccount(ONE, "77")))
    world = World(path)
    world.put(WorldAccount(TWO))
    assert ids_if_killed_now(path) == [ONE, TWO]
    world.close()


def test_a_line_written_by_hand_is_filled_in_like_known_state(tmp_path):
    path = tmp_path / "world.jsonl"
    product = {"product_id": CATALOGUE.upper(), "valid_to": "2026-12-01 13:00 +0100"}
    account = {"account_id": ONE, "user_products": [product], "observed_at": "2026-11-24T10:00:00Z", "synced": {}}
    path.write_text(HEAD + json.dumps(account) + "\n")
    end = minute_of(datetime(2026, 12, 1, 12, tzinfo=UTC))
    own = made_up_id(ONE, CATALOGUE, 0)
    assert the_product(World(path)) == WorldProduct(own, CATALOGUE, "activated", "limited", valid_to=end)


def test_the_example_of_the_docs_is_a_world(tmp_path):
    page = (Path(__file__).parents[1] / "docs" / "simulator.md").read_text("utf-8")
    path = tmp_path / "world.jsonl"
    path.write_text(page.partition("```json\n")[2].partition("```")[0])
    assert the_product(World(path), "52a781d6400e06897c00000f").state == "cancelled"


def with_keys(keys: str) -> str:
    """A world of one account with further keys."""
    return HEAD + f'{{"account_id": "{ONE}", {keys}}}\n'


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("", 1, "empty"),
        ("{", 1, "isn't JSON"),
        ("[]\n", 1, "must be a head"),
        (account_line(WorldAccount(ONE)) + "\n", 1, "must be a head"),
        ('{"format": "reconciler.known-state/v1"}\n', 1, "not 'reconciler.world/v1'"),
        (HEAD + "{\n{}\n", 2, "isn't JSON"),
        (HEAD + "7\n", 2, "must be an object"),
        (HEAD + "{}\n", 2, "account_id is missing"),
        (HEAD + '{"account_id": null}\n', 2, "must not be null"),
        (HEAD + '{"account_id": "xyz"}\n', 2, "24 hex digits"),
        (with_keys('"name": "x"'), 2, "no key 'name'"),
        (with_keys('"customer_number": 77'), 2, "must be text or null"),
        (with_keys('"user_products": {}'), 2, "must be a list"),
        (with_keys('"user_products": [{}]'), 2, "needs a user_product_id or"),
        (with_keys('"user_products": [{"sate": "x"}]'), 2, "no key 'sate'"),
        (with_keys('"user_products": [{"state": ""}]'), 2, "must be text"),
        (with_keys('"user_products": [{"valid_to": "soon"}]'), 2, "isn't a time"),
        (with_keys('"syncs": {"addresses": 1}'), 2, "no key 'addresses'"),
        (with_keys('"syncs": {"address": true}'), 2, "whole numbers"),
        (with_keys('"external": {"user_products": [{}]}'), 2, "needs a"),
        (with_keys('"external": []'), 2, "must be an object"),
    ],
    ids=range(21),
)
def test_a_file_that_cant_be_a_world_is_refused_with_its_line(tmp_path, text, line, why):
    path = tmp_path / "world.jsonl"
    path.write_text(text)
    with pytest.raises(InvalidInput) as raised:
        World(path)
    assert f"{path}:{line}: " in raised.value.message and why in raised.value.message
    assert path.read_text() == text


def test_files_that_cant_be_read_or_written_are_said(tmp_path):
    (tmp_path / "latin").write_bytes(b"\xff")
    with pytest.raises(InvalidInput, match="utf-8"):
        World(tmp_path / "latin")
    with pytest.raises(InvalidInput, match="can't be read"):
        World(tmp_path)
    with pytest.raises(StoreFailed, match="can't be written"):
        World(tmp_path / "x" / ("y" * 300), [WorldAccount(ONE)])


class FullDisk:
    """An open file on a disk that takes half of a line."""

    def __init__(self, real) -> None:
        self.real = real

    def __getattr__(self, name):
        return getattr(self.real, name)

    def write(self, data: bytes) -> int:
        return self.real.write(data[: len(data) // 2])


def test_a_change_that_cant_be_written_didnt_happen(tmp_path):
    path = tmp_path / "world.jsonl"
    world = World(path, [WorldAccount(ONE, "77")])
    world.put(WorldAccount(ONE, "78"))
    text = path.read_text()
    world._file._out = FullDisk(world._file._out)
    with pytest.raises(StoreFailed, match="No space left"):
        world.put(WorldAccount(ONE, "79"))
    assert world.account(ONE).customer_number == "78"
    assert path.read_text() == text
    world.close()
