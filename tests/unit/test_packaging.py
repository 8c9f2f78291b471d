"""What an installed copy holds, what importing it costs, and the files that tell users how to get it."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import requires, version
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import mep_neuro

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LIGHT = ("neurons", "topology", "simulation", "chip")


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_the_package_does_not_import_torch_or_numpy() -> None:
    code = (
        "import sys, mep_neuro; print(mep_neuro.__version__, 'torch' in sys.modules, 'numpy' in sys.modules)"
    )
    assert run_python(code) == f"{PROJECT['version']} False False"


def test_the_rooms_below_torch_never_import_it() -> None:
    paths = [p for room in LIGHT for p in (ROOT / "mep_neuro" / room).rglob("*.py")]
    modules = [".".join(p.relative_to(ROOT).with_suffix("").parts) for p in paths]
    code = f"import sys, importlib\nfor m in {modules}: importlib.import_module(m)\n"
    assert len(modules) > 10
    assert run_python(code + "print('torch' in sys.modules)") == "False"


@pytest.mark.parametrize("name", sorted(mep_neuro._PUBLIC))
def test_every_public_name_is_there(name: str) -> None:
    assert callable(getattr(mep_neuro, name))
    assert name in dir(mep_neuro)


def test_type_checkers_see_the_same_public_names() -> None:
    tree = ast.parse((ROOT / "mep_neuro/__init__.py").read_text())
    (block,) = [n for n in tree.body if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    seen = {alias.asname: f"{node.module}:{alias.name}" for node in imports for alias in node.names}
    assert seen == mep_neuro._PUBLIC


def test_an_unknown_public_name_is_refused() -> None:
    with pytest.raises(AttributeError, match=r"mep_neuro: no attribute 'bild'; the public names are .*build"):
        _ = mep_neuro.bild


def test_a_wheel_holds_every_source_and_data_file(tmp_path: Path) -> None:
    tree, out = tmp_path / "tree", tmp_path / "out"
    for folder in ("mep_neuro", "converters", "hardware", "networks"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, tree)
    code = f"import os\nos.chdir({str(tree)!r})\nfrom setuptools.build_meta import build_wheel\n"
    run_python(code + f"build_wheel({str(out)!r})")
    (wheel,) = out.glob("*.whl")
    names = {n for n in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in n}
    kinds = {".py", ".yaml", ".typed"}
    wanted = {
        p.relative_to(ROOT)
        for top in ("mep_neuro", "converters", "hardware", "networks")
        for p in (ROOT / top).rglob("*")
        if p.suffix in kinds
    }
    assert names == {
        p.as_posix() if p.parts[0] == "mep_neuro" else f"mep_neuro/{p.as_posix()}" for p in wanted
    }


def test_library_networks_are_found_as_package_data() -> None:
    find = "from importlib.resources import files\n"
    names = run_python(find + "print([p.name for p in files('mep_neuro.networks').iterdir()])")
    for network in ("xor", "digits_mlp", "digits_cube", "mnist_mlp"):
        assert f"'{network}.yaml'" in names


def pins() -> dict[str, str]:
    lines = [line.split(";")[0].strip() for line in (ROOT / "constraints.txt").read_text().splitlines()]
    return {_plain(line.split("==")[0]): line.split("==")[1] for line in lines if line and line[0] != "#"}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_constraints_pin_exactly_and_every_package_the_project_asks_for() -> None:
    asked = {_plain(re.split(r"[^A-Za-z0-9_.-]", r)[0]) for r in requires("mep-neuro") or []}
    assert asked - {"mep-neuro"} <= set(pins())
    assert all(re.fullmatch(r"[0-9][0-9.]*", pin) for pin in pins().values())


def test_constraints_name_no_host_path_or_local_build() -> None:
    text = (ROOT / "constraints.txt").read_text()
    assert not re.search(r"://|@|\+cpu|^-", text, re.MULTILINE)


def test_the_version_stands_in_one_number_everywhere() -> None:
    citation = YAML(typ="safe").load((ROOT / "CITATION.cff").read_text())
    assert mep_neuro.__version__ == PROJECT["version"] == version("mep-neuro") == str(citation["version"])
    assert citation["authors"] == [{"name": "mep-neuro contributors"}]
    assert PROJECT["version"] in (ROOT / "CHANGELOG.md").read_text()
