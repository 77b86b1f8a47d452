"""What uploads by pages decide, run by node: `upload_rules.test.mjs`."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.missing import missing

pytestmark = pytest.mark.long

PROGRAM = Path(__file__).with_name("upload_rules.test.mjs")


def test_what_uploads_by_pages_decide() -> None:
    if shutil.which("node") is None:
        missing("node is not installed")
    command = ["node", "--test", "--test-reporter=tap", str(PROGRAM)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stdout
    assert "# pass 11\n" in result.stdout
