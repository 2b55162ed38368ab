"""Other people's servers on loopback addresses of the test's own network namespace, each with all its files in one
directory and ended by pid: a name server (unbound) and a mail server (Postfix with Dovecot).

Everyone uses the real ports, so each server has an address of its own:
"""
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest

DNS = "127.0.0.53"
PEER = "127.0.0.2"     # Postfix and Dovecot: peer.test
OURS = "127.0.0.3"     # Posthorn: example.test
SECOND = "127.0.0.4"   # another Posthorn: second.test
SIGNED = "127.0.0.54"   # knotd with signed zones
NOBODY = "127.0.0.9"   # nothing listens there
VMAIL = 5000           # uid of Dovecot's mail files

RECORDS = """
example.test MX 10 mail.example.test
mail.example.test A 127.0.0.3
peer.test MX 10 mx.peer.test
mx.peer.test A 127.0.0.2
second.test MX 10 mail.second.test
mail.second.test A 127.0.0.4
only-a.test A 127.0.0.2
fallback.test MX 5 dead.fallback.test
fallback.test MX 20 mx.peer.test
dead.fallback.test A 127.0.0.9
down.test MX 10 down.down.test
down.down.test A 127.0.0.9
null.test MX 0 .
nowhere.test MX 10 gone.nowhere.test
loop.test MX 10 mail.example.test
text.test TXT nothing-else
""".strip().splitlines()


def need_root():
    """Postfix and Dovecot change users: uid 0 of a user namespace with one uid is not enough."""
    if os.geteuid() or len(open("/proc/self/uid_map").read().split()) != 3 or \
            int(open("/proc/self/uid_map").read().split()[2]) < 65536:
        pytest.skip("Postfix needs a real root")


def wait_answer(address, port, timeout=30, udp=False):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        try:
            with socket.create_connection((address, port), timeout=5):
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"no answer from {address}:{port}")


def end_pid(pid, timeout=20):
    try:
        os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            os.kill(pid, 0)
            if open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] == "Z":
                return
            time.sleep(0.05)
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, FileNotFoundError):
        pass


class NameServer:
    """unbound that knows RECORDS and asks nobody but the servers of stubs ({zone: address})."""

    def __init__(self, directory, records=RECORDS, address=DNS, stubs=None, refused=()):
        self.dir, self.address, self.proc = pathlib.Path(directory), address, None
        data = "".join(f"    local-data: '{n}. 60 IN {t} {' '.join(v if v.isdigit() or t in ('A', 'AAAA', 'TXT') else v.rstrip('.') + '.' for v in rest)}'\n"
                       for n, t, *rest in map(str.split, records))
        zones = "".join(f'    local-zone: "{z}." transparent\n' for z in stubs or {})
        zones += "".join(f'    local-zone: "{z}." always_refuse\n' for z in ("broken.test", *refused))
        stub = "".join(f'stub-zone:\n    name: "{z}."\n    stub-addr: {a}@53\n' for z, a in (stubs or {}).items())
        (self.dir / "unbound.conf").write_text(f"""server:
    directory: "{self.dir}"
    chroot: ""
    username: ""
    pidfile: ""
    logfile: "{self.dir}/unbound.log"
    use-syslog: no
    log-queries: yes
    do-daemonize: no
    interface: {address}@53
    access-control: 127.0.0.0/8 allow
    num-threads: 1
    local-zone: "." static
    local-zone: "test." static
    do-not-query-localhost: no
{zones}{data}{stub}remote-control:
    control-enable: no
""")

    def start(self):
        self.proc = subprocess.Popen(["unbound", "-d", "-c", str(self.dir / "unbound.conf")], stdin=subprocess.DEVNULL,
                                     stdout=subprocess.DEVNULL, stderr=open(self.dir / "stderr", "wb"))
        wait_answer(self.address, 53)
        return self

    def queries(self):
        return (self.dir / "unbound.log").read_text()

    def stop(self):
        if self.proc and self.proc.poll() is None:
            self.proc.terminate()
            self.proc.wait(20)


class SignedZones:
    """knotd with zones ({name: records}), signed with keys that it makes, but for those of plain."""

    def __init__(self, directory, zones, plain=(), address=SIGNED):
        self.dir, self.zones, self.plain, self.address, self.proc = pathlib.Path(directory), zones, plain, address, None
        listed = "".join(f"  - domain: {z}\n    dnssec-signing: {'off' if z in plain else 'on'}\n    dnssec-policy: p\n" for z in zones)
        (self.dir / "knot.conf").write_text(f"""server:
    rundir: "{self.dir}"
    listen: {address}@53
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: "{self.dir}"
policy:
  - id: p
    algorithm: ecdsap256sha256
    single-type-signing: on
template:
  - id: default
    storage: "{self.dir}"
    zonefile-sync: -1
zone:
{listed}""")
        for z, records in zones.items():
            (self.dir / f"{z}.zone").write_text(f"$ORIGIN {z}.\n$TTL 60\n@ SOA ns root 1 3600 600 86400 60\n@ NS ns\nns A {address}\n{records}\n")

    def start(self):
        self.proc = subprocess.Popen(["knotd", "-c", str(self.dir / "knot.conf")], stdin=subprocess.DEVNULL,
                                     stdout=open(self.dir / "log", "wb"), stderr=subprocess.STDOUT)
        wait_answer(self.address, 53)
        return self

    def anchors(self, forged=()):
        """The DS records of the signed zones as a file of trust anchors; of those that are forged one that does not fit."""
        lines = []
        for z in self.zones:
            if z in self.plain:
                continue
            for _ in range(100):  # until the keys are made
                out = subprocess.run(["keymgr", "-c", str(self.dir / "knot.conf"), z, "ds"], capture_output=True, text=True).stdout
                ds = [l for l in out.splitlines() if " 13 2 " in l]
                if ds:
                    break
                time.sleep(0.1)
            lines.append(ds[0][:-8] + ("00000000" if not ds[0].endswith("00000000") else "11111111") if z in forged else ds[0])
        path = self.dir / "anchors"
        path.write_text("\n".join(lines) + "\n")
        self.dir.chmod(0o755)
        return path

    def stop(self):
        if self.proc and self.proc.poll() is None:
            self.proc.terminate()
            self.proc.wait(20)


class PostfixDovecot:
    """A Debian mail server as most people run it, for peer.test and only-a.test; users dave and erin."""

    USERS = ("dave", "erin")
    DOMAINS = ("peer.test", "only-a.test")
    PASSWORD = "peer-word"

    def __init__(self, directory, nameserver=DNS, address=PEER):
        need_root()
        self.dir, self.address = pathlib.Path(directory), address
        d = self.dir
        os.chmod(d, 0o755)
        for sub in ("mail", "log", "dc/run", "dc/state", "pf/conf", "pf/spool", "pf/data"):
            (d / sub).mkdir(parents=True, exist_ok=True)
        os.chown(d / "mail", VMAIL, VMAIL)
        shutil.chown(d / "pf/data", "postfix")
        os.chmod(d / "log", 0o1777)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                        "-subj", "/CN=mx.peer.test", "-keyout", d / "key.pem", "-out", d / "cert.pem"],
                       check=True, capture_output=True)
        (d / "resolv.conf").write_text(f"nameserver {nameserver}\n")
        (d / "users").write_text("".join(f"{u}@peer.test:{{PLAIN}}{self.PASSWORD}\n" for u in self.USERS))
        (d / "vmap").write_text("".join(f"{u}@{dom} {u}@peer.test\n" for u in self.USERS for dom in self.DOMAINS)
                                + "busy@peer.test dave@peer.test\nshut@peer.test dave@peer.test\n"
                                # taken, and returned later
                                + "ghost@peer.test nobody-there@peer.test\n")
        (d / "access").write_text("busy@peer.test 450 4.2.1 come back later\nshut@peer.test 550 5.2.1 this mailbox is shut\n")
        (d / "dc/dovecot.conf").write_text(self.dovecot_conf())
        (d / "pf/conf/main.cf").write_text(self.main_cf())
        (d / "pf/conf/master.cf").write_text(self.master_cf())

    def dovecot_conf(self):
        d = self.dir
        return f"""base_dir = {d}/dc/run
state_dir = {d}/dc/state
log_path = {d}/log/dovecot
protocols = imap lmtp
listen = {self.address}
ssl = yes
ssl_cert = <{d}/cert.pem
ssl_key = <{d}/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_username_format = %Lu
mail_location = maildir:~/maildir
first_valid_uid = {VMAIL}
passdb {{
  driver = passwd-file
  args = {d}/users
}}
userdb {{
  driver = static
  args = uid={VMAIL} gid={VMAIL} home={d}/mail/%n
}}
namespace inbox {{
  inbox = yes
}}
service lmtp {{
  unix_listener lmtp {{
    mode = 0666
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
"""

    def main_cf(self):
        d = self.dir
        return f"""compatibility_level = 3.7
queue_directory = {d}/pf/spool
data_directory = {d}/pf/data
maillog_file = {d}/log/postfix
maillog_file_prefixes = {d}
mail_owner = postfix
setgid_group = postdrop
meta_directory = /etc/postfix
inet_interfaces = {self.address}
inet_protocols = ipv4
smtp_bind_address = {self.address}
myhostname = mx.peer.test
myorigin = peer.test
mydestination =
local_recipient_maps =
alias_maps =
mynetworks = 127.0.0.1/32
virtual_alias_maps = texthash:{d}/vmap
virtual_mailbox_domains = {' '.join(self.DOMAINS)}
virtual_mailbox_maps = texthash:{d}/vmap
virtual_transport = lmtp:unix:{d}/dc/run/lmtp
smtpd_recipient_restrictions = check_recipient_access texthash:{d}/access
smtpd_tls_cert_file = {d}/cert.pem
smtpd_tls_key_file = {d}/key.pem
smtpd_tls_security_level = may
smtpd_tls_received_header = yes
smtpd_tls_loglevel = 1
smtp_tls_security_level = may
smtp_tls_loglevel = 1
message_size_limit = 104857600
virtual_mailbox_limit = 0
minimal_backoff_time = 2s
in_flow_delay = 0
"""

    def master_cf(self):
        return f"""{self.address}:25 inet n - n - - smtpd
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
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

    def run(self, *words):
        out = self.dir / "log/start"
        # /etc/resolv.conf is another one for them: Postfix asks the resolver of the C library, at port 53.
        r = subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-c",
                            'mount --bind "$0" "$(realpath /etc/resolv.conf)" && exec "$@"', str(self.dir / "resolv.conf"), *words],
                           stdin=subprocess.DEVNULL, stdout=open(out, "wb"), stderr=subprocess.STDOUT, timeout=60)
        assert r.returncode == 0, out.read_text() + self.log()

    def start(self):
        # Postfix only takes addresses that an interface has, not just any of 127.0.0.0/8.
        subprocess.run(["ip", "address", "replace", f"{self.address}/8", "dev", "lo"], check=True)
        self.run("dovecot", "-c", str(self.dir / "dc/dovecot.conf"))
        self.start_postfix()
        wait_answer(self.address, 143)
        return self

    def start_postfix(self):
        self.run("postfix", "-c", str(self.dir / "pf/conf"), "start")
        wait_answer(self.address, 25)

    def stop_postfix(self):
        self.end("pf/spool/pid/master.pid")

    def end(self, pidfile):
        try:
            end_pid(int((self.dir / pidfile).read_text()))
        except FileNotFoundError:
            pass

    def stop(self):
        self.stop_postfix()
        self.end("dc/run/master.pid")

    def log(self, name="postfix"):
        f = self.dir / "log" / name
        return f.read_text(errors="replace") if f.exists() else ""

    def queue(self):
        return subprocess.run(["postqueue", "-c", str(self.dir / "pf/conf"), "-j"], capture_output=True, text=True).stdout

    def messages(self, user):
        """All messages in the user's INBOX, oldest first."""
        import imaplib
        c = imaplib.IMAP4(self.address, 143)
        c.login(f"{user}@peer.test", self.PASSWORD)
        n = int(c.select("INBOX", readonly=True)[1][0])
        out = [c.fetch(str(i), "(BODY.PEEK[])")[1][0][1] for i in range(1, n + 1)]
        c.logout()
        return out


class SmtpSink:
    """Postfix's smtp-sink: takes everything, without TLS."""

    def __init__(self, directory, address):
        self.address, self.proc = address, None

    def start(self):
        self.proc = subprocess.Popen(["smtp-sink", "-u", "nobody", f"{self.address}:25", "100"], stdin=subprocess.DEVNULL)
        wait_answer(self.address, 25)
        return self

    def stop(self):
        if self.proc:
            self.proc.terminate()
            self.proc.wait(20)


@contextlib.contextmanager
def stage():
    """Gives a function that makes such servers, each in a directory of its own; at the end they are stopped, the last first."""
    made, dirs = [], []

    def begin(what, *args, **kw):
        dirs.append(tempfile.mkdtemp(prefix="phpeer-", dir="/var/tmp"))
        made.append(what(dirs[-1], *args, **kw))
        return made[-1]

    try:
        yield begin
    finally:
        for m in reversed(made):
            m.stop()
        for d in dirs:
            shutil.rmtree(d, ignore_errors=True)


def neighbour(make, domain="example.test", address=OURS, users=("alice", "bob", "carol"), settings=None, **kw):
    """A Posthorn that the others find by its MX record: it listens on port 25 of its address and sends from there."""
    s = make(start=False, domain=domain, hostname=f"mail.{domain}", users=users, **kw)
    own = {"smtp.listen": f"127.0.0.1:{s.port['smtp']};{address}:25", "dns.servers": DNS, "deliver.source_ip": address,
           "net.trusted_ips": "127.0.0.1", "dns.cache": "no", "log.mailflow": "extended"}
    (s.dir / "more.txt").write_text("".join(f'set {k} "{v}"\n' for k, v in {**own, **(settings or {})}.items()))
    s.tool("batch", str(s.dir / "more.txt"))
    return s.start()


def of_certificate(pem, what):
    """A field as `openssl x509` shows it."""
    out = subprocess.run(["openssl", "x509", "-noout", f"-{what}", "-sha256", "-in", pem], capture_output=True, text=True, check=True)
    return out.stdout.strip().split("=", 1)[1]
