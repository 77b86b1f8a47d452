"""The worker finds new downloads in PostgreSQL as it does in SQLite."""

from pathlib import Path

from tests.live.bad_source import HONEST
from tests.live.download_worker import working
from tests.live.remote import game_bytes, remote_site

DATA = game_bytes(100_000)


def test_downloads_are_fetched_once_before_and_after_the_worker_begins(data_dir: Path, postgres_url: str) -> None:
    with remote_site(data_dir, DATA, DATA, TRANSFER_DATABASE_URL=postgres_url) as site:
        earlier, later = site.next_game(HONEST), site.next_game(HONEST)
        site.start(earlier)
        with working(data_dir, **site.server.environment):
            site.wait_for(earlier, "completed")
            site.start(later)
            site.wait_for(later, "completed")
        for game in (earlier, later):
            assert len(site.requests_for(game)) == 1
            assert (site.archive(game), site.actions(game)) == (DATA, ["started", "completed"])
    assert not list(data_dir.glob("*.sqlite3"))
