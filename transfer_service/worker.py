"""The worker: a process of its own that works on remote downloads, has previews made, and tells webhooks
(`flask --app wsgi worker`).

It needs gevent's patches from the start, so the command becomes `python -m gevent.monkey --module` with this one. It
may be killed at any moment: a job goes on as soon as a worker finds that its lease has run out.
"""

import re
import signal
import sys
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

import gevent
import structlog
from gevent.event import Event

from transfer_service.bootstrap import Services, build_compaction, build_core, build_services
from transfer_service.config import ConfigurationError, load_settings
from transfer_service.delivering import build_delivering
from transfer_service.errors import InstallationMismatch, ServerAway, TransferError
from transfer_service.faults import fault_of
from transfer_service.logs import configure_logging, failures_logged, log_error
from transfer_service.previewing import Previewing
from transfer_service.remote.fetcher import Fetcher, Limits
from transfer_service.services.core import utc_now
from transfer_service.services.events.deliveries import LEASE as WEBHOOK_LEASE
from transfer_service.services.events.deliveries import Deliveries
from transfer_service.services.games.archives import GameArchives
from transfer_service.services.games.fetching import Fetching
from transfer_service.services.games.leases import LEASE, FetchLeases, LeaseLost, Run
from transfer_service.services.upkeep.installation import StartGate
from transfer_service.services.upkeep.job_counts import JobCounts
from transfer_service.telemetry import traces
from transfer_service.telemetry.metrics import PortTaken, metrics_of

if TYPE_CHECKING:
    from transfer_service.config import Settings

BEAT_SECONDS = 0.5
LOOK_SECONDS = 0.5
REST_SECONDS = 60.0
FAULT = "The download failed"


class Loop(Protocol):
    """What a worker does beside downloads."""

    def run(self) -> None:
        """Do it for ever."""


class Worker:
    """Works on every job that waits, each in a greenlet of its own beside one that keeps its lease.

    `beside` is a round of whatever else there is to do, and tells how many things it has done; `loops` are what goes on
    all the time, until it is killed.
    """

    def __init__(
        self,
        *,
        leases: FetchLeases,
        fetching: Fetching,
        beside: Callable[[], int] | None = None,
        loops: Sequence[Loop] = (),
        beat_seconds: float = BEAT_SECONDS,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._leases = leases
        self._fetching = fetching
        self._beside = beside
        self._loops = loops
        self._beat_seconds = beat_seconds
        self._look_seconds = look_seconds
        self._running: dict[int, gevent.Greenlet[..., None]] = {}
        self._stopping = Event()

    def run(self) -> None:
        """Work until SIGTERM or SIGINT comes; then give all leases back."""
        structlog.get_logger().info("worker_started")
        for number in (signal.SIGINT, signal.SIGTERM):
            gevent.signal_handler(number, self._stopping.set)
        others = [gevent.spawn(self._work_beside), *(gevent.spawn(each.run) for each in self._loops)]
        try:
            while not self._stopping.is_set():
                with failures_logged():
                    for job_id in self._leases.find_waiting():  # new jobs, and those of runs that died
                        self.begin(job_id)
                self._stopping.wait(self._look_seconds)
        finally:
            gevent.killall([*others, *self._running.values()])
        structlog.get_logger().info("worker_stopped")

    def _work_beside(self) -> None:
        """Go from one round to the next; after one in which there was nothing to do, rest."""
        while self._beside is not None and not self._stopping.is_set():
            done = 0
            with failures_logged():
                done = self._beside()
            if not done:
                self._stopping.wait(self._look_seconds)

    def begin(self, job_id: int) -> None:
        """Begin with a job, if nobody works on it."""
        if job_id not in self._running and not self._stopping.is_set():
            self._running[job_id] = gevent.spawn(self._supervise, job_id)

    def _supervise(self, job_id: int) -> None:
        try:
            with failures_logged():
                run = self._leases.claim(job_id)
                if run is not None:
                    self._keep(run)
        finally:
            del self._running[job_id]

    def _keep(self, run: Run) -> None:
        """Keep the lease while the work goes on; lost, it ends the work, and the work's end gives it back."""
        work = gevent.spawn(self._work, run)
        held_at = time.monotonic()
        try:
            while time.monotonic() < held_at + self._leases.lease.total_seconds():
                work.join(self._beat_seconds)
                if work.ready():
                    break
                began = time.monotonic()
                with failures_logged():
                    if not self._leases.beat(run):
                        structlog.get_logger().info("lease_lost", job=run.job_id)
                        break
                    held_at = began
        finally:
            work.kill()
            with failures_logged():
                self._leases.release(run)
            with failures_logged():
                self._fetching.tidy(run)

    def _work(self, run: Run) -> None:
        with traces.Traced("job download"):
            self._fetch(run)

    def _fetch(self, run: Run) -> None:
        log = structlog.get_logger().bind(job=run.job_id)
        log.info("fetching")
        try:
            state = self._fetching.work(run)
        except LeaseLost:
            log.info("lease_lost")
        except Exception as error:  # noqa: BLE001 - a fault of ours must not leave the job for ever
            fault = error if isinstance(error, TransferError) else fault_of(error)
            if fault is not None:  # the machine's: another run goes on
                log.warning("interrupted", error=_code_of(fault))
                return
            log_error(error)
            with failures_logged():
                self._leases.fail(run, FAULT)
        else:
            log.info("ended", state=state.value)


def _code_of(error: TransferError) -> str:
    """The name of its class in small letters: `store_unavailable`."""
    return re.sub(r"(?<=.)(?=[A-Z])", "_", type(error).__name__).lower()


def build_worker(
    settings: "Settings",
    services: Services | None = None,
    *,
    limits: Limits | None = None,
    lease: timedelta = LEASE,
    webhook_lease: timedelta = WEBHOOK_LEASE,
    beat_seconds: float = BEAT_SECONDS,
    look_seconds: float = LOOK_SECONDS,
) -> Worker:
    """The worker for `settings`, on what services stand on already or on its own."""
    core = services.core if services else build_core(settings, utc_now)
    leases = FetchLeases(core, monotonic=time.monotonic, lease=lease)
    fetching = Fetching(
        core,
        leases=leases,
        archives=GameArchives(core),
        fetch=Fetcher(allow_private=settings.allow_private_sources, limits=limits or Limits()).fetch,
        monotonic=time.monotonic,
    )
    deliveries = Deliveries(core, lease=webhook_lease)
    loops: list[Loop] = [build_delivering(deliveries, allow_private=settings.allow_private_sources)]
    if core.makes_previews:
        loops.append(Previewing(core))
    return Worker(
        leases=leases,
        fetching=fetching,
        beside=build_compaction(core),
        loops=loops,
        beat_seconds=beat_seconds,
        look_seconds=look_seconds,
    )


def main(*, answers_metrics: bool = False) -> None:
    """Work until a signal comes. `answers_metrics` where there is no service beside it that does."""
    configure_logging()
    try:
        settings = load_settings()
    except ConfigurationError as error:
        sys.exit(f"Wrong settings:\n{error}")
    services = build_services(settings)
    _begin_metrics(settings, services, answers=answers_metrics)
    sending = traces.begin_traces(settings.otlp_endpoint)
    if settings.read_only:
        _wait_for_a_signal()
        return
    services.database.notices.begin()
    _wait_for_its_place(services.gate)
    build_worker(settings, services).run()
    services.database.rest()
    if sending is not None:
        sending.shutdown()


def _begin_metrics(settings: "Settings", services: Services, *, answers: bool) -> None:
    metrics = metrics_of(settings.data_dir, settings.metrics_bind)
    if metrics is None:
        return
    metrics.leave()
    try:
        if answers:
            metrics.listen()
    except PortTaken as error:
        sys.exit(str(error))
    metrics.count("worker")
    metrics.answer(JobCounts(services.database).find)


def _wait_for_a_signal() -> None:
    """In read-only mode there is nothing to do. The process stays, or whoever keeps it would start it for ever."""
    structlog.get_logger().info("worker_rests", reason="read_only")
    stopping = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, stopping.set)
    while not stopping.wait(REST_SECONDS):  # without an end gevent takes it for a deadlock
        continue


def _wait_for_its_place(gate: StartGate) -> None:
    """Return when database and stores are there and belong together; end the process where they do not."""
    while True:
        try:
            gate.enter()
            return
        except InstallationMismatch as error:
            sys.exit(str(error))
        except ServerAway:
            pass  # the log says so already
        except TransferError as error:
            structlog.get_logger().warning("interrupted", error=_code_of(error))
        time.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    main(answers_metrics="--metrics" in sys.argv[1:])
