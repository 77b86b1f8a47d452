"""Answers that break before their head is sent: the worker tells of them by itself."""

import errno
import socket
from types import SimpleNamespace

import pytest

from transfer_service.errors import ServerAway, StoreUnavailable
from transfer_service.server.worker import TransferWorker


@pytest.mark.parametrize(
    ("error", "status"),
    [
        pytest.param(StoreUnavailable("The store cannot be read"), 503, id="store"),
        pytest.param(ServerAway("The store is away"), 503, id="away"),
        pytest.param(OSError(errno.EIO, "broken"), 503, id="disk"),
        pytest.param(KeyError("x"), 500, id="program"),
    ],
)
def test_a_body_that_cannot_be_begun_is_503_where_the_machine_is_at_fault(error: Exception, status: int) -> None:
    client, server = socket.socketpair()
    with client, server:
        client.shutdown(socket.SHUT_WR)
        request = SimpleNamespace(path="/api/files/1/download", headers=[])
        worker = TransferWorker.__new__(TransferWorker)  # of which nothing but the method is needed
        worker.handle_error(request, server, None, error)
        head, body = client.recv(4096).decode().split("\r\n\r\n")
    assert (int(head.split()[1]), "Retry-After: 5" in head) == (status, status == 503)
    assert f'"statusCode": {status}' in body
