"""A page of another origin that shows a download's progress, in a real browser that is signed in by cookie."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.chromium import Page, browser
from tests.live.pages import serving
from tests.live.server import LiveServer, running, wait_until
from tests.remote_jobs import SIZE, Jobs, jobs_of
from transfer_service.models.games import DownloadState

CLOSED = 2  # EventSource.readyState, WHATWG HTML section 9.2.2
PAGE = """<!doctype html>
<title>Progress</title>
<progress id="bar" max="100" value="0"></progress>
<script>
  const seen = [];
  const source = new EventSource(location.hash.slice(1), { withCredentials: true });
  source.onmessage = ({ data }) => {
    const { status, progress } = JSON.parse(data);
    bar.value = progress;
    seen.push([status, bar.value]);
  };
</script>
"""


@pytest.fixture
def origins(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Two origins with the same page: the service is told of the first one only."""
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages/index.html").write_text(PAGE)
    with serving(tmp_path / "pages") as listed, serving(tmp_path / "pages") as unlisted:
        yield listed, unlisted


@pytest.fixture
def server(tmp_path: Path, origins: tuple[str, str]) -> Iterator[LiveServer]:
    with running(tmp_path / "data", "alice", TRANSFER_CORS_ORIGINS=origins[0]) as server:
        yield server


@pytest.fixture
def jobs(server: LiveServer) -> Iterator[Jobs]:
    with jobs_of(server.data_dir) as jobs:
        yield jobs


@pytest.fixture
def page(server: LiveServer) -> Iterator[Page]:
    """A tab of a browser that is signed in at the service."""
    with browser() as page:
        page.sign_in(f"http://localhost:{server.port}", "alice")
        yield page


def show(page: Page, origin: str, server: LiveServer, game_id: object) -> None:
    """Open the page for a game."""
    page.open(f"{origin}/#http://localhost:{server.port}/api/downloads/{game_id}/download/progress")


def wait_for(page: Page, script: str) -> None:
    wait_until(lambda: bool(page.evaluate(script)))


def test_the_bar_moves_to_its_end_and_the_browser_stays_away(
    page: Page, server: LiveServer, jobs: Jobs, origins: tuple[str, str]
) -> None:
    game_id, job_id = jobs.add_job()
    show(page, origins[0], server, game_id)
    wait_for(page, "seen.length > 0")
    for state, received in [("downloading", 250), ("downloading", 500), ("verifying", SIZE), ("completed", SIZE)]:
        jobs.change(job_id, DownloadState(state), bytes_downloaded=received)
        wait_for(
            page, f"seen.at(-1)[0] === '{state}' && (seen.at(-1)[0] !== 'downloading' || bar.value === {received / 10})"
        )
    wait_for(page, f"source.readyState === {CLOSED}")
    seen = page.evaluate("seen")
    changes = [each for before, each in zip([None, *seen], seen, strict=False) if each != before]
    assert changes == [
        ["pending", 0],
        ["downloading", 25],
        ["downloading", 50],
        ["verifying", 99],
        ["completed", 100],
    ]
    assert page.evaluate("bar.value") == 100


def test_a_page_of_an_origin_that_is_not_listed_learns_nothing(
    page: Page, server: LiveServer, jobs: Jobs, origins: tuple[str, str]
) -> None:
    game_id, _ = jobs.add_job()
    show(page, origins[1], server, game_id)
    wait_for(page, f"source.readyState === {CLOSED}")
    assert page.evaluate("seen") == []
