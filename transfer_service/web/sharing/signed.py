"""Signed addresses: a GET or HEAD that needs no token, because its query proves who has given out the address.

A view is declared by `signable`; `context.guard` lets its requests in by their signature, and `signed_url` makes an
address of it. What is asked for is looked for anew each time, so an address ends with what it is for.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, urlencode

from flask import Flask, current_app, request

from transfer_service.errors import AddressInvalid
from transfer_service.services.accounts.sign_ins import Identity
from transfer_service.services.sharing.signatures import SIGNATURE, Signatures, Signer
from transfer_service.web.addresses import absolute_url

View = TypeVar("View", bound=Callable[..., Any])
INLINE = "inline"
_ATTRIBUTE = "is_signable"
_SIGNATURES = "transfer_service.signatures"


class SignedUrl(NamedTuple):
    """An address for whoever has it, and when it ends."""

    url: str
    expires_at: datetime


def signable(view: View) -> View:
    """Declare that a view, of GET and HEAD, may be asked for by a signed address."""
    setattr(view, _ATTRIBUTE, True)
    return view


def is_signed() -> bool:
    """Whether the request shows a signature where one counts. Then nothing else it shows says who is asking."""
    if request.method not in {"GET", "HEAD"} or SIGNATURE not in request.args or request.endpoint is None:
        return False
    return getattr(current_app.view_functions[request.endpoint], _ATTRIBUTE, False)


def verify() -> Signer:
    """Who has signed the address of the request. Raises AddressInvalid."""
    if any(len(values) > 1 for _name, values in request.args.lists()):
        raise AddressInvalid
    return _signatures().verify(request.path, request.args.to_dict())


def is_shown_inline() -> bool:
    """Whether the signed address of the request wants its bytes shown rather than saved."""
    return is_signed() and request.args.get(INLINE) == "true"


def signed_url(path: str, identity: Identity, *, expires_in: int, query: Mapping[str, str] | None = None) -> SignedUrl:
    """The address of a `signable` view for `expires_in` seconds. `path` is decoded, `query` what the view is asked."""
    key = identity.key
    key_id, ends_at = (key.id, key.expires_at) if key else (None, None)
    signer = Signer(identity.account_id, key_id, ends_at, identity.signing_generation)
    whole, expires_at = _signatures().sign(path, signer, expires_in=expires_in, query=query or {})
    return SignedUrl(f"{absolute_url(quote(path))}?{urlencode(whole)}", expires_at)


def _signatures() -> Signatures:
    bound: Signatures = current_app.extensions[_SIGNATURES]
    return bound


def init_signed(app: Flask, *, secrets: Sequence[bytes], now: Callable[[], datetime]) -> None:
    """Give the app its keys, of which the first signs addresses, and the clock by which they end."""
    app.extensions[_SIGNATURES] = Signatures(secrets, now=now)
