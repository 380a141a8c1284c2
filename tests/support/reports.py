"""Reports of runs to show: one of every kind of end, and one with a stranger's text in every place."""

NORTH, DAILY = "52a781d6400e06897c00000f", "56e1741a6fc9365306000002"


def step(number, status, **more):
    return {
        "number": number, "action": "update", "account_id": NORTH, "product_id": DAILY, "user_product_id": None,
        "customer_number": None, "status": status, "attempts": 1, "http_status": None, "code": None, "field": None,
        "message": None, "source": {"file": "manifests/north.yaml", "line": 9},
    } | more  # fmt: skip


def report(*steps, **more):
    return {
        "format": "reconciler.report/v1", "run_id": "run-7", "plan_id": "sha256:" + "2" * 64, "environment": "stage",
        "host": "https://payway-api.stage.adeprimo.se", "status": "finished", "started_at": "2026-11-24T10:01:00Z",
        "ended_at": "2026-11-24T10:02:30Z", "exit_code": 0, "stopped_by": None, "counts": {}, "steps": list(steps),
    } | more  # fmt: skip


MIXED = report(
    step(1, "applied", http_status=200),
    step(2, "rejected", http_status=400, code="invalid_parameter", field="valid_to",
         message="Payway doesn't accept the value of valid_to."),
    step(3, "in_doubt", attempts=4, message="No clear answer: nobody knows whether the call was carried out."),
    step(4, "skipped", code="account-failed", message="An earlier step of this account failed."),
    step(5, "not_reached"),
    status="stopped", exit_code=69, stopped_by="unauthorized",
)  # fmt: skip


def poisoned(text):
    """A run with ``text`` wherever a text can get in, in a step of every status."""
    names = (
        "action", "account_id", "product_id", "user_product_id", "customer_number", "code", "field", "message",
        "answered_id", "at",
    )  # fmt: skip
    statuses = ("in_doubt", "rejected", "applied", "assumed", "skipped", "not_reached", text)
    steps = [
        step(number, status, source={"file": text, "line": 9}, attempts=2, **dict.fromkeys(names, text))
        for number, status in enumerate(statuses, 1)
    ]
    heads = ("run_id", "plan_id", "environment", "host", "status", "stopped_by", "started_at", "ended_at")
    return report(*steps, **dict.fromkeys(heads, text))
