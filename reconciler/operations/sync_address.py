"""`sync_address`: fetch the customer's address (page "Sync address from external subscription system")."""

from reconciler.operations.base import CUSTOMER_NUMBER, SUBSCRIPTION_SYSTEM, Operation

SYNC_ADDRESS = Operation(
    action="sync_address",
    path="/subscription_system/sync_address_from_external_subscription_system",
    scope=SUBSCRIPTION_SYSTEM,
    fields=(CUSTOMER_NUMBER,),
    answers="account",
    errors=((404, "not_found"),),
    repeatable=True,
    cool_down=True,
    page="Sync address from external subscription system",
)
