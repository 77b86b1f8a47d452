"""The style sheets of the console: pages are one document, so no page's classes may touch another's."""

import re
from collections import defaultdict
from pathlib import Path

WEB = Path(__file__).parents[3] / "transfer_service/web"
CONSOLE = WEB / "static/console"
SHEETS = CONSOLE / "css"
SHARED = ("base", "shell", "tokens", "ui")
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
SELECTORS = re.compile(r"([^{}]+)\{")
FIRST_CLASS = re.compile(r"[a-z]*\.([\w-]+)")
CLASS = re.compile(r"\.([a-zA-Z][\w-]*)")
SIDE = re.compile(
    r"(?<![\w-])(?:(?:margin|padding|border)-(?:left|right|top|bottom)|left|right|top|bottom)\b[\w-]*\s*:"
)
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


def test_sides_are_those_of_the_writing() -> None:
    """A page from right to left is the mirror of the other one."""
    assert {sheet.stem: found for sheet in SHEETS.glob("*.css") if (found := SIDE.findall(text_of(sheet)))} == {}


def words_said() -> set[str]:
    """All words of modules and templates: the names of classes and icons are among them."""
    paths = [
        path for folder in ("static/console", "static/sharing", "templates") for path in (WEB / folder).rglob("*.*")
    ]
    text = "\n".join(path.read_text() for path in paths if path.suffix in {".js", ".html"})
    return set(re.findall(r"[\w-]+", text))


def test_every_class_is_given_to_something() -> None:
    selectors = {each for sheet in SHEETS.glob("*.css") for each in SELECTORS.findall(text_of(sheet))}
    classes = {name for each in selectors for name in CLASS.findall(each)}
    assert len(classes) > 200
    assert classes - words_said() == set()


def test_icons_are_there_and_shown_somewhere() -> None:
    icons = set(re.findall(r'<symbol id="([\w-]+)"', (CONSOLE / "icons.svg").read_text()))
    text = "\n".join(path.read_text() for path in CONSOLE.rglob("*.js"))
    said = set(re.findall(r"""["']([\w-]+)["']""", text))
    asked = set(re.findall(r"""(?:<\$\{Icon\} name|icon)(?:=|: )"([\w-]+)\"""", text))
    assert len(asked) > 20
    assert (icons - said, asked - icons) == (set(), set())
