"""Whether this instance signs with the key that the installation was begun with.

Instances with different keys refuse each other's tokens, which looks like sign-ins that end by chance. So the database
keeps a fingerprint of the key: an HMAC with it, of which nothing can be learned that opens anything.
"""

import hmac

import structlog
from sqlalchemy import select, update

from transfer_service.models.upkeep import Installation
from transfer_service.services.core import Core
from transfer_service.services.secret_keys import secrets_of
from transfer_service.shipped import COMMAND

_installation = Installation.__table__
_PURPOSE = "transfer-service signing key of "
_CHARACTERS = 32
HOW = f"set the SECRET_KEY of the other instances; after a change on purpose: {COMMAND} database adopt"


class SigningKey:
    """Compares the key of this process with that of the installation."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._secrets = secrets_of(core.settings)

    def ensure(self) -> None:
        """Log a warning where the key is another one. The first instance that has one sets it.

        One that this process had before, or will have, is another key of the same installation, and gives way to the
        present one.
        """
        kept, own = self._look()
        if kept is not None and kept not in own:
            structlog.get_logger().warning("secret_key_differs", advice=HOW)
        elif own and kept != own[0] and not self._database.is_read_only:
            self._keep(own[0], instead_of=kept)

    def is_another(self) -> bool:
        """Whether the installation was begun with a key that this process does not know."""
        kept, own = self._look()
        return kept is not None and bool(own) and kept not in own

    def adopt(self) -> None:
        """Take this key for the installation's from now on."""
        kept, own = self._look()
        if own:
            self._keep(own[0], instead_of=kept)

    def _look(self) -> tuple[str | None, list[str]]:
        """The fingerprint that is kept, and those of our own keys, none before there is an installation."""
        asked = select(_installation.c.installation_id, _installation.c.key_fingerprint)
        with self._database.read_rows() as rows:
            found = rows.execute(asked).first()
        if found is None:
            return None, []
        text = f"{_PURPOSE}{found.installation_id}".encode()
        return found.key_fingerprint, [hmac.digest(key, text, "sha256").hex()[:_CHARACTERS] for key in self._secrets]

    def _keep(self, fingerprint: str, *, instead_of: str | None) -> None:
        kept = _installation.c.key_fingerprint
        is_unchanged = kept.is_(None) if instead_of is None else kept == instead_of
        with self._database.write_rows() as rows:
            rows.execute(update(_installation).values(key_fingerprint=fingerprint).where(is_unchanged))
