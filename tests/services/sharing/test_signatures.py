"""Signatures of addresses: what they are bound to, when they end, and that no two addresses share one."""

import hashlib
import hmac
import json
import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import Clock
from transfer_service.errors import AddressInvalid
from transfer_service.services.sharing.signatures import RESERVED, Signatures, Signer

SECRET, OTHER = b"s" * 32, b"o" * 32
PATH = "/api/files/2f1f9c2e-6f57-4c7b-8a53-1c9d0c3e7b11/download"
ALICE = Signer(uuid.UUID("aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"))
NOON = datetime(2026, 11, 29, 12, 0, 0, 400_000, tzinfo=UTC)


def signatures(*secrets: bytes, at: datetime = NOON) -> Signatures:
    return Signatures(secrets or [SECRET], now=Clock(at))


def signed(path: str = PATH, expires_in: int = 60, **query: str) -> dict[str, str]:
    return signatures().sign(path, ALICE, expires_in=expires_in, query=query)[0]


def test_what_was_signed_is_verified() -> None:
    assert signatures().verify(PATH, signed(inline="true")) == ALICE


def test_it_is_hmac_sha256_by_a_key_that_is_not_the_secret() -> None:
    query = signed(inline="true")
    given_signature = query.pop("signature")
    text = json.dumps([PATH, sorted(query.items())], separators=(",", ":")).encode()
    key = hmac.new(SECRET, b"transfer-service signed addresses", hashlib.sha256).digest()
    assert given_signature == hmac.new(key, text, hashlib.sha256).hexdigest()
    assert given_signature != hmac.new(SECRET, text, hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        pytest.param(PATH.replace("2f", "3f"), {}, id="path"),
        pytest.param(PATH.upper(), {}, id="case"),
        pytest.param(PATH + "/", {}, id="slash"),
        pytest.param(PATH, {"account": str(uuid.UUID(int=1))}, id="account"),
        pytest.param(PATH, {"account": str(ALICE.account_id).upper()}, id="account-in-capitals"),
        pytest.param(PATH, {"expires": "9999999999"}, id="expires"),
        pytest.param(PATH, {"inline": "false"}, id="parameter"),
        pytest.param(PATH, {"inline": None}, id="parameter-left-out"),
        pytest.param(PATH, {"more": ""}, id="one-more"),
        pytest.param(PATH, {"signature": ""}, id="empty"),
        pytest.param(PATH, {"signature": "ü" * 64}, id="not-ascii"),
        pytest.param(PATH, {"signature": None}, id="none"),
        pytest.param(PATH, {"expires": None}, id="no-expiry"),
        pytest.param(PATH, {"account": None}, id="no-account"),
    ],
)
def test_nothing_of_it_can_be_changed(path: str, changes: dict[str, str | None]) -> None:
    query = {name: value for name, value in {**signed(inline="true"), **changes}.items() if value is not None}
    with pytest.raises(AddressInvalid):
        signatures().verify(path, query)


@pytest.mark.parametrize("expires", ["0{}", "+{}", " {}", "{}.0", "{}_0"])
def test_an_expiry_in_other_words_is_another_address(expires: str) -> None:
    query = signed()
    with pytest.raises(AddressInvalid):
        signatures().verify(PATH, {**query, "expires": expires.format(query["expires"])})


def test_capitals_in_the_signature_are_another_one() -> None:
    query = signed()
    with pytest.raises(AddressInvalid):
        signatures().verify(PATH, {**query, "signature": query["signature"].upper()})


@pytest.mark.parametrize(
    ("microsecond", "expires_in", "last", "first_too_late"),
    [(400_000, 1, "12:00:00.999999", "12:00:01"), (600_000, 1, "12:00:01.999999", "12:00:02")],
)
def test_it_counts_to_the_nearest_second(microsecond: int, expires_in: int, last: str, first_too_late: str) -> None:
    now = NOON.replace(microsecond=microsecond)
    query, expires_at = signatures(at=now).sign(PATH, ALICE, expires_in=expires_in, query={})
    assert int(query["expires"]) == expires_at.timestamp()
    day = f"{NOON:%Y-%m-%d}T"
    assert signatures(at=datetime.fromisoformat(f"{day}{last}+00:00")).verify(PATH, query) == ALICE
    with pytest.raises(AddressInvalid):
        signatures(at=datetime.fromisoformat(f"{day}{first_too_late}+00:00")).verify(PATH, query)


def test_an_earlier_secret_verifies_and_does_not_sign() -> None:
    query = signed()
    both = signatures(OTHER, SECRET)
    assert both.verify(PATH, query) == ALICE
    assert both.sign(PATH, ALICE, expires_in=60, query={})[0]["signature"] != query["signature"]
    with pytest.raises(AddressInvalid):
        signatures(OTHER).verify(PATH, query)


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_view_cannot_be_asked_by_the_names_of_the_signature(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        signatures().sign(PATH, ALICE, expires_in=1, query={name: "x"})


_texts = st.text(alphabet=st.sampled_from('/?&=",[]\\ %a\u00e9\u0000'), max_size=6)
_queries = st.dictionaries(_texts.filter(lambda name: name not in RESERVED), _texts, max_size=3)


@given(_texts, _queries, _texts, _queries)
def test_no_two_addresses_have_the_same_signature(
    path: str, query: dict[str, str], other: str, other_query: dict[str, str]
) -> None:
    first = signatures().sign(path, ALICE, expires_in=60, query=query)[0]
    second = signatures().sign(other, ALICE, expires_in=60, query=other_query)[0]
    assert (first["signature"] == second["signature"]) == ((path, query) == (other, other_query))
    assert signatures().verify(path, first) == ALICE
