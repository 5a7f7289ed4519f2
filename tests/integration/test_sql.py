"""A database of users as account back-end: SQLite, asked through role idp's own code and by logins over IMAP."""

import os
import sqlite3
import sys
import unittest
import unittest.mock

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from idp_provider import Provider
from sql_users import HOSTILE_NAMES, QUERY, USERS, assert_logs_in, assert_refused, shop_server, start_shop

LARGE = os.environ.get("ROOST_LARGE")


def make_file(path, wal=False):
    with sqlite3.connect(path) as db:
        if wal:
            db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE users (name TEXT, local TEXT, domain TEXT, password TEXT, groups TEXT)")
        db.executemany("INSERT INTO users VALUES (?, ?, ?, ?, ?)", USERS)
    db.close()
    os.chmod(path, 0o644)


class Asked(unittest.TestCase):
    def provider(self, **lines):
        provider = Provider("sql", {"query": QUERY, **lines})
        self.addCleanup(provider.folder.cleanup)
        if "file" not in lines:
            path = provider.path("users.db")
            make_file(path)
            provider.write(file=path)
        return provider

    def test_rows(self):
        provider = self.provider()
        got = provider.ask((b"anna", b"anna's"), (b"anna", b"wrong"), (b"nobody", b"x"), (b"bare", b"bare's"),
                           (b"none", b"x"), (b"twice", b"x"), (b"odd", b"x"), (b"anna", b""))
        self.assertEqual([one[:2] for one in got], [
            ("ok", "ok"), ("refused", "wrong_password"), ("unknown", "no_row"), ("unavailable", "scheme"),
            ("refused", "no_password"), ("refused", "not_unique"), ("unavailable", "scheme"), ("refused", "empty_password")])
        self.assertEqual(got[0][2:], (b"anna", [b"staff", b"board"]))
        got = self.provider(scheme="SHA512-CRYPT").ask((b"bare", b"bare's"), (b"bare", b"x"))
        self.assertEqual([one[0] for one in got], ["ok", "refused"])

    def test_a_name_is_never_text_of_the_query(self):
        provider = self.provider()
        for name, answer in zip(HOSTILE_NAMES, provider.ask(*[(name, b"anna's") for name in HOSTILE_NAMES])):
            with self.subTest(name=name):
                self.assertEqual(answer[0], "unknown")
        self.assertEqual(provider.ask((b"anna", b"anna's"))[0][0], "ok")  # and the table is still there

    def test_parts_of_a_name(self):
        query = "SELECT name AS user, password FROM users WHERE local = :local AND domain IS :domain"
        got = self.provider(query=query).ask((b"anna@example.org", b"anna's"), (b"anna@x", b"anna's"), (b"anna", b"anna's"),
                                             (b"anna@x@example.org", b"anna's"))
        self.assertEqual([one[0] for one in got], ["ok", "unknown", "unknown", "unknown"])

    def test_a_column_has_a_longest(self):
        provider = self.provider()
        with sqlite3.connect(provider.path("users.db")) as db:
            db.executemany("INSERT INTO users (name, password, groups) VALUES (?, '{PLAIN}x', ?)",
                           [("most", "board," + "x" * (16384 - 6)), ("more", "board," + "x" * (16385 - 6))])
        db.close()
        got = provider.ask((b"most", b"x"), (b"more", b"x"))
        self.assertEqual([one[:2] for one in got], [("ok", "ok"), ("unavailable", "column_size")])
        self.assertEqual(got[0][3], [b"board", b"x" * (16384 - 6)])

    def test_all_groups_are_told_or_nobody_comes_in(self):
        provider = self.provider()
        with sqlite3.connect(provider.path("users.db")) as db:
            db.executemany("INSERT INTO users (name, password, groups) VALUES (?, '{PLAIN}x', ?)",
                           [(name, ",".join("g%d" % i for i in range(n))) for name, n in (("most", 256), ("more", 257))])
        db.close()
        got = provider.ask((b"most", b"x"), (b"more", b"x"))
        self.assertEqual([one[:2] for one in got], [("ok", "ok"), ("unavailable", "groups_column")])
        self.assertEqual(len(got[0][3]), 256)

    def test_a_user_without_a_password(self):
        got = self.provider().ask(("user", b"anna", None), ("user", b"nobody", None))
        self.assertEqual([one[:3] for one in got], [("ok", "ok", b"anna"), ("unknown", "no_row", b"")])

    def test_no_file_is_no_answer(self):
        provider = self.provider()
        path = provider.path("users.db")
        os.rename(path, path + ".away")
        self.assertEqual(provider.ask((b"anna", b"anna's"))[0][0], "unavailable")
        with open(path, "wb") as out:
            out.write(b"no database" * 1000)
        self.assertEqual(provider.ask((b"anna", b"anna's"))[0][0], "unavailable")

    @unittest.skipUnless(LARGE, "eight seconds: the nightly run")
    def test_a_query_without_end_is_ended(self):
        query = ("WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) "
                 "SELECT max(i) AS user, '' AS password FROM n WHERE :user <> ''")
        self.assertEqual(self.provider(query=query).ask((b"anna", b"x"))[0][0], "unavailable")

    def test_a_file_that_is_wrong_says_so(self):
        rows = [
            ({"query": ""}, "query"), ({"query": "SELECT 1"}, ":user"), ({"query": "SELECT ':user'"}, ":user"),
            ({"query": "SELECT '%u'"}, ":user"), ({"query": "SELECT 1 -- :user"}, ":user"),
            ({"query": "SELECT :username"}, ":user"), ({"query": "SELECT :user, :pass"}, "parameters"),
            ({"query": "SELECT ?, :user"}, "parameters"), ({"query": "SELECT :user AS user"}, "columns"),
            ({"query": "SELECT :user FROM"}, "SELECT"), ({"query": "DELETE FROM users WHERE name = :user"}, "SELECT"),
            ({"query": QUERY + "; DELETE FROM users"}, "SELECT"), ({"query": "SELECT * FROM nothing WHERE x = :user"}, "SELECT"),
            ({"driver": "mysql"}, "driver"), ({"file": "users.db"}, "absolute"), ({"file": ""}, "file"),
            ({"driver": "postgresql", "connection": "host=db.example dbname=x"}, "verify-full"),
            ({"driver": "postgresql", "connection": "host=192.0.2.1 sslmode=require"}, "verify-full"),
            ({"driver": "postgresql", "connection": "host=/run,db.example dbname=x"}, "verify-full"),
            ({"driver": "postgresql", "connection": "host=127.0.0.1 hostaddr=192.0.2.1"}, "verify-full"),
            ({"driver": "postgresql", "connection": "dbname=x"}, "host"),
            ({"driver": "postgresql", "connection": "nonsense"}, "libpq"),
        ]
        for lines, words in rows:
            with self.subTest(lines=lines):
                provider = self.provider()
                provider.write(**lines)
                answer = provider.ask((b"anna", b"anna's"))
                self.assertIsInstance(answer, str)
                self.assertIn(words, answer)

    def test_without_libpq_it_says_which_package(self):
        provider = self.provider()
        with open(provider.path("libpq.so.5"), "wb"):
            pass  # found before the system's, and no library
        with unittest.mock.patch.dict(os.environ, LD_LIBRARY_PATH=provider.folder.name):
            self.assertEqual(provider.ask((b"anna", b"anna's"))[0][0], "ok")  # SQLite does not want it
            provider.write(driver="postgresql", connection="host=/nowhere")
            self.assertIn("PostgreSQL needs the package libpq5: ", provider.ask((b"anna", b"anna's")))
        self.assertEqual(provider.ask((b"anna", b"anna's"))[0][0], "unavailable")


class LoggedIn(unittest.TestCase):
    def test_logins(self):
        for wal in (False, True) if LARGE else (True,):
            server, folder = shop_server(self)
            path = os.path.join(folder, "users.db")
            make_file(path, wal)
            holder = sqlite3.connect(path)  # as whoever changes it has it open
            self.addCleanup(holder.close)
            holder.execute("SELECT count(*) FROM users").fetchall()
            for name in os.listdir(folder):
                os.chmod(os.path.join(folder, name), 0o644)
            start_shop(server, {"file": path, "query": QUERY})
            assert_logs_in(self, server)
            server.logged("account.created user=anna source=sql:shop")
            assert_refused(self, server, "wrong")
            holder.execute("DELETE FROM users WHERE name = 'anna'")
            holder.commit()
            assert_refused(self, server, "anna's")
            server.close()


if __name__ == "__main__":
    unittest.main()
