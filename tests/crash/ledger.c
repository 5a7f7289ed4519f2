/* ledger.c - see ledger.h. */
#include "ledger.h"

#include <sys/mman.h>
#include <xxhash.h>

#include "base/buf.h"

static void *shared(size_t bytes)
{
    void *ptr = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (ptr == MAP_FAILED)
        die("no memory for a ledger");
    return ptr;
}

struct ledger *ledger_new(void)
{
    struct ledger *ledger = shared(sizeof(*ledger));

    ledger->text = shared(sizeof(*ledger->text));
    return ledger;
}

void ledger_free(struct ledger *ledger)
{
    (void) munmap(ledger->text, sizeof(*ledger->text));
    (void) munmap(ledger, sizeof(*ledger));
}

void ledger_reset(struct ledger *ledger)
{
    struct ledger_text *text = ledger->text;

    memset(ledger, 0, sizeof(*ledger));
    ledger->text = text;
    text->len = 0;
}

void ledger_note_body(struct ledger *ledger, uint64_t account, uint64_t body_id,
                      struct slice bytes)
{
    if (ledger->n_bodies == LEDGER_BODIES_MAX)
        die("ledger: too many bodies");
    ledger->bodies[ledger->n_bodies++] =
        (struct ledger_body){account, body_id, bytes.len, XXH3_64bits(bytes.ptr, bytes.len)};
}

static const struct ledger_body *find_body(const struct ledger *ledger, uint64_t account,
                                           uint64_t body_id)
{
    for (size_t i = ledger->n_bodies; i-- > 0;) {
        if (ledger->bodies[i].account == account && ledger->bodies[i].body_id == body_id)
            return &ledger->bodies[i];
    }
    return NULL;
}

size_t ledger_add(struct ledger *ledger, size_t account, struct slice text,
                  uint32_t uidvalidity)
{
    struct ledger_account *to = &ledger->accounts[account];
    struct ledger_text *pool = ledger->text;

    if (to->n_versions == LEDGER_VERSIONS_MAX || text.len > LEDGER_TEXT_BYTES - pool->len)
        die("ledger: too many versions");
    memcpy(pool->bytes + pool->len, text.ptr, text.len);
    to->versions[to->n_versions] =
        (struct ledger_version){.hash = XXH3_64bits(text.ptr, text.len),
                                .text = pool->len,
                                .len = text.len,
                                .uidvalidity = uidvalidity};
    pool->len += text.len;
    return to->n_versions++;
}

struct slice ledger_text_of(const struct ledger *ledger, size_t account, size_t version)
{
    const struct ledger_version *of = &ledger->accounts[account].versions[version];

    return slice_of(ledger->text->bytes + of->text, of->len);
}

bool ledger_find(const struct ledger *ledger, size_t account, size_t least, struct slice text,
                 size_t *out)
{
    uint64_t hash = XXH3_64bits(text.ptr, text.len);

    for (size_t i = ledger->accounts[account].n_versions; i-- > least;) {
        if (ledger->accounts[account].versions[i].hash != hash ||
            !slice_eq(ledger_text_of(ledger, account, i), text))
            continue;
        *out = i;
        return true;
    }
    return false;
}

void ledger_cut(struct ledger *ledger, size_t account, size_t version)
{
    struct ledger_account *of = &ledger->accounts[account];

    of->n_versions = version + 1;
    of->acknowledged = MIN(of->acknowledged, version);
}

/* ---- an account as text ---- */

struct printer {
    struct engine *engine;
    uint64_t account;
    const struct ledger *ledger;
    struct buf *out;
};

static void print_id(struct buf *out, const struct object_id *id)
{
    for (size_t i = 0; i < sizeof(id->bytes); i++)
        buf_printf(out, "%02x", id->bytes[i]);
}

static void print_pairs(struct buf *out, const char *what, const struct text_pair *pairs,
                        size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_printf(out, "  %s %.*s = %.*s\n", what, SLICE_ARG(pairs[i].key),
                   SLICE_ARG(pairs[i].value));
}

static enum rc hash_stored(const struct printer *printer, uint64_t body_id, uint64_t *out_len,
                           uint64_t *out_hash, struct err *err)
{
    struct engine *engine = printer->engine;
    struct body *body;
    AUTO(freep) char *bytes = NULL;
    enum rc rc = engine->ops->body_open(engine, printer->account, body_id, &body, err);

    if (rc)
        return rc;
    *out_len = engine->ops->body_length(body);
    bytes = xmalloc((size_t) *out_len + 1);
    rc = engine->ops->body_read(body, 0, bytes, (size_t) *out_len, err);
    engine->ops->body_close(body);
    *out_hash = XXH3_64bits(bytes, (size_t) *out_len);
    return rc;
}

static enum rc print_body(const struct printer *printer, uint64_t body_id, struct err *err)
{
    uint64_t len = 0, hash = 0;

    if (printer->ledger != NULL) {
        const struct ledger_body *body = find_body(printer->ledger, printer->account, body_id);

        if (body == NULL)
            return err_set(err, RC_INVALID, "No such body", "ledger: body %llu",
                           (unsigned long long) body_id);
        len = body->length;
        hash = body->hash;
    } else {
        enum rc rc = hash_stored(printer, body_id, &len, &hash, err);

        if (rc)
            return rc;
    }
    buf_printf(printer->out, " body %llu %llu %016llx\n", (unsigned long long) body_id,
               (unsigned long long) len, (unsigned long long) hash);
    return RC_OK;
}

static enum rc print_messages(const struct printer *printer, const struct mbox *mbox,
                              struct err *err)
{
    struct buf *out = printer->out;

    for (uint32_t i = 0; i < mbox_counts(mbox)->messages; i++) {
        const struct msg_cold *cold = mbox_cold(mbox, i);
        uint16_t keywords[KEYWORDS_MAX];
        size_t n = mbox_keywords(mbox, i, keywords);
        enum rc rc;

        buf_printf(out, "  message %u flags %02x modseq %llu size %u date %lld %d saved %lld ",
                   mbox_uid(mbox, i), mbox_flags(mbox, i),
                   (unsigned long long) mbox_modseq(mbox, i), cold->size,
                   (long long) cold->internaldate, cold->zone_min, (long long) cold->savedate);
        print_id(out, &cold->emailid);
        buf_byte(out, ' ');
        print_id(out, &cold->threadid);
        for (size_t k = 0; k < n; k++)
            buf_printf(out, " k%u", keywords[k]);
        rc = print_body(printer, cold->body_id, err);
        if (rc)
            return rc;
    }
    return RC_OK;
}

static void print_overlays(struct buf *out, const struct mbox *mbox)
{
    for (size_t i = 0; i < mbox_overlay_count(mbox); i++) {
        uint64_t reader = mbox_overlay_reader(mbox, i);
        const struct overlay_row *rows;
        size_t n;

        for (size_t at = 0; (rows = mbox_overlay_piece(mbox, reader, at, &n)) != NULL; at++)
            for (size_t k = 0; k < n; k++)
                buf_printf(out, "  reader %llu uid %u flags %02x modseq %llu\n",
                           (unsigned long long) reader, rows[k].uid, rows[k].flags,
                           (unsigned long long) rows[k].modseq);
    }
}

static void print_expunged(struct buf *out, const struct mbox *mbox)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    struct uid_set gone =
        mbox_expunged_since(mbox, mbox_counts(mbox)->expunged_below, UINT32_MAX, arena);

    for (size_t i = 0; i < gone.n; i++)
        buf_printf(out, "  expunged %u:%u\n", gone.runs[i].first, gone.runs[i].last);
}

static enum rc print_mailbox(const struct printer *printer, const struct mbox *mbox,
                             struct err *err)
{
    const struct mbox_info *info = mbox_info(mbox);
    const struct mbox_counts *counts = mbox_counts(mbox);
    struct buf *out = printer->out;

    buf_printf(out, "mailbox %u %.*s ", info->id, SLICE_ARG(info->name));
    print_id(out, &info->mailboxid);
    buf_printf(out, " uidvalidity %u use %x uidnext %u recent %u\n", info->uidvalidity,
               info->special_use, counts->uidnext, counts->first_recent);
    buf_printf(
        out, "  messages %u unseen %u deleted %u bytes %llu %llu modseq %llu below %llu\n",
        counts->messages, counts->unseen, counts->deleted, (unsigned long long) counts->bytes,
        (unsigned long long) counts->bytes_deleted, (unsigned long long) counts->highestmodseq,
        (unsigned long long) counts->expunged_below);
    for (size_t i = 0; i < info->n_keywords; i++)
        buf_printf(out, "  keyword %.*s\n", SLICE_ARG(info->keywords[i]));
    print_pairs(out, "acl", info->acl, info->n_acl);
    print_pairs(out, "metadata", info->metadata, info->n_metadata);
    print_expunged(out, mbox);
    print_overlays(out, mbox);
    return print_messages(printer, mbox, err);
}

static void print_rest(struct buf *out, const struct acct_state *state)
{
    struct acct_usage usage = acct_usage(state);

    buf_printf(out, "modseq %llu next body %llu mailbox %u bytes %llu messages %llu of %llu\n",
               (unsigned long long) acct_modseq(state),
               (unsigned long long) acct_next_body_id(state), acct_next_mailbox_id(state),
               (unsigned long long) usage.bytes, (unsigned long long) usage.messages,
               (unsigned long long) usage.mailboxes);
    for (size_t i = 0; i < acct_subscription_count(state); i++)
        buf_printf(out, "subscribed %.*s\n", SLICE_ARG(acct_subscription_at(state, i)));
    for (size_t i = 0; i < acct_metadata_count(state); i++) {
        struct text_pair pair = acct_metadata_at(state, i);

        print_pairs(out, "metadata", &pair, 1);
    }
    for (size_t i = 0; i < acct_quota_count(state); i++) {
        struct quota_limit limit = acct_quota_at(state, i);

        buf_printf(out, "quota %.*s %llu\n", SLICE_ARG(limit.resource),
                   (unsigned long long) limit.limit);
    }
    for (size_t i = 0; i < acct_xfer_count(state); i++) {
        struct xfer_entry xfer = acct_xfer_at(state, i);

        buf_printf(out, "transfer %d %llu %llu %.*s\n", (int) xfer.type,
                   (unsigned long long) xfer.peer_account,
                   (unsigned long long) xfer.transfer_id, SLICE_ARG(xfer.payload));
    }
}

enum rc ledger_print(const struct acct_state *state, struct engine *engine,
                     const struct ledger *ledger, struct buf *out, uint32_t *out_uidvalidity,
                     struct err *err)
{
    struct printer printer = {engine, acct_id(state), ledger, out};
    uint32_t uidvalidity = 0;

    buf_reset(out);
    print_rest(out, state);
    for (size_t i = 0; i < acct_mailbox_count(state); i++) {
        const struct mbox *mbox = acct_mailbox_at(state, i);
        enum rc rc = print_mailbox(&printer, mbox, err);

        if (rc)
            return rc;
        uidvalidity = MAX(uidvalidity, mbox_info(mbox)->uidvalidity);
    }
    *out_uidvalidity = uidvalidity;
    return RC_OK;
}
