"""The audit log reaches a receiver of syslog over TLS (RFC 5425): all of it, in order, whatever happens on the way."""

import glob
import json
import os
import random
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import Port, Server, wait_for
from seed import seed

LARGE = os.environ.get("ROOST_LARGE") == "1"
EVENTS = 100_000
HEADER = re.compile(rb"<(\d+)>1 (\S+) (\S+) (\S+) (\S+) (\S+) "
                    rb'\[meta sequenceId="(\d+)"\]\[origin software="Roost"\] \xef\xbb\xbf(\{.*\})', re.DOTALL)
SEVERITY = {"info": 6, "warning": 4, "error": 3}


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True)


class Pki:
    """An authority, and certificates by it: of a receiver by name and address, of a client."""

    def __init__(self, folder, name="ca"):
        self.folder = folder
        self.ca = os.path.join(folder, name + ".pem")
        self.ca_key = os.path.join(folder, name + ".key")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", "/CN=" + name, "-keyout", self.ca_key, "-out", self.ca)
        os.chmod(self.ca, 0o644)

    def issue(self, name, san, *more):
        """The paths of certificate and key."""
        cert, key, csr, ext = (os.path.join(self.folder, name + end) for end in (".pem", ".key", ".csr", ".ext"))
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost",
                "-keyout", key, "-out", csr)
        with open(ext, "w", encoding="ascii") as out:
            out.write("subjectAltName=%s\n" % san)
        openssl("x509", "-req", "-in", csr, "-CA", self.ca, "-CAkey", self.ca_key, "-CAcreateserial", "-extfile", ext,
                "-out", cert, *(more or ("-days", "2")))
        os.chmod(cert, 0o644)
        os.chmod(key, 0o644)  # of a test; the ship role has a user of its own
        return cert, key


class Receiver:
    """Takes frames of RFC 5425 and keeps their messages; may be told to break off."""

    def __init__(self, port, cert, key, client_ca=None, break_after=None):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(cert, key)
        if client_ca is not None:
            self.context.load_verify_locations(client_ca)
            self.context.verify_mode = ssl.CERT_REQUIRED
        self.break_after = break_after  # octets of a connection
        self.breaks = 3  # connections that are broken off
        self.frames = []
        self.names = []
        self.connections = 0
        self.refused = 0
        self.errors = []
        self.ended = False
        self.current = None
        self.listener = socket.create_server(("127.0.0.1", port), reuse_port=False)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while not self.ended:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            try:
                with self.context.wrap_socket(plain, server_side=True) as sock:
                    self.connections += 1
                    self.current = sock
                    self.names.append(sock.getpeercert())
                    self.take(sock)
            except (ssl.SSLError, OSError):
                self.refused += 1
            except ValueError as error:
                self.errors.append(repr(error))

    def take(self, sock):
        data, taken = b"", 0
        while not self.ended:
            try:
                part = sock.recv(65536)
            except ssl.SSLError:
                return
            if not part:
                if data:
                    self.errors.append("the connection ended within a frame: %r" % data[:200])
                try:
                    sock.unwrap()  # answers close_notify
                except OSError:
                    pass
                return
            data += part
            taken += len(part)
            data = self.cut(data)
            if self.break_after is not None and taken > self.break_after and self.breaks > 0:
                self.breaks -= 1
                # a reset, with what was not read: what a receiver that is killed leaves
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                return

    def cut(self, data):
        """Whole frames are taken off; what is left is the beginning of one."""
        at = 0
        while True:
            space = data.find(b" ", at, at + 12)
            if space < 0:
                return data[at:]
            if not re.fullmatch(rb"[1-9][0-9]*", data[at:space]):
                raise ValueError("no MSG-LEN: %r" % data[at:at + 80])
            end = space + 1 + int(data[at:space])
            if end > len(data):
                return data[at:]
            self.frames.append(data[space + 1:end])
            at = end

    def sequences(self):
        return [int(re.search(rb'\{"event\.sequence":(\d+),', frame).group(1)) for frame in self.frames]

    def close(self):
        if self.ended:
            return
        self.ended = True
        for sock in (self.listener, self.current):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except (OSError, AttributeError):
                pass
        self.listener.close()
        self.thread.join(30)


class Ship(unittest.TestCase):
    def setUp(self):
        self.port = Port()
        self.outages = 0
        self.addCleanup(self.port.close)
        self.server = None

    def make(self, receiver=None, **settings):
        server = Server(users=2)
        self.addCleanup(server.close)
        self.pki = Pki(server.folder)
        self.pair = self.pki.issue("receiver", "DNS:localhost,IP:127.0.0.1")
        server.set(audit_ship="127.0.0.1:%d" % self.port.number, audit_ship_ca=self.pki.ca, **settings)
        self.server = server
        return server

    def receiver(self, *pair, **options):
        receiver = Receiver(self.port.number, *(pair or self.pair), **options)
        self.addCleanup(receiver.close)
        return receiver

    def written(self):
        """The lines of the audit log, by their numbers."""
        out = {}
        for name in sorted(glob.glob(os.path.join(self.server.data, "audit/audit-*.jsonl"))):
            with open(name, "rb") as lines:
                for line in lines:
                    match = re.match(rb'\{"event\.sequence":(\d+),', line)
                    if match and line.endswith(b"\n"):
                        out[int(match.group(1))] = line[:-1]
        return out

    def shipping(self):
        return json.loads(self.server.run("status", "--json").stdout)["shipping"][0]

    def arrived(self, receivers, upto):
        """Wait until every event up to a number is with one of the receivers."""
        def missing():
            have = set()
            for receiver in receivers:
                have.update(receiver.sequences())
            return set(range(1, upto + 1)) - have
        wait_for(lambda: not missing(), lambda: "events %r..., %r\n%s" % (
            sorted(missing())[:5], [receiver.errors for receiver in receivers], self.server.log()[-3000:]))

    def newest(self):
        return max(self.written(), default=0)

    def log_in(self, count=1):
        for _ in range(count):
            self.server.imap("u1", tls=False).logout()

    def flood(self, count):
        """So many events at least, of connections that are refused."""
        with self.server.wire(tls=False) as wire:
            for number in range(count):
                wire.command('LOGIN nobody%d "x"' % number)
                if number % 3 == 2:  # a connection has so many tries
                    wire.close()
                    wire.__init__(socket.create_connection(("127.0.0.1", self.server.imap_port), timeout=120))
                    wire.line()

    # ---- what is sent

    def test_each_event_is_sent_as_the_rfcs_say(self):
        server = self.make()
        receiver = self.receiver()
        server.start()
        self.log_in()
        server.audited("audit.ship_up")
        server.stop()
        written = self.written()
        self.assertEqual(receiver.errors, [])
        self.assertEqual(receiver.sequences(), sorted(written), "each once, in order, the last words too")
        for frame in receiver.frames:
            priority, when, host, app, process, message, sequence, line = HEADER.fullmatch(frame).groups()
            event = json.loads(line)
            self.assertEqual(line, written[event["event.sequence"]], "the line itself, to the octet")
            self.assertEqual(int(priority), 13 * 8 + SEVERITY[event["log.level"]])
            self.assertEqual(when.decode(), event["@timestamp"])
            self.assertEqual((host, app), (b"localhost", b"roost"))
            self.assertEqual(process.decode(), event["service.node.role"])
            self.assertEqual(message.decode(), event["event.action"][:32])
            self.assertEqual(int(sequence), event["event.sequence"])
            self.assertNotRegex(line, rb"[\x00-\x1f\x7f]")
        self.assertIn("login.ok", {json.loads(HEADER.fullmatch(frame).group(8))["event.action"]
                                   for frame in receiver.frames})
        self.assertEqual(json.loads(HEADER.fullmatch(receiver.frames[-1]).group(8))["event.action"], "audit.stopped")

    def test_a_name_of_an_attacker_is_one_field_of_one_frame(self):
        server = self.make()
        receiver = self.receiver()
        server.start()
        name = 'x\\"}\\\\ 12 <1>1 - - - - - - forged'
        with server.wire() as wire:
            wire.command('LOGIN "%s" "x"' % name)
        wait_for(lambda: any(b"12 <1>1" in frame for frame in receiver.frames), "the refusal")
        (frame,) = (frame for frame in receiver.frames if b"12 <1>1" in frame)
        self.assertEqual(json.loads(HEADER.fullmatch(frame).group(8))["user.name"],
                         name.replace('\\"', '"').replace("\\\\", "\\"))
        self.assertEqual(receiver.errors, [])

    # ---- the receiver is away, and comes back

    def test_what_happens_while_the_receiver_is_away_is_sent_later(self):
        server = self.make().start()
        server.audited("audit.ship_down")
        self.log_in(5)
        state = wait_for(lambda: self.shipping() if self.shipping()["waiting"] > 10 else None, "events that wait")
        self.assertEqual(state["connected"], "no")
        self.assertIn("refused", state["error"])
        receiver = self.receiver()
        server.audited("audit.ship_up")
        wait_for(lambda: self.shipping()["connected"] == "yes" and self.shipping()["waiting"] == 0, "all is sent")
        self.arrived([receiver], self.newest())
        receiver.close()
        server.logged("audit.ship_down", 2)
        self.log_in(5)
        again = self.receiver()
        self.arrived([receiver, again], self.newest())
        self.assertEqual(len(server.logged("audit.ship_down", 2)), 2, "an outage is told once")

    def test_a_receiver_that_resets_within_frames_gets_all_in_the_end(self):
        server = self.make()
        receiver = self.receiver(break_after=random.Random(seed()).randrange(3000, 9000))
        server.start()
        self.flood(60)
        wait_for(lambda: receiver.connections >= 3, "broken connections")
        receiver.break_after = None
        self.arrived([receiver], self.newest())
        seen = receiver.sequences()
        self.assertLess(len(set(seen)), len(seen), "some came twice")
        self.assertEqual(receiver.errors, [])

    def test_ship_is_killed(self):
        server = self.make()
        receiver = self.receiver()
        server.start()
        for _ in range(3):
            self.log_in(3)
            (pid,) = wait_for(lambda: server.roles().get("ship"), "a ship process")
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: server.roles().get("ship", [pid]) != [pid], "a new ship process")
        self.arrived([receiver], self.newest())

    def test_log_is_killed_and_nothing_that_came_is_taken_back(self):
        server = self.make()
        receiver = self.receiver()
        server.start()
        for round in range(3):
            self.flood(20)
            (pid,) = server.roles()["log"]
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: server.roles().get("log", [pid]) != [pid], "a new log process")
            self.log_in()
        server.stop()
        written = self.written()
        self.assertEqual(sorted(set(receiver.sequences())), sorted(written))
        for frame in receiver.frames:
            line = HEADER.fullmatch(frame).group(8)
            self.assertEqual(line, written[json.loads(line)["event.sequence"]])

    def test_a_place_survives_an_orderly_end(self):
        server = self.make()
        receiver = self.receiver()
        server.start()
        self.log_in()
        server.audited("audit.ship_up")
        server.stop()
        before = len(receiver.frames)
        self.assertEqual(receiver.sequences(), sorted(self.written()))
        server.start()
        wait_for(lambda: len(receiver.frames) > before, "more events")
        server.stop()
        self.assertEqual(receiver.sequences(), sorted(self.written()), "nothing twice behind an orderly end")

    def test_a_damaged_place_is_the_beginning(self):
        server = self.make()
        receiver = self.receiver()
        server.start()
        server.audited("audit.ship_up")
        server.stop()
        place = os.path.join(server.data, "ship/position")
        with open(place, "r+b") as file:
            file.seek(12)
            file.write(b"\xff")
        before = len(receiver.frames)
        server.start()
        server.logged("audit.ship_place")
        wait_for(lambda: receiver.sequences()[before:before + 1] == [1], "the first event again")

    def test_another_log_is_sent_from_its_beginning(self):
        server = self.make()
        receiver = self.receiver()
        server.start()
        self.log_in(4)
        server.audited("audit.ship_up")
        server.stop()
        for name in glob.glob(os.path.join(server.data, "audit/*")):
            os.unlink(name)
        before = len(receiver.frames)
        server.start()
        server.audited("audit.ship_other_log")
        wait_for(lambda: receiver.sequences()[before:before + 1] == [1], "the first event of the new log")

    def test_events_that_are_gone_are_told(self):
        server = self.make()
        receiver = self.receiver()
        server.start()
        self.log_in(2)
        server.audited("audit.ship_up")
        server.stop()
        receiver.close()
        server.start()
        self.log_in(3)
        server.stop()
        (name,) = glob.glob(os.path.join(server.data, "audit/audit-*.jsonl"))
        with open(name, "rb") as lines:
            kept = lines.readlines()
        last = max(receiver.sequences())
        with open(name, "wb") as out:  # as if the days to keep were over
            out.writelines(kept[:last] + kept[last + 4:])
        self.receiver()
        server.start()
        (line,) = server.audited("audit.ship_missed")
        self.assertEqual(line["roost.events"], 4)

    @unittest.skipUnless(LARGE, "waits half a minute for new connections: only with ROOST_LARGE=1")
    def test_many_events_with_a_receiver_that_breaks_off(self):
        server = self.make(log_level="error")
        receiver = self.receiver()
        server.start()
        wait_for(lambda: receiver.frames, "the first event")
        receiver.break_after = 1 << 20
        threads = [threading.Thread(target=self.flood, args=(EVENTS // 4,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        receiver.break_after = None
        self.arrived([receiver], self.newest())
        self.assertGreaterEqual(self.newest(), EVENTS)
        self.assertEqual(receiver.errors, [])
        print("%d events, %d frames, %d connections" % (self.newest(), len(receiver.frames), receiver.connections))

    # ---- whom it believes

    def refused(self, pair, words, **settings):
        self.server.set(**settings)
        receiver = self.receiver(*pair)
        self.server.start()
        self.outages += 1
        self.assertIn(words, self.server.logged("audit.ship_down", self.outages)[-1])
        self.assertEqual(receiver.frames, [])
        self.server.stop()
        receiver.close()

    def test_a_receiver_that_is_not_the_one(self):
        server = self.make()
        other = Pki(server.folder, "other-ca")
        self.refused(other.issue("stranger", "IP:127.0.0.1"), "certificate")
        self.refused(self.pki.issue("elsewhere", "DNS:elsewhere.example.org"), "mismatch")
        self.refused(self.pki.issue("late", "IP:127.0.0.1", "-days", "-1"), "expired")
        self.refused(self.pki.issue("common-name", "DNS:elsewhere.example.org"), "mismatch",
                     audit_ship="localhost:%d" % self.port.number)
        self.refused(self.pair, "mismatch", audit_ship_name="siem.example.org")

    def test_a_name_that_is_asked_for_and_a_certificate_of_its_own(self):
        server = self.make(audit_ship_name="siem.example.org")
        server.set(audit_ship="localhost:%d" % self.port.number)
        own = self.pki.issue("sender", "DNS:sender.example.org")
        server.set(audit_ship_certificate=own[0], audit_ship_key=own[1])
        receiver = self.receiver(*self.pki.issue("siem", "DNS:siem.example.org"), client_ca=self.pki.ca)
        server.start()
        wait_for(lambda: receiver.frames, "events")
        self.assertIn((("DNS", "sender.example.org")), receiver.names[-1]["subjectAltName"])

    def test_a_receiver_that_wants_a_certificate_and_gets_none(self):
        server = self.make()
        receiver = self.receiver(client_ca=self.pki.ca)
        server.start()
        server.audited("audit.ship_down")
        self.assertEqual(receiver.frames, [])

    # ---- what it may not hold up

    def test_a_receiver_that_never_answers_holds_up_nobody(self):
        server = self.make()
        with socket.create_server(("127.0.0.1", self.port.number)) as hole:  # takes connections, says nothing
            server.start()
            self.log_in(3)
            self.assertEqual(self.shipping()["connected"], "no")
            server.stop()
            hole.close()

    def test_a_name_that_cannot_be_found_holds_up_nobody(self):
        server = self.make()
        server.set(audit_ship="nowhere.invalid:6514")
        server.start()
        self.log_in()
        server.audited("audit.ship_down")
        wait_for(lambda: "no address" in self.shipping()["error"], "the reason in the status")

    def test_a_configuration_that_cannot_work_is_refused(self):
        server = self.make()
        for settings, words in (({"audit_ship": "a b:1"}, "audit_ship: want HOST"),
                                ({"audit_ship": "[::1:6514"}, "audit_ship: want HOST"),
                                ({"audit_ship": "siem:70000"}, "audit_ship: want HOST"),
                                ({"audit_ship": "siem", "audit_ship_ca": ""}, "audit_ship_ca"),
                                ({"audit_ship_ca": self.pki.ca, "audit_ship_key": "x"}, "go together")):
            server.set(**settings)
            done = server.run("check-config", check=False)
            self.assertNotEqual(done.returncode, 0, settings)
            self.assertIn(words, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
