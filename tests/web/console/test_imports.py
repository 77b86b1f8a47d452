"""What a script of the pages takes from another one is there: a browser would load none of them otherwise."""

import re
from pathlib import Path

import pytest

from transfer_service.web.console.assets import STATIC

IMPORT = re.compile(r"^import (?:\{([^}]*)\} from )?\"([^\"]+)\";", re.MULTILINE)
LATER = re.compile(r"import\(\"([^\"]+)\"\)")
EXPORT = re.compile(r"^export (?:default )?(?:async )?(?:function\*?|const|let|class) (\w+)", re.MULTILINE)
LISTED = re.compile(r"^export \{([^}]*)\}(?: from .*)?;", re.MULTILINE)
VENDORED = re.compile(r"export\{([^}]*)\}")
SCRIPTS = sorted(path for folder in ("console", "sharing") for path in (STATIC / folder).rglob("*.js"))


def names(listed: str) -> set[str]:
    """Of `a, b as c` those that somebody else has or gets: the last ones."""
    return {each.split(" as ")[-1].strip() for each in listed.split(",") if each.strip()}


def exported(path: Path) -> set[str]:
    script = path.read_text()
    if path.parent.name == "vendor":
        return {name for listed in VENDORED.findall(script) for name in names(listed)}
    return {*EXPORT.findall(script), *(name for listed in LISTED.findall(script) for name in names(listed))}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.relative_to(STATIC).as_posix())
def test_what_it_imports_is_there(path: Path) -> None:
    script = path.read_text()
    taken = [(path.parent / other, listed) for listed, other in IMPORT.findall(script)]
    taken += [(path.parent / other, "") for other in LATER.findall(script)]
    missing = {
        f"{name} of {other.name}"
        for other, listed in taken
        for name in {each.split(" as ")[0].strip() for each in listed.split(",") if each.strip()}
        if name not in exported(other)
    }
    assert (missing, [other for other, _ in taken if not other.is_file()]) == (set(), [])
