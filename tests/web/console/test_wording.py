"""What the server itself says to people: sizes, instants and forms of numbers by the rules of their language."""

from datetime import UTC, datetime

import pytest
from markupsafe import Markup

from transfer_service.web.console.wording import Wording


@pytest.mark.parametrize(
    ("language", "size", "text"),
    [("en", 0, "0 bytes"), ("en", 1, "1 byte"), ("en", 999, "999 bytes"), ("en", 1000, "1.0 kB"),
     ("en", 999_949, "999.9 kB"), ("en", 999_950, "1.0 MB"), ("en", 10**12, "1.0 TB"), ("en", 2**63 - 1, "9.2 EB"),
     ("de", 1, "1 Byte"), ("de", 1500, "1,5 kB")],
)  # fmt: skip
def test_sizes_for_people(language: str, size: int, text: str) -> None:
    assert Wording(language).size(size) == text


@pytest.mark.parametrize(
    ("language", "text"),
    [("en", "December 7, 2026, 1:23\u202fPM UTC"), ("de", "7. Dezember 2026, 13:23 UTC")],
)
def test_instants_for_people(language: str, text: str) -> None:
    assert Wording(language).instant(datetime(2026, 12, 7, 13, 23, 5, tzinfo=UTC)) == text


def test_numbers_choose_their_forms() -> None:
    words = Wording("de")
    assert [words.text("shared.files", count=count) for count in (0, 1, 12345)] == [
        "0 Dateien", "1 Datei", "12.345 Dateien",
    ]  # fmt: skip


def test_values_are_text_unless_they_are_markup() -> None:
    words = Wording()
    assert words.text("shared.download_of", name='"><b>{name}') == "Download &#34;&gt;&lt;b&gt;{name}"
    assert words.text("shared.until", until=Markup("<b>May</b>")) == "This link works until <b>May</b>."
