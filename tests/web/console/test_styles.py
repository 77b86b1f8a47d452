"""The style sheets of the console: pages are one document, so no page's classes may touch another's."""

import re
from collections import defaultdict
from pathlib import Path

SHEETS = Path(__file__).parents[3] / "transfer_service/web/static/console/css"
SHARED = ("base", "shell", "tokens", "ui")
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
SELECTORS = re.compile(r"([^{}]+)\{")
FIRST_CLASS = re.compile(r"[a-z]*\.([\w-]+)")
COLOUR = re.compile(r"#[0-9a-fA-F]{3,8}\b|\b(?:rgb|hsl|oklch)a?\(")


def text_of(sheet: Path) -> str:
    return COMMENT.sub("", sheet.read_text())


def first_classes(sheet: Path) -> set[str]:
    """What each selector begins with: the class that a page gives to its own element."""
    selectors = [each.strip() for found in SELECTORS.findall(text_of(sheet)) for each in found.split(",")]
    return {found[1] for each in selectors if (found := FIRST_CLASS.match(each))}


def test_no_two_pages_style_the_same_class() -> None:
    sheets: dict[str, set[str]] = defaultdict(set)
    for sheet in SHEETS.glob("*.css"):
        for name in first_classes(sheet):
            sheets[name].add(sheet.stem)
    assert len(sheets) > 100
    assert {name: used for name, used in sheets.items() if len(used) > 1 and not used & set(SHARED)} == {}


def test_colours_are_tokens() -> None:
    others = [sheet for sheet in SHEETS.glob("*.css") if sheet.stem != "tokens"]
    assert {sheet.stem: found for sheet in others if (found := COLOUR.findall(text_of(sheet)))} == {}
