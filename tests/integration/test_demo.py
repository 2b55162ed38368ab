"""tools/demo.sh, what `make run` runs: the commands that it prints work as they are printed."""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile

import pytest
from conftest import BIN, TOP, wait_for


def greets():
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", 2143), timeout=20) as s:
        return s.recv(100)


@pytest.fixture
def demo():
    """Starts it with the programs of a PATH; what it prints. The server's user must be able to reach its directory."""
    d = pathlib.Path(tempfile.mkdtemp(prefix="ph-demo-", dir="/var/tmp"))
    d.chmod(0o755)
    running = []

    def start(path=os.environ["PATH"]):
        p = subprocess.Popen([TOP / "tools/demo.sh", BIN, d / "data"], env=dict(os.environ, PATH=str(path)), stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        running.append(p)
        told = []
        for line in p.stdout:
            told.append(line)
            if line.startswith("End:"):
                wait_for("the server", greets)  # before that Ctrl-C would reach a shell
                return "".join(told)
        raise AssertionError("".join(told))

    yield start
    for p in running:
        p.send_signal(signal.SIGINT)
        p.communicate(timeout=60)
        assert p.returncode == 0
    shutil.rmtree(d)


def test_commands_work(demo):
    told = demo()
    send = re.search(r"^Send: +(.*)$", told, re.M)[1]
    reads = re.findall(r"^(?:Read:)? +(curl .*)$", told, re.M)
    looks = re.findall(r"^(?:Look:)? +(\S+ tool .*)$", told, re.M)
    assert len(reads) == 2 and len(looks) == 3

    def run(command):
        return subprocess.run(["sh", "-c", command], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert run(send).returncode == 0
    for command in reads:
        assert "This is a test mailing" in wait_for(command, lambda: run(command).stdout)
    for command in looks:
        r = run(command)
        assert r.returncode == 0, r.stderr


def test_mutt(demo, tmp_path):
    """How to read with mutt is said where it is not installed, too."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for d in os.environ["PATH"].split(":"):
        for p in pathlib.Path(d).glob("*"):
            if p.name != "mutt" and not os.path.lexists(programs / p.name):
                os.symlink(p, programs / p.name)
    line = next(l for l in demo(programs).splitlines() if "mutt -e" in l)
    assert "-f imap://bob%40example.test:demo-bob@127.0.0.1:2143/INBOX" in line and line.endswith("# after: apt install mutt")
