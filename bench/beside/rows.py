"""The rows that are measured: which scenario of bench/load, at which size, what is taken from it, and the goal against
Dovecot."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Sizes:
    """--messages and what else depends on how much time there is."""
    messages: int = 100000
    operations: int = 1000  # of a scenario that does one thing over and over
    bodies: int = 5000
    sessions: int = 5000
    watching: int = 1000
    mailboxes: int = 1000
    many: int = 10000


@dataclasses.dataclass(frozen=True)
class Figure:
    """One line of the table: a key that load prints, and the goal (None: none): the least ratio to Dovecot, or the most
    that it may be in its unit, whatever others show."""
    key: str
    goal: float = None
    most: float = None

    UNITS = {"per_s": ("/s", 1, True), "p50_us": ("ms", 1e-3, False), "p99_us": ("ms, p99", 1e-3, False),
             "server_cpu_us": ("us of the server's CPU", 1, False), "mb_s": ("MB/s", 1, True),
             "wire_bytes": ("of its bytes on the wire", 1, False), "pss_kib": ("KiB", 1, False)}

    def unit(self):
        return self.UNITS[self.key][0]

    def scale(self):
        return self.UNITS[self.key][1]

    def more_is_better(self):
        return self.UNITS[self.key][2]


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    title: str
    scenario: str
    figures: tuple
    options: tuple = ()  # of load
    operations: float = None  # of --operations, for each client; None: load's own number
    messages: str = None  # which of Sizes is -m
    needs: str = None  # a capability
    rounds: int = None  # at most
    restart: str = None  # a scenario that runs first, and then the server is started anew

    def words(self, sizes):
        words = list(self.options)
        if self.operations:
            words += ["-n", str(max(1, int(sizes.operations * self.operations)))]
        if self.messages:
            words += ["-m", str(getattr(sizes, self.messages))]
        return words + [self.scenario]


def rate(goal):
    return (Figure("per_s", goal),)


def time(goal):
    return (Figure("p50_us", goal),)


def volume(goal):
    return (Figure("mb_s", goal),)


TLS, COMPRESS, ONE, SIXTEEN, THIRTYTWO = ("-T",), ("-Z",), ("-c", "1"), ("-c", "16"), ("-c", "32")
BYTES_60K = ("-s", "60000")

ROWS = (
    Row("login", "login + logout, 32 clients", "login", (Figure("per_s", 15), Figure("server_cpu_us", 20)),
        THIRTYTWO, 0.05),
    Row("login-tls", "login + logout, TLS, full handshakes, 32 clients", "login",
        (Figure("per_s", 4), Figure("server_cpu_us", 8)), THIRTYTWO + TLS, 0.03),
    Row("append", "APPEND 4 KB, 1 client", "append", rate(2), ONE, 1),
    Row("append-16", "APPEND 4 KB, 16 clients", "append", rate(10), SIXTEEN, 0.2),
    Row("append-60k", "APPEND 60 KB, 16 clients", "append", rate(5), SIXTEEN + BYTES_60K, 0.1),
    Row("lmtp", "LMTP 4 KB, 1 client", "lmtp", rate(4), ONE, 1),
    Row("lmtp-16", "LMTP 4 KB, 16 clients", "lmtp", rate(15), SIXTEEN, 0.2),
    Row("fill", "MULTIAPPEND of mixed mail", "fill", rate(5), messages="messages", needs="MULTIAPPEND"),
    Row("select-first", "SELECT, first after start", "select-first", time(1), messages="messages", restart="big"),
    Row("select", "SELECT, warm", "select", time(0.8), messages="messages"),
    Row("fetch-flags", "UID FETCH 1:* (FLAGS)", "fetch-flags", time(15), messages="messages"),
    Row("envelope-first", "FETCH 1:* (... ENVELOPE BODYSTRUCTURE), first", "envelope-first", time(60),
        messages="messages"),
    Row("envelope", "FETCH 1:* (... ENVELOPE BODYSTRUCTURE), second", "envelope", time(15), messages="messages"),
    Row("headers-first", "FETCH 1:* header fields as Thunderbird, first", "headers-first", time(30),
        messages="messages"),
    Row("headers", "FETCH 1:* header fields as Thunderbird, second", "headers", time(8), messages="messages"),
    Row("body-4k", "FETCH BODY[] 4 KB", "fetch-body", volume(3), messages="bodies"),
    Row("body-60k", "FETCH BODY[] 60 KB", "fetch-body", volume(1.3), BYTES_60K, messages="bodies"),
    Row("body-4k-tls", "FETCH BODY[] 4 KB, TLS", "fetch-body", volume(2), TLS, messages="bodies"),
    Row("body-60k-tls", "FETCH BODY[] 60 KB, TLS", "fetch-body", volume(2), BYTES_60K + TLS, messages="bodies"),
    Row("body-4k-compress", "FETCH BODY[] 4 KB, COMPRESS", "fetch-body", (Figure("mb_s", 10), Figure("wire_bytes")),
        COMPRESS, messages="bodies", needs="COMPRESS=DEFLATE"),
    Row("body-60k-compress", "FETCH BODY[] 60 KB, COMPRESS", "fetch-body", (Figure("mb_s", 10), Figure("wire_bytes")),
        BYTES_60K + COMPRESS, messages="bodies", needs="COMPRESS=DEFLATE"),
    Row("store", "STORE one uid, pipelined, 1 client", "store-pipe", rate(2), ONE, 0.2),
    Row("store-16", "STORE one uid, pipelined, 16 clients", "store-pipe", rate(5), SIXTEEN, 0.05),
    Row("store-all", "STORE 1:*", "store-all", time(10), messages="messages"),
    Row("search-text", "SEARCH TEXT, rare word", "search-text", time(500), messages="messages"),
    Row("search-body", "SEARCH BODY, rare word", "search-body", time(500), messages="messages"),
    Row("search-subject", "SEARCH SUBJECT", "search-subject", time(50), messages="messages"),
    Row("search-from", "SEARCH FROM", "search-from", time(50), messages="messages"),
    Row("search-since", "SEARCH SINCE", "search-since", time(30), messages="messages"),
    Row("search-unseen", "SEARCH UNSEEN", "search-unseen", time(20), messages="messages"),
    Row("sort-date-first", "SORT (DATE), first", "sort-date-first", time(10), messages="messages", needs="SORT"),
    Row("sort-date", "SORT (DATE), second", "sort-date", time(4), messages="messages", needs="SORT"),
    Row("sort-subject-first", "SORT (SUBJECT), first", "sort-subject-first", time(10), messages="messages",
        needs="SORT"),
    Row("sort-subject", "SORT (SUBJECT), second", "sort-subject", time(4), messages="messages", needs="SORT"),
    Row("thread-first", "THREAD REFERENCES, first", "thread-first", time(10), messages="messages",
        needs="THREAD=REFERENCES"),
    Row("thread", "THREAD REFERENCES, second", "thread", time(4), messages="messages", needs="THREAD=REFERENCES"),
    Row("list-status", "LIST-STATUS of many mailboxes", "list-status", time(3), messages="mailboxes",
        needs="LIST-STATUS"),
    Row("copy", "COPY of 10k messages", "copy", time(10), messages="many"),
    Row("move", "MOVE of 10k messages", "move", time(10), messages="many", needs="MOVE"),
    Row("expunge", "EXPUNGE of 10k messages", "expunge", time(3), messages="many"),
    Row("qresync", "QRESYNC, 1,000 changed and 1,000 gone", "qresync", time(2), messages="messages", needs="QRESYNC"),
    Row("mixed", "mixed, 32 clients, 16 users", "mixed", (Figure("per_s", 4), Figure("p99_us", 4)), (), 0.4),
    Row("idle", "memory of one idle session", "idle", (Figure("pss_kib", most=5),), messages="sessions", rounds=1,
        restart="login"),
    Row("idle-tls", "memory of one idle session, TLS", "idle", (Figure("pss_kib", most=20),), TLS, messages="sessions",
        rounds=1, restart="login"),
    Row("notify", "LMTP's 250 to EXISTS, 20 watchers among many idle", "notify",
        (Figure("p50_us"), Figure("p99_us", most=3.5)), operations=2, messages="watching", needs="IDLE"),
    Row("notify-append", "APPEND's OK to EXISTS, 20 watchers among many idle", "notify-append",
        (Figure("p50_us"), Figure("p99_us", most=3.5)), operations=2, messages="watching", needs="IDLE"),
)

# What must not grow with the number of accounts that have mail: for --accounts.
ACCOUNTS = (
    Row("login-any", "login, SELECT, logout of any account", "login-any", time(None), operations=0.2, messages="messages"),
    Row("lmtp-any", "LMTP to any account", "lmtp-any", time(None), operations=0.2, messages="messages"),
    Row("append", "APPEND 4 KB to one", "append", time(None), ONE, 0.2),
)

# What must not grow with the mailbox, and what may grow no faster than it: for --growth.
GROWTH = (
    Row("append-big", "APPEND of a message to it", "append-big", time(None), operations=0.2, messages="messages"),
    Row("store-big", "STORE of one flag in it", "store-big", time(None), operations=0.2, messages="messages"),
    Row("select-first", "SELECT, first after start", "select-first", time(None), messages="messages", restart="big"),
    Row("select", "SELECT, warm", "select", time(None), messages="messages"),
    Row("fetch-flags", "UID FETCH 1:* (FLAGS)", "fetch-flags", time(None), messages="messages"),
    Row("envelope", "FETCH 1:* (... ENVELOPE BODYSTRUCTURE)", "envelope", time(None), messages="messages"),
    Row("search-text", "SEARCH TEXT, rare word", "search-text", time(None), messages="messages"),
    Row("search-unseen", "SEARCH UNSEEN", "search-unseen", time(None), messages="messages"),
)
