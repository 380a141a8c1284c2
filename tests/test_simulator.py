"""The simulated Payway: every state × call by the vendor's pages, time, syncs, notes, and any sequence at all."""

from __future__ import annotations

import json
import stat
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.errors import StoreFailed
from reconciler.instants import minute_of, parse_known
from reconciler.model import KnownProduct
from reconciler.operations import BY_ACTION
from reconciler.payway.behaviour import ASSUMPTIONS, NO_SERVICE
from reconciler.payway.faults import parse_faults
from reconciler.payway.simulator import LoggedCall, Simulator
from reconciler.payway.world import World
from reconciler.payway.worldmodel import ANY_SERVICE, WorldAccount, WorldProduct, state_at
from reconciler.plan import Request
from reconciler.wire import Sender

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
MINUTE = minute_of(NOW)
DAY = 24 * 60
PAST, FUTURE = MINUTE - DAY, MINUTE + DAY
ACCOUNT, OTHER = "a" * 24, "b" * 24
OWN, CATALOGUE = "1" * 24, "c" * 24


def product(**fields) -> WorldProduct:
    return WorldProduct(**{"user_product_id": OWN, "product_id": CATALOGUE, "provision_service": "tulo", **fields})


def simulate(*products: WorldProduct, clock=lambda: NOW, customer="77", external=None, **options) -> Simulator:
    account = WorldAccount(ACCOUNT, customer, products, external=external)
    return Simulator(World(accounts=[account]), clock=clock, **options)


def call(simulator: Simulator, action: str, **values: str) -> tuple[int, str]:
    """Status, and the answered id or code."""
    answer = simulator.send(BY_ACTION[action].request(values))
    assert answer.content_type == "application/json"
    data = json.loads(answer.body)
    return answer.status, data["id"] if answer.status == 200 else data["code"]


def update(simulator, **values):
    return call(simulator, "update", **{"account_id": ACCOUNT, "product_id": CATALOGUE, **values})


def reactivate(simulator, **values):
    return call(simulator, "reactivate", **{"account_id": ACCOUNT, "user_product_id": OWN, **values})


def now(simulator: Simulator, own: str = OWN) -> WorldProduct:
    """The product as it is at the simulator's moment."""
    [found] = [p for p in simulator.world.account(ACCOUNT).user_products if p.user_product_id == own]
    return replace(found, state=state_at(found, minute_of(simulator.clock())))


# --- State × call ---

#: A product before the call, by what a person would call it.
BEFORE = {
    "activated": product(state="activated"),
    "activated, term runs": product(state="activated", subscription_type="limited", valid_to=FUTURE),
    "activated, term over": product(state="activated", subscription_type="limited", valid_to=PAST),
    "recurring, past its end": product(state="activated", subscription_type="recurring", valid_to=PAST),
    "pending": product(state="pending", valid_from=FUTURE),
    "pending, begun": product(state="pending", valid_from=PAST),
    "pending, of unknown start": product(state="pending"),
    "cancelled, term runs": product(state="cancelled", valid_to=FUTURE),
    "cancelled, term over": product(state="cancelled", valid_to=PAST),
    "cancelled, term ends now": product(state="cancelled", valid_to=MINUTE),
    "cancelled, without end": product(state="cancelled"),
    "deactivated": product(state="deactivated"),
    "frozen": product(state="frozen"),
    "a new word": product(state="paused"),
}

#: What each reads as, and is after `update` to activated, `update` to deactivated, and `reactivate` (or its code).
TABLE = {
    "activated": ("activated", "activated", "deactivated", "invalid_state"),
    "activated, term runs": ("activated", "activated", "deactivated", "invalid_state"),
    "activated, term over": ("deactivated", "deactivated", "deactivated", "invalid_state"),
    "recurring, past its end": ("activated", "activated", "deactivated", "invalid_state"),
    "pending": ("pending", "pending", "deactivated", "invalid_state"),
    "pending, begun": ("activated", "activated", "deactivated", "invalid_state"),
    "pending, of unknown start": ("pending", "activated", "deactivated", "invalid_state"),
    "cancelled, term runs": ("cancelled", "cancelled", "deactivated", "activated"),
    "cancelled, term over": ("deactivated", "deactivated", "deactivated", "invalid_state"),
    "cancelled, term ends now": ("deactivated", "deactivated", "deactivated", "invalid_state"),
    "cancelled, without end": ("cancelled", "cancelled", "deactivated", "activated"),
    "deactivated": ("deactivated", "activated", "deactivated", "invalid_state"),
    "frozen": ("frozen", "activated", "deactivated", "invalid_state"),
    "a new word": ("paused", "activated", "deactivated", "invalid_state"),
}


def test_the_table_is_complete():
    assert list(TABLE) == list(BEFORE)


@pytest.mark.parametrize("before", BEFORE)
def test_what_time_alone_makes_of_a_state(before):
    assert state_at(BEFORE[before], MINUTE) == TABLE[before][0]


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize(("place", "wanted"), [(1, "activated"), (2, "deactivated")])
def test_update_sets_the_state(before, place, wanted):
    simulator = simulate(BEFORE[before])
    assert update(simulator, state=wanted) == (200, OWN)
    assert now(simulator).state == TABLE[before][place]


@pytest.mark.parametrize("before", BEFORE)
def test_reactivate_works_for_cancelled_products_whose_term_runs_and_only_once(before):
    simulator = simulate(BEFORE[before])
    after = TABLE[before][3]
    if after == "activated":
        assert reactivate(simulator) == (200, OWN)
        assert now(simulator) == replace(BEFORE[before], state="activated")
        assert reactivate(simulator) == (409, "invalid_state")
    else:
        assert reactivate(simulator) == (409, after)
        assert simulator.world.account(ACCOUNT).user_products == (BEFORE[before],)


@pytest.mark.parametrize("before", BEFORE)
def test_the_number_can_be_set_in_any_state_and_is_all_that_changes(before):
    simulator = simulate(BEFORE[before])
    values = {"account_id": ACCOUNT, "user_product_id": OWN, "subscription_number": "0012"}
    assert call(simulator, "subscription_number", **values) == (200, OWN)
    assert simulator.world.account(ACCOUNT).user_products == (replace(BEFORE[before], subscription_number="0012"),)


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("action", ["sync_address", "sync_subscriptions"])
def test_a_sync_without_an_external_system_changes_only_its_count(before, action):
    simulator = simulate(BEFORE[before])
    assert call(simulator, action, customer_number="77") == (200, ACCOUNT)
    account = simulator.world.account(ACCOUNT)
    assert account.user_products == (BEFORE[before],)
    kind = action.removeprefix("sync_")
    assert account.syncs == {"address": 0, "subscriptions": 0, kind: 1}


# --- update ---


@pytest.mark.parametrize(
    ("before", "sent", "after"),
    [
        ({}, {}, {}),
        ({"valid_to": FUTURE}, {"state": "deactivated"}, {"state": "deactivated"}),
        ({}, {"subscription_type": "limited"}, {"subscription_type": "limited"}),
        ({"valid_from": PAST}, {"valid_to": "2026-12-24 13:30 +0100"}, {"valid_to": MINUTE + 30 * DAY + 30}),
        # An activated product that starts later is pending, whichever field made it so.
        ({}, {"valid_from": "2026-11-25 12:00 +0000"}, {"valid_from": FUTURE, "state": "pending"}),
        ({"state": "pending", "valid_from": FUTURE}, {"valid_from": "2026-11-23 12:00 +0000"}, {"state": "activated"}),
        # A term that is moved into the past is over at once.
        ({"state": "cancelled"}, {"valid_to": "2026-11-23 12:00 +0000"}, {"state": "deactivated"}),
        # Moving the end of a term that is over doesn't bring the product back; setting the state does.
        (
            {"state": "cancelled", "valid_to": PAST},
            {"valid_to": "2026-11-25 12:00 +0000"},
            {"state": "deactivated", "valid_to": FUTURE},
        ),
        (
            {"state": "cancelled", "valid_to": PAST},
            {"valid_to": "2026-11-25 12:00 +0000", "state": "activated"},
            {"state": "activated", "valid_to": FUTURE},
        ),
        # A longer term doesn't lift a cancellation.
        (
            {"state": "cancelled", "valid_to": FUTURE},
            {"valid_to": "2026-11-26 12:00 +0000", "state": "activated"},
            {"state": "cancelled", "valid_to": FUTURE + DAY},
        ),
    ],
)
def test_update_sets_what_is_sent_and_leaves_the_rest(before, sent, after):
    simulator = simulate(product(**before))
    assert update(simulator, **sent) == (200, OWN)
    found = now(simulator)
    for name, value in after.items():
        assert getattr(found, name) == value
    for name in ("subscription_type", "valid_from", "valid_to", "subscription_number", "provision_service"):
        if name not in after and name not in sent:
            assert getattr(found, name) == getattr(product(**before), name)


@pytest.mark.parametrize("sent", ["valid_from", "valid_to"])
def test_update_refuses_a_window_that_never_opens(sent):
    simulator = simulate(product(valid_from=PAST, valid_to=FUTURE))
    value = {"valid_from": "2026-11-25 12:00 +0000", "valid_to": "2026-11-23 12:00 +0000"}[sent]
    assert update(simulator, **{sent: value}) == (400, "invalid_parameter")
    assert now(simulator) == product(valid_from=PAST, valid_to=FUTURE)


def test_update_without_times_doesnt_mind_a_window_that_is_inverted_already():
    assert update(simulate(product(valid_from=FUTURE, valid_to=PAST)), state="deactivated")[0] == 200


@pytest.mark.parametrize("bad", ["2026-02-30 13:00 +0100", "2026-11-24 24:00 +0100", "2026-11-24 13:00 +2460"])
def test_update_refuses_times_that_no_calendar_has(bad):
    request = Request(
        "PUT",
        "/external/api/v1/userproducts",
        {"account_id": ACCOUNT, "product_id": CATALOGUE, "valid_to": bad},
    )
    answer = simulate(product()).send(request)
    assert (answer.status, json.loads(answer.body)["field"]) == (400, "valid_to")


@pytest.mark.parametrize("addressed", [OWN, CATALOGUE])
def test_update_finds_a_product_by_either_id(addressed):
    assert update(simulate(product()), product_id=addressed) == (200, OWN)


def test_the_own_id_wins_over_a_catalogue_id():
    simulator = simulate(product(user_product_id="2" * 24, product_id=OWN), product())
    assert update(simulator, product_id=OWN) == (200, OWN)


@pytest.mark.parametrize("turn", [1, -1])
def test_of_several_of_one_catalogue_id_the_running_then_the_latest_is_taken(turn):
    ended = product(user_product_id="2" * 24, valid_from=PAST, valid_to=PAST + 1)
    running = product(user_product_id="3" * 24, valid_from=PAST - DAY)
    latest = product(user_product_id="4" * 24, valid_from=PAST)
    assert update(simulate(*[ended, running, latest][::turn])) == (200, "4" * 24)
    assert update(simulate(*[ended, running][::turn])) == (200, "3" * 24)


@pytest.mark.parametrize(
    ("mine", "its", "answer"),
    [
        (None, "tulo", 200),
        (None, None, 200),
        ("kayak", "kayak", 200),
        ("kayak", ANY_SERVICE, 200),
        ("kayak", "tulo", 403),
        ("kayak", None, 403),
        (NO_SERVICE, "kayak", 400),
        (NO_SERVICE, None, 400),
    ],
)
def test_update_is_for_products_of_the_api_users_own_provision_service(mine, its, answer):
    assert update(simulate(product(provision_service=its), provision_service=mine))[0] == answer


def test_an_api_user_without_service_hears_of_that_before_anything_else():
    simulator = simulate(product(), provision_service=NO_SERVICE)
    assert update(simulator, account_id=OTHER) == (400, "configuration_error")


# --- reactivate and numbers ---


@pytest.mark.parametrize(
    ("service", "code"),
    [("tulo", 200), (ANY_SERVICE, 200), ("kayak", 409), (None, 409), ("Tulo", 409)],
)
def test_reactivate_is_for_products_that_payway_provisions(service, code):
    assert reactivate(simulate(product(state="cancelled", provision_service=service)))[0] == code


def test_reactivate_knows_products_by_their_own_id_alone():
    assert reactivate(simulate(product(state="cancelled")), user_product_id=CATALOGUE) == (404, "not_found")


def test_products_of_another_account_conflict_in_reactivate_and_arent_found_for_a_number():
    simulator = simulate(product(state="cancelled"))
    simulator.world.put(WorldAccount(OTHER))
    assert reactivate(simulator, account_id=OTHER) == (409, "user_product_not_belong_to_account")
    values = {"account_id": OTHER, "user_product_id": OWN, "subscription_number": "7"}
    assert call(simulator, "subscription_number", **values) == (404, "not_found")


# --- syncs ---


def test_a_sync_copies_what_the_external_system_has_over_the_products():
    external = (
        KnownProduct(product_id=CATALOGUE, valid_to=FUTURE, subscription_number=None, state="deactivated"),
        KnownProduct(product_id="d" * 24, user_product_id="9" * 24, state="activated"),
    )
    before = product(valid_from=PAST, subscription_number="0012", subscription_type="limited")
    simulator = simulate(before, external=external)
    assert call(simulator, "sync_subscriptions", customer_number="77") == (200, ACCOUNT)
    first, second = simulator.world.account(ACCOUNT).user_products
    assert first == replace(before, valid_to=FUTURE, subscription_number=None, state="deactivated")
    assert (second.user_product_id, second.state) == ("9" * 24, "activated")
    again = simulator.world.account(ACCOUNT).user_products
    assert call(simulator, "sync_subscriptions", customer_number="77") == (200, ACCOUNT)
    assert simulator.world.account(ACCOUNT).user_products == again


def test_an_address_sync_leaves_products_to_the_other_sync():
    simulator = simulate(product(), external=(KnownProduct(product_id=CATALOGUE, state="deactivated"),))
    assert call(simulator, "sync_address", customer_number="77") == (200, ACCOUNT)
    assert now(simulator).state == "activated"


# --- Time ---


def test_time_passes_between_calls():
    moment = [NOW]
    simulator = simulate(product(state="cancelled", valid_to=FUTURE), clock=lambda: moment[0])
    assert now(simulator).state == "cancelled"
    moment[0] = NOW + timedelta(days=1, minutes=-1)
    assert now(simulator).state == "cancelled"
    moment[0] = NOW + timedelta(days=1)
    assert now(simulator).state == "deactivated"
    assert reactivate(simulator) == (409, "invalid_state")


def test_pending_begins_by_itself_and_a_limited_term_ends_by_itself():
    moment = [NOW]
    simulator = simulate(product(state="deactivated"), clock=lambda: moment[0])
    window = {"valid_from": "2026-11-25 12:00 +0000", "valid_to": "2026-11-26 12:00 +0000"}
    assert update(simulator, state="activated", subscription_type="limited", **window) == (200, OWN)
    seen = []
    for days in range(4):
        moment[0] = NOW + timedelta(days=days)
        seen.append(now(simulator).state)
    assert seen == ["pending", "activated", "deactivated", "deactivated"]


# --- Being a sender ---


def test_the_simulator_is_a_sender_with_fresh_tokens():
    sender: Sender = simulate(product())
    assert sender.renew_token() and sender.renew_token()
    assert sender.token_renewals == 2
    sender.close()


def test_other_paths_and_methods_arent_payways():
    simulator = simulate(product())
    for method, path, status in [
        ("PUT", "/external/api/v1/nothing", 404),
        ("PUT", "/", 404),
        ("PUT", "/external/api/v1/userproducts/", 404),
        ("PUT", "/external/api/v1/userproducts?x=1", 404),
        ("GET", "/external/api/v1/userproducts", 405),
    ]:
        reply = simulator.respond(method, path, b"{}", "application/json")
        assert (reply.status, reply.header("content-type")) == (status, "text/plain; charset=utf-8")


def test_every_assumption_has_its_place_in_the_code_and_the_docs():
    root = Path(__file__).parents[1]
    page = (root / "docs" / "simulator.md").read_text("utf-8")
    code = "".join(path.read_text("utf-8") for path in sorted((root / "reconciler" / "payway").glob("*.py")))
    for name, text in ASSUMPTIONS.items():
        assert f"| `{name}` | {text} |" in page
        assert code.count(name) > 1, f"{name} is named and never quoted"


# --- Notes ---


def test_every_call_is_noted_with_the_body_as_it_was_sent():
    log: list[LoggedCall] = []
    simulator = simulate(product(), log=log)
    update(simulator, state="deactivated")
    simulator.respond("PUT", "/nothing", b"\xff{", None)
    assert log == [
        LoggedCall(
            1,
            "2026-11-24T12:00:00Z",
            "PUT",
            "/external/api/v1/userproducts",
            f'{{"account_id":"{ACCOUNT}","product_id":"{CATALOGUE}","state":"deactivated"}}',
            200,
            False,
        ),
        LoggedCall(2, "2026-11-24T12:00:00Z", "PUT", "/nothing", "\\xff{", 404, False),
    ]


def test_the_log_file_is_json_lines_for_its_owner_only_and_grows(tmp_path):
    path = tmp_path / "calls.jsonl"
    for _ in range(2):
        simulator = simulate(product(), log=path)
        update(simulator)
        simulator.close()
    lines = [json.loads(line) for line in path.read_text("ascii").splitlines()]
    assert [list(line) for line in lines] == [["number", "at", "method", "path", "body", "status", "overlap"]] * 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_log_that_cant_be_written_is_said(tmp_path):
    simulator = simulate(product(), log=tmp_path / "none" / "calls.jsonl")
    with pytest.raises(StoreFailed, match="request log"):
        update(simulator)


def test_a_call_that_comes_while_another_is_in_flight_is_a_violation():
    entered, leave, log = threading.Event(), threading.Event(), []

    def wait(seconds):
        entered.set()
        assert leave.wait(10)

    faults = parse_faults([{"call": 1, "fault": {"delay": 1}}])
    simulator = simulate(product(), faults=faults, log=log, sleep=wait)
    first = threading.Thread(target=update, args=(simulator,))
    first.start()
    assert entered.wait(10)
    update(simulator)
    leave.set()
    first.join()
    update(simulator)
    assert simulator.violations == ["call 2 came while call 1 was in flight"]
    assert [(call.number, call.overlap) for call in log] == [(2, True), (1, False), (3, False)]


# --- Anything at all ---

STATES = st.sampled_from(["activated", "pending", "cancelled", "deactivated", "frozen", "paused"])
IDS = st.sampled_from([ACCOUNT, OTHER, OWN, CATALOGUE, "2" * 24, "f" * 24])
TIMES = st.sampled_from(["2026-11-23 12:00 +0000", "2026-11-24 13:00 +0100", "2026-11-25 12:00 +0000"])
VALUES = {
    "account_id": st.sampled_from([ACCOUNT, OTHER, "f" * 24]),
    "product_id": IDS,
    "user_product_id": IDS,
    "customer_number": st.sampled_from(["77", "78", "0"]),
    "subscription_number": st.sampled_from(["0012", "7"]),
    "state": st.sampled_from(["activated", "deactivated"]),
    "subscription_type": st.sampled_from(["recurring", "limited"]),
    "valid_from": TIMES,
    "valid_to": TIMES,
}
ENDS = st.sampled_from([None, PAST, MINUTE, FUTURE])
PRODUCTS = st.builds(
    WorldProduct,
    user_product_id=st.sampled_from([OWN, "2" * 24]),
    product_id=st.sampled_from([None, CATALOGUE, OWN]),
    state=STATES,
    subscription_type=st.sampled_from([None, "recurring", "limited"]),
    valid_from=ENDS,
    valid_to=ENDS,
    provision_service=st.sampled_from([None, "tulo", "kayak", ANY_SERVICE]),
)
# Of two products with one catalogue id, an update may end the one that it took, and then take the other.
DISTINCT = st.lists(PRODUCTS, unique_by=(lambda p: p.user_product_id, lambda p: p.product_id), max_size=2).map(tuple)


@st.composite
def any_call(draw):
    operation = draw(st.sampled_from(sorted(BY_ACTION.values(), key=lambda o: o.action)))
    values = {f.name: draw(VALUES[f.name] if f.required else st.none() | VALUES[f.name]) for f in operation.fields}
    return operation, operation.request(values), draw(st.integers(0, 2 * DAY))


@settings(deadline=None)
@given(
    products=DISTINCT,
    others=DISTINCT,
    calls=st.lists(any_call(), max_size=12),
    service=st.sampled_from([None, NO_SERVICE, "kayak"]),
)
def test_any_sequence_answers_only_what_the_pages_list(products, others, calls, service):
    moment = [NOW]
    world = World(accounts=[WorldAccount(ACCOUNT, "77", products), WorldAccount(OTHER, "78", others)])
    simulator = Simulator(world, clock=lambda: moment[0], provision_service=service)
    for operation, request, minutes in calls:
        before = list(world.accounts())
        answer = simulator.send(request)
        data = json.loads(answer.body)
        if answer.status == 200:
            assert list(data) == ["id"]
            # Not cancelled any more means that repeating it can't work; all else can be repeated to the same end.
            again = list(world.accounts())
            repeated = simulator.send(request)
            if operation.repeatable:
                assert repeated == answer
                if operation.answers == "user_product":
                    assert list(world.accounts()) == again
            else:
                assert repeated.status == 409
        else:
            assert (answer.status, data["code"]) in {*operation.errors, (400, "invalid_parameter")}
            assert list(world.accounts()) == before
        moment[0] += timedelta(minutes=minutes)
    assert simulator.violations == []


@settings(deadline=None)
@given(path=st.sampled_from(sorted(BY_ACTION)), body=st.binary(max_size=60), kind=st.none() | st.text(max_size=20))
def test_any_bytes_are_answered(path, body, kind):
    simulator = simulate(product())
    reply = simulator.respond("PUT", BY_ACTION[path].request(GOOD[path]).path, body, kind)
    assert reply.status == 400 and "code" in json.loads(reply.body)


GOOD = {
    "update": {"account_id": ACCOUNT, "product_id": CATALOGUE},
    "reactivate": {"account_id": ACCOUNT, "user_product_id": OWN},
    "subscription_number": {"account_id": ACCOUNT, "user_product_id": OWN, "subscription_number": "7"},
    "sync_address": {"customer_number": "77"},
    "sync_subscriptions": {"customer_number": "77"},
}


@given(moment=st.datetimes(datetime(2026, 11, 20), datetime(2026, 11, 30)), before=PRODUCTS)
def test_time_moves_states_only_forward_and_settles_them(moment, before):
    minute = minute_of(moment.replace(tzinfo=UTC))
    state = state_at(before, minute)
    assert state_at(replace(before, state=state), minute) == state
    if before.state == "deactivated":
        assert state == "deactivated"
    assert parse_known("2026-11-20T00:00Z") <= minute
