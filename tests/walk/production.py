"""From an empty Debian to production, as docs/production.md says, in a fresh root."""

import re
import subprocess
import sys
import time
from pathlib import Path

from tests.walk.roots import environment, inside, make_root
from tests.walk.steps import MARK, PAGE, REPOSITORY, script, steps

MOST_SECONDS = 600.0
NO_REPOSITORY = "/srv/repository"
EXPECTED = {
    "the service is ready": r'^\{"status":"ready"\}$',
    "a download is what was sent": r"^identical$",
    "nginx has sent it": r'"handed_over": true',
    "there is a backup": r"^The backup is in /backup/transfer",
    "uploads are counted": r"^transfer_uploads_finished_total 1(\.0)?$",
    "cleanup can run": r"^Cleanup completed$",
}
"""What has to be printed on the way."""


def walk(folder: Path, suite: str) -> float:
    """Go the whole way, and tell how many seconds that took. Ends the program where it does not lead there."""
    make_root(folder, suite, "important")
    repository = folder / NO_REPOSITORY.lstrip("/")
    subprocess.run(["git", "clone", "--quiet", "--bare", str(REPOSITORY), str(repository)], check=True)
    for name in ("systemctl", "journalctl"):
        place = folder / "usr/local/sbin" / name
        place.write_bytes((Path(__file__).parent / "stand_in.py").read_bytes())
        place.chmod(0o755)
    (folder / "root/steps.sh").write_text(script(steps(PAGE.read_text()), NO_REPOSITORY))
    began = time.monotonic()
    printed = _told(subprocess.Popen(
        inside(folder, "bash", "/root/steps.sh"), env=environment(), text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ))  # fmt: skip
    took = time.monotonic() - began
    missed = [what for what, pattern in EXPECTED.items() if not re.search(pattern, printed, re.MULTILINE)]
    if f"{MARK} end" not in printed or missed:
        sys.exit(f"The way ends here; not seen: {', '.join(missed) or 'nothing'}")
    if took > MOST_SECONDS:
        sys.exit(f"It took {took:.0f} seconds, more than ten minutes")
    return took


def _told(process: "subprocess.Popen[str]") -> str:
    """All that is printed, shown as it comes, with the seconds of each step."""
    lines, began = [], time.monotonic()
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        if line.startswith(MARK):
            sys.stdout.write(f"{time.monotonic() - began:6.1f} s  {line.removeprefix(MARK).strip()}\n")
        else:
            sys.stderr.write(line)
        sys.stdout.flush()
    process.wait()
    return "".join(lines)
