"""Which errors are faults of the machine, and what the log says of them."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from redis.exceptions import ConnectionError as RedisAway
from structlog.testing import capture_logs

from transfer_service.errors import ReadFailed, StorageFull, StoreUnavailable, TransferError
from transfer_service.faults import fault_of, faults_named, read_faults_named
from transfer_service.logs import log_error

REPOSITORY = Path(__file__).parents[1]
_LOG_TO_A_FULL_DISK = """
import sys
from transfer_service.logs import configure_logging
import structlog
sys.stdout = open("/dev/full", "w")
configure_logging()
structlog.get_logger().info("request")
sys.stdout = None
"""
_NO_MEMORY = """
from gevent import monkey; monkey.patch_all()
import resource, threading
from gevent import get_hub
from transfer_service.errors import StoreUnavailable
from transfer_service.threads import fill_thread_pool, offload

threading.stack_size(512 * 1024 * 1024)
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + 64 * 1024 * 1024, resource.RLIM_INFINITY))
ran = []
fill_thread_pool()
try:
    offload(lambda: ran.append("now"))
except StoreUnavailable as error:
    print(type(error).__name__)
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
offload(lambda: ran.append("later"))
print(ran)
"""


def os_error(number: int) -> OSError:
    return OSError(number, "a path and a secret")


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        *[(os_error(each), StorageFull) for each in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)],
        *[
            (os_error(each), StoreUnavailable)
            for each in (errno.EIO, errno.EROFS, errno.EPERM, errno.EACCES, errno.ENOENT, errno.EMFILE, errno.ENFILE)
        ],
        *[(os_error(each), StoreUnavailable) for each in (errno.ENOMEM, errno.ENODEV, errno.ESTALE, errno.ENOTCONN)],
        (MemoryError(), StoreUnavailable),
        (RuntimeError("can't start new thread"), StoreUnavailable),
        (RedisAway(), StoreUnavailable),
        (RuntimeError("anything else"), type(None)),
        (os_error(errno.EBADF), type(None)),
        (os_error(errno.EINVAL), type(None)),
        (OSError("malformed body"), type(None)),
        (ConnectionResetError(errno.ECONNRESET, "gone"), type(None)),
        (TimeoutError(errno.ETIMEDOUT, "slow"), type(None)),
        (ValueError(), type(None)),
    ],
    ids=repr,
)
def test_a_fault_of_the_machine_is_told_from_others(error: Exception, fault: type[object]) -> None:
    assert type(fault_of(error)) is fault


def test_what_is_no_fault_of_the_machine_keeps_its_name() -> None:
    with pytest.raises(OSError, match="a secret") as raised, faults_named():
        raise os_error(errno.EBADF)
    assert not isinstance(raised.value, TransferError)


@pytest.mark.parametrize(
    ("number", "named"), [(errno.EIO, ReadFailed), (errno.EACCES, ReadFailed), (errno.EMFILE, StoreUnavailable)]
)
def test_bytes_that_cannot_be_read_are_told_from_a_machine_at_its_limits(number: int, named: type[Exception]) -> None:
    with pytest.raises(named), read_faults_named():
        raise os_error(number)


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (StoreUnavailable(), "machine_fault"),
        (os_error(errno.EIO), "machine_fault"),
        (RuntimeError("a secret"), "failure"),
    ],
    ids=repr,
)
def test_the_log_tells_whose_fault_it_is_and_no_message(error: Exception, event: str) -> None:
    error.__cause__ = os_error(errno.EROFS)
    with capture_logs() as log:
        log_error(error)
    assert (log[0]["event"], log[0]["cause"], "secret" in str(log)) == (event, "OSError", False)
    assert log[0].get("errno") == ("EROFS" if event == "machine_fault" else None)


def test_a_log_that_takes_no_lines_ends_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", _LOG_TO_A_FULL_DISK], cwd=REPOSITORY, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_thread_that_cannot_be_started_is_the_machines_fault_and_its_work_never_runs() -> None:
    environment = {**os.environ, "MALLOC_ARENA_MAX": "1"}
    done = subprocess.run(
        [sys.executable, "-c", _NO_MEMORY], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("StoreUnavailable\n['later']\n", 0), done.stderr
