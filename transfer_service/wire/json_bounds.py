"""What JSON will cost, before it is parsed.

A parser makes an object of every two bytes `[]`, a hundred times as large, and holds up everybody meanwhile. What is in
strings costs little. So this looks for the strings, which `str.find` does at the speed of memory, and counts the rest.
"""

from collections.abc import Iterator

MAX_QUOTES = 70_000  # the longest text of a message may be of nothing else
MAX_BACKSLASHES = 140_000  # likewise, with two escapes for each character beyond the first plane


def find_long_strings(text: str, start: int, *, most_outside: int, long: int) -> list[tuple[int, int]]:
    """Where the strings of more than `long` characters are, without their quotes.

    `text` is JSON from `start` on, a character for each byte. Raises ValueError where more than `most_outside`
    characters are outside of strings, where too much in them is escaped, and where a string has no end.
    """
    found = []
    quotes, outside, at = _unescaped_quotes(text, start), 0, start
    for opening in quotes:
        closing = next(quotes, -1)
        outside += opening - at + 1  # a string costs something too
        if closing < 0 or outside > most_outside:
            raise ValueError("too much outside of strings")
        if closing - opening > long:
            found.append((opening + 1, closing))
        at = closing + 1
    if outside + len(text) - at > most_outside:
        raise ValueError("too much outside of strings")
    return found


def _unescaped_quotes(text: str, start: int) -> Iterator[int]:
    since = start
    for _ in range(MAX_QUOTES):
        at = text.find('"', since)
        if at < 0:
            return
        if at == since or text[at - 1] != "\\":
            yield at
        else:
            before = text[max(since, at - MAX_BACKSLASHES) : at]
            backslashes = len(before) - len(before.rstrip("\\"))
            if backslashes == MAX_BACKSLASHES:
                raise ValueError("too many backslashes")
            if backslashes % 2 == 0:
                yield at
        since = at + 1
    raise ValueError("too many quotes")
