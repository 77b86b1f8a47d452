"""Whether this instance signs with the key that the installation was begun with.

Instances with different keys refuse each other's tokens, which looks like sign-ins that end by chance. So the database
keeps a fingerprint of the key: an HMAC with it, of which nothing can be learned that opens anything.
"""

import hashlib
import hmac

import structlog
from pydantic import SecretStr
from sqlalchemy import select, update

from transfer_service.models.upkeep import Installation
from transfer_service.services.core import Core

_installation = Installation.__table__
_PURPOSE = "transfer-service signing key of "
_CHARACTERS = 32
HOW = "set the SECRET_KEY of the other instances; after a change on purpose: flask --app wsgi database adopt"


class SigningKey:
    """Compares the key of this process with that of the installation."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._secret = core.settings.secret_key

    def ensure(self) -> None:
        """Log a warning where the key is another one. The first instance that has one sets it."""
        if self._secret is None:
            return
        kept, own = self._look(self._secret)
        if kept is None and own is not None and not self._database.is_read_only:
            self._keep(own, unless_kept=True)
        elif kept != own:
            structlog.get_logger().warning("secret_key_differs", advice=HOW)

    def is_another(self) -> bool:
        """Whether the installation was begun with another key."""
        if self._secret is None:
            return False
        kept, own = self._look(self._secret)
        return kept is not None and kept != own

    def adopt(self) -> None:
        """Take this key for the installation's from now on."""
        own = self._look(self._secret)[1] if self._secret is not None else None
        if own is not None:
            self._keep(own, unless_kept=False)

    def _look(self, secret: SecretStr) -> tuple[str | None, str | None]:
        """The fingerprint that is kept, and that of our own key, None before there is an installation."""
        asked = select(_installation.c.installation_id, _installation.c.key_fingerprint)
        with self._database.read_rows() as rows:
            found = rows.execute(asked).first()
        if found is None:
            return None, None
        text = f"{_PURPOSE}{found.installation_id}".encode()
        own = hmac.new(secret.get_secret_value().encode(), text, hashlib.sha256).hexdigest()[:_CHARACTERS]
        return found.key_fingerprint, own

    def _keep(self, fingerprint: str, *, unless_kept: bool) -> None:
        statement = update(_installation).values(key_fingerprint=fingerprint)
        if unless_kept:
            statement = statement.where(_installation.c.key_fingerprint.is_(None))
        with self._database.write_rows() as rows:
            rows.execute(statement)
