"""Mutated pictures and films through the process that makes previews, which must neither hang, grow nor fall."""

import io
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

from PIL import Image

from tests.previewer.samples import FILMS, PICTURES, drawn, encoded, film, picture, swapped_profile, with_gps
from transfer_service.previewer.protocol import MEMORY_BYTES, SECONDS, SIZES, Job, Made
from transfer_service.services.previews.maker import Maker, MakerDied, MakerStopped

AT_ONCE = 2
LATE_SECONDS = 10.0
"""How much longer than it may a file take where the machine is busy."""
MOST_GROWTH_BYTES = 24 * 1024**2
NUMBERS = (
    b"\0",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
    b"\0\1\0\0",
)


def seeds() -> list[bytes]:
    """Small files of every format, and of the ways in which they are written."""
    others = [Image.new("RGB", (80, 60), (shade, 0, 90)) for shade in range(0, 250, 60)]
    return [
        *(picture(kind, 96, 72) for kind in PICTURES),
        *(film(kind, ((0, 0, 0), (200, 10, 10)) * 3, width=96, height=64) for kind in FILMS),
        picture("JPEG", 96, 72, progressive=True, exif=with_gps(6), icc_profile=swapped_profile()),
        encoded(drawn(96, 72, "CMYK"), "JPEG"),
        picture("PNG", 96, 72, exif=with_gps(3), icc_profile=swapped_profile()),
        encoded(drawn(96, 72, "P"), "PNG"),
        *(encoded(others[0], kind, save_all=True, append_images=others[1:]) for kind in ("GIF", "WEBP", "PNG", "AVIF")),
        *(picture("TIFF", 96, 72, compression=each) for each in ("tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits")),
        encoded(drawn(96, 72, "1"), "TIFF", compression="group4"),
        encoded(drawn(96, 72, "F"), "TIFF"),
        encoded(drawn(96, 72, "P"), "BMP"),
        picture("WEBP", 96, 72, lossless=True),
        picture("HEIF", 96, 72, exif=with_gps()),
    ]


def mutated(chance: random.Random, files: list[bytes]) -> bytes:
    """One of the files with some damage, most of it small; now and then two of them in one."""
    data = bytearray(chance.choice(files))
    for _ in range(chance.choice((1, 1, 2, 3, 8, 40))):
        place = int(len(data) * chance.random() ** chance.choice((1, 3)))  # more often near the beginning
        length = chance.choice((1, 2, 4, 16, 200))
        match chance.randrange(7):
            case 0:
                data[place : place + 1] = bytes([(data[place] if place < len(data) else 0) ^ 1 << chance.randrange(8)])
            case 1:
                number = chance.choice(NUMBERS)
                data[place : place + len(number)] = number
            case 2:
                data[place : place + length] = chance.randbytes(length)
            case 3:
                del data[place : place + length]
            case 4:
                data[place:place] = data[place : place + length] * chance.choice((1, 2, 50))
            case 5:
                other = chance.choice(files)
                data[place : place + length] = other[place : place + length]
            case _:
                if chance.random() < 0.2:
                    del data[max(place, 16) :]
    return bytes(data + chance.choice(files) if chance.random() < 0.05 else data)


def torture(count: int, seed: int, say: Callable[[str], object]) -> list[str]:
    """The faults of that many files."""
    files, faults, told = seeds(), list[str](), {"shown": 0, "none": 0, "killed": 0}
    maker = Maker()
    with closing(_Stopping(maker)):
        for number, data in enumerate(files):
            if _outcome(maker, data) != "shown":
                faults.append(f"the file {number} that nothing was done to is not shown")
        process, before = maker.process_id, _memory_of(maker)
        with _watching(maker, faults), ThreadPoolExecutor(AT_ONCE) as pool:
            makings = ((number, mutated(random.Random(f"{seed} {number}"), files)) for number in range(count))
            for number, (outcome, seconds) in enumerate(pool.map(lambda each: _timed(maker, each[1]), makings)):
                told[outcome] = told.get(outcome, 0) + 1
                if outcome == "killed":
                    say(f"file {number} has killed its fork after {seconds:.1f} seconds")
                if outcome not in {"shown", "none", "killed"}:
                    faults.append(f"file {number}: {outcome}")
                if seconds > SECONDS + LATE_SECONDS:
                    faults.append(f"file {number}: {seconds:.0f} seconds")
                if number % 500 == 499:
                    say(f"{number + 1} files: {told}")
        if maker.process_id != process and not told["killed"]:
            faults.append("the maker is another process")
        if maker.process_id == process and _memory_of(maker) > before + MOST_GROWTH_BYTES:
            faults.append(f"the maker has grown from {before} to {_memory_of(maker)} bytes")
    if not told["shown"] or not told["none"]:
        faults.append(f"the mutations are too weak or too strong: {told}")
    say(f"{told}")
    for fault in faults:
        say(f"  {fault}")
    return faults


class _Stopping:
    def __init__(self, maker: Maker) -> None:
        self.close = maker.stop


def _timed(maker: Maker, data: bytes) -> tuple[str, float]:
    began = time.monotonic()
    return _outcome(maker, data), time.monotonic() - began


def _outcome(maker: Maker, data: bytes) -> str:
    descriptor = os.memfd_create("mutated")
    try:
        os.write(descriptor, data)
        made = maker.make(descriptor, Job(len(data), is_urgent=True))
    except MakerDied:
        return "killed"
    except MakerStopped:
        return "the maker has fallen"
    finally:
        os.close(descriptor)
    return "none" if made is None else _judged(made)


def _judged(made: Made) -> str:
    """Whether what came out are pictures of the right sizes, with nothing else in them."""
    for size, data in zip(SIZES, made.pictures, strict=True):
        if not data:
            continue
        with Image.open(io.BytesIO(data), formats=["WEBP"]) as shown:
            shown.load()
            if max(shown.size) > size or shown.getexif() or shown.info.get("icc_profile"):
                return f"a picture of {shown.size} for {size}"
    return "shown"


def _memory_of(maker: Maker) -> int:
    """What the process has for itself, in bytes."""
    return _status(maker.process_id or 0, "RssAnon")


def _status(process: int, field: str) -> int:
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:")), 0)


@contextmanager
def _watching(maker: Maker, faults: list[str]) -> Iterator[None]:
    """Look at the memory of the forks, and at how many there are."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            process = maker.process_id
            forks = _children_of(process) if process else []
            if len(forks) > 2 * AT_ONCE:  # those before may just be ending
                faults.append(f"{len(forks)} forks at once")
            largest = max((_status(each, "VmPeak") for each in forks), default=0)
            if largest > MEMORY_BYTES:
                faults.append(f"a fork of {largest} bytes")

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def _children_of(process: int) -> list[int]:
    try:
        return [int(each) for each in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
