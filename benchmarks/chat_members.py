"""The members of a group: all their sockets in one thread, who talk and count what each of them gets."""

import select
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import TracebackType
from typing import Self

from benchmarks.chat_socket import ChatSocket
from benchmarks.servers import Server

DRAIN_SECONDS = 60.0
QUIET_SECONDS = 0.3  # so long is waited for what must not come
LONGEST_WAIT_SECONDS = 0.25


@dataclass(frozen=True)
class Talk:
    """What came of a talk. `delays` has the seconds from sending to receipt, of each message by each member; the others
    tell how long it took to the last acknowledgement and to the last receipt, what CPU time the client needed, and for
    how long at most it has not looked at its sockets.
    """

    messages: int
    delays: list[float]
    accept_seconds: float
    deliver_seconds: float
    client_cpu_seconds: float
    longest_pass_seconds: float


class Members:
    """A socket for each of `tokens`, in one conversation. Use it with `with`, for one talk."""

    def __init__(self, server: Server, tokens: Sequence[str], conversation_id: str) -> None:
        self._sent_at: list[float] = []
        self._longest_pass = 0.0
        self._epoll = select.epoll()
        self._sockets: dict[int, ChatSocket] = {}
        try:
            for token in tokens:
                member = ChatSocket(server.port, token, conversation_id)
                self._sockets[member.fileno()] = member
                self._epoll.register(member, select.EPOLLIN)
        except BaseException:
            self._close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()

    def talk_steadily(self, *, messages_per_second: float, is_over: Callable[[], bool], first_upload: int) -> Talk:
        """One after the other says something, in equal intervals. Uploads below the first are ignored."""
        began, cpu, everyone = time.monotonic(), time.process_time(), list(self._sockets.values())
        while not is_over():
            number = len(self._sent_at)
            due = began + number / messages_per_second
            self._receive(until=due)
            if time.monotonic() >= due:
                self._send(everyone[number % len(everyone)])
        talk = self._finish(began, cpu, everyone)
        for member in everyone:
            _check_uploads([number for number, _ in member.uploads if number >= first_upload])
        return talk

    def talk_fast(self, *, seconds: float, window: int) -> Talk:
        """The first one talks, with at most `window` messages that are not acknowledged yet."""
        began, cpu, everyone = time.monotonic(), time.process_time(), list(self._sockets.values())
        end, speaker = began + seconds, everyone[0]
        while time.monotonic() < end:
            while len(self._sent_at) - speaker.acknowledged < window:
                self._send(speaker)
            self._receive(until=end)
        return self._finish(began, cpu, everyone)

    def _finish(self, began: float, cpu: float, everyone: Sequence[ChatSocket]) -> Talk:
        """Wait for the rest. Raises RuntimeError where a message was not acknowledged, is lost or came twice."""
        count, deadline = len(self._sent_at), time.monotonic() + DRAIN_SECONDS
        while any(len(member.messages) < count for member in everyone) or not self._is_acknowledged(everyone):
            if time.monotonic() >= deadline:
                raise RuntimeError(_missing(everyone, count))
            self._receive(until=deadline)
        cpu_seconds = time.process_time() - cpu
        quiet_at = time.monotonic() + QUIET_SECONDS
        while time.monotonic() < quiet_at:
            self._receive(until=quiet_at)
        for member in everyone:
            _check([number for number, _ in member.messages], count)
        received = [(at, at - self._sent_at[number]) for member in everyone for number, at in member.messages]
        return Talk(
            messages=count,
            delays=[seconds for _, seconds in received],
            accept_seconds=max(member.acknowledged_at for member in everyone) - began,
            deliver_seconds=max(at for at, _ in received) - began,
            client_cpu_seconds=cpu_seconds,
            longest_pass_seconds=self._longest_pass,
        )

    def _is_acknowledged(self, everyone: Sequence[ChatSocket]) -> bool:
        return sum(member.acknowledged for member in everyone) == len(self._sent_at)

    def _send(self, speaker: ChatSocket) -> None:
        self._sent_at.append(time.monotonic())
        speaker.send_message(len(self._sent_at) - 1)

    def _receive(self, *, until: float) -> None:
        """Take what has arrived; where that is nothing, wait a little."""
        ready = self._epoll.poll(min(max(0.0, until - time.monotonic()), LONGEST_WAIT_SECONDS))
        began = time.monotonic()
        for descriptor, _ in ready:
            self._sockets[descriptor].receive()
        self._longest_pass = max(self._longest_pass, time.monotonic() - began)

    def _close(self) -> None:
        self._epoll.close()
        for member in self._sockets.values():
            member.close()


def _missing(everyone: Sequence[ChatSocket], count: int) -> str:
    waiting = [member for member in everyone if len(member.messages) < count]
    acknowledged = sum(member.acknowledged for member in everyone)
    return f"Of {count} messages {acknowledged} are acknowledged, and {len(waiting)} members have not got all of them"


def _check(received: Sequence[int], count: int) -> None:
    numbers = sorted(received)
    if numbers != list(range(count)):
        doubled = sorted({one for one, next_one in pairwise(numbers) if one == next_one})
        lost = sorted(set(range(count)) - set(numbers))
        raise RuntimeError(f"Of {count} messages these were lost: {lost}, and these came twice: {doubled}")


def _check_uploads(received: Sequence[int]) -> None:
    """Some may have been posted before the socket was there, but none twice, and there is no gap."""
    if received and list(received) != list(range(received[0], received[0] + len(received))):
        raise RuntimeError(f"The messages of uploads came as {received}")
