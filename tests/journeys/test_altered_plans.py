"""A plan file that isn't what `plan` wrote is refused before any call, whoever altered it and however well."""

import json

import pytest
from support.commands import call

from reconciler import canonical

#: What somebody could change in a plan file with an editor.
EDITS = {
    "another value": lambda plan: plan["steps"][1]["request"]["body"].update(valid_to="2051-01-01 00:00 +0100"),
    "a step less": lambda plan: plan["steps"].pop(),
    "another order": lambda plan: plan["steps"].reverse(),
    "another host": lambda plan: plan.update(host="http://127.0.0.1:1"),
    "another environment": lambda plan: plan.update(environment="production"),
    "a longer life": lambda plan: plan.update(expires_at="2051-01-01T00:00:00Z"),
    "no deadline": lambda plan: plan["steps"][0].update(not_after=None),
    "another serial": lambda plan: plan["known_state"].update(serial=99),
    "a nicer impact": lambda plan: plan["steps"][1].update(impact="neutral"),
    "another digest": lambda plan: plan.update(steps_digest="sha256:" + "0" * 64),
    "another id": lambda plan: plan.update(plan_id="sha256:" + "0" * 64),
}

#: What somebody could write who knows how the digests are made, and what is then said of it.
FORGERIES = {
    "another endpoint": (
        lambda steps: steps[1]["request"].update(path="/external/api/v1/accounts"),
        "step 2: update would be PUT /external/api/v1/userproducts with another body",
    ),
    "another path of ours": (
        lambda steps: steps[1]["request"].update(path=steps[0]["request"]["path"]),
        "step 2: update would be PUT /external/api/v1/userproducts with another body",
    ),
    "a parameter in the path": (
        lambda steps: steps[1]["request"].update(path=steps[1]["request"]["path"] + "?force=1"),
        "step 2: update would be PUT /external/api/v1/userproducts with another body",
    ),
    "another method": (lambda steps: steps[1]["request"].update(method="DELETE"), "request.method"),
    "one more parameter": (lambda steps: steps[1]["request"]["body"].update(force="1"), "step 2"),
    "one parameter less": (lambda steps: steps[2]["request"]["body"].pop("subscription_number"), "step 3"),
    "a state that can't be set": (lambda steps: steps[1]["request"]["body"].update(state="cancelled"), "step 2"),
    "a time in another form": (
        lambda steps: steps[1]["request"]["body"].update(valid_to="2041-01-01T00:00:00Z"),
        "step 2",
    ),
    "parameters in another order": (
        lambda steps: steps[1]["request"].update(body=dict(reversed(steps[1]["request"]["body"].items()))),
        "step 2: update would be PUT /external/api/v1/userproducts with another body",
    ),
    "another reader's account": (
        lambda steps: steps[1]["request"]["body"].update(account_id="50f3ac249f6aef294d000003"),
        "step 2: its account_id isn't the one that its request holds",
    ),
    "another customer": (
        lambda steps: steps[3]["request"]["body"].update(customer_number="1000000009"),
        "step 4: its customer_number isn't the one that its request holds",
    ),
    "an action that isn't one": (lambda steps: steps[1].update(action="delete"), "delete"),
    "numbers that don't count": (lambda steps: steps[1].update(number=7), "step 7 stands in place 2"),
}


#: Where nobody listens: a plan that isn't refused would end as unreachable.
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def plan(journey):
    """A journey with a good plan in plan.json."""
    here = journey("three-readers", payway=False)
    assert here.run("plan", "-e", "stage", "--base-url", NOWHERE, "-o", "plan.json").code == 0
    return here


def rewrite(here, edit):
    path = here.folder / "plan.json"
    data = json.loads(path.read_text())
    edit(data)
    path.write_text(json.dumps(data))


def reseal(plan):
    """Make the digests fit, as `reconciler.planfile` does."""
    steps = [[s["action"], s["request"]["method"], s["request"]["path"], s["request"]["body"]] for s in plan["steps"]]
    head = {"environment": plan["environment"], "host": plan["host"], "accepted": []}
    plan["steps_digest"] = canonical.digest({**head, "steps": steps})
    plan["plan_id"] = canonical.digest({name: value for name, value in plan.items() if name != "plan_id"})


def refused(here, *said):
    """`apply`, `apply --expect` and what only shows refuse the plan, and no run is begun."""
    env = {"PAYWAY_TOKEN": "any"}
    for arguments in (
        ("apply", "--base-url", NOWHERE, "plan.json"),
        ("apply", "--base-url", NOWHERE, "plan.json", "--dry-run"),
        ("apply", "-e", "stage", "--base-url", NOWHERE, "--expect", "plan.json"),
        ("show", "plan.json"),
        ("requests", "plan.json"),
    ):
        result = call(*arguments, cwd=here.folder, env=env)
        assert result.code in (3, 4), result.said
        assert all(text in result.err for text in said), result.said
        assert result.out == ""
    assert here.run("runs", "list", "-e", "stage").out == "No run has been made yet.\n"
    return result


def test_sealing_again_changes_nothing(plan):
    rewrite(plan, reseal)
    accepted = plan.run("apply", "--base-url", NOWHERE, "plan.json", "--dry-run")
    assert accepted.code == 0, accepted.said


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_an_edited_plan_was_altered(plan, edit):
    rewrite(plan, edit)
    assert refused(plan, "was altered", "make the plan again with `reconciler plan`").code == 4


@pytest.mark.parametrize(("edit", "said"), FORGERIES.values(), ids=FORGERIES)
def test_a_request_that_no_operation_would_make_is_refused_with_good_digests_too(plan, edit, said):
    def forge(data):
        edit(data["steps"])
        reseal(data)

    rewrite(plan, forge)
    refused(plan, said)


def test_a_forged_host_gets_nothing(plan):
    rewrite(plan, lambda data: (data.update(host="https://payway.example.com"), reseal(data)))
    result = plan.run("apply", "--base-url", NOWHERE, "plan.json", PAYWAY_TOKEN="any")
    assert result.code == 4, result.said
    assert f"this plan is for https://payway.example.com, not for {NOWHERE}" in result.err


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"plan_id": 1}', '{"format": "reconciler.plan/v1"}', "\x00", "{"])
def test_what_is_no_plan_is_invalid(plan, text):
    (plan.folder / "plan.json").write_text(text)
    result = plan.run("show", "plan.json")
    assert result.code == 3, result.said
    assert "plan.json isn't a plan" in result.err
