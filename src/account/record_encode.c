/* record_encode.c - records into bytes; docs/formats/records.md is the layout. */
#include <assert.h>

#include "account/record.h"
#include "base/varint.h"

#define RECORD_VERSION             1u
#define RECORD_VERSION_ANNOTATIONS 2u
#define RECORD_VERSION_ALL         2u
#define GROUP_VERSION              1u
#define LENGTH_BYTES               4u

static void put_id(struct buf *buf, const struct object_id *id)
{
    buf_append(buf, slice_of(id->bytes, sizeof(id->bytes)));
}

bool record_makes_all(const struct record *record)
{
    return record->type == RECORD_MAILBOX && record->mailbox.op == MAILBOX_CREATE &&
           (record->mailbox.special_use & USE_ALL) != 0;
}

/* Indexes ascend, so the gaps are written. */
static void put_keywords(struct buf *buf, const uint16_t *keywords, size_t n)
{
    uint16_t next = 0;

    buf_varint(buf, n);
    for (size_t i = 0; i < n; i++) {
        assert(keywords[i] >= next);
        buf_varint(buf, (uint64_t) keywords[i] - next);
        next = (uint16_t) (keywords[i] + 1);
    }
}

/* Runs ascend and do not touch: gap to the least uid the run may begin with, then length - 1.
 */
static void put_uids(struct buf *buf, const struct uid_set *set)
{
    uint64_t least = 1;

    buf_varint(buf, set->n);
    for (size_t i = 0; i < set->n; i++) {
        assert(set->runs[i].first >= least && set->runs[i].last >= set->runs[i].first);
        buf_varint(buf, set->runs[i].first - least);
        buf_varint(buf, set->runs[i].last - set->runs[i].first);
        least = (uint64_t) set->runs[i].last + 2;
    }
}

static void put_append(struct buf *buf, const struct record_append *r)
{
    buf_varint(buf, r->mbox);
    buf_varint(buf, r->uid);
    buf_le8(buf, r->flags);
    put_keywords(buf, r->keywords, r->n_keywords);
    buf_varint(buf, r->size);
    buf_varint_signed(buf, r->internaldate.unix_sec);
    buf_varint_signed(buf, r->internaldate.zone_min);
    buf_varint_signed(buf, r->savedate);
    put_id(buf, &r->emailid);
    put_id(buf, &r->threadid);
    buf_varint(buf, r->body_id);
    buf_varint(buf, r->modseq);
}

static void put_flags(struct buf *buf, const struct record_flags *r)
{
    buf_varint(buf, r->mbox);
    buf_varint(buf, r->reader);
    buf_le8(buf, (uint8_t) r->op);
    buf_le8(buf, r->flags);
    put_keywords(buf, r->keywords, r->n_keywords);
    put_uids(buf, &r->uids);
    buf_varint(buf, r->modseq);
}

static bool copy_takes_annotations(const struct record_copy *r)
{
    return r->annotations || r->reader != 0;
}

static void put_copy(struct buf *buf, const struct record_copy *r)
{
    buf_varint(buf, r->src);
    buf_varint(buf, r->dst);
    put_uids(buf, &r->uids);
    buf_varint(buf, r->dst_first_uid);
    buf_varint_signed(buf, r->savedate);
    buf_varint(buf, r->modseq);
    if (copy_takes_annotations(r)) {
        buf_le8(buf, r->annotations);
        buf_varint(buf, r->reader);
    }
}

static void put_annotate(struct buf *buf, const struct record_annotate *r)
{
    buf_varint(buf, r->mbox);
    buf_varint(buf, r->reader);
    buf_varint(buf, r->n_entries);
    for (size_t i = 0; i < r->n_entries; i++) {
        buf_varint_bytes(buf, r->entries[i].entry);
        buf_le8(buf, r->entries[i].is_nil);
        if (!r->entries[i].is_nil)
            buf_varint_bytes(buf, r->entries[i].value);
    }
    put_uids(buf, &r->uids);
    buf_varint(buf, r->modseq);
}

static void put_mailbox(struct buf *buf, const struct record_mailbox *r)
{
    buf_le8(buf, (uint8_t) r->op);
    buf_varint(buf, r->mbox);
    buf_varint(buf, r->modseq);
    switch (r->op) {
    case MAILBOX_CREATE:
        buf_varint_bytes(buf, r->name);
        put_id(buf, &r->mailboxid);
        buf_varint(buf, r->uidvalidity);
        buf_varint(buf, r->uidnext);
        buf_varint(buf, r->special_use);
        break;
    case MAILBOX_DELETE:
        break;
    case MAILBOX_RENAME:
        buf_varint_bytes(buf, r->name);
        break;
    case MAILBOX_USE:
        buf_varint(buf, r->special_use);
        break;
    case MAILBOX_RECENT:
        buf_varint(buf, r->first_recent);
        break;
    case MAILBOX_UIDNEXT:
        buf_varint(buf, r->uidnext);
        break;
    case MAILBOX_UIDVALIDITY:
        buf_varint(buf, r->uidvalidity);
        break;
    }
}

static void put_metadata(struct buf *buf, const struct record_metadata *r)
{
    buf_varint(buf, r->mbox);
    buf_varint_bytes(buf, r->entry);
    buf_le8(buf, r->is_nil);
    if (!r->is_nil)
        buf_varint_bytes(buf, r->value);
    buf_varint(buf, r->modseq);
}

static void put_quota(struct buf *buf, const struct record_quota *r)
{
    buf_varint_bytes(buf, r->resource);
    buf_le8(buf, r->unlimited);
    if (!r->unlimited)
        buf_varint(buf, r->limit);
}

static void put_restore(struct buf *buf, const struct record_restore *r)
{
    buf_le8(buf, (uint8_t) r->op);
    buf_varint(buf, r->mbox);
    buf_varint(buf, r->modseq);
    switch (r->op) {
    case RESTORE_MESSAGES:
        buf_varint(buf, r->dst);
        put_uids(buf, &r->uids);
        buf_varint(buf, r->dst_first_uid);
        buf_varint_signed(buf, r->savedate);
        break;
    case RESTORE_MAILBOX:
        buf_varint_bytes(buf, r->name);
        buf_varint(buf, r->special_use);
        buf_varint(buf, r->new_mbox);
        if (r->new_mbox != 0) {
            put_id(buf, &r->mailboxid);
            buf_varint(buf, r->uidvalidity);
        }
        break;
    }
}

static void put_body(struct buf *buf, const struct record *record)
{
    switch (record->type) {
    case RECORD_APPEND:
        put_append(buf, &record->append);
        break;
    case RECORD_FLAGS:
        put_flags(buf, &record->flags);
        break;
    case RECORD_EXPUNGE:
        buf_varint(buf, record->expunge.mbox);
        put_uids(buf, &record->expunge.uids);
        buf_varint(buf, record->expunge.modseq);
        break;
    case RECORD_COPY:
    case RECORD_MOVE:
        put_copy(buf, &record->copy);
        break;
    case RECORD_MAILBOX:
        put_mailbox(buf, &record->mailbox);
        break;
    case RECORD_SUBSCRIBE:
        buf_varint_bytes(buf, record->subscribe.name);
        buf_le8(buf, record->subscribe.on);
        break;
    case RECORD_ACL:
        buf_varint(buf, record->acl.mbox);
        buf_varint_bytes(buf, record->acl.identifier);
        buf_varint_bytes(buf, record->acl.rights);
        buf_varint(buf, record->acl.modseq);
        break;
    case RECORD_METADATA:
        put_metadata(buf, &record->metadata);
        break;
    case RECORD_KEYWORD:
        buf_varint(buf, record->keyword.mbox);
        buf_varint(buf, record->keyword.index);
        buf_varint_bytes(buf, record->keyword.name);
        break;
    case RECORD_QUOTA:
        put_quota(buf, &record->quota);
        break;
    case RECORD_THREADID:
        buf_varint(buf, record->threadid.mbox);
        buf_varint(buf, record->threadid.uid);
        put_id(buf, &record->threadid.threadid);
        break;
    case RECORD_PURGE:
        buf_varint(buf, record->purge.mbox);
        buf_varint(buf, record->purge.expunged_below_modseq);
        break;
    case RECORD_XFER_OUT:
    case RECORD_XFER_IN:
        buf_varint(buf, record->xfer.peer_account);
        buf_varint(buf, record->xfer.transfer_id);
        buf_varint_bytes(buf, record->xfer.payload);
        break;
    case RECORD_ACCOUNT:
        buf_varint(buf, record->account.first_modseq);
        break;
    case RECORD_FORGET:
        buf_le8(buf, (uint8_t) record->forget.op);
        buf_varint(buf, record->forget.mbox);
        if (record->forget.op == FORGET_MESSAGES)
            buf_varint(buf, record->forget.n);
        break;
    case RECORD_RESTORE:
        put_restore(buf, &record->restore);
        break;
    case RECORD_ANNOTATE:
        put_annotate(buf, &record->annotate);
        break;
    }
}

void record_group_encode(struct buf *buf, const struct record_group *group)
{
    buf_le8(buf, GROUP_VERSION);
    buf_le64(buf, group->actor.account);
    buf_le64(buf, group->actor.device);
    buf_le64(buf, (uint64_t) group->time_us);
}

/* COPY and MOVE that take annotations along say so in fields that older ones have not; a
 * MAILBOX that makes All means more than older ones do. */
static uint8_t version_of(const struct record *record)
{
    bool is_copy = record->type == RECORD_COPY || record->type == RECORD_MOVE;

    if (record_makes_all(record))
        return RECORD_VERSION_ALL;
    return is_copy && copy_takes_annotations(&record->copy) ? RECORD_VERSION_ANNOTATIONS
                                                            : RECORD_VERSION;
}

void record_encode(struct buf *buf, const struct record *record)
{
    size_t at;

    buf_le8(buf, (uint8_t) record->type);
    buf_le8(buf, version_of(record));
    at = buf->len;
    buf_le32(buf, 0);
    put_body(buf, record);
    if (!buf->overflow)
        buf_patch_le32(buf, at, (uint32_t) (buf->len - at - LENGTH_BYTES));
}
