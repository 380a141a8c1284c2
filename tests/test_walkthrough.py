"""The walk-through is true: whoever types it reads what it says, and its pictures are there."""

import os
import re

from support.commands import ROOT
from support.pages import page, replayed, start

NAME = "walkthrough.md"


def test_whoever_types_it_reads_the_same(tmp_path):
    text = page(NAME)
    found = replayed(text, start(tmp_path))
    if os.environ.get("UPDATE_GOLDEN"):
        (ROOT / "docs" / NAME).write_text(found, encoding="utf-8")
    assert found == page(NAME)


def test_its_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)", page(NAME)):
        assert (ROOT / "docs" / target).exists(), target
