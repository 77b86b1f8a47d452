"""Previews by the real worker and its maker, which are killed again and again."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.live.chunks import send_chunk
from tests.live.doc_examples import blocks, run_shell
from tests.live.download_worker import environment_of, working
from tests.live.node import token_of
from tests.live.server import REPOSITORY, LiveServer, wait_until
from tests.previewer.samples import film, picture

KILLS, PICTURES = 4, 10
A_PICTURE = picture("JPEG", 1600, 1200)
WORKER = """
from gevent import monkey
monkey.patch_all()
from datetime import timedelta
from config import load_settings
from transfer_service.bootstrap import build_core
from transfer_service.previewing import Previewing
from transfer_service.services.core import utc_now
Previewing(build_core(load_settings(), utc_now), lease=timedelta(seconds=2)).run()
"""
DECODERS = ("/PIL/", "pillow", "/av/", "libavcodec")


def maker_of(worker: psutil.Process) -> psutil.Process | None:
    """The process that a worker has its previews made by, once it is there."""
    return next((each for each in worker.children() if is_maker(each)), None)


def is_maker(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
        return "previewer" in " ".join(process.cmdline())
    return False


def loads_decoders(process: psutil.Process) -> bool:
    return any(word in Path(f"/proc/{process.pid}/maps").read_text() for word in DECODERS)


@pytest.mark.one_machine("it looks into the memory of one process")
def test_the_worker_has_them_made_and_nobody_else_sees_a_decoder(server: LiveServer, tmp_path: Path) -> None:
    session = server.sign_in("alice")
    with working(server.data_dir) as process:
        addresses = [server.store(session, f"{number}.jpg", picture("JPEG", 1600, 1200)) for number in range(3)]
        addresses.append(server.store(session, "film.mp4", film()))
        facts = [f"{server.url}{address.removesuffix('/download')}" for address in addresses]
        wait_until(lambda: all(session.get(each, timeout=30).json()["width"] for each in facts))
        for each in facts:
            shown = session.get(f"{each}/thumbnail", params={"size": 480}, timeout=30)
            assert (shown.status_code, shown.headers["Content-Type"]) == (200, "image/webp")
        places = {"SERVER": server.url, "TOKEN": token_of(session), "FILE_ID": addresses[0].split("/")[3]}
        (example,) = blocks("previews.md", "sh")
        run_shell(example, tmp_path, **places)
        assert (tmp_path / "small.webp").read_bytes()[8:12] == b"WEBP"
        worker = psutil.Process(process.pid)
        maker = begun(worker)
        assert [loads_decoders(each) for each in (server.worker(), worker, maker)] == [False, False, True]
        assert Path(f"/proc/{maker.pid}/environ").read_bytes() == b""
        kinds = {str(each.readlink()).partition(":")[0] for each in Path(f"/proc/{maker.pid}/fd").iterdir()}
        assert kinds == {"/dev/null", "socket"}
        maker.kill()
        address = server.store(session, "later.jpg", picture())
        asked = f"{server.url}{address.removesuffix('/download')}/thumbnail?size=160"
        wait_until(lambda: session.get(asked, timeout=30).status_code == 200)  # each waits some seconds for a new one
        maker = begun(worker)
    wait_until(lambda: not maker.is_running() or maker.status() == psutil.STATUS_ZOMBIE)


def begun(worker: psutil.Process) -> psutil.Process:
    """The same, waited for."""
    found: list[psutil.Process | None] = []

    def is_there() -> bool:
        found.append(maker_of(worker))
        return found[-1] is not None

    wait_until(is_there)
    assert found[-1] is not None
    return found[-1]


def test_who_asks_at_once_is_shown_it_wherever_the_worker_is(server: LiveServer) -> None:
    """Over instances, which have no worker of their own, each request here meets another one."""
    session, half = server.sign_in("alice"), len(A_PICTURE) // 2
    with working(server.data_dir):
        first = _thumbnail_of(server.store(session, "first.jpg", A_PICTURE))
        wait_until(lambda: session.get(f"{server.url}{first}", timeout=30).status_code == 200)  # it has started
        for number in range(4):
            for start, data in ((half, A_PICTURE[half:]), (0, A_PICTURE[:half])):
                sent = send_chunk(session, server, f"{number}.jpg", start, data, total=len(A_PICTURE))
            path = _thumbnail_of(f"/api/files/{sent.json()['file_id']}")
            shown = session.get(server.url + path, timeout=30)
            assert (shown.status_code, shown.headers["Content-Type"]) == (200, "image/webp")


def _thumbnail_of(download: str) -> str:
    return f"{download.removesuffix('/download')}/thumbnail?size=160"


@contextmanager
def a_worker(data_dir: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**environment_of(data_dir), "PYTHONPATH": str(REPOSITORY)}
    with (data_dir.parent / "worker.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-c", WORKER], env=environment, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.one_machine("it kills workers of its own")
def test_kills_of_worker_and_maker_lose_no_preview_and_leave_nothing_behind(server: LiveServer) -> None:
    session = server.sign_in("alice")
    addresses = [server.store(session, f"{number}.jpg", picture("JPEG", 900, 700)) for number in range(PICTURES)]
    makers: list[psutil.Process] = []
    with server.services() as services:
        for number in range(KILLS):
            with a_worker(server.data_dir) as process:
                worker = psutil.Process(process.pid)
                maker = begun(worker)
                makers.append(maker)
                time.sleep(0.03 * number)
                (maker if number % 2 else worker).send_signal(signal.SIGKILL)
                time.sleep(0.2 * (number % 2))
        with a_worker(server.data_dir):
            facts = [f"{server.url}{address.removesuffix('/download')}" for address in addresses]
            wait_until(lambda: all(session.get(each, timeout=30).json()["width"] for each in facts), seconds=60)
            shown = [session.get(f"{each}/thumbnail?size=480", timeout=30).status_code for each in facts]
        assert shown == [200] * PICTURES
        for address in addresses[: PICTURES // 2]:
            assert session.delete(f"{server.url}{address.removesuffix('/download')}", timeout=30).status_code == 200
        with a_worker(server.data_dir):
            room, subjects = services.core.previews, {address.split("/")[3].replace("-", "") for address in addresses}
            wait_until(
                lambda: (
                    len(subjects & {each.key for batch in room.batches() for each in batch}) == PICTURES - PICTURES // 2
                )
            )
        assert services.verification.run().faults == []
    wait_until(lambda: not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in makers))
