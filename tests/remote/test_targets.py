"""Taking URLs of sources apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer_service.errors import SourceFailed
from transfer_service.remote.targets import Target


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        pytest.param("http://a.example", ("http", "a.example", 80, "/"), id="no-path"),
        pytest.param("HTTPS://A.Example:8443/B?c=d#e", ("https", "a.example", 8443, "/B?c=d"), id="everything"),
        pytest.param("https://[2606:4700::1]/", ("https", "2606:4700::1", 443, "/"), id="ipv6"),
        pytest.param("http://a.example/a b\u00e9", ("http", "a.example", 80, "/a%20b%C3%A9"), id="encoded"),
        pytest.param(
            "http://good.example\\@evil.example/", ("http", "good.example", 80, "/%5C@evil.example/"), id="backslash"
        ),
        pytest.param("http://a.example/\r\nX: 1", ("http", "a.example", 80, "/%0D%0AX:%201"), id="line-break"),
    ],
)
def test_a_url_is_taken_apart(url: str, expected: tuple[str, str, int, str]) -> None:
    target = Target.parse(url)
    assert (target.scheme, target.host, target.port, target.path) == expected


@pytest.mark.parametrize(
    ("location", "url"),
    [
        pytest.param("next", "http://a.example:81/x/next", id="relative"),
        pytest.param("/next", "http://a.example:81/next", id="absolute-path"),
        pytest.param("?q", "http://a.example:81/x/y?q", id="query"),
        pytest.param("//b.example/next", "http://b.example/next", id="host"),
        pytest.param("https://b.example/next#part", "https://b.example/next", id="url"),
        pytest.param("/\u00c3\u00a9", "http://a.example:81/%C3%A9", id="utf-8-read-as-latin-1"),
        pytest.param(" /next ", "http://a.example:81/next", id="spaces"),
    ],
)
def test_a_redirect_is_resolved(location: str, url: str) -> None:
    assert Target.parse("http://a.example:81/x/y?z").follow(location).url == url


@pytest.mark.parametrize("location", ["http://b.example/", "//user@b.example/", "\xff"])
def test_a_secure_source_does_not_lead_anywhere(location: str) -> None:
    with pytest.raises(SourceFailed, match="The source redirects to a URL that cannot be used"):
        Target.parse("https://a.example/").follow(location)


@given(location=st.text(st.characters(max_codepoint=255), max_size=60) | st.text("htp:/@[]%.#?\\ a1\r\n", max_size=40))
def test_no_location_makes_the_parser_fail_or_leaves_a_character_for_the_wire(location: str) -> None:
    try:
        target = Target.parse("http://a.example/").follow(location)
    except SourceFailed:
        return
    assert target.scheme in ("http", "https")
    assert target.path.isascii()
    assert target.path.isprintable()
