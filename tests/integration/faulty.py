"""Tests that must fail, run by test_reports.py. Each passes in itself: what fails it happened where it does not look."""
import os
import pathlib
import re
import signal

import pytest

from conftest import wait_for

MODULES = ("smtp", "access", "control")


def crash(server, module):
    """By the signal of a wild pointer, which a sanitizer reports; nobody but the supervisor notices."""
    pid = server.pids()[module]
    os.kill(pid, signal.SIGSEGV)
    wait_for("a new process", lambda: server.pids().get(module) not in (None, pid))


@pytest.mark.parametrize("module", MODULES)
def test_crash(make_server, module):
    crash(make_server(), module)


def test_crash_while_it_finishes(make_server):
    """In the middle of the drain, when nothing is started again."""
    s = make_server()
    pid = s.pids()["access"]
    os.kill(pid, signal.SIGSTOP)
    s.proc.send_signal(signal.SIGTERM)
    wait_for("the drain", lambda: "smtp" not in s.pids())
    os.kill(pid, signal.SIGSEGV)
    os.kill(pid, signal.SIGCONT)
    s.proc.wait(60)


def test_report_of_any_process():
    """As a process writes it that the test does not look at."""
    path = re.findall(r"log_path=(\S+)", os.environ["TSAN_OPTIONS"])[-1]
    pathlib.Path(f"{path}.1").write_text("WARNING: ThreadSanitizer: data race\n")


def test_report_on_standard_error(make_server):
    s = make_server()
    with open(s.dir / "serve.log", "a") as f:
        f.write("src/x.c:1:2: runtime error: signed integer overflow\n")


def test_expected(make_server):
    """The counter-example."""
    s = make_server()
    pid = s.kill("smtp")
    wait_for("a new process", lambda: s.pids().get("smtp") not in (None, pid))


def test_crash_of_a_shared_server(server):
    """The last one: a shared server is stopped after all tests of a file."""
    crash(server, "smtp")
