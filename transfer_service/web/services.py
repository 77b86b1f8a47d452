"""The services that views call, kept on the app by `create_app`."""

from flask import current_app

from transfer_service.services import Services

__all__ = ["EXTENSION", "Services", "services"]

EXTENSION = "transfer_service"


def services() -> Services:
    """The services of the current app."""
    bound: Services = current_app.extensions[EXTENSION]
    return bound
