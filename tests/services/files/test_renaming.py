"""Renaming under parallel requests: one name is never given to two files."""

import uuid
from concurrent.futures import ThreadPoolExecutor

from tests.services.conftest import Bench
from transfer_service.errors import NameTaken

NAMES = [f"{number}.bin" for number in range(6)]


def test_of_many_that_want_a_name_one_gets_it(any_bench: Bench) -> None:
    files = [any_bench.store(b"x", name) for name in NAMES]

    def rename(file_id: uuid.UUID) -> bool:
        try:
            any_bench.services.renaming.rename(any_bench.account_id, file_id, "wanted.bin")
        except NameTaken:
            return False
        return True

    with ThreadPoolExecutor(len(files)) as pool:
        successes = list(pool.map(rename, [file.id for file in files]))
    assert successes.count(True) == 1
    winner = NAMES[successes.index(True)]
    assert any_bench.names() == sorted({*NAMES, "wanted.bin"} - {winner})


def test_a_file_that_arrives_meanwhile_gets_a_number_or_comes_first(any_bench: Bench) -> None:
    old = any_bench.store(b"old", "old.bin")

    def rename() -> bool:
        try:
            any_bench.services.renaming.rename(any_bench.account_id, old.id, "wanted.bin")
        except NameTaken:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        renamed, stored = pool.submit(rename), pool.submit(any_bench.store, b"new", "wanted.bin")
        names = {True: ["wanted (2).bin", "wanted.bin"], False: ["old.bin", "wanted.bin"]}
        assert stored.result().name == ("wanted (2).bin" if renamed.result() else "wanted.bin")
        assert any_bench.names() == names[renamed.result()]
