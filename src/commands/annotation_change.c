/*
 * annotation_change.c - what STORE and APPEND do with the annotations they are given.
 *
 * Spec: RFC 5257 3.2.1 (parts), 4.5 and 4.7.
 */
#include "commands/annotation_text.h"
#include "imap/annotation.h"
#include "mailbox/message.h"

void annotation_change_make(const struct imap_annotations *given, struct arena *arena,
                            struct annotation_change *out)
{
    struct annotation *shared = ARENA_ARRAY(arena, struct annotation, given->n);
    struct annotation *own = ARENA_ARRAY(arena, struct annotation, given->n);

    *out = (struct annotation_change){.shared = shared, .own = own};
    for (size_t i = 0; i < given->n; i++) {
        const struct imap_annotation *value = &given->values[i];
        struct annotation *to = value->shared ? &shared[out->n_shared++] : &own[out->n_own++];

        *to = (struct annotation){.entry = value->entry, .is_nil = value->nil};
        if (!value->nil)
            to->value = value->value;
    }
}

void annotation_say_limit(struct reply *reply, enum annotation_limit limit)
{
    switch (limit) {
    case ANNOTATION_FITS:
        break;
    case ANNOTATION_TOO_MANY:
        reply_code(reply, "ANNOTATE TOOMANY");
        break;
    case ANNOTATION_TOO_BIG:
        reply_code(reply, "ANNOTATE TOOBIG");
        break;
    }
}

/* ---- parts ---- */

static bool names_parts(const struct imap_annotations *given)
{
    uint32_t part[SECTION_MAX_PARTS];

    for (size_t i = 0; i < given->n; i++) {
        if (imap_annotation_part(given->values[i].entry, part) > 0)
            return true;
    }
    return false;
}

static enum rc check_parts(const struct digest *digest, const struct imap_annotations *given,
                           struct err *err)
{
    uint32_t part[SECTION_MAX_PARTS], index;

    for (size_t i = 0; i < given->n; i++) {
        size_t n = imap_annotation_part(given->values[i].entry, part);

        if (n > 0 && digest_find_part(digest, part, n, &index) != RC_OK)
            return err_set(err, RC_SYNTAX, "The message has no such part",
                           "annotation: unknown part");
    }
    return RC_OK;
}

static enum rc check_message(struct cmd *cmd, const struct mbox *mbox, uint32_t index,
                             const struct imap_annotations *given, struct err *err)
{
    const struct mbox_view *view = cmd->session->view;
    AUTO(message_closep) struct message *message = NULL;
    const struct digest *digest;
    const struct msg_cold *cold;
    enum rc rc =
        account_need_rows(view_account(view), view_state(view), mbox, index, index, err);

    if (rc)
        return rc;
    cold = mbox_cold(mbox, index);
    message = message_open(view_account(view), cold->body_id, cold->size);
    rc = message_digest(message, &digest, err);
    return rc ? rc : check_parts(digest, given, err);
}

enum rc annotation_parts_check(struct cmd *cmd, const struct uid_set *uids,
                               const struct imap_annotations *given, struct err *err)
{
    const struct mbox *mbox = view_mbox(cmd->session->view);
    enum rc rc = RC_OK;

    if (!names_parts(given))
        return RC_OK;
    for (size_t i = 0; !rc && i < uids->n; i++) {
        uint32_t index = mbox_lower_bound(mbox, uids->runs[i].first);

        for (; !rc && index < mbox_counts(mbox)->messages &&
               mbox_uid(mbox, index) <= uids->runs[i].last;
             index++)
            rc = check_message(cmd, mbox, index, given, err);
    }
    return rc;
}

enum rc annotation_stage_check(struct account *account, const struct body_stage *stage,
                               const struct imap_annotations *given, struct err *err)
{
    AUTO(arena_freep) struct arena *arena = NULL;
    struct digest digest;
    enum rc rc;

    if (!names_parts(given))
        return RC_OK;
    arena = arena_new(DIGEST_ARENA_BYTES);
    rc = stage_digest(account, stage, arena, &digest, err);
    return rc ? rc : check_parts(&digest, given, err);
}
