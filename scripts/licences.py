"""Write docs/licences.md: under which licences what service and client need may be used. --check only compares.

It reads what the packages themselves say, so they must be installed, as requirements-dev.txt does. A licence that is
not known here, or a package that says nothing, ends it: look, and add a line below.
"""

import re
import sys
from dataclasses import dataclass
from importlib.metadata import PackageMetadata, distribution, metadata
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
PAGE = REPOSITORY / "docs/licences.md"
STATIC = REPOSITORY / "transfer_service/web/static"

PERMISSIVE = {
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MIT-0", "MIT-CMU", "PSF-2.0",
    "Unlicense", "Zlib", "ZPL-2.1",
}  # fmt: skip
"""Those that ask for no more than that their text comes along."""

COPYLEFT = {
    "bidict": "MPL-2.0: changes of its own files have to be given on. Nothing here changes them",
    "certifi": "MPL-2.0: changes of its own files have to be given on. Nothing here changes them. Only with traces, "
    "and in the client",
    "psycopg": "LGPL-3.0: it may be replaced by a changed one, as any package here may. Only with PostgreSQL",
    "psycopg-binary": "as psycopg",
    "av": "its wheel brings FFmpeg with x264 and x265, so GPL-2.0 or later. It is loaded by the process that makes "
    "previews and by no other, which is a program of its own, asked over a socket. Without it there are no previews",
    "pillow-heif": "its wheel brings libheif and libde265 (LGPL-3.0) and x265 (GPL-2.0); loaded as av is",
}
"""Packages that ask for more, or whose wheels bring what does. A new one has to be judged before it is named here."""

BUNDLED = {
    "av": "FFmpeg and what it decodes with: GPL-2.0-or-later as a whole",
    "numpy": "OpenBLAS (BSD-3-Clause); libgfortran and libquadmath (GPL-3.0 with the exception for runtimes, LGPL-2.1)",
    "pillow": "libjpeg-turbo, libpng, libwebp, libtiff, OpenJPEG, libavif, FreeType and others, all permissive",
    "pillow-heif": "libheif, libde265, x265",
    "psycopg-binary": "libpq (PostgreSQL), OpenSSL (Apache-2.0), Kerberos (MIT), OpenLDAP (OLDAP-2.8), SASL (BSD)",
}
"""Libraries that come in wheels, beside the package's own licence."""

STATED = {
    "async-timeout": "Apache-2.0",  # only for old Pythons
    "itsdangerous": "BSD-3-Clause",
    "jinja2": "BSD-3-Clause",
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",
}
"""What was read in their licence files, where metadata are vague or not there."""

VENDORED = {
    "swagger-ui": ("Swagger UI", "Apache-2.0", "`LICENSE` and `NOTICE` lie beside it; `start.js` is ours"),
    "vendor": (
        "tus-js-client, socket.io-client, htm with Preact",
        "MIT; htm is Apache-2.0",
        "`README.md` has the versions and checksums, their licences lie beside them",
    ),
}
"""Folders of `web/static` that others have written."""
OURS = {"console", "sharing"}

_SPDX = {
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "ISC License": "ISC",
    "MIT License": "MIT",
    "3-Clause BSD License": "BSD-3-Clause",
    "BSD License": "",  # which one it does not say
}
_HEAD = """# Licences of what the service and its client need

Written by `scripts/licences.py` from what the installed packages say; `scripts/check` holds it to that. Both
are [MIT](../LICENSE) licensed, and hold nothing of theirs but what is bundled: `pip` fetches them from where
their authors publish them. Whoever gives an image on that has them in it gives them on too. What only tests and
benchmarks use (`requirements-dev.txt`) is not listed.

"""


class Unknown(Exception):
    """What has to be looked at by somebody."""


@dataclass(frozen=True)
class Package:
    """One pinned requirement."""

    name: str
    version: str
    licence: str


def main() -> None:
    """Write the page, or compare it."""
    try:
        text = page()
    except Unknown as error:
        sys.exit(f"{error}: look at its licence, and name it in scripts/licences.py")
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(text)
    elif not PAGE.exists() or PAGE.read_text() != text:
        sys.exit("docs/licences.md is not what the requirements need: run .venv/bin/python scripts/licences.py")


def page() -> str:
    """The whole page. Raises Unknown."""
    parts = [_HEAD]
    listed: list[Package] = []
    for path in _requirements():
        packages = [_package(line) for line in path.read_text().splitlines() if line and line[0] not in "#-"]
        listed += packages
        parts.append(f"## {path.relative_to(REPOSITORY)}\n\n| package | version | licence |\n|---|---|---|\n")
        parts += [f"| {each.name} | {each.version} | {each.licence} |\n" for each in packages]
        parts.append("\n")
    names = {each.name for each in listed}
    parts.append("## What asks for more than that its text comes along\n\n| package | what |\n|---|---|\n")
    parts += [f"| {name} | {reason} |\n" for name, reason in COPYLEFT.items() if name in names]
    parts.append("\n## Libraries inside wheels\n\n| wheel | brings |\n|---|---|\n")
    parts += [f"| {name} | {BUNDLED[name]} |\n" for name in sorted(names) if _brings_libraries(name)]
    parts.append("\n## Bundled in this repository\n\n| what | licence | where |\n|---|---|---|\n")
    for folder in sorted(path.name for path in STATIC.iterdir() if path.name not in OURS):
        if folder not in VENDORED:
            raise Unknown(f"transfer_service/web/static/{folder}")
        what, licence, note = VENDORED[folder]
        parts.append(f"| {what} | {licence} | `web/static/{folder}`: {note} |\n")
    return "".join(parts)


def _requirements() -> list[Path]:
    """Those of the service, by default and with settings, then those of its client."""
    paths = [path for path in REPOSITORY.glob("requirements*.txt") if path.stem != "requirements-dev"]
    service = sorted(paths, key=lambda path: (path.stem != "requirements", path.stem))
    return [*service, REPOSITORY / "client/requirements.txt"]


def _package(line: str) -> Package:
    name, version = re.split(r"(?:\[[^]]*\])?==", line.partition(";")[0].strip())
    licence = STATED.get(name) or _licence(metadata(name))
    parts = re.split(r" (?:AND|OR|WITH) ", licence.replace("(", "").replace(")", ""))
    if not licence or (not set(parts) <= PERMISSIVE and name not in COPYLEFT):
        raise Unknown(f"{name} {version} ({licence or 'it says nothing'})")
    return Package(name, version, licence)


def _licence(told: PackageMetadata) -> str:
    """As SPDX writes it; empty where it does not say."""
    if "License-Expression" in told:
        return str(told["License-Expression"])
    named = str(told["License"]).strip() if "License" in told else ""
    named = _SPDX.get(named, named)
    if named and "\n" not in named and len(named) < 40:
        return named
    classified = [each.rpartition(" :: ")[2] for each in told.get_all("Classifier") or [] if each.startswith("License")]
    return " OR ".join(filter(None, (_SPDX.get(each, each) for each in classified)))


def _brings_libraries(name: str) -> bool:
    """Whether there is a line about them. Raises Unknown where there are such and no line."""
    if name in BUNDLED:
        return True
    if name not in STATED and any(".libs/" in str(path) for path in distribution(name).files or ()):
        raise Unknown(f"{name} with libraries in its wheel")
    return False


if __name__ == "__main__":
    main()
