"""Accounts over HTTP: sign-ins, tokens and keys."""

from transfer_service.spared import spared

# For algorithms that our tokens do not use: they are HMACs, which the standard library has.
with spared("cryptography"):
    import flask_jwt_extended  # noqa: F401 - the first import decides
