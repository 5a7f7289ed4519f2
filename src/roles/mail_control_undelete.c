/*
 * mail_control_undelete.c - what was expunged and deleted: listed, and brought back.
 *
 * What to take is chosen from a version that is held, without a lock, for the choice may read
 * many digests; then one transaction brings back what was chosen and is still there. So a
 * request is all or nothing, and waits for nobody's reading.
 */
#include <stdlib.h>

#include "account/kept.h"
#include "base/log.h"
#include "imap/seqset.h"
#include "mailbox/message.h"
#include "mailbox/name.h"
#include "mailbox/txn.h"
#include "mime/text.h"
#include "roles/mail_role.h"

#define UNDELETE_ARENA_BYTES ((size_t) 1 << 30) /* pointers and uids of what is chosen */
#define SHOWN_BYTES          1000u              /* of a From, To or Subject */
#define FIELDS_BYTES         ((size_t) 256 << 10)
#define COMMIT_TRIES         16u /* with an engine that may conflict */

/* ---- what is asked for ---- */

struct wish {
    struct slice mailbox;      /* empty: all */
    int64_t since, before;     /* unix seconds: when it went */
    struct slice needle;       /* casemapped; empty: none */
    const struct seqset *uids; /* NULL: all */
    struct slice to;           /* empty: where it was */
};

static enum rc number_or(const struct control_fields *fields, const char *key,
                         int64_t otherwise, int64_t *out, struct err *err)
{
    struct slice text;
    uint64_t value;
    enum rc rc;

    *out = otherwise;
    if (!control_field_get(fields, key, &text) || text.len == 0)
        return RC_OK;
    rc = control_field_u64(fields, key, &value, err);
    if (rc == RC_OK)
        *out = (int64_t) MIN(value, (uint64_t) INT64_MAX);
    return rc;
}

static struct slice text_or_empty(const struct control_fields *fields, const char *key)
{
    struct slice text;

    return control_field_get(fields, key, &text) ? text : SLICE("");
}

static enum rc read_wish(const struct control_fields *fields, struct arena *arena,
                         struct wish *out, struct err *err)
{
    AUTO(buf_done) struct buf needle = {.max = FIELDS_BYTES};
    struct slice uids = text_or_empty(fields, "uids");
    struct seqset *set = ARENA_NEW(arena, struct seqset);
    struct wish wish = {0};
    enum rc rc = number_or(fields, "since", INT64_MIN, &wish.since, err);

    if (rc == RC_OK)
        rc = number_or(fields, "before", INT64_MAX, &wish.before, err);
    if (rc == RC_OK && uids.len > 0) {
        rc = imap_parse_seqset(uids, arena, set, err);
        wish.uids = set;
    }
    if (rc)
        return rc;
    wish.mailbox = mailbox_name_canonical(text_or_empty(fields, "mailbox"), arena);
    wish.to = mailbox_name_canonical(text_or_empty(fields, "to"), arena);
    mime_casemap(text_or_empty(fields, "search"), &needle);
    wish.needle = arena_dup(arena, buf_slice(&needle));
    *out = wish;
    return RC_OK;
}

static bool wants_uid(const struct wish *wish, uint32_t uid)
{
    for (size_t i = 0; wish->uids != NULL && i < wish->uids->n; i++) {
        uint32_t a = wish->uids->ranges[i].first, b = wish->uids->ranges[i].last;

        a = a == SEQ_STAR ? UID_MAX : a;
        b = b == SEQ_STAR ? UID_MAX : b;
        if (uid >= MIN(a, b) && uid <= MAX(a, b))
            return true;
    }
    return wish->uids == NULL;
}

static bool wants_time(const struct wish *wish, int64_t sec)
{
    return sec >= wish->since && sec < wish->before;
}

/* Of a deleted mailbox: with what was below it. */
static bool wants_deleted(const struct wish *wish, const struct mbox *mbox)
{
    struct slice name = mbox_info(mbox)->name;

    if (wish->needle.len > 0 || wish->uids != NULL || wish->to.len > 0)
        return false;
    return wants_time(wish, mbox_end(mbox)->deleted_sec) &&
           (wish->mailbox.len == 0 || slice_eq(name, wish->mailbox) ||
            mailbox_name_is_below(name, wish->mailbox));
}

/* ---- what a message says of itself ---- */

enum shown { SHOWN_FROM, SHOWN_TO, SHOWN_SUBJECT, SHOWN_COUNT };
static const char *const shown_names[SHOWN_COUNT] = {"From", "To", "Subject"};

struct shown_fields {
    struct buf text[SHOWN_COUNT]; /* decoded */
};

static void shown_init(struct shown_fields *shown)
{
    for (size_t i = 0; i < SHOWN_COUNT; i++)
        buf_init(&shown->text[i], FIELDS_BYTES);
}

static void shown_done(struct shown_fields *shown)
{
    for (size_t i = 0; i < SHOWN_COUNT; i++)
        buf_done(&shown->text[i]);
}

/* The field of this name out of a digest's copied lines. */
static void take_field(const struct digest *digest, const char *name, struct buf *out)
{
    AUTO(buf_done) struct buf raw = {.max = FIELDS_BYTES};
    struct slice field = slice_from_str(name), value;
    struct digest_names names;

    buf_reset(out);
    digest_names_init(&names, &field, 1);
    if (!digest_fields_are_copied(digest, &names))
        return;
    digest_copied_fields(digest, &names, &raw);
    value = buf_slice(&raw);
    if (value.len > field.len)
        mime_text_of_field(field, slice_from(value, field.len + 1), out);
}

/* Empty texts for a message that cannot be read. */
static void read_shown(struct account *account, const struct msg_cold *cold,
                       struct shown_fields *shown)
{
    AUTO(message_closep)
    struct message *message = message_open(account, cold->body_id, cold->size);
    const struct digest *digest;
    struct err err;
    bool is_read = message_digest(message, &digest, &err) == RC_OK;

    for (size_t i = 0; i < SHOWN_COUNT; i++) {
        buf_reset(&shown->text[i]);
        if (is_read)
            take_field(digest, shown_names[i], &shown->text[i]);
    }
}

static bool shows_needle(const struct shown_fields *shown, struct slice needle)
{
    AUTO(buf_done) struct buf mapped = {.max = FIELDS_BYTES * 8};

    for (size_t i = 0; i < SHOWN_COUNT; i++) {
        buf_reset(&mapped);
        mime_casemap(buf_slice(&shown->text[i]), &mapped);
        if (mapped.len >= needle.len &&
            memmem(mapped.ptr, mapped.len, needle.ptr, needle.len) != NULL)
            return true;
    }
    return false;
}

/* ---- walking what is kept ---- */

struct walk {
    struct control_conn *conn;
    struct account *account;
    struct acct_state *state;
    struct arena *arena;
    struct wish wish;
    struct shown_fields shown; /* of the message that is told */
    /* told of each message that is wanted */
    void (*message)(struct walk *walk, const struct mbox *mbox,
                    const struct kept_message *kept);
    bool shows; /* the message's fields are needed, search or not */
    uint32_t *uids;
    size_t n_uids;
};

static void walk_mailbox(struct walk *walk, const struct mbox *mbox)
{
    uint32_t n = mbox_kept(mbox).messages;

    for (uint32_t at = 0; at < n && !control_conn_failed(walk->conn); at++) {
        const struct kept_message *kept = mbox_kept_at(mbox, at);

        if (!wants_time(&walk->wish, kept->expunged_sec) || !wants_uid(&walk->wish, kept->uid))
            continue;
        if (walk->shows || walk->wish.needle.len > 0)
            read_shown(walk->account, &kept->cold, &walk->shown);
        if (walk->wish.needle.len == 0 || shows_needle(&walk->shown, walk->wish.needle))
            walk->message(walk, mbox, kept);
    }
}

static bool wants_messages_of(const struct wish *wish, const struct mbox *mbox)
{
    return mbox_kept(mbox).messages > 0 &&
           (wish->mailbox.len == 0 || slice_eq(mbox_info(mbox)->name, wish->mailbox));
}

/* ---- list ---- */

static struct slice shown_text(const struct shown_fields *shown, enum shown which)
{
    struct slice text = buf_slice(&shown->text[which]);
    size_t len = MIN(text.len, (size_t) SHOWN_BYTES);

    while (len > 0 && len < text.len && ((unsigned char) text.ptr[len] & 0xc0) == 0x80)
        len--; /* whole characters */
    return slice_sub(text, 0, len);
}

static void put_message(struct walk *walk, const struct mbox *mbox,
                        const struct kept_message *kept)
{
    char room[5][CONTROL_NUMBER_BYTES];
    const struct control_field fields[] = {
        CONTROL_TEXT("kind", SLICE("message")),
        CONTROL_TEXT("mailbox", mbox_info(mbox)->name),
        CONTROL_TEXT("id", control_i64(room[0], kept->uid)),
        CONTROL_TEXT("messages", SLICE("1")),
        CONTROL_TEXT("bytes", control_i64(room[1], kept->cold.size)),
        CONTROL_TEXT("gone", control_i64(room[2], kept->expunged_sec)),
        CONTROL_TEXT("by", control_i64(room[3], (int64_t) kept->expunged_by)),
        CONTROL_TEXT("received", control_i64(room[4], kept->cold.internaldate)),
        CONTROL_TEXT("from", shown_text(&walk->shown, SHOWN_FROM)),
        CONTROL_TEXT("to", shown_text(&walk->shown, SHOWN_TO)),
        CONTROL_TEXT("subject", shown_text(&walk->shown, SHOWN_SUBJECT)),
    };

    control_row(walk->conn, fields, COUNT(fields));
}

static void put_deleted(struct control_conn *conn, const struct mbox *mbox)
{
    const struct mbox_counts *counts = mbox_counts(mbox);
    char room[5][CONTROL_NUMBER_BYTES];
    const struct control_field fields[] = {
        CONTROL_TEXT("kind", SLICE("mailbox")),
        CONTROL_TEXT("mailbox", mbox_info(mbox)->name),
        CONTROL_TEXT("id", control_i64(room[0], mbox_info(mbox)->id)),
        CONTROL_TEXT("messages", control_i64(room[1], counts->messages)),
        CONTROL_TEXT("bytes", control_i64(room[2], (int64_t) counts->bytes)),
        CONTROL_TEXT("gone", control_i64(room[3], mbox_end(mbox)->deleted_sec)),
        CONTROL_TEXT("by", control_i64(room[4], (int64_t) mbox_end(mbox)->deleted_by)),
        CONTROL_TEXT("received", SLICE("0")),
        CONTROL_TEXT("from", SLICE("")),
        CONTROL_TEXT("to", SLICE("")),
        CONTROL_TEXT("subject", SLICE("")),
    };

    control_row(conn, fields, COUNT(fields));
}

static enum rc begin_walk(struct walk *walk, struct mail_role *mail,
                          const struct control_fields *fields, struct err *err)
{
    enum rc rc = read_wish(fields, walk->arena, &walk->wish, err);

    if (rc == RC_OK)
        rc = mail_open_user(mail, fields, &walk->account, err);
    return rc ? rc : account_read_kept(walk->account, &walk->state, err);
}

static void end_walk(struct walk *walk)
{
    acct_unref(walk->state);
    account_close(walk->account);
    shown_done(&walk->shown);
    arena_free(walk->arena);
}

void mail_undelete_list(struct control_conn *conn, const struct control_fields *fields,
                        void *ctx)
{
    struct walk walk = {.conn = conn,
                        .arena = arena_new(UNDELETE_ARENA_BYTES),
                        .message = put_message,
                        .shows = true};
    struct err err;
    enum rc rc;

    shown_init(&walk.shown);
    rc = begin_walk(&walk, ctx, fields, &err);
    for (size_t i = 0; rc == RC_OK && i < acct_deleted_count(walk.state); i++) {
        if (wants_deleted(&walk.wish, acct_deleted_at(walk.state, i)))
            put_deleted(conn, acct_deleted_at(walk.state, i));
    }
    for (size_t i = 0; rc == RC_OK && i < acct_mailbox_count(walk.state); i++) {
        if (wants_messages_of(&walk.wish, acct_mailbox_at(walk.state, i)))
            walk_mailbox(&walk, acct_mailbox_at(walk.state, i));
    }
    end_walk(&walk);
    if (rc)
        control_end_err(conn, &err);
    else
        control_end(conn, RC_OK, "");
}

/* ---- restore ---- */

/* What was chosen of one mailbox. */
struct chosen {
    uint32_t mbox, dst;
    struct slice name; /* where it comes back to */
    struct uid_set uids;
    uint64_t restored;
    uint32_t first_uid;
};

struct plan {
    struct chosen *messages;
    size_t n_messages;
    struct chosen *mailboxes; /* by name: what is above comes first */
    size_t n_mailboxes;
};

static void choose_message(struct walk *walk, const struct mbox *mbox,
                           const struct kept_message *kept)
{
    (void) mbox;
    walk->uids[walk->n_uids++] = kept->uid;
}

static int by_number(const void *a, const void *b)
{
    const uint32_t *left = a, *right = b;

    return (*left > *right) - (*left < *right);
}

static int by_name(const void *a, const void *b)
{
    const struct chosen *left = a, *right = b;

    return slice_cmp(left->name, right->name);
}

static void choose_of(struct walk *walk, const struct mbox *mbox, struct plan *plan)
{
    struct uid_set_builder builder;

    walk->uids = ARENA_ARRAY(walk->arena, uint32_t, mbox_kept(mbox).messages);
    walk->n_uids = 0;
    walk_mailbox(walk, mbox);
    if (walk->n_uids == 0)
        return;
    qsort(walk->uids, walk->n_uids, sizeof(*walk->uids), by_number);
    uid_set_start(&builder, walk->arena);
    for (size_t i = 0; i < walk->n_uids; i++)
        uid_set_add(&builder, walk->uids[i]);
    plan->messages[plan->n_messages++] = (struct chosen){
        .mbox = mbox_info(mbox)->id,
        .name = walk->wish.to.len > 0 ? walk->wish.to
                                      : arena_dup(walk->arena, mbox_info(mbox)->name),
        .uids = uid_set_finish(&builder)};
}

static void make_plan(struct walk *walk, struct plan *plan)
{
    size_t n = acct_mailbox_count(walk->state), n_deleted = acct_deleted_count(walk->state);

    plan->messages = ARENA_ARRAY(walk->arena, struct chosen, n);
    plan->mailboxes = ARENA_ARRAY(walk->arena, struct chosen, n_deleted);
    for (size_t i = 0; i < n_deleted; i++) {
        const struct mbox *mbox = acct_deleted_at(walk->state, i);

        if (wants_deleted(&walk->wish, mbox))
            plan->mailboxes[plan->n_mailboxes++] =
                (struct chosen){.mbox = mbox_info(mbox)->id,
                                .name = arena_dup(walk->arena, mbox_info(mbox)->name),
                                .restored = mbox_counts(mbox)->messages};
    }
    if (plan->n_mailboxes > 0)
        qsort(plan->mailboxes, plan->n_mailboxes, sizeof(*plan->mailboxes), by_name);
    for (size_t i = 0; i < n; i++) {
        if (wants_messages_of(&walk->wish, acct_mailbox_at(walk->state, i)))
            choose_of(walk, acct_mailbox_at(walk->state, i), plan);
    }
}

static enum rc restore_mailbox(struct walk *walk, struct mail_txn *txn, struct chosen *chosen,
                               struct err *err)
{
    uint32_t id;
    enum rc rc = txn_restore_mailbox(txn, chosen->mbox, &id, err);

    if (rc == RC_OK)
        chosen->name =
            arena_dup(walk->arena, mbox_info(acct_mailbox_by_id(txn_state(txn), id))->name);
    return rc;
}

static enum rc restore_messages(struct walk *walk, struct mail_txn *txn, struct chosen *chosen,
                                struct err *err)
{
    const struct mbox *dst = acct_mailbox_by_name(txn_state(txn), chosen->name);
    struct copied copied;
    enum rc rc = RC_OK;

    if (dst == NULL) /* named with "to", or gone since: then nothing it kept is there either */
        rc = txn_create_mailbox(txn, chosen->name, 0, &chosen->dst, err);
    else
        chosen->dst = mbox_info(dst)->id;
    if (rc == RC_OK)
        rc = txn_restore_messages(txn, chosen->mbox, &chosen->uids, chosen->dst, walk->arena,
                                  &copied, err);
    if (rc)
        return rc;
    chosen->restored = uid_set_span(&copied.src);
    chosen->first_uid = copied.dst.n > 0 ? copied.dst.runs[0].first : 0;
    return RC_OK;
}

static enum rc restore_once(struct walk *walk, struct plan *plan, uint64_t *out_position,
                            struct err *err)
{
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    const struct actor nobody = {0};
    enum rc rc = txn_begin(walk->account, &nobody, &txn, err);

    for (size_t i = 0; rc == RC_OK && i < plan->n_mailboxes; i++)
        rc = restore_mailbox(walk, txn, &plan->mailboxes[i], err);
    for (size_t i = 0; rc == RC_OK && i < plan->n_messages; i++)
        rc = restore_messages(walk, txn, &plan->messages[i], err);
    return rc ? rc : txn_commit(&txn, out_position, err);
}

static void put_restored(struct walk *walk, const char *kind, const struct chosen *chosen)
{
    char messages[CONTROL_NUMBER_BYTES], first[CONTROL_NUMBER_BYTES];
    const struct control_field fields[] = {
        CONTROL_TEXT("kind", slice_from_str(kind)),
        CONTROL_TEXT("mailbox", chosen->name),
        CONTROL_TEXT("messages", control_i64(messages, (int64_t) chosen->restored)),
        CONTROL_TEXT("first_uid", control_i64(first, chosen->first_uid)),
    };

    control_row(walk->conn, fields, COUNT(fields));
    log_event(LEVEL_INFO, "undelete.restored", LOG_ID("account", account_id(walk->account)),
              LOG_STR("kind", kind), LOG_TEXT("mailbox", chosen->name),
              LOG_NUM("messages", chosen->restored),
              LOG_NUM("by_uid", control_conn_uid(walk->conn)));
}

static enum rc restore(struct walk *walk, struct err *err)
{
    struct plan plan = {0};
    unsigned tries = 0;
    uint64_t position;
    enum rc rc;

    make_plan(walk, &plan);
    if (plan.n_messages + plan.n_mailboxes == 0)
        return err_set(err, RC_NOT_FOUND, "Nothing to bring back",
                       "undelete: nothing kept is like that");
    do {
        rc = restore_once(walk, &plan, &position, err);
    } while (rc == RC_CONFLICT && ++tries < COMMIT_TRIES);
    if (rc)
        return rc;
    account_wait_durable(walk->account, position);
    for (size_t i = 0; i < plan.n_mailboxes; i++)
        put_restored(walk, "mailbox", &plan.mailboxes[i]);
    for (size_t i = 0; i < plan.n_messages; i++)
        put_restored(walk, "messages", &plan.messages[i]);
    return RC_OK;
}

void mail_undelete_restore(struct control_conn *conn, const struct control_fields *fields,
                           void *ctx)
{
    struct walk walk = {
        .conn = conn, .arena = arena_new(UNDELETE_ARENA_BYTES), .message = choose_message};
    struct err err;
    enum rc rc;

    shown_init(&walk.shown);
    rc = begin_walk(&walk, ctx, fields, &err);
    if (rc == RC_OK)
        rc = restore(&walk, &err);
    end_walk(&walk);
    if (rc)
        control_end_err(conn, &err);
    else
        control_end(conn, RC_OK, "");
}
