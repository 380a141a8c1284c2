"""Snapshots of known state in a few words, and how they are read."""

import json

from reconciler.errors import InvalidInput
from reconciler.state.snapshotcheck import FORMAT
from support.known import object_id

HEAD = {"format": FORMAT, "environment": "stage", "observed_at": "2026-11-24T12:00:00Z"}


def said(call):
    """What a call gives back, or all that it says instead."""
    try:
        return call(), None
    except InvalidInput as refused:
        return None, (refused.message, refused.hint, refused.details)


def lines(*accounts, **head):
    return "\n".join(json.dumps(each) for each in [{**HEAD, **head}, *accounts]).encode()


def account(number, *own_ids, **fields):
    products = [{"user_product_id": object_id(own_id)} for own_id in own_ids]
    return {"account_id": object_id(f"{number:x}"), "user_products": products, **fields}
