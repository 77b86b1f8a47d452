"""A chat on each kind of database."""

import pytest

from tests.services.chat.bench import Chat
from tests.services.conftest import Bench


@pytest.fixture
def chat(bench: Bench) -> Chat:
    return Chat(bench)


@pytest.fixture
def any_chat(any_bench: Bench) -> Chat:
    return Chat(any_bench)
