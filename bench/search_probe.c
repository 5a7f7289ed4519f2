/*
 * search_probe.c - the search index: what it takes to make, its size, and searches with it and
 * without.
 *
 *     search_probe DIR [MESSAGES [ROUNDS [only]]]
 *     ROOST_CORPUS=FOLDER search_probe DIR [MESSAGES [ROUNDS [only]]]
 *
 * DIR is made and must not exist, or holds what an earlier run with as many messages left. One
 * mailbox is filled with mail of a bag (mailbag.h), or with the corpus over and over, by way of
 * mailbox/ and the local engine; when all is packed the index is made at full speed. Then each
 * search runs in the calling thread, as SEARCH would run it, without printing:
 *
 *     ms of processor time: first, median and least of the rounds; the same without an index;
 * hits
 *
 * Both answers must be the same messages. With "only" the searches without it are left out.
 *
 * What making the index takes, in instructions, which no neighbour changes; DIR is that of an
 * earlier run, without its folder `derived`:
 *
 *     valgrind --tool=callgrind --toggle-collect=text_index_catch_up search_probe DIR 5000 1
 * only
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "corpus.h"
#include "imap/command.h"
#include "lib/plain_digester.h"
#include "mailbag.h"
#include "mailbox/message.h"
#include "mailbox/txn.h"
#include "search/search.h"
#include "search/text_index.h"
#include "store/local/local.h"

#define ACCOUNT     7u
#define WAIT_US     200000u
#define GROUP_BYTES ((uint64_t) 2 << 20) /* in a transaction */
#define ARENA_BYTES ((size_t) 1 << 30)
#define ROUNDS_MAX  1000u
#define MAILBOX     "big"
#define DAY_SEC     86400
#define MAP_BYTES   ((uint64_t) 1 << 30) /* what can be had below valgrind */

struct probe {
    const char *path;
    uint32_t n_messages, rounds;
    bool is_alone; /* searches without an index are left out */
    struct digester digester;
    struct local_options options;
    struct engine *engine;
    struct mail_store *store;
    struct text_index *index;
    struct account *account;
    struct mail_txn *txn;
    uint32_t mbox, n;
    uint64_t in_txn, raw;
    struct mbox_view *view;
};

static void must(enum rc rc, const struct err *err)
{
    if (rc != RC_OK)
        die("%s: %s", rc_name(rc), err->detail);
}

static double cpu_ms(void)
{
    struct timespec now;

    (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double) now.tv_sec * 1e3 + (double) now.tv_nsec / 1e6;
}

/* ---- in ---- */

static void commit(struct probe *probe)
{
    uint64_t position;
    struct err err;

    if (probe->txn == NULL)
        return;
    must(txn_commit(&probe->txn, &position, &err), &err);
    account_wait_durable(probe->account, position);
    probe->in_txn = 0;
}

static void make_digest_of(struct probe *probe, uint64_t body_id, size_t len)
{
    AUTO(message_closep)
    struct message *message = message_open(probe->account, body_id, (uint32_t) len);
    const struct digest *digest;
    struct err err;

    must(message_digest(message, &digest, &err), &err);
}

static void add_message(void *ctx, const char *name, struct slice bytes)
{
    struct actor actor = {ACCOUNT, 1};
    struct new_message message = {0};
    struct probe *probe = ctx;
    uint32_t uid;
    struct err err;

    (void) name;
    if (bytes.len == 0 || probe->n == probe->n_messages)
        return;
    if (probe->in_txn > GROUP_BYTES)
        commit(probe);
    if (probe->txn == NULL)
        must(txn_begin(probe->account, &actor, &probe->txn, &err), &err);
    must(probe->engine->ops->stage(probe->engine, ACCOUNT, bytes.len, &message.stage, &err),
         &err);
    must(probe->engine->ops->stage_write(message.stage, bytes, &err), &err);
    message.flags = probe->n % 10 == 0 ? 0 : FLAG_SEEN;
    message.internaldate.unix_sec = 1600000000 + (int64_t) probe->n * 600;
    must(txn_append(probe->txn, probe->mbox, &message, &uid, &err), &err);
    probe->n++;
    probe->raw += bytes.len;
    probe->in_txn += bytes.len;
}

static void fill(struct probe *probe)
{
    const char *corpus = getenv("ROOST_CORPUS");
    const struct mailbag bag = {.seed = 1};
    struct actor actor = {ACCOUNT, 1};
    AUTO(buf_done) struct buf mail;
    struct acct_state *state;
    struct err err;

    must(txn_begin(probe->account, &actor, &probe->txn, &err), &err);
    must(txn_create_mailbox(probe->txn, SLICE(MAILBOX), 0, &probe->mbox, &err), &err);
    commit(probe);
    buf_init(&mail, (size_t) 64 << 20);
    while (probe->n < probe->n_messages && corpus != NULL)
        corpus_each(corpus, add_message, probe);
    while (probe->n < probe->n_messages) {
        buf_reset(&mail);
        mail_write(&bag, probe->n + 1, &mail);
        add_message(probe, "", buf_slice(&mail));
    }
    commit(probe);
    state = account_read(probe->account, 0);
    for (uint64_t id = 1; id < acct_next_body_id(state); id++) {
        struct body *body = NULL;

        must(probe->engine->ops->body_open(probe->engine, ACCOUNT, id, &body, &err), &err);
        make_digest_of(probe, id, (size_t) probe->engine->ops->body_length(body));
        probe->engine->ops->body_close(body);
    }
    acct_unref(state);
}

static void wait_until_packed(const struct probe *probe)
{
    struct engine_status status;

    do {
        (void) usleep(WAIT_US);
        probe->engine->ops->status(probe->engine, &status);
    } while (status.unpacked_bytes > 0);
}

static void open_store(struct probe *probe)
{
    struct mail_store_options options = {.digester = &probe->digester};
    struct text_index_options index = {0};
    struct err err;

    probe->options = (struct local_options){
        .path = probe->path, .pack_after_ms = 8000, .map_bytes = MAP_BYTES};
    probe->digester.make = plain_digest;
    must(local_engine_open(&probe->options, &probe->engine, &err), &err);
    options.engine = probe->engine;
    probe->store = mail_store_new(&options);
    index.store = probe->store;
    probe->index = text_index_new(&index);
    must(account_open(probe->store, ACCOUNT, true, &probe->account, &err), &err);
}

/* ---- the index ---- */

static void make_index(struct probe *probe)
{
    double cpu = cpu_ms();
    int64_t us = clock_mono_us();
    uint64_t bytes = 0, bodies = 0;
    struct index_row *row;
    struct rusage usage;
    struct err err;

    must(text_index_catch_up(probe->index, probe->account, &err), &err);
    us = clock_mono_us() - us;
    row = text_index_take(probe->index, ACCOUNT);
    for (size_t i = 0; row != NULL && i < row->n; i++) {
        bytes += text_segment_bytes(row->segments[i]);
        bodies += text_segment_covered(row->segments[i]);
    }
    (void) getrusage(RUSAGE_SELF, &usage);
    printf("index: %zu segments, %llu bodies, %.1f MB", row != NULL ? row->n : 0,
           (unsigned long long) bodies, (double) bytes / 1e6);
    if (probe->raw > 0)
        printf(" (%.1f %% of %.1f MB)", 100.0 * (double) bytes / (double) probe->raw,
               (double) probe->raw / 1e6);
    printf(", made in %.1f s, %.1f s of processor; peak memory %.0f MB\n", (double) us / 1e6,
           (cpu_ms() - cpu) / 1e3, (double) usage.ru_maxrss / 1e3);
    index_row_unref(row);
}

/* ---- searches ---- */

static uint64_t hash_of(const struct uid_set *set)
{
    uint64_t hash = 14695981039346656037u;

    for (size_t i = 0; i < set->n; i++)
        hash = (hash ^ set->runs[i].first) * 1099511628211u + set->runs[i].last;
    return hash;
}

/* Processor time, which does not depend on who else is at work. */
static double thread_ms(void)
{
    struct timespec now;

    (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double) now.tv_sec * 1e3 + (double) now.tv_nsec / 1e6;
}

static double search_once(struct probe *probe, const struct imap_search_key *key,
                          uint32_t *out_hits, uint64_t *out_hash)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_BYTES);
    struct search_scope scope = {
        .account = probe->account, .view = probe->view, .wants_scores = key->fuzzy};
    double began = thread_ms();
    struct search_hits hits;
    struct search *search;
    struct err err;
    enum rc rc;

    must(search_start(&scope, key, arena, &search, &err), &err);
    do {
        rc = search_go(search, &err);
    } while (rc == RC_MORE);
    must(rc, &err);
    hits = search_hits(search);
    *out_hits = hits.count;
    *out_hash = hash_of(&hits.uids);
    search_done(search);
    return thread_ms() - began;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;

    return (x > y) - (x < y);
}

static void search(struct probe *probe, const struct imap_search_key *key, const char *name)
{
    double times[ROUNDS_MAX], first, without;
    uint32_t hits, again;
    uint64_t hash, plain;

    first = search_once(probe, key, &hits, &hash);
    for (uint32_t i = 0; i < probe->rounds; i++)
        times[i] = search_once(probe, key, &again, &plain);
    qsort(times, probe->rounds, sizeof(*times), by_value);
    mail_store_set_index(probe->store, probe->is_alone ? probe->index : NULL);
    without = search_once(probe, key, &again, &plain);
    mail_store_set_index(probe->store, probe->index);
    printf("%-34s %9.3f %9.3f %9.3f %9.1f %8u\n", name, first, times[probe->rounds / 2],
           times[0], without, hits);
    if (hits != again || hash != plain)
        die("%s: %u hits with the index, %u without", name, hits, again);
}

static void search_text(struct probe *probe, enum imap_key kind, const char *text, bool fuzzy)
{
    struct imap_search_key key = {.kind = kind, .text = slice_from_str(text), .fuzzy = fuzzy};
    static const char *const names[IMAP_KEY_COUNT] = {[IMAP_KEY_TEXT] = "TEXT",
                                                      [IMAP_KEY_BODY] = "BODY",
                                                      [IMAP_KEY_SUBJECT] = "SUBJECT",
                                                      [IMAP_KEY_FROM] = "FROM",
                                                      [IMAP_KEY_TO] = "TO"};
    char name[64];

    (void) snprintf(name, sizeof(name), "%s%s %s", fuzzy ? "FUZZY " : "", names[kind], text);
    search(probe, &key, name);
}

static void search_header(struct probe *probe, const char *field, const char *text)
{
    struct imap_search_key key = {
        .kind = IMAP_KEY_HEADER, .field = slice_from_str(field), .text = slice_from_str(text)};
    char name[64];

    (void) snprintf(name, sizeof(name), "HEADER %s %s", field, text);
    search(probe, &key, name);
}

static void search_all(struct probe *probe)
{
    static const char *const words[] = {
        MAIL_BODY_WORD, MAIL_ABSENT_WORD, "kernel panic", "meeting tomorrow",
        "string",       "linux",          "the",          "qz"};
    static const char *const nearly[] = {"kernal", "inovices", "tommorow meeting", "the",
                                         "absolutely nothing of the kind"};
    const struct imap_search_key unseen = {.kind = IMAP_KEY_FLAG, .flag = 1, .unset = true};
    const struct imap_search_key seen = {.kind = IMAP_KEY_FLAG, .flag = 1};
    const struct imap_search_key larger = {.kind = IMAP_KEY_LARGER, .number = 20000};
    struct imap_search_key since = {.kind = IMAP_KEY_SINCE};

    printf("%-34s %9s %9s %9s %9s %8s\n", "ms", "first", "median", "least", "without", "hits");
    for (size_t i = 0; i < COUNT(words); i++) {
        search_text(probe, IMAP_KEY_TEXT, words[i], false);
        search_text(probe, IMAP_KEY_BODY, words[i], false);
    }
    search_text(probe, IMAP_KEY_SUBJECT, MAIL_SUBJECT_WORD, false);
    search_text(probe, IMAP_KEY_SUBJECT, "re", false);
    search_text(probe, IMAP_KEY_SUBJECT, "report", false);
    search_text(probe, IMAP_KEY_FROM, ".p147@", false);
    search_text(probe, IMAP_KEY_FROM, "example", false);
    search_text(probe, IMAP_KEY_TO, "list", false);
    for (size_t i = 0; i < COUNT(nearly); i++) /* with their scores */
        search_text(probe, IMAP_KEY_TEXT, nearly[i], true);
    search_text(probe, IMAP_KEY_SUBJECT, "reprot", true);
    search_header(probe, "Message-ID", "<1234.");
    search_header(probe, "List-Id", "");
    since.day =
        (int32_t) ((1600000000 + (int64_t) probe->n_messages * 600 * 31 / 32) / DAY_SEC);
    search(probe, &since, "SINCE, the last 32nd");
    search(probe, &larger, "LARGER 20000");
    search(probe, &unseen, "UNSEEN, a tenth");
    search(probe, &seen, "SEEN");
}

int main(int argc, char **argv)
{
    struct probe *probe = xcalloc(1, sizeof(*probe));
    const struct mbox *mbox;
    struct acct_state *state;
    struct stat st;
    bool is_there;
    struct err err;

    if (argc < 2 || argc > 5)
        die("usage: search_probe DIR [MESSAGES [ROUNDS [only]]]");
    (void) setvbuf(stdout, NULL, _IOLBF, 0);
    probe->is_alone = argc == 5;
    probe->path = argv[1];
    probe->n_messages = argc > 2 ? (uint32_t) strtoul(argv[2], NULL, 10) : 100000;
    probe->rounds = argc > 3 ? (uint32_t) strtoul(argv[3], NULL, 10) : 15;
    if (probe->n_messages == 0 || probe->rounds == 0 || probe->rounds > ROUNDS_MAX)
        die("MESSAGES from 1, ROUNDS from 1 to %u", ROUNDS_MAX);
    is_there = stat(probe->path, &st) == 0;
    if (!is_there)
        must(local_store_create(probe->path, &err), &err);
    open_store(probe);
    if (!is_there)
        fill(probe);
    wait_until_packed(probe);
    make_index(probe);
    mail_store_set_index(probe->store, probe->index);
    state = account_read(probe->account, 0);
    mbox = acct_mailbox_by_name(state, SLICE(MAILBOX));
    must(view_open(probe->account, ACCOUNT, 0, mbox_info(mbox)->id, true, &probe->view, &err),
         &err);
    acct_unref(state);
    search_all(probe);
    view_close(probe->view);
    account_close(probe->account);
    text_index_stop(probe->index);
    text_index_free(probe->index);
    mail_store_close(probe->store);
    free(probe);
    return 0;
}
