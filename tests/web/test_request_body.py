"""Reading a body whose client goes quiet; the socket and the stream are stand-ins for the worker's."""

import errno
import io
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask

from transfer_service.errors import BodyCutShort, BodyTimeout, RangeBusy, UploadEnded
from transfer_service.web.request_body import CHANCE_SECONDS, RequestBody


class QuietStream:
    """A client that sends a byte and then nothing, until it is given up; `silence` is how long that is at each look."""

    def __init__(self, silence: float) -> None:
        self.socket = SimpleNamespace(gives_up=None)
        self._silence = silence
        self._has_sent = False

    def readinto(self, buffer: memoryview) -> int:
        if not self._has_sent:
            self._has_sent = True
            buffer[:1] = b"x"
            return 1
        while not self.socket.gives_up(self._silence):
            pass
        return 0


def read_all(app: Flask, stream: QuietStream, **hooks: Any) -> None:
    environ = {"wsgi.input": stream, "gunicorn.socket": stream.socket, "CONTENT_LENGTH": "5"}
    with app.test_request_context("/", method="PATCH", environ_overrides=environ):
        body = RequestBody()
        for name, hook in hooks.items():
            getattr(body, name)(hook)
        for _ in body.blocks():
            pass


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(OSError(errno.EIO, "broken"), OSError, id="the-disk-breaks"),
        pytest.param(UploadEnded(), UploadEnded, id="the-upload-ends"),
    ],
)
def test_what_fails_meanwhile_is_not_the_clients_fault(
    shared_app: Flask, error: Exception, expected: type[Exception]
) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(expected) as caught:
        read_all(shared_app, QuietStream(0.3), while_idle=fail)
    assert caught.value is error


def test_who_is_quiet_too_long_or_in_the_way_is_given_up(shared_app: Flask) -> None:
    with pytest.raises(BodyTimeout):
        read_all(shared_app, QuietStream(1e6))
    with pytest.raises(RangeBusy):
        read_all(shared_app, QuietStream(1.5), give_up_when=lambda: True)


@pytest.mark.parametrize("silence", [0.0, 0.25], ids=["flowing", "silent"])
def test_who_must_make_room_does_once_something_has_come(shared_app: Flask, silence: float) -> None:
    stream = QuietStream(silence)
    with pytest.raises(RangeBusy):
        read_all(shared_app, stream, end_when=lambda: True)
    assert stream.socket.has_given_up  # what else comes belongs to nobody


def test_nobody_makes_room_before_he_had_his_chance(shared_app: Flask) -> None:
    """Or two clients that end each other could keep each other from bringing anything."""
    stream = QuietStream(CHANCE_SECONDS - 0.25)
    environ = {"wsgi.input": stream, "gunicorn.socket": stream.socket, "CONTENT_LENGTH": "5"}
    with shared_app.test_request_context("/", method="PATCH", environ_overrides=environ):
        body = RequestBody()
        body.end_when(lambda: True)
        assert body.readinto(memoryview(bytearray(5))) == 1  # it was not asked before
        body.received = 0
        assert not stream.socket.gives_up(CHANCE_SECONDS - 0.25)
        assert stream.socket.gives_up(CHANCE_SECONDS)


def test_a_body_that_is_whole_is_not_ended(shared_app: Flask) -> None:
    environ = {"wsgi.input": io.BytesIO(b"x"), "CONTENT_LENGTH": "1"}
    with shared_app.test_request_context("/", method="PATCH", environ_overrides=environ):
        body = RequestBody()
        body.end_when(lambda: True)
        assert list(body.blocks()) == [b"x"]


def test_a_stream_that_ends_early_is_cut_short(shared_app: Flask) -> None:
    stream = QuietStream(0)
    stream.socket.gives_up = lambda _seconds: True
    environ = {"wsgi.input": stream, "CONTENT_LENGTH": "5"}
    with shared_app.test_request_context("/", method="PATCH", environ_overrides=environ), pytest.raises(BodyCutShort):
        list(RequestBody().blocks())
