"""A self-hosted file-transfer service: `create_app` in app.py wires it together."""

from transfer_service.spared import spared

with spared("better_exceptions", "rich"):  # log lines are JSON
    import structlog  # noqa: F401 - the first import decides
