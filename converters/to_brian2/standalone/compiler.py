"""The C++ compiler that standalone programs and Cython need: found or not, and how it is called."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from mep_neuro.errors import BackendFailedError

# Brian2's own flags but -ffast-math: a sum in another order moves a spike, and -ffp-contract=off
# keeps a product and a sum two roundings, as numpy has them.
GCC_FLAGS = ["-w", "-O3", "-ffp-contract=off", "-march=native", "-std=c++11"]

# Every file of a program includes these, and reading them is most of its time: once compiled, the
# build of 784-256-10 takes 8 s of CPU in place of 15.
COMMON = "ep_common.h"
HEADERS = "algorithm cmath cstdlib ctime fstream iostream limits map random set string tuple utility vector"
RULES = f"""
{COMMON}.gch: {COMMON}
\t$(CXX) $(CXXFLAGS) -x c++-header $< -o $@
$(OBJS): {COMMON}.gch
$(OBJS): private CXXFLAGS += -include {COMMON}
"""


def missing(brian2: Any) -> str:
    """What is not found of the tools that build a program, such as 'make'; empty where nothing is missing."""
    tools = [brian2.prefs["devices.cpp_standalone.make_cmd_unix"], os.environ.get("CXX") or "g++"]
    return " and ".join(f"'{tool}'" for tool in tools if shutil.which(tool.split()[0]) is None)


def flags(brian2: Any) -> dict[str, Any]:
    """Preferences for the build; the user's own flags stay."""
    changed: dict[str, Any] = {"devices.cpp_standalone.openmp_threads": 0}  # sums in one fixed order
    if brian2.prefs["codegen.cpp.extra_compile_args"] is None:
        changed["codegen.cpp.extra_compile_args"] = GCC_FLAGS
    return changed


def compile_project(folder: Path, brian2: Any) -> None:
    """Compile a project that Brian2 has written.

    Raises:
        BackendFailedError: The compiler failed; the message ends with its last lines.
    """
    (folder / COMMON).write_text("".join(f"#include <{name}>\n" for name in HEADERS.split()))
    with (folder / "makefile").open("a") as makefile:
        makefile.write(RULES)
    (folder / "make.deps").touch()  # which file includes which: of use only to build a part again
    make = brian2.prefs["devices.cpp_standalone.make_cmd_unix"].split()
    extra = brian2.prefs["devices.cpp_standalone.extra_make_args_unix"]
    done = subprocess.run([*make, *extra], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        last = "\n".join(done.stderr.strip().splitlines()[-12:])
        raise BackendFailedError(
            f"brian2: the standalone program cannot be compiled ({' '.join(make)} returned "
            f"{done.returncode}); look at the compiler's last lines:\n{last}"
        )
    (folder / f"{COMMON}.gch").unlink()  # 40 MB
    for file in folder.rglob("*.o"):
        file.unlink()
