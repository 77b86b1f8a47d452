"""The token in an `Authorization` field (RFC 6750 section 2.1, RFC 9110 section 11.4)."""


def parse_bearer(field: str | None) -> str | None:
    """What follows the scheme, which may have any case; None where another scheme or nothing is shown.

    What it gives may be no token at all: whoever verifies it finds out.
    """
    scheme, _, credentials = (field or "").strip().partition(" ")
    return credentials.strip() or None if scheme.lower() == "bearer" else None
