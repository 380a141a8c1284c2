"""Write the pages that are drawn from the code: rules, calls and commands (`make docs`).

Each page is a function of the tables in the code, so a test can compare and nobody has to remember.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import click

from reconciler import rules
from reconciler.cli.app import app
from reconciler.cli.menu import COMMANDS, COMMON, EXIT_CODES, Common
from reconciler.cli.options import SAID_ALOUD, variable_of
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


COMMANDS_INTRODUCTION: Final = """\
Documents go to standard output, all else to standard error. Options stand before or after the command's name. Each
has a variable, but for those that must be said aloud; the option goes before the variable, that before
`reconciler.toml`, that before the default, and `config show --origin` says which won. A variable that is empty isn't
set; an option or argument that is empty is refused, for it is most likely a variable that wasn't set. A flag's
variable is `true` or `false`; that of an option that can be repeated holds one value a line.
No option takes a credential.
"""

EXIT_CODES_INTRODUCTION: Final = """\
If several hold: 74 and 69 before 8, that before 7. `plan` shows the plan and then exits 5 if a guard refuses it.
"""


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


def commands_page() -> str:
    """Every command and option as click knows them, and the exit codes."""
    parts = [
        "# Commands\n",
        NOTICE,
        COMMANDS_INTRODUCTION,
        "## Options of every command\n",
        _table(("option", "variable", "what it does"), map(_common_row, COMMON)),
    ]
    root = click.Context(app, info_name="reconciler", **app.context_settings)
    for name in COMMANDS:
        command = app.get_command(root, name)
        assert command is not None
        parts += _command_sections(command, click.Context(command, root, info_name=name))
    rows = ((str(code), meaning) for code, meaning in EXIT_CODES.items())
    parts += ["## Exit codes\n", EXIT_CODES_INTRODUCTION, _table(("code", "meaning"), rows)]
    return "\n".join(parts)


#: The generated pages by file name.
PAGES: Final[Mapping[str, Callable[[], str]]] = MappingProxyType(
    {"rules.md": rules_page, "calls.md": calls_page, "commands.md": commands_page}
)


def _command_sections(command: click.Command, context: click.Context) -> Iterable[str]:
    pieces = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield f"## `{context.command_path}`\n"
    yield f"```text\n{pieces}\n```\n"
    yield f"{inspect.cleandoc(command.help or '')}\n"
    common = {name for option in COMMON for name in option.names}
    own = [p for p in command.params if isinstance(p, click.Option) and not common & set(p.opts)]
    if own:
        yield _table(("option", "variable", "what it does"), map(_option_row, own))
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from _command_sections(below, click.Context(below, context, info_name=name))


def _option_row(option: click.Option) -> tuple[str, ...]:
    choices = tuple(option.type.choices) if isinstance(option.type, click.Choice) else None
    takes = None if option.is_flag else option.metavar if choices is None else choices
    words = option.help or ""
    if isinstance(option.default, str):
        words += f" Default: {option.default}."
    if option.multiple:
        words += " Can be repeated."
    return _common_row(Common(tuple(option.opts), takes, words))


def _common_row(option: Common) -> tuple[str, ...]:
    takes = option.takes if isinstance(option.takes, str | None) else "|".join(option.takes)
    written = ", ".join(option.names) + (f" {takes}" if takes else "")
    flag = next(name for name in option.names if name.startswith("--"))
    variable = "" if flag in SAID_ALOUD else f"`{variable_of(flag)}`"
    return (f"`{written}`".replace("|", r"\|"), variable, option.words.replace("|", r"\|"))


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
