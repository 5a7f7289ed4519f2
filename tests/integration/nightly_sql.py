"""PostgreSQL as account back-end: a server of the test's own, asked through role idp's own code and by logins over IMAP."""

import glob
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from idp_provider import Provider
from roost_server import SKIPPED, Port, end_process, wait_for
from sql_users import HOSTILE_NAMES, QUERY, USERS, assert_logs_in, assert_refused, shop_server, start_shop

PROGRAMS = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
# OWNER reads and writes, READER is who the configuration names
OWNER, READER, PASSWORD = "owner", "reader", "reader's own"


class Postgres:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="roost-pg-", dir="/tmp")
        self.port = Port()
        self.user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        self.process = None
        if os.geteuid() == 0:  # it does not run as root
            shutil.chown(self.folder, self.user)
        self.run("initdb", "-D", self.folder + "/db", "-U", OWNER, "-A", "trust", "-E", "UTF8", "--no-sync")
        with open(self.folder + "/db/pg_hba.conf", "w", encoding="ascii") as out:
            out.write("host all %s 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n" % OWNER)

    def command(self, *words):
        words = [os.path.join(PROGRAMS[-1], words[0]), *words[1:]]
        return ["setpriv", "--reuid", self.user, "--regid", self.user, "--init-groups", *words] if os.geteuid() == 0 else words

    def run(self, *words, text=None):
        done = subprocess.run(self.command(*words), input=text, text=True, capture_output=True, check=False, cwd="/")
        if done.returncode != 0:
            raise AssertionError("%s: %s%s" % (words[0], done.stdout, done.stderr))
        return done.stdout

    def start(self):
        self.process = subprocess.Popen(
            self.command("postgres", "-D", self.folder + "/db", "-p", str(self.port.number), "-h", "127.0.0.1", "-k", "",
                         "-F"), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
        wait_for(self.answers, "PostgreSQL answers")
        return self

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError("PostgreSQL ended")
        return subprocess.run(self.command("psql", "-h", "127.0.0.1", "-p", str(self.port.number), "-U", OWNER, "-c",
                                           "SELECT 1", "postgres"), capture_output=True, check=False, cwd="/").returncode == 0

    def sql(self, text):
        return self.run("psql", "-v", "ON_ERROR_STOP=1", "-At", "-h", "127.0.0.1", "-p", str(self.port.number), "-U", OWNER,
                        "postgres", text=text)

    def stop(self):
        end_process(self.process)

    def close(self):
        self.stop()
        self.port.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def lines(self, **more):
        return {"driver": "postgresql", "query": QUERY, "connection": "host=127.0.0.1 port=%d dbname=postgres user=%s "
                "password='%s'" % (self.port.number, READER, PASSWORD.replace("'", "\\'")), **more}


def literal(text):
    return "NULL" if text is None else "'%s'" % text.replace("'", "''")


class Sql(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.postgres = Postgres()
        cls.addClassCleanup(cls.postgres.close)
        cls.postgres.start()
        rows = ", ".join("(%s)" % ", ".join(literal(column) for column in user) for user in USERS)
        cls.postgres.sql("CREATE TABLE users (name text, local text, domain text, password text, groups text);"
                         "INSERT INTO users VALUES %s; CREATE ROLE %s LOGIN PASSWORD %s; GRANT ALL ON users TO %s;"
                         % (rows, READER, literal(PASSWORD), READER))

    def provider(self, **lines):
        provider = Provider("sql", self.postgres.lines(**lines))
        self.addCleanup(provider.folder.cleanup)
        return provider

    def test_rows(self):
        got = self.provider(scheme="SHA512-CRYPT").ask(
            (b"anna", b"anna's"), (b"anna", b"wrong"), (b"nobody", b"x"), (b"bare", b"bare's"), (b"none", b"x"),
            (b"twice", b"x"), (b"odd", b"x"))
        self.assertEqual([one[:2] for one in got], [
            ("ok", "ok"), ("refused", "wrong_password"), ("unknown", "no_row"), ("ok", "ok"), ("refused", "no_password"),
            ("refused", "not_unique"), ("unavailable", "scheme")])
        self.assertEqual(got[0][2:], (b"anna", [b"staff", b"board"]))

    def test_rows_without_end_are_two_rows(self):
        query = "SELECT a.name AS user, a.password FROM users a, %s WHERE a.name = :user" % ", ".join(
            "users b%d" % i for i in range(12))
        self.assertEqual(self.provider(query=query).ask((b"anna", b"anna's"))[0][:2], ("refused", "not_unique"))

    def test_a_row_and_then_an_error_is_no_row(self):
        query = ("SELECT name AS user, password FROM users WHERE name = :user UNION ALL "
                 "SELECT 'x', (1 / (length(:user) - 4))::text")
        got = self.provider(query=query).ask((b"anna", b"anna's"), (b"bare", b"bare's"), (b"nobody", b"x"))
        self.assertEqual([one[:2] for one in got[:2]], [("unavailable", "query")] * 2)

    def test_a_name_is_never_text_of_the_query(self):
        provider = self.provider()
        for name, answer in zip(HOSTILE_NAMES, provider.ask(*[(name, b"anna's") for name in HOSTILE_NAMES])):
            with self.subTest(name=name):
                self.assertEqual(answer[0], "unknown")
        self.assertEqual(provider.ask((b"anna", b"anna's"))[0][0], "ok")

    def test_parameters_by_name(self):
        query = ("SELECT name AS user, password, ':user' AS x FROM users WHERE domain = :domain AND local = :local "
                 "AND :user::text LIKE '%' -- :user")
        got = self.provider(query=query).ask((b"anna@example.org", b"anna's"), (b"anna@x", b"anna's"), (b"anna", b"anna's"))
        self.assertEqual([one[0] for one in got], ["ok", "unknown", "unknown"])

    def test_nothing_is_written(self):
        query = "DELETE FROM users WHERE name = :user RETURNING name AS user, password"
        self.assertEqual(self.provider(query=query).ask((b"anna", b"anna's"))[0][:2], ("unavailable", "query"))
        self.assertEqual(self.postgres.sql("SELECT count(*) FROM users WHERE name = 'anna'").strip(), "1")

    def test_slow_gone_and_not_let_in(self):
        query = "SELECT name AS user, password FROM users, pg_sleep(60) WHERE name = :user"
        self.assertEqual(self.provider(query=query).ask((b"anna", b"anna's"))[0][0], "unavailable")
        lines = self.postgres.lines()
        for old, new in (("password='", "password='x"), ("user=" + READER, "user=nobody"), ("dbname=postgres", "dbname=x")):
            got = self.provider(connection=lines["connection"].replace(old, new)).ask((b"anna", b"anna's"))
            self.assertEqual(got[0][:2], ("unavailable", "server"))
        self.assertEqual(self.provider(query="SELECT name AS user, password FROM nothing WHERE name = :user").ask(
            (b"anna", b"anna's"))[0][:2], ("unavailable", "query"))
        self.postgres.stop()
        try:
            self.assertEqual(self.provider().ask((b"anna", b"anna's"))[0][:2], ("unavailable", "server"))
        finally:
            self.postgres.start()

    def test_logins(self):
        server, _ = shop_server(self)
        start_shop(server, self.postgres.lines())
        assert_logs_in(self, server)
        assert_refused(self, server, "wrong")
        self.assertNotIn(PASSWORD, server.log())


if __name__ == "__main__":
    if not PROGRAMS:
        print("skipped: postgresql missing")
        sys.exit(SKIPPED)
    unittest.main()
