"""What goes wrong inside a server fails the run, though its modules are started again at once: a module's crash, a sanitizer's
report from any process. Shown by runs of this file's inner tests, which must fail."""
import os
import pathlib
import re
import signal
import subprocess
import sys

import pytest

from conftest import SANITIZED, wait_for

INNER = "POSTHORN_TEST_INNER"
MODULES = ("smtp", "access", "control")
inner = pytest.mark.skipif(INNER not in os.environ, reason="fails on purpose; run by the tests below")
outer = pytest.mark.skipif(INNER in os.environ, reason="runs the others")


def crash(server, module):
    """By the signal of a wild pointer, which a sanitizer reports; nobody but the supervisor notices."""
    pid = server.pids()[module]
    os.kill(pid, signal.SIGSEGV)
    wait_for("a new process", lambda: server.pids().get(module) not in (None, pid))


@inner
@pytest.mark.parametrize("module", MODULES)
def test_inner_crash(make_server, module):
    crash(make_server(), module)


@inner
def test_inner_crash_of_a_shared_server(server):
    crash(server, "smtp")


@inner
def test_inner_crash_while_it_finishes(make_server):
    """In the middle of the drain, when nothing is started again."""
    s = make_server()
    pid = s.pids()["access"]
    os.kill(pid, signal.SIGSTOP)
    s.proc.send_signal(signal.SIGTERM)
    wait_for("the drain", lambda: "smtp" not in s.pids())
    os.kill(pid, signal.SIGSEGV)
    os.kill(pid, signal.SIGCONT)
    s.proc.wait(60)


@inner
def test_inner_report_of_any_process():
    """As a process writes it that the test does not look at."""
    path = re.findall(r"log_path=(\S+)", os.environ["TSAN_OPTIONS"])[-1]
    pathlib.Path(f"{path}.1").write_text("WARNING: ThreadSanitizer: data race\n")


@inner
def test_inner_report_on_standard_error(make_server):
    s = make_server()
    with open(s.dir / "serve.log", "a") as f:
        f.write("src/x.c:1:2: runtime error: signed integer overflow\n")


@inner
def test_inner_expected(make_server):
    """The counter-example."""
    s = make_server()
    pid = s.kill("smtp")
    wait_for("a new process", lambda: s.pids().get("smtp") not in (None, pid))


@pytest.fixture(scope="module")
def failures():
    """Runs the inner tests: name -> what is said about its failure."""
    r = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "inner", __file__],
                       env={**os.environ, INNER: "1"}, capture_output=True, text=True, timeout=600)
    text = r.stdout + r.stderr
    assert r.returncode == 1 and "8 passed, 7 errors" in re.sub(r"\d+ (skipped|deselected), ", "", text), text  # each fails when it is over
    parts = re.split(r"\n_+ ERROR at teardown of (\S+) _+\n", text)
    return dict(zip(parts[1::2], parts[2::2]))


@outer
@pytest.mark.parametrize("module", MODULES)
def test_a_crash_of_a_module_fails_the_run(failures, module):
    text = failures[f"test_inner_crash[{module}]"]
    # A sanitizer ends the process itself, by an abort or with a status.
    assert re.search(rf"module {module} \(process \d+\) (was ended by signal|ended with status)", text), text
    assert not SANITIZED or re.search(r"Sanitizer: SEGV", text), text


@outer
@pytest.mark.parametrize("name, what", [("test_inner_crash_of_a_shared_server", "module smtp .process"),
                                        ("test_inner_crash_while_it_finishes", "while it finished"),
                                        ("test_inner_report_of_any_process", "ThreadSanitizer: data race"),
                                        ("test_inner_report_on_standard_error", "signed integer overflow")])
def test_what_fails_the_run(failures, name, what):
    assert re.search(what, failures[name]), failures[name]


@outer
def test_what_a_test_has_done_itself_does_not(failures):
    assert len(failures) == 7 and "test_inner_expected" not in failures, failures.keys()
