"""Text for terminals: names that may hold anything, sizes, times."""

import sys
import unicodedata
from datetime import datetime

_JOINERS = "\u200c\u200d"  # between letters of Persian, and in pictographs
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_UNITS = ("kB", "MB", "GB", "TB", "PB", "EB")
_STEP, _WHOLE_FROM = 1000.0, 99.5
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def safe(text: str) -> str:
    """A text that a terminal only shows: what would steer it, or change the direction of writing, is escaped."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(character if _is_shown(character) else _escaped(character) for character in text)


def plain_text(text: str) -> str:
    """A text that can be encoded: bytes of local names that are not UTF-8 are replaced."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace") if _has_surrogates(text) else text


def human_size(count: float) -> str:
    """Bytes for people: `1.2 MB`, by steps of 1000."""
    if count < _STEP:
        return f"{int(count)} B"
    for unit in _UNITS:
        count /= _STEP
        if count < _STEP - 0.5 or unit == _UNITS[-1]:
            break
    return f"{count:.0f} {unit}" if count >= _WHOLE_FROM else f"{count:.1f} {unit}"


def human_seconds(seconds: float) -> str:
    """A time for people: `9 s`, `1:05`, `2:03:04`, `3 d 4 h`."""
    whole = int(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}:{whole % _MINUTE:02}"
    if whole < _DAY:
        return f"{whole // _HOUR}:{whole // _MINUTE % _MINUTE:02}:{whole % _MINUTE:02}"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def local_time(instant: datetime) -> str:
    """An instant where the reader is, to the minute."""
    return instant.astimezone().strftime("%Y-%m-%d %H:%M")


def plural(count: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def never_fail_to_print() -> None:
    """Have output in an encoding that lacks a character show its number, instead of ending the command."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _is_shown(character: str) -> bool:
    return character in _JOINERS or unicodedata.category(character) not in _HIDDEN


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


def _has_surrogates(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)
