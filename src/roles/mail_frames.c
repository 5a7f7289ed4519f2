/*
 * mail_frames.c - mailboxes and messages into frames.
 *
 * Each mailbox is sent as it stood when its turn came: the version is held until its last
 * message has gone out.
 */
#include "roles/mail_frames.h"

#include "ipc/mail_stream.h"
#include "mailbox/message.h"

#define EXPORT_PART_BYTES   ((size_t) 256 << 10)
#define PROGRESS_EVERY      256u               /* messages */
#define READERS_ARENA_BYTES ((size_t) 1 << 20) /* for OVERLAY_READERS_MAX and one of them */

struct sending {
    const struct mail_taker *taker;
    const struct mail_choice *choice;
    struct account *account;
    struct buf out; /* a head, then parts of a body */
    uint32_t n_mailboxes;
    uint64_t done, total;
};

static void send_out(struct sending *sending)
{
    sending->taker->data(sending->taker->ctx, buf_slice(&sending->out));
    buf_reset(&sending->out);
}

/* After it a head and one part of a body fit. */
static void make_room(struct sending *sending)
{
    if (sending->out.len > EXPORT_PART_BYTES)
        send_out(sending);
}

static enum rc send_rest(struct sending *sending, struct message *message, struct err *err)
{
    uint64_t size = message_size(message);
    enum rc rc = RC_OK;

    for (uint64_t at = EXPORT_PART_BYTES; rc == RC_OK && at < size; at += EXPORT_PART_BYTES) {
        make_room(sending);
        rc = message_read(message, at, MIN(EXPORT_PART_BYTES, (size_t) (size - at)),
                          &sending->out, err);
    }
    return rc;
}

static void put_head(struct sending *sending, const struct mbox *mbox, uint32_t index)
{
    const struct mbox_info *info = mbox_info(mbox);
    const struct msg_cold *cold = mbox_cold(mbox, index);
    struct mail_frame frame = {.kind = MAIL_MESSAGE,
                               .mailbox = sending->n_mailboxes - 1,
                               .uid = mbox_uid(mbox, index),
                               .flags = mbox_flags(mbox, index),
                               .date = cold->internaldate,
                               .zone_min = cold->zone_min,
                               .savedate = cold->savedate,
                               .size = cold->size};
    uint16_t keywords[KEYWORDS_MAX];

    if (!sending->choice->with_uids)
        frame.uid = 0;
    memcpy(frame.key, cold->emailid.bytes, sizeof(frame.key));
    memcpy(frame.thread, cold->threadid.bytes, sizeof(frame.thread));
    frame.n_keywords = mbox_keywords(mbox, index, keywords);
    for (size_t i = 0; i < frame.n_keywords; i++)
        frame.keywords[i] = info->keywords[keywords[i]];
    mail_frame_encode(&sending->out, &frame);
}

/* Everybody's and each reader's; whose message it is that they are beside says the key. */
static void put_annotations(struct sending *sending, const struct mbox *mbox, uint32_t index)
{
    AUTO(arena_freep) struct arena *arena = NULL;
    struct mail_frame frame = {.kind = MAIL_ANNOTATION};
    uint32_t uid = mbox_uid(mbox, index);
    const uint64_t *readers;
    size_t n_readers;

    if (!sending->choice->with_rest || mbox_counts(mbox)->annotation_bytes == 0)
        return;
    arena = arena_new(READERS_ARENA_BYTES);
    n_readers = mbox_annotation_readers(mbox, uid, arena, &readers);
    memcpy(frame.key, mbox_cold(mbox, index)->emailid.bytes, sizeof(frame.key));
    for (size_t i = 0; i < n_readers; i++) {
        size_t n;
        const struct annotation *entries = mbox_annotations(mbox, uid, readers[i], &n);

        frame.whose = readers[i] == 0                              ? MAIL_OF_EVERYBODY
                      : readers[i] == account_id(sending->account) ? MAIL_OF_OWNER
                                                                   : MAIL_OF_READER;
        frame.reader = frame.whose == MAIL_OF_READER ? readers[i] : 0;
        for (size_t k = 0; k < n; k++) {
            frame.name = entries[k].entry;
            frame.value = entries[k].value;
            make_room(sending);
            if (!entries[k].is_nil)
                mail_frame_encode(&sending->out, &frame);
        }
    }
}

/* The first part is read before the head may leave, so most damage is found in time. */
static enum rc send_message(struct sending *sending, const struct mbox *mbox, uint32_t index,
                            struct err *err)
{
    const struct msg_cold *cold = mbox_cold(mbox, index);
    AUTO(message_closep)
    struct message *message = message_open(sending->account, cold->body_id, cold->size);
    size_t mark;
    enum rc rc;

    put_annotations(sending, mbox, index);
    make_room(sending);
    mark = sending->out.len;
    put_head(sending, mbox, index);
    rc = message_read(message, 0, MIN(EXPORT_PART_BYTES, (size_t) cold->size), &sending->out,
                      err);
    if (rc) {
        buf_truncate(&sending->out, mark);
        sending->taker->damaged(sending->taker->ctx, mbox_info(mbox)->name,
                                mbox_uid(mbox, index), err);
        return RC_OK;
    }
    if (++sending->done % PROGRESS_EVERY == 0)
        sending->taker->progress(sending->taker->ctx, sending->done, sending->total);
    return send_rest(sending, message, err);
}

static bool is_chosen(const struct mail_choice *choice, struct slice name)
{
    struct slice wanted = choice->mailbox;

    return wanted.len == 0 || slice_eq(name, wanted) ||
           (slice_starts(name, wanted) && name.ptr[wanted.len] == '/');
}

/* The name it gets where it goes to, in room. */
static struct slice target_name(const struct mail_choice *choice, struct slice name,
                                struct buf *room)
{
    if (choice->into.len == 0)
        return name;
    buf_append(room, choice->into);
    if (choice->mailbox.len == 0)
        buf_byte(room, '/');
    buf_append(room, slice_from(name, choice->mailbox.len));
    return buf_slice(room);
}

static void send_pairs(struct sending *sending, enum mail_frame_kind kind, bool of_mailbox,
                       const struct text_pair *pairs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct mail_frame frame = {.kind = kind,
                                   .of_mailbox = of_mailbox,
                                   .name = pairs[i].key,
                                   .value = pairs[i].value};

        if (of_mailbox)
            frame.mailbox = sending->n_mailboxes - 1;
        make_room(sending);
        mail_frame_encode(&sending->out, &frame);
    }
}

static void send_head(struct sending *sending, const struct mbox *mbox)
{
    const struct mail_choice *choice = sending->choice;
    const struct mbox_info *info = mbox_info(mbox);
    AUTO(buf_done) struct buf name = {.max = 4 * MAILBOX_NAME_BYTES_MAX};
    struct mail_frame frame = {.kind = MAIL_MAILBOX,
                               .name = target_name(choice, info->name, &name),
                               .subscribe = choice->into.len > 0};

    if (choice->with_uids) {
        frame.uidvalidity = info->uidvalidity;
        frame.uidnext = mbox_counts(mbox)->uidnext;
    }
    if (choice->with_rest && choice->into.len == 0)
        frame.special_use = info->special_use;
    make_room(sending);
    mail_frame_encode(&sending->out, &frame);
    sending->n_mailboxes++;
    if (!choice->with_rest)
        return;
    send_pairs(sending, MAIL_RIGHTS, true, info->acl, info->n_acl);
    send_pairs(sending, MAIL_METADATA, true, info->metadata, info->n_metadata);
}

static enum rc send_held(struct sending *sending, uint32_t mbox_id, struct err *err)
{
    AUTO(acct_unrefp) struct acct_state *state = NULL;
    const struct mbox *mbox;
    enum rc rc = account_read_mailbox(sending->account, 0, mbox_id, &state, err);

    if (rc == RC_NOT_FOUND)
        return RC_OK; /* deleted meanwhile */
    if (rc)
        return rc;
    mbox = acct_mailbox_by_id(state, mbox_id);
    send_head(sending, mbox);
    for (uint32_t i = 0; rc == RC_OK && i < mbox_counts(mbox)->messages; i++) {
        if (sending->taker->gone(sending->taker->ctx))
            return err_set(err, RC_UNAVAILABLE, "The connection broke", "export: no reader");
        rc = account_need_rows(sending->account, state, mbox, i, i, err);
        if (rc == RC_OK)
            rc = send_message(sending, mbox, i, err);
    }
    return rc;
}

static enum rc send_mailbox(struct sending *sending, uint32_t mbox_id, struct err *err)
{
    struct held_mailbox held = {0};
    enum rc rc;

    account_hold(sending->account, &held, mbox_id);
    rc = send_held(sending, mbox_id, err);
    account_release(sending->account, &held);
    return rc;
}

static void send_account_rest(struct sending *sending, const struct acct_state *state)
{
    for (size_t i = 0; i < acct_subscription_count(state); i++) {
        struct mail_frame frame = {.kind = MAIL_SUBSCRIBED,
                                   .name = acct_subscription_at(state, i)};

        make_room(sending);
        mail_frame_encode(&sending->out, &frame);
    }
    for (size_t i = 0; sending->choice->with_rest && i < acct_metadata_count(state); i++) {
        struct text_pair pair = acct_metadata_at(state, i);

        send_pairs(sending, MAIL_METADATA, false, &pair, 1);
    }
}

static enum rc send_all(struct sending *sending, struct err *err)
{
    AUTO(acct_unrefp) struct acct_state *state = account_read(sending->account, 0);
    const struct mail_choice *choice = sending->choice;
    bool found = choice->mailbox.len == 0;
    enum rc rc = RC_OK;

    sending->total = acct_usage(state).messages;
    for (size_t i = 0; rc == RC_OK && i < acct_mailbox_count(state); i++) {
        const struct mbox_info *info = mbox_info(acct_mailbox_at(state, i));

        if (!is_chosen(choice, info->name))
            continue;
        found = true;
        if (mbox_info_is_all(info)) /* what is in it goes along where it lives */
            continue;
        rc = send_mailbox(sending, info->id, err);
    }
    if (rc == RC_OK && !found)
        rc = err_set(err, RC_NOT_FOUND, "No such mailbox", "%.*s", SLICE_ARG(choice->mailbox));
    if (rc == RC_OK && choice->mailbox.len == 0 && choice->into.len == 0)
        send_account_rest(sending, state);
    send_out(sending);
    return rc;
}

enum rc mail_send_account(struct account *account, const struct mail_choice *choice,
                          const struct mail_taker *taker, uint64_t *out_messages,
                          struct err *err)
{
    struct sending sending = {.taker = taker, .choice = choice, .account = account};
    enum rc rc;

    buf_init(&sending.out, 2 * EXPORT_PART_BYTES + MAIL_HEAD_MAX_BYTES);
    rc = send_all(&sending, err);
    buf_done(&sending.out);
    *out_messages = sending.done;
    return rc;
}
