/*
 * fuzz_record.c - the journal's door: bytes as a group of records, each decoded, written again
 * and compared, checked against an account that has some mail, and applied when it passes. What
 * passes acct_check may meet no assertion, and the counts must still be those of the messages.
 */
// links: account
#include "account/state.h"

#define FUZZ_ARENA_BYTES ((size_t) 256 << 20)

static void require(bool holds, const char *what)
{
    if (!holds)
        die("fuzz_record: %s", what);
}

static void apply_ours(struct acct_state *state, const struct record *record)
{
    struct record_group group = {.time_us = 1};
    struct err err;

    if (acct_check(state, record, &err) != RC_OK)
        die("fuzz_record: start: %s", err.detail);
    acct_apply(state, &group, record);
}

static void add_mailbox(struct acct_state *state, uint32_t id, struct slice name)
{
    struct record record = {
        .type = RECORD_MAILBOX,
        .mailbox = {.op = MAILBOX_CREATE,
                    .mbox = id,
                    .name = name,
                    .mailboxid = {{(uint8_t) id}},
                    .uidvalidity = 1,
                    .uidnext = 1,
                    .modseq = 2},
    };

    apply_ours(state, &record);
}

static void add_keyword(struct acct_state *state, uint32_t id, uint16_t index,
                        struct slice name)
{
    struct record record = {
        .type = RECORD_KEYWORD, .keyword = {id, index, name}
    };

    apply_ours(state, &record);
}

static void add_messages(struct acct_state *state, uint32_t id, uint32_t n)
{
    static const uint16_t keywords[] = {0};

    for (uint32_t uid = 1; uid <= n; uid++) {
        struct record record = {
            .type = RECORD_APPEND,
            .append = {.mbox = id,
                       .uid = uid,
                       .flags = (uint8_t) (uid % 32),
                       .keywords = keywords,
                       .n_keywords = uid % 2,
                       .size = uid * 10,
                       .emailid = {{(uint8_t) uid}},
                       .body_id = acct_next_body_id(state),
                       .modseq = 2 + uid},
        };

        apply_ours(state, &record);
    }
}

/* Everybody's and reader 1's beside messages 3 to 20. */
static void add_annotations(struct acct_state *state, uint32_t id)
{
    static const struct annotation entry = {
        .entry = {"/comment", 8},
          .value = {"text",     4}
    };
    static const struct uid_run run = {3, 20};

    for (uint64_t reader = 0; reader < 2; reader++) {
        struct record record = {
            .type = RECORD_ANNOTATE,
            .annotate = {.mbox = id,
                         .reader = reader,
                         .entries = &entry,
                         .n_entries = 1,
                         .uids = {&run, 1},
                         .modseq = acct_modseq(state) + 1},
        };

        apply_ours(state, &record);
    }
}

/* Two mailboxes with mail, of which one has the other's keyword, and an empty one. */
static struct acct_state *start(void)
{
    struct record first = {.type = RECORD_ACCOUNT, .account = {1}};
    struct acct_state *state = acct_state_new(1);

    apply_ours(state, &first);
    add_mailbox(state, 1, SLICE("INBOX"));
    add_mailbox(state, 2, SLICE("a"));
    add_mailbox(state, 3, SLICE("a/b"));
    add_keyword(state, 1, 0, SLICE("$Forwarded"));
    add_keyword(state, 2, 0, SLICE("$forwarded"));
    add_messages(state, 1, 40);
    add_annotations(state, 1);
    return state;
}

/* Those of everybody and of reader 1 as they are asked for. */
static void check_annotations(const struct mbox *mbox)
{
    AUTO(arena_freep) struct arena *arena = arena_new(FUZZ_ARENA_BYTES);

    for (uint64_t reader = 0; reader < 2; reader++) {
        struct uid_set uids = mbox_annotated_since(mbox, reader, 0, arena);

        for (size_t i = 0; i < uids.n; i++) {
            for (uint32_t uid = uids.runs[i].first; uid <= uids.runs[i].last; uid++) {
                size_t n;
                uint32_t index;

                (void) mbox_annotations(mbox, uid, reader, &n);
                require(mbox_find(mbox, uid, &index), "annotations without a message");
                require(mbox_annotation_modseq(mbox, uid, reader) > 0, "modseq of annotations");
            }
        }
        require(uids.n == 0 || mbox_counts(mbox)->annotation_bytes > 0, "annotation bytes");
    }
}

static void check_mailbox(const struct mbox *mbox)
{
    const struct mbox_counts *counts = mbox_counts(mbox);
    uint32_t unseen = 0, deleted = 0, index = 0, last = 0;
    uint64_t bytes = 0;

    for (size_t c = 0; c < mbox_chunk_count(mbox); c++) {
        struct chunk_view view = mbox_chunk(mbox, c);

        require(mbox_chunk_start(mbox, c) == index, "start of a chunk");
        for (uint32_t row = 0; row < view.n; row++, index++) {
            require(view.uid[row] > last, "order of uids");
            require(mbox_modseq(mbox, index) <= mbox_chunk_modseq(mbox, c),
                    "modseq of a chunk");
            last = view.uid[row];
            unseen += (view.flags[row] & FLAG_SEEN) == 0;
            deleted += (view.flags[row] & FLAG_DELETED) != 0;
            bytes += mbox_cold(mbox, index)->size;
        }
    }
    require(index == counts->messages && unseen == counts->unseen &&
                deleted == counts->deleted && bytes == counts->bytes,
            "counts");
    require(last < counts->uidnext, "uidnext");
    check_annotations(mbox);
}

static void check_state(const struct acct_state *state)
{
    struct acct_usage usage = acct_usage(state);
    uint64_t messages = 0;

    for (size_t i = 0; i < acct_mailbox_count(state); i++) {
        const struct mbox *mbox = acct_mailbox_at(state, i);

        check_mailbox(mbox);
        messages += mbox_counts(mbox)->messages;
        require(mbox_counts(mbox)->highestmodseq <= acct_modseq(state), "highestmodseq");
        require(acct_mailbox_by_name(state, mbox_info(mbox)->name) == mbox, "index of names");
    }
    require(messages == usage.messages && usage.mailboxes == acct_mailbox_count(state),
            "usage");
}

/* What was decoded is written as it was read. */
static void check_bytes(const struct record *record, struct slice read)
{
    AUTO(buf_done) struct buf buf;

    buf_init(&buf, GROUP_RECORDS_MAX_BYTES);
    record_encode(&buf, record);
    require(slice_eq(buf_slice(&buf), read), "record is not written as it was read");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena_freep) struct arena *arena = arena_new(FUZZ_ARENA_BYTES);
    AUTO(acct_unrefp) struct acct_state *base = start();
    AUTO(acct_unrefp) struct acct_state *fork = acct_fork(base);
    struct scan sc = scan_of(slice_of(data, size));
    struct record_group group;
    struct record record;
    struct err err;

    if (record_group_decode(&sc, &group, &err) != RC_OK)
        return 0;
    for (;;) {
        size_t at = scan_offset(&sc);

        if (record_decode(&sc, arena, &record, &err) != RC_OK)
            break;
        check_bytes(&record, slice_of(data + at, scan_offset(&sc) - at));
        if (acct_check(fork, &record, &err) == RC_OK)
            acct_apply(fork, &group, &record);
    }
    check_state(fork);
    check_state(base);
    require(mbox_counts(acct_mailbox_by_id(base, 1))->messages == 40, "base has changed");
    return 0;
}
