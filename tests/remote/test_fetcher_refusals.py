"""What ends a fetch at once."""

import pytest

from tests.live.bad_source import BadSource, Behaviour, redirect
from tests.remote.conftest import DATA, PATH, QUICK, Job
from tests.remote.memory_sink import MemorySink

SIZE = "The source sent another size"
ENCODED = "The source sent a content encoding"
NOT_HTTP = "The source does not speak HTTP"
BAD_REDIRECT = "The source redirects to a URL that cannot be used"
NO_LOCATION = "The source redirects without saying where"
UNUSABLE = "The URL of the source cannot be used"


def headers(*fields: tuple[str, str]) -> Behaviour:
    return Behaviour(headers=fields)


@pytest.mark.parametrize(
    ("behaviour", "detail"),
    [
        pytest.param(Behaviour(announced_length=len(DATA) - 1), SIZE, id="announces-less"),
        pytest.param(Behaviour(announced_length=len(DATA) + 1), SIZE, id="announces-more"),
        pytest.param(Behaviour(data=DATA + b"x"), SIZE, id="longer"),
        pytest.param(Behaviour(data=b""), SIZE, id="empty"),
        pytest.param(headers(("Content-Length", f"+{len(DATA)}")), SIZE, id="length-with-sign"),
        pytest.param(headers(("Content-Length", "many")), SIZE, id="length-in-words"),
        pytest.param(headers(("Content-Length", str(len(DATA))), ("Content-Length", "5")), NOT_HTTP, id="two-lengths"),
        pytest.param(Behaviour(framing="chunked", announced_length=5), SIZE, id="chunked-with-a-lie"),
        pytest.param(Behaviour(gzip=True), ENCODED, id="gzip"),
        pytest.param(headers(("Content-Encoding", "br")), ENCODED, id="brotli"),
        pytest.param(headers(("Content-Encoding", "identity, gzip")), ENCODED, id="two-encodings"),
        pytest.param(headers(("Transfer-Encoding", "gzip, chunked")), ENCODED, id="compressed-transfer"),
        pytest.param(Behaviour(status=204), "The source answered 204", id="no-content"),
        pytest.param(Behaviour(status=206), "The source answered 206", id="part-not-asked-for"),
        pytest.param(Behaviour(status=300), "The source answered 300", id="choices"),
        pytest.param(Behaviour(status=304), "The source answered 304", id="not-modified"),
        pytest.param(Behaviour(status=400), "The source answered 400", id="bad-request"),
        pytest.param(Behaviour(status=403), "The source answered 403", id="forbidden"),
        pytest.param(Behaviour(status=404, data=b"not here"), "The source answered 404", id="not-found"),
        pytest.param(Behaviour(status=410), "The source answered 410", id="gone"),
        pytest.param(Behaviour(status=416), "The source answered 416", id="range-not-asked-for"),
        pytest.param(Behaviour(status=600), "The source answered 600", id="no-status"),
        pytest.param(Behaviour(raw=b"SSH-2.0-OpenSSH_9.2\r\n"), NOT_HTTP, id="ssh"),
        pytest.param(Behaviour(raw=bytes(70000)), NOT_HTTP, id="zeros"),
        pytest.param(Behaviour(raw=b"HTTP/9.9 200 OK\r\n\r\n"), NOT_HTTP, id="version"),
        pytest.param(Behaviour(endless_head="fields"), NOT_HTTP, id="endless-fields"),
        pytest.param(Behaviour(endless_head="line"), NOT_HTTP, id="endless-line"),
    ],
)
def test_a_wrong_answer_is_not_asked_for_again(source: BadSource, job: Job, behaviour: Behaviour, detail: str) -> None:
    source.serve(PATH, DATA, behaviour)
    assert job.fail(source.url_of(PATH)) == detail
    assert (len(source.requests), job.sleeps, job.sink.calls) == (1, [], [])


@pytest.mark.parametrize(
    "behaviour", [Behaviour(framing="chunked", extra=b"x"), Behaviour(framing="close", extra=b"x")]
)
def test_nothing_past_the_size_reaches_the_sink(source: BadSource, job: Job, behaviour: Behaviour) -> None:
    source.serve(PATH, DATA, behaviour)
    assert job.fail(source.url_of(PATH)) == SIZE
    assert (DATA.startswith(job.sink.data), len(source.requests)) == (True, 1)


def test_what_follows_the_announced_length_is_not_read(source: BadSource, job: Job) -> None:
    source.serve(PATH, DATA, Behaviour(extra=b"x", announced_length=len(DATA)))
    job.run(source.url_of(PATH))
    assert job.sink.data == DATA


@pytest.mark.parametrize("framing", ["chunked", "close"])
def test_a_source_that_does_not_say_that_it_is_done_is_done(source: BadSource, job: Job, framing: str) -> None:
    source.serve(PATH, DATA, Behaviour(extra=b"x", stall_at=len(DATA), framing=framing))  # type: ignore[arg-type]
    job.run(source.url_of(PATH))
    assert (job.sink.data == DATA, len(source.requests)) == (True, 1)


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        pytest.param((("Content-Range", f"bytes 1000-{len(DATA)}/{len(DATA) + 1}"),), SIZE, id="another-total"),
        pytest.param((("Content-Length", "5"),), SIZE, id="length-of-another-part"),
        pytest.param(
            (("Content-Type", "multipart/byteranges; boundary=x"),), "The source sent several ranges", id="parts"
        ),
        pytest.param((("Content-Encoding", "gzip"),), ENCODED, id="encoded"),
    ],
)
def test_a_wrong_part_ends_the_fetch(source: BadSource, fields: tuple[tuple[str, str], ...], detail: str) -> None:
    source.serve(PATH, DATA, Behaviour(etag='"tag"', headers=fields))
    job = Job(sink=MemorySink(DATA[:1000]))
    assert job.fail(source.url_of(PATH), validator='"tag"') == detail
    assert (len(source.requests), job.sink.data, job.sink.calls) == (1, DATA[:1000], [])


@pytest.mark.parametrize(
    ("location", "detail"),
    [
        pytest.param("ftp://127.0.0.1/game.zip", BAD_REDIRECT, id="ftp"),
        pytest.param("file:///etc/passwd", BAD_REDIRECT, id="file"),
        pytest.param("gopher://127.0.0.1:70/", BAD_REDIRECT, id="gopher"),
        pytest.param("javascript:alert(1)", BAD_REDIRECT, id="javascript"),
        pytest.param("http://user:secret@127.0.0.1/", BAD_REDIRECT, id="userinfo"),
        pytest.param("//user@127.0.0.1/", BAD_REDIRECT, id="userinfo-without-scheme"),
        pytest.param("http:game.zip", BAD_REDIRECT, id="scheme-alone"),
        pytest.param("http:///game.zip", BAD_REDIRECT, id="no-host"),
        pytest.param("http://127.0.0.1:0/", BAD_REDIRECT, id="port-0"),
        pytest.param("http://127.0.0.1:99999/", BAD_REDIRECT, id="port-too-large"),
        pytest.param("http://a b/", BAD_REDIRECT, id="space-in-host"),
        pytest.param("http://[::1/", BAD_REDIRECT, id="half-a-bracket"),
        pytest.param("/" + "x" * 9000, BAD_REDIRECT, id="too-long"),
        pytest.param("http://a..b/", BAD_REDIRECT, id="empty-label"),
        pytest.param(f"http://{'a' * 64}.example/", BAD_REDIRECT, id="long-label"),
        pytest.param("http://224.0.0.1/", "The address of the source is not allowed", id="multicast"),
        pytest.param("http://0/", "The address of the source is not allowed", id="this-host"),
        pytest.param(PATH, "The source redirects too often", id="loop"),
    ],
)
def test_a_bad_redirect_is_not_followed(source: BadSource, job: Job, location: str, detail: str) -> None:
    source.serve(PATH, DATA, redirect(location))
    assert job.fail(source.url_of(PATH)) == detail
    assert len(source.requests) == (QUICK.redirects + 1 if location == PATH else 1)
    assert (job.sink.calls, job.sleeps) == ([], [])


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param((), id="none"),
        pytest.param((("Location", "/a"), ("Location", "/b")), id="two"),
    ],
)
def test_a_redirect_must_say_where(source: BadSource, job: Job, fields: tuple[tuple[str, str], ...]) -> None:
    source.serve(PATH, DATA, Behaviour(status=302, headers=fields))
    assert job.fail(source.url_of(PATH)) == NO_LOCATION
    assert len(source.requests) == 1


def test_the_body_of_a_redirect_is_not_read(source: BadSource, job: Job) -> None:
    endless = Behaviour(status=302, data=DATA, stall_at=10, headers=(("Location", "/other"),))
    source.serve(PATH, b"", endless)
    source.serve("/other", DATA)
    job.run(source.url_of(PATH))
    assert job.sink.data == DATA


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("", id="empty"),
        pytest.param("game.zip", id="relative"),
        pytest.param("ftp://127.0.0.1/game.zip", id="ftp"),
        pytest.param("http://user:secret@127.0.0.1/game.zip", id="userinfo"),
        pytest.param("http://", id="no-host"),
        pytest.param("http://127.0.0.1:port/", id="port"),
    ],
)
def test_a_url_that_is_none_is_refused(job: Job, url: str) -> None:
    assert job.fail(url) == UNUSABLE
    assert job.sleeps == []
