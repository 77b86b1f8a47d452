"""What a case of the scale benchmark is: a generator. What it asks the client itself is preparation, what it yields is
measured.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from itertools import count
from typing import Any
from urllib.parse import quote, urlencode

from benchmarks.scale_client import Answer, Ask, Request
from benchmarks.scale_data import Size

Steps = Generator[Request, Answer, None]
BYTES = b"x" * 1000
STEPS_DOWN = 20
_numbers = count(1)


@dataclass(frozen=True)
class Case:
    """Requests of one operation. `reads_all` says why it may cost more where there is more, None where it may not."""

    operation: str
    title: str
    steps: Callable[[Ask, Size], Steps]
    reads_all: str | None = None


CASES: list[Case] = []


def case(
    operation: str, title: str = "", *, reads_all: str | None = None
) -> Callable[[Callable[[Ask, Size], Steps]], Callable[[Ask, Size], Steps]]:
    """Make a function the case of an operation."""

    def add(steps: Callable[[Ask, Size], Steps]) -> Callable[[Ask, Size], Steps]:
        CASES.append(Case(operation, " ".join(filter(None, (operation, title))), steps, reads_all))
        return steps

    return add


def again(request: Request) -> Callable[[Ask, Size], Steps]:
    """The same request again and again."""

    def steps(_ask: Ask, _size: Size) -> Steps:
        while True:
            yield request

    return steps


def plain(operation: str, method: str, path: str, title: str = "", **fields: Any) -> None:
    """A case of one request that changes nothing."""
    case(operation, title)(again(Request(method, path, **fields)))


def new_name() -> str:
    """A name that no file had before."""
    return f"new {next(_numbers)}.bin"


def path_of(*parts: str) -> str:
    """A path with percent signs where it needs them."""
    return "/" + "/".join(quote(part, safe="") for part in parts)


def deep_page(path: str, query: dict[str, str] | None = None) -> Callable[[Ask, Size], Steps]:
    """A page of fifty, so far down the list as twenty steps of a thousand lead."""

    def steps(ask: Ask, _size: Size) -> Steps:
        place, limit = None, "50"
        for _ in range(STEPS_DOWN):
            page = {**(query or {}), "limit": limit, **({"cursor": place} if place else {})}
            cursor = ask(Request("GET", f"{path}?{urlencode(page)}")).json()["next_cursor"]
            if cursor is None:
                break
            place, limit = cursor, "1000"
        while True:
            yield Request("GET", f"{path}?{urlencode({**(query or {}), 'limit': '50', 'cursor': place})}")

    return steps
