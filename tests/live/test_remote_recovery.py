"""Processes of a remote download that die or stop in the middle of it, and a disk that is full."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.growing.installations import engines
from tests.live.bad_source import HONEST, BadSource, Behaviour, Drip
from tests.live.download_worker import working
from tests.live.remote import PATIENCE_SECONDS, Site, game_bytes, remote_site, sources_setting
from tests.live.server import LiveServer, adapted_config, started, wait_until
from tests.missing import missing
from tests.remote_jobs import jobs_of

pytestmark = pytest.mark.long

MEBIBYTE = 1024 * 1024
DATA, LARGE = game_bytes(3 * MEBIBYTE), game_bytes(12 * MEBIBYTE)
DISK_BYTES = 8 * MEBIBYTE
STALL_AT = 2 * MEBIBYTE
KEPT_AT = STALL_AT if engines() is None else 0
"""An object store has of who was killed what filled pieces of 8 MiB."""
HANGS_ONCE = (Behaviour(stall_at=STALL_AT), HONEST)
ABANDONED_SECONDS = 3


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Without a worker: each test has its own."""
    with remote_site(tmp_path_factory.mktemp("recovery") / "data", *[DATA] * 5, LARGE) as site:
        yield site


def assert_resumed(site: Site, number_of_bytes: int) -> None:
    """The last download went on where it was broken off, with the version that it began with."""
    broken, continued = site.source.requests[-2:]
    if not number_of_bytes:
        assert (broken.range, continued.range) == (None, None)
        return
    assert (broken.range, continued.range) == (None, f"bytes={number_of_bytes}-")
    assert continued.headers["if-range"].startswith('"')
    assert continued.path == broken.path


def test_a_new_worker_goes_on_where_a_killed_one_was(site: Site) -> None:
    game = site.next_game(*HANGS_ONCE)
    with working(site.server.data_dir, **site.server.environment) as worker:
        site.start(game)
        site.wait_for_bytes(game, STALL_AT)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        with working(site.server.data_dir, **site.server.environment):
            wait_until(lambda: len(site.requests_for(game)) == 2, seconds=90)  # a lease is 15 seconds long
            site.wait_for(game, "completed")
            wait_until(lambda: not site.parts())
    assert_resumed(site, KEPT_AT)
    assert (site.archive(game), site.actions(game)) == (DATA, ["started", "completed"])


def test_a_stopped_worker_hands_over_at_once(site: Site) -> None:
    game = site.next_game(*HANGS_ONCE)
    with working(site.server.data_dir, **site.server.environment) as worker:
        site.start(game)
        site.wait_for_bytes(game, STALL_AT)
        worker.terminate()
        assert worker.wait(timeout=60) == 0
        with jobs_of(site.server.data_dir) as jobs:
            assert jobs.leases() == []  # whoever comes need not wait for the end of one
        with working(site.server.data_dir, **site.server.environment):
            wait_until(lambda: len(site.requests_for(game)) == 2, seconds=60)
            site.wait_for(game, "completed")
    assert_resumed(site, STALL_AT)
    assert (site.archive(game), site.actions(game)) == (DATA, ["started", "completed"])


def test_a_download_does_not_notice_that_the_service_is_killed(site: Site) -> None:
    game = site.next_game()
    with BadSource() as own:
        own.serve(game.path(), game.data, Behaviour(stall_at=STALL_AT))
        sources = sources_setting(first=f"{own.url}/first/")
        with working(site.server.data_dir, **{**site.server.environment, "TRANSFER_GAME_DATA_SOURCES": sources}):
            site.start(game)
            site.wait_for_bytes(game, STALL_AT)
            site.server.kill()
            site.server.start()
            events = site.events(game)
            first = next(events)
            own.release()
            last = [first, *events][-1]
        assert [request.range for request in own.requests] == [None]
    assert (first["status"], first["bytesDownloaded"], first["totalBytes"]) == ("downloading", STALL_AT, len(DATA))
    assert (last["status"], last["progress"], last["bytesDownloaded"]) == ("completed", 100, len(DATA))
    assert (site.archive(game), site.actions(game)) == (DATA, ["started", "completed"])


def test_without_any_worker_a_download_ends_in_an_error(site: Site, tmp_path: Path) -> None:
    config = adapted_config(
        tmp_path / "gunicorn.conf.py",
        "from datetime import timedelta",
        "from transfer_service.services.games import downloads as remote_downloads",
        f"remote_downloads.ABANDONED_AFTER = timedelta(seconds={ABANDONED_SECONDS})",
    )
    game = site.next_game(HONEST)
    site.start(game)
    with started(LiveServer(site.server.data_dir, site.server.environment, config=config)) as impatient:
        there = Site(impatient, site.source, site.carol)
        events = list(there.events(game))
    assert (events[0]["status"], events[-1]["status"]) == ("pending", "error")
    assert events[-1]["error"] == "The download worker stopped"
    assert site.cancel(game).status_code == 404  # its slot is free
    assert site.actions(game) == ["started", "failed"]


@pytest.fixture
def small_disk(site: Site) -> Iterator[Path]:
    """A small file system where the archives are, without those of other tests."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(site.games_dir)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        missing("mounting a small disk needs root")
    yield site.games_dir
    subprocess.run(["umount", "-l", str(site.games_dir)], check=True)


def test_a_full_disk_ends_one_download_and_leaves_the_other_alone(site: Site, small_disk: Path) -> None:
    other = site.next_game(Behaviour(drip=Drip(128 * 1024, 0.15)))
    large = site.next_game(HONEST, of=LARGE)
    with working(site.server.data_dir, **site.server.environment):
        site.start(other)
        wait_until(lambda: site.job(other)["bytesDownloaded"] > 0, seconds=PATIENCE_SECONDS)
        site.start(large)
        failed = site.wait_for(large, "error")
        site.wait_for(other, "completed")
        wait_until(lambda: not site.parts())
    assert failed["error"] == "Storage is full"
    assert (site.actions(large), site.actions(other)) == (["started", "failed"], ["started", "completed"])
    assert {path.name for path in small_disk.iterdir()} - {".installation"} == {f"{other.data_id}.zip"}
