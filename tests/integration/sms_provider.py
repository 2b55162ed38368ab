"""A provider of SMS: a real HTTP or HTTPS server that keeps what it was asked and answers as a test wants."""
import http.server
import json
import ssl
import subprocess
import threading


def certificate(d):
    """A certificate for 127.0.0.1, by an authority of its own: (chain with key, authority)."""
    def run(*words):
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    run("req", "-x509", *curve, "-days", "30", "-subj", "/CN=SMS CA", "-keyout", d / "ca.key", "-out", d / "ca.pem")
    run("req", *curve, "-subj", "/CN=provider", "-keyout", d / "key.pem", "-out", d / "csr.pem")
    (d / "ext").write_text("subjectAltName=IP:127.0.0.1\n")
    run("x509", "-req", "-in", d / "csr.pem", "-CA", d / "ca.pem", "-CAkey", d / "ca.key", "-CAcreateserial", "-days", "30", "-extfile",
        d / "ext", "-out", d / "cert.pem")
    both = d / "both.pem"
    both.write_bytes((d / "cert.pem").read_bytes() + (d / "key.pem").read_bytes())
    return both, d / "ca.pem"


class Asked:
    def __init__(self, h, body):
        self.method, self.path, self.headers, self.body = h.command, h.path, h.headers, body
        self.id = h.headers.get("Idempotency-Key")

    def json(self):
        return json.loads(self.body)


class Provider:
    """how: called with the handler and the request; None answers 200. What arrives is in `asked`."""

    def __init__(self, chain=None):
        self.asked, self.how = [], None
        self.arrived = threading.Condition()
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with provider.arrived:
                    provider.asked.append(Asked(self, body))
                    provider.arrived.notify_all()
                (provider.how or good)(self, provider.asked[-1])

            do_GET = do_PUT = do_POST

            def log_message(self, *args):
                pass

        class Quiet(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass

        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.tls = chain is not None
        if chain:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(chain)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}/send"

    def wait(self, n, timeout=60):
        """The first n requests."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.asked) >= n, timeout), f"{len(self.asked)} requests, not {n}"
            return list(self.asked[:n])

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def answer(status, text="{}", **headers):
    """A way to answer."""
    def how(h, asked):
        body = text.encode() if isinstance(text, str) else text
        h.send_response(status)
        for name, value in headers.items():
            h.send_header(name.replace("_", "-"), value)
        h.send_header("Content-Length", str(len(body)))
        h.end_headers()
        h.wfile.write(body)
    return how


good = answer(200, '{"status":"queued"}')
