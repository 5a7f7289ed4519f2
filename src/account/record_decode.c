/*
 * record_decode.c - records out of bytes that come from a disk.
 *
 * A reader takes exactly what record_encode.c writes: each value in its range, each number in
 * its shortest form, nothing left over. Work and memory are linear in the input: a run takes at
 * least two bytes and becomes eight, a keyword one and becomes two.
 */
#include "account/record.h"
#include "base/varint.h"

#define RECORD_VERSION             1u
#define RECORD_VERSION_ANNOTATIONS 2u /* of COPY and MOVE */
#define RECORD_VERSION_ALL         2u /* of a MAILBOX that makes All */
#define GROUP_VERSION              1u
#define ZONE_MAX_MIN               ((int64_t) 24 * 60)

static bool get_id(struct scan *sc, struct object_id *out)
{
    struct slice bytes;

    if (!scan_take(sc, sizeof(out->bytes), &bytes))
        return false;
    memcpy(out->bytes, bytes.ptr, sizeof(out->bytes));
    return true;
}

static bool get_mbox(struct scan *sc, uint32_t *out)
{
    return scan_varint32(sc, UINT32_MAX - 1, out) && *out != 0;
}

static bool get_uid(struct scan *sc, uint32_t *out)
{
    return scan_varint32(sc, UID_MAX, out) && *out != 0;
}

static bool get_modseq(struct scan *sc, uint64_t *out)
{
    return scan_varint(sc, MODSEQ_MAX, out) && *out != 0;
}

static bool get_flags(struct scan *sc, uint8_t *out)
{
    return scan_le8(sc, out) && (*out & ~FLAGS_ALL) == 0;
}

static bool get_bool(struct scan *sc, bool *out)
{
    uint8_t byte;

    if (!scan_le8(sc, &byte) || byte > 1)
        return false;
    *out = byte == 1;
    return true;
}

static bool get_keywords(struct scan *sc, struct arena *arena, const uint16_t **out,
                         size_t *out_n)
{
    uint16_t *keywords;
    uint64_t n, gap, next = 0;

    if (!scan_varint(sc, KEYWORDS_MAX, &n))
        return false;
    keywords = arena_try(arena, (size_t) n * sizeof(*keywords));
    if (keywords == NULL)
        return false;
    for (uint64_t i = 0; i < n; i++) {
        if (!scan_varint(sc, KEYWORDS_MAX, &gap) || next + gap >= KEYWORDS_MAX)
            return false;
        keywords[i] = (uint16_t) (next + gap);
        next += gap + 1;
    }
    *out = keywords;
    *out_n = (size_t) n;
    return true;
}

static bool get_uids(struct scan *sc, struct arena *arena, struct uid_set *out)
{
    struct uid_run *runs;
    uint64_t n, gap, more, least = 1;

    if (!scan_varint(sc, MIN((uint64_t) UID_RUNS_MAX, (uint64_t) scan_left(sc) / 2), &n) ||
        n == 0)
        return false;
    runs = arena_try(arena, (size_t) n * sizeof(*runs));
    if (runs == NULL)
        return false;
    for (uint64_t i = 0; i < n; i++) {
        if (!scan_varint(sc, UID_MAX, &gap) || !scan_varint(sc, UID_MAX, &more) ||
            least + gap + more > UID_MAX)
            return false;
        runs[i] = (struct uid_run){(uint32_t) (least + gap), (uint32_t) (least + gap + more)};
        least += gap + more + 2;
    }
    *out = (struct uid_set){runs, (size_t) n};
    return true;
}

static bool get_date(struct scan *sc, struct mail_date *out)
{
    int64_t zone;

    if (!scan_varint_signed(sc, &out->unix_sec) || !scan_varint_signed(sc, &zone) ||
        zone < -ZONE_MAX_MIN || zone > ZONE_MAX_MIN)
        return false;
    out->zone_min = (int16_t) zone;
    return true;
}

static bool get_append(struct scan *sc, struct arena *arena, struct record_append *r)
{
    return get_mbox(sc, &r->mbox) && get_uid(sc, &r->uid) && get_flags(sc, &r->flags) &&
           get_keywords(sc, arena, &r->keywords, &r->n_keywords) &&
           scan_varint32(sc, UINT32_MAX, &r->size) && get_date(sc, &r->internaldate) &&
           scan_varint_signed(sc, &r->savedate) && get_id(sc, &r->emailid) &&
           get_id(sc, &r->threadid) && scan_varint(sc, UINT64_MAX - 1, &r->body_id) &&
           get_modseq(sc, &r->modseq);
}

static bool get_flag_change(struct scan *sc, struct arena *arena, struct record_flags *r)
{
    uint8_t op;

    if (!get_mbox(sc, &r->mbox) || !scan_varint(sc, UINT64_MAX, &r->reader) ||
        !scan_le8(sc, &op) || op > FLAG_OP_REPLACE)
        return false;
    r->op = (enum flag_op) op;
    return get_flags(sc, &r->flags) && get_keywords(sc, arena, &r->keywords, &r->n_keywords) &&
           get_uids(sc, arena, &r->uids) && get_modseq(sc, &r->modseq);
}

static bool get_expunge(struct scan *sc, struct arena *arena, struct record_expunge *r)
{
    return get_mbox(sc, &r->mbox) && get_uids(sc, arena, &r->uids) &&
           get_modseq(sc, &r->modseq);
}

static bool get_copy(struct scan *sc, struct arena *arena, uint8_t version,
                     struct record_copy *r)
{
    if (!get_mbox(sc, &r->src) || !get_mbox(sc, &r->dst) || !get_uids(sc, arena, &r->uids) ||
        !get_uid(sc, &r->dst_first_uid) || !scan_varint_signed(sc, &r->savedate) ||
        !get_modseq(sc, &r->modseq))
        return false;
    return version == RECORD_VERSION ||
           (get_bool(sc, &r->annotations) && scan_varint(sc, UINT64_MAX, &r->reader) &&
            (r->annotations || r->reader != 0));
}

static bool get_annotation(struct scan *sc, struct annotation *entry)
{
    return scan_varint_bytes(sc, ANNOTATION_NAME_MAX_BYTES, &entry->entry) &&
           get_bool(sc, &entry->is_nil) &&
           (entry->is_nil || scan_varint_bytes(sc, ANNOTATION_VALUE_MAX_BYTES, &entry->value));
}

static bool get_annotate(struct scan *sc, struct arena *arena, struct record_annotate *r)
{
    struct annotation *entries;
    uint64_t n;

    if (!get_mbox(sc, &r->mbox) || !scan_varint(sc, UINT64_MAX, &r->reader) ||
        !scan_varint(sc, ANNOTATION_ENTRIES_MAX, &n))
        return false;
    entries = arena_try(arena, (size_t) n * sizeof(*entries));
    if (entries == NULL)
        return false;
    for (uint64_t i = 0; i < n; i++) {
        entries[i] = (struct annotation){0};
        if (!get_annotation(sc, &entries[i]))
            return false;
    }
    r->entries = entries;
    r->n_entries = (size_t) n;
    return get_uids(sc, arena, &r->uids) && get_modseq(sc, &r->modseq);
}

static bool get_create(struct scan *sc, struct record_mailbox *r)
{
    return scan_varint_bytes(sc, MAILBOX_NAME_BYTES_MAX, &r->name) &&
           get_id(sc, &r->mailboxid) && scan_varint32(sc, UINT32_MAX, &r->uidvalidity) &&
           scan_varint32(sc, UINT32_MAX, &r->uidnext) &&
           scan_varint32(sc, UINT32_MAX, &r->special_use);
}

static bool get_mailbox(struct scan *sc, struct record_mailbox *r)
{
    uint8_t op;

    if (!scan_le8(sc, &op) || op < MAILBOX_CREATE || op > MAILBOX_UIDVALIDITY ||
        !get_mbox(sc, &r->mbox) || !scan_varint(sc, MODSEQ_MAX, &r->modseq))
        return false;
    r->op = (enum mailbox_op) op;
    switch (r->op) {
    case MAILBOX_CREATE:
        return get_create(sc, r);
    case MAILBOX_DELETE:
        return true;
    case MAILBOX_RENAME:
        return scan_varint_bytes(sc, MAILBOX_NAME_BYTES_MAX, &r->name);
    case MAILBOX_USE:
        return scan_varint32(sc, UINT32_MAX, &r->special_use);
    case MAILBOX_RECENT:
        return scan_varint32(sc, UINT32_MAX, &r->first_recent);
    case MAILBOX_UIDNEXT:
        return scan_varint32(sc, UINT32_MAX, &r->uidnext);
    case MAILBOX_UIDVALIDITY:
        return scan_varint32(sc, UINT32_MAX, &r->uidvalidity);
    }
    return false;
}

static bool get_acl(struct scan *sc, struct record_acl *r)
{
    return get_mbox(sc, &r->mbox) &&
           scan_varint_bytes(sc, ACL_IDENTIFIER_MAX, &r->identifier) &&
           scan_varint_bytes(sc, ACL_RIGHTS_MAX, &r->rights) && get_modseq(sc, &r->modseq);
}

static bool get_metadata(struct scan *sc, struct record_metadata *r)
{
    return scan_varint32(sc, UINT32_MAX - 1, &r->mbox) &&
           scan_varint_bytes(sc, METADATA_NAME_MAX, &r->entry) && get_bool(sc, &r->is_nil) &&
           (r->is_nil || scan_varint_bytes(sc, METADATA_VALUE_MAX, &r->value)) &&
           get_modseq(sc, &r->modseq);
}

static bool get_keyword(struct scan *sc, struct record_keyword *r)
{
    uint64_t index;

    if (!get_mbox(sc, &r->mbox) || !scan_varint(sc, KEYWORDS_MAX - 1, &index))
        return false;
    r->index = (uint16_t) index;
    return scan_varint_bytes(sc, KEYWORD_BYTES_MAX, &r->name);
}

static bool get_quota(struct scan *sc, struct record_quota *r)
{
    return scan_varint_bytes(sc, QUOTA_RESOURCE_MAX, &r->resource) &&
           get_bool(sc, &r->unlimited) &&
           (r->unlimited || scan_varint(sc, UINT64_MAX, &r->limit));
}

static bool get_xfer(struct scan *sc, struct record_xfer *r)
{
    return scan_varint(sc, UINT64_MAX, &r->peer_account) &&
           scan_varint(sc, UINT64_MAX, &r->transfer_id) &&
           scan_varint_bytes(sc, XFER_PAYLOAD_MAX, &r->payload);
}

static bool get_forget(struct scan *sc, struct record_forget *r)
{
    uint8_t op;

    if (!scan_le8(sc, &op) || op < FORGET_MESSAGES || op > FORGET_MAILBOX ||
        !get_mbox(sc, &r->mbox))
        return false;
    r->op = (enum forget_op) op;
    return r->op == FORGET_MAILBOX || (scan_varint32(sc, UINT32_MAX, &r->n) && r->n != 0);
}

static bool get_new_mailbox(struct scan *sc, struct record_restore *r)
{
    return scan_varint32(sc, UINT32_MAX - 1, &r->new_mbox) &&
           (r->new_mbox == 0 ||
            (get_id(sc, &r->mailboxid) && scan_varint32(sc, UINT32_MAX, &r->uidvalidity)));
}

static bool get_restore(struct scan *sc, struct arena *arena, struct record_restore *r)
{
    uint8_t op;

    if (!scan_le8(sc, &op) || op < RESTORE_MESSAGES || op > RESTORE_MAILBOX ||
        !get_mbox(sc, &r->mbox) || !get_modseq(sc, &r->modseq))
        return false;
    r->op = (enum restore_op) op;
    switch (r->op) {
    case RESTORE_MESSAGES:
        return get_mbox(sc, &r->dst) && get_uids(sc, arena, &r->uids) &&
               get_uid(sc, &r->dst_first_uid) && scan_varint_signed(sc, &r->savedate);
    case RESTORE_MAILBOX:
        return scan_varint_bytes(sc, MAILBOX_NAME_BYTES_MAX, &r->name) &&
               scan_varint32(sc, UINT32_MAX, &r->special_use) && get_new_mailbox(sc, r);
    }
    return false;
}

static bool get_body(struct scan *sc, struct arena *arena, uint8_t version, struct record *r)
{
    switch (r->type) {
    case RECORD_APPEND:
        return get_append(sc, arena, &r->append);
    case RECORD_FLAGS:
        return get_flag_change(sc, arena, &r->flags);
    case RECORD_EXPUNGE:
        return get_expunge(sc, arena, &r->expunge);
    case RECORD_COPY:
    case RECORD_MOVE:
        return get_copy(sc, arena, version, &r->copy);
    case RECORD_MAILBOX:
        return get_mailbox(sc, &r->mailbox) &&
               record_makes_all(r) == (version == RECORD_VERSION_ALL);
    case RECORD_SUBSCRIBE:
        return scan_varint_bytes(sc, MAILBOX_NAME_BYTES_MAX, &r->subscribe.name) &&
               get_bool(sc, &r->subscribe.on);
    case RECORD_ACL:
        return get_acl(sc, &r->acl);
    case RECORD_METADATA:
        return get_metadata(sc, &r->metadata);
    case RECORD_KEYWORD:
        return get_keyword(sc, &r->keyword);
    case RECORD_QUOTA:
        return get_quota(sc, &r->quota);
    case RECORD_THREADID:
        return get_mbox(sc, &r->threadid.mbox) && get_uid(sc, &r->threadid.uid) &&
               get_id(sc, &r->threadid.threadid);
    case RECORD_PURGE:
        return get_mbox(sc, &r->purge.mbox) &&
               scan_varint(sc, MODSEQ_MAX, &r->purge.expunged_below_modseq);
    case RECORD_XFER_OUT:
    case RECORD_XFER_IN:
        return get_xfer(sc, &r->xfer);
    case RECORD_ACCOUNT:
        return get_modseq(sc, &r->account.first_modseq);
    case RECORD_FORGET:
        return get_forget(sc, &r->forget);
    case RECORD_RESTORE:
        return get_restore(sc, arena, &r->restore);
    case RECORD_ANNOTATE:
        return get_annotate(sc, arena, &r->annotate);
    }
    return false;
}

static enum rc corrupt(struct err *err, const struct scan *sc, const char *what)
{
    return err_set(err, RC_CORRUPT, "Damaged mail data", "record at byte %zu: %s",
                   scan_offset(sc), what);
}

enum rc record_group_decode(struct scan *sc, struct record_group *out, struct err *err)
{
    struct scan at = *sc;
    struct record_group group = {0};
    uint64_t time_us;
    uint8_t version;

    if (!scan_le8(&at, &version) || version != GROUP_VERSION)
        return corrupt(err, sc, "no group head of a version we know");
    if (!scan_le64(&at, &group.actor.account) || !scan_le64(&at, &group.actor.device) ||
        !scan_le64(&at, &time_us))
        return corrupt(err, sc, "group head cut off");
    group.time_us = (int64_t) time_us;
    *sc = at;
    *out = group;
    return RC_OK;
}

static uint8_t newest_version(uint8_t type)
{
    if (type == RECORD_COPY || type == RECORD_MOVE)
        return RECORD_VERSION_ANNOTATIONS;
    return type == RECORD_MAILBOX ? RECORD_VERSION_ALL : RECORD_VERSION;
}

enum rc record_decode(struct scan *sc, struct arena *arena, struct record *out, struct err *err)
{
    struct scan at = *sc, body;
    struct record record = {0};
    struct slice bytes;
    uint8_t type, version;

    if (scan_done(sc))
        return RC_MORE;
    if (!scan_le8(&at, &type) || type < RECORD_APPEND || type > RECORD_ANNOTATE)
        return corrupt(err, sc, "type not known");
    if (!scan_le8(&at, &version) || version < RECORD_VERSION || version > newest_version(type))
        return corrupt(err, sc, "version not known");
    if (!scan_le_bytes(&at, GROUP_RECORDS_MAX_BYTES, &bytes))
        return corrupt(err, sc, "cut off");
    record.type = (enum record_type) type;
    body = scan_of(bytes);
    if (!get_body(&body, arena, version, &record) || !scan_done(&body))
        return corrupt(err, sc, "fields not as written");
    *sc = at;
    *out = record;
    return RC_OK;
}
