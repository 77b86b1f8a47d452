"""Addresses of object stores, right and wrong."""

import pytest

from transfer_service.wire.store_addresses import StoreAddress, parse_store_address


@pytest.mark.parametrize(
    ("url", "address"),
    [
        pytest.param("s3://bucket/prefix", StoreAddress("bucket", "prefix"), id="plain"),
        pytest.param("s3://a.b-c.9/a/b/", StoreAddress("a.b-c.9", "a/b"), id="slash-at-the-end"),
        pytest.param("s3://bucket/p?region=eu-1", StoreAddress("bucket", "p", None, "eu-1"), id="region"),
        pytest.param(
            "s3://bucket/p?endpoint=https%3A%2F%2Fh%3A9000%2F",
            StoreAddress("bucket", "p", "https://h:9000"),
            id="encoded",
        ),
        pytest.param(
            "s3://bucket/p?endpoint=http://[::1]:9000", StoreAddress("bucket", "p", "http://[::1]:9000"), id="ipv6"
        ),
    ],
)
def test_an_address_is_read(url: str, address: StoreAddress) -> None:
    assert parse_store_address(url) == address


@pytest.mark.parametrize(
    ("url", "words"),
    [
        pytest.param("s3://bucket", "prefix", id="no-prefix"),
        pytest.param("s3://bucket/", "prefix", id="empty-prefix"),
        pytest.param("s3://bucket/a//b", "prefix", id="double-slash"),
        pytest.param("s3://bucket/a/../b", "prefix", id="dots"),
        pytest.param("s3://bucket/a%20b", "prefix", id="space"),
        pytest.param("s3://bucket/" + "a" * 129, "prefix", id="long"),
        pytest.param("s3://", "bucket", id="nothing"),
        pytest.param("s3:///p", "bucket", id="no-bucket"),
        pytest.param("s3://ab/p", "bucket", id="short-bucket"),
        pytest.param("s3://a..b/p", "bucket", id="two-dots"),
        pytest.param("s3://bucket:80/p", "bucket", id="port"),
        pytest.param("s3://key:secretword@bucket/p", "credentials", id="credentials"),
        pytest.param("s3://[bucket/p", "s3://bucket/prefix", id="bracket"),
        pytest.param("s3://bucket/p?endpoint=h:9000", "endpoint", id="no-scheme"),
        pytest.param("s3://bucket/p?endpoint=http://u:secretword@h", "endpoint", id="endpoint-credentials"),
        pytest.param("s3://bucket/p?endpoint=http://h/path", "endpoint", id="endpoint-path"),
        pytest.param("s3://bucket/p?endpoint=http://h:99999", "endpoint", id="endpoint-port"),
        pytest.param("s3://bucket/p?endpoint=", "endpoint", id="empty-endpoint"),
        pytest.param("s3://bucket/p?region=", "region", id="empty-region"),
        pytest.param("s3://bucket/p?region=a&region=b", "more than once", id="twice"),
        pytest.param("s3://bucket/p?secret=secretword", "no other option", id="unknown"),
        pytest.param("s3://bucket/p?endpoint", "query", id="no-value"),
        pytest.param("s3://bucket/p#x", "fragment", id="fragment"),
    ],
)
def test_a_mistake_is_named_and_nothing_secret_is_told(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        parse_store_address(url)
    assert "secretword" not in str(caught.value)
