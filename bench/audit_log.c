/*
 * audit_log.c - what an audited event costs: written, and verified; in CPU time of one core.
 *
 *     bench/audit_log [EVENTS] [FOLDER] [RATE]
 *
 * Writes so many refused logins as the log role does (ECS names, chain, a signature a thousand
 * events, a sync a second, files of 64 MiB) into a folder of its own below FOLDER (/tmp),
 * verifies them, and prints both in microseconds an event. With RATE so many a second are
 * written, and none is verified: to see what else there is suffer from it (bench/figures.py
 * G48).
 */
#include "events/audit_log.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "events/audit_files.h"
#include "events/audit_verify.h"
#include "events/ecs.h"
#include "ipc/log_pack.h"

#define EVENTS_DEFAULT 1000000u
#define FLUSH_EVERY    100u /* the log role's turns gather some */
#define MEMBERS_BYTES  ((size_t) 8192)

static double cpu_sec(void)
{
    struct rusage usage;

    if (getrusage(RUSAGE_SELF, &usage) != 0)
        die("getrusage");
    return (double) usage.ru_utime.tv_sec + (double) usage.ru_stime.tv_sec +
           ((double) usage.ru_utime.tv_usec + (double) usage.ru_stime.tv_usec) / 1e6;
}

static void add(struct audit_log *log, uint64_t number)
{
    AUTO(buf_done) struct buf packed = {0}, members = {0};
    const struct log_field fields[] = {
        LOG_STR("address", "192.0.2.7"), LOG_STR("reason", "wrong_password"),
        LOG_STR("service", "imap"),      LOG_STR("user", "anna@example.org"),
        LOG_STR("method", "PLAIN"),      LOG_NUM("port", 40000 + number % 20000),
        LOG_STR("tls", "TLSv1.3")};
    struct msg_log_event event = {.level = LEVEL_WARNING,
                                  .time_us = 1795299661000000 + number,
                                  .event = SLICE("login.refused")};

    buf_init(&packed, MSG_FIELDS_MAX);
    log_pack(&packed, fields, COUNT(fields));
    event.fields = buf_slice(&packed);
    buf_init(&members, MEMBERS_BYTES);
    ecs_members(&members, "auth", &event, audited_find(event.event));
    audit_log_add(log, buf_slice(&members));
}

/* Until event i is due; the log role sleeps between turns in the same way. */
static void pace(int64_t begun_us, uint64_t i, uint64_t rate)
{
    int64_t left_us = begun_us + (int64_t) (i * 1000000 / rate) - clock_mono_us();

    if (left_us > 0)
        (void) usleep((useconds_t) left_us);
}

/* rate 0: as fast as it goes. */
static void write_all(const char *path, uint64_t n, uint64_t rate)
{
    const struct audit_log_options options = {.file_bytes = AUDIT_FILE_BYTES};
    struct audit_log *log;
    int64_t begun_us = clock_mono_us(), synced_us = begun_us;
    uint64_t missing;
    struct err err;

    if (audit_log_open(path, &options, &log, &missing, &err))
        die("%s", err.detail);
    for (uint64_t i = 0; i < n; i++) {
        add(log, i);
        if (i % FLUSH_EVERY == 0 && audit_log_flush(log, &err))
            die("%s", err.detail);
        if (rate > 0 && i % FLUSH_EVERY == 0)
            pace(begun_us, i, rate);
        if (audit_log_unsigned(log) >= AUDIT_UNSIGNED_MAX && audit_log_sign(log, &err))
            die("%s", err.detail);
        if (i % FLUSH_EVERY == 0 && clock_mono_us() - synced_us >= AUDIT_UNSYNCED_USECS) {
            synced_us = clock_mono_us();
            if (audit_log_sync(log, &err))
                die("%s", err.detail);
        }
    }
    audit_log_close(log);
}

static void finding(void *ctx, const char *file, uint64_t line, const char *what)
{
    (void) ctx;
    die("%s:%llu: %s", file, (unsigned long long) line, what);
}

static struct audit_report verify_all(int folder)
{
    unsigned char key[AUDIT_PUBLIC_KEY_BYTES];
    const struct audit_verify_options options = {.public_key = key, .finding = finding};
    struct audit_report report;
    struct err err;

    if (audit_public_key_read(folder, "key.pub", key, &err) ||
        audit_verify(folder, &options, &report, &err))
        die("%s", err.detail);
    return report;
}

static void remove_all(const char *path, int folder)
{
    static const char *const others[] = {"key", "key.pub", "head"};
    AUTO(freep) uint64_t *numbers = NULL;
    size_t n = 0;
    struct err err;

    if (audit_files_list(folder, &numbers, &n, &err))
        die("%s", err.detail);
    for (size_t i = 0; i < n; i++) {
        char name[AUDIT_NAME_BYTES];

        audit_file_name(name, numbers[i]);
        (void) unlinkat(folder, name,
                        0); /* the rest stays where it is, in a temporary folder */
    }
    for (size_t i = 0; i < COUNT(others); i++)
        (void) unlinkat(folder, others[i], 0);
    (void) rmdir(path);
}

int main(int argc, char **argv)
{
    uint64_t n = EVENTS_DEFAULT, rate = 0;
    char path[4096];
    double begun, written, verified;
    struct audit_report report;
    int64_t begun_us;
    int folder;

    if ((argc > 1 && !slice_to_u64(slice_from_str(argv[1]), &n)) ||
        (argc > 3 && !slice_to_u64(slice_from_str(argv[3]), &rate)))
        die("usage: audit_log [EVENTS] [FOLDER] [RATE]");
    (void) snprintf(path, sizeof(path), "%s/roost-audit-XXXXXX", argc > 2 ? argv[2] : "/tmp");
    if (sodium_init() < 0 || mkdtemp(path) == NULL)
        die("%s cannot be made", path);
    folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    begun = cpu_sec();
    begun_us = clock_mono_us();
    write_all(path, n, rate);
    written = cpu_sec();
    if (rate > 0) {
        printf("%llu events at %.0f/s: %.2f us of CPU each\n", (unsigned long long) n,
               (double) n * 1e6 / (double) (clock_mono_us() - begun_us),
               (written - begun) / (double) n * 1e6);
        remove_all(path, folder);
        (void) close(folder); /* it was only read */
        return 0;
    }
    report = verify_all(folder);
    verified = cpu_sec();
    printf("%llu events in %llu files, %llu signed: written in %.2f us of CPU each (%.0f/s a "
           "core), verified in %.2f us (%.2f s in all)\n",
           (unsigned long long) report.n_events, (unsigned long long) report.n_files,
           (unsigned long long) report.n_signed, (written - begun) / (double) n * 1e6,
           (double) n / (written - begun), (verified - written) / (double) n * 1e6,
           verified - written);
    remove_all(path, folder);
    (void) close(folder); /* it was only read */
    return 0;
}
