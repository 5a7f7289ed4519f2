"""From LMTP's 250, or APPEND's OK, to what one other, or twenty, are told of it, among many sessions that idle; and what a
delivery costs while one connection watches 2,000 mailboxes.

    python3 bench/notify_latency.py [SESSIONS [DELIVERIES]]      (1000, 500)

All over TLS on loopback. The watchers belong to one user: in IDLE, or with NOTIFY and no command running, of the selected
mailbox (EXISTS) or of one that is not (STATUS). One process sends and watches them, so reading twenty answers is in the
figures. Costs are processor time of the mail role, two accounts in turns: one connection is in IDLE in the INBOX of the
one, and one watches all mailboxes of the other.
"""

import os
import resource
import selectors
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/lib"))
from roost_server import Server, sample

USERS = 50
WATCHERS = 20
MAILBOXES = 2000
MESSAGES = "(MessageNew MessageExpunge)"
ROUND = 100  # deliveries to one account before the other's turn


def percentile(times, of_hundred):
    return 1e3 * times[min(len(times) - 1, len(times) * of_hundred // 100)]


class Watchers:
    """Sessions of u1 that are to hear of each message; how they listen is the kind."""

    KINDS = {
        "IDLE": ("SELECT INBOX", None, b" EXISTS"),
        "NOTIFY, selected": ("SELECT INBOX", "NOTIFY SET (SELECTED %s)" % MESSAGES, b" EXISTS"),
        "NOTIFY, not selected": ("SELECT Drafts", "NOTIFY SET (PERSONAL %s)" % MESSAGES, b"* STATUS"),
    }

    def __init__(self, server, kind, n_watchers):
        select, notify, self.mark = self.KINDS[kind]
        self.wires = [server.wire("u1") for _ in range(n_watchers)]
        self.selector = selectors.DefaultSelector()
        for wire in self.wires:
            wire.ok("ENABLE IMAP4rev2")  # without RECENT a message is one line
            wire.ok(select)
            if notify is None:
                wire.idle()
            else:
                wire.ok(notify)
            self.selector.register(wire.sock, selectors.EVENT_READ, wire)

    def hear(self):
        """When each of them has heard."""
        heard, waiting = [], set(self.wires)
        while waiting:
            for key, _ in self.selector.select():
                while self.mark not in key.data.line():
                    pass
                heard.append(time.monotonic())
                waiting.discard(key.data)
        return heard

    def close(self):
        self.selector.close()
        for wire in self.wires:
            wire.close()


def say(what, n_watchers, after, whole):
    after.sort()
    whole.sort()
    print("%s: to each of %d p50 %.2f ms, p99 %.2f ms; from the first byte sent p50 %.2f ms, p99 %.2f ms" % (
        what, n_watchers, percentile(after, 50), percentile(after, 99), percentile(whole, 50), percentile(whole, 99)))


def latency(server, kind, n_watchers, n_deliveries):
    watchers = Watchers(server, kind, n_watchers)
    with server.lmtp() as lmtp, server.wire("u1") as writer:
        def deliver(number):
            ((code, text),) = lmtp.send("s@example.org", ["u1"], sample(number))
            assert code == 250, text

        for way, act in (("LMTP 250", deliver), ("APPEND OK", lambda number: writer.append("INBOX", sample(number)))):
            after, whole = [], []
            for number in range(n_deliveries):
                begin = time.monotonic()
                act(number)
                told = time.monotonic()
                for heard in watchers.hear():
                    after.append(max(heard - told, 0))
                    whole.append(heard - begin)
            say("%s, %s" % (kind, way), n_watchers, after, whole)
    watchers.close()


def cpu_ms(pid):
    with open("/proc/%d/stat" % pid, encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return 1e3 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cost(server, n_deliveries):
    (mail,) = server.roles()["mail"]
    for user in ("u2", "u3"):
        with server.wire(user) as wire:
            for number in range(MAILBOXES):
                wire.ok("CREATE m%d" % number)
    with server.wire("u2") as idler, server.wire("u3") as watcher:
        idler.ok("SELECT INBOX")
        idler.idle()
        watcher.ok("NOTIFY SET (PERSONAL (MessageNew MessageExpunge FlagChange MailboxName))")
        listeners = {"u2": (idler, b" EXISTS"), "u3": (watcher, b"* STATUS")}
        times = {"u2": [], "u3": []}
        spent = {"u2": 0.0, "u3": 0.0}
        with server.lmtp() as lmtp:
            for turn in range(max(2, 2 * n_deliveries // ROUND)):
                user = ("u2", "u3")[turn % 2]
                before = cpu_ms(mail)
                for number in range(ROUND):
                    begin = time.monotonic()
                    ((code, text),) = lmtp.send("s@example.org", [user], sample(number))
                    assert code == 250, text
                    times[user].append(time.monotonic() - begin)
                    listener, mark = listeners[user]
                    while mark not in listener.line():
                        pass
                spent[user] += cpu_ms(mail) - before
    for user, what in (("u2", "one connection in IDLE"), ("u3", "one watches %d mailboxes" % MAILBOXES)):
        times[user].sort()
        print("%s: %.3f ms of the mail role for a delivery; MAIL to 250 p50 %.2f ms, p99 %.2f ms" % (
            what, spent[user] / len(times[user]), percentile(times[user], 50), percentile(times[user], 99)))


def main():
    n_sessions, n_deliveries = (int(word) for word in (sys.argv[1:] + ["1000", "500"][len(sys.argv) - 1:])[:2])
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with Server(users=USERS) as server:
        clients = []
        for number in range(n_sessions):
            clients.append(server.wire("u%d" % (number % USERS + 1)))
            clients[-1].ok("SELECT Sent")
            clients[-1].idle()
        print("%d sessions idle" % n_sessions)
        latency(server, "IDLE", 1, n_deliveries)
        for kind in Watchers.KINDS:
            latency(server, kind, WATCHERS, n_deliveries)
        cost(server, n_deliveries)
        for client in clients:
            client.close()


if __name__ == "__main__":
    main()
