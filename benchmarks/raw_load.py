"""The yardstick: PyYAML's C loader over the same bytes, one core, nothing else done: ``raw_load.py FOLDER [COPIES]``.

Prints the seconds of reading the files and of loading them, without the start of Python and the imports. With COPIES,
as many processes do that at once, and the seconds until all are done are printed, too.
"""

from __future__ import annotations

import json
import os
import sys
from time import perf_counter

import yaml


def main(folder: str, copies: int) -> None:
    """Load every file and print what it took."""
    began = perf_counter()
    others = []
    for _ in range(copies - 1):
        other = os.fork()
        if not other:
            load(folder)
            os._exit(0)
        others.append(other)
    found = load(folder)
    for other in others:
        os.waitpid(other, 0)
    print(json.dumps(found | {"together": perf_counter() - began}))


def load(folder: str) -> dict[str, float]:
    """What it takes to load every file once."""
    # Plain paths, since the objects of pathlib would slow the yardstick down.
    paths = sorted(f"{at}/{name}" for at, _, names in os.walk(folder) for name in names)
    reading = loading = 0.0
    documents = size = 0
    for path in paths:
        began = perf_counter()
        with open(path, "rb") as file:  # noqa: PTH123
            data = file.read()
        read = perf_counter()
        for _ in yaml.load_all(data, yaml.CSafeLoader):
            documents += 1
        reading += read - began
        loading += perf_counter() - read
        size += len(data)
    return {"reading": reading, "loading": loading, "documents": documents, "bytes": size}


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1)
