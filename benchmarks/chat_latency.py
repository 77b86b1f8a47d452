"""How long messages are on their way while somebody uploads, and how much memory the service takes for that."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median, quantiles

from benchmarks.chat_members import Members, Talk
from benchmarks.chat_socket import UPLOAD
from benchmarks.connection import Connection
from benchmarks.measure import MEBIBYTE, say, say_goal, say_table
from benchmarks.probe import Latency, median_latency
from benchmarks.processes import Count, background
from benchmarks.servers import Server

MEMBERS, MESSAGES_PER_SECOND = 50, 20.0
SMALL_MEBIBYTES = 50
MOST_SECONDS = 600.0  # for one upload
GOAL_SECONDS = 0.100
BOUNDARY = "a-boundary-that-does-not-occur"
COLUMNS = ["", "median ms", "p99 ms", "max ms", "up MiB/s", "RSS +MiB", "server CPU", "client CPU", "client late ms"]


@dataclass(frozen=True)
class Phase:
    """One part of a run. `mebibytes` is the size of the files that go up meanwhile, one after the other; 0: none."""

    title: str
    mebibytes: int


@dataclass(frozen=True)
class Result:
    """What was measured in a phase; the CPU times are shares of one CPU."""

    latency: Latency
    up: float
    memory_growth_bytes: int
    server_cpu: float
    client_cpu: float
    longest_pass_seconds: float


def make_phases(upload_mebibytes: Sequence[int]) -> list[Phase]:
    """First nobody uploads, then files of these sizes go up."""
    return [Phase("nobody uploads", 0), *(Phase(f"uploads of {size} MiB", size) for size in upload_mebibytes)]


def measure(server: Server, tokens: Sequence[str], group: str, phase: Phase, *, folder: Path, seconds: float) -> Result:
    """Talk for so long, and until at least one upload is over. Raises RuntimeError where a message is not delivered."""
    works: list[Callable[[Count], None]] = []
    first_upload = int(time.monotonic() * 1000)  # so that one which an earlier phase has left behind is lower
    if phase.mebibytes:
        path = folder / f"{phase.mebibytes}.bin"
        with path.open("wb") as file:
            file.truncate(phase.mebibytes * MEBIBYTE)
        works.append(partial(_upload, server, tokens[-1], group, path, first_upload))
    server.forget_peak_memory()
    memory = server.peak_memory_bytes()
    # The one who uploads begins first: a process that starts later would hold the members' sockets, too.
    with background(works) as totals, Members(server, tokens, group) as members:
        before, cpu, began = sum(totals()), server.cpu_seconds(), time.monotonic()

        def is_over() -> bool:
            now = time.monotonic()
            if now - began > MOST_SECONDS:
                raise RuntimeError(f"{phase.title}: none has ended after {MOST_SECONDS:.0f} s")
            return now - began >= seconds and (not works or sum(totals()) > before)

        talk = members.talk_steadily(
            messages_per_second=MESSAGES_PER_SECOND, is_over=is_over, first_upload=first_upload
        )
        took = time.monotonic() - began
        return Result(
            latency=_latency(talk),
            up=(sum(totals()) - before) / MEBIBYTE / took,
            memory_growth_bytes=server.peak_memory_bytes() - memory,
            server_cpu=(server.cpu_seconds() - cpu) / took,
            client_cpu=talk.client_cpu_seconds / took,
            longest_pass_seconds=talk.longest_pass_seconds,
        )


def report(results: dict[str, list[Result]]) -> None:
    """Print the results of each phase, by its title."""
    rows, latencies = [], {}
    for title, each in results.items():
        latencies[title] = median_latency([result.latency for result in each])
        numbers = (latencies[title].median_seconds, latencies[title].p99_seconds, latencies[title].max_seconds)
        rate = median(result.up for result in each)
        rows.append(
            [
                title,
                *(f"{seconds * 1000:.1f}" for seconds in numbers),
                f"{rate:.0f}" if rate else "",
                f"{max(result.memory_growth_bytes for result in each) / MEBIBYTE:.1f}",
                f"{median(result.server_cpu for result in each):.0%}",
                f"{median(result.client_cpu for result in each):.0%}",
                f"{max(result.longest_pass_seconds for result in each) * 1000:.1f}",
            ]
        )
    runs = max(len(each) for each in results.values())
    title = f"From sending a message to its receipt by each of {MEMBERS} members, {MESSAGES_PER_SECOND:g} messages/s"
    say_table(f"{title}, medians of {runs} runs (max, RSS and late: worst of all)", COLUMNS, rows)
    say()
    say("Every message was delivered once to every member, and no socket was disconnected.")
    for title, latency in latencies.items():
        goal = f"{title}: p99 under {GOAL_SECONDS * 1000:.0f} ms"
        say_goal(goal, f"{latency.p99_seconds * 1000:.1f} ms", latency.p99_seconds < GOAL_SECONDS)


def _latency(talk: Talk) -> Latency:
    return Latency(median(talk.delays), quantiles(talk.delays, n=100, method="inclusive")[98], max(talk.delays))


def _upload(server: Server, token: str, group: str, path: Path, number: int, count: Count) -> None:
    """In a process of its own: send the file to the group and take it back, for ever. `number` is that of the first."""
    length = path.stat().st_size
    with Connection(server.port, token) as connection, path.open("rb") as file:
        while True:
            fields = {"conversation_id": group, "content": f"{UPLOAD}{number}"}
            opening, closing = _form(fields, path.name)
            media_type = f"multipart/form-data; boundary={BOUNDARY}"
            head = connection.head("POST", "/messages/upload", len(opening) + length + len(closing), media_type)
            answer = connection.exchange_file(head + opening, file, closing).expect(200).json()
            connection.request("DELETE", f"/messages/{answer['message']['_id']}").expect(200)
            count(length)
            number += 1


def _form(fields: dict[str, str], filename: str) -> tuple[bytes, bytes]:
    """What is before and after a file's bytes in a form."""
    disposition = f"--{BOUNDARY}\r\nContent-Disposition: form-data; name="
    opening = "".join(f'{disposition}"{name}"\r\n\r\n{value}\r\n' for name, value in fields.items())
    opening += f'{disposition}"file"; filename="{filename}"\r\nContent-Type: application/octet-stream\r\n\r\n'
    return opening.encode(), f"\r\n--{BOUNDARY}--\r\n".encode()
