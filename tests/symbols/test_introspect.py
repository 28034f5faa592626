"""Walking packages: names, provenance, and packages that misbehave."""

from __future__ import annotations

import pytest

from symbols.introspect import Entry, IntrospectionError, Parameter, walk_packages


@pytest.fixture(scope="module")
def entries(gadgets_python: str) -> dict[str, Entry]:
    return {entry.symbol: entry for entry in walk_packages(["gadgets"], gadgets_python)}


def test_objects_have_their_shortest_public_names_once(entries: dict[str, Entry]) -> None:
    assert set(entries) == {
        "gadgets.BrokenGadget",
        "gadgets.Wheel",
        "gadgets.Wheel.area",
        "gadgets.Wheel.stop",
        "gadgets.Wheel.unit",
        "gadgets.old_spin",
        "gadgets.spin",
        "gadgets.tools.open_box",
    } | {name for name in entries if name.startswith("gadgets.workshop.")}


def test_kinds_receivers_and_modules(entries: dict[str, Entry]) -> None:
    kinds = {name.removeprefix("gadgets."): (entry.kind, entry.receiver) for name, entry in entries.items()}
    assert kinds["Wheel"] == ("class", "")
    assert kinds["BrokenGadget"] == ("exception", "")
    assert kinds["Wheel.area"] == ("property", "gadgets.Wheel")
    assert kinds["Wheel.stop"] == ("method", "gadgets.Wheel")
    assert kinds["Wheel.unit"] == ("function", "")
    assert entries["gadgets.tools.open_box"].module == "gadgets.tools"


def test_parameters_come_without_the_receiver(entries: dict[str, Entry]) -> None:
    assert entries["gadgets.Wheel.stop"].parameters == (Parameter("gently", "positional_or_keyword", "True"),)
    assert entries["gadgets.Wheel.stop"].returns == "None"
    assert entries["gadgets.Wheel.unit"].signature == "(name='unit')"
    assert entries["gadgets.spin"].signature == "(wheel, turns=1, *, backwards=False)"
    assert entries["gadgets.Wheel"].signature == "(radius, *, spokes=8)"


def test_a_deprecated_parameter_deprecates_nothing_else(entries: dict[str, Entry]) -> None:
    assert {name for name, entry in entries.items() if entry.deprecated} == {"gadgets.old_spin"}


def test_provenance_is_the_distributions(entries: dict[str, Entry]) -> None:
    spin = entries["gadgets.spin"]
    assert (spin.package, spin.version, spin.licence) == ("gadgets", "1.4", "MIT")


def test_submodules_that_do_not_import_are_counted(gadgets_python: str) -> None:
    walk = walk_packages(["gadgets"], gadgets_python)
    assert list(walk)
    assert walk.skipped == 2
    assert walk.missing == {}
    assert walk.table.exists("gadgets.broken.anything"), "of a module that can't be imported nothing is known"


def test_a_package_that_is_not_there_is_missing(gadgets_python: str) -> None:
    walk = walk_packages(["no_such_package"], gadgets_python)
    assert list(walk) == []
    assert "No module named" in walk.missing["no_such_package"]


def test_a_package_that_ends_the_process_is_named(gadgets_python: str) -> None:
    with pytest.raises(IntrospectionError, match="ended with 9 while it imported crashing"):
        list(walk_packages(["crashing"], gadgets_python))


def test_a_run_that_takes_too_long_is_stopped(gadgets_python: str) -> None:
    with pytest.raises(IntrospectionError, match="took longer than 0 s"):
        list(walk_packages(["stdlib"], gadgets_python, timeout=0.01))


@pytest.mark.parametrize(
    ("packages", "python", "message"),
    [
        (["-c"], "", "not the import name"),
        (["os; import x"], "", "not the import name"),
        (["json"], "/no/such/python", "can't be run as a Python interpreter"),
        (["json"], "/bin/true", "Python 3.10"),
        (["json"], "/bin/echo", "can't be read"),
    ],
)
def test_what_can_not_be_run_is_one_line(packages: list[str], python: str, message: str) -> None:
    with pytest.raises(IntrospectionError, match=message) as caught:
        list(walk_packages(packages, python))
    assert "\n" not in str(caught.value)


def test_names_of_real_libraries() -> None:
    symbols = {entry.symbol: entry for entry in walk_packages(["requests", "os", "builtins", "datetime"])}
    assert symbols["requests.Session.mount"].receiver == "requests.Session"
    assert symbols["builtins.str.join"].kind == "method"
    assert symbols["builtins.open"].module == "builtins"
    assert symbols["datetime.datetime.now"].kind == "function", "a class method needs no instance"
    assert "requests.sessions.Session" not in symbols
    assert not any("._" in name for name in symbols)
