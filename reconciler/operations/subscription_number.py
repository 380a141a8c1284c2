"""`subscription_number`: the number of a user product in the subscription system (page "Subscription number")."""

from reconciler.operations.base import (
    ACCOUNT_ID,
    NUMBER,
    SUBSCRIPTION_SYSTEM,
    USER_PRODUCT_ID,
    BodyField,
    Operation,
)

SUBSCRIPTION_NUMBER = Operation(
    action="subscription_number",
    path="/subscription_system/subscription_number",
    scope=SUBSCRIPTION_SYSTEM,
    fields=(ACCOUNT_ID, USER_PRODUCT_ID, BodyField("subscription_number", True, NUMBER)),
    answers="user_product",
    errors=((404, "not_found"),),
    repeatable=True,
    cool_down=False,
    page="Subscription number",
)
