"""rsyslog, as Debian has it, takes the audit log over TLS: each line comes to the octet, and verifies."""

import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from roost_server import DEADLINE_SEC, SKIPPED, Port, Server, need, wait_for
from test_ship import Pki

RSYSLOGD = need("rsyslogd", "rsyslog")
if not any(os.path.exists(os.path.join(folder, "rsyslog/lmnsd_gtls.so"))
           for folder in ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu")):
    print("skipped: rsyslog-gnutls missing")
    sys.exit(SKIPPED)

CONFIG = """
global(workDirectory="%(folder)s" maxMessageSize="320k" DefaultNetstreamDriver="gtls"
       DefaultNetstreamDriverCAFile="%(ca)s" DefaultNetstreamDriverCertFile="%(cert)s" DefaultNetstreamDriverKeyFile="%(key)s")
module(load="imtcp" StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.AuthMode="anon")
template(name="line" type="string" string="%%msg%%\\n")
input(type="imtcp" address="127.0.0.1" port="%(port)d" ruleset="audit")
ruleset(name="audit") { action(type="omfile" file="%(out)s" template="line") }
"""


class Rsyslog(unittest.TestCase):
    def test_it_takes_what_is_sent(self):
        port = Port()
        self.addCleanup(port.close)
        server = Server(users=1)
        self.addCleanup(server.close)
        pki = Pki(server.folder)
        cert, key = pki.issue("receiver", "DNS:localhost,IP:127.0.0.1")
        out = os.path.join(server.folder, "received")
        config = os.path.join(server.folder, "rsyslog.conf")
        with open(config, "w", encoding="ascii") as text:
            text.write(CONFIG % {"folder": server.folder, "ca": pki.ca, "cert": cert, "key": key, "port": port.number, "out": out})
        receiver = subprocess.Popen([RSYSLOGD, "-n", "-f", config, "-i", os.path.join(server.folder, "rsyslog.pid")],
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(receiver.wait, DEADLINE_SEC)
        self.addCleanup(receiver.terminate)
        server.set(audit_ship="localhost:%d" % port.number, audit_ship_ca=pki.ca)
        server.start()
        for _ in range(20):
            server.imap("u1").logout()
        server.logged("audit.ship_up")
        server.stop()
        with open(os.path.join(server.data, "audit/audit-00000001.jsonl"), "rb") as lines:
            written = lines.read().splitlines()

        def received():
            with open(out, "rb") as lines:
                return [line.lstrip(b" ").removeprefix(b"\xef\xbb\xbf") for line in lines.read().splitlines()]
        wait_for(lambda: os.path.exists(out) and len(received()) >= len(written), "%d lines" % len(written))
        self.assertEqual(received(), written)
        print("%d lines by rsyslog" % len(written))


if __name__ == "__main__":
    unittest.main()
