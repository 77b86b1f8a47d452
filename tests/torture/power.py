"""Power losses: clients live on a service whose disk is logged, and the disk is judged as it was at many moments."""

import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.live.bad_source import BadSource
from tests.live.download_worker import working
from tests.live.server import wait_until
from tests.torture.disk import LoggedDisk, logged_disk, make_disk, mounted
from tests.torture.installation import Installation, QuietServer, make_games, prepare, running, settings_of
from tests.torture.judge import judge_folder
from tests.torture.resumable_stories import Concatenated
from tests.torture.stories import LEVELS
from transfer_service.bootstrap import Services

STORIES_OF_A_RUN = 30
IMAGES_OF_A_RUN = 170
AFTERWARDS = 40
"""Records of the log after a removal, in which it may get ahead of what makes it harmless."""
MOUNTS = ("commit=1", "commit=1,nodelalloc,data=writeback", "commit=2,nodelalloc")
"""ext4 as it comes, but quicker; facts before bytes; files that have grown before their bytes are there."""


@dataclass
class Run:
    """One life of an installation at one level, to be judged at many moments."""

    level: str
    options: str
    seed: int
    images: int
    folder: Path
    faults: list[str] = field(default_factory=list)
    settled: int = 0

    @property
    def name(self) -> str:
        return f"{self.level}, {self.options}, seed {self.seed}"

    def go(self) -> None:
        """Live, and judge."""
        chance, base = random.Random(self.seed), self.folder / "base"
        make_disk(base)
        with BadSource() as source:
            games, mountpoint = make_games(source), self.folder / "disk"
            server = QuietServer(mountpoint / "data", settings_of(source, self.level, self.folder))
            with mounted(base, mountpoint):
                prepare(server, games)
            installation = Installation(server, source, games, chance, self.level)
            with logged_disk(base, self.folder / "log", mountpoint, *self.options.split(",")) as disk:
                first, last = self._live(installation, disk)
            self.faults += installation.faults
            self._judge(installation, disk, first, last)

    def _live(self, installation: Installation, disk: LoggedDisk) -> tuple[int, int]:
        """Two lives with a stop in order between them. The moments of their beginning and end."""
        installation.clock = lambda: disk.position
        first = disk.position
        with running(installation):
            installation.fetch_games()
            installation.traffic(STORIES_OF_A_RUN)
            installation.look()
        self.settled = disk.position
        with running(installation):
            installation.go_on()
            installation.traffic(STORIES_OF_A_RUN)
            installation.look()
            last = disk.position
            installation.server.kill()
        return first, last

    def _judge(self, installation: Installation, disk: LoggedDisk, first: int, last: int) -> None:
        image, mountpoint = self.folder / "image", self.folder / "cut"
        tense = [
            (step.began, (step.ended or step.began) + AFTERWARDS)
            for story in installation.stories
            for step in story.steps
            if step.is_durable or isinstance(story, Concatenated)
        ]
        cuts = disk.cuts(self.images, first=first, last=last, chance=installation.chance, tense=tense)
        for cut in disk.images(cuts, image):
            with mounted(image, mountpoint):
                found = judge_folder(
                    mountpoint / "data",
                    installation.stories,
                    position=cut.position,
                    level=self.level,
                    settled=self.settled,
                )
                self.faults += [f"{self.name}, record {cut.position} of {last}: {fault}" for fault in found]
                if cut is cuts[-1]:
                    self._finish_downloads(installation, mountpoint / "data")

    def _finish_downloads(self, installation: Installation, data_dir: Path) -> None:
        """A worker goes on with what was on its way, and finishes it right."""
        with (
            working(data_dir, **installation.server.environment),
            QuietServer(data_dir, installation.server.environment).services() as services,
        ):
            with suppress(AssertionError):  # then the states tell
                wait_until(lambda: not any(_is_active(services)), seconds=60)
            jobs = services.remote_downloads.list_downloads()
        if unfinished := [str(job.state) for job in jobs if job.state != "completed"]:
            log = (data_dir.parent / "worker.log").read_text()[-2000:]
            self.faults.append(f"{self.name}: downloads ended {unfinished}: {log}")
        for game in installation.games:
            archive = data_dir / "games" / f"{game.data_id}.zip"
            if any(job.game_data_id == game.data_id for job in jobs) and archive.read_bytes() != game.data:
                self.faults.append(f"{self.name}: the archive {game.data_id} has other bytes")


def _is_active(services: Services) -> Iterator[bool]:
    return (job.state.is_active for job in services.remote_downloads.list_downloads())


def plan(images: int, seed: int, levels: Sequence[str]) -> Iterator[tuple[str, str, int, int]]:
    """Levels, mount options, seeds and numbers of images of the runs that give so many images altogether."""
    runs = max(len(levels), -(-images // IMAGES_OF_A_RUN))
    for number in range(runs):
        count = images // runs + (number < images % runs)
        yield levels[number % len(levels)], MOUNTS[(number + number // len(levels)) % len(MOUNTS)], seed + number, count


def torture(images: int, seed: int, say: Callable[[str], None], *, levels: Sequence[str] = LEVELS) -> list[str]:
    """All that was found wrong on so many images, shared by the levels."""
    faults: list[str] = []
    for level, options, run_seed, count in plan(images, seed, levels):
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="transfer-power-")))
            run = Run(level, options, run_seed, count, folder)
            run.go()
            say(f"{run.name}: {count} images, {len(run.faults)} faults")
            for fault in run.faults:
                say(f"  {fault}")
            faults += run.faults
    return faults
