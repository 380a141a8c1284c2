"""Photographs for the docs: terminal and comment of the walk-through, the report of the worked fleet.

The real commands type `docs/walkthrough.md` again and plan the worked fleet, on the embedded simulator and in folders
of their own; Chromium draws what they wrote. PNGs in ``docs/images/``, small enough for a page (`make screenshots`).
"""

from __future__ import annotations

import io
import re
import shutil
import struct
import sys
import tempfile
import zlib
from pathlib import Path
from string import Template

from markdown_it import MarkdownIt
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text
from support.browser import Browser, browsing
from support.commands import ROOT, run
from support.pages import page as read_page
from support.pages import replayed, start
from support.terminal import at_terminal

IMAGES = ROOT / "docs" / "images"
ENVIRONMENT = {"RECONCILER_ENVIRONMENT": "simulator"}
MOST = 300 * 1024

#: Lines are made for 80 columns; a plan's id, which is never cut, needs two more.
COLUMNS = 82

#: Height in CSS pixels of what is shown of a long comment or report.
LONGEST = 1180

TERMINAL = Template(
    """<!doctype html><meta charset="utf-8"><style>
body { margin: 0; background: #eef1f4; padding: 16px; width: max-content; }
div { background: #14181d; border-radius: 8px; padding: 12px 18px 16px; box-shadow: 0 2px 10px #0003; }
pre { margin: 0; font: 14px/1.4 "DejaVu Sans Mono", monospace; color: #dfe4ea; }
p { margin: 0 0 8px; height: 10px; } i { display: inline-block; width: 10px; height: 10px; border-radius: 5px;
background: #3b444e; margin-right: 6px; }
</style><div><p><i></i><i></i><i></i></p><pre>$text</pre></div>"""
)

COMMENT = Template(
    """<!doctype html><meta charset="utf-8"><style>
body { margin: 0; padding: 16px; background: #ffffff; color: #1f2328;
  font: 14px/1.5 system-ui, "DejaVu Sans", sans-serif; }
article { border: 1px solid #d1d9e0; border-radius: 6px; max-width: 860px; }
header { background: #f6f8fa; border-bottom: 1px solid #d1d9e0; padding: 8px 16px; color: #59636e; }
header b { color: #1f2328; } main { padding: 8px 16px 12px; overflow-wrap: anywhere; }
h2 { font-size: 20px; border-bottom: 1px solid #d1d9e0; padding-bottom: 5px; margin: 8px 0 12px; }
h3 { font-size: 16px; margin: 18px 0 8px; } ul { padding-left: 26px; margin: 8px 0; } li { margin: 2px 0; }
table { border-collapse: collapse; } th, td { border: 1px solid #d1d9e0; padding: 5px 12px; } p { margin: 8px 0; }
code { font: 12px "DejaVu Sans Mono", monospace; background: #eff1f3; border-radius: 5px; padding: 2px 5px; }
pre { background: #f6f8fa; border-radius: 6px; padding: 12px; white-space: pre-wrap; } pre code { padding: 0; }
hr { border: 0; border-top: 1px solid #d1d9e0; margin: 16px 0; } details { margin: 5px 0; }
</style><article><header><b>payway-reconciler</b> commented on this pull request</header><main>$text</main></article>"""
)


#: What a terminal is told beside text: hide or show the cursor, and begin the line again.
_CURSOR = re.compile(r"\x1b\[\?25[lh]")
_AGAIN = re.compile(r"^.*\r\x1b\[2K", re.MULTILINE)


def written(*arguments: str, folder: Path) -> str:
    """What a command writes to standard output; it has to end well."""
    done = run(*arguments, cwd=folder, env=ENVIRONMENT)
    assert done.code == 0, done.said
    return done.out


def seen(*arguments: str, folder: Path, code: int = 0) -> str:
    """What is left of a command's output at a terminal when it has ended with ``code``, with its colours."""
    with at_terminal(*arguments, cwd=folder, env=ENVIRONMENT) as person:
        assert person.ended() == code, person.shown
        lines = _CURSOR.sub("", person.shown).replace("\r\n", "\n")
    return _AGAIN.sub("", lines)


def terminal(command: str, ansi: str) -> str:
    """A page with a terminal of 80 columns in which ``command`` was typed."""
    basic = ["14181d 2a323b", "ff7b72 ff958c", "6fd08c 8ee0a4", "efb85c f5cb84", "79b8ff 9ccbff", "cba7f2 dcc3f7"]
    basic += ["76d0d6 9be0e4", "dfe4ea ffffff"]
    pairs = [tuple(tuple(bytes.fromhex(one)) for one in pair.split()) for pair in basic]
    colors = TerminalTheme((0x14, 0x18, 0x1D), (0xDF, 0xE4, 0xEA), [dim for dim, _ in pairs], [lit for _, lit in pairs])
    console = Console(width=COLUMNS, record=True, file=io.StringIO(), color_system="standard", legacy_windows=False)
    console.print(Text(f"$ {command}\n", style="bold"), end="")
    console.print(Text.from_ansi(ansi), end="")
    shown = console.export_html(theme=colors, inline_styles=True, code_format="{code}")
    return TERMINAL.substitute(text=shown)


def shortened(text: str, first: int, last: int) -> str:
    """The first and last paragraphs of a long output."""
    parts = text.split("\n\n")
    return "\n\n".join([*parts[:first], "     ⋮", *parts[-last:]])


def comment(markdown: str) -> str:
    """A page with the comment as a forge draws it."""
    drawn = MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown)
    return COMMENT.substitute(text=drawn)


def pages(folder: Path) -> dict[str, str]:
    """Every page to be photographed, by the name of its picture."""
    walk = start(folder)
    replayed(read_page("walkthrough.md"), walk, until="--out plan.json; echo")
    planned = seen("plan", "--out", "plan.json", folder=walk.folder, code=5)
    markdown = written("show", "plan.json", "--format", "markdown", folder=walk.folder)
    written("plan", "--out", "plan.json", "--accept", "protected", folder=walk.folder)
    walk.typed("git switch -q main && git merge -q weekend-instead-of-daily")
    applied = seen("apply", "--expect", "plan.json", folder=walk.folder)

    fleet = folder / "fleet"
    shutil.copytree(ROOT / "manifests", fleet / "manifests")
    shutil.copy(ROOT / "examples" / "known-state.json", fleet)
    written("state", "import", "known-state.json", folder=fleet)
    report = written("plan", "--format", "html", folder=fleet)
    return {
        "terminal-plan": terminal("reconciler plan -e simulator --out plan.json", planned),
        "terminal-apply": terminal("reconciler apply -e simulator --expect plan.json", shortened(applied, 2, 4)),
        "comment": comment(markdown),
        "report": report,
        "report-dark": report,
    }


def squeezed(png: bytes) -> bytes:
    """The same picture in fewer bytes: the browser compresses in a hurry."""
    chunks, at, data = [], 8, b""
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        content = png[at + 8 : at + 8 + length]
        at += 12 + length
        if kind == b"IDAT":
            data += content
            continue
        if kind == b"IEND":
            chunks.append((b"IDAT", zlib.compress(zlib.decompress(data), 9)))
        chunks.append((kind, content))
    packed = (
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )
    return png[:8] + b"".join(packed)


def take(browser: Browser, name: str, page: Path, target: Path) -> None:
    """Photograph one page: a report from its top, the dark one from its calls on, anything else as it is."""
    if name.startswith("report"):
        browser.device(1180, dark=name == "report-dark")
        browser.open(page.as_uri())
        top = 0
        if name == "report-dark":
            browser.run("document.querySelector('.step').open = true")
            top = browser.run("return Math.floor(document.getElementById('calls').getBoundingClientRect().top) - 16")
        browser.photograph(target, top=top, width=1180, height=LONGEST + (230 if top else 0))
        return
    browser.device(900)
    browser.open(page.as_uri())
    right, bottom = browser.run(
        "const r = document.body.firstElementChild.getBoundingClientRect(); return [r.right, r.bottom].map(Math.ceil)"
    )
    longest = LONGEST if name == "comment" else bottom + 16
    browser.photograph(target, width=right + 16, height=min(bottom + 16, longest))


def main() -> int:
    """Take all pictures and say how big they are."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as place, browsing() as browser:
        for name, text in pages(Path(place)).items():
            page, target = Path(place, f"{name}.html"), IMAGES / f"{name}.png"
            page.write_text(text, encoding="utf-8")
            take(browser, name, page, target)
            target.write_bytes(squeezed(target.read_bytes()))
            size = target.stat().st_size
            sys.stdout.write(f"  docs/images/{target.name:24} {size / 1024:6.0f} KiB\n")
            if size > MOST:
                raise SystemExit(f"{target.name} is too big for a page")
    return 0


if __name__ == "__main__":
    sys.exit(main())
