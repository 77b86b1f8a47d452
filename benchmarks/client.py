"""How fast is our client? Beside curl at our own service, and beside rclone and copyparty's u2c at their own servers.

Seconds, CPU and memory are those of the client. "ours" counts from when it is loaded; curl needs no time for that, so
the whole process is shown too. The service works on the same processors, so no rate is better than both together.
"""

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path

from benchmarks.connection import Connection
from benchmarks.contenders import COPYPARTY, OURS, Contenders
from benchmarks.lines import Line, Side, Spent, compare, size_of
from benchmarks.measure import GIBIBYTE, KIBIBYTE, MEBIBYTE
from benchmarks.payload import Payload, make_payload
from benchmarks.servers import REPOSITORY, NotInstalled, Server, clean_environment, running
from tests.live.slow_line import slow_line
from tests.ports import free_port

SMALL_FILES, SMALL_BYTES = 2000, 16 * KIBIBYTE
ROUND_TRIP_SECONDS = 0.1
_LOOKED_SECONDS = 0.01
NAME = "payload.bin"
CURL = ["curl", "--silent", "--show-error", "--fail"]
PROGRAM = """
import sys, time
from transfer_service_client import TransferClient
url, token, way, path, name = sys.argv[1:]
began = time.monotonic()
with TransferClient(url, key=token) as client:
    if way == "up":
        client.upload(path, to=name)
    elif way == "down":
        client.download(name, path)
    else:
        outcome = client.upload_all([path + "/"], to=name)
        assert outcome.is_good and outcome.done, outcome
print(time.monotonic() - began)
"""

_series = count()
_Measured = tuple[str, Callable[[], Spent]]
"""What a side of a line is called, and what measures it once."""


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name, ExitStack() as stack:
        folder = Path(name)
        ours = Contenders(stack, folder)[OURS]
        large = make_payload(folder / NAME, arguments.mebibytes * MEBIBYTE)
        many = _make_small(folder / "small", SMALL_FILES // (10 if arguments.quick else 1))
        line = stack.enter_context(slow_line(ours.port, round_trip_seconds=ROUND_TRIP_SECONDS))
        compare("The client: its seconds, CPU and memory", _lines(ours, line, large, many), arguments)


def _lines(server: Server, line: int, large: Payload, many: Path) -> list[Line]:
    return [_up(server, large), _down(server, large), _many(server, line, many)]


def _up(server: Server, large: Payload) -> Line:
    send = partial(_ours, server, server.port, "up", large.path, NAME)

    def whole(measure: Callable[[], Spent]) -> Callable[[], Spent]:
        return lambda: _checked(server, large, measure)

    return _line(
        f"{size_of(large)} up",
        ("GiB", len(large.view) / GIBIBYTE),
        [("ours", whole(send)), ("curl", whole(partial(_curl_up, server, large)))],
        [
            ("ours, whole process", whole(partial(send, is_whole=True))),
            ("rclone to its own", partial(_rclone, large.path, 0)),
            ("u2c to copyparty", partial(_u2c, large.path, 0)),
        ],
        rate_goal=0.9,
    )


def _down(server: Server, large: Payload) -> Line:
    return _line(
        f"{size_of(large)} down",
        ("GiB", len(large.view) / GIBIBYTE),
        [
            ("ours", partial(_fetched, server, large, partial(_ours, server, server.port, "down"))),
            ("curl", partial(_fetched, server, large, partial(_curl_down, server))),
        ],
        [],
        rate_goal=0.9,
    )


def _many(server: Server, line: int, many: Path) -> Line:
    files = len(list(many.iterdir()))
    send = partial(_ours, server, line, "many", many)
    return _line(
        f"{files} x 16 KiB up at 100 ms",
        ("file", files),
        [("ours", lambda: send(_new_name())), ("curl -Z", partial(_curl_many, server, line, many))],
        [
            ("ours, whole process", lambda: send(_new_name(), is_whole=True)),
            ("rclone to its own", partial(_rclone, many, ROUND_TRIP_SECONDS)),
            ("u2c to copyparty", partial(_u2c, many, ROUND_TRIP_SECONDS)),
        ],
        rate_goal=2,
    )


def _line(
    name: str, unit: tuple[str, float], pair: list[_Measured], beside: list[_Measured], *, rate_goal: float
) -> Line:
    """Ours against the other of the `pair`, with what is measured beside, each by so many units."""
    noun, units = unit

    def side(measured: _Measured) -> Side:
        label, measure = measured
        return Side(label, "", lambda: _per_unit(measure(), units))

    ours, other = pair
    return Line(name, noun, side(ours), [side(other)], [side(each) for each in beside], rate_goal=rate_goal)


def _make_small(folder: Path, number: int) -> Path:
    folder.mkdir()
    for each in range(number):
        (folder / f"{each:05}.bin").write_bytes(os.urandom(SMALL_BYTES))
    return folder


def _new_name() -> str:
    return f"run-{next(_series)}"


def _per_unit(spent: Spent, units: float) -> Spent:
    return Spent(spent.wall_seconds / units, spent.cpu_seconds / units, spent.peak_bytes)


def _process(command: Sequence[str], **environment: str) -> tuple[Spent, str]:
    """What a process took, and what it wrote. Raises RuntimeError."""
    os.sync()  # so that nobody pays for what another has written
    with tempfile.TemporaryDirectory(prefix="bench-state-") as state, tempfile.TemporaryFile("w+") as output:
        own = clean_environment(XDG_STATE_HOME=state, XDG_CONFIG_HOME=state, HOME=state, **environment)
        began = time.monotonic()
        process = subprocess.Popen(command, env=own, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        ended, peak = 0, 0
        while not ended:
            peak = max(peak, _peak_bytes(process.pid))
            time.sleep(_LOOKED_SECONDS)
            ended, status, used = os.wait4(process.pid, os.WNOHANG)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        told = output.read()
    if process.returncode:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}: {told[-2000:]}")
    return Spent(seconds, used.ru_utime + used.ru_stime, peak), told


def _peak_bytes(pid: int) -> int:
    """The most memory it has had (getrusage(2) would count what its parent had when it was started)."""
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2].split()[0]) * KIBIBYTE
    return 0


def _ours(server: Server, port: int, way: str, path: Path, name: str = NAME, *, is_whole: bool = False) -> Spent:
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-c", PROGRAM, url, server.token, way, str(path), name]
    spent, told = _process(command, PYTHONPATH=f"{REPOSITORY}{os.pathsep}{REPOSITORY / 'client'}")
    return spent if is_whole else Spent(float(told), spent.cpu_seconds, spent.peak_bytes)


def _curl(server: Server, *arguments: str) -> Spent:
    return _process([*CURL, "--header", f"Authorization: Bearer {server.token}", *arguments])[0]


def _curl_up(server: Server, payload: Payload) -> Spent:
    return _curl(
        server,
        "--output",
        "/dev/null",
        "--upload-file",
        str(payload.path),
        f"http://127.0.0.1:{server.port}/api/files/{NAME}",
    )


def _curl_down(server: Server, path: Path) -> Spent:
    return _curl(server, "--output", str(path), f"http://127.0.0.1:{server.port}/api/files/download/{NAME}")


def _curl_many(server: Server, port: int, folder: Path) -> Spent:
    name = _new_name()
    with tempfile.NamedTemporaryFile("w", suffix=".curl") as config:
        for path in folder.iterdir():
            url = f"http://127.0.0.1:{port}/api/files/{name}/{path.name}"
            config.write(f'upload-file = "{path}"\nurl = "{url}"\noutput = "/dev/null"\n')
        config.flush()
        return _curl(server, "--parallel", "--config", config.name)


def _checked(server: Server, payload: Payload, measure: Callable[[], Spent]) -> Spent:
    """Measure an upload, see that it has arrived whole, and delete it. Raises RuntimeError."""
    spent = measure()
    with Connection(server.port, server.token) as connection:
        stored = json.loads(connection.request("GET", f"/api/files/status/{NAME}").expect(200).body)
        if stored["sha256"] != payload.sha256:
            raise RuntimeError(f"The service stored other bytes than were sent: {stored}")
        connection.request("DELETE", f"/api/files/{NAME}").expect(200)
    return spent


def _fetched(server: Server, payload: Payload, fetch: Callable[[Path], Spent]) -> Spent:
    with tempfile.TemporaryDirectory(prefix="bench-", dir=payload.path.parent) as name:
        _curl_up(server, payload)
        spent = fetch(Path(name) / NAME)
        if (Path(name) / NAME).stat().st_size != len(payload.view):
            raise RuntimeError("Other bytes arrived than were sent")
        with Connection(server.port, server.token) as connection:
            connection.request("DELETE", f"/api/files/{NAME}").expect(200)
    return spent


@contextmanager
def _over_line(port: int, round_trip_seconds: float) -> Iterator[int]:
    if not round_trip_seconds:
        yield port
        return
    with slow_line(port, round_trip_seconds=round_trip_seconds) as begin:
        yield begin


def _rclone(path: Path, round_trip_seconds: float) -> Spent:
    """Send a file or folder to a server that is new: what is there already would not be sent."""
    program = shutil.which("rclone")
    if program is None:
        raise NotInstalled("there is no rclone")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder, port = Path(name), free_port()
        (folder / "files").mkdir()
        serve = [program, "serve", "webdav", "--addr", f"127.0.0.1:{port}", str(folder / "files")]
        with (
            running(folder, clean_environment(HOME=name), serve, port),
            _over_line(port, round_trip_seconds) as line,
        ):
            target = f":webdav,url='http://127.0.0.1:{line}':"
            return _process([program, "copy", "--config", "/dev/null", str(path), target])[0]


def _u2c(path: Path, round_trip_seconds: float) -> Spent:
    """As `_rclone`, by copyparty's client."""
    found = importlib.util.find_spec("copyparty")
    if found is None or found.origin is None:
        raise NotInstalled("there is no copyparty (benchmarks/peers/requirements.txt)")
    program = Path(found.origin).parent / "web" / "a" / "u2c.py"
    with ExitStack() as stack:
        server = Contenders(stack, path.parent)[COPYPARTY]
        line = stack.enter_context(_over_line(server.port, round_trip_seconds))
        return _process([sys.executable, str(program), "-ns", f"http://127.0.0.1:{line}/", str(path)])[0]
