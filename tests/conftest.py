"""Settings of every test: few threads, whole files to workers; in CI repeatable draws and no silent skips."""

import os
from collections.abc import Generator

import pytest
from hypothesis import settings

# Set before numpy or torch is imported, which read them once: the machines that test have two cores.
for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

settings.register_profile("everyday", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, database=None, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "everyday")

# Reasons that may skip even under --no-skip, each as a piece of its text. Empty: CI has everything.
EXPECTED_SKIPS: tuple[str, ...] = ()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--no-skip",
        action="store_true",
        default=os.environ.get("MEP_NEURO_NO_SKIP") == "1",
        help="a skip that is not expected fails (also: MEP_NEURO_NO_SKIP=1)",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Workers of pytest-xdist (`-n 2`) take whole files, in order: what a file makes once is made once."""
    if getattr(config.option, "numprocesses", None) and config.option.dist == "no":
        config.option.dist, config.option.loadscopereorder = "loadfile", False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if not hasattr(report, "wasxfail"):
        _refuse_skip(report, item.config)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse_skip(report, collector.config)
    return report


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport, config: pytest.Config) -> None:
    """Turn a skip that nobody expects into a failure: a check that does not run proves nothing."""
    if not (report.skipped and config.getoption("--no-skip")):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if any(expected in reason for expected in EXPECTED_SKIPS):
        return
    report.outcome = "failed"
    report.longrepr = f"{report.nodeid}: skipped, which --no-skip refuses ({reason}); install what it needs"
