"""An HTML report as data: its elements, and the counts that it tells."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "input", "br", "link"}

#: Elements whose end may be left out, with what ends them: another one of these that begins, or their parent's end.
IMPLIED = {"dt": {"dt", "dd"}, "dd": {"dt", "dd"}, "li": {"li"}}


@dataclass
class Element:
    """One element with its children; texts among them are plain strings."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Element | str] = field(default_factory=list)

    @property
    def classes(self) -> set[str]:
        return set((self.attributes.get("class") or "").split())

    @property
    def text(self) -> str:
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    @property
    def words(self) -> str:
        return " ".join(self.text.split())

    def all(self, name: str, class_: str | None = None) -> list[Element]:
        """Every element below of that name, in order."""
        found = []
        for child in self.children:
            if isinstance(child, Element):
                if child.name == name and (class_ is None or class_ in child.classes):
                    found.append(child)
                found += child.all(name, class_)
        return found

    def every(self) -> list[Element]:
        return [self, *(e for child in self.children if isinstance(child, Element) for e in child.every())]

    def shape(self) -> object:
        """Names, attributes of ours and nesting, without any text; runs of text are one ``...``."""
        kept = {k: v for k, v in self.attributes.items() if k in ("class", "id", "href", "data-impact", "data-marks")}
        shapes: list[object] = []
        for child in self.children:
            shape = child.shape() if isinstance(child, Element) else "..."
            if shape != "..." or (shapes and shapes[-1] != "...") or not shapes:
                shapes.append(shape)
        return self.name, kept, sorted(self.attributes), shapes


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.stack = [Element("document")]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        assert len(attributes) == len(attrs), f"an attribute twice: {attrs}"
        if tag in IMPLIED.get(self.stack[-1].name, ()):
            self.stack.pop()
        element = Element(tag, attributes)
        self.stack[-1].children.append(element)
        if tag not in VOID:
            self.stack.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.stack[-1].name in IMPLIED and self.stack[-1].name != tag:
            self.stack.pop()
        assert self.stack[-1].name == tag, f"</{tag}> ends <{self.stack[-1].name}>"
        self.stack.pop()

    def handle_data(self, data: str) -> None:
        self.stack[-1].children.append(data)


def parse(text: str) -> Element:
    """The document, whose elements must all be nested as they should be."""
    builder = _Builder()
    builder.feed(text)
    builder.close()
    assert len(builder.stack) == 1, f"<{builder.stack[-1].name}> isn't closed"
    return builder.stack[0]


def summary(page: Element) -> dict[str, str]:
    """The headline as pairs of label and sentence."""
    [rows] = page.all("dl", "summary")
    return {term.words: description.words for term, description in zip(rows.all("dt"), rows.all("dd"), strict=True)}


def numbers(text: str) -> list[int]:
    """Every number in a text."""
    return [int(found.replace(",", "")) for found in re.findall(r"[0-9][0-9,]*", text)]
