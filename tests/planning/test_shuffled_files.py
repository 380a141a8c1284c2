"""Files and documents in any order: not a byte of the plan changes; in other files, nothing that is done does."""

from itertools import permutations

import pytest
from support.planning import CONTEXT, NOW, account_id, has, have, product_id, user_product_id, view

from reconciler.instants import minute_of
from reconciler.manifests.desired import digest, load_desired
from reconciler.planfile import plan_text, seal
from reconciler.planning import make_plan

KNOWN = (
    has("x", have("a", state="cancelled", to="2026-12-01"), have("b", state="activated")),
    has("y", have("a", user="ya", state="cancelled", to="2026-11-30")),
    has("z", have("a", user="za", state="paused")),
)
PRODUCTS = {
    "x": (
        f"  - product_id: {product_id('a')}\n    state: activated\n    valid_to: 2027-12-01 00:00 +0000\n",
        f"  - product_id: {product_id('b')}\n    state: deactivated\n",
    ),
    "y": (f"  - user_product_id: {user_product_id('ya')}\n    product_id: {product_id('a')}\n    state: activated\n",),
    "z": (f"  - product_id: {product_id('a')}\n    state: activated\n    subscription_number: 007\n",),
}


def document(name, products=None):
    return (
        "apiVersion: payway/v1\nkind: Account\n"
        f"account_id: {account_id(name)}\ncustomer_number: {name}1\nsync: {{address: 1}}\n"
        "user_products:\n" + "".join(PRODUCTS[name] if products is None else products)
    )


def sealed(paths):
    desired = load_desired([str(path) for path in paths], now=minute_of(NOW))
    assert desired.errors == ()
    return seal(make_plan(desired.accounts, view(KNOWN), CONTEXT, manifests_digest=digest(desired.accounts)))


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Writes texts as manifests by their names, and gives their paths from where the test stands."""
    monkeypatch.chdir(tmp_path)

    def write(**texts):
        for path in tmp_path.glob("*.yaml"):
            path.unlink()
        for name, text in texts.items():
            (tmp_path / f"{name}.yaml").write_text(text)
        return [f"{name}.yaml" for name in texts]

    return write


def test_the_order_of_the_paths_changes_no_byte(written):
    paths = written(**{name: document(name) for name in "xyz"})
    assert len({plan_text(sealed(order)) for order in permutations(paths)}) == 1


def test_the_order_in_which_files_were_written_changes_no_byte(written):
    texts = set()
    for order in permutations("xyz"):
        written(**{name: document(name) for name in order})
        texts.add(plan_text(sealed(["."])))
    assert len(texts) == 1


def test_where_documents_stand_changes_nothing_that_is_done(written):
    whole = [sealed(written(all="---\n".join(document(name) for name in order))) for order in permutations("xyz")]
    split = sealed(written(one=document("z") + "---\n" + document("x"), two="# y\n" + document("y")))
    made = [*whole, split]
    assert {plan.steps_digest for plan in made} == {made[0].steps_digest}
    assert {plan.manifests.digest for plan in made} == {made[0].manifests.digest}
    assert made[0].steps


def test_the_order_of_products_in_a_document_changes_nothing_that_is_done(written):
    made = [sealed(written(x=document("x", order))) for order in permutations(PRODUCTS["x"])]
    assert made[0].steps_digest == made[1].steps_digest
    assert made[0].manifests.digest == made[1].manifests.digest
