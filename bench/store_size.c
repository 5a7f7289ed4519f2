/*
 * store_size.c - what real mail takes in a store, and what reading it back costs.
 *
 *     ROOST_CORPUS=FOLDER store_size DIR
 *
 * DIR is made and must not exist. Each file of the corpus becomes a mailbox of one account, by
 * way of mailbox/ and the local engine with its defaults, and every message gets its digest.
 * When all is packed and the account has its checkpoint:
 *
 *     stored = bodies + digests + metadata (rows, directories, dictionaries, the state's rows)
 *     search text is its own line
 *
 * and the ratio to the bytes that came in. Then every body is read in a random order, every
 * digest in the order of the mailbox (the packs evicted from the page cache first), and all
 * bodies are packed once more into a file that is thrown away, for the rate.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "corpus.h"
#include "lib/plain_digester.h"
#include "mailbox/message.h"
#include "mailbox/txn.h"
#include "store/local/batch.h"
#include "store/local/body.h"
#include "store/local/layout.h"
#include "store/local/pack_rows.h"
#include "store/local/pack_write.h"

#define ACCOUNT       7u
#define PACK_AFTER_MS 8000u
#define WAIT_US       200000u
#define ITEMS_MAX     ((size_t) 1 << 20)
#define GROUP_BYTES   ((uint64_t) 2 << 20) /* in a transaction */
#define ARENA_BYTES   ((size_t) 1 << 30)
#define SCRATCH_PACK  ((uint64_t) 1 << 62) /* a number that no pack of a store has */

struct item {
    uint64_t body_id;
    uint32_t mbox, uid, size;
};

struct bench {
    const char *path;
    struct digester digester;
    struct local_options options;
    struct engine *engine;
    struct mail_store *store;
    struct account *account;
    struct mail_txn *txn;
    char mailbox[256];
    uint32_t mbox;
    uint64_t in_txn, raw;
    struct item *items;
    size_t n;
};

static void must(enum rc rc, const struct err *err)
{
    if (rc != RC_OK)
        die("%s: %s", rc_name(rc), err->detail);
}

/* ---- in ---- */

static void commit(struct bench *bench)
{
    uint64_t position;
    struct err err;

    if (bench->txn == NULL)
        return;
    must(txn_commit(&bench->txn, &position, &err), &err);
    account_wait_durable(bench->account, position);
    bench->in_txn = 0;
}

static void begin(struct bench *bench, const char *name)
{
    struct actor actor = {ACCOUNT, 1};
    struct err err;

    must(txn_begin(bench->account, &actor, &bench->txn, &err), &err);
    if (strcmp(bench->mailbox, name) == 0)
        return;
    (void) snprintf(bench->mailbox, sizeof(bench->mailbox), "%s", name);
    must(txn_create_mailbox(bench->txn, slice_from_str(name), 0, &bench->mbox, &err), &err);
}

static void add_message(void *ctx, const char *name, struct slice bytes)
{
    struct bench *bench = ctx;
    struct new_message message = {0};
    struct item *item = &bench->items[bench->n];
    struct err err;

    if (bytes.len == 0 || bench->n == ITEMS_MAX)
        return;
    if (bench->in_txn > GROUP_BYTES || strcmp(bench->mailbox, name) != 0)
        commit(bench);
    if (bench->txn == NULL)
        begin(bench, name);
    must(bench->engine->ops->stage(bench->engine, ACCOUNT, bytes.len, &message.stage, &err),
         &err);
    must(bench->engine->ops->stage_write(message.stage, bytes, &err), &err);
    *item = (struct item){.body_id = acct_next_body_id(txn_state(bench->txn)),
                          .mbox = bench->mbox,
                          .size = (uint32_t) bytes.len};
    must(txn_append(bench->txn, bench->mbox, &message, &item->uid, &err), &err);
    bench->n++;
    bench->raw += bytes.len;
    bench->in_txn += bytes.len;
}

static void make_digests(struct bench *bench)
{
    for (size_t i = 0; i < bench->n; i++) {
        AUTO(message_closep)
        struct message *message =
            message_open(bench->account, bench->items[i].body_id, bench->items[i].size);
        const struct digest *digest;
        struct err err;

        must(message_digest(message, &digest, &err), &err);
    }
}

static void open_store(struct bench *bench)
{
    struct mail_store_options options = {.digester = &bench->digester};
    struct err err;

    bench->options =
        (struct local_options){.path = bench->path, .pack_after_ms = PACK_AFTER_MS};
    bench->digester.make = plain_digest;
    must(local_engine_open(&bench->options, &bench->engine, &err), &err);
    options.engine = bench->engine;
    bench->store = mail_store_new(&options);
    must(account_open(bench->store, ACCOUNT, true, &bench->account, &err), &err);
}

static void wait_until_packed(const struct bench *bench)
{
    struct engine_status status;

    do {
        (void) usleep(WAIT_US);
        bench->engine->ops->status(bench->engine, &status);
    } while (status.unpacked_bytes > 0);
}

/* ---- sizes ---- */

struct sizes {
    struct local *local;
    uint64_t streams[PACK_STREAMS]; /* frames with their heads */
    uint64_t other;                 /* headers, directories, footers */
    uint64_t packs, state;
};

static bool add_pack(void *ctx, const struct pack_info *info)
{
    struct sizes *sizes = ctx;
    AUTO(freep) char *room = xmalloc(PACK_FRAME_ROOM_BYTES);
    struct pack *pack;
    struct err err;

    if (info->state != PACK_LIVE)
        return true;
    must(packs_get(sizes->local->packs, info->number, &pack, &err), &err);
    sizes->packs++;
    sizes->other += info->file_bytes;
    for (size_t i = 0; i < pack_frames(pack); i++) {
        struct pack_frame frame;
        struct slice stored;

        must(pack_read_frame(pack, i, room, &frame, &stored, &err), &err);
        sizes->streams[frame.stream] += PACK_FRAME_BYTES + stored.len;
        sizes->other -= PACK_FRAME_BYTES + stored.len;
    }
    packs_put(sizes->local->packs, pack);
    return true;
}

static bool add_row(void *ctx, struct slice key, struct slice value)
{
    struct sizes *sizes = ctx;

    sizes->state += key.len + value.len;
    return true;
}

static void print_line(const char *name, uint64_t bytes, uint64_t raw)
{
    printf("%-34s %10llu  %.4f\n", name, (unsigned long long) bytes,
           (double) bytes / (double) raw);
}

static void print_sizes(struct bench *bench)
{
    struct sizes sizes = {.local = local_of(bench->engine)};
    struct engine_status status;
    uint64_t metadata;
    struct err err;

    must(pack_rows_each(sizes.local->state, add_pack, &sizes, &err), &err);
    for (unsigned table = 0; table < STATE_TABLES; table++)
        must(state_each(sizes.local->state, (enum state_table) table, add_row, &sizes, &err),
             &err);
    bench->engine->ops->status(bench->engine, &status);
    metadata = sizes.streams[PACK_ROWS] + sizes.other + sizes.state;
    printf("%zu messages in %llu packs\n", bench->n, (unsigned long long) sizes.packs);
    print_line("raw", bench->raw, bench->raw);
    print_line("bodies", sizes.streams[PACK_BODIES], bench->raw);
    print_line("digests", sizes.streams[PACK_DIGESTS], bench->raw);
    print_line("metadata", metadata, bench->raw);
    print_line("  rows of packs", sizes.streams[PACK_ROWS], bench->raw);
    print_line("  headers, directories, footers", sizes.other, bench->raw);
    print_line("  rows of the state", sizes.state, bench->raw);
    print_line("bodies + digests + metadata",
               sizes.streams[PACK_BODIES] + sizes.streams[PACK_DIGESTS] + metadata, bench->raw);
    print_line("search text", sizes.streams[PACK_TEXTS], bench->raw);
    print_line("state/data.mdb, free pages too", status.checkpoint_bytes, bench->raw);
}

/* ---- rates ---- */

static double cpu_sec(void)
{
    struct timespec now;

    (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static void read_body(const struct bench *bench, const struct item *item, char *room)
{
    struct body *body;
    struct err err;

    must(bench->engine->ops->body_open(bench->engine, ACCOUNT, item->body_id, &body, &err),
         &err);
    must(bench->engine->ops->body_read(body, 0, room, item->size, &err), &err);
    bench->engine->ops->body_close(body);
}

static void time_bodies(const struct bench *bench)
{
    AUTO(freep) char *room = xmalloc(BODY_MAX_BYTES >> 4);
    unsigned seed = 1;
    double start = cpu_sec(), took;

    for (size_t i = 0; i < bench->n; i++)
        read_body(bench, &bench->items[(size_t) rand_r(&seed) % bench->n], room);
    took = cpu_sec() - start;
    printf("bodies in a random order: %.1f us a message\n", took / (double) bench->n * 1e6);
    start = cpu_sec();
    for (size_t i = 0; i < bench->n; i++)
        read_body(bench, &bench->items[i], room);
    took = cpu_sec() - start;
    printf("bodies one after the other: %.1f us a message\n", took / (double) bench->n * 1e6);
}

static bool evict(void *ctx, const char *name)
{
    const struct local *local = ctx;
    AUTO(closep) int fd = openat(local->layout.packs, name, O_RDONLY | O_CLOEXEC);

    if (fd >= 0)
        (void) posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    return true;
}

static void time_digests(const struct bench *bench)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_BYTES);
    struct local *local = local_of(bench->engine);
    int64_t start_us;
    uint64_t bytes = 0;
    struct err err;

    must(layout_each(local->layout.packs, evict, local, &err), &err);
    start_us = clock_mono_us();
    for (size_t i = 0; i < bench->n; i++) {
        struct slice digest;

        arena_reset(arena);
        must(bench->engine->ops->digest_get(bench->engine, ACCOUNT, bench->items[i].body_id,
                                            DIGEST_VERSION, DIGEST_GET_CORE, arena, &digest),
             &(struct err){.detail = "a digest is missing"});
        bytes += digest.len;
    }
    printf("digests, cold: %.2f us a message, %llu bytes each\n",
           (double) (clock_mono_us() - start_us) / (double) bench->n,
           (unsigned long long) (bytes / bench->n));
}

static enum rc read_source(void *ctx, uint64_t offset, char *out, size_t len, struct err *err)
{
    return body_read(ctx, offset, out, len, err);
}

/* Checksums of the blocks do not matter here. */
static void add_again(const struct bench *bench, struct pack_writer *writer,
                      const struct item *item, uint64_t *hashes)
{
    struct pack_entry entry = {.account = ACCOUNT,
                               .body_id = item->body_id,
                               .mbox = item->mbox,
                               .uid = item->uid,
                               .length = item->size,
                               .n_blocks =
                                   (item->size + BODY_BLOCK_BYTES - 1) / BODY_BLOCK_BYTES,
                               .hashes = hashes};
    struct pack_source source = {.read = read_source};
    struct body *body;
    struct err err;

    must(body_open(local_of(bench->engine), ACCOUNT, item->body_id, &body, &err), &err);
    source.ctx = body;
    must(pack_writer_add(writer, &entry, &source, &err), &err);
    body_close(body);
}

static void time_packing(const struct bench *bench)
{
    AUTO(pack_writer_freep) struct pack_writer *writer = NULL;
    AUTO(freep) uint64_t *hashes = xcalloc(BODY_MAX_BYTES / BODY_BLOCK_BYTES, sizeof(*hashes));
    AUTO(freep) char *room = xmalloc(BODY_MAX_BYTES >> 4);
    double start, took, reading;
    struct err err;

    start = cpu_sec();
    for (size_t i = 0; i < bench->n; i++)
        read_body(bench, &bench->items[i], room);
    reading = cpu_sec() - start;
    must(pack_writer_new(local_of(bench->engine), SCRATCH_PACK, &writer, &err), &err);
    start = cpu_sec();
    for (size_t i = 0; i < bench->n; i++)
        add_again(bench, writer, &bench->items[i], hashes);
    took = cpu_sec() - start - reading;
    printf("bodies packed: %.0f MB/s a core\n", (double) bench->raw / took / 1e6);
}

int main(int argc, char **argv)
{
    const char *corpus = getenv("ROOST_CORPUS");
    struct bench bench = {0};
    struct err err;

    if (argc != 2 || corpus == NULL) {
        fprintf(stderr, "usage: ROOST_CORPUS=FOLDER %s DIR\n", argv[0]);
        return 2;
    }
    bench.path = argv[1];
    bench.items = xcalloc(ITEMS_MAX, sizeof(*bench.items));
    must(local_store_create(bench.path, &err), &err);
    open_store(&bench);
    corpus_each(corpus, add_message, &bench);
    commit(&bench);
    make_digests(&bench);
    wait_until_packed(&bench);
    account_close(bench.account);
    mail_store_close(bench.store); /* with the account's checkpoint */
    open_store(&bench);
    print_sizes(&bench);
    time_bodies(&bench);
    time_digests(&bench);
    time_packing(&bench);
    account_close(bench.account);
    mail_store_close(bench.store);
    free(bench.items);
    return 0;
}
