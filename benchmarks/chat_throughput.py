"""How many messages are delivered to groups of several sizes, and what each costs the server?"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.chat_members import Members
from benchmarks.measure import say, say_table
from benchmarks.servers import Server

SIZES = (2, 50, 500)
WINDOW = 8
WARM_UP_SECONDS = 0.5
COLUMNS = [
    "members", "ours msg/s", "peer msg/s", "ratio", "ours deliveries/s", "peer deliveries/s",
    "ours CPU ms/msg", "peer CPU ms/msg", "ratio", "client CPU", "at peer",
]  # fmt: skip


@dataclass(frozen=True)
class Rate:
    """Messages that were accepted and deliveries, a second; seconds of a server's CPU for each message and its
    deliveries; and the share of one CPU that the client used.
    """

    messages: float
    deliveries: float
    cpu_seconds: float
    client_cpu: float


def measure(server: Server, tokens: Sequence[str], group: str, *, seconds: float) -> Rate:
    """One member talks as fast as the others' copies allow. Raises RuntimeError where one is lost or comes twice."""
    with Members(server, tokens, group) as members:
        members.talk_fast(seconds=min(seconds, WARM_UP_SECONDS), window=WINDOW)
    with Members(server, tokens, group) as members:
        before = server.cpu_seconds()
        talk = members.talk_fast(seconds=seconds, window=WINDOW)
        cpu_seconds = server.cpu_seconds() - before
    return Rate(
        messages=talk.messages / talk.accept_seconds,
        deliveries=len(talk.delays) / talk.deliver_seconds,
        cpu_seconds=cpu_seconds / talk.messages,
        client_cpu=talk.client_cpu_seconds / talk.deliver_seconds,
    )


def report(rates: dict[tuple[int, str], list[Rate]], *, runs: int, seconds: float) -> None:
    """Print the rates, by size of the group and name of the server."""
    rows = []
    for size in SIZES:
        ours, peer = _median(rates[size, "service"]), _median(rates[size, "flask peer"])
        rows.append(
            [
                f"{size}",
                f"{ours.messages:.0f}",
                f"{peer.messages:.0f}",
                f"{ours.messages / peer.messages:.2f}",
                f"{ours.deliveries:.0f}",
                f"{peer.deliveries:.0f}",
                f"{ours.cpu_seconds * 1000:.2f}",
                f"{peer.cpu_seconds * 1000:.2f}",
                f"{ours.cpu_seconds / peer.cpu_seconds:.2f}",
                f"{ours.client_cpu:.0%}",
                f"{peer.client_cpu:.0%}",
            ]
        )
    title = f"One member of a group talks, {WINDOW} messages unacknowledged at most"
    say_table(f"{title}, medians of {runs} runs of {seconds:g} s", COLUMNS, rows)
    say()
    say(
        "The peer is the same without uploads, accounts, checks and a database: it keeps nothing (peers/flask_chat.py)."
    )


def _median(each: Sequence[Rate]) -> Rate:
    return Rate(
        median(rate.messages for rate in each),
        median(rate.deliveries for rate in each),
        median(rate.cpu_seconds for rate in each),
        median(rate.client_cpu for rate in each),
    )
