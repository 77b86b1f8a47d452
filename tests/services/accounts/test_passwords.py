"""Hashing and verifying passwords."""

import time

import pytest

from tests.conftest import PASSWORD
from transfer_service.errors import InvalidRequest
from transfer_service.services.accounts.identities import NO_PASSWORD
from transfer_service.services.accounts.passwords import Passwords
from transfer_service.threads import offload


@pytest.fixture(scope="module")
def passwords() -> Passwords:
    return Passwords(offload=offload)


@pytest.mark.parametrize(
    "password",
    [
        pytest.param("8 letter", id="eight-characters"),
        pytest.param("字" * 8, id="eight-characters-of-three-bytes"),
        pytest.param("x" * 1024, id="1024-bytes"),
        pytest.param("pässwörd 文", id="not-ascii"),
        pytest.param("\udcff" * 8, id="bytes-that-are-not-utf-8"),
        pytest.param("abcdefg\0h", id="zero-byte"),
    ],
)
def test_a_password_belongs_to_its_hash_only(passwords: Passwords, password: str) -> None:
    password_hash = passwords.hash(password)
    assert passwords.verify(password_hash, password)
    assert not passwords.verify(password_hash, password + "x")
    assert password_hash.startswith("$argon2id$")


def test_two_hashes_of_a_password_differ(passwords: Passwords) -> None:
    password = "not the one whose hash tests share"
    assert passwords.hash(password) != passwords.hash(password)


@pytest.mark.parametrize(
    "password",
    [
        pytest.param("", id="empty"),
        pytest.param("sevenxx", id="seven-characters"),
        pytest.param("é" * 7, id="14-bytes"),
        pytest.param("x" * 1025, id="1025-bytes"),
        pytest.param("é" * 513, id="1026-bytes"),
    ],
)
def test_an_impossible_password_has_no_hash(passwords: Passwords, password: str) -> None:
    with pytest.raises(InvalidRequest, match="at least 8 characters and at most 1024 bytes"):
        passwords.hash(password)


def test_a_password_is_not_cut_to_what_fits(passwords: Passwords) -> None:
    assert not passwords.verify(passwords.hash("x" * 1024), "x" * 1025)


@pytest.mark.parametrize("password_hash", [pytest.param(None, id="none"), pytest.param("!", id="damaged")])
def test_nothing_belongs_to_a_hash_that_is_none(passwords: Passwords, password_hash: str | None) -> None:
    assert not passwords.verify(password_hash, "decoy")
    assert not passwords.verify(password_hash, "")


def test_what_is_no_hash_is_refused_no_sooner_than_a_wrong_password(passwords: Passwords) -> None:
    """Or anybody could find out which accounts have no password, and so which there are."""
    genuine = passwords.hash(PASSWORD)
    fastest = dict.fromkeys([genuine, NO_PASSWORD, None], 60.0)
    for _ in range(4):
        for password_hash in fastest:
            began = time.monotonic()
            assert not passwords.verify(password_hash, "wrong")
            fastest[password_hash] = min(fastest[password_hash], time.monotonic() - began)
    assert min(fastest.values()) > fastest[genuine] / 20  # without the work it is a thousandth
