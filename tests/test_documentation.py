"""Links between the pages of the documentation, and the files and settings that they name."""

import re
from pathlib import Path

import pytest

from config import Settings

REPOSITORY = Path(__file__).parents[1]
_OWN = ("README.md", "CHANGELOG.md", "SECURITY.md")
PAGES = [*(REPOSITORY / name for name in _OWN), *sorted((REPOSITORY / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```.*?^```$", flags=re.DOTALL | re.MULTILINE)
TREES = (
    "benchmarks|cli|client|db|deploy|docs|migrations|models|remote|scripts|server|services|storage|tests|"
    "transfer_service|web|wire"
)
NAMED_FILE = re.compile(rf"`((?:{TREES})/[\w./-]+\.(?:py|md|conf|sh|yaml))`")


def prose(page: Path) -> str:
    """A page without its code blocks."""
    return BLOCK.sub("", page.read_text())


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), flags=re.MULTILINE)
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        path, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", path):
            continue
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    named = set(NAMED_FILE.findall(prose(page)))
    assert {name for name in named if not _is_there(name)} == set()


@pytest.mark.parametrize("page", [PAGES[0], REPOSITORY / "CONTRIBUTING.md", REPOSITORY / "docs" / "architecture.md"])
def test_every_module_that_is_named_without_its_folder_is_there(page: Path) -> None:
    folders = ("*.py", "transfer_service/**/*.py", "tests/**/*.py", "client/**/*.py")
    there = {path.name for folder in folders for path in REPOSITORY.glob(folder)}
    assert set(re.findall(r"`(\w+\.py)`", prose(page))) - there == set()


def _is_there(name: str) -> bool:
    return any((REPOSITORY / folder / name).is_file() for folder in ("", "transfer_service", "tests"))


def test_every_setting_is_described_and_every_described_one_exists() -> None:
    text = "".join(page.read_text() for page in PAGES)
    named = set(re.findall(r"\bTRANSFER_[A-Z0-9_]+\b", text))
    known = {str(field.validation_alias) if field.validation_alias else f"TRANSFER_{name.upper()}"
             for name, field in Settings.model_fields.items()}  # fmt: skip
    assert named - known == set()
    assert {name for name in known if name.startswith("TRANSFER_")} - named == set()


def test_every_requirements_file_is_named_where_all_are() -> None:
    extras = {path.stem.removeprefix("requirements-") for path in REPOSITORY.glob("requirements-*.txt")} - {"dev"}
    (listed,) = re.findall(r"requirements-\{(.*)\}\.txt", (REPOSITORY / "scripts/lib.sh").read_text())
    included = re.findall(
        r"^-r requirements-(\w+)\.txt$", (REPOSITORY / "requirements-dev.txt").read_text(), re.MULTILINE
    )
    installed = re.findall(r"install requirements-(\w+)\.txt", (REPOSITORY / "scripts/serve").read_text())
    described = set(re.findall(r"`requirements-(\w+)\.txt`", (REPOSITORY / "docs/operations.md").read_text()))
    assert [set(listed.split(",")), set(included), set(installed), described & extras] == [extras] * 4
