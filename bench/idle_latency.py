"""From LMTP's 250 to the untagged EXISTS of another session in IDLE, among many that idle.

    python3 bench/idle_latency.py [SESSIONS [DELIVERIES]]      (1000, 500)

All over TLS on loopback, spread over 50 users; the one that is watched belongs to the recipient. One process sends and
watches, so an EXISTS that came before the 250 was read counts as the time of one read.
"""

import os
import resource
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/lib"))
from roost_server import Server, sample

USERS = 50


def percentile(times, of_hundred):
    return 1e3 * times[min(len(times) - 1, len(times) * of_hundred // 100)]


def main():
    n_sessions, n_deliveries = (int(word) for word in (sys.argv[1:] + ["1000", "500"][len(sys.argv) - 1:])[:2])
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with Server(users=USERS) as server:
        clients = []
        for number in range(n_sessions):
            clients.append(server.wire("u%d" % (number % USERS + 1)))
            clients[-1].ok("SELECT INBOX")
            clients[-1].idle()
        for one_user in (True, False):
            after, whole = [], []
            with server.lmtp() as lmtp:
                for number in range(n_deliveries):
                    user = 0 if one_user else number % USERS
                    watched = clients[user]
                    begin = time.monotonic()
                    ((code, text),) = lmtp.send("s@example.org", ["u%d" % (user + 1)], sample(number))
                    told = time.monotonic()
                    assert code == 250, text
                    while not watched.line().endswith(b" EXISTS"):
                        pass
                    heard = time.monotonic()
                    after.append(heard - told)
                    whole.append(heard - begin)
            after.sort()
            whole.sort()
            print("%d sessions, %d deliveries to %s: 250 to EXISTS p50 %.2f ms, p99 %.2f ms;"
                  " MAIL to EXISTS p50 %.2f ms, p99 %.2f ms" % (
                      n_sessions, n_deliveries, "one user" if one_user else "%d users in turn" % USERS,
                      percentile(after, 50), percentile(after, 99), percentile(whole, 50),
                      percentile(whole, 99)))
        for client in clients:
            client.close()


if __name__ == "__main__":
    main()
