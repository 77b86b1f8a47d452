"""A sample of `scripts/torture previews`."""

from tests.torture.previews import torture

FILES, SEED = 150, 12


def test_mutated_files_neither_hang_nor_fell_the_maker() -> None:
    said: list[str] = []
    assert torture(FILES, SEED, said.append) == []
    assert said
