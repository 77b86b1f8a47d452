"""A fresh Debian in a folder, and programs in it that see nothing else of this machine but its network."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

SUITES = ("bookworm", "trixie")
PASSED_ON = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "http_proxy", "https_proxy", "no_proxy")
"""What this machine may need to reach its registries."""


def needs() -> str | None:
    """What is missing to make one, None where nothing is."""
    if os.geteuid() != 0:
        return "root"
    missing = [name for name in ("mmdebstrap", "unshare", "chroot", "bwrap") if shutil.which(name) is None]
    return f"{', '.join(missing)} (apt-get install mmdebstrap bubblewrap util-linux)" if missing else None


def make_root(folder: Path, suite: str, variant: str, *packages: str) -> None:
    """Debian as its installer leaves it (`important`), or the least that works (`minbase`), with packages."""
    command = ["mmdebstrap", "--quiet", f"--variant={variant}", suite, str(folder)]
    if packages:
        command.insert(1, f"--include={','.join(packages)}")
    subprocess.run(command, check=True, stdout=sys.stderr)
    shutil.copy("/etc/resolv.conf", folder / "etc/resolv.conf")
    (folder / "etc/hosts").write_text("127.0.0.1 localhost files.example.com\n::1 localhost\n")
    if "PIP_CERT" in os.environ:
        shutil.copy(os.environ["PIP_CERT"], folder / "etc/registries.crt")


def environment() -> dict[str, str]:
    """Hardly anything of ours."""
    own = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    if "PIP_CERT" in os.environ:
        own["PIP_CERT"] = "/etc/registries.crt"
    return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", **own}


def inside(root: Path, *command: str) -> list[str]:
    """A command that runs there as root. All that it starts ends with it, what it mounts is gone then."""
    mounts = f"mount --rbind {root} {root} && mount --rbind /dev {root}/dev && mount -t proc proc {root}/proc"
    script = f'{mounts} && exec chroot {root} "$@"'
    return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", script, "sh", *command]


def run_inside(root: Path, *command: str) -> None:
    """Run a command there, and raise where it fails."""
    subprocess.run(inside(root, *command), env=environment(), check=True, stdout=sys.stderr)


def confined(root: Path, command: Sequence[str], *, user: int, volume: tuple[Path, str]) -> list[str]:
    """A command that runs as in a container: the first process, as `user`, on a root to be read but for its volume."""
    source, target = volume
    return [
        "setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--no-new-privs",
        "bwrap", "--ro-bind", str(root), "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp",
        "--bind", str(source), target, "--unshare-user", "--unshare-pid", "--unshare-ipc", "--die-with-parent",
        "--as-pid-1", "--cap-drop", "ALL", "--chdir", target, "--", *command,
    ]  # fmt: skip


@contextmanager
def removed(folder: Path) -> Iterator[Path]:
    """A folder that is gone at the end."""
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
