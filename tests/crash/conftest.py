# SPDX-License-Identifier: LGPL-2.1-or-later
"""The harness of tests/runtime, and what spoils system calls (crash.py)."""

import importlib.util
import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
RUNTIME_TESTS = os.path.join(os.path.dirname(HERE), "runtime")
sys.path[:0] = [HERE, RUNTIME_TESTS]

_spec = importlib.util.spec_from_file_location("runtime_conftest", os.path.join(RUNTIME_TESTS, "conftest.py"))
runtime_conftest = importlib.util.module_from_spec(_spec)
sys.modules["runtime_conftest"] = runtime_conftest
_spec.loader.exec_module(runtime_conftest)

# the hooks and fixtures are pytest's as soon as they are names of this file
globals().update({name: value for name, value in vars(runtime_conftest).items()
                  if name.startswith("pytest_") or name in ("rt", "bundle")})

import crash as crash_module  # noqa: E402


@pytest.fixture(scope="session")
def tools(request):
    """Compiled helpers, and how dense the sweeps are."""
    return crash_module.Tools(request.config)


@pytest.fixture
def crash(rt, tools):
    return crash_module.Crash(rt, tools)


def pytest_report_header(config):
    return [runtime_conftest.pytest_report_header(config), crash_module.describe_stride(config)]
