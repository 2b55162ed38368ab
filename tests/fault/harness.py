"""Servers that are ended without warning: process lists, kills, restarts, simulated disks."""
import os
import pathlib
import shutil
import signal
import subprocess
import time
import uuid

HERE = pathlib.Path(__file__).resolve().parent


def modules(server):
    """Module name -> pid of the running supervisor's children."""
    return server.pids()


def alive(pid):
    try:
        return open(f"/proc/{pid}/stat", encoding="ascii").read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_gone(pids, timeout=30):
    end = time.monotonic() + timeout
    while any(alive(p) for p in pids):
        if time.monotonic() > end:
            raise AssertionError(f"processes {[p for p in pids if alive(p)]} are still there after {timeout} s")
        time.sleep(0.005)


def kill_all(server):
    """Everything at once, as when the power goes: nobody starts a module again meanwhile."""
    top = server.proc.pid
    os.kill(top, signal.SIGSTOP)
    children = list(modules(server).values())
    for p in children:
        try:
            os.kill(p, signal.SIGKILL)
        except ProcessLookupError:
            pass
    os.kill(top, signal.SIGKILL)
    server.proc.wait()
    wait_gone(children)


def start_again(server, wait=True):
    """`serve` once more on the same directory."""
    from conftest import BIN
    log = open(server.dir / "serve.log", "ab")
    server.proc = subprocess.Popen([BIN, "serve", *server.args(), "--quiet"], stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=log, env=server.env)
    if wait:
        for name in ("smtp", "submission", "imap", "pop3"):
            server.wait_port(server.port[name])


SCRIPT = """require ["fileinto", "mailbox", "copy"];
fileinto :create "Filed";
redirect :copy "u13@example.test";
"""


def lay_roads(server, books):
    """Mail goes on by forwarding, copies, a list and a script, also one after the other; some leaves for another server."""
    def fields(user, *values):
        server.tool("change", "account", f"{user}@example.test", *values)
    fields("u01", "forward_to=u02@example.test")
    fields("u03", "forward_to=u01@example.test", "keep_copy=no")
    fields("u04", "copy_incoming=u05@example.test")
    fields("u06", "forward_to=far@elsewhere.test")
    fields("u07", "forward_to=all@example.test")
    server.tool("sieve", "put", "u12@example.test", "main", SCRIPT)
    server.tool("sieve", "activate", "u12@example.test", "main")
    server.tool("create", "account", "all@example.test", "kind=list", "list_post=anyone")
    server.tool("change", "members", "all@example.test", "add=" + ";".join(f"u{i:02d}@example.test" for i in (8, 9, 10, 11, 12)))
    books.roads = {"u01": ("u01", "u02"), "u03": ("u01", "u02"), "u04": ("u04", "u05"),
                   "u12": ("u12", "u13"), "all": ("u08", "u09", "u10", "u11", "u12", "u13")}
    books.roads["u07"] = ("u07", *books.roads["all"])
    books.leave = {"u06"}


def build(target, sources, *flags):
    """Compiles a helper of the tests."""
    subprocess.run(["cc", "-std=c17", "-D_GNU_SOURCE", "-O2", "-g", "-Wall", "-Wextra", "-Werror", *flags, "-o", str(target),
                    *[str(HERE / s) for s in sources]], check=True)
    return target


class Disk:
    """The server's data directory on a disk that can lose its power (powercut.h)."""

    def __init__(self, directory, data, names="posix"):
        self.dir, self.data = pathlib.Path(directory), pathlib.Path(data)
        self.shadow = self.dir / "shadow"
        self.boot = self.dir / "boot_id"
        self.tool = build(self.dir / "powercut", ("powercut_tool.c", "powercut_shadow.c"))
        self.library = build(self.dir / "powercut.so", ("powercut.c", "powercut_shadow.c"), "-shared", "-fPIC")
        self.env = {"LD_PRELOAD": str(self.library), "POWERCUT_ROOT": str(self.data), "POWERCUT_SHADOW": str(self.shadow),
                    "POWERCUT_NAMES": names, "POWERCUT_BOOT_ID": str(self.boot),
                    "ASAN_OPTIONS": "verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", "")}
        self.begin()

    def begin(self):
        """A new boot; everything that is there is durable."""
        shutil.rmtree(self.shadow, ignore_errors=True)
        self.boot.write_text(f"{uuid.uuid4()}\n")
        subprocess.run([self.tool, "begin", self.data, self.shadow], check=True)
        for p in (self.shadow, *self.shadow.rglob("*")):
            os.chmod(p, 0o777 if p.is_dir() else 0o666)

    def cut(self, mode, seed):
        """All processes are gone: what the disk has now becomes the data directory. Returns a report."""
        after = self.dir / "after"
        r = subprocess.run([self.tool, "restore", self.data, self.shadow, after, mode, str(seed)], check=True,
                           capture_output=True, text=True)
        shutil.rmtree(self.data)
        after.rename(self.data)
        time.sleep(1.1)  # no machine is up again within the same second
        self.begin()
        return r.stdout.strip()
