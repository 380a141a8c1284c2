"""Every rule id that a user can meet, with one sentence each: what it is about.

Diagnostics of manifests, blocks, deferrals and warnings of the planner all take their ids from here;
the docs list is drawn from here too, so none can be missing.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

#: Findings in manifests that refuse them.
MANIFEST_ERRORS: Final = MappingProxyType(
    {
        "bad-yaml": "The text isn't YAML.",
        "not-utf8": "The file isn't UTF-8 text.",
        "nul-character": "The file holds a NUL character.",
        "file-too-large": "The file is over 8 MiB.",
        "nesting-too-deep": "Lists and mappings are nested more than 16 deep.",
        "outside-path": "A symbolic link leads out of the given path.",
        "not-a-file": "Something with a manifest's name is no regular file.",
        "unreadable": "The file can't be read.",
        "duplicate-key": "A key stands twice in one mapping.",
        "anchor": "Anchors are refused: a manifest is read the way it looks.",
        "alias": "Aliases are refused: a manifest is read the way it looks.",
        "merge-key": "Merge keys are refused: a manifest is read the way it looks.",
        "tag": "Tags are refused: the schema says what a value is.",
        "non-text-key": "A key is null, a list or a mapping.",
        "null-value": "A value is null. A field that isn't managed is left out instead.",
        "empty-document": "A document is only null.",
        "unknown-key": "A key that no manifest has.",
        "missing-key": "A required key is missing.",
        "wrong-type": "A value is of another kind than the schema asks for.",
        "bad-pattern": "A text has characters that the field doesn't allow.",
        "bad-length": "A text or list is too short or too long.",
        "unknown-word": "A word that isn't among those allowed here.",
        "bad-time": "A time isn't written in one of the two forms.",
        "time-without-offset": "A time has no offset, so it isn't clear when it is.",
        "time-with-seconds": "A time has seconds, which Payway can't take.",
        "bad-offset": "An offset is outside -12:00 to +14:00, or is -00:00.",
        "window-inverted": "valid_from isn't before valid_to.",
        "duplicate-account": "The same account stands in two documents.",
        "duplicate-product": "The same product_id stands twice in one account.",
        "duplicate-user-product": "The same user_product_id stands in two places.",
        "duplicate-customer-number": "The same customer_number stands on two accounts.",
        "missing-product-id": "A product has neither product_id nor user_product_id.",
        "sync-without-customer-number": "A sync is asked for without customer_number.",
    }
)

#: Findings in manifests that only warn.
MANIFEST_WARNINGS: Final = MappingProxyType(
    {
        "duplicate-subscription-number": "The same subscription_number stands on two products.",
        "ambiguous-scalar": "YAML 1.1 tools would read this plain value differently; quote it.",
        "limited-without-end": "A limited product has no valid_to.",
        "window-over": "The window of an activated product has already ended.",
    }
)

#: Findings in snapshots, plans and settings.
FILE_ERRORS: Final = MappingProxyType(
    {
        "bad-json": "The text isn't JSON.",
        "bad-csv": "The text isn't the CSV that an import takes.",
        "bad-snapshot": "A snapshot of known state breaks its schema.",
        "bad-config": "A setting is unknown or has an impossible value.",
    }
)

#: Why the planner makes no step for a product or an account.
BLOCKS: Final = MappingProxyType(
    {
        "ambiguous-product": "Two known products would match the declared one.",
        "user-product-mismatch": "Known and declared user_product_id of one product differ.",
        "wrong-account": "The declared user_product_id is known on another account.",
        "customer-number-mismatch": "The declared customer_number differs from the known one.",
        "unknown-state": "The known state is a word that we know no way out of.",
        "not-payway-provisioned": "Payway reactivates only what it provisions itself.",
        "not-product-owner": "Another provision service owns the product.",
        "window-ended": "The product would be activated for a window that has already ended.",
        "term-renewed": "The recurring term renewed itself past the declared end.",
        "window-inverted": "Declared and known ends combined leave no window.",
        "needs-user-product-id": "The call needs a user_product_id that nobody knows.",
        "withheld-revoke": "Access isn't taken while another product of the account can't be given.",
        "in-doubt": "The last call for it is still in doubt.",
    }
)

#: Why a step waits for a later plan.
DEFERRALS: Final = MappingProxyType({"needs-user-product-id": "The answer to an update of this plan teaches the id."})

#: What a reviewer should know of a plan that is carried out all the same.
PLAN_WARNINGS: Final = MappingProxyType(
    {
        "ended": "The window ran out as it should; nothing is done about the state.",
        "frozen": "A renewal payment is due; no call here lifts that.",
        "unknown-state": "The known state is a word that we don't know.",
        "number-replaced": "A known, different number is replaced.",
        "number-on-tulo": "The number is meant for a subscription-system integration.",
        "takes-back-cancellation": "The reader's own cancellation is taken back.",
        "owner-unchecked": "Whether Payway lets us update this product wasn't checked.",
        "sync-may-overwrite": "A sync may overwrite declared fields of the account.",
    }
)

RULES: Final = MappingProxyType(
    {**MANIFEST_ERRORS, **MANIFEST_WARNINGS, **FILE_ERRORS, **BLOCKS, **DEFERRALS, **PLAN_WARNINGS}
)
