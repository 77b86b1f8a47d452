"""Transfers that break off: how they go on, how long they wait, and when they give up."""

import errno
import socket
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.live.bad_source import BadSource, Behaviour, Drip
from tests.ports import free_port
from tests.remote.conftest import DATA, PATH, QUICK, Job
from transfer_service.errors import StorageFull
from transfer_service.remote.fetcher import Limits
from transfer_service.remote.url_guard import Resolve
from transfer_service.wire.conditions import format_http_date

OTHER = DATA[::-1]
CLOSED = "The source closed the connection too often"
STALLED = "The source stalled for too long"
LATE = "The download took too long"

BREAKS = [
    pytest.param(Behaviour(cut_at=1000), CLOSED, 1000, id="cut"),
    pytest.param(Behaviour(cut_at=1000, framing="chunked"), CLOSED, 1000, id="cut-in-chunks"),
    pytest.param(Behaviour(cut_at=1000, framing="close"), CLOSED, 1000, id="cut-without-length"),
    pytest.param(Behaviour(cut_at=1000, resets=True), CLOSED, 1000, id="reset"),
    pytest.param(Behaviour(stall_at=1000), STALLED, 1000, id="stall"),
    pytest.param(Behaviour(cut_at=0), CLOSED, 0, id="no-body"),
    pytest.param(Behaviour(status=500), "The source answered 500", 0, id="server-error"),
    pytest.param(Behaviour(status=503), "The source answered 503", 0, id="unavailable"),
    pytest.param(Behaviour(status=429), "The source answered 429", 0, id="too-many-requests"),
    pytest.param(Behaviour(status=408), "The source answered 408", 0, id="request-timeout"),
    pytest.param(Behaviour(raw=b""), CLOSED, 0, id="no-answer"),
    pytest.param(Behaviour(head_cut_at=5), CLOSED, 0, id="cut-in-status-line"),
    pytest.param(Behaviour(head_cut_at=80), CLOSED, 0, id="cut-in-fields"),
    pytest.param(Behaviour(head_drip=Drip(1, 0.05)), STALLED, 0, id="head-in-drops"),
    pytest.param(Behaviour(endless_head="interim"), STALLED, 0, id="endless-interim-answers"),
]


@pytest.mark.parametrize(("behaviour", "_detail", "kept"), BREAKS)
def test_a_broken_transfer_goes_on(source: BadSource, job: Job, behaviour: Behaviour, _detail: str, kept: int) -> None:
    source.serve(PATH, DATA, behaviour, Behaviour())
    job.run(source.url_of(PATH))
    assert [request.range for request in source.requests] == [None, f"bytes={kept}-" if kept else None]
    assert (job.sink.data == DATA, job.sleeps, "restart" in job.sink.calls) == (True, [0.5], False)


@pytest.mark.parametrize(("behaviour", "detail", "kept"), BREAKS)
def test_too_many_breaks_end_with_the_last_reason(
    source: BadSource, job: Job, behaviour: Behaviour, detail: str, kept: int
) -> None:
    source.serve(PATH, DATA, behaviour)
    assert job.fail(source.url_of(PATH)) == detail
    assert (len(source.requests), job.sleeps) == (QUICK.breaks + 1, [0.5, 1])
    assert job.sink.data == DATA[: kept * (QUICK.breaks + 1)]


def no_answer(failure: OSError) -> Resolve:
    """A name server that fails so."""

    def resolve(*_arguments: object, **_options: object) -> list[tuple[object, ...]]:
        raise failure

    return resolve


def addresses(*ports: int, failure: OSError | None = None) -> Resolve:
    """A name with these ports of 127.0.0.1; `failure` is raised the second time."""
    asked: list[None] = []

    def resolve(*_arguments: object, **_options: object) -> list[tuple[object, ...]]:
        asked.append(None)
        if failure is not None and len(asked) == 2:
            raise failure
        return [(2, 1, 6, "", ("127.0.0.1", port)) for port in ports]

    return resolve


@pytest.mark.parametrize(
    ("failure", "sleeps"),
    [
        pytest.param(socket.gaierror(socket.EAI_NONAME, "no such name"), [], id="no-such-name"),
        pytest.param(socket.gaierror(socket.EAI_NODATA, "no address"), [], id="name-without-address"),
        pytest.param(socket.gaierror(socket.EAI_FAIL, "non-recoverable"), [], id="name-server-has-no-answer"),
        pytest.param(OSError(errno.ECONNREFUSED, "refused"), [], id="refused"),
        pytest.param(OSError(errno.EHOSTUNREACH, "no route"), [], id="no-way-to-the-host"),
        pytest.param(OSError(errno.ENETUNREACH, "no route"), [], id="no-way-to-the-network"),
        pytest.param(OSError(errno.EACCES, "prohibited"), [], id="prohibited"),
        pytest.param(socket.gaierror(socket.EAI_AGAIN, "later"), [0.5, 1], id="name-server-is-silent"),
        pytest.param(TimeoutError(), [0.5, 1], id="timeout"),
        pytest.param(ConnectionResetError(errno.ECONNRESET, "reset"), [0.5, 1], id="reset"),
        pytest.param(OSError(errno.EMFILE, "no descriptors"), [0.5, 1], id="no-descriptors"),
        pytest.param(ssl.SSLError(1, "handshake"), [0.5, 1], id="tls-has-numbers-of-its-own"),
    ],
)
def test_what_is_refused_is_not_asked_again_and_what_may_pass_is(
    job: Job, failure: OSError, sleeps: list[float]
) -> None:
    job.resolve = no_answer(failure)
    assert job.fail(f"http://source.example{PATH}").startswith("The source cannot be reached")
    assert (job.sleeps, job.sink.calls) == (sleeps, [])


def test_a_source_that_nobody_listens_for_is_passed_over_at_once(job: Job) -> None:
    job.limits = Limits(connect_seconds=60)
    start = time.monotonic()
    assert job.fail(f"http://127.0.0.1:{free_port()}{PATH}", seconds=120) == "The source cannot be reached"
    assert (job.sleeps, time.monotonic() - start < job.limits.connect_seconds / 5) == ([], True)


def test_a_source_is_not_passed_over_where_one_of_its_addresses_is_only_silent(job: Job) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as silent, socket.socket() as queued:
        silent_port = silent.getsockname()[1]
        queued.connect(("127.0.0.1", silent_port))  # now its queue is full
        job.resolve = addresses(silent_port, free_port())
        job.limits = Limits(connect_seconds=0.2, breaks=1)
        assert job.fail(f"http://source.example{PATH}") == "The source cannot be reached"
    assert job.sleeps == [0.5]


@pytest.mark.parametrize("code", [errno.ECONNREFUSED, errno.EHOSTUNREACH])
def test_a_source_that_has_given_bytes_may_be_starting_again(source: BadSource, job: Job, code: int) -> None:
    source.serve(PATH, DATA, Behaviour(cut_at=1000, resets=True), Behaviour())
    job.resolve = addresses(source.port, failure=OSError(code, "gone for a moment"))
    job.run(f"http://source.example:{source.port}{PATH}")
    assert (job.sink.data == DATA, job.sleeps) == (True, [0.5, 1])
    assert [request.range for request in source.requests] == [None, "bytes=1000-"]


def test_the_next_address_is_tried_where_the_first_does_not_answer(source: BadSource, job: Job) -> None:
    source.serve(PATH, DATA)
    job.resolve = addresses(free_port(), source.port)
    job.run(f"http://source.example:{source.port}{PATH}")
    assert (job.sink.data == DATA, job.sleeps) == (True, [])


def test_a_file_that_changed_during_a_break_is_fetched_from_its_start(source: BadSource, job: Job) -> None:
    source.serve(PATH, OTHER, Behaviour(cut_at=1000), Behaviour(data=DATA))
    job.run(source.url_of(PATH))
    assert (job.sink.data == DATA, job.sink.calls.count("restart")) == (True, 1)
    assert len(set(job.validators)) == 2


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_without_a_strong_validator_a_broken_transfer_starts_again(
    source: BadSource, job: Job, etag: str | None
) -> None:
    source.serve(PATH, DATA, Behaviour(cut_at=1000, etag=etag), Behaviour(etag=etag))
    job.run(source.url_of(PATH))
    assert [request.range for request in source.requests] == [None, None]
    assert (job.sink.data == DATA, job.sink.calls.count("restart"), job.validators) == (True, 1, [None, None])


def test_a_part_that_is_shorter_than_asked_for_counts_as_a_break(source: BadSource, job: Job) -> None:
    part = Behaviour(
        data=DATA[1000:2000], status=206, etag=None, ranges=False,
        headers=(("Content-Range", f"bytes 1000-1999/{len(DATA)}"),),
    )  # fmt: skip
    source.serve(PATH, DATA, Behaviour(cut_at=1000), part, Behaviour())
    job.run(source.url_of(PATH))
    assert [request.range for request in source.requests] == [None, "bytes=1000-", "bytes=2000-"]
    assert (job.sink.data == DATA, job.sleeps) == (True, [0.5, 1])


def test_breaks_with_much_progress_between_them_do_not_add_up(source: BadSource, job: Job) -> None:
    data = DATA * 6
    source.serve(PATH, data, Behaviour(cut_at=len(DATA)))
    job.run(source.url_of(PATH), size=len(data))
    assert (job.sink.data == data, len(source.requests)) == (True, 6)
    assert job.sleeps == [0.5] * 5


def test_the_same_bytes_once_more_are_no_progress(source: BadSource, job: Job) -> None:
    source.serve(PATH, DATA * 3, Behaviour(cut_at=2 * len(DATA), ranges=False))
    assert job.fail(source.url_of(PATH), size=3 * len(DATA)) == CLOSED
    assert (len(source.requests), job.sink.length) == (QUICK.breaks + 1, 2 * len(DATA))


def test_waits_grow_up_to_the_longest(source: BadSource, job: Job) -> None:
    job.limits = Limits(breaks=7)
    source.serve(PATH, DATA, Behaviour(status=503))
    job.fail(source.url_of(PATH), seconds=100)
    assert job.sleeps == [0.5, 1, 2, 4, 8, 10, 10]


def in_seconds(seconds: float) -> str:
    return format_http_date(datetime.now(UTC) + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("retry_after", "shortest", "longest"),
    [
        pytest.param(lambda: "3", 3, 3, id="seconds"),
        pytest.param(lambda: "0", 0.5, 0.5, id="at-once"),
        pytest.param(lambda: "86400", 10, 10, id="tomorrow"),
        pytest.param(lambda: "9" * 40, 0.5, 0.5, id="beyond-all-measure"),
        pytest.param(lambda: in_seconds(6), 4, 6, id="date"),
        pytest.param(lambda: in_seconds(-6), 0.5, 0.5, id="past"),
        pytest.param(lambda: "soon", 0.5, 0.5, id="word"),
        pytest.param(lambda: "-5", 0.5, 0.5, id="negative"),
    ],
)
def test_retry_after_is_respected_within_bounds(
    source: BadSource, job: Job, retry_after: Callable[[], str], shortest: float, longest: float
) -> None:
    headers = (("Retry-After", retry_after()),)
    source.serve(PATH, DATA, Behaviour(status=503, headers=headers), Behaviour())
    job.run(source.url_of(PATH), seconds=100)
    assert shortest <= job.sleeps[0] <= longest
    assert job.sink.data == DATA


@pytest.mark.parametrize(
    ("behaviour", "kept"),
    [
        pytest.param(Behaviour(drip=Drip(1, 0.05)), True, id="body-in-drops"),
        pytest.param(Behaviour(drip=Drip(1, 0.05), framing="chunked"), True, id="chunks-in-drops"),
        pytest.param(Behaviour(head_drip=Drip(1, 0.05)), False, id="head-in-drops"),
        pytest.param(Behaviour(stall_at=0), False, id="stall"),
        pytest.param(Behaviour(endless_head="interim"), False, id="endless-head"),
    ],
)
def test_the_deadline_ends_what_nothing_else_ends(source: BadSource, behaviour: Behaviour, kept: bool) -> None:
    source.serve(PATH, DATA, behaviour)
    job = Job(limits=Limits())
    start = time.monotonic()
    assert job.fail(source.url_of(PATH), seconds=1.5) == LATE
    assert (time.monotonic() - start < job.limits.idle_seconds / 3, bool(job.sink.data)) == (True, kept)


def test_after_the_deadline_nothing_is_asked_for(source: BadSource, job: Job) -> None:
    source.serve(PATH, DATA)
    assert job.fail(source.url_of(PATH), seconds=0) == LATE
    assert source.connections == 0


def test_no_wait_goes_beyond_the_deadline(source: BadSource, job: Job) -> None:
    source.serve(PATH, DATA, Behaviour(status=503, headers=(("Retry-After", "9"),)))
    job.fail(source.url_of(PATH), seconds=2)
    assert 0 < job.sleeps[0] <= 2


@pytest.mark.parametrize("failure", [StorageFull(), OSError(28, "disk"), TimeoutError()])
@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(Behaviour(), id="at-once"),
        pytest.param(Behaviour(stall_at=1000), id="in-a-silence"),
        pytest.param(Behaviour(cut_at=1000), id="after-a-break"),
    ],
)
def test_an_error_of_the_sink_comes_out_as_it_is(source: BadSource, behaviour: Behaviour, failure: Exception) -> None:
    source.serve(PATH, DATA, behaviour)
    job = Job(limits=Limits())
    job.sink.failure = failure
    with pytest.raises(type(failure)) as raised:
        job.run(source.url_of(PATH))
    assert (raised.value is failure, len(source.requests), job.sink.calls) == (True, 1, ["append"])
