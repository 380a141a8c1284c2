"""`update`: window, type and state of a user product (page "Update")."""

from reconciler.operations.base import ACCOUNT_ID, PRODUCT_ID, TIME, USER_PRODUCT, BodyField, Operation

UPDATE = Operation(
    action="update",
    path="/userproducts",
    scope=USER_PRODUCT,
    fields=(
        ACCOUNT_ID,
        PRODUCT_ID,
        BodyField("subscription_type", False, words=("recurring", "limited")),
        BodyField("state", False, words=("activated", "deactivated")),
        BodyField("valid_from", False, TIME),
        BodyField("valid_to", False, TIME),
    ),
    answers="user_product",
    errors=((400, "configuration_error"), (403, "not_product_owner"), (404, "not_found")),
    repeatable=True,
    cool_down=False,
    page="Update",
)
