"""What the page of chats makes of histories and texts, run by node: `chat_rules.test.mjs`."""

import shutil
import subprocess
from pathlib import Path

from tests.missing import missing

PROGRAM = Path(__file__).with_name("chat_rules.test.mjs")


def test_what_the_page_of_chats_makes_of_what_it_hears() -> None:
    if shutil.which("node") is None:
        missing("node is not installed")
    command = ["node", "--test", "--test-reporter=tap", str(PROGRAM)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stdout
    assert "# pass 7\n" in result.stdout
