"""The query of a request: which parameters a route takes, and what they say.

A route declares its parameters by `takes`; any other one is refused, and so is one that comes twice, because one of
the two would be ignored. Routes that send bytes, and pages, are declared by `takes_any`: their addresses get parameters
from players, caches and analysis tools. `check_queries` puts this in front of every view, behind the guards: who may
not come in hears of that first.
"""

import unicodedata
from collections.abc import Callable, Collection
from enum import StrEnum
from functools import partial, wraps
from typing import Any, TypeVar

from flask import Flask, request

from transfer_service.errors import InvalidRequest
from transfer_service.web.requests import parse_count

Choice = TypeVar("Choice", bound=StrEnum)
View = TypeVar("View", bound=Callable[..., Any])
_ATTRIBUTE = "query_parameters"
_FLAGS = {"true": True, "false": False}


def takes(*names: str) -> Callable[[View], View]:
    """Declare the query parameters of a view."""

    def declare(view: View) -> View:
        setattr(view, _ATTRIBUTE, frozenset(names))
        return view

    return declare


def takes_any(view: View) -> View:
    """Declare that a view ignores its query, whatever stands in it."""
    setattr(view, _ATTRIBUTE, None)
    return view


def parameters_of(view: Callable[..., Any]) -> frozenset[str] | None:
    """The declared parameters of a view, None where any are allowed."""
    declared: frozenset[str] | None = getattr(view, _ATTRIBUTE, frozenset())
    return declared


def check_queries(app: Flask, *, except_for: Collection[str] = ()) -> None:
    """Have every view of the app, but for these endpoints, refuse what it does not take. Call it last."""
    for endpoint, view in app.view_functions.items():
        app.view_functions[endpoint] = takes_any(partial(view)) if endpoint in except_for else _checked(view)


def _checked(view: View) -> View:
    known = parameters_of(view)
    if known is None:
        return view

    @wraps(view)
    def checking(*args: Any, **kwargs: Any) -> Any:
        if request.args and request.method != "OPTIONS":  # a preflight is about another request
            _refuse_others(known)
        return view(*args, **kwargs)

    return checking  # type: ignore[return-value]


def _refuse_others(known: frozenset[str]) -> None:
    for name, values in request.args.lists():
        if name not in known:
            raise InvalidRequest(f"Unknown query parameter: {_shown(name)}")
        if len(values) > 1:
            raise InvalidRequest(f"Query parameter given more than once: {name}")


def _shown(name: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in name[:100])


def count_of(name: str, *, default: int, most: int | None = None) -> int:
    """A number of the query that counts from 1, to `most`. Raises InvalidRequest."""
    number = parse_count(request.args.get(name), name)
    if number is None:
        return default
    if number < 1 or (most is not None and number > most):
        raise InvalidRequest(f"{name} must be 1 to {most}" if most is not None else f"Invalid {name}")
    return number


def choice_of(name: str, choices: type[Choice]) -> Choice | None:
    """One of the words that a parameter takes, None where it is absent. Raises InvalidRequest."""
    value = request.args.get(name)
    if value is None:
        return None
    try:
        return choices(value)
    except ValueError as error:
        raise InvalidRequest(f"{name} must be one of {', '.join(each.value for each in choices)}") from error


def text_of(name: str) -> str:
    """A text in NFC, empty where it is absent. Raises InvalidRequest where there is a control character in it."""
    value = unicodedata.normalize("NFC", request.args.get(name, ""))
    if any(unicodedata.category(character) == "Cc" for character in value):
        raise InvalidRequest(f"Invalid {name}")
    return value


def flag_of(name: str) -> bool:
    """Whether a flag such as `?overwrite=true` is set; it is not by default. Raises InvalidRequest."""
    value = request.args.get(name)
    if value is None:
        return False
    if value not in _FLAGS:
        raise InvalidRequest(f"Invalid {name}")
    return _FLAGS[value]
