"""Postfix and Dovecot beside us, each with all its files in one directory; nothing in /etc is touched. Needs root."""
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

MAIN_CF = """compatibility_level = 3.7
queue_directory = {d}/spool
data_directory = {d}/data
maillog_file = {d}/log
maillog_file_prefixes = {d}
mail_owner = postfix
setgid_group = postdrop
meta_directory = /etc/postfix
inet_interfaces = loopback-only
inet_protocols = ipv4
myhostname = mx.bench.test
mydestination =
local_recipient_maps =
alias_maps =
mynetworks = 127.0.0.0/8
smtpd_tls_security_level = none
smtp_tls_security_level = none
smtpd_client_connection_count_limit = 0
in_flow_delay = 0
"""
MASTER_CF = """{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
lmtp unix - - n - - lmtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""
DOVECOT_CONF = """base_dir = {d}/run
state_dir = {d}/state
log_path = {d}/log
protocols = lmtp
listen = 127.0.0.1
ssl = no
mail_location = maildir:~/maildir
mail_fsync = optimized
first_valid_uid = {uid}
default_vsz_limit = 2G
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid={uid} gid={uid} home={d}/mail/%n allow_all_users=yes
}}
namespace inbox {{
  inbox = yes
}}
service lmtp {{
  process_min_avail = 4
  unix_listener lmtp {{
    mode = 0666
  }}
}}
"""
VMAIL = 5000


def wait_for(what, seconds=60):
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            raise SystemExit("waited in vain")
        time.sleep(0.02)


def answers(port, host="127.0.0.1"):
    try:
        with socket.create_connection((host, port), timeout=5) as s:
            return s.recv(1) != b""
    except OSError:
        return False


def tree_cpu(root):
    """Seconds of CPU that a process and all below it have used, ended children included."""
    stats, kids = {}, {}
    for p in filter(str.isdigit, os.listdir("/proc")):
        try:
            f = open(f"/proc/{p}/stat").read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        stats[int(p)] = sum(map(int, f[11:15]))
        kids.setdefault(int(f[1]), []).append(int(p))
    todo, total = [root], 0
    while todo:
        p = todo.pop()
        total += stats.get(p, 0)
        todo += kids.get(p, [])
    return total / os.sysconf("SC_CLK_TCK")


class Sink:
    """smtp-sink that counts; `-c` writes "mesg=N" each time."""

    def __init__(self, address):
        self.proc = subprocess.Popen(["smtp-sink", "-c", "-u", "nobody", address, "1000"], stdin=subprocess.DEVNULL,
                                     stdout=subprocess.PIPE)
        os.set_blocking(self.proc.stdout.fileno(), False)
        self.n = 0
        host, port = address.split(":")
        wait_for(lambda: answers(int(port), host))

    def count(self):
        while text := self.proc.stdout.read(65536):
            for m in re.finditer(rb"mesg=(\d+)", text):
                self.n = int(m[1])
        return self.n

    def stop(self):
        self.proc.terminate()
        self.proc.wait()


class Postfix:
    """settings: further lines of main.cf. Directory d must be one that every user may enter."""

    def __init__(self, d, port, settings=""):
        self.d = pathlib.Path(d)
        for sub in ("conf", "spool", "data"):
            (self.d / sub).mkdir(parents=True, exist_ok=True)
        subprocess.run(["chown", "postfix", self.d / "data"], check=True)
        (self.d / "conf/main.cf").write_text(MAIN_CF.format(d=self.d) + settings)
        (self.d / "conf/master.cf").write_text(MASTER_CF.format(port=port))
        subprocess.run(["postfix", "-c", self.d / "conf", "start"], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        wait_for(lambda: answers(port))
        self.pid = int((self.d / "spool/pid/master.pid").read_text())

    def removed(self):
        """Messages that have left the queue."""
        return (self.d / "log").read_text().count(": removed\n")

    def stop(self):
        os.kill(self.pid, signal.SIGTERM)


class Dovecot:
    """LMTP into maildirs, for every user that is named."""

    def __init__(self, d):
        self.d = pathlib.Path(d)
        (self.d / "mail").mkdir(parents=True)
        os.chown(self.d / "mail", VMAIL, VMAIL)
        self.socket = self.d / "run/lmtp"
        (self.d / "conf").write_text(DOVECOT_CONF.format(d=self.d, uid=VMAIL))
        subprocess.run(["dovecot", "-c", self.d / "conf"], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        wait_for(lambda: self.socket.exists() and (self.d / "run/master.pid").exists())
        self.pid = int((self.d / "run/master.pid").read_text())

    def stop(self):
        os.kill(self.pid, signal.SIGTERM)
