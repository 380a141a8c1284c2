"""octoDNS beside us: ``octodns_peer.py [--c-loader] --config-file FILE`` is its own `octodns-sync`, in its own Python.

Two things make it faster than it is by itself. `JsonTarget` hands known records over from JSON, so that what is known
isn't read as YAML. ``--c-loader`` puts PyYAML's C loader under its own, which octoDNS doesn't offer.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import yaml

if "--c-loader" in sys.argv:
    sys.argv.remove("--c-loader")
    yaml.SafeLoader = yaml.CSafeLoader

from octodns.cmds.sync import main
from octodns.provider.base import BaseProvider
from octodns.record import Record


class JsonTarget(BaseProvider):
    """Known records of each zone, read from a file of names and data."""

    SUPPORTS = frozenset({"A", "NAPTR"})
    SUPPORTS_GEO = False
    SUPPORTS_ROOT_NS = True

    def __init__(self, id: str, directory: str, **more: Any) -> None:
        self.log = logging.getLogger(f"JsonTarget[{id}]")
        super().__init__(id, **more)
        self.directory = Path(directory)

    def populate(self, zone: Any, target: bool = False, lenient: bool = False) -> bool:
        """Put the zone's records into it."""
        records = json.loads((self.directory / f"{zone.name}json").read_bytes())
        for name, data in records.items():
            zone.add_record(Record.new(zone, name, data, source=self, lenient=lenient), lenient=lenient)
        return True


if __name__ == "__main__":
    # The configuration names the class by its module, which runs as the program here.
    sys.modules["octodns_peer"] = sys.modules["__main__"]
    main()
