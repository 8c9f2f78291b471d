"""The --no-skip option of tests/conftest.py, tried on throw-away test files."""

import os
import re
import subprocess
import sys
from pathlib import Path

CONFTEST = Path(__file__).parents[1] / "conftest.py"

IN_A_TEST = "import pytest\ndef test_a():\n    pytest.skip('no chip here')\n"
SKIPS = {
    "in_a_test": IN_A_TEST,
    "by_a_mark": "import pytest\n@pytest.mark.skipif(True, reason='no chip here')\ndef test_a(): ...\n",
    "in_a_fixture": (
        "import pytest\n@pytest.fixture\ndef chip(): pytest.skip('no chip here')\ndef test_a(chip): ...\n"
    ),
    "of_a_file": "import pytest\npytest.skip('no chip here', allow_module_level=True)\n",
    "by_import": "import pytest\npytest.importorskip('no_chip', reason='no chip here')\ndef test_a(): ...\n",
}
XFAIL = "import pytest\n@pytest.mark.xfail(reason='known')\ndef test_a(): assert 0\n"


def run_pytest(
    folder: Path, sources: dict[str, str], *options: str, no_skip: str = "0", expected: str = "()"
) -> str:
    conftest = CONFTEST.read_text().replace("tuple[str, ...] = ()", f"tuple[str, ...] = {expected}")
    (folder / "conftest.py").write_text(conftest)
    (folder / "pytest.ini").write_text("[pytest]\n")
    for name, source in sources.items():
        (folder / f"test_{name}.py").write_text(source)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    environment["MEP_NEURO_NO_SKIP"] = no_skip
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment).stdout


def test_an_unexpected_skip_of_any_kind_fails_and_names_its_reason(tmp_path: Path) -> None:
    output = run_pytest(tmp_path, SKIPS, "--no-skip", "--continue-on-collection-errors")
    assert "1 failed, 4 errors" in output.splitlines()[-1]
    for name in SKIPS:
        refused = rf"test_{name}\.py(::test_a)?: skipped, which --no-skip refuses \(Skipped: no chip here\)"
        assert re.search(refused, output), name


def test_the_environment_variable_does_the_same(tmp_path: Path) -> None:
    assert "1 failed" in run_pytest(tmp_path, {"a": IN_A_TEST}, no_skip="1")


def test_a_skip_is_a_skip_without_the_option(tmp_path: Path) -> None:
    assert "1 skipped" in run_pytest(tmp_path, {"a": IN_A_TEST})


def test_an_expected_skip_stays_a_skip(tmp_path: Path) -> None:
    sources = {"a": IN_A_TEST, "b": XFAIL}
    output = run_pytest(tmp_path, sources, "--no-skip", expected="('no chip',)")
    assert "1 skipped, 1 xfailed" in output
