# SPDX-License-Identifier: LGPL-2.1-or-later
"""What ocirun says to the mistakes of docs/diagnostics.md, word for word (diagnostics.py), and that the page says
so too. Those of ordinary users and of systemd: test_diagnostics_user.py, test_systemd_words.py."""

import os

import pytest

import diagnostics
import test_systemd_words
from harness import cgroup_layout

HEADINGS = {"hybrid": "## cgroups: hybrid", "bare": "## cgroups: v2 alone, with only hugetlb", "v2": "## cgroups: v2"}

pytestmark = [pytest.mark.ocirun_only, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]


def cases(layout):
    return [c for c in diagnostics.CASES if layout in c.says]


def check(rt, bundle, mistake, layout):
    c = next(c for c in cases(layout) if c.mistake == mistake)
    result = c.make(rt, bundle)
    assert result.rc != 0 and diagnostics.text_of(result) == c.says[layout]


@pytest.mark.parametrize("mistake", [c.mistake for c in cases(cgroup_layout())])
def test_words(rt, bundle, mistake):
    check(rt, bundle, mistake, cgroup_layout())


if cgroup_layout() == "hybrid":     # a machine of pure v2 has the first list
    @pytest.mark.parametrize("mistake", [c.mistake for c in cases("bare")])
    def test_words_on_v2_with_few_controllers(v2, bundle, mistake):
        check(v2, bundle, mistake, "bare")


@pytest.mark.parametrize("layout", ["hybrid", "bare", "v2"])
def test_the_page_has_them(layout):
    assert {c.mistake: c.says[layout] for c in cases(layout)} == diagnostics.page(HEADINGS[layout])


def test_the_page_has_them_of_systemd():
    assert test_systemd_words.page() == diagnostics.page("## systemd")
