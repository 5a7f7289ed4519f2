"""A Perl program with tests of its own (Test::More), run against a server."""

import os
import subprocess
import sys

from roost_server import DEADLINE_SEC, PASSWORD, SKIPPED, Server, need

PERL = need("perl", "perl")
CLIENTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../clients")


def need_module(name, package):
    for module, its_package in ((name, package), ("IO::Socket::SSL", "libio-socket-ssl-perl")):
        if subprocess.run([PERL, "-M" + module, "-e1"], capture_output=True, check=False).returncode != 0:
            print("skipped: %s missing" % its_package)
            sys.exit(SKIPPED)


class PerlClient:
    """Beside unittest.TestCase; `program` is a file of tests/clients/."""

    program = None

    def test_its_calls_and_what_the_server_holds(self):
        server = Server().start()
        self.addCleanup(server.close)
        env = dict(os.environ, PORT=str(server.imaps_port), CERTIFICATE=server.certificate,
                   PASSWORD=PASSWORD, DEADLINE=str(DEADLINE_SEC), HOME=server.folder)
        done = subprocess.run([PERL, os.path.join(CLIENTS, self.program)], capture_output=True,
                              env=env, check=False)
        said = (done.stdout + done.stderr).decode(errors="replace")
        self.assertEqual(done.returncode, 0, said)
        self.assertRegex(said, r"(?m)^1\.\.\d+$")
        self.check(server)
