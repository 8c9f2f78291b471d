"""Back ends are found by name, and what is missing is named with the command that mends it."""

import importlib.metadata
import subprocess
import sys

import pytest

from mep_neuro.backends import registry
from mep_neuro.errors import BackendMissingError, UnknownBackendError


def test_the_table_holds_the_back_ends_of_this_version() -> None:
    assert sorted(registry.BACKENDS) == ["brian2", "lava", "loihi-emulator", "torch"]
    assert registry.REFERENCE in registry.BACKENDS


@pytest.mark.parametrize("name", sorted(registry.BACKENDS))
def test_every_entry_leads_to_a_function(name: str) -> None:
    assert callable(registry.find(name))


def test_every_conversion_target_leads_to_a_function() -> None:
    for target in registry.CONVERTERS:
        assert callable(registry.find_converter(target))


def test_a_misspelt_back_end_is_answered_with_the_nearest() -> None:
    message = r"back end 'brain2': unknown; did you mean 'brian2'\? \(known: brian2, lava, loihi-emulator"
    with pytest.raises(UnknownBackendError, match=message):
        registry.find("brain2")


def test_a_name_like_no_other_is_answered_with_all() -> None:
    with pytest.raises(UnknownBackendError, match=r"'zzz': unknown; write one of these \(known: brian2"):
        registry.check_name("zzz")
    with pytest.raises(UnknownBackendError, match=r"conversion target 'lavva': unknown; did you mean 'lava'"):
        registry.find_converter("lavva")
    with pytest.raises(UnknownBackendError, match=r"'snntorc': unknown; did you mean 'snntorch'"):
        registry.probe("snntorc")


def test_a_package_that_is_not_there_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = registry.Backend("package_that_is_not_there:run", "", "package-that-is-not-there", "get it")
    monkeypatch.setattr(registry, "BACKENDS", {"absent": absent})
    with pytest.raises(BackendMissingError, match=r"back end 'absent': No module named .*; run: get it"):
        registry.find("absent")
    probe = registry.probe("absent")
    assert (probe.found, probe.mend) == (False, "get it")
    assert probe.problem == "the package package-that-is-not-there is not installed"


def test_a_missing_file_of_our_own_is_no_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = registry.Backend("mep_neuro.no_such_room:run", "", "mep-neuro", "")
    monkeypatch.setattr(registry, "BACKENDS", {"broken": broken})
    with pytest.raises(ModuleNotFoundError, match=r"mep_neuro\.no_such_room"):
        registry.find("broken")


def test_what_is_installed_is_found_with_its_version() -> None:
    for name, package in (("torch", "torch"), ("brian2", "brian2"), ("loihi-emulator", "mep-neuro")):
        probe = registry.probe(name)
        assert probe.found
        assert probe.version == importlib.metadata.version(package)
        assert (probe.problem, probe.mend) == ("", "")


@pytest.mark.parametrize(
    ("brian2", "numpy", "bad"),
    [("2.9.0", "2.4.6", True), ("2.9.0", "2.3.5", False), ("2.10.1", "2.5.5", False)],
)
def test_the_numpy_that_brian2_cannot_bear_is_told(
    brian2: str, numpy: str, bad: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_version", {"brian2": brian2, "numpy": numpy}.__getitem__)
    probe = registry.probe("brian2")
    assert probe.found is not bad
    assert ("cannot be imported with numpy" in probe.problem) is bad
    assert bool(probe.mend) is bad


def test_probing_imports_no_simulator() -> None:
    code = (
        "import sys; from mep_neuro.backends import registry\n"
        "for name in [*registry.BACKENDS, *registry.PACKAGES]: registry.probe(name)\n"
        "print(sorted({'torch', 'brian2', 'snntorch', 'nir', 'lava'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
