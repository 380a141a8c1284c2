"""`sync_subscriptions`: match the customer's subscriptions with the subscription system's.

Page "Sync customer subscriptions".
"""

from reconciler.operations.base import CUSTOMER_NUMBER, SUBSCRIPTION_SYSTEM, Operation

SYNC_SUBSCRIPTIONS = Operation(
    action="sync_subscriptions",
    path="/subscription_system/sync_customer_subscriptions",
    scope=SUBSCRIPTION_SYSTEM,
    fields=(CUSTOMER_NUMBER,),
    answers="account",
    errors=((404, "not_found"),),
    repeatable=True,
    cool_down=True,
    page="Sync customer subscriptions",
)
