"""The languages of the console: one catalogue of messages each, in `static/console/messages`."""

from collections.abc import Sequence
from functools import cache

from flask import request

from transfer_service.web.console.assets import STATIC

MESSAGES = STATIC / "console" / "messages"
FALLBACK = "en"
_FROM_RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ur"})


@cache
def languages() -> Sequence[str]:
    """Those that there are: the fallback first."""
    return sorted((path.stem for path in MESSAGES.glob("*.json")), key=lambda name: (name != FALLBACK, name))


def wanted_language() -> str:
    """The one that the browser asks for, as near as there is one (RFC 9110 section 12.5.4)."""
    return request.accept_languages.best_match(languages(), default=FALLBACK) or FALLBACK


def direction(language: str) -> str:
    """Which way a language is written, as HTML says it."""
    return "rtl" if language.partition("-")[0] in _FROM_RIGHT_TO_LEFT else "ltr"
