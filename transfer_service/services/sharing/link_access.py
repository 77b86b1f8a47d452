"""Who may see what is behind a link, and who is who among those that do.

A link with a password is opened by it once; the cookie that this gives proves it from then on, as long as the link has
that password. The cookie also tells its client from others at the same address.
"""

import hashlib

from limits import RateLimitItemPerDay, RateLimitItemPerMinute

from transfer_service.errors import TooManyGuesses, WrongLinkPassword
from transfer_service.services.accounts.passwords import Passwords
from transfer_service.services.guesses import Guesses
from transfer_service.services.shared_windows import Limit, network_of
from transfer_service.services.sharing.link_rows import LinkRecord
from transfer_service.services.sharing.link_tokens import LinkTokens

PER_LINK_AND_ADDRESS = RateLimitItemPerMinute(10, 15, namespace="link-password")
PER_ADDRESS = RateLimitItemPerMinute(50, 15, namespace="link-password-address")
PER_LINK = RateLimitItemPerDay(1000, namespace="link-password-link")


class LinkAccess:
    """Opens links by their passwords, and reads the cookies that it has given out."""

    def __init__(self, redis_url: str | None, *, passwords: Passwords, tokens: LinkTokens) -> None:
        self._guesses = Guesses(redis_url, used_for="wrong passwords of links")
        self._passwords = passwords
        self._tokens = tokens

    def unlock(self, link: LinkRecord, password: str, *, address: str) -> str:
        """The cookie of a new client that knows the password. Raises WrongLinkPassword, TooManyGuesses."""
        if link.password_hash is not None:
            network, key = network_of(address), str(link.id)
            limits: list[Limit] = [
                (PER_LINK_AND_ADDRESS, (key, network)), (PER_ADDRESS, (network,)), (PER_LINK, (key,)),
            ]  # fmt: skip
            with self._guesses.attempt(limits, wrong=WrongLinkPassword, refusal=TooManyGuesses), self._passwords.turns:
                if not self._passwords.verify(link.password_hash, password):
                    raise WrongLinkPassword
        return self.new_cookie(link)

    def new_cookie(self, link: LinkRecord) -> str:
        """The cookie of a new client, who has shown what the link asks for."""
        return self._tokens.make_cookie(link.id, link.password_hash)

    def client_of_cookie(self, link: LinkRecord, cookie: str | None) -> str | None:
        """The client that a cookie was given to, None where it is none of this link, or of a password before."""
        client = self._tokens.read_cookie(link.id, link.password_hash, cookie) if cookie else None
        return None if client is None else _digest(f"cookie {client}")

    def client_of_address(self, link: LinkRecord, address: str) -> str:
        """The client that all are who come from an address without a cookie."""
        return _digest(f"address {link.id} {address}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
