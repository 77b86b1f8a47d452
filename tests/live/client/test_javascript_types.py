"""The types of the JavaScript client, which are written by hand: the code has them, and apps are held to them."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.live import node
from tests.live.client.javascript import PACKAGE, install, run
from tests.live.server import REPOSITORY

STRICT = {
    "strict": True, "noEmit": True, "allowJs": True, "checkJs": True, "noUnusedLocals": True, "skipLibCheck": True,
    "module": "nodenext", "target": "es2022", "types": ["node"], "maxNodeModuleJsDepth": 0,
    "lib": ["es2023", "dom", "dom.iterable", "dom.asynciterable"],
}  # fmt: skip

DECLARED = (PACKAGE / "index.d.ts").read_text()
DOCUMENT = yaml.safe_load((REPOSITORY / "openapi.yaml").read_text())
NEVER_NULL = {"url", "file_id", "created_at", "updated_at"}  # of what is there


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("app")
    install(folder)
    return folder


def faults(folder: Path, *paths: Path) -> list[str]:
    """What the compiler has against these files."""
    for path in paths:
        shutil.copy(path, folder)
    config = {"compilerOptions": STRICT, "files": [path.name for path in paths]}
    (folder / "tsconfig.json").write_text(json.dumps(config))
    compiler = node.FOLDER / "node_modules/typescript/bin/tsc"
    result = subprocess.run(["node", str(compiler), "-p", str(folder)], capture_output=True, text=True, check=False)
    return result.stdout.splitlines()


def test_the_code_is_of_the_types_that_are_told(folder: Path) -> None:
    assert faults(folder, *PACKAGE.glob("*.js"), *PACKAGE.glob("*.d.ts")) == []


def test_the_compiler_sees_a_method_that_is_not_as_told(folder: Path) -> None:
    index = (PACKAGE / "index.js").read_text()
    (folder / "wrong").mkdir()
    (folder / "wrong/index.js").write_text(index.replace("  token() {", "  token_() {"))
    told = faults(folder, *PACKAGE.glob("[!i]*.js"), *PACKAGE.glob("*.d.ts"), folder / "wrong/index.js")
    assert [line for line in told if "Property 'token' is missing" in line] != []


def test_an_app_is_held_to_the_types(folder: Path) -> None:
    assert faults(folder, node.FOLDER / "typed_app.ts") == []


@pytest.mark.parametrize(("name", "schema"), [
    ("Account", "OwnAccount"), ("TransferFile", "Progress"), ("Folder", "Folder"), ("Link", "Link"), ("Media", "Media"),
    ("Address", "SignedAddress"), ("Conversation", "Conversation"),
])  # fmt: skip
def test_objects_have_the_fields_that_the_service_tells(name: str, schema: str) -> None:
    (body,) = re.findall(rf"^export interface {name} {{\n(.*?)^}}", DECLARED, flags=re.MULTILINE | re.DOTALL)
    told = dict(re.findall(r"^  (\w+): (.*);$", body, flags=re.MULTILINE))
    fields = DOCUMENT["components"]["schemas"][schema]["properties"]
    may_be_null = {each for each, field in fields.items() if '"null"' in json.dumps(field)}
    assert set(told) == set(fields)
    assert {each for each, kind in told.items() if kind.endswith("| null")} == may_be_null - NEVER_NULL


@pytest.mark.parametrize("entry", ["index", "node"])
def test_what_is_told_is_there(folder: Path, entry: str) -> None:
    told = re.findall(r"^export (?:class|function) (\w+)", (PACKAGE / f"{entry}.d.ts").read_text(), flags=re.MULTILINE)
    name = "transfer-service-client" + ("" if entry == "index" else f"/{entry}")
    assert run(folder, f"print('done', Object.keys(await import('{name}')));") == sorted(told)
