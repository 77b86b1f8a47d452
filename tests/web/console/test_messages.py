"""The catalogues of the console's messages: the same in every language, and just what its modules say."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

WEB = Path(__file__).parents[3] / "transfer_service/web"
CONSOLE, SHARING = WEB / "static/console", WEB / "static/sharing"
CATALOGUES = {path.stem: json.loads(path.read_text()) for path in sorted((CONSOLE / "messages").glob("*.json"))}
ENGLISH = CATALOGUES["en"]
FORMS = {"zero", "one", "two", "few", "many", "other"}
PLACEHOLDER = re.compile(r"\{(\w+)\}")
ASKED = re.compile(r"""\bt\(\s*(?:"([^"]+)"|'([^']+)')""")

SAID = re.compile(r"""["'`]([a-z_]+(?:\.[A-Za-z0-9_]+)+)["'`]""")
BEGUN = re.compile(r"[`\"]([a-z_]+(?:\.[A-Za-z0-9_]+)*\.)(?:\$\{|%)")
"""A key whose end a module works out, such as `problems.${status}`: all that begin so are said."""


def texts(found: Any, place: str = "") -> Iterator[tuple[str, str | dict[str, str]]]:
    """Each key and what it says: a text, or the forms of it that a number chooses among."""
    for name, value in found.items():
        if isinstance(value, str) or set(value) <= FORMS:
            yield f"{place}{name}", value
        else:
            yield from texts(value, f"{place}{name}.")


def forms(text: str | dict[str, str]) -> dict[str, str]:
    return {"other": text} if isinstance(text, str) else text


def modules() -> dict[str, str]:
    paths = sorted(path for folder in (CONSOLE, SHARING) for path in folder.rglob("*.js"))
    return {str(path.relative_to(CONSOLE.parent)): path.read_text() for path in paths}


def pages() -> list[str]:
    """What the server itself says."""
    return [path.read_text() for path in (WEB / "console/wording.py", *(WEB / "templates/sharing").glob("*.html"))]


KEYS = dict(texts(ENGLISH))


@pytest.mark.parametrize("language", [name for name in CATALOGUES if name != "en"])
def test_every_language_says_the_same(language: str) -> None:
    known = dict(texts(CATALOGUES[language]))
    assert set(known) ^ set(KEYS) == set()
    differing = [
        key
        for key, text in KEYS.items()
        if isinstance(text, str) != isinstance(known[key], str)
        or {name for form in forms(text).values() for name in PLACEHOLDER.findall(form)}
        != {name for form in forms(known[key]).values() for name in PLACEHOLDER.findall(form)}
    ]
    assert differing == []


def test_there_is_german() -> None:
    assert "de" in CATALOGUES
    german = dict(texts(CATALOGUES["de"]))
    same = {key for key, text in KEYS.items() if german[key] == text and " " in str(text) and len(str(text)) > 24}
    assert same == set()


@pytest.mark.parametrize("language", CATALOGUES)
def test_no_text_is_empty_and_numbers_have_their_forms(language: str) -> None:
    wrong = [
        key
        for key, text in texts(CATALOGUES[language])
        if not all(form.strip() for form in forms(text).values())
        or (isinstance(text, dict) and ("other" not in text or len(text) < 2))
    ]
    assert wrong == []


def test_every_message_that_is_asked_for_is_there() -> None:
    asked = {
        key: name for name, text in modules().items() for found in ASKED.findall(text) for key in found if key
    }  # fmt: skip
    assert len(asked) > 20
    assert {key: name for key, name in asked.items() if key not in KEYS} == {}


def test_every_message_is_said_somewhere() -> None:
    everything = "\n".join([*modules().values(), *pages()])
    said, begun = set(SAID.findall(everything)), tuple(BEGUN.findall(everything))
    unsaid = [key for key in KEYS if key not in said and not key.startswith(begun)]
    assert not unsaid, unsaid


def test_modules_say_nothing_of_their_own() -> None:
    """Between tags of a template there is no word that no catalogue has."""
    tag = re.compile(r">([^<>${}`]*[A-Za-z]{3}[^<>${}`]*)</")
    own = {name: found for name, text in modules().items() if (found := tag.findall(text))}
    assert own == {}
