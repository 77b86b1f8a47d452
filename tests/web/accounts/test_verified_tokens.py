"""Remembering verified tokens."""

import time
import uuid

from transfer_service.web.accounts.tokens import REMEMBERED_TOKENS, Claims, VerifiedTokens


def claims(seconds: float = 60) -> Claims:
    return Claims(uuid.uuid4(), "alice", time.time() + seconds, "id", False)


def test_a_header_is_known_once_it_is_remembered() -> None:
    tokens, known = VerifiedTokens(), claims()
    tokens.remember("Bearer a", known)
    assert (tokens.find("Bearer a"), tokens.find("Bearer b")) == (known, None)


def test_an_expired_token_is_forgotten() -> None:
    tokens = VerifiedTokens()
    tokens.remember("Bearer a", claims(seconds=-1))
    assert tokens.find("Bearer a") is None


def test_only_the_latest_are_kept() -> None:
    tokens = VerifiedTokens()
    for number in range(REMEMBERED_TOKENS + 5):
        tokens.remember(f"Bearer {number}", claims())
    assert tokens.find("Bearer 4") is None
    assert tokens.find("Bearer 5") is not None
