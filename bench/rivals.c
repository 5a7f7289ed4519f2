#include "rivals.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "crowd.h"

#define RECORD_BYTES 48u
#define MAP_BYTES    ((size_t) 4 << 30)
#define PATH_BYTES   600u

/* What waits for the writer thread: of a client with a thread of its own, or of a crowd's. */
struct waiter {
    struct crowd_client *client; /* NULL: a thread waits for is_durable */
    uint32_t account, message;
    _Atomic uint32_t is_durable; /* pairs with the writer's store */
    struct waiter *next;
};

struct lmdb_rival {
    MDB_env *env;
    MDB_dbi table;
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct waiter *waiting; /* lock */
    bool is_stopping;       /* lock */
    pthread_t writer;
};

static void must_lmdb(int code, const char *what)
{
    if (code != 0)
        die("lmdb %s: %s", what, mdb_strerror(code));
}

static void futex(_Atomic uint32_t *word, int op, uint32_t value)
{
    (void) syscall(SYS_futex, word, op, value, NULL, NULL, 0);
}

/* Message 0 of an account is its mailbox. */
static void put_record(struct lmdb_rival *rival, MDB_txn *txn, uint32_t account,
                       uint32_t message)
{
    unsigned char key[8], record[RECORD_BYTES] = {0};
    MDB_val k = {sizeof(key), key}, v = {sizeof(record), record}, old;

    for (unsigned i = 0; i < 4; i++) {
        key[i] = (unsigned char) (account >> (24 - 8 * i));
        key[4 + i] = (unsigned char) (message >> (24 - 8 * i));
    }
    if (mdb_get(txn, rival->table, &k, &old) == 0)
        memcpy(record, old.mv_data, sizeof(record));
    record[0]++;
    must_lmdb(mdb_put(txn, rival->table, &k, &v, 0), "put");
}

static void change(struct lmdb_rival *rival, MDB_txn *txn, uint32_t account, uint32_t message)
{
    put_record(rival, txn, account, message);
    put_record(rival, txn, account, 0);
}

struct lmdb_rival *lmdb_rival_new(const char *dir)
{
    struct lmdb_rival *rival = xcalloc(1, sizeof(*rival));
    MDB_txn *txn = NULL;

    if (mkdir(dir, 0700) != 0)
        die("mkdir %s", dir);
    (void) pthread_mutex_init(&rival->lock, NULL);
    (void) pthread_cond_init(&rival->work, NULL);
    must_lmdb(mdb_env_create(&rival->env), "create");
    must_lmdb(mdb_env_set_mapsize(rival->env, MAP_BYTES), "map size");
    must_lmdb(mdb_env_open(rival->env, dir, MDB_NOTLS, 0600), "open");
    must_lmdb(mdb_txn_begin(rival->env, NULL, 0, &txn), "begin");
    must_lmdb(mdb_dbi_open(txn, NULL, 0, &rival->table), "table");
    for (uint32_t account = 0; account < RIVAL_ACCOUNTS; account++) {
        for (uint32_t message = 0; message <= RIVAL_MESSAGES; message++)
            put_record(rival, txn, account, message);
    }
    must_lmdb(mdb_txn_commit(txn), "commit");
    return rival;
}

void lmdb_rival_free(struct lmdb_rival *rival)
{
    mdb_env_close(rival->env);
    (void) pthread_cond_destroy(&rival->work);
    (void) pthread_mutex_destroy(&rival->lock);
    free(rival);
}

static void *group_writer(void *arg)
{
    struct lmdb_rival *rival = arg;

    for (;;) {
        struct waiter *all, *next;
        MDB_txn *txn = NULL;

        (void) pthread_mutex_lock(&rival->lock);
        while (rival->waiting == NULL && !rival->is_stopping)
            (void) pthread_cond_wait(&rival->work, &rival->lock);
        all = rival->waiting;
        rival->waiting = NULL;
        (void) pthread_mutex_unlock(&rival->lock);
        if (all == NULL)
            return NULL;
        must_lmdb(mdb_txn_begin(rival->env, NULL, 0, &txn), "begin");
        for (struct waiter *it = all; it != NULL; it = it->next)
            change(rival, txn, it->account, it->message);
        must_lmdb(mdb_txn_commit(txn), "commit");
        for (struct waiter *it = all; it != NULL; it = next) {
            next = it->next; /* the client may go on as soon as it is told */
            if (it->client != NULL) {
                crowd_done(it->client);
                continue;
            }
            atomic_store(&it->is_durable, 1);
            futex(&it->is_durable, FUTEX_WAKE_PRIVATE, 1);
        }
    }
}

struct client {
    struct lmdb_rival *rival;
    const atomic_bool *stop;
    unsigned seed;
    uint64_t n;
    pthread_t thread;
};

static uint32_t below(struct client *client, uint32_t limit)
{
    return (uint32_t) rand_r(&client->seed) % limit;
}

/* The writer is woken only for the first: it takes the others with it. */
static void hand_over(struct lmdb_rival *rival, struct waiter *waiter)
{
    bool is_first;

    (void) pthread_mutex_lock(&rival->lock);
    waiter->next = rival->waiting;
    is_first = rival->waiting == NULL;
    rival->waiting = waiter;
    (void) pthread_mutex_unlock(&rival->lock);
    if (is_first)
        (void) pthread_cond_signal(&rival->work);
}

static void *grouped_client(void *arg)
{
    struct client *client = arg;
    struct lmdb_rival *rival = client->rival;

    for (; !atomic_load(client->stop); client->n++) {
        struct waiter waiter = {.account = below(client, RIVAL_ACCOUNTS),
                                .message = 1 + below(client, RIVAL_MESSAGES)};

        hand_over(rival, &waiter);
        while (atomic_load(&waiter.is_durable) == 0)
            futex(&waiter.is_durable, FUTEX_WAIT_PRIVATE, 0);
    }
    return NULL;
}

static void *plain_client(void *arg)
{
    struct client *client = arg;

    for (; !atomic_load(client->stop); client->n++) {
        MDB_txn *txn = NULL;

        must_lmdb(mdb_txn_begin(client->rival->env, NULL, 0, &txn), "begin");
        change(client->rival, txn, below(client, RIVAL_ACCOUNTS),
               1 + below(client, RIVAL_MESSAGES));
        must_lmdb(mdb_txn_commit(txn), "commit");
    }
    return NULL;
}

static uint64_t run_clients(struct lmdb_rival *rival, unsigned n, const atomic_bool *stop,
                            void *(*client_main)(void *) )
{
    struct client clients[BENCH_WRITERS_MAX];
    uint64_t total = 0;

    for (unsigned i = 0; i < n; i++) {
        clients[i] = (struct client){.rival = rival, .stop = stop, .seed = i + 1};
        if (pthread_create(&clients[i].thread, NULL, client_main, &clients[i]) != 0)
            die("pthread_create");
    }
    for (unsigned i = 0; i < n; i++) {
        (void) pthread_join(clients[i].thread, NULL);
        total += clients[i].n;
    }
    return total;
}

uint64_t lmdb_run_plain(struct lmdb_rival *rival, unsigned n, const atomic_bool *stop)
{
    return run_clients(rival, n, stop, plain_client);
}

static void start_writer(struct lmdb_rival *rival)
{
    rival->is_stopping = false;
    if (pthread_create(&rival->writer, NULL, group_writer, rival) != 0)
        die("pthread_create");
}

static void stop_writer(struct lmdb_rival *rival)
{
    (void) pthread_mutex_lock(&rival->lock);
    rival->is_stopping = true;
    (void) pthread_mutex_unlock(&rival->lock);
    (void) pthread_cond_signal(&rival->work);
    (void) pthread_join(rival->writer, NULL);
}

uint64_t lmdb_run_grouped(struct lmdb_rival *rival, unsigned n, const atomic_bool *stop)
{
    uint64_t total;

    start_writer(rival);
    total = run_clients(rival, n, stop, grouped_client);
    stop_writer(rival);
    return total;
}

struct crowd_writer {
    struct crowd_client client;
    struct lmdb_rival *rival;
    unsigned seed;
    struct waiter waiter;
};

static void begin_grouped(struct crowd_client *client)
{
    struct crowd_writer *writer = (struct crowd_writer *) client; /* its first member */

    writer->waiter =
        (struct waiter){.client = client,
                        .account = (uint32_t) rand_r(&writer->seed) % RIVAL_ACCOUNTS,
                        .message = 1 + (uint32_t) rand_r(&writer->seed) % RIVAL_MESSAGES};
    hand_over(writer->rival, &writer->waiter);
}

uint64_t lmdb_run_crowd(struct lmdb_rival *rival, unsigned n, const atomic_bool *stop)
{
    struct crowd_writer writers[BENCH_WRITERS_MAX];
    struct crowd_client *clients[BENCH_WRITERS_MAX];
    uint64_t total;

    for (unsigned i = 0; i < n; i++) {
        writers[i] = (struct crowd_writer){
            .client = {.begin = begin_grouped}, .rival = rival, .seed = i + 1};
        clients[i] = &writers[i].client;
    }
    start_writer(rival);
    total = crowd_run(clients, n, stop);
    stop_writer(rival);
    return total;
}

/* ---- Maildir ---- */

struct maildir {
    int tmp, new;
    uint64_t next; /* number of the next message */
    uint64_t n;
    const atomic_bool *stop;
    pthread_t thread;
};

struct maildir_rival {
    struct maildir dirs[BENCH_WRITERS_MAX];
};

static int open_dir(const char *dir, unsigned number, const char *sub)
{
    char path[PATH_BYTES];
    int fd;

    (void) snprintf(path, sizeof(path), "%s/%u%s", dir, number, sub);
    (void) mkdir(path, 0700);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        die("open %s", path);
    return fd;
}

struct maildir_rival *maildir_rival_new(const char *dir)
{
    struct maildir_rival *rival = xcalloc(1, sizeof(*rival));

    if (mkdir(dir, 0700) != 0)
        die("mkdir %s", dir);
    for (unsigned i = 0; i < BENCH_WRITERS_MAX; i++) {
        (void) close(open_dir(dir, i, ""));
        rival->dirs[i].tmp = open_dir(dir, i, "/tmp");
        rival->dirs[i].new = open_dir(dir, i, "/new");
    }
    return rival;
}

void maildir_rival_free(struct maildir_rival *rival)
{
    for (unsigned i = 0; i < BENCH_WRITERS_MAX; i++) {
        (void) close(rival->dirs[i].tmp);
        (void) close(rival->dirs[i].new);
    }
    free(rival);
}

static void deliver(struct maildir *maildir)
{
    static const char body[BENCH_BODY_BYTES] = "body";
    char name[64];
    int fd;

    (void) snprintf(name, sizeof(name), "%llu.M1.host", (unsigned long long) maildir->next++);
    fd = openat(maildir->tmp, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, body, sizeof(body)) != (ssize_t) sizeof(body) ||
        fdatasync(fd) != 0 || close(fd) != 0 ||
        renameat(maildir->tmp, name, maildir->new, name) != 0 || fsync(maildir->new) != 0)
        die("maildir: %s", name);
}

static void *maildir_main(void *arg)
{
    struct maildir *maildir = arg;

    for (maildir->n = 0; !atomic_load(maildir->stop); maildir->n++)
        deliver(maildir);
    return NULL;
}

uint64_t maildir_run(struct maildir_rival *rival, unsigned n, const atomic_bool *stop)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < n; i++) {
        rival->dirs[i].stop = stop;
        if (pthread_create(&rival->dirs[i].thread, NULL, maildir_main, &rival->dirs[i]) != 0)
            die("pthread_create");
    }
    for (unsigned i = 0; i < n; i++) {
        (void) pthread_join(rival->dirs[i].thread, NULL);
        total += rival->dirs[i].n;
    }
    return total;
}
