#include "commands/url_part.h"

#include "mime/cte.h"

static enum rc stale(struct err *err, const char *what)
{
    return err_set(err, RC_NOT_FOUND, "The URL names nothing that is there", "url: %s", what);
}

/* The message of the uid, in the newest version that may be seen. */
static enum rc find_message(const struct found_mailbox *found, const struct imap_url *url,
                            struct message **out, struct err *err)
{
    const struct msg_cold *cold;
    uint32_t index;
    enum rc rc;

    if (url->has_uidvalidity && url->uidvalidity != mbox_info(found->mbox)->uidvalidity)
        return stale(err, "another uidvalidity");
    if (!mbox_find(found->mbox, url->uid, &index))
        return stale(err, "no such uid");
    rc = account_need_rows(found->account, found->state, found->mbox, index, index, err);
    if (rc)
        return rc;
    cold = mbox_cold(found->mbox, index);
    *out = message_open(found->account, cold->body_id, cold->size);
    return RC_OK;
}

static enum rc open_message(struct session *session, const struct imap_url *url,
                            struct message **out, struct err *err)
{
    AUTO(found_mailbox_done) struct found_mailbox found = {0};
    struct held_mailbox held;
    enum rc rc = place_find(session, url->mailbox.name, RIGHT_READ, &found, err);

    if (rc)
        return rc;
    account_hold(found.account, &held, mbox_info(found.mbox)->id);
    rc = place_load(session, &found, err);
    if (!rc)
        rc = find_message(&found, url, out, err);
    account_release(found.account, &held);
    return rc;
}

static void cut_to_partial(const struct imap_url *url, struct section_place *place)
{
    uint64_t skip = MIN(url->offset, place->len);

    place->offset += skip;
    place->len = MIN(place->len - skip, url->len);
}

enum rc url_part_open(struct session *session, const struct imap_url *url, bool with_digest,
                      struct url_part *out, struct err *err)
{
    struct digest_names names;
    enum rc rc;

    digest_names_init(&names, url->section.fields, url->section.n_fields);
    *out = (struct url_part){0};
    buf_init(&out->memory, DIGEST_MESSAGE_MAX_BYTES);
    rc = open_message(session, url, &out->message, err);
    if (!rc && (with_digest || section_needs_digest(&url->section)))
        rc = message_digest(out->message, &out->digest, err);
    if (!rc)
        rc = section_locate(out->message, out->digest, &url->section, &names, &out->memory,
                            &out->place, err);
    if (!rc && url->partial)
        cut_to_partial(url, &out->place);
    return rc;
}

enum rc url_part_decode(struct url_part *part, const struct imap_url *url,
                        const struct digest_part *info, struct err *err)
{
    AUTO(buf_done) struct buf raw = {0};
    enum rc rc;

    buf_init(&raw, DIGEST_MESSAGE_MAX_BYTES);
    rc = message_read(part->message, info->body, info->end - info->body, &raw, err);
    if (rc)
        return rc;
    buf_reset(&part->memory);
    if (!cte_decode(info->encoding, buf_slice(&raw), &part->memory))
        return err_set(err, RC_INVALID, "The part cannot be decoded", "url: cte");
    part->place = (struct section_place){.from_memory = true, .len = part->memory.len};
    part->is_decoded = true;
    if (url->partial)
        cut_to_partial(url, &part->place);
    return RC_OK;
}

void url_part_rest(struct url_part *part)
{
    message_drop_digest(part->message);
    part->digest = NULL;
}

void url_part_done(struct url_part *part)
{
    message_close(part->message);
    buf_done(&part->memory);
    *part = (struct url_part){0};
}

enum rc url_part_read(struct url_part *part, size_t len, struct buf *out, struct err *err)
{
    struct section_place *place = &part->place;
    enum rc rc = RC_OK;

    len = (size_t) MIN(place->len, len);
    if (place->from_memory)
        buf_append(out, slice_sub(buf_slice(&part->memory), (size_t) place->offset, len));
    else
        rc = message_read(part->message, place->offset, len, out, err);
    if (rc)
        return rc;
    place->offset += len;
    place->len -= len;
    return RC_OK;
}
