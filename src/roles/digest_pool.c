#include "roles/digest_pool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/scan.h"

#define TABLE_MAX_BYTES ((size_t) DIGEST_TABLE_SHARED_BYTES)

struct digest_child {
    pid_t pid; /* 0: none */
    uint32_t id;
};

struct digest_pool {
    struct digest_pool_options options;
    struct channel *mail; /* NULL: none now */
    struct digest_child children[DIGEST_CHILDREN_MAX];
    uint32_t last_id;
};

/* What a child works with. */
struct shared {
    int channel[2]; /* the child's end, mail's end */
    int in, out;    /* memfds */
};

struct digest_pool *digest_pool_new(const struct digest_pool_options *options)
{
    struct digest_pool *pool = xcalloc(1, sizeof(*pool));

    pool->options = *options;
    pool->options.n = MIN(options->n, (size_t) DIGEST_CHILDREN_MAX);
    return pool;
}

static void kill_child(const struct digest_child *child)
{
    if (child->pid != 0)
        (void) kill(child->pid, SIGKILL); /* not reaped: the pid is its own */
}

void digest_pool_free(struct digest_pool *pool)
{
    if (pool == NULL)
        return;
    for (size_t i = 0; i < pool->options.n; i++) {
        kill_child(&pool->children[i]);
        if (pool->children[i].pid != 0)
            (void) waitpid(pool->children[i].pid, NULL, 0); /* killed: nothing to learn */
    }
    channel_free(pool->mail);
    free(pool);
}

int digest_pool_fd(const struct digest_pool *pool)
{
    return pool->mail != NULL ? channel_fd(pool->mail) : -1;
}

bool digest_pool_wants_write(const struct digest_pool *pool)
{
    return pool->mail != NULL && channel_wants_write(pool->mail);
}

/* ---- the child ---- */

/* The tables of the messages in a run, one behind another, and their lengths. */
struct tables {
    char *out;
    size_t used;
    struct buf lengths;
};

static enum rc add_table(struct tables *tables, digest_parse_fn *parse, struct slice message)
{
    AUTO(buf_done) struct buf table = {0};

    buf_init(&table, TABLE_MAX_BYTES - tables->used);
    parse(message, &table);
    if (table.overflow)
        return RC_LIMIT;
    if (table.len > 0)
        memcpy(tables->out + tables->used, table.ptr, table.len);
    tables->used += table.len;
    buf_le64(&tables->lengths, table.len);
    return RC_OK;
}

/* The lengths are mail's, the memory nobody else reads: one table for each message. */
static enum rc make_tables(const struct digest_pool_options *options, struct slice lengths,
                           const char *in, struct tables *tables)
{
    struct scan sc = scan_of(lengths);
    uint64_t at = 0, len;
    enum rc rc = RC_OK;

    while (rc == RC_OK && scan_le64(&sc, &len)) {
        if (len > options->message_max_bytes - at)
            return RC_LIMIT;
        rc = add_table(tables, options->parse, slice_of(in + at, (size_t) len));
        at += len;
    }
    return rc;
}

static void answer(struct channel *mail, const struct digest_pool_options *options,
                   const struct msg_digest_request *request, const char *in, char *out)
{
    struct tables tables = {.out = out};
    struct msg done = {.type = MSG_DIGEST_DONE, .digest_done = {.request = request->request}};
    enum rc rc;

    buf_init(&tables.lengths, sizeof(uint64_t) * MSG_DIGESTS_MAX);
    done.digest_done.rc = (uint8_t) make_tables(options, request->lengths, in, &tables);
    done.digest_done.lengths = buf_slice(&tables.lengths);
    rc = channel_send(mail, &done, NULL, -1, NULL);
    buf_done(&tables.lengths);
    if (rc != RC_OK)
        _exit(1); /* mail is gone */
}

static enum rc confine(const struct digest_pool_options *options)
{
    static const struct sandbox_limits limits = {.memory_bytes = DIGEST_CHILD_MEMORY_BYTES,
                                                 .cpu_sec = DIGEST_CHILD_CPU_SEC};
    AUTO(buf_done) struct buf state = {0};
    enum rc rc = sandbox_limit(&limits, NULL);

    buf_init(&state, 256);
    if (rc == RC_OK && prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        rc = RC_IO;
    if (rc == RC_OK)
        rc = sandbox_enter_child(&options->rules, &state, NULL);
    return rc;
}

/* Everything but the channel and standard error. */
static void close_others(int keep)
{
    if (keep > STDERR_FILENO + 1)
        (void) close_range(STDERR_FILENO + 1, (unsigned) keep - 1, 0);
    (void) close_range((unsigned) keep + 1, ~0u, 0);
    (void) close(STDIN_FILENO);
    (void) close(STDOUT_FILENO);
}

_Noreturn static void run_child(const struct digest_pool_options *options,
                                const struct shared *shared)
{
    const char *in =
        mmap(NULL, (size_t) options->message_max_bytes, PROT_READ, MAP_SHARED, shared->in, 0);
    char *out = mmap(NULL, TABLE_MAX_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, shared->out, 0);
    struct channel *mail;
    struct packet *packet;

    log_set_sink(NULL, NULL);
    close_others(shared->channel[0]);
    mail = channel_new(shared->channel[0], ROLE_DIGEST, ROLE_MAIL);
    if (in == MAP_FAILED || out == MAP_FAILED || confine(options) != RC_OK)
        _exit(1);
    while (channel_wait(mail, -1, &packet, NULL) == RC_OK) {
        if (packet->msg.type != MSG_DIGEST_REQUEST)
            break;
        answer(mail, options, &packet->msg.digest_request, in, out);
    }
    _exit(0); /* mail gave us up */
}

/* ---- the pool ---- */

static void shared_close(struct shared *shared)
{
    closep(&shared->channel[0]);
    closep(&shared->channel[1]);
    closep(&shared->in);
    closep(&shared->out);
}

/* Sealed in size, so that neither side can take memory away under the other. */
static enum rc shared_memory(const char *name, uint64_t bytes, int *out, struct err *err)
{
    AUTO(closep) int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0 || ftruncate(fd, (off_t) bytes) != 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        return err_set(err, RC_IO, "Internal error", "digest: memfd: %s", strerror(errno));
    *out = fd;
    fd = -1;
    return RC_OK;
}

static enum rc shared_open(const struct digest_pool *pool, struct shared *out, struct err *err)
{
    struct shared shared = {
        .channel = {-1, -1},
          .in = -1, .out = -1
    };
    enum rc rc = channel_pair(shared.channel, err);

    if (rc == RC_OK)
        rc = shared_memory("roost-digest-in", pool->options.message_max_bytes, &shared.in, err);
    if (rc == RC_OK)
        rc = shared_memory("roost-digest-out", DIGEST_TABLE_SHARED_BYTES, &shared.out, err);
    if (rc) {
        shared_close(&shared);
        return rc;
    }
    *out = shared;
    return RC_OK;
}

static enum rc fork_child(struct digest_pool *pool, struct digest_child *child, struct err *err)
{
    struct msg msg = {
        .type = MSG_DIGEST_WORKER,
        .digest_worker = {.worker = ++pool->last_id,
                          .in_bytes = pool->options.message_max_bytes,
                          .out_bytes = DIGEST_TABLE_SHARED_BYTES}
    };
    struct shared shared;
    enum rc rc = shared_open(pool, &shared, err);
    int fds[MSG_FDS_MAX];
    pid_t pid;

    if (rc)
        return rc;
    pid = fork();
    if (pid == 0)
        run_child(&pool->options, &shared);
    if (pid < 0) {
        shared_close(&shared);
        return err_set(err, RC_IO, "Internal error", "digest: fork: %s", strerror(errno));
    }
    *child = (struct digest_child){.pid = pid, .id = pool->last_id};
    fds[0] = shared.channel[1];
    fds[1] = shared.in;
    fds[2] = shared.out;
    rc = channel_post(pool->mail, &msg, fds, err);
    shared_close(&shared); /* sent, or duplicated in the queue */
    return rc;
}

static enum rc fill(struct digest_pool *pool, struct err *err)
{
    enum rc rc = RC_OK;

    for (size_t i = 0; i < pool->options.n && rc == RC_OK && pool->mail != NULL; i++) {
        if (pool->children[i].pid == 0)
            rc = fork_child(pool, &pool->children[i], err);
    }
    return rc;
}

enum rc digest_pool_attach(struct digest_pool *pool, int fd, struct err *err)
{
    channel_free(pool->mail);
    pool->mail = channel_new(fd, ROLE_DIGEST, ROLE_MAIL);
    for (size_t i = 0; i < pool->options.n; i++)
        kill_child(&pool->children[i]); /* reaped, and forked anew, on SIGCHLD */
    return fill(pool, err);
}

static void drop(struct digest_pool *pool, uint32_t id)
{
    for (size_t i = 0; i < pool->options.n; i++) {
        if (pool->children[i].id == id)
            kill_child(&pool->children[i]);
    }
}

enum rc digest_pool_ready(struct digest_pool *pool, struct err *err)
{
    struct packet *packet;
    enum rc rc;

    if (pool->mail == NULL)
        return RC_OK;
    rc = channel_flush(pool->mail, err);
    while (rc == RC_OK || rc == RC_MORE) {
        rc = channel_take(pool->mail, &packet, err);
        if (rc == RC_MORE)
            return RC_OK;
        if (rc == RC_OK && packet->msg.type == MSG_DIGEST_DROP)
            drop(pool, packet->msg.digest_drop.worker);
    }
    channel_free(pool->mail);
    pool->mail = NULL;
    return rc;
}

enum rc digest_pool_reap(struct digest_pool *pool, struct err *err)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (size_t i = 0; i < pool->options.n; i++) {
            if (pool->children[i].pid != pid)
                continue;
            pool->children[i] = (struct digest_child){0};
            if (status != 0)
                log_event(LEVEL_WARNING, "digest.child", LOG_NUM("pid", pid),
                          WIFSIGNALED(status) ? LOG_NUM("signal", WTERMSIG(status))
                                              : LOG_NUM("exit", WEXITSTATUS(status)));
        }
    }
    return fill(pool, err);
}
