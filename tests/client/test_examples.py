"""Frames and digests of the examples for devices are the published ones."""

import importlib.util
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.client.examples import EXAMPLES, compiled, node_command, stand_in_command
from tests.vectors import VECTORS

FRAMES = {kind: VECTORS["frames"][kind]["good"] for kind in ("17", "12")}
IN_NODE = """
import { readFileSync } from "node:fs";
import { frame17, frame12 } from %s;
const given = JSON.parse(readFileSync(0, "utf8"));
const made = (make, kind) =>
  given[kind].map((each) => Buffer.from(make(each.start, Buffer.from(each.data, "hex"))).toString("hex"));
console.log(JSON.stringify({ 17: made(frame17, "17"), 12: made(frame12, "12") }));
"""


def expected() -> dict[str, list[str]]:
    return {kind: [each["frame"] for each in examples] for kind, examples in FRAMES.items()}


def output(command: list[str], text: str) -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_program_in_c(tmp_path: Path) -> None:
    program = compiled(Path(__file__).with_name("vectors.c"), tmp_path / "vectors")
    framed = output([str(program)], "".join(f"{each['start']} {each['data']}\n" for each in FRAMES["17"]))
    assert [line.split()[0] for line in framed.splitlines()] == expected()["17"]
    digested = output([str(program)], "".join(f"0 {each['data']}\n" for each in VECTORS["digests"]))
    assert [line.split()[1] for line in digested.splitlines()] == [each["sha256"] for each in VECTORS["digests"]]


def test_the_program_for_micropython(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("send_chunks", EXAMPLES / "send_chunks.py")
    assert spec is not None and spec.loader is not None
    program: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    for kind, frame in (("17", program.frame_17), ("12", program.frame_12)):
        made = [frame(each["start"], bytes.fromhex(each["data"])).hex() for each in FRAMES[kind]]
        assert made == expected()[kind]
    for each in VECTORS["digests"]:
        (tmp_path / "data").write_bytes(bytes.fromhex(each["data"]))
        assert program.sha256_of(str(tmp_path / "data")) == each["sha256"]


def test_the_program_in_javascript() -> None:
    code = IN_NODE % json.dumps((EXAMPLES / "send_chunks.mjs").as_uri())
    command = node_command("--input-type=module", "--eval", code)
    assert json.loads(output(command, json.dumps(FRAMES))) == expected()


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("import pathlib", "ImportError: not in MicroPython: pathlib"),
        ("import os; os.environ", "AttributeError"),
        ("import socket; socket.socket().sendall(b'')", "AttributeError"),
        ("import hashlib; hashlib.sha256().hexdigest()", "AttributeError"),
        ("ConnectionError", "NameError"),
    ],
)
def test_what_micropython_lacks_is_noticed(tmp_path: Path, line: str, error: str) -> None:
    (tmp_path / "program.py").write_text(line)
    command = stand_in_command(tmp_path / "program.py")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert error in done.stderr
