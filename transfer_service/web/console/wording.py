"""What pages without scripts say: from the catalogues of the console, numbers and days by the rules of the language."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from markupsafe import Markup, escape

from transfer_service.web.console.languages import FALLBACK, MESSAGES, direction, wanted_language

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_UNITS = ("kB", "MB", "GB", "TB", "PB", "EB")


@cache
def _messages(language: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads((MESSAGES / f"{language}.json").read_text(encoding="utf-8"))
    return found


@dataclass(frozen=True, slots=True)
class Wording:
    """One language. Babel is loaded when something is said in it: programs never ask for a page."""

    language: str = FALLBACK

    @property
    def direction(self) -> str:
        """Which way it is written."""
        return direction(self.language)

    def text(self, key: str, **values: object) -> Markup:
        """The text of a key such as `shared.files`, with `{name}` filled in; `count` chooses among forms (CLDR).

        Values are escaped, except what is markup.
        """
        found: Any = _messages(self.language)
        for part in key.split("."):
            found = found[part]
        if not isinstance(found, str):
            found = found.get(self._plural_form(values["count"]), found["other"])
        parts = _PLACEHOLDER.split(found)
        filled = [self._value(values[part]) if place % 2 else escape(part) for place, part in enumerate(parts)]
        return Markup("").join(filled)

    def size(self, size: int) -> Markup:
        """Bytes for people: in units of a thousand, with one digit behind the point."""
        if size < 1000:
            return self.text("shared.bytes", count=size)
        value = float(size)
        for unit in _UNITS:
            value /= 1000
            if value < 999.95 or unit == _UNITS[-1]:
                break
        from babel.numbers import format_decimal

        return escape(f"{format_decimal(value, '#,##0.0', self.language)} {unit}")

    def instant(self, at: datetime) -> str:
        """A day and a time, in UTC: nobody knows where the visitor is."""
        from babel.dates import format_date, format_time

        return f"{format_date(at, 'long', self.language)}, {format_time(at, 'short', locale=self.language)} UTC"

    def _plural_form(self, count: object) -> str:
        from babel import Locale

        return Locale.parse(self.language).plural_form(count)  # type: ignore[arg-type]

    def _value(self, value: object) -> Markup:
        if isinstance(value, int):
            from babel.numbers import format_decimal

            return escape(format_decimal(value, locale=self.language))
        return escape(value)


def wording() -> Wording:
    """In the language that the browser asks for."""
    return Wording(wanted_language())
