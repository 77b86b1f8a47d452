"""Fixtures of the command's tests."""

from tests.client.commands import service, signed_out, transfer

__all__ = ["service", "signed_out", "transfer"]
