"""The token in an `Authorization` field."""

import pytest

from transfer_service.web.accounts.tokens import parse_bearer


@pytest.mark.parametrize(
    ("field", "token"),
    [
        pytest.param("Bearer abc", "abc", id="usual"),
        pytest.param("bEARER abc", "abc", id="any-case"),
        pytest.param("  Bearer   abc  ", "abc", id="spaces"),
        pytest.param("Bearer a b", "a b", id="no-token-but-shown"),
        pytest.param("Bearer ,", ",", id="a-comma-shown"),
        pytest.param(None, None, id="no-field"),
        pytest.param("", None, id="empty"),
        pytest.param("Bearer", None, id="scheme-only"),
        pytest.param("Bearer  ", None, id="scheme-and-spaces"),
        pytest.param("Basic abc", None, id="other-scheme"),
        pytest.param("Bearers abc", None, id="longer-scheme"),
        pytest.param(",,", None, id="commas"),
    ],
)
def test_a_token_is_what_follows_the_scheme(field: str | None, token: str | None) -> None:
    assert parse_bearer(field) == token
