"""Access tokens: a server of ours, and an issuer on this host that the test plays."""

import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import DEADLINE_SEC, ROOST, Server

ISSUER = "https://id.example/"


def write_provider(folder, name, lines):
    """NAME.conf, for the idp process alone."""
    path = os.path.join(folder, name + ".conf")
    with open(path, "w", encoding="ascii") as out:
        for key, value in lines.items():
            if isinstance(value, int):
                out.write("%s = %d\n" % (key, value))
            elif isinstance(value, str):
                out.write('%s = "%s"\n' % (key, value))
            else:
                out.write("%s = {%s}\n" % (key, ", ".join('"%s"' % item for item in value)))
    os.chmod(path, 0o640)
    if os.geteuid() == 0:
        subprocess.run(["chgrp", "roost-idp", path], check=True)


class Process(unittest.TestCase):
    def server(self, **lines):
        server = Server(users=1, idp_folder="idp", oauth=["here"])
        self.addCleanup(server.close)
        self.folder = os.path.join(server.data, "idp")
        os.mkdir(self.folder, 0o755)
        write_provider(self.folder, "here", {
            "issuer": ISSUER, "audience": ["mail"], "introspection": "http://127.0.0.1:1/", "client_id": "roost",
            "client_secret": "Hush7", **lines})
        return server

    def test_it_runs_confined_where_a_setting_needs_it(self):
        server = self.server().start()
        rows = json.loads(server.run("status", "--json").stdout)
        role = [row for row in rows["processes"] if row["role"] == "idp"]
        self.assertEqual(len(role), 1, rows)
        self.assertEqual(len(server.roles()["idp"]), 1)
        if os.geteuid() == 0:
            uid = os.stat("/proc/%d" % server.roles()["idp"][0]).st_uid
            self.assertEqual(subprocess.run(["id", "-u", "roost-idp"], check=True, capture_output=True,
                                            text=True).stdout.strip(), str(uid))

    def test_a_file_that_is_wrong_stops_the_start(self):
        server = self.server(audience=[])
        done = subprocess.run([ROOST, "serve", "-c", server.config], check=False, capture_output=True, text=True,
                              timeout=DEADLINE_SEC)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("audience is missing", done.stderr)
        self.assertNotIn("Hush7", done.stderr)

    def test_it_comes_back(self):
        server = self.server().start()
        server.logged("role.ready role=idp")
        pid = server.roles()["idp"][0]
        os.kill(pid, 9)
        server.logged("role.ready role=idp", 2)
        self.assertNotEqual(server.roles()["idp"][0], pid)
        server.imap("u1").logout()


if __name__ == "__main__":
    unittest.main()
