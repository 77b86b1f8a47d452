"""How gunicorn runs the service: one gevent worker an instance, configured by the same settings as the app."""

from gevent import monkey

monkey.patch_all()  # before anything below can import what must be patched

import gc
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
if (FOLDER / "transfer_service").is_dir():  # in a clone; a wheel has this file in the package, which is found
    sys.path.insert(0, str(FOLDER))

from typing import Any

from gunicorn.arbiter import Arbiter

from transfer_service.app import begin_serving, end_serving, stop_serving
from transfer_service.errors import InstallationMismatch
from transfer_service.server.access_log import JsonLogger
from transfer_service.telemetry.metrics import PortTaken, metrics_of
from transfer_service.wsgi import settings

bind = settings.bind
wsgi_app = "transfer_service.wsgi:app"
preload_app = True  # the first process keeps it, and every other one shares that memory
worker_class = "transfer_service.server.worker.TransferWorker"
workers = 1  # Socket.IO needs one process an instance; instances scale
worker_connections = 10_000
keepalive = 75  # longer than nginx keeps its side, so nginx never sends into a closing connection
timeout = 120  # of the event loop, not of a transfer
graceful_timeout = 60  # running transfers may finish for so long
limit_request_line = 8190
forwarded_allow_ips = ""  # whom to believe is what TRANSFER_TRUSTED_PROXIES says, also of proxies on this machine
secure_scheme_headers: dict[str, str] = {}  # and of those on a Unix socket
forwarder_headers = ""
logger_class = JsonLogger
control_socket_disable = True
COLLECTED_AFTER = (700, 10, 1_000)


def on_starting(_server: Any) -> None:
    """Before the first fork: the port of the metrics belongs to this process, whoever answers there."""
    metrics = metrics_of(settings.data_dir, settings.metrics_bind)
    try:
        if metrics is not None:
            metrics.listen()
    except PortTaken as error:
        sys.exit(str(error))


def pre_fork(_server: Any, _worker: Any) -> None:
    """What there is now is not collected again: looking at it would copy the pages that both processes share.

    Of what comes, all that lives is looked at a hundred times more rarely than by default: with a thousand connections
    that takes 30 ms, in which everybody waits.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTED_AFTER)


def post_worker_init(worker: Any) -> None:
    """Before the first request: what a power loss may have taken is forgotten. A wrong database ends the service."""
    try:
        begin_serving(worker.wsgi)
    except InstallationMismatch as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(Arbiter.WORKER_BOOT_ERROR)  # the first process then ends too, instead of trying again
    worker.on_stop = lambda: stop_serving(worker.wsgi)
    gc.collect()  # what building the app has left over
    gc.freeze()


def worker_exit(_server: Any, worker: Any) -> None:
    """After the last request: everything is flushed."""
    if getattr(worker, "wsgi", None) is not None:
        end_serving(worker.wsgi)
