"""What every test of these doors starts with."""

import pytest
from flask import Flask

from tests.web.chat.bench import Chat


@pytest.fixture(scope="module")
def chat(shared_app: Flask) -> Chat:
    return Chat(shared_app)
