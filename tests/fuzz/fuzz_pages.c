/*
 * fuzz_pages.c - the checkpoint's door: bytes as the payloads of a root and its pages. The
 * harness puts head and hash around them, so that what is behind the hash is reached; one input
 * in four keeps the bytes as they are. What opens and loads must be consistent, take records,
 * and come back from pages made of it.
 */
// links: account
#include "account/page_frame.h"
#include "account/pages.h"

#define FUZZ_ARENA_BYTES ((size_t) 1 << 30)
#define FUZZ_PAGES_MAX   16u

#define KIND_WHOLE      0x80u /* head and hash are in the bytes */
#define KIND_OLD        0x40u /* of the version before */
#define KIND_UNSEEN     0x20u /* of the version that says the first unseen */
#define KIND_BITS       0x1fu
#define PAGE_VERSION_AT 5u

/* Input: for each page a kind byte, a u16 length and the payload; the first is the root. */
struct pages {
    struct {
        uint8_t kind;
        struct slice payload;
    } at[FUZZ_PAGES_MAX];
    size_t n;
    const struct page_batch *batch; /* pages that were made since; NULL: none */
};

static void require(bool holds, const char *what)
{
    if (!holds)
        die("fuzz_pages: %s", what);
}

static struct slice framed(struct arena *arena, uint8_t kind, uint64_t number,
                           struct slice payload)
{
    struct page_id id = {.version =
                             (kind & KIND_UNSEEN) != 0 ? PAGE_VERSION_UNSEEN : PAGE_VERSION,
                         .kind = (enum page_kind)(kind & KIND_BITS),
                         .account = 1,
                         .number = number};
    AUTO(buf_done) struct buf buf;

    buf_init(&buf, payload.len + 64);
    page_begin(&buf, &id);
    buf_append(&buf, payload);
    if ((kind & KIND_OLD) != 0)
        buf.ptr[PAGE_VERSION_AT] = (char) PAGE_VERSION_PLAIN;
    page_end(&buf);
    return arena_dup(arena, buf_slice(&buf));
}

/* What everybody has written is found again entry by entry. */
static void check_annotations(const struct mbox *mbox, const struct mbox_counts *counts)
{
    AUTO(arena_freep) struct arena *arena = arena_new(FUZZ_ARENA_BYTES);
    struct uid_set uids = mbox_annotated_since(mbox, 0, 0, arena);

    for (size_t i = 0; i < uids.n; i++) {
        for (uint32_t uid = uids.runs[i].first; uid <= uids.runs[i].last; uid++) {
            size_t n;
            const struct annotation *entries = mbox_annotations(mbox, uid, 0, &n);

            for (size_t k = 0; k < n; k++)
                require((mbox_annotation(mbox, uid, 0, entries[k].entry) == NULL) ==
                            entries[k].is_nil,
                        "an entry that is not found");
        }
    }
    require(uids.n == 0 || counts->annotation_bytes > 0, "bytes of annotations");
}

static enum rc read_fuzzed(void *ctx, uint64_t number, struct arena *arena, struct slice *out,
                           struct err *err)
{
    const struct pages *pages = ctx;

    for (size_t i = 0; pages->batch != NULL && i < pages->batch->n_puts; i++) {
        if (pages->batch->puts[i].number == number) {
            *out = arena_dup(arena, pages->batch->puts[i].bytes);
            return RC_OK;
        }
    }
    if (number < pages->n) {
        uint8_t kind = pages->at[number].kind;

        *out = (kind & KIND_WHOLE) != 0
                   ? arena_dup(arena, pages->at[number].payload)
                   : framed(arena, kind, number, pages->at[number].payload);
        return RC_OK;
    }
    return err_set(err, RC_NOT_FOUND, "no page", "page %llu", (unsigned long long) number);
}

static void split(struct scan *sc, struct pages *out)
{
    while (out->n < FUZZ_PAGES_MAX) {
        uint8_t kind;
        uint16_t len;

        if (!scan_le8(sc, &kind) || !scan_le16(sc, &len))
            return;
        len = (uint16_t) MIN((size_t) len, scan_left(sc));
        if (!scan_take(sc, len, &out->at[out->n].payload))
            return;
        out->at[out->n++].kind = kind;
    }
}

static void check_mailbox(const struct acct_state *state, const struct mbox *mbox,
                          struct pages *pages)
{
    const struct mbox_counts *counts = mbox_counts(mbox);
    struct err err;
    uint32_t unseen = 0, last = 0, first_unseen = counts->messages;

    for (uint32_t i = 0; i < counts->messages; i++) {
        require(mbox_uid(mbox, i) > last, "order of uids");
        require(mbox_modseq(mbox, i) <= counts->highestmodseq, "modseq");
        last = mbox_uid(mbox, i);
        if ((mbox_flags(mbox, i) & FLAG_SEEN) == 0 && unseen++ == 0)
            first_unseen = i;
        if (acct_cold_load(state, mbox, i, i, read_fuzzed, pages, &err) == RC_OK)
            (void) mbox_cold(mbox, i)->size;
    }
    require(mbox_first_unseen(mbox) == first_unseen, "first unseen");
    require(unseen == counts->unseen && last < counts->uidnext, "counts");
    check_annotations(mbox, counts);
}

static bool load_all(struct acct_state *state, struct pages *pages)
{
    struct err err;
    bool all = true;

    for (size_t i = 0; i < acct_mailbox_count(state); i++) {
        const struct mbox *pages_only = acct_mailbox_at(state, i);
        uint32_t id = mbox_info(pages_only)->id;

        if (mbox_knows_first_unseen(pages_only))
            require(mbox_first_unseen(pages_only) <= mbox_counts(pages_only)->messages,
                    "the first unseen of a mailbox that is not loaded");
        if (acct_mbox_load(state, id, read_fuzzed, pages, &err) == RC_OK)
            check_mailbox(state, acct_mailbox_by_id(state, id), pages);
        else
            all = false;
    }
    return all;
}

/* One more message in each mailbox that takes one. */
static void append_everywhere(struct acct_state *state)
{
    struct record_group group = {.time_us = 1};
    struct err err;

    for (size_t i = 0; i < acct_mailbox_count(state); i++) {
        const struct mbox *mbox = acct_mailbox_at(state, i);
        struct record record = {
            .type = RECORD_APPEND,
            .append = {.mbox = mbox_info(mbox)->id,
                       .uid = mbox_counts(mbox)->uidnext,
                       .size = 1,
                       .body_id = acct_next_body_id(state),
                       .modseq = acct_modseq(state) + 1},
        };

        if (acct_check(state, &record, &err) == RC_OK)
            acct_apply(state, &group, &record);
    }
}

/* An account that loaded whole takes records, and what is stored of it then opens and loads. */
static void round_trip(const struct acct_state *state, struct pages *pages)
{
    AUTO(arena_freep) struct arena *arena = arena_new(FUZZ_ARENA_BYTES);
    AUTO(acct_unrefp) struct acct_state *fork = acct_fork(state);
    AUTO(acct_unrefp) struct acct_state *again = NULL;
    struct page_batch batch;
    struct err err;

    append_everywhere(fork);
    acct_pages_make(fork, state, arena, &batch);
    pages->batch = &batch;
    if (acct_pages_open(1, batch.root, 1, read_fuzzed, pages, &again, &err) != RC_OK)
        die("fuzz_pages: open after the trip: %s", err.detail);
    require(load_all(again, pages), "load after the trip");
    require(acct_mailbox_count(again) == acct_mailbox_count(state), "mailboxes after the trip");
    require(acct_usage(again).messages == acct_usage(fork).messages, "messages after the trip");
    pages->batch = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena_freep) struct arena *arena = arena_new(FUZZ_ARENA_BYTES);
    AUTO(acct_unrefp) struct acct_state *state = NULL;
    struct scan sc = scan_of(slice_of(data, size));
    struct pages pages = {.n = 0};
    struct slice root;
    struct err err;

    split(&sc, &pages);
    if (pages.n == 0)
        return 0;
    root = (pages.at[0].kind & KIND_WHOLE) != 0
               ? pages.at[0].payload
               : framed(arena, PAGE_ROOT, 0, pages.at[0].payload);
    if (acct_pages_open(1, root, 1, read_fuzzed, &pages, &state, &err) != RC_OK)
        return 0;
    if (load_all(state, &pages))
        round_trip(state, &pages);
    return 0;
}
