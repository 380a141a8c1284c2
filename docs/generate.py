"""Write the pages that are drawn from the code: `docs/rules.md` and `docs/calls.md` (`make docs`).

Each page is a function of the tables in the code, so a test can compare and nobody has to remember.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from reconciler import rules
from reconciler.operations import API_PREFIX, COMMON_ERRORS, METHOD, OPERATIONS, Operation

HERE: Final = Path(__file__).parent

NOTICE: Final = "<!-- Written by docs/generate.py (make docs); don't edit. -->\n"

#: The sections of the rules page: title, what the reader should know first, the table in the code.
SECTIONS: Final = (
    (
        "Errors in manifests",
        "Any of these refuses the manifests (exit 3); all of them are shown at once, each with file, line and column.",
        rules.MANIFEST_ERRORS,
    ),
    (
        "Warnings in manifests",
        "These refuse nothing, unless `validate --strict` is asked for.",
        rules.MANIFEST_WARNINGS,
    ),
    (
        "Errors in other files",
        "Snapshots, plans and settings that can't be used (exit 3).",
        rules.FILE_ERRORS,
    ),
    (
        "Blocks",
        "The planner makes no step for the product, or holds back some of the account. "
        "The plan lists each with its line; the guard `blocked` limits how many a plan may have.",
        rules.BLOCKS,
    ),
    (
        "Deferrals",
        "The step is due, and a later plan will hold it.",
        rules.DEFERRALS,
    ),
    (
        "Warnings in plans",
        "What a reviewer should know; the plan is carried out all the same.",
        rules.PLAN_WARNINGS,
    ),
)


def rules_page() -> str:
    """Every rule id with its sentence, in the order of the code."""
    parts = [
        "# Rules\n",
        NOTICE,
        "Every finding has a rule id. The ids are stable: a filter that names one keeps working.\n",
    ]
    for title, introduction, table in SECTIONS:
        parts += [f"## {title}\n", f"{introduction}\n", _table(("rule", "what it says"), _rule_rows(table))]
    return "\n".join(parts)


def calls_page() -> str:
    """Each operation with what its vendor page says of it, in the order of `OPERATIONS`."""
    common = ", ".join(f"{status} `{code}`" for status, code in COMMON_ERRORS)
    parts = [
        "# The calls\n",
        NOTICE,
        f"All are `{METHOD}` below `{API_PREFIX}`, JSON in and out. A field with `*` is required. "
        f"Every call can also answer {common}.\n",
        _table(("action", "path", "body", "scope", "`id` in a 200"), map(_call_row, OPERATIONS)),
    ]
    parts += map(_call_section, OPERATIONS)
    return "\n".join(parts)


#: The generated pages by file name.
PAGES: Final[Mapping[str, Callable[[], str]]] = MappingProxyType({"rules.md": rules_page, "calls.md": calls_page})


def _rule_rows(table: Mapping[str, str]) -> Iterable[tuple[str, ...]]:
    return ((f"`{rule}`", sentence) for rule, sentence in table.items())


def _call_row(operation: Operation) -> tuple[str, ...]:
    fields = ", ".join(f"`{field.name}`" + ("\\*" if field.required else "") for field in operation.fields)
    answered = "the account" if operation.answers == "account" else "the user product"
    return (f"`{operation.action}`", f"`{operation.path}`", fields, f"`{operation.scope}`", answered)


def _call_section(operation: Operation) -> str:
    after = " after a cool-down" if operation.cool_down else ""
    if operation.repeatable:
        repeat = f"it is sent again{after}: the same body gives the same end."
    else:
        repeat = f"it is sent once more{after}; what that doesn't settle is left to a person (`resolve`)."
    errors = "\n".join(f"- {status} `{code}`" for status, code in operation.errors)
    return (
        f"## `{operation.action}`\n\nVendor page: {operation.page}. If its outcome is unknown, {repeat}\n\n"
        f"Errors of its own:\n\n{errors}\n"
    )


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


if __name__ == "__main__":
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8")
