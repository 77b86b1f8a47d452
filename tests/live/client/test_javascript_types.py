"""The types of the JavaScript client, which are written by hand: the code has them, and apps are held to them."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.live import node
from tests.live.client.javascript import PACKAGE, install, run

STRICT = {
    "strict": True, "noEmit": True, "allowJs": True, "checkJs": True, "noUnusedLocals": True, "skipLibCheck": True,
    "module": "nodenext", "target": "es2022", "types": ["node"], "maxNodeModuleJsDepth": 0,
    "lib": ["es2023", "dom", "dom.iterable", "dom.asynciterable"],
}  # fmt: skip


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


@pytest.mark.parametrize("entry", ["index", "node"])
def test_what_is_told_is_there(folder: Path, entry: str) -> None:
    told = re.findall(r"^export (?:class|function) (\w+)", (PACKAGE / f"{entry}.d.ts").read_text(), flags=re.MULTILINE)
    name = "transfer-service-client" + ("" if entry == "index" else f"/{entry}")
    assert run(folder, f"print('done', Object.keys(await import('{name}')));") == sorted(told)
