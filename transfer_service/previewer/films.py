"""Films: a frame that is not black, from the file alone, whatever that says about others."""

from collections.abc import Iterator
from typing import BinaryIO

import av
import av.audio.stream  # all that PyAV would load when it comes to it: nothing can be opened any more then
import av.logging
import av.subtitles.stream
import av.video.reformatter
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image, ImageStat

from transfer_service.previewer.pictures import check_size
from transfer_service.previewer.protocol import MOST_PIXELS, SIZES, NotShown
from transfer_service.wire.media_signatures import Medium

_FORMATS = {Medium.QUICKTIME: "mov", Medium.MATROSKA: "matroska", Medium.AVI: "avi", Medium.FLV: "flv"}
_OPTIONS = {
    "protocol_whitelist": "none",
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,live_flv",
    "max_streams": "64",
    "probesize": "8000000",
    "analyzeduration": "5000000",
    "use_absolute_path": "0",
    "enable_drefs": "0",
}
_LARGEST = SIZES[-1]
DARK = 24
"""A frame whose mean brightness is below that, of 255, is taken for black."""
_AT_THE_START, _AT_A_PLACE, _IN_ALL = 90, 25, 1500
_PLACES = (0.1, 0.3, 0.5, 0.7, 0.9)


def load() -> None:
    """Be silent: what FFmpeg says of a file is the file's own words."""
    av.logging.set_level(None)


def open_film(file: BinaryIO, medium: Medium) -> tuple[Image.Image, tuple[int, int], float | None]:
    """A frame of at most 1280 pixels, upright, the size of the whole one, and the film's duration in seconds.

    Raises NotShown.
    """
    name = _FORMATS[medium]
    options = {key: value for key, value in _OPTIONS.items() if name == "mov" or not key.endswith(("path", "drefs"))}
    with av.open(file, "r", format=name, container_options=options, io_open=_refuse) as film:
        stream = _find_stream(film)
        check_size(stream.codec_context.width, stream.codec_context.height)
        duration = _duration_of(film, stream)
        frame = _find_bright(film, stream, duration)
        return (*_shown(frame, stream), duration)


def _refuse(*_: object) -> None:
    raise PermissionError("no other file is opened")


def _find_stream(film: InputContainer) -> VideoStream:
    for stream in film.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic:
            context = stream.codec_context
            context.thread_count = 1
            context.options = {"max_pixels": str(MOST_PIXELS)}
            return stream
    raise NotShown


def _duration_of(film: InputContainer, stream: VideoStream) -> float | None:
    seconds = None
    if film.duration:
        seconds = film.duration / av.time_base
    elif stream.duration and stream.time_base:
        seconds = float(stream.duration * stream.time_base)
    return round(float(seconds), 3) if seconds is not None and 0 <= seconds < 2**31 else None


def _find_bright(film: InputContainer, stream: VideoStream, duration: float | None) -> VideoFrame:
    """The first frame that is not black: of the beginning, then here and there, then of all. Else the brightest."""
    best, brightest = None, -1.0
    for frame in _candidates(film, stream, duration):
        brightness = _brightness_of(frame)
        if brightness >= DARK:
            return frame
        if brightness > brightest:
            best, brightest = frame, brightness
    if best is None:
        raise NotShown
    return best


def _candidates(film: InputContainer, stream: VideoStream, duration: float | None) -> Iterator[VideoFrame]:
    yield from _frames(film, stream, _AT_THE_START)
    for place in _PLACES if duration else ():
        try:
            film.seek(int((duration or 0) * place * av.time_base))
        except av.FFmpegError:
            break
        yield from _frames(film, stream, _AT_A_PLACE)
    try:
        film.seek(0)
    except av.FFmpegError:
        return
    yield from _frames(film, stream, _IN_ALL)


def _frames(film: InputContainer, stream: VideoStream, most: int) -> Iterator[VideoFrame]:
    """The next frames. What is damaged ends them."""
    try:
        for number, frame in enumerate(film.decode(stream), start=1):
            check_size(frame.width, frame.height)
            yield frame
            if number >= most:
                return
    except av.FFmpegError:
        return


def _brightness_of(frame: VideoFrame) -> float:
    small = frame.reformat(width=32, height=32, format="gray", dst_color_range="JPEG")
    return float(ImageStat.Stat(_image_of(small).convert("L")).mean[0])


def _image_of(frame: VideoFrame) -> Image.Image:
    image: Image.Image = frame.to_image()  # type: ignore[no-untyped-call] # PyAV's
    return image


def _shown(frame: VideoFrame, stream: VideoStream) -> tuple[Image.Image, tuple[int, int]]:
    """The frame as it is to be seen: its pixels may be no squares, and the camera may have been turned."""
    width, height = frame.width, frame.height
    ratio = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
    if ratio and 0.1 < float(ratio) < 10:
        width = max(1, round(width * float(ratio)))
    check_size(width, height)
    shrink = min(1.0, _LARGEST / max(width, height))
    small = _image_of(
        frame.reformat(width=max(1, round(width * shrink)), height=max(1, round(height * shrink)), format="rgb24")
    )
    turned = {90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}
    turn = frame.rotation % 360
    if turn in turned:
        small = small.transpose(turned[turn])
    return small, (height, width) if turn in {90, 270} else (width, height)
