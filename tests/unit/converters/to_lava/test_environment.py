"""Lava's environment is found only when it is whole; what it lacks is said with the command that mends it."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mep_neuro.converters.home import home as where
from mep_neuro.converters.to_lava import environment
from mep_neuro.errors import BackendFailedError, BackendMissingError

WHOLE = {"lava": "0.10.0", "python": "3.11.7"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEP_NEURO_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def make(home: Path, content: str, python: str = sys.executable, version: str = "3.11") -> Path:
    folder = home / f"lava-0.10.0-py{version}"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(python)
    (folder / "ready.json").write_text(content)
    return folder


def test_the_home_is_the_users_choice_then_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MEP_NEURO_HOME", str(tmp_path))
    assert where() == tmp_path
    monkeypatch.delenv("MEP_NEURO_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert where() == tmp_path / "cache" / "mep-neuro"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert where() == tmp_path / ".cache" / "mep-neuro"


def test_without_an_environment_the_command_is_named(home: Path) -> None:
    assert environment.find() is None
    assert environment.describe() == "not installed; run: mep-neuro backend install lava"
    with pytest.raises(
        BackendMissingError,
        match=r"^lava: its private environment is not installed; run: mep-neuro backend install lava$",
    ):
        environment.require()


@pytest.mark.parametrize("version", ["3.10", "3.11"])
def test_a_whole_environment_is_found(home: Path, version: str) -> None:
    folder = make(home, json.dumps(WHOLE), version=version)
    assert environment.require() == environment.LavaEnvironment(
        folder, folder / "bin" / "python", "0.10.0", "3.11.7"
    )
    assert environment.describe() == f"lava-nc 0.10.0 on Python 3.11.7 in {folder}"


@pytest.mark.parametrize("content", ["", "[]", '{"lava": "0.10', '{"lava": "0.9.0", "python": "3.11.7"}'])
def test_an_environment_that_was_not_finished_is_not_found(home: Path, content: str) -> None:
    make(home, content)
    assert environment.find() is None


def test_an_environment_whose_python_was_removed_is_not_found(home: Path) -> None:
    make(home, json.dumps(WHOLE), python="/no/such/python")
    assert environment.find() is None


def script(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return file


def test_the_search_survives_dead_shims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path / "shims", "python3.11", 'echo "pyenv: python3.11: command not found" >&2; exit 127')
    script(tmp_path / "wrong", "python3.11", "echo 3.13")
    real = script(tmp_path / "real", "python3.10", "echo 3.10")
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    folders = [tmp_path / "shims", tmp_path / "not there", tmp_path / "wrong", tmp_path / "real"]
    monkeypatch.setenv("PATH", os.pathsep.join(map(str, folders)))
    assert environment.find_python() == (str(real), "3.10")


@pytest.mark.parametrize("bare", [True, False])
def test_a_python_without_venv_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bare: bool
) -> None:
    """As Debian's, where ensurepip is a package of its own: planted by a module that cannot be imported."""
    (tmp_path / "ensurepip.py").write_text("raise ImportError('no ensurepip')\n" if bare else "")
    first = f"import sys; sys.path.insert(0, '{tmp_path}'); sys.version_info = (3, 11)"
    python = script(tmp_path / "bin", "python3.11", f'exec {sys.executable} -c "{first}\n$2"')
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    if not bare:
        assert environment.find_python() == (str(python), "3.11")
        return
    with pytest.raises(BackendMissingError, match=r"needs a Python 3\.10 or 3\.11 with venv and ensurepip"):
        environment.find_python()


def test_this_python_is_taken_where_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    if sys.version_info[:2] in ((3, 10), (3, 11)):
        assert environment.find_python() == (sys.executable, f"3.{sys.version_info.minor}")
    else:
        with pytest.raises(BackendMissingError, match=r"needs a Python 3\.10 or 3\.11"):
            environment.find_python()


def test_no_python_at_all_is_said(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = script(tmp_path / "shims", "python3.10", "exit 127")
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    monkeypatch.setenv("PATH", str(tmp_path / "shims"))
    message = (
        rf"^lava: needs a Python 3\.10 or 3\.11 .* found none \(tried: /no/such/python, {dead}\); "
        r"install python3\.11 .* and run: mep-neuro backend install lava$"
    )
    with pytest.raises(BackendMissingError, match=message):
        environment.install()


def test_a_pip_that_fails_is_shown_and_leaves_no_environment(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real pip that may look nowhere."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    told: list[str] = []
    message = (
        r"(?s)^backend install lava: install what Lava needs: its process ended with code 1; mend the cause "
        r"and run again: mep-neuro backend install lava \(its output: .*lava-install\.log\)\n"
        r".*No matching distribution found for numpy<2"
    )
    with pytest.raises(BackendFailedError, match=message):
        environment.install(told.append)
    assert told == ["make a virtual environment", "install what Lava needs"]
    assert environment.find() is None


def test_a_second_installation_at_once_is_refused(home: Path) -> None:
    home.mkdir()
    with (home / "lava.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(
            BackendFailedError, match=r"lava\.lock: another installation of Lava is under way; wait"
        ):
            environment.install()


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MEP_NEURO_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(BackendFailedError, match=r"lava\.lock: cannot be written \(.*\); set MEP_NEURO_HOME"):
        environment.install()


def test_looking_for_it_imports_neither_torch_nor_lava() -> None:
    code = (
        "import sys; from mep_neuro.converters.to_lava import environment; environment.find(); "
        "print(sorted({'torch', 'numpy', 'lava'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
