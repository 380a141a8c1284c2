"""`reactivate`: take back a reader's cancellation while the term runs.

Page "Reactivate payway provisioned subscription". Not repeatable: once it has worked, the same call answers
409 ``invalid_state``, as it does for a product that was never cancelled, so a repeat proves nothing.
"""

from reconciler.operations.base import ACCOUNT_ID, SUBSCRIPTION_SYSTEM, USER_PRODUCT_ID, Operation

REACTIVATE = Operation(
    action="reactivate",
    path="/subscription_system/reactivate_payway_provisioned_subscription",
    scope=SUBSCRIPTION_SYSTEM,
    fields=(ACCOUNT_ID, USER_PRODUCT_ID),
    answers="user_product",
    errors=(
        (404, "not_found"),
        (409, "user_product_not_tulo_provisioned"),
        (409, "invalid_state"),
        (409, "user_product_not_belong_to_account"),
    ),
    repeatable=False,
    cool_down=True,
    page="Reactivate payway provisioned subscription",
)
