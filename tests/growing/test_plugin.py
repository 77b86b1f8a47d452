"""Which modules a run of tests takes a second time."""

from tests.growing.plugin import choose

MODULES = {f"tests/live/test_{number}.py" for number in range(60)}


def test_a_seed_chooses_the_same_modules_each_time_and_another_seed_others() -> None:
    first = choose(MODULES, 12, seed=1)
    assert (len(first), first <= MODULES) == (12, True)
    assert choose(MODULES.copy(), 12, seed=1) == first != choose(MODULES, 12, seed=2)
    assert choose(MODULES, 100, seed=1) == MODULES


def test_a_new_module_takes_the_place_of_one_at_most() -> None:
    for number in range(60, 100):
        assert len(choose(MODULES, 12, seed=1) - choose(MODULES | {f"tests/live/test_{number}.py"}, 12, seed=1)) <= 1
