#include "cost.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/scan.h"

#define PROC_TEXT_BYTES 4096
#define N_COUNTERS      3

/* A server rests in a step in which it took at most one clock tick (10 ms). */
#define SETTLE_STEP_MS 200u
#define SETTLE_TICKS   1

/* The order of struct cost_row. Without the first nothing is counted. */
static const struct {
    uint32_t type;
    uint64_t config;
    bool user_only;
} counters[N_COUNTERS] = {
    {PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK,       false},
    {PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CONTEXT_SWITCHES, false},
    {PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS,     true }
};

struct thread {
    char role[COST_NAME_BYTES];
    int fds[N_COUNTERS]; /* -1: not counted */
};

struct cost {
    struct thread *threads;
    size_t n, cap;
    bool has_instructions;
};

struct process {
    pid_t pid, parent;
    bool is_below;
};

static size_t read_file(const char *path, char *out)
{
    FILE *file = fopen(path, "re");
    size_t len = 0;

    if (file != NULL) {
        len = fread(out, 1, PROC_TEXT_BYTES - 1, file);
        (void) fclose(file);
    }
    out[len] = '\0';
    return len;
}

/* The fourth field of stat; the command's name before it may hold anything, ')' too. */
static pid_t parent_of(pid_t pid)
{
    char path[64], text[PROC_TEXT_BYTES];
    const char *end;

    (void) snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    (void) read_file(path, text);
    end = strrchr(text, ')');
    return end != NULL && strlen(end) > 4 ? (pid_t) strtol(end + 4, NULL, 10) : 0;
}

static void name_role(pid_t pid, char out[COST_NAME_BYTES])
{
    char path[64], text[PROC_TEXT_BYTES];
    size_t len;

    (void) snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
    len = read_file(path, text);
    for (size_t at = 0; at < len; at += strlen(text + at) + 1) {
        if (strcmp(text + at, "--role") == 0 && at + sizeof("--role") < len) {
            (void) snprintf(out, COST_NAME_BYTES, "%.*s", COST_NAME_BYTES - 1,
                            text + at + sizeof("--role"));
            return;
        }
    }
    (void) snprintf(path, sizeof(path), "/proc/%d/comm", pid);
    len = read_file(path, text);
    text[len > 0 ? len - 1 : 0] = '\0';
    (void) snprintf(out, COST_NAME_BYTES, "%.*s", COST_NAME_BYTES - 1, text);
}

static int open_counter(size_t which, pid_t tid)
{
    struct perf_event_attr attr = {.size = sizeof(attr),
                                   .type = counters[which].type,
                                   .config = counters[which].config,
                                   .inherit = 1,
                                   .exclude_kernel = counters[which].user_only,
                                   .exclude_hv = 1};

    return (int) syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static enum rc count_thread(struct cost *cost, const char *role, pid_t tid, struct err *err)
{
    struct thread *thread;

    if (cost->n == cost->cap) {
        cost->cap = MAX(cost->cap * 2, (size_t) 64);
        cost->threads = xrealloc(cost->threads, cost->cap * sizeof(*cost->threads));
    }
    thread = &cost->threads[cost->n];
    (void) snprintf(thread->role, sizeof(thread->role), "%s", role);
    thread->fds[0] = open_counter(0, tid);
    if (thread->fds[0] < 0 && errno == ESRCH)
        return RC_OK; /* it has ended */
    if (thread->fds[0] < 0)
        return err_set(err, RC_DENIED, "Cannot count", "perf_event_open %d: %s", tid,
                       strerror(errno));
    for (size_t i = 1; i < N_COUNTERS; i++)
        thread->fds[i] = open_counter(i, tid);
    if (thread->fds[2] < 0)
        cost->has_instructions = false;
    cost->n++;
    return RC_OK;
}

static enum rc count_process(struct cost *cost, pid_t pid, struct err *err)
{
    char path[64], role[COST_NAME_BYTES];
    const struct dirent *entry;
    enum rc rc = RC_OK;
    DIR *dir;

    (void) snprintf(path, sizeof(path), "/proc/%d/task", pid);
    dir = opendir(path);
    if (dir == NULL)
        return RC_OK; /* it has ended */
    name_role(pid, role);
    while (rc == RC_OK && (entry = readdir(dir)) != NULL) {
        if (isdigit((unsigned char) entry->d_name[0]))
            rc = count_thread(cost, role, (pid_t) strtol(entry->d_name, NULL, 10), err);
    }
    (void) closedir(dir);
    return rc;
}

static struct process *list_processes(size_t *out_n)
{
    struct process *list = NULL;
    const struct dirent *entry;
    size_t n = 0, cap = 0;
    DIR *dir = opendir("/proc");

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (!isdigit((unsigned char) entry->d_name[0]))
            continue;
        if (n == cap) {
            cap = MAX(cap * 2, (size_t) 256);
            list = xrealloc(list, cap * sizeof(*list));
        }
        list[n] = (struct process){.pid = (pid_t) strtol(entry->d_name, NULL, 10)};
        list[n].parent = parent_of(list[n].pid);
        n++;
    }
    if (dir != NULL)
        (void) closedir(dir);
    *out_n = n;
    return list;
}

/* Pids wrap, so a child may stand before its parent: mark until nothing is added. */
static void mark_below(struct process *list, size_t n, pid_t root)
{
    bool is_new = true;

    for (size_t i = 0; i < n; i++)
        list[i].is_below = list[i].pid == root;
    while (is_new) {
        is_new = false;
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j < n && !list[i].is_below; j++) {
                if (list[j].is_below && list[j].pid == list[i].parent)
                    list[i].is_below = is_new = true;
            }
        }
    }
}

static void cost_free(struct cost *cost)
{
    for (size_t i = 0; i < cost->n; i++) {
        for (size_t j = 0; j < N_COUNTERS; j++)
            closep(&cost->threads[i].fds[j]);
    }
    free(cost->threads);
    free(cost);
}

enum rc cost_start(pid_t root, struct cost **out, struct err *err)
{
    struct cost *cost = xcalloc(1, sizeof(*cost));
    AUTO(freep) struct process *list = NULL;
    size_t n;
    enum rc rc = RC_OK;

    cost->has_instructions = true;
    list = list_processes(&n);
    mark_below(list, n, root);
    for (size_t i = 0; i < n && rc == RC_OK; i++) {
        if (list[i].is_below)
            rc = count_process(cost, list[i].pid, err);
    }
    if (rc == RC_OK && cost->n == 0)
        rc = err_set(err, RC_NOT_FOUND, "No such process", "cost: no process %d", root);
    if (rc) {
        cost_free(cost);
        return rc;
    }
    *out = cost;
    return RC_OK;
}

/* The 14th and 15th field of stat, in clock ticks. */
static uint64_t ticks_of(pid_t pid)
{
    char path[64], text[PROC_TEXT_BYTES];
    const char *at;
    uint64_t ticks = 0;

    (void) snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    (void) read_file(path, text);
    at = strrchr(text, ')');
    for (int field = 2; at != NULL && field < 15; field++) {
        at = strchr(at + 1, ' ');
        if (at != NULL && field >= 13)
            ticks += strtoull(at + 1, NULL, 10);
    }
    return ticks;
}

static uint64_t ticks_below(pid_t root)
{
    AUTO(freep) struct process *list = NULL;
    uint64_t ticks = 0;
    size_t n;

    list = list_processes(&n);
    mark_below(list, n, root);
    for (size_t i = 0; i < n; i++)
        ticks += list[i].is_below ? ticks_of(list[i].pid) : 0;
    return ticks;
}

bool cost_settle(pid_t root, unsigned quiet_ms, unsigned max_ms)
{
    uint64_t before = ticks_below(root);

    for (unsigned ms = 0, quiet = 0; ms < max_ms; ms += SETTLE_STEP_MS) {
        uint64_t now;

        (void) poll(NULL, 0, SETTLE_STEP_MS);
        now = ticks_below(root);
        quiet = now - before <= SETTLE_TICKS ? quiet + SETTLE_STEP_MS : 0;
        before = now;
        if (quiet >= quiet_ms)
            return true;
    }
    return false;
}

static uint64_t pss_of(pid_t pid)
{
    char path[64], text[PROC_TEXT_BYTES];
    const char *at;

    (void) snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
    (void) read_file(path, text);
    at = strstr(text, "\nPss:");
    return at != NULL ? strtoull(at + strlen("\nPss:"), NULL, 10) * 1024 : 0;
}

uint64_t cost_pss_bytes(pid_t root)
{
    AUTO(freep) struct process *list = NULL;
    uint64_t bytes = 0;
    size_t n;

    list = list_processes(&n);
    mark_below(list, n, root);
    for (size_t i = 0; i < n; i++)
        bytes += list[i].is_below ? pss_of(list[i].pid) : 0;
    return bytes;
}

static uint64_t read_counter(int fd)
{
    uint64_t value = 0;

    if (fd < 0 || read(fd, &value, sizeof(value)) != (ssize_t) sizeof(value))
        return 0;
    return value;
}

static struct cost_row *row_of(struct cost_rows *rows, const char *role)
{
    for (size_t i = 0; i < rows->n; i++) {
        if (strcmp(rows->rows[i].role, role) == 0)
            return &rows->rows[i];
    }
    if (rows->n == COST_ROLES_MAX) /* the last one takes all others */
        return &rows->rows[COST_ROLES_MAX - 1];
    memcpy(rows->rows[rows->n].role, role, COST_NAME_BYTES);
    return &rows->rows[rows->n++];
}

void cost_stop(struct cost *cost, struct cost_rows *out)
{
    memset(out, 0, sizeof(*out));
    out->has_instructions = cost->has_instructions;
    for (size_t i = 0; i < cost->n; i++) {
        const struct thread *thread = &cost->threads[i];
        struct cost_row *row = row_of(out, thread->role);

        row->cpu_ns += read_counter(thread->fds[0]);
        row->switches += read_counter(thread->fds[1]);
        row->instructions += read_counter(thread->fds[2]);
    }
    cost_free(cost);
}
