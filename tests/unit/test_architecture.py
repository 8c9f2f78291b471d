"""The rooms of the project, read from its sources: who may import whom, and what.

Each rule is shown to fail on a small tree that breaks it (`test_a_planted_violation_is_found`).
"""

import ast
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOPS = ("mep_neuro", "converters", "hardware", "networks")
DATA_ROOMS = {"hardware", "networks"}

# A room, and the rooms it may import besides its own. Nobody may import the converters:
# back ends find them by name.
ERRORS = DATA_ROOMS | {"errors"}
NEURONS = ERRORS | {"neurons"}
TOPOLOGY = NEURONS | {"topology"}
SIMULATION = TOPOLOGY | {"simulation"}
BACKENDS = SIMULATION | {"equilibrium", "chip", "backends"}
BELOW: dict[str, set[str]] = {
    "errors": ERRORS,
    "neurons": ERRORS,
    "topology": NEURONS,
    "simulation": TOPOLOGY,
    "equilibrium": SIMULATION,
    "chip": SIMULATION,
    "backends": SIMULATION | {"equilibrium", "chip"},
    "converters": BACKENDS,
    "tracks": BACKENDS,
    "cli": BACKENDS | {"tracks"},
}
# The package itself names its public functions, from any room but the converters.
BELOW["__init__"] = BELOW["__main__"] = BELOW["cli"] | {"cli"}

HEAVY = {
    "torch": {"equilibrium", "converters"},
    "brian2": {"converters"},
    "snntorch": {"converters"},
    "nir": {"converters"},
    "lava": {"converters"},
}
DISGUISES = {"safetensors.torch": "torch", "torchvision": "torch"}
BY_NAME = {"backends", "__init__"}  # rooms that may look a module up by its name
COMPARISON = {"implicit.py", "backprop.py"}  # use autograd, to be compared with; never to train by EP
LIMIT = 300


@dataclass(frozen=True)
class Source:
    """One file: where it is, its room, its syntax tree, and the modules it imports."""

    path: Path
    where: str
    room: str
    tree: ast.Module

    def imports(self) -> Iterator[tuple[int, str]]:
        """The line and full name of each import, functions' inner ones too."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from (
                    (node.lineno, f"{'.' * node.level}{node.module or ''}:{a.name}") for a in node.names
                )


def read_sources(root: Path) -> list[Source]:
    sources = []
    for path in sorted(p for top in TOPS for p in (root / top).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        room = parts[1] if parts[0] == "mep_neuro" else parts[0]
        where = path.relative_to(root).as_posix()
        sources.append(Source(path, where, room, ast.parse(path.read_text(), where)))
    return sources


def violations(root: Path) -> list[str]:
    """Every break of the rules in a source tree, as `file:line: what`."""
    found = [line for source in read_sources(root) for rule in RULES for line in rule(source)]
    return found + list(wrong_packages(root)) + list(files_that_are_no_data(root))


def rooms_imported(source: Source) -> Iterator[str]:
    for line, name in source.imports():
        module, _, attribute = name.partition(":")
        if module.split(".")[0] in {"converters", "hardware", "networks"}:
            yield f"{source.where}:{line}: imports {module} from the checkout; write mep_neuro.{module}"
        if module.split(".")[0] != "mep_neuro":
            continue
        room = [*module.split(".")[1:], attribute][0]
        if room not in {source.room, "__version__"} and room not in BELOW.get(source.room, set()):
            yield f"{source.where}:{line}: {source.room} may not import {room or 'the package itself'}"


def relative_imports(source: Source) -> Iterator[str]:
    for line, name in source.imports():
        if name.startswith("."):
            yield f"{source.where}:{line}: relative import {name}"


def heavy_imports(source: Source) -> Iterator[str]:
    for line, name in source.imports():
        dotted = name.replace(":", ".") + "."
        hidden = [heavy for disguise, heavy in DISGUISES.items() if dotted.startswith(disguise + ".")]
        package = hidden[0] if hidden else dotted.split(".")[0]
        if source.room not in HEAVY.get(package, {source.room}):
            yield f"{source.where}:{line}: {source.room} may not import {package}"


def company_of_lava(source: Source) -> Iterator[str]:
    """A file that imports lava runs where nothing of this project is installed."""
    names = [(line, name.partition(":")[0].split(".")[0]) for line, name in source.imports()]
    if "lava" not in {name for _, name in names}:
        return
    siblings = {path.stem for path in source.path.parent.glob("*.py")}
    allowed = sys.stdlib_module_names | {"numpy", "lava"} | siblings
    for line, name in names:
        if name not in allowed:
            yield f"{source.where}:{line}: imports {name or 'a relative name'} beside lava"


def lookups_by_name(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Call) or source.room in BY_NAME:
            continue
        if _name(node.func) in {"import_module", "__import__"}:
            yield f"{source.where}:{node.lineno}: {source.room} may not look up modules by name"


def autograd(source: Source) -> Iterator[str]:
    if source.path.name in COMPARISON:
        return
    for line, name in source.imports():
        if {f"{word}.py" for word in name.replace(":", ".").split(".")} & COMPARISON and (
            source.room == "equilibrium"
        ):
            yield f"{source.where}:{line}: imports a file that is for comparison only ({name})"
        if name.startswith(("torch.autograd", "torch:autograd", "torch.func", "torch:func")):
            yield f"{source.where}:{line}: autograd ({name})"
    for node in ast.walk(source.tree):
        if _uses_autograd(node):
            yield f"{source.where}:{getattr(node, 'lineno', 0)}: autograd ({ast.unparse(node)})"


def _uses_autograd(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr in {"autograd", "enable_grad"}
    if isinstance(node, ast.keyword):
        return node.arg == "requires_grad" and not _is_false(node.value)
    if isinstance(node, ast.Assign):
        return any(_name(t) == "requires_grad" for t in node.targets) and not _is_false(node.value)
    if not isinstance(node, ast.Call):
        return False
    if _name(node.func) == "requires_grad_":
        return not [argument for argument in node.args if _is_false(argument)]
    return isinstance(node.func, ast.Attribute) and node.func.attr == "backward"


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def long_files(source: Source) -> Iterator[str]:
    lines = len(source.path.read_text().splitlines())
    if lines > LIMIT:
        yield f"{source.where}: {lines} lines exceed {LIMIT}"


def code_in_data_rooms(source: Source) -> Iterator[str]:
    if source.room not in DATA_ROOMS:
        return
    docstring = ast.get_docstring(source.tree)
    if source.path.name != "__init__.py" or docstring is None or len(source.tree.body) != 1:
        yield f"{source.where}: {source.room} holds YAML and a docstring, no code"


def files_that_are_no_data(root: Path) -> Iterator[str]:
    for room in sorted(DATA_ROOMS):
        for path in sorted((root / room).rglob("*")):
            if path.is_file() and path.suffix not in {".yaml", ".py", ".pyc"}:
                yield f"{path.relative_to(root).as_posix()}: {room} holds YAML and a docstring, no code"


def wrong_packages(root: Path) -> Iterator[str]:
    """The explicit list in pyproject.toml against the folders with Python files."""
    listed = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {path.parent for top in TOPS for path in (root / top).rglob("*.py")}
    names = {folder: ".".join(folder.relative_to(root).parts) for folder in folders}
    present = {n if n.split(".")[0] == "mep_neuro" else f"mep_neuro.{n}" for n in names.values()}
    yield from (
        f"pyproject.toml: {name} is listed twice"
        for name in sorted({n for n in listed if listed.count(n) > 1})
    )
    yield from (
        f"pyproject.toml: {name} is not listed under packages" for name in sorted(present - {*listed})
    )
    yield from (
        f"pyproject.toml: {name} is listed and does not exist" for name in sorted({*listed} - present)
    )
    for folder in sorted(folders):
        if not (folder / "__init__.py").exists():
            yield f"{folder.relative_to(root).as_posix()}: has no __init__.py"


RULES = (
    rooms_imported,
    relative_imports,
    heavy_imports,
    company_of_lava,
    lookups_by_name,
    autograd,
    long_files,
    code_in_data_rooms,
)


def test_the_sources_keep_the_rules() -> None:
    assert violations(ROOT) == []


CLEAN = {
    "mep_neuro/__init__.py": "from importlib import import_module\nimport_module('mep_neuro.cli')\n",
    "mep_neuro/errors.py": '"""Errors."""\n',
    "mep_neuro/chip/__init__.py": "import numpy\nfrom mep_neuro import __version__\n",
    "mep_neuro/cli/__init__.py": "from mep_neuro.backends.data import load\nimport mep_neuro.tracks\n",
    "mep_neuro/backends/__init__.py": "from mep_neuro.chip import x\nimport mep_neuro.equilibrium.settle\n",
    "mep_neuro/equilibrium/__init__.py": "import torch\nw = torch.zeros(1).requires_grad_(False)\n",
    "mep_neuro/equilibrium/learning/__init__.py": "",
    "mep_neuro/equilibrium/learning/backprop.py": "def f(loss): loss.backward()\n",
    "mep_neuro/tracks/__init__.py": "from mep_neuro.backends.data import load\n",
    "converters/__init__.py": "from mep_neuro.backends.registry import x\nimport torch, brian2\n",
    "converters/to_lava/__init__.py": "",
    "converters/to_lava/runner/__init__.py": "",
    "converters/to_lava/runner/process.py": "import json\nimport numpy\nimport lava.magma\nimport process\n",
    "hardware/__init__.py": '"""Profiles."""\n',
    "hardware/loihi2.yaml": "name: loihi2\n",
    "networks/__init__.py": '"""Networks."""\n',
}


def plant(root: Path, files: dict[str, str]) -> Path:
    packages = sorted(
        {Path(f).parent.as_posix().replace("/", ".") for f in CLEAN} - {"hardware", "networks", "converters"}
    )
    names = [p if p.startswith("mep_neuro") else f"mep_neuro.{p}" for p in packages]
    names += ["mep_neuro.converters", "mep_neuro.hardware", "mep_neuro.networks"]
    files = {"pyproject.toml": f"[tool.setuptools]\npackages = {names}\n"} | CLEAN | files
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_a_tree_that_keeps_the_rules_passes(tmp_path: Path) -> None:
    assert violations(plant(tmp_path, {})) == []


PLANTED = [
    ("mep_neuro/chip/a.py", "from mep_neuro.equilibrium.settle import x", "chip may not import equilibrium"),
    ("mep_neuro/equilibrium/a.py", "import mep_neuro.chip.place", "equilibrium may not import chip"),
    ("mep_neuro/tracks/a.py", "from mep_neuro import converters", "tracks may not import converters"),
    ("converters/a.py", "def f():\n    import mep_neuro.tracks", "converters may not import tracks"),
    ("mep_neuro/cli/a.py", "from mep_neuro.converters import to_x", "cli may not import converters"),
    ("mep_neuro/backends/a.py", "import mep_neuro.converters.to_x", "backends may not import converters"),
    ("mep_neuro/backends/a.py", "from mep_neuro.cli import x", "backends may not import cli"),
    ("mep_neuro/errors.py", "from mep_neuro.neurons import x", "errors may not import neurons"),
    ("mep_neuro/chip/a.py", "from mep_neuro import load", "chip may not import load"),
    ("mep_neuro/chip/a.py", "import mep_neuro", "chip may not import the package itself"),
    ("mep_neuro/cellar/__init__.py", "import mep_neuro.errors", "cellar may not import errors"),
    ("mep_neuro/backends/a.py", "from converters import to_x", "write mep_neuro.converters"),
    ("mep_neuro/chip/a.py", "from .place import x", "relative import .place:x"),
    ("mep_neuro/chip/a.py", "from . import place", "relative import .:place"),
    ("mep_neuro/chip/a.py", "def f():\n    import torch.nn", "chip may not import torch"),
    ("mep_neuro/backends/a.py", "from torch import nn", "backends may not import torch"),
    ("mep_neuro/backends/a.py", "from safetensors.torch import save", "backends may not import torch"),
    ("mep_neuro/backends/a.py", "from safetensors import torch", "backends may not import torch"),
    ("mep_neuro/equilibrium/a.py", "import brian2 as b", "equilibrium may not import brian2"),
    ("mep_neuro/simulation/a.py", "import snntorch", "simulation may not import snntorch"),
    ("mep_neuro/simulation/a.py", "import nir", "simulation may not import nir"),
    ("mep_neuro/chip/a.py", "import lava.magma", "chip may not import lava"),
    ("converters/to_lava/a.py", "import lava\nimport torch", "imports torch beside lava"),
    ("converters/to_lava/a.py", "import lava\nimport mep_neuro.errors", "imports mep_neuro beside lava"),
    ("converters/to_lava/a.py", "import lava\nimport scipy.sparse", "imports scipy beside lava"),
    (
        "mep_neuro/chip/a.py",
        "import importlib\nimportlib.import_module(n)",
        "may not look up modules by name",
    ),
    ("mep_neuro/chip/a.py", "__import__('torch')", "may not look up modules by name"),
    ("mep_neuro/equilibrium/a.py", "loss.backward()", "autograd (loss.backward())"),
    ("mep_neuro/equilibrium/a.py", "torch.autograd.grad(y, x)", "autograd (torch.autograd)"),
    ("mep_neuro/equilibrium/a.py", "from torch.autograd import grad", "autograd (torch.autograd:grad)"),
    ("mep_neuro/equilibrium/a.py", "from torch.func import vjp", "autograd (torch.func:vjp)"),
    ("mep_neuro/equilibrium/a.py", "w.requires_grad_(True)", "autograd (w.requires_grad_(True))"),
    ("mep_neuro/equilibrium/a.py", "w.requires_grad_()", "autograd (w.requires_grad_())"),
    ("mep_neuro/equilibrium/a.py", "w.requires_grad = True", "autograd (w.requires_grad = True)"),
    ("mep_neuro/equilibrium/a.py", "torch.zeros(1, requires_grad=on)", "autograd (requires_grad=on)"),
    ("converters/a.py", "with torch.enable_grad(): ...", "autograd (torch.enable_grad)"),
    ("mep_neuro/equilibrium/a.py", "import mep_neuro.equilibrium.learning.backprop", "for comparison only"),
    ("mep_neuro/equilibrium/a.py", "from mep_neuro.equilibrium import implicit", "for comparison only"),
    ("mep_neuro/chip/a.py", "\n" * 301, "301 lines exceed 300"),
    ("converters/a.py", "\n" * 301, "301 lines exceed 300"),
    ("networks/__init__.py", '"""Networks."""\nimport os', "networks holds YAML and a docstring"),
    ("hardware/__init__.py", "", "hardware holds YAML and a docstring"),
    ("hardware/limits.py", '"""Limits."""', "hardware holds YAML and a docstring"),
    ("networks/weights.npz", "", "networks holds YAML and a docstring"),
    ("mep_neuro/wing/__init__.py", "", "mep_neuro.wing is not listed under packages"),
    ("converters/to_x/__init__.py", "", "mep_neuro.converters.to_x is not listed under packages"),
    ("mep_neuro/wing/a.py", "", "mep_neuro/wing: has no __init__.py"),
    ("pyproject.toml", "[tool.setuptools]\npackages = ['a']", "a is listed and does not exist"),
    ("pyproject.toml", "[tool.setuptools]\npackages = ['a', 'a']", "a is listed twice"),
]


@pytest.mark.parametrize(("file", "text", "what"), PLANTED, ids=[f"{f}-{w}" for f, _, w in PLANTED])
def test_a_planted_violation_is_found(tmp_path: Path, file: str, text: str, what: str) -> None:
    found = [line for line in violations(plant(tmp_path, {file: text})) if what in line]
    assert found
    assert found[0].startswith((file.removesuffix("/a.py"), "pyproject.toml"))
