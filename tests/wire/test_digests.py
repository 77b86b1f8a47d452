"""Reading Content-Digest and Repr-Digest."""

import base64
import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vectors import VECTORS, named
from transfer_service.errors import InvalidRequest
from transfer_service.wire.digests import format_sha256, parse_digests

DIGEST = hashlib.sha256(b"hello").digest()
DIGEST_512 = hashlib.sha512(b"hello").digest()
GOOD = f"sha-256=:{base64.b64encode(DIGEST).decode()}:"
GOOD_512 = f"sha-512=:{base64.b64encode(DIGEST_512).decode()}:"


@given(content=st.binary(max_size=50), before=st.sampled_from(["", "md5=:AA==:, "]))
def test_the_sha256_of_a_value_is_read(content: bytes, before: str) -> None:
    digest = hashlib.sha256(content).digest()
    value = f"{before}sha-256=:{base64.b64encode(digest).decode()}:"
    assert parse_digests(value, field="Content-Digest") == {"sha256": digest}


@given(value=st.text(max_size=80) | st.text("sha-256=:,AQ /+", max_size=80))
def test_any_value_gives_a_whole_digest_none_or_a_refusal(value: str) -> None:
    try:
        digests = parse_digests(value, field="Repr-Digest")
    except InvalidRequest as refusal:
        assert refusal.detail == "Invalid Repr-Digest header"
        return
    assert {name: len(digest) for name, digest in digests.items()}.items() <= {"sha256": 32, "sha512": 64}.items()


@pytest.mark.parametrize("example", named(VECTORS["digests"]))
def test_published_digests(example: Any) -> None:
    data, fields = bytes.fromhex(example["data"]), example["repr_digest"]
    assert format_sha256(example["sha256"]) == fields["sha-256"]
    assert parse_digests(", ".join(fields.values()), field="Repr-Digest") == {
        "sha256": hashlib.sha256(data).digest(),
        "sha512": hashlib.sha512(data).digest(),
    }


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("md5=:AA==:", id="other-algorithm"),
        pytest.param("md5=:AA==:, unixsum=:AA==:", id="several-others"),
    ],
)
def test_other_algorithms_promise_nothing(value: str) -> None:
    assert parse_digests(value, field="Content-Digest") == {}


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("sha-256", id="no-value"),
        pytest.param("sha-256=", id="empty-value"),
        pytest.param("sha-256=::", id="no-bytes"),
        pytest.param("sha-256=AAAA", id="no-colons"),
        pytest.param("sha-256=:AAAA:", id="three-bytes"),
        pytest.param("sha-512=:AAAA:", id="three-bytes-of-sha-512"),
        pytest.param(f"sha-256=:{base64.b64encode(DIGEST + b'x').decode()}:", id="33-bytes"),
        pytest.param(f"sha-256=:{DIGEST.hex()}:", id="hexadecimal"),
        pytest.param(GOOD.replace("=:", "=:=", 1), id="padding-in-front"),
        pytest.param(GOOD.replace("A", "*").replace("L", "*"), id="foreign-characters"),
        pytest.param(GOOD.upper(), id="capitals"),
        pytest.param(GOOD + " x", id="something-behind"),
        pytest.param(GOOD + ", oops", id="malformed-second-member"),
        pytest.param("sha-256=:" + "A" * 100_000 + ":", id="huge"),
    ],
)
def test_a_malformed_value_is_refused_by_the_name_of_its_field(value: str) -> None:
    with pytest.raises(InvalidRequest, match="Invalid Content-Digest header"):
        parse_digests(value, field="Content-Digest")


def test_the_last_of_two_values_counts() -> None:
    other = hashlib.sha256(b"other").digest()
    value = f"sha-256=:{base64.b64encode(other).decode()}:, {GOOD}"
    assert parse_digests(value, field="Content-Digest") == {"sha256": DIGEST}


@pytest.mark.parametrize(
    ("value", "digests"),
    [
        pytest.param(GOOD, {"sha256": DIGEST}, id="sha-256"),
        pytest.param(GOOD_512, {"sha512": DIGEST_512}, id="sha-512"),
        pytest.param(f"{GOOD_512} ,\t{GOOD}", {"sha256": DIGEST, "sha512": DIGEST_512}, id="both"),
        pytest.param(f"md5=:AA==:, {GOOD}", {"sha256": DIGEST}, id="beside-an-unknown-one"),
        pytest.param("md5=:AA==:, sha=:AAAA:", {}, id="unknown-ones-only"),
        pytest.param(f"{GOOD};q=1;q=2", {"sha256": DIGEST}, id="parameters"),
        pytest.param(f"sha-256=:AAAA:, {GOOD}", {"sha256": DIGEST}, id="the-last-of-two"),
        pytest.param(f"{GOOD[:-2]}:", {"sha256": DIGEST}, id="padding-synthesized"),  # RFC 9651 section 4.2.7
    ],
)
def test_every_active_algorithm_is_read_by_its_name_in_hashlib(value: str, digests: dict[str, bytes]) -> None:
    assert parse_digests(value, field="Repr-Digest") == digests


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("", id="empty"),
        pytest.param("sha-512=:AAAA:", id="three-bytes"),
        pytest.param(GOOD_512.replace("sha-512", "sha-256"), id="64-bytes-of-sha-256"),
        pytest.param(f"{GOOD}, sha-512=::", id="one-of-two-empty"),
        pytest.param(f"{GOOD}, oops", id="malformed-second-member"),
        pytest.param(GOOD + ",", id="trailing-comma"),
        pytest.param(f"adler=(1 2);a, {GOOD}", id="one-that-is-no-byte-sequence"),
        pytest.param("sha-256", id="boolean"),
        pytest.param("sha-256=1", id="integer"),
        pytest.param("sha-256=(:AAAA:)", id="inner-list"),
    ],
)
def test_malformed_digests_are_refused_by_the_name_of_their_field(value: str) -> None:
    with pytest.raises(InvalidRequest, match="Invalid Repr-Digest header"):
        parse_digests(value, field="Repr-Digest")


@given(content=st.binary(max_size=50), names=st.lists(st.sampled_from(["sha256", "sha512"]), min_size=1, unique=True))
def test_digests_of_any_content_come_back(content: bytes, names: list[str]) -> None:
    digests = {name: hashlib.new(name, content).digest() for name in names}
    value = ", ".join(f"sha-{name[3:]}=:{base64.b64encode(digest).decode()}:" for name, digest in digests.items())
    assert parse_digests(value, field="Content-Digest") == digests
