/* test_pack.c - packs: what goes in comes out, shared, copied, or with one of its ends lost. */
// links: store_local
// lib: local_store
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base64.h"
#include "lib/local_store.h"
#include "lib/test.h"
#include "store/local/batch.h"
#include "store/local/body.h"
#include "store/local/dict.h"
#include "store/local/digests.h"
#include "store/local/pack_rows.h"
#include "store/local/pack_write.h"

#define ACCOUNT    7u
#define MAILS      ((size_t) 2500)
#define MAIL_BYTES ((size_t) 2000)

static struct local *open_store(struct local_store *store)
{
    store->options.no_packer = true;
    local_store_open(store);
    return local_of(store->engine);
}

/* ---- bodies ---- */

/* Like mail: words of a few, in an order that the seed decides. */
static char *make_mail(uint64_t seed, size_t len)
{
    static const char *const words[] = {"Received: from mail.example.net",
                                        "by mx.example.org with ESMTPS",
                                        "Message-ID: <",
                                        "the meeting of",
                                        "tomorrow morning",
                                        "I think that",
                                        "regards,",
                                        "unsubscribe from"};
    char *text = xmalloc(len + 1);
    uint64_t random = seed * 2 + 1;

    for (size_t at = 0; at < len;) {
        const char *word;
        size_t n;

        random = random * 6364136223846793005u + 1442695040888963407u;
        word = words[random >> 61];
        n = MIN(strlen(word), len - at);
        memcpy(text + at, word, n);
        at += n;
        if (at < len)
            text[at++] = (char) ('a' + (random >> 40) % 26);
    }
    return text;
}

static enum rc read_memory(void *ctx, uint64_t offset, char *out, size_t len, struct err *err)
{
    const struct slice *bytes = ctx;

    (void) err;
    assert_true(offset + len <= bytes->len);
    memcpy(out, bytes->ptr + offset, len);
    return RC_OK;
}

static void add_body(struct pack_writer *writer, uint64_t account, uint64_t body_id,
                     struct slice bytes)
{
    struct pack_entry entry = {.account = account,
                               .body_id = body_id,
                               .mbox = 1,
                               .uid = (uint32_t) body_id,
                               .internaldate = 1600000000,
                               .length = bytes.len,
                               .n_blocks = body_blocks(bytes.len)};
    AUTO(freep) uint64_t *hashes = xcalloc((size_t) entry.n_blocks + 1, sizeof(*hashes));
    struct pack_source source = {read_memory, &bytes};
    struct err err;

    for (uint32_t i = 0; i < entry.n_blocks; i++)
        hashes[i] =
            body_block_hash(slice_sub(bytes, (size_t) i * BODY_BLOCK_BYTES, BODY_BLOCK_BYTES));
    entry.hashes = hashes;
    assert_int_equal(pack_writer_add(writer, &entry, &source, &err), RC_OK);
}

static struct pack_writer *begin_pack(struct local *local, uint64_t number)
{
    struct pack_writer *writer;
    struct err err;

    assert_int_equal(pack_rows_plan(local->state, number, &err), RC_OK);
    assert_int_equal(pack_writer_new(local, number, &writer, &err), RC_OK);
    return writer;
}

static bool is_alive(void *ctx, uint64_t account, uint64_t body_id)
{
    (void) ctx;
    (void) account;
    (void) body_id;
    return true;
}

static enum rc settle(void *ctx, struct state_txn *txn, struct err *err)
{
    return pack_writer_settle(ctx, txn, err);
}

/* Whole, and known to the state; source: the pack that its bodies lie in so far, or 0. */
static enum rc end_pack(struct local *local, struct pack_writer *writer, uint64_t number,
                        uint64_t source)
{
    struct pack_change change = {.pack = {.number = number},
                                 .sources = &source,
                                 .n_sources = source != 0,
                                 .is_alive = is_alive,
                                 .settle = settle,
                                 .ctx = writer};
    struct err err;
    enum rc rc;

    assert_int_equal(pack_writer_finish(writer, &change.pack.file_bytes, &err), RC_OK);
    change.bodies = pack_writer_bodies(writer, &change.n_bodies);
    rc = pack_rows_change(local->state, &change, &err);
    pack_writer_free(writer);
    return rc;
}

static void check_body(struct local *local, uint64_t account, uint64_t body_id,
                       struct slice want)
{
    AUTO(freep) char *got = xmalloc(want.len + 1);
    struct body *body;
    struct err err;

    if (body_open(local, account, body_id, &body, &err) != RC_OK)
        fail_msg("body %d: %s", (int) body_id, err.detail);
    assert_int_equal(body_length(body), want.len);
    if (body_read(body, 0, got, want.len, &err) != RC_OK)
        fail_msg("body %d: %s", (int) body_id, err.detail);
    assert_memory_equal(got, want.ptr, want.len);
    for (size_t from = 1; from < want.len; from += want.len / 7 + 1) {
        size_t n = (want.len - from + 1) / 2;

        assert_int_equal(body_read(body, from, got, n, &err), RC_OK);
        assert_memory_equal(got, want.ptr + from, n);
    }
    body_close(body);
}

static const size_t lengths[] = {0, 1, 100, 65535, 65536, 65537, 100, 200000, 3000000, 5};

static void put_lengths(struct local *local, uint64_t number)
{
    struct pack_writer *writer = begin_pack(local, number);

    for (size_t i = 0; i < COUNT(lengths); i++) {
        AUTO(freep) char *mail = make_mail(i, lengths[i]);

        add_body(writer, ACCOUNT, i + 1, slice_of(mail, lengths[i]));
    }
    assert_int_equal(end_pack(local, writer, number, 0), RC_OK);
}

static void check_lengths(struct local *local)
{
    for (size_t i = 0; i < COUNT(lengths); i++) {
        AUTO(freep) char *mail = make_mail(i, lengths[i]);

        check_body(local, ACCOUNT, i + 1, slice_of(mail, lengths[i]));
    }
}

static uint64_t file_size(const struct local_store *store, const char *name)
{
    char path[128];
    struct stat st;

    (void) snprintf(path, sizeof(path), "%s/packs/%s", store->path, name);
    return stat(path, &st) == 0 ? (uint64_t) st.st_size : 0;
}

static void bodies_of_all_lengths_come_back_smaller(void **state)
{
    struct local_store store;
    struct local *local;

    (void) state;
    local_store_make(&store);
    local = open_store(&store);
    put_lengths(local, 1);
    check_lengths(local);
    local_store_close(&store);
    local = open_store(&store);
    check_lengths(local);
    assert_in_range(file_size(&store, "0000000000000001.pack"), 1, 3396814 / 2);
    local_store_remove(&store);
}

/* ---- one bit ---- */

/* Flips bits of the file at the offset; from its end if negative. */
static void flip(const struct local_store *store, const char *name, off_t offset)
{
    char path[128], byte;
    int fd;

    (void) snprintf(path, sizeof(path), "%s/packs/%s", store->path, name);
    fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    if (offset < 0)
        offset += lseek(fd, 0, SEEK_END);
    assert_int_equal(pread(fd, &byte, 1, offset), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
    (void) close(fd);
}

static void either_end_of_a_pack_may_be_lost(void **state)
{
    static const off_t places[] = {0, 9, 40, -1, -60, -(off_t) PACK_FOOTER_BYTES - 5};
    struct local_store store;
    struct local *local;
    struct err err;

    (void) state;
    local_store_make(&store);
    local = open_store(&store);
    put_lengths(local, 1);
    for (size_t i = 0; i < COUNT(places); i++) {
        struct pack *pack;

        local_store_close(&store);
        flip(&store, "0000000000000001.pack", places[i]);
        local = open_store(&store);
        check_lengths(local);
        assert_int_equal(packs_get(local->packs, 1, &pack, &err), RC_OK);
        assert_int_equal(pack_check_ends(pack, &err), RC_CORRUPT);
        packs_put(local->packs, pack);
        local_store_close(&store);
        flip(&store, "0000000000000001.pack", places[i]);
        local = open_store(&store);
    }
    local_store_remove(&store);
}

/* Each byte of the first frames in turn: what comes is right, or an error. */
static void a_damaged_frame_is_never_served(void **state)
{
    AUTO(freep) char *mail = make_mail(2, 100);
    struct local_store store;
    struct local *local;
    unsigned refused = 0;

    (void) state;
    local_store_make(&store);
    local = open_store(&store);
    put_lengths(local, 1);
    for (off_t at = PACK_HEADER_BYTES; at < (off_t) PACK_HEADER_BYTES + 200; at += 3) {
        struct body *body = NULL;
        char got[100];
        struct err err;
        enum rc rc;

        local_store_close(&store);
        flip(&store, "0000000000000001.pack", at);
        local = open_store(&store);
        rc = body_open(local, ACCOUNT, 3, &body, &err);
        if (!rc)
            rc = body_read(body, 0, got, sizeof(got), &err);
        refused += rc == RC_CORRUPT;
        if (rc != RC_CORRUPT)
            assert_memory_equal(got, mail, sizeof(got));
        body_close(body);
        local_store_close(&store);
        flip(&store, "0000000000000001.pack", at);
        local = open_store(&store);
    }
    assert_true(refused > 50);
    local_store_remove(&store);
}

/* ---- parts ---- */

static const char attachment_head[] =
    "From: somebody\r\nContent-Transfer-Encoding: base64\r\n\r\n";

/* A head, lines of base64, a tail. */
static void make_attached(struct buf *out, uint64_t seed, struct body_range *out_leaf)
{
    AUTO(freep) char *bytes = local_store_body(99, 40000); /* the same in all */
    size_t from;

    buf_init(out, 1 << 20);
    buf_printf(out, "Message %d\r\n%s", (int) seed, attachment_head);
    from = out->len;
    for (size_t at = 0; at < 40000; at += 57) {
        base64_encode(out, slice_sub(slice_of(bytes, 40000), at, 57));
        buf_str(out, "\r\n");
    }
    *out_leaf = (struct body_range){from, out->len - from - 2}; /* its last CRLF belongs to */
    buf_str(out, "--boundary--\r\n");                           /* the boundary */
}

static void add_attached(struct local_store *store, struct pack_writer *writer,
                         uint64_t account, uint64_t body_id)
{
    const struct digest_bytes digest = {1, SLICE("core"), SLICE("text")};
    AUTO(buf_done) struct buf mail;
    struct body_range leaf;

    make_attached(&mail, body_id, &leaf);
    store->engine->ops->digest_put(store->engine, account, body_id, &digest, &leaf, 1);
    add_body(writer, account, body_id, buf_slice(&mail));
}

static void check_attached(struct local *local, uint64_t account, uint64_t body_id)
{
    AUTO(buf_done) struct buf mail;
    struct body_range leaf;

    make_attached(&mail, body_id, &leaf);
    check_body(local, account, body_id, buf_slice(&mail));
}

static uint32_t rows_of(struct local *local, uint64_t number)
{
    struct pack *pack;
    struct err err;
    uint32_t n;

    assert_int_equal(packs_get(local->packs, number, &pack, &err), RC_OK);
    n = pack_rows(pack);
    packs_put(local->packs, pack);
    return n;
}

static bool count_row(void *ctx, struct slice key, struct slice value)
{
    size_t *n = ctx;

    (void) key;
    (void) value;
    (*n)++;
    return true;
}

static size_t count_rows(struct local *local, enum state_table table)
{
    size_t n = 0;
    struct err err;

    assert_int_equal(state_each(local->state, table, count_row, &n, &err), RC_OK);
    return n;
}

static void drop(struct local *local, uint64_t account, uint64_t body_id)
{
    struct err err;

    assert_int_equal(pack_rows_drop(local->state, account, &body_id, 1, &err), RC_OK);
}

/* Two in one pack, one in a later pack, one of another account, which has its own. */
static void a_part_is_stored_once_an_account_while_bodies_need_it(void **state)
{
    struct local_store store;
    struct local *local;
    struct pack_writer *writer;

    (void) state;
    local_store_make(&store);
    local = open_store(&store);
    writer = begin_pack(local, 1);
    add_attached(&store, writer, ACCOUNT, 1);
    add_attached(&store, writer, ACCOUNT, 2);
    assert_int_equal(end_pack(local, writer, 1, 0), RC_OK);
    assert_int_equal(rows_of(local, 1), 3);
    writer = begin_pack(local, 2);
    add_attached(&store, writer, ACCOUNT, 3);
    add_attached(&store, writer, ACCOUNT + 1, 1);
    assert_int_equal(end_pack(local, writer, 2, 0), RC_OK);
    assert_int_equal(rows_of(local, 2), 3);
    assert_int_equal(count_rows(local, TABLE_PARTS), 2);
    drop(local, ACCOUNT, 1);
    drop(local, ACCOUNT, 2);
    for (uint64_t id = 1; id <= 2; id++)
        assert_int_equal(
            checkpoint_find_place(local->state, ACCOUNT, id, &(struct pack_place){0}, NULL),
            RC_NOT_FOUND);
    check_attached(local, ACCOUNT, 3);
    check_attached(local, ACCOUNT + 1, 1);
    drop(local, ACCOUNT, 3);
    assert_int_equal(count_rows(local, TABLE_PARTS), 1);
    assert_int_equal(count_rows(local, TABLE_PART_REFS), 1);
    assert_int_equal(count_rows(local, TABLE_BODY_PARTS), 1);
    assert_int_equal(count_rows(local, TABLE_PLACES), 2); /* the other account's */
    check_attached(local, ACCOUNT + 1, 1);
    local_store_remove(&store);
}

static void a_pack_that_shares_a_part_that_died_is_of_no_use(void **state)
{
    struct local_store store;
    struct local *local;
    struct pack_writer *writer;

    (void) state;
    local_store_make(&store);
    local = open_store(&store);
    writer = begin_pack(local, 1);
    add_attached(&store, writer, ACCOUNT, 1);
    assert_int_equal(end_pack(local, writer, 1, 0), RC_OK);
    writer = begin_pack(local, 2);
    add_attached(&store, writer, ACCOUNT, 2);
    drop(local, ACCOUNT, 1);
    assert_int_equal(end_pack(local, writer, 2, 0), RC_CONFLICT);
    assert_int_equal(count_rows(local, TABLE_BODY_PARTS), 0);
    writer = begin_pack(local, 3);
    add_attached(&store, writer, ACCOUNT, 2);
    assert_int_equal(end_pack(local, writer, 3, 0), RC_OK);
    check_attached(local, ACCOUNT, 2);
    local_store_remove(&store);
}

struct spoiled {
    enum state_table table;
    uint64_t id; /* of the body or part, of ACCOUNT */
};

/* A row that cannot be read. */
static enum rc spoil_row(struct state_txn *txn, void *ctx, struct err *err)
{
    const struct spoiled *spoiled = ctx;
    char key[16];

    put_be64(key, ACCOUNT);
    put_be64(key + 8, spoiled->id);
    return state_txn_put(txn, spoiled->table, slice_of(key, sizeof(key)), SLICE("?"), err);
}

static void spoil(struct local *local, enum state_table table, uint64_t id)
{
    struct spoiled spoiled = {table, id};
    struct err err;

    assert_int_equal(state_write(local->state, spoil_row, &spoiled, &err), RC_OK);
}

static bool see_part(void *ctx, struct slice key, struct slice value)
{
    (void) value;
    *(uint64_t *) ctx = get_be64(key.ptr + 8);
    return true;
}

/* The part takes no more references; another one takes its name. */
static void a_part_whose_references_are_damaged_is_stored_again(void **state)
{
    struct local_store store;
    struct local *local;
    struct pack_writer *writer;
    struct err err;
    uint64_t part = 0;

    (void) state;
    local_store_make(&store);
    local = open_store(&store);
    writer = begin_pack(local, 1);
    add_attached(&store, writer, ACCOUNT, 1);
    assert_int_equal(end_pack(local, writer, 1, 0), RC_OK);
    assert_int_equal(state_each(local->state, TABLE_PART_REFS, see_part, &part, &err), RC_OK);
    spoil(local, TABLE_PART_REFS, part);
    for (uint64_t id = 2; id <= 3; id++) {
        writer = begin_pack(local, id);
        add_attached(&store, writer, ACCOUNT, id);
        assert_int_equal(end_pack(local, writer, id, 0), RC_OK);
    }
    assert_int_equal(rows_of(local, 2), 2); /* body and part */
    assert_int_equal(rows_of(local, 3), 1);
    for (uint64_t id = 1; id <= 3; id++)
        check_attached(local, ACCOUNT, id);
    drop(local, ACCOUNT, 1);
    drop(local, ACCOUNT, 2);
    check_attached(local, ACCOUNT, 3);
    local_store_remove(&store);
}

static void a_place_that_is_damaged_is_made_anew_with_the_next_pack(void **state)
{
    struct local_store store;
    struct local *local;
    struct pack_writer *writer;

    (void) state;
    local_store_make(&store);
    local = open_store(&store);
    writer = begin_pack(local, 1);
    add_attached(&store, writer, ACCOUNT, 1);
    assert_int_equal(end_pack(local, writer, 1, 0), RC_OK);
    spoil(local, TABLE_PLACES, 1);
    writer = begin_pack(local, 2);
    add_attached(&store, writer, ACCOUNT, 1);
    assert_int_equal(end_pack(local, writer, 2, 1), RC_OK);
    check_attached(local, ACCOUNT, 1);
    local_store_remove(&store);
}

/* Hints are from whoever read the mail: one that lies harms nothing. */
static void hints_that_do_not_fit_are_left_alone(void **state)
{
    static const struct body_range leaves[] = {
        {50000,      20000     }, /* behind it: the next one overlaps */
        {40000,      30000     },
        {90000,      20000     }, /* ends behind the body */
        {UINT64_MAX, 20000     },
        {0,          UINT64_MAX},
        {80000,      100       },
    };
    const struct digest_bytes digest = {1, SLICE("core"), SLICE("")};
    AUTO(freep) char *mail = make_mail(5, 100000);
    struct local_store store;
    struct local *local;
    struct pack_writer *writer;

    (void) state;
    local_store_make(&store);
    local = open_store(&store);
    store.engine->ops->digest_put(store.engine, ACCOUNT, 1, &digest, leaves, COUNT(leaves));
    writer = begin_pack(local, 1);
    add_body(writer, ACCOUNT, 1, slice_of(mail, 100000));
    assert_int_equal(end_pack(local, writer, 1, 0), RC_OK);
    assert_int_equal(rows_of(local, 1), 2);
    check_body(local, ACCOUNT, 1, slice_of(mail, 100000));
    local_store_remove(&store);
}

/* ---- copies ---- */

static void copies_are_the_same_with_neighbours_left_behind(void **state)
{
    struct local_store store;
    struct local *local;
    struct pack *pack;
    struct err err;

    (void) state;
    local_store_make(&store);
    local = open_store(&store);
    put_lengths(local, 1);
    for (uint32_t step = 1; step <= 3; step++) {
        struct pack_writer *writer = begin_pack(local, step + 1);
        uint64_t bytes;

        assert_int_equal(packs_get(local->packs, 1, &pack, &err), RC_OK);
        for (uint32_t row = 0; row < pack_rows(pack); row += step)
            assert_int_equal(pack_copy_entry(writer, pack, row, &err), RC_OK);
        packs_put(local->packs, pack);
        assert_int_equal(pack_writer_finish(writer, &bytes, &err), RC_OK);
        pack_writer_free(writer);
        assert_int_equal(packs_get(local->packs, step + 1, &pack, &err), RC_OK);
        for (uint32_t row = 0; row < pack_rows(pack); row++) {
            size_t i = (size_t) row * step;
            AUTO(freep) char *mail = make_mail(i, lengths[i]);
            AUTO(freep) char *got = xmalloc(lengths[i] + 1);
            struct pack_entry entry;
            struct pack_row head;

            assert_int_equal(pack_read_row(pack, row, &head, &err), RC_OK);
            assert_int_equal(head.body_id, i + 1);
            assert_int_equal(pack_read_entry(pack, head.offset, ACCOUNT, i + 1, &entry, &err),
                             RC_OK);
            assert_int_equal(entry.length, lengths[i]);
            assert_int_equal(entry.internaldate, 1600000000);
            assert_int_equal(
                pack_stream_read(pack, PACK_BODIES, entry.bytes_at, got, lengths[i], &err),
                RC_OK);
            assert_memory_equal(got, mail, lengths[i]);
            pack_entry_done(&entry);
        }
        packs_put(local->packs, pack);
    }
    local_store_remove(&store);
}

/* ---- dictionaries ---- */

static void put_mails(struct local *local, uint64_t number)
{
    struct pack_writer *writer = begin_pack(local, number);

    for (size_t i = 1; i <= MAILS; i++) {
        AUTO(freep) char *mail = make_mail(i, MAIL_BYTES);

        add_body(writer, ACCOUNT, i, slice_of(mail, MAIL_BYTES));
    }
    assert_int_equal(end_pack(local, writer, number, 0), RC_OK);
}

static void check_mails(struct local *local)
{
    for (size_t i = 1; i <= MAILS; i += 100) {
        AUTO(freep) char *mail = make_mail(i, MAIL_BYTES);

        check_body(local, ACCOUNT, i, slice_of(mail, MAIL_BYTES));
    }
}

static uint64_t dictionary_of(struct local *local, uint64_t number)
{
    struct pack *pack;
    struct err err;
    uint64_t id;

    assert_int_equal(packs_get(local->packs, number, &pack, &err), RC_OK);
    id = pack_dictionary(pack);
    packs_put(local->packs, pack);
    return id;
}

static enum rc drop_dict_row(struct state_txn *txn, void *ctx, struct err *err)
{
    const uint64_t *id = ctx;
    char key[8];

    put_be64(key, *id);
    return state_txn_del(txn, TABLE_DICTS, slice_of(key, sizeof(key)), err);
}

static void a_dictionary_is_kept_in_two_places(void **state)
{
    struct local_store store;
    struct local *local;
    struct err err;
    uint64_t id, size;
    char name[LAYOUT_NAME_BYTES];

    (void) state;
    local_store_make(&store);
    local = open_store(&store);
    put_mails(local, 1);
    id = dictionary_of(local, 1);
    assert_true(id != 0);
    layout_name(name, id, ".dict");
    size = file_size(&store, name);
    assert_true(size > 1000);
    local_store_close(&store);

    flip(&store, name, 500);
    local = open_store(&store);
    check_mails(local);
    assert_int_equal(state_write(local->state, drop_dict_row, &id, &err), RC_OK);
    local_store_close(&store);
    local = open_store(&store);
    check_mails(local); /* the file was mended before the row went */
    assert_int_equal(count_rows(local, TABLE_DICTS), 1);

    assert_int_equal(state_write(local->state, drop_dict_row, &id, &err), RC_OK);
    local_store_close(&store);
    flip(&store, name, 500);
    local = open_store(&store);
    {
        struct body *body = NULL;

        assert_int_equal(body_open(local, ACCOUNT, 1, &body, &err), RC_CORRUPT);
        assert_null(body);
    }
    local_store_remove(&store);
}

static void a_dictionary_goes_when_no_pack_needs_it(void **state)
{
    struct local_store store;
    struct local *local;
    struct err err;
    char name[LAYOUT_NAME_BYTES];
    struct pack_change change = {.sources = (uint64_t[]){1}, .n_sources = 1, .retires = true};

    (void) state;
    local_store_make(&store);
    local = open_store(&store);
    put_mails(local, 1);
    layout_name(name, dictionary_of(local, 1), ".dict");
    dicts_retire(local->dicts);
    assert_int_equal(dicts_sweep(local->dicts, &err), RC_OK);
    assert_true(file_size(&store, name) > 0);
    check_mails(local);
    assert_int_equal(pack_rows_change(local->state, &change, &err), RC_OK);
    assert_int_equal(dicts_sweep(local->dicts, &err), RC_OK);
    assert_int_equal(file_size(&store, name), 0);
    assert_int_equal(count_rows(local, TABLE_DICTS), 0);
    local_store_remove(&store);
}

/* ---- digests ---- */

static void digests_lie_in_the_pack_with_and_without_text(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    AUTO(freep) char *core = make_mail(3, 3000);
    AUTO(freep) char *text = make_mail(4, 300000);
    const struct digest_bytes digest = {
        4, {core, 3000  },
         {text, 300000}
    };
    struct local_store store;
    struct local *local;
    struct pack_writer *writer;
    struct slice got;

    (void) state;
    local_store_make(&store);
    local = open_store(&store);
    digests_put(local->digests, ACCOUNT, 1, &digest, NULL, 0);
    assert_int_equal(digests_get(local->digests, ACCOUNT, 1, 4, DIGEST_GET_LEAD, arena, &got),
                     RC_OK);
    assert_slice_equal(got, slice_of(text, DIGEST_LEAD_BYTES));
    writer = begin_pack(local, 1);
    add_body(writer, ACCOUNT, 1, SLICE("body"));
    add_body(writer, ACCOUNT, 2, SLICE("another, without a digest"));
    assert_int_equal(end_pack(local, writer, 1, 0), RC_OK);
    digests_drop(local->digests, ACCOUNT, 1);
    assert_int_equal(digests_get(local->digests, ACCOUNT, 1, 4, DIGEST_GET_CORE, arena, &got),
                     RC_OK);
    assert_slice_equal(got, slice_of(core, 3000));
    assert_int_equal(digests_get(local->digests, ACCOUNT, 1, 4, DIGEST_GET_WHOLE, arena, &got),
                     RC_OK);
    assert_int_equal(got.len, 303000);
    assert_memory_equal(got.ptr + 3000, text, 300000);
    assert_int_equal(digests_get(local->digests, ACCOUNT, 1, 4, DIGEST_GET_LEAD, arena, &got),
                     RC_OK);
    assert_slice_equal(got, slice_of(text, DIGEST_LEAD_BYTES));
    assert_int_equal(digests_get(local->digests, ACCOUNT, 1, 5, DIGEST_GET_WHOLE, arena, &got),
                     RC_NOT_FOUND);
    assert_int_equal(digests_get(local->digests, ACCOUNT, 2, 4, DIGEST_GET_WHOLE, arena, &got),
                     RC_NOT_FOUND);
    local_store_remove(&store);
}

#define SCANNED       700u
#define SCANNED_BYTES 40000u /* of a digest and its text: some lie in two blocks */

struct scan_check {
    struct local *local;
    const struct digest_scan *scan;
    struct arena *arena;
    size_t told;
};

/* What a scan tells is what a look at that body alone tells. */
static void check_scanned(void *ctx, size_t at, struct slice digest)
{
    struct scan_check *check = ctx;
    const struct digest_scan *scan = check->scan;
    struct slice got;

    assert_int_equal(digests_get(check->local->digests, scan->account, scan->ids[at],
                                 scan->version, scan->wanted, check->arena, &got),
                     RC_OK);
    assert_slice_equal(digest, got);
    arena_reset(check->arena);
    check->told++;
}

static size_t count_scanned(struct local *local, const uint64_t *ids, size_t n,
                            uint32_t version, enum digest_wanted wanted)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    struct digest_scan scan = {.account = ACCOUNT,
                               .version = version,
                               .wanted = wanted,
                               .ids = ids,
                               .n = n,
                               .seen = check_scanned};
    struct scan_check check = {.local = local, .scan = &scan, .arena = arena};

    scan.ctx = &check;
    digests_scan(local->digests, &scan);
    return check.told;
}

/* Every seventh body has no digest. */
static void make_scanned(struct local *local, const char *bytes, uint64_t first, uint64_t last)
{
    for (uint64_t id = first; id <= last; id++) {
        size_t len = 100 + (size_t) id * 7919 % (SCANNED_BYTES - 200), core = len / 3;
        const struct digest_bytes digest = {
            4, {bytes + id,        core      },
             {bytes + id + core, len - core}
        };

        if (id % 7 != 0)
            digests_put(local->digests, ACCOUNT, id, &digest, NULL, 0);
    }
}

static void pack_scanned(struct local *local, uint64_t pack, uint64_t first, uint64_t last)
{
    struct pack_writer *writer = begin_pack(local, pack);

    for (uint64_t id = first; id <= last; id++)
        add_body(writer, ACCOUNT, id, SLICE("body"));
    assert_int_equal(end_pack(local, writer, pack, 0), RC_OK);
    for (uint64_t id = first; id <= last; id++)
        digests_drop(local->digests, ACCOUNT, id);
}

static void a_scan_tells_every_digest(void **state)
{
    AUTO(freep) char *bytes = make_mail(5, SCANNED_BYTES + SCANNED);
    struct local_store store;
    struct local *local;
    uint64_t ids[SCANNED];

    (void) state;
    local_store_make(&store);
    local = open_store(&store);
    make_scanned(local, bytes, 1, 600);
    pack_scanned(local, 1, 1, 300);
    pack_scanned(local, 2, 301, 600);
    make_scanned(local, bytes, 601, SCANNED); /* in memory */
    for (uint64_t i = 0; i < SCANNED; i++)
        ids[i] = i + 1;
    assert_int_equal(count_scanned(local, ids, SCANNED, 4, false), 600);
    assert_int_equal(count_scanned(local, ids, SCANNED, 4, true), 600);
    assert_int_equal(count_scanned(local, ids, SCANNED, 5, true), 0);
    for (uint64_t i = 0; i < SCANNED; i++) /* in no order */
        ids[i] = i * 387 % (SCANNED + 1) + 1;
    assert_int_equal(count_scanned(local, ids, SCANNED - 1, 4, true), 599);
    for (uint64_t i = 0; i < 7; i++) /* far from each other */
        ids[i] = 1 + 99 * i;
    assert_int_equal(count_scanned(local, ids, 7, 4, true), 6);
    local_store_remove(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_of_all_lengths_come_back_smaller),
        cmocka_unit_test(either_end_of_a_pack_may_be_lost),
        cmocka_unit_test(a_damaged_frame_is_never_served),
        cmocka_unit_test(a_part_is_stored_once_an_account_while_bodies_need_it),
        cmocka_unit_test(a_pack_that_shares_a_part_that_died_is_of_no_use),
        cmocka_unit_test(a_part_whose_references_are_damaged_is_stored_again),
        cmocka_unit_test(a_place_that_is_damaged_is_made_anew_with_the_next_pack),
        cmocka_unit_test(hints_that_do_not_fit_are_left_alone),
        cmocka_unit_test(copies_are_the_same_with_neighbours_left_behind),
        cmocka_unit_test(a_dictionary_is_kept_in_two_places),
        cmocka_unit_test(a_dictionary_goes_when_no_pack_needs_it),
        cmocka_unit_test(digests_lie_in_the_pack_with_and_without_text),
        cmocka_unit_test(a_scan_tells_every_digest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
