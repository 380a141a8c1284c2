"""The part of requirements.lock that is needed to run the program, or to build it: ``locked.py CHECKOUT [build]``.

The lock says below each package what asked for it, so what is needed follows from what pyproject.toml asks for. If
anything were missing here, pip would say so: it takes nothing without a hash. Only the standard library is used.
"""

import re
import sys
import tomllib
from pathlib import Path

_ENTRY = re.compile(r"^([\w.-]+)==.*\n(?:[ \t]+.*\n)*", re.MULTILINE)
_VIA = re.compile(r"^ +# +(?:via +)?([\w.-]+)", re.MULTILINE)


def part_of(lock: str, pyproject: str, *, build: bool = False) -> str:
    """The entries of ``lock`` for the dependencies and the extra ``postgres``, or for what builds a wheel.

    Raises `ValueError` if one lacks.
    """
    data = tomllib.loads(pyproject)
    project = data["project"]
    running = [*project["dependencies"], *project["optional-dependencies"]["postgres"]]
    asked = {_name(text) for text in (data["build-system"]["requires"] if build else running)}
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
    texts = [(checkout / name).read_text() for name in ("requirements.lock", "pyproject.toml")]
    sys.stdout.write(part_of(*texts, build=sys.argv[2:] == ["build"]))
