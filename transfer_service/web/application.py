"""Flask, less what nothing here uses and every request would pay for."""

from collections.abc import Callable
from typing import Any

from flask import Flask, Request
from flask.sessions import SessionInterface, SessionMixin


class _NoSessions(SessionInterface):
    """No session of Flask, which would be a cookie: who is signed in, tokens say."""

    def open_session(self, app: Flask, request: Request) -> SessionMixin:  # noqa: ARG002 - Flask's signature
        """One that can only be read, and is never saved."""
        return self.make_null_session(app)

    def save_session(self, *_: Any) -> None:
        """There is nothing to save."""


class Application(Flask):
    """The application."""

    session_interface = _NoSessions()

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The function itself: no view and no hook is a coroutine."""
        return func
