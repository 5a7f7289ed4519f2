/*
 * test_server_stress.c - many clients at once on the pool, over the local engine: what only
 * shows when threads meet. Run under TSan and ASan; every answer must be OK or a NO that can
 * be.
 */
// links: server store_memory store_local
// lib: mail_world
// labels: concurrency
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/mail_world.h"
#include "lib/test.h"
#include "server/clients.h"

#define PEERS        16u
#define POOL_THREADS 4u
#define ACCOUNTS     3u
#define BATCHES      40u /* of each peer */
#define BATCH_MAX    4u  /* commands sent together */
#define LINE_MAX_LEN 4096u
#define PER_USER     200u

struct peer {
    pthread_t thread;
    unsigned number;
    int fd;
    uint64_t random;
    char bytes[1 << 16];
    size_t from, to; /* bytes read and not yet looked at */
    unsigned tag;
    unsigned n_ok, n_no;
};

struct stage {
    struct mail_world world;
    struct pool *pool;
    struct clients *clients;
    struct peer peers[PEERS];
    _Atomic bool stop;
};

static uint32_t pick(struct peer *peer, uint32_t n)
{
    peer->random = peer->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t) (peer->random >> 33) % n;
}

/* ---- a client that blocks ---- */

static void send_text(struct peer *peer, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(peer->fd, text, len);

        if (n < 0)
            die("peer %u: write: %s", peer->number, strerror(errno));
        text += n;
        len -= (size_t) n;
    }
}

/* False at the end. */
static bool read_byte(struct peer *peer, char *out)
{
    if (peer->from == peer->to) {
        ssize_t n = read(peer->fd, peer->bytes, sizeof(peer->bytes));

        if (n <= 0)
            return false;
        peer->from = 0;
        peer->to = (size_t) n;
    }
    *out = peer->bytes[peer->from++];
    return true;
}

/* A line without its end; what is longer is cut. False at the end. */
static bool read_line(struct peer *peer, char out[LINE_MAX_LEN])
{
    size_t n = 0;
    char c;

    while (read_byte(peer, &c)) {
        if (c == '\n') {
            out[n] = '\0';
            return true;
        }
        if (n < LINE_MAX_LEN - 1 && c != '\r')
            out[n++] = c;
    }
    return false;
}

/* Literals hold no line that looks like the tagged one: texts here are dots. */
static void finish(struct peer *peer, unsigned tag)
{
    char line[LINE_MAX_LEN], want[16];
    size_t len;

    (void) snprintf(want, sizeof(want), "p%u ", tag);
    len = strlen(want);
    do {
        if (!read_line(peer, line))
            die("peer %u: ended before %s", peer->number, want);
    } while (strncmp(line, want, len) != 0);
    if (strncmp(line + len, "OK", 2) == 0)
        peer->n_ok++;
    else if (strncmp(line + len, "NO", 2) == 0)
        peer->n_no++;
    else
        die("peer %u: %s", peer->number, line);
}

/* ---- what it does ---- */

static const char *choose(struct peer *peer)
{
    static const char *const commands[] = {
        "NOOP",
        "APPEND INBOX (\\Seen) {24+}\r\nSubject: dots\r\n\r\n.......",
        "APPEND INBOX {17+}\r\nA: b\r\n\r\n......... {17+}\r\nA: b\r\n\r\n.........",
        "APPEND box {17+}\r\nA: b\r\n\r\n.........",
        "UID STORE 1:* +FLAGS (\\Flagged k1)",
        "UID STORE 1:* -FLAGS.SILENT (\\Flagged)",
        "UID STORE * +FLAGS (\\Deleted)",
        "UID FETCH 1:* (FLAGS ENVELOPE BODYSTRUCTURE)",
        "UID FETCH * BODY[]",
        "UID COPY * box",
        "UID MOVE * box",
        "EXPUNGE",
        "UID SEARCH SUBJECT dots UNSEEN",
        "SELECT INBOX",
        "SELECT box",
        "EXAMINE INBOX",
        "STATUS INBOX (MESSAGES UNSEEN RECENT HIGHESTMODSEQ)",
        "LIST \"\" * RETURN (STATUS (MESSAGES))",
        "CREATE box",
        "SUBSCRIBE box",
        "NOTIFY SET STATUS (SELECTED (MessageNew (UID FLAGS BODY.PEEK[]) MessageExpunge "
        "FlagChange)) (PERSONAL (MessageNew MessageExpunge FlagChange MailboxName "
        "SubscriptionChange))",
        ("NOTIFY SET (SELECTED-DELAYED (MessageNew MessageExpunge)) (MAILBOXES (box INBOX) "
         "(MessageNew MessageExpunge MailboxName))"),
        "NOTIFY NONE",
        "RENAME other other2",
        "CREATE other",
        "DELETE other2",
    };

    return commands[pick(peer, COUNT(commands))];
}

static void run_batch(struct peer *peer)
{
    uint32_t n = 1 + pick(peer, BATCH_MAX);
    unsigned first = peer->tag + 1;
    AUTO(buf_done) struct buf text;

    buf_init(&text, 1 << 16);
    buf_printf(&text, "p%u SELECT %s\r\n", ++peer->tag, pick(peer, 3) == 0 ? "box" : "INBOX");
    for (uint32_t i = 0; i < n; i++) {
        const char *command = choose(peer);

        buf_printf(&text, "p%u %s\r\n", ++peer->tag, command);
    }
    send_text(peer, text.ptr, text.len);
    for (unsigned tag = first; tag <= peer->tag; tag++)
        finish(peer, tag);
}

static void idle_for_a_while(struct peer *peer)
{
    char text[64], line[LINE_MAX_LEN];

    (void) snprintf(text, sizeof(text), "p%u IDLE\r\n", ++peer->tag);
    send_text(peer, text, strlen(text));
    do {
        if (!read_line(peer, line))
            die("peer %u: ended in IDLE", peer->number);
    } while (line[0] != '+');
    send_text(peer, "DONE\r\n", 6);
    finish(peer, peer->tag);
}

static void *run_peer(void *ctx)
{
    struct peer *peer = ctx;
    char line[LINE_MAX_LEN];

    finish(peer, 0); /* the greeting answers the LOGIN that the gate read */
    send_text(peer, "p1 CREATE box\r\n", 15);
    peer->tag = 1;
    finish(peer, 1);
    for (unsigned i = 0; i < BATCHES; i++) {
        if (pick(peer, 8) == 0)
            idle_for_a_while(peer);
        else
            run_batch(peer);
    }
    send_text(peer, "bye LOGOUT\r\n", 12);
    while (read_line(peer, line))
        continue;
    (void) close(peer->fd);
    return NULL;
}

/* ---- the server around it ---- */

static void start_peer(struct stage *stage, unsigned number)
{
    struct peer *peer = &stage->peers[number];
    struct client_handover handover = {
        .who = {.account = number % ACCOUNTS + 1,
                .device = 1,
                .user = "u",
                .device_name = "d",
                .mechanism = "PLAIN",
                .client_id = "",
                .folders = "",
                .mailboxes = "",
                .home = ""},
        .tag = SLICE("p0"),
    };
    struct err err;
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    *peer = (struct peer){.number = number, .fd = fds[1], .random = number + 1};
    handover.fd = fds[0];
    if (client_start(stage->clients, &handover, &err) != RC_OK)
        fail_msg("start: %s", err.detail);
    assert_int_equal(pthread_create(&peer->thread, NULL, run_peer, peer), 0);
}

static void count_row(void *ctx, const struct client_row *row)
{
    *(uint64_t *) ctx += row->number != 0 && row->who->account != 0;
}

/* What the mail role's own thread does all the time. */
static void *look_after(void *ctx)
{
    struct stage *stage = ctx;
    uint64_t rows = 0;

    while (!atomic_load(&stage->stop)) {
        AUTO(account_closep) struct account *account = world_account(&stage->world, 1);

        clients_sweep(stage->clients);
        clients_list(stage->clients, count_row, &rows);
        (void) clients_kick(stage->clients, 1); /* nobody has this number */
        (void) world_append(account, "INBOX", "Subject: delivered\r\n\r\n.\r\n", NULL);
        (void) usleep(2000); /* paces the deliveries; nothing waits for it */
    }
    return NULL;
}

static void clients_meet(void **state)
{
    static const struct local_options local = {0};
    struct stage *stage = xcalloc(1, sizeof(*stage));
    struct clients_options options;
    pthread_t keeper;
    struct err err;
    unsigned n_ok = 0;

    (void) state;
    world_open_local(&stage->world, &local);
    assert_int_equal(pool_new(POOL_THREADS, 1, NULL, &stage->pool, &err), RC_OK);
    options = (struct clients_options){
        .pool = stage->pool, .store = stage->world.store, .per_user = PER_USER};
    stage->clients = clients_new(&options);
    for (unsigned i = 0; i < PEERS; i++)
        start_peer(stage, i);
    assert_int_equal(pthread_create(&keeper, NULL, look_after, stage), 0);
    for (unsigned i = 0; i < PEERS; i++) {
        assert_int_equal(pthread_join(stage->peers[i].thread, NULL), 0);
        n_ok += stage->peers[i].n_ok;
    }
    atomic_store(&stage->stop, true);
    assert_int_equal(pthread_join(keeper, NULL), 0);
    while (clients_count(stage->clients) > 0)
        (void) usleep(1000); /* their ends are closed: each goes by itself */
    assert_true(n_ok > PEERS * BATCHES);
    pool_free(stage->pool);
    clients_free(stage->clients);
    world_done(&stage->world);
    free(stage);
}

/* A client that never reads takes up no thread, and is gone soon after its access is. */
static void who_does_not_read_can_be_ended(void **state)
{
    static const struct memory_engine_options plain = {.no_conflict = true};
    struct stage *stage = xcalloc(1, sizeof(*stage));
    struct client_handover handover = {
        .who = {.account = 1,
                .user = "u",
                .device_name = "d",
                .mechanism = "PLAIN",
                .client_id = "",
                .folders = "",
                .mailboxes = "",
                .home = ""},
        .tag = SLICE("p0"),
    };
    struct clients_options options;
    struct err err;
    size_t sent = 0;
    int fds[2];

    (void) state;
    world_open_memory(&stage->world, &plain);
    assert_int_equal(pool_new(1, 1, NULL, &stage->pool, &err), RC_OK);
    options = (struct clients_options){
        .pool = stage->pool, .store = stage->world.store, .per_user = PER_USER};
    stage->clients = clients_new(&options);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
                     0);
    handover.fd = fds[0];
    assert_int_equal(client_start(stage->clients, &handover, &err), RC_OK);
    /* Until neither side takes a byte more: the server's answers fill its side. */
    for (unsigned quiet = 0; quiet < 50;) {
        ssize_t n = write(fds[1], "a CAPABILITY\r\n", 14);

        sent += n > 0 ? (size_t) n : 0;
        quiet = n > 0 ? 0 : quiet + 1;
        if (n <= 0)
            (void) usleep(2000); /* lets the server take what it will take */
    }
    assert_true(sent > 0);
    assert_int_equal(clients_count(stage->clients), 1);
    assert_int_equal(clients_end(stage->clients, 1, 0, 0, ORDER_REVOKED), 1);
    while (clients_count(stage->clients) > 0) {
        clients_sweep(stage->clients);
        (void) usleep(1000); /* a sweep's pace, much quickened */
    }
    (void) close(fds[1]);
    pool_free(stage->pool);
    clients_free(stage->clients);
    world_done(&stage->world);
    free(stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clients_meet),
        cmocka_unit_test(who_does_not_read_can_be_ended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
