"""`make install`: the files, the manual pages, the systemd unit, and a server that runs from there."""
import http.client
import os
import re
import shutil
import subprocess

import pytest
from conftest import BIN, TOP, wait_for

PAGES = ("posthorn.8", "posthorn-tool.8")


@pytest.fixture
def install(tmp_path):
    """Runs `make install` on what is built already, from a directory that looks like the checkout after `make build console`."""
    os.symlink(TOP / "Makefile", tmp_path / "Makefile")
    os.symlink(TOP / "packaging", tmp_path / "packaging")
    (tmp_path / "build/console/assets").mkdir(parents=True, mode=0o700)
    os.symlink(os.path.abspath(BIN), tmp_path / "build/posthorn")
    for name in ("index.html", "assets/new.js"):
        (tmp_path / "build/console" / name).write_text("installed")
        (tmp_path / "build/console" / name).chmod(0o600)

    def run(**variables):
        words = [f"{k}={v}" for k, v in variables.items()]
        subprocess.run(["make", "--old-file=build", "install", *words], cwd=tmp_path, check=True, timeout=120, capture_output=True)
    return run


def files(below):
    return {str(p.relative_to(below)): oct(p.stat().st_mode & 0o777) for p in below.rglob("*") if p.is_file()}


def test_files(install, tmp_path):
    dest = tmp_path / "dest"
    stale = dest / "opt/mail/share/posthorn/console/assets/old.js"
    stale.parent.mkdir(parents=True)
    stale.write_text("of the version before")
    install(DESTDIR=dest, PREFIX="/opt/mail")
    pages = {f"share/man/man8/{page}": "0o644" for page in PAGES}
    assert files(dest / "opt/mail") == {
        "sbin/posthorn": "0o755", "lib/systemd/system/posthorn.service": "0o644",
        "share/posthorn/console/index.html": "0o644", "share/posthorn/console/assets/new.js": "0o644", **pages}
    assert list(files(dest)) == [f"opt/mail/{f}" for f in files(dest / "opt/mail")]  # nothing beside the prefix
    unit = (dest / "opt/mail/lib/systemd/system/posthorn.service").read_text()
    assert "ExecStart=/opt/mail/sbin/posthorn serve --quiet\n" in unit
    assert not re.search(r"@\w+@", unit) and str(dest) not in unit
    for page in pages:
        shown = subprocess.run(["mandoc", "-T", "utf8", "-W", "warning,stop", dest / "opt/mail" / page], capture_output=True, text=True)
        assert shown.returncode == 0 and "posthorn" in shown.stdout, shown.stderr
    for page, section in re.findall(r"man:([\w-]+)\((\d)\)", unit):
        assert f"share/man/man{section}/{page}.{section}" in pages


def test_unit(install, tmp_path):
    """systemd knows each directive of the unit and finds the program."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed (tools/install-deps.sh test)")
    install(PREFIX=tmp_path / "usr")
    unit = tmp_path / "usr/lib/systemd/system/posthorn.service"

    def verify():
        return subprocess.run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", unit], capture_output=True, text=True, timeout=120)

    r = verify()
    assert r.returncode == 0 and "posthorn.service" not in r.stderr, r.stderr
    # It would have told.
    unit.write_text(unit.read_text().replace("ProtectHome=", "ProtectHomes="))
    assert "'ProtectHomes'" in verify().stderr


def test_runs_from_there(install, make_server):
    """The console is found beside the program."""
    s = make_server(start=False)
    prefix = s.dir / "usr"
    install(PREFIX=prefix)
    log = open(s.dir / "serve.log", "ab")
    s.proc = subprocess.Popen([prefix / "sbin/posthorn", "serve", *s.args(), "--quiet"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=s.env)

    def page():
        try:
            c = http.client.HTTPConnection("127.0.0.1", s.port["http"], timeout=20)
            c.request("GET", "/assets/new.js")
            return c.getresponse().read()
        except OSError:
            return None
    assert wait_for("the web server", page) == b"installed"
    assert s.stop() == 0
