"""Does the chat stay quick while files go up, and what does a message cost? Beside a bare Flask-SocketIO program.

First part (`benchmarks.chat_latency`): the members of a group talk at a steady rate, each with a socket of its own;
while nobody uploads, and while another client sends files to the group, one after the other. Second part
(`benchmarks.chat_throughput`): one member talks as fast as it is acknowledged, ours and the peer by turns. In both,
each message must reach each member once, or the benchmark fails. All sockets of the clients are in one thread, whose
share of a CPU is printed: near 100 % it would be the client that is measured. The clients share the machine's CPUs with
the server, which clients elsewhere would not: so the one that uploads has lower priority.
"""

import argparse
import tempfile
from pathlib import Path

from benchmarks import chat_latency, chat_throughput
from benchmarks.chat_accounts import Accounts, create_group
from benchmarks.crowd import allow_open_files
from benchmarks.measure import progress
from benchmarks.servers import Server, flask_peer, service

PEER_GROUP = "the one that everybody joins"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    group = parser.add_argument_group("chat")
    group.add_argument("--chat-seconds", type=float, default=15, help="how long a run talks steadily (default: 15)")
    group.add_argument("--burst-seconds", type=float, default=5, help="how long a run talks at full speed (default: 5)")
    group.add_argument("--upload-mebibytes", type=int, default=2048, help="size of the large uploads (default: 2048)")


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    if not allow_open_files():
        return
    accounts = Accounts(max(chat_latency.MEMBERS, *chat_throughput.SIZES))
    with service(prepare=accounts.prepare) as ours:
        _run_latency(ours, accounts.tokens[: chat_latency.MEMBERS], arguments)
        with flask_peer("flask_chat") as peer:
            _run_throughput(ours, peer, accounts.tokens, arguments)


def _run_latency(server: Server, tokens: list[str], arguments: argparse.Namespace) -> None:
    group = create_group(server, tokens)
    phases = chat_latency.make_phases([chat_latency.SMALL_MEBIBYTES, arguments.upload_mebibytes])
    results: dict[str, list[chat_latency.Result]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for number in range(arguments.runs):
            for phase in phases:
                progress(f"run {number + 1} of {arguments.runs}: {len(tokens)} members talk, {phase.title}")
                result = chat_latency.measure(
                    server, tokens, group, phase, folder=Path(folder), seconds=arguments.chat_seconds
                )
                results.setdefault(phase.title, []).append(result)
    chat_latency.report(results)


def _run_throughput(ours: Server, peer: Server, tokens: list[str], arguments: argparse.Namespace) -> None:
    seconds = arguments.burst_seconds
    groups = {size: create_group(ours, tokens[:size]) for size in chat_throughput.SIZES}
    rates: dict[tuple[int, str], list[chat_throughput.Rate]] = {}
    for number in range(arguments.runs):
        for size in chat_throughput.SIZES:
            for server in (ours, peer) if number % 2 == 0 else (peer, ours):
                progress(f"run {number + 1} of {arguments.runs}: a group of {size}, {server.name}")
                group = groups[size] if server is ours else PEER_GROUP
                rate = chat_throughput.measure(server, tokens[:size], group, seconds=seconds)
                rates.setdefault((size, server.name), []).append(rate)
    chat_throughput.report(rates, runs=arguments.runs, seconds=seconds)
