"""The part of requirements.lock that the program needs at run time, on standard output: ``locked.py CHECKOUT``.

The lock says below each package what asked for it, so what is needed follows from what pyproject.toml asks for. If
anything were missing here, pip would say so: it takes nothing without a hash. Only the standard library is used.
"""

import re
import sys
import tomllib
from pathlib import Path

_ENTRY = re.compile(r"^([\w.-]+)==.*\n(?:[ \t]+.*\n)*", re.MULTILINE)
_VIA = re.compile(r"^    #   ?(?:via )?([\w.-]+)", re.MULTILINE)


def runtime_lock(lock: str, pyproject: str) -> str:
    """The entries of ``lock`` for the dependencies and the extra ``postgres``. Raises `ValueError` if one lacks."""
    project = tomllib.loads(pyproject)["project"]
    asked = {_name(text) for text in [*project["dependencies"], *project["optional-dependencies"]["postgres"]]}
    entries = {_name(match[1]): match[0] for match in _ENTRY.finditer(lock)}
    if missing := asked - set(entries):
        raise ValueError(f"requirements.lock lacks {', '.join(sorted(missing))}: make lock")
    parents = {name: {_name(parent) for parent in _VIA.findall(text)} for name, text in entries.items()}
    needed = set(asked)
    while more := {name for name, above in parents.items() if above & needed} - needed:
        needed |= more
    return "".join(text for name, text in entries.items() if name in needed)


def _name(requirement: str) -> str:
    return re.split(r"[<>=!~;\[ ]", requirement.strip())[0].lower().replace("_", "-").replace(".", "-")


if __name__ == "__main__":
    checkout = Path(sys.argv[1])
    sys.stdout.write(
        runtime_lock((checkout / "requirements.lock").read_text(), (checkout / "pyproject.toml").read_text())
    )
