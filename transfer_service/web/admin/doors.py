"""What all doors of administration share."""

from flask import Blueprint, request

from transfer_service.web.context import guard, require_admin


def guard_for_admins(blueprint: Blueprint) -> None:
    """Let administrators in, and nobody else. Who is not signed in hears of that first."""
    blueprint.before_request(guard)
    blueprint.before_request(_require_admin)


def _require_admin() -> None:
    if request.method != "OPTIONS":
        require_admin()
