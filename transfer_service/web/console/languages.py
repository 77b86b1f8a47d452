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
    """The one that the browser likes best of those that there are (RFC 4647 section 3.4).

    `en-GB, de;q=0.9` is English: what is asked for first counts in a more general form, too, before what follows.
    """
    known = {name.lower(): name for name in languages()}
    for tag, quality in request.accept_languages:  # the best first
        labels = tag.lower().split("-")
        for count in range(len(labels), 0, -1):
            if quality > 0 and (name := known.get("-".join(labels[:count]))):
                return name
    return FALLBACK


def direction(language: str) -> str:
    """Which way a language is written, as HTML says it."""
    return "rtl" if language.partition("-")[0] in _FROM_RIGHT_TO_LEFT else "ltr"
