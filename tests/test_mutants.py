"""The table of guards that `make mutants` switches off is true: each of them is where it says."""

import importlib.util
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[1]


def _tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mutants", ROOT / "tools" / "mutants.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_guard_stands_where_its_mutant_says() -> None:
    """A guard that was rewritten takes its mutant along; else switching it off would change nothing."""
    times = {mutant.name: (ROOT / mutant.file).read_text().count(mutant.guard) for mutant in _tool().MUTANTS}

    assert times == dict.fromkeys(times, 1)


def test_every_guard_has_tests_that_exist() -> None:
    """The tests that shall go red are there by that name."""
    for mutant in _tool().MUTANTS:
        for test in mutant.tests:
            file, _, name = test.partition("::")
            assert f"def {name}(" in (ROOT / file).read_text()
