"""Sources that misbehave: each gets its documented end, and leaves nothing behind (docs/remote-downloads.md)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pytest

from tests.live.bad_source import HONEST, Behaviour, Drip, redirect
from tests.live.remote import SECOND, GameEntry, Site, game_bytes, impatient_worker, remote_site, sources_setting
from tests.live.server import wait_until
from tests.ports import free_port

pytestmark = pytest.mark.one_machine("it is about sources, all at once; test_remote_downloads is about what they give")

DATA = game_bytes(300_000)
SIZE = len(DATA)
OTHER = bytes(SIZE)
LIMITS = {"connect_seconds": 2, "idle_seconds": 2, "breaks": 3, "backoff_seconds": 0.05, "longest_backoff_seconds": 0.5}

CLOSED = "The source closed the connection too often"
STALLED = "The source stalled for too long"
ANOTHER_SIZE = "The source sent another size"
WRONG_BYTES = "The bytes of the source are not the catalogue's"
ENCODED = "The source sent a content encoding"
BAD_REDIRECT = "The source redirects to a URL that cannot be used"
TOO_MANY_REDIRECTS = "The source redirects too often"
FORBIDDEN = "The address of the source is not allowed"
UNREACHABLE = "The source cannot be reached"
NOT_HTTP = "The source does not speak HTTP"
UNKNOWN = "The source answered 404"

USELESS: Mapping[str, tuple[Sequence[Behaviour], str]] = {
    "unknown": ([Behaviour(status=404)], UNKNOWN),
    "forbidden": ([Behaviour(status=403)], "The source answered 403"),
    "always-busy": ([Behaviour(status=503, headers=(("Retry-After", "3600"),))], "The source answered 503"),
    "no-content": ([Behaviour(status=204)], "The source answered 204"),
    "part-unasked": ([Behaviour(status=206)], "The source answered 206"),
    "wrong-bytes": ([Behaviour(data=OTHER)], WRONG_BYTES),
    "one-bit-wrong": ([Behaviour(data=DATA[:-1] + bytes([DATA[-1] ^ 1]))], WRONG_BYTES),
    "announced-too-long": ([Behaviour(announced_length=SIZE + 1)], ANOTHER_SIZE),
    "announced-too-short": ([Behaviour(announced_length=SIZE - 1)], ANOTHER_SIZE),
    "too-long-in-chunks": ([Behaviour(framing="chunked", extra=b"x")], ANOTHER_SIZE),
    "too-long-to-the-end": ([Behaviour(framing="close", extra=b"x" * 100_000)], ANOTHER_SIZE),
    "too-short-in-chunks": ([Behaviour(framing="chunked", data=DATA[:-1], etag=None)], CLOSED),
    "cut-at-0": ([Behaviour(cut_at=0)], CLOSED),
    "cut-without-validator": ([Behaviour(cut_at=100_000, etag=None)], CLOSED),
    "cut-head": ([Behaviour(head_cut_at=20)], CLOSED),
    "resets": ([Behaviour(cut_at=0, resets=True)], CLOSED),
    "silent": ([Behaviour(stall_at=0)], STALLED),
    "slow-head": ([Behaviour(head_drip=Drip(1, 0.5))], STALLED),
    "endless-fields": ([Behaviour(endless_head="fields")], NOT_HTTP),
    "endless-line": ([Behaviour(endless_head="line")], NOT_HTTP),
    "endless-interim": ([Behaviour(endless_head="interim")], STALLED),
    "no-http": ([Behaviour(raw=b"220 mail.example ESMTP\r\n")], NOT_HTTP),
    "gzip": ([Behaviour(gzip=True)], ENCODED),
    "gzip-bomb": ([Behaviour(gzip=True, data=bytes(50_000_000), framing="chunked")], ENCODED),
    "redirect-nowhere": ([Behaviour(status=302)], "The source redirects without saying where"),
    "redirect-to-a-file": ([redirect("file:///etc/passwd")], BAD_REDIRECT),
    "redirect-with-password": ([redirect("http://user:secret@127.0.0.1/")], BAD_REDIRECT),
    "redirect-to-itself": ([redirect("?again")], UNKNOWN),
    "redirect-to-any-address": ([redirect("http://0.0.0.0:80/")], FORBIDDEN),
    "redirect-to-multicast": ([redirect("http://224.0.0.1/")], FORBIDDEN),
    "redirect-to-a-closed-port": ([redirect(f"http://127.0.0.1:{free_port()}/")], UNREACHABLE),
}  # fmt: skip
"""What a source does for ever, and what is said of it."""

CURABLE: Mapping[str, tuple[Sequence[Behaviour], list[str | None]]] = {
    "honest": ([HONEST], [None]),
    "slow": ([Behaviour(drip=Drip(30_000, 0.1))], [None]),
    "in-chunks": ([Behaviour(framing="chunked")], [None]),
    "until-closed": ([Behaviour(framing="close")], [None]),
    "cut-once": ([Behaviour(cut_at=100_000), HONEST], [None, "bytes=100000-"]),
    "cut-every-time": ([Behaviour(cut_at=120_000)], [None, "bytes=120000-", "bytes=240000-"]),
    "stalls-once": ([Behaviour(stall_at=100_000), HONEST], [None, "bytes=100000-"]),
    "ignores-range": ([Behaviour(cut_at=100_000), Behaviour(ranges=False)], [None, "bytes=100000-"]),
    "changed": ([Behaviour(data=OTHER, cut_at=100_000), HONEST], [None, "bytes=100000-"]),
    "changed-ignores-if-range": (
        [Behaviour(data=OTHER, cut_at=100_000), Behaviour(if_range=False), HONEST], [None, "bytes=100000-", None]
    ),
    "without-validator": ([Behaviour(cut_at=100_000, etag=None), HONEST], [None, None]),
    "weak-validator": ([Behaviour(cut_at=100_000, etag='W/"x"'), HONEST], [None, None]),
    "busy-once": ([Behaviour(status=503), HONEST], [None, None]),
    "refuses-range": ([Behaviour(cut_at=100_000), Behaviour(status=416), HONEST], [None, "bytes=100000-", None]),
}  # fmt: skip
"""What a source does with one request after the other, and the ranges that it is asked for until it has given all."""

_LOOP = "redirect-loop"


@dataclass
class Ended:
    """The site when every job has ended, and the game of each case."""

    site: Site
    useless: dict[str, GameEntry]
    rescued: dict[str, GameEntry]
    curable: dict[str, GameEntry]
    looped: GameEntry


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ended]:
    """All cases at once, on one worker: so none of them waits for the stalls of the others."""
    data_dir = tmp_path_factory.mktemp("sources") / "data"
    games = 2 * len(USELESS) + len(CURABLE) + 1
    contents = [DATA] * (games + 2)
    with remote_site(data_dir, *contents, TRANSFER_MAX_REMOTE_DOWNLOADS="1000") as site:
        useless = {name: site.next_game(*plan) for name, (plan, _) in USELESS.items()}
        rescued = {name: site.next_game(*plan, second=[HONEST]) for name, (plan, _) in USELESS.items()}
        curable = {name: site.next_game(*plan) for name, (plan, _) in CURABLE.items()}
        looped = site.next_game()
        site.source.serve(looped.path(), b"", redirect(looped.path("other")))
        site.source.serve(looped.path("other"), b"", redirect(looped.path()))
        every = [*useless.values(), *rescued.values(), *curable.values(), looped]
        with impatient_worker(data_dir, LIMITS, site.server.environment):
            for game in every:
                site.start(game)
            wait_until(lambda: not _active(site), seconds=90)
            wait_until(lambda: not site.parts())
        yield Ended(site, useless, rescued, curable, looped)


def _active(site: Site) -> list[str]:
    listed = site.carol.get(f"{site.server.url}/api/downloads", timeout=30).json()["downloads"]
    return [each["gameId"] for each in listed if each["finishedAt"] is None]


@pytest.mark.parametrize("name", USELESS)
def test_a_useless_source_ends_the_job_in_an_error_that_names_it(ended: Ended, name: str) -> None:
    site, game = ended.site, ended.useless[name]
    job = site.job(game)
    assert (job["status"], job["error"]) == ("error", f"first: {USELESS[name][1]}; second: {UNKNOWN}")
    assert len(site.requests_for(game, SECOND)) == 1
    assert (site.archive(game), site.actions(game)) == (None, ["started", "failed"])


@pytest.mark.parametrize("name", USELESS)
def test_the_next_source_takes_over_from_a_useless_one(ended: Ended, name: str) -> None:
    site, game = ended.site, ended.rescued[name]
    job = site.job(game)
    assert (job["status"], job["progress"], job["error"]) == ("completed", 100, None)
    assert [request.range for request in site.requests_for(game, SECOND)] == [None]
    assert (site.archive(game), site.actions(game)) == (game.data, ["started", "completed"])


@pytest.mark.parametrize("name", CURABLE)
def test_a_source_with_a_flaw_gives_the_whole_archive_in_the_end(ended: Ended, name: str) -> None:
    site, game = ended.site, ended.curable[name]
    assert [request.range for request in site.requests_for(game)] == CURABLE[name][1]
    assert site.requests_for(game, SECOND) == []
    assert (site.archive(game), site.actions(game)) == (game.data, ["started", "completed"])


def test_a_transfer_that_goes_on_asks_for_the_same_version(ended: Ended) -> None:
    broken, continued = ended.site.requests_for(ended.curable["cut-once"])
    assert "if-range" not in broken.headers
    assert continued.headers["if-range"].startswith('"')


def test_a_source_that_redirects_in_a_circle_is_left_after_five_steps(ended: Ended) -> None:
    site, game = ended.site, ended.looped
    assert site.job(game)["error"] == f"first: {TOO_MANY_REDIRECTS}; second: {UNKNOWN}"
    assert len(site.requests_for(game)) + len(site.requests_for(game, "other")) == 6
    assert (site.archive(game), site.actions(game)) == (None, ["started", "failed"])


def test_the_log_of_failures_tells_why_to_those_who_may_read_it(ended: Ended) -> None:
    site, game = ended.site, ended.useless["wrong-bytes"]
    details = site.activities(game)[-1]["details"]
    assert details == {
        "gameDataId": game.data_id, "gameTitle": f"Game {game.data_id}", "sha256": game.sha256,
        "sources": ["first", "second"], "error": f"first: {WRONG_BYTES}; second: {UNKNOWN}",
    }  # fmt: skip


def test_no_part_and_no_archive_of_a_failed_job_is_left(ended: Ended) -> None:
    completed = [*ended.rescued.values(), *ended.curable.values()]
    assert ended.site.stored() == {f"{game.data_id}.zip" for game in completed}


def test_private_addresses_are_refused_however_they_are_written(ended: Ended) -> None:
    site = ended.site
    game, connections, port = site.next_game(), site.source.connections, site.source.port
    hosts = {
        "loopback": "127.0.0.1", "name": "localhost", "six": "[::1]", "hexadecimal": "0x7f.1", "number": "2130706433",
        "mapped": "[::ffff:127.0.0.1]", "short": "127.1", "octal": "0177.0.0.1", "any": "0.0.0.0", "metadata":
        "169.254.169.254", "inside": "10.0.0.1",
    }  # fmt: skip
    bases = {name: f"http://{host}:{port}/" for name, host in hosts.items()}
    settings = {"TRANSFER_GAME_DATA_SOURCES": sources_setting(**bases)}  # and private ones are not allowed
    with impatient_worker(site.server.data_dir, LIMITS, settings):
        site.start(game)
        job = site.wait_for(game, "error")
    assert job["error"] == "; ".join(f"{name}: {FORBIDDEN}" for name in hosts)
    assert site.source.connections == connections
    assert (site.archive(game), site.actions(game)) == (None, ["started", "failed"])


def test_sources_that_refuse_the_connection_cost_no_time(ended: Ended) -> None:
    """With the limits of a real worker: tries that wait would take a quarter of a minute for each."""
    site = ended.site
    game = site.next_game(HONEST)
    closed = {f"closed-{number}": f"http://127.0.0.1:{free_port()}/" for number in range(3)}
    bases = {**closed, "first": f"{site.source.url}/first/"}
    settings = {"TRANSFER_GAME_DATA_SOURCES": sources_setting(**bases), "TRANSFER_ALLOW_PRIVATE_SOURCES": "true"}
    with impatient_worker(site.server.data_dir, {}, settings):
        site.start(game)
        site.wait_for(game, "completed", seconds=40)
    assert site.archive(game) == DATA
