"""Certificates by certbot, lego and uacme from a real ACME server (Pebble), as docs/operating.md says: got, served,
renewed under a live connection. What of these is not installed is skipped and said."""

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import unittest
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import DEADLINE_SEC, ROOST, Port, Server, Wire, wait_for

NAME = "mail.example.test"
EVERYWHERE = "/etc/ssl/certs/ca-certificates.crt"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Authority:
    """Pebble and a name server that knows one address, each on ports of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.ports = {name: Port() for name in ("acme", "manage", "http", "tls", "dns", "dns_manage")}
        self.url = "https://localhost:%d/dir" % self.port("acme")
        self.ca = os.path.join(folder, "acme.pem")  # of the ACME server's own door
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-keyout", os.path.join(folder, "acme.key"), "-out", self.ca, "-subj", "/CN=localhost", "-days", "3",
                        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
        config = {"listenAddress": "127.0.0.1:%d" % self.port("acme"),
                  "managementListenAddress": "127.0.0.1:%d" % self.port("manage"), "certificate": self.ca,
                  "privateKey": os.path.join(folder, "acme.key"), "httpPort": self.port("http"),
                  "tlsPort": self.port("tls"), "ocspResponderURL": "", "externalAccountBindingRequired": False}
        with open(os.path.join(folder, "pebble.json"), "w", encoding="ascii") as out:
            json.dump({"pebble": config}, out)
        log = open(os.path.join(folder, "pebble.log"), "wb")
        dns = "127.0.0.1:%d" % self.port("dns")
        self.processes = [
            subprocess.Popen(["pebble-challtestsrv", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-dns01", dns,
                              "-http01", "", "-https01", "", "-tlsalpn01", "", "-management",
                              "127.0.0.1:%d" % self.port("dns_manage")], stdout=log, stderr=log),
            subprocess.Popen(["pebble", "-config", os.path.join(folder, "pebble.json"), "-dnsserver", dns], stdout=log,
                             stderr=log, env=dict(os.environ, PEBBLE_VA_NOSLEEP="1", PEBBLE_WFE_NONCEREJECT="0")),
        ]
        log.close()
        wait_for(self.answers, "Pebble answers")

    def port(self, name):
        return self.ports[name].number

    def answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port("acme")), timeout=1):
                return True
        except OSError:
            return False

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait()
        for port in self.ports.values():
            port.close()


class Acme(unittest.TestCase):
    def setUp(self):
        for program in ("pebble", "pebble-challtestsrv", self.id().split("_")[-1]):
            if shutil.which(program) is None:
                self.skipTest("%s is not installed (dev/install-deps nightly)" % program)
        self.folder = tempfile.mkdtemp(prefix="roost-acme-", dir="/tmp")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.authority = Authority(self.folder)
        self.addCleanup(self.authority.close)
        # Whom these programs trust: the system's authorities and the ACME server's own door.
        self.trusted = os.path.join(self.folder, "trusted.pem")
        with open(self.trusted, "wb") as out:
            for name in (EVERYWHERE, self.authority.ca):
                if os.path.exists(name):
                    with open(name, "rb") as pem:
                        out.write(pem.read())

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def run_client(self, *words, prefix=()):
        env = dict(os.environ, SSL_CERT_FILE=self.trusted, REQUESTS_CA_BUNDLE=self.trusted, LEGO_CA_CERTIFICATES=self.trusted,
                   UACME_CHALLENGE_PATH=self.path("www", ".well-known", "acme-challenge"))
        done = subprocess.run([*prefix, *words], env=env, capture_output=True, text=True, timeout=4 * DEADLINE_SEC)
        self.assertEqual(done.returncode, 0, "%s\n%s\n%s" % (words, done.stdout, done.stderr))

    def serial(self, server):
        raw = socket.create_connection(("127.0.0.1", server.imaps_port), timeout=DEADLINE_SEC)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(raw, server_hostname=NAME) as tls:
            return tls.getpeercert(binary_form=True)

    def lives(self, cert, key, renew):
        """Serve what the client got; renew while somebody is connected; the hook tells the server."""
        server = Server(users=1, certificate=[cert], certificate_key=[key])
        self.addCleanup(server.close)
        server.start()
        first = self.serial(server)
        text = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-text"], input=first, capture_output=True,
                              check=True).stdout.decode()
        self.assertIn("Pebble Intermediate CA", text)
        self.assertIn("DNS:" + NAME, text)
        raw = socket.create_connection(("127.0.0.1", server.imaps_port), timeout=DEADLINE_SEC)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        stay = Wire(context.wrap_socket(raw, server_hostname=NAME))
        self.addCleanup(stay.close)
        stay.ok("LOGIN u1 pass")
        renew("%s reload -c %s" % (ROOST, server.config))
        wait_for(lambda: self.serial(server) != first, lambda: "the renewed certificate:\n" + server.log())
        self.assertIn("server.reload", server.log())  # by the hook, not by looking now and then
        stay.ok("NOOP")

    def test_certbot(self):
        common = ("--config-dir", self.path("etc"), "--work-dir", self.path("work"), "--logs-dir", self.path("logs"),
                  "--server", self.authority.url, "--non-interactive", "--agree-tos", "--register-unsafely-without-email",
                  "--standalone", "--http-01-address", "127.0.0.1", "--http-01-port", str(self.authority.port("http")),
                  "--key-type", "ecdsa", "-d", NAME)
        self.run_client("certbot", "certonly", *common)
        live = partial(self.path, "etc", "live", NAME)
        self.lives(live("fullchain.pem"), live("privkey.pem"), lambda hook: self.run_client(
            "certbot", "certonly", *common, "--force-renewal", "--deploy-hook", hook))

    def test_lego(self):
        common = ("--path", self.path("lego"), "--server", self.authority.url, "--email", "postmaster@example.test",
                  "--accept-tos", "--http", "--http.port", "127.0.0.1:%d" % self.authority.port("http"), "--key-type", "ec256",
                  "--domains", NAME)
        self.run_client("lego", *common, "run")
        got = partial(self.path, "lego", "certificates")
        self.lives(got(NAME + ".crt"), got(NAME + ".key"), lambda hook: self.run_client(
            "lego", *common, "renew", "--days", "10000", "--no-random-sleep", "--renew-hook", hook))

    def test_uacme(self):
        # Its library reads the system's list alone: ours takes its place, for this process only.
        prefix = ("unshare", "--mount", "--", "sh", "-c", 'mount --bind "$0" %s && exec "$@"' % EVERYWHERE, self.trusted)
        if subprocess.run([*prefix, "true"], capture_output=True).returncode != 0:
            self.skipTest("no mount namespaces here: uacme would not trust the ACME server")
        os.makedirs(self.path("www", ".well-known", "acme-challenge"))
        web = ThreadingHTTPServer(("127.0.0.1", self.authority.port("http")), partial(Quiet, directory=self.path("www")))
        threading.Thread(target=web.serve_forever, daemon=True).start()
        self.addCleanup(web.server_close)
        self.addCleanup(web.shutdown)
        common = ("uacme", "-a", self.authority.url, "-c", self.path("uacme"), "-t", "EC", "-b", "256", "-y")
        self.run_client(*common, "new", prefix=prefix)
        issue = (*common, "-f", "-h", "/usr/share/uacme/uacme.sh", "issue", NAME)
        self.run_client(*issue, prefix=prefix)

        def renew(hook):
            self.run_client(*issue, prefix=prefix)
            subprocess.run(hook.split(), check=True, capture_output=True)

        self.lives(self.path("uacme", NAME, "cert.pem"), self.path("uacme", "private", NAME, "key.pem"), renew)


if __name__ == "__main__":
    unittest.main()
