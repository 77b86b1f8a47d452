"""Fetching from a source that works, and going on where an earlier fetch ended."""

import time
from collections.abc import Sequence

import pytest

from tests.live.bad_source import BadSource, Behaviour, Drip, redirect
from tests.remote.conftest import DATA, PATH, Job
from tests.remote.memory_sink import MemorySink
from transfer_service.remote.fetcher import Limits

OTHER = DATA[::-1]
MODIFIED = "Fri, 30 Oct 2026 12:00:00 GMT"


def etag_of(source: BadSource, job: Job) -> str:
    """The tag of what the source serves, by way of a fetch of its own."""
    first = Job(limits=job.limits)
    first.run(source.url_of(PATH))
    source.requests.clear()
    assert first.validators[0] is not None
    return first.validators[0]


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_a_whole_file_arrives_in_one_request(source: BadSource, job: Job, framing: str) -> None:
    source.serve(PATH, DATA, Behaviour(framing=framing))  # type: ignore[arg-type]
    job.run(source.url_of(PATH))
    assert (job.sink.data == DATA, len(source.requests), job.sleeps) == (True, 1, [])
    assert job.validators[0] is not None


def test_a_request_says_nothing_about_this_side(source: BadSource, job: Job) -> None:
    source.serve("/start", b"", redirect(PATH))
    source.serve(PATH, DATA, Behaviour(headers=(("Set-Cookie", "a=b"),)))
    job.run(source.url_of("/start"))
    expected = {"host": f"127.0.0.1:{source.port}", "accept-encoding": "identity", "user-agent": "transfer-service"}
    assert [request.headers for request in source.requests] == [expected, expected]


def test_a_full_sink_needs_no_request(source: BadSource) -> None:
    job = Job(sink=MemorySink(DATA))
    job.run(source.url_of(PATH))
    assert (source.connections, job.sink.calls) == (0, [])


def test_an_earlier_fetch_is_continued(source: BadSource, job: Job) -> None:
    source.serve(PATH, DATA)
    tag = etag_of(source, job)
    job.sink.data = DATA[:1000]
    job.run(source.url_of(PATH), validator=tag)
    headers = source.requests[0].headers
    assert (headers["range"], headers["if-range"]) == ("bytes=1000-", tag)
    assert (job.sink.data == DATA, "restart" in job.sink.calls, job.validators) == (True, False, [])


def test_an_earlier_fetch_is_continued_by_its_date(source: BadSource, job: Job) -> None:
    source.serve(PATH, DATA, Behaviour(etag=None, if_range=False, headers=(("Last-Modified", MODIFIED),)))
    job.sink.data = DATA[:1000]
    job.run(source.url_of(PATH), validator=MODIFIED)
    assert (source.requests[0].headers["if-range"], job.sink.data == DATA) == (MODIFIED, True)
    assert "restart" not in job.sink.calls


def test_bytes_without_a_validator_are_fetched_again(source: BadSource) -> None:
    source.serve(PATH, DATA)
    job = Job(sink=MemorySink(OTHER[:1000]))
    job.run(source.url_of(PATH))
    assert [request.range for request in source.requests] == [None]
    assert (job.sink.calls[0], job.sink.data == DATA) == ("restart", True)


def test_more_bytes_than_the_file_has_are_fetched_again(source: BadSource) -> None:
    source.serve(PATH, DATA)
    job = Job(sink=MemorySink(OTHER + b"more"))
    job.run(source.url_of(PATH), validator='"any"')
    assert [request.range for request in source.requests] == [None]
    assert job.sink.data == DATA


@pytest.mark.parametrize(
    ("behaviour", "requests"),
    [
        pytest.param(Behaviour(), 1, id="changed-and-says-so"),
        pytest.param(Behaviour(ranges=False), 1, id="no-ranges"),
        pytest.param(Behaviour(if_range=False), 2, id="part-of-another-tag"),
        pytest.param(
            Behaviour(if_range=False, etag=None, headers=(("Content-Range", "bytes 999-2/3"),)), 2, id="broken"
        ),
        pytest.param(
            Behaviour(if_range=False, etag=None, headers=(("Content-Range", f"bytes 0-9/{len(DATA)}"),)),
            2,
            id="elsewhere",
        ),
        pytest.param(
            Behaviour(if_range=False, etag=None, headers=(("Content-Range", f"bytes 1000-{len(DATA) - 1}/*"),)),
            2,
            id="no-total",
        ),
        pytest.param(Behaviour(status=416), 2, id="range-refused"),
    ],
)
def test_what_does_not_continue_the_old_bytes_replaces_them(
    source: BadSource, behaviour: Behaviour, requests: int
) -> None:
    source.serve(PATH, DATA, behaviour, Behaviour())
    job = Job(sink=MemorySink(OTHER[:1000]))
    job.run(source.url_of(PATH), validator='"old"')
    assert (len(source.requests), job.sleeps, job.sink.calls.count("restart")) == (requests, [], 1)
    assert job.sink.data == DATA


def test_after_a_wrong_answer_to_a_range_no_range_is_asked_for_again(source: BadSource) -> None:
    source.serve(PATH, DATA, Behaviour(status=416), Behaviour(cut_at=5000), Behaviour())
    job = Job(sink=MemorySink(OTHER[:1000]))
    job.run(source.url_of(PATH), validator='"old"')
    assert [request.range for request in source.requests] == ["bytes=1000-", None, None]
    assert job.sink.data == DATA


def test_old_bytes_are_gone_before_the_new_validator_is_known(source: BadSource) -> None:
    source.serve(PATH, DATA)
    lengths: list[int] = []
    job = Job(sink=MemorySink(OTHER[:1000]))
    job.validators = _Watching(lengths, job.sink)
    job.run(source.url_of(PATH), validator='"old"')
    assert (lengths, job.sink.data == DATA) == ([0], True)


class _Watching(list[str | None]):
    """Notes how long the sink was at each call."""

    def __init__(self, lengths: list[int], sink: MemorySink) -> None:
        super().__init__()
        self._lengths, self._sink = lengths, sink

    def append(self, _validator: str | None) -> None:
        self._lengths.append(self._sink.length)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed(source: BadSource, job: Job, status: int) -> None:
    source.serve("/a/start", b"", redirect("../b/next?x=1#part", status=status))
    source.serve("/b/next?x=1", b"", redirect(source.url_of(PATH)))
    source.serve(PATH, DATA)
    job.run(source.url_of("/a/start"))
    assert [request.path for request in source.requests] == ["/a/start", "/b/next?x=1", PATH]
    assert job.sink.data == DATA


def test_a_redirect_is_followed_again_after_a_break(source: BadSource, job: Job) -> None:
    source.serve("/start", b"", redirect(PATH))
    source.serve(PATH, DATA, Behaviour(cut_at=1000), Behaviour())
    job.run(source.url_of("/start"))
    assert [request.range for request in source.requests] == [None, None, "bytes=1000-", "bytes=1000-"]
    assert job.sink.data == DATA


def test_as_many_redirects_as_allowed_are_followed(source: BadSource) -> None:
    source.serve("/0", b"", redirect("/1"))
    source.serve("/1", b"", redirect("/2"))
    source.serve("/2", DATA)
    job = Job(limits=Limits(redirects=2))
    job.run(source.url_of("/0"))
    assert job.sink.data == DATA


def test_a_slow_source_shows_progress_before_it_is_done(source: BadSource) -> None:
    source.serve(PATH, DATA[:6], Behaviour(drip=Drip(1, 0.2)))
    job = Job(limits=Limits())
    job.run(source.url_of(PATH), size=6)
    assert job.sink.calls.count("append") > 1
    assert job.sink.data == DATA[:6]


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_bytes_before_a_silence_do_not_wait_for_its_end(source: BadSource, framing: str) -> None:
    source.serve(PATH, DATA, Behaviour(stall_at=1000, framing=framing))  # type: ignore[arg-type]
    sink = _ReleasingSink(source)
    job = Job(limits=Limits(), sink=sink)
    start = time.monotonic()
    job.run(source.url_of(PATH))
    assert (sink.first_length, time.monotonic() - start < job.limits.idle_seconds / 3) == (1000, True)
    assert sink.data == DATA


class _ReleasingSink(MemorySink):
    """Ends the stall of the source with the first bytes that come."""

    def __init__(self, source: BadSource) -> None:
        super().__init__()
        self._source = source
        self.first_length = 0

    def append(self, blocks: Sequence[bytes]) -> None:
        super().append(blocks)
        self.first_length = self.first_length or self.length
        self._source.release()
