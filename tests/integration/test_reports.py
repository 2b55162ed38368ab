"""What goes wrong inside a server fails the run, though its modules are started again at once: a module's crash, a sanitizer's
report from any process. Shown by a run of faulty.py."""
import collections
import os
import pathlib
import re
import subprocess
import sys

import pytest

from conftest import SANITIZED
from faulty import MODULES

HERE = pathlib.Path(__file__).parent
FAILING = {*(f"test_crash[{m}]" for m in MODULES), "test_crash_of_a_shared_server", "test_crash_while_it_finishes",
           "test_report_of_any_process", "test_report_on_standard_error"}


def run_tests(name, *options):
    r = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, HERE / name], env=os.environ,
                       capture_output=True, text=True, timeout=600)
    return r.returncode, r.stdout + r.stderr


@pytest.fixture(scope="module")
def failures():
    """Runs the faulty tests: name -> what is said about its failure."""
    status, text = run_tests("faulty.py")
    assert status == 1 and re.search(rf"^{len(FAILING) + 1} passed, \d+ errors in", text, re.M), text
    parts = re.split(r"\n_+ ERROR at teardown of (\S+) _+\n", text)
    found = collections.defaultdict(str)
    for name, what in zip(parts[1::2], parts[2::2]):
        found[name] += what
    return found


@pytest.mark.parametrize("module", MODULES)
def test_a_crash_of_a_module_fails_the_run(failures, module):
    text = failures[f"test_crash[{module}]"]
    # A sanitizer ends the process itself, by an abort or with a status.
    assert re.search(rf"module {module} \(process \d+\) (was ended by signal|ended with status)", text), text
    assert not SANITIZED or re.search(r"Sanitizer: SEGV", text), text


@pytest.mark.parametrize("name, what", [("test_crash_of_a_shared_server", "module smtp .process|Sanitizer: SEGV"),
                                        ("test_crash_while_it_finishes", "while it finished"),
                                        ("test_report_of_any_process", "ThreadSanitizer: data race"),
                                        ("test_report_on_standard_error", "signed integer overflow")])
def test_what_fails_the_run(failures, name, what):
    assert re.search(what, failures[name]), failures[name]


def test_what_a_test_has_done_itself_does_not(failures):
    assert set(failures) == FAILING


def test_a_run_that_ends_early_says_only_what_failed():
    """The shared server is stopped after the last test, and what its processes have reported is still looked at."""
    status, text = run_tests("faulty_early.py", "-x")
    assert status == 1 and re.search(r"^1 failed in", text, re.M), text
    assert "as it should" in text and "INTERNALERROR" not in text and "FileNotFoundError" not in text, text
