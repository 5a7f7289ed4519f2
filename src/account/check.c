/*
 * check.c - would a record apply? The rules, record by record, are in docs/formats/records.md.
 *
 * Complete: what passes here meets no assertion in apply.c and below. Work is linear in the
 * record, times the logarithm of the mailbox for each run of uids; a copy looks at each message
 * it copies.
 */
#include "account/all.h"
#include "base/utf8.h"

static enum rc refuse(struct err *err, const char *why)
{
    return err_set(err, RC_CORRUPT, "Damaged mail data", "record does not apply: %s", why);
}

static enum rc check_modseq(const struct acct_state *state, uint64_t modseq, struct err *err)
{
    if (modseq == 0 || modseq < state->modseq || modseq > MODSEQ_MAX)
        return refuse(err, "modseq falls or is out of range");
    return RC_OK;
}

static enum rc find_mbox(const struct acct_state *state, uint32_t id, const struct mbox **out,
                         struct err *err)
{
    const struct mbox *mbox = acct_mailbox_by_id(state, id);

    if (mbox == NULL)
        return refuse(err, "no such mailbox");
    *out = mbox;
    return RC_OK;
}

static enum rc not_loaded(struct err *err, uint32_t id, const char *what)
{
    return err_set(err, RC_UNAVAILABLE, "Mailbox is not open", "mailbox %u: %s not in memory",
                   id, what);
}

static enum rc find_loaded(const struct acct_state *state, uint32_t id, const struct mbox **out,
                           struct err *err)
{
    enum rc rc = find_mbox(state, id, out, err);

    if (rc)
        return rc;
    if (!mbox_is_loaded(*out))
        return not_loaded(err, id, "messages are");
    return RC_OK;
}

/* To append to: its last chunk is there. */
static enum rc find_tail(const struct acct_state *state, uint32_t id, const struct mbox **out,
                         struct err *err)
{
    enum rc rc = find_mbox(state, id, out, err);

    return rc == RC_OK && !mbox_can_append(*out) ? not_loaded(err, id, "last chunk is") : rc;
}

static enum rc check_cold(const struct mbox *mbox, const struct uid_set *uids, struct err *err)
{
    return mbox_cold_is_loaded(mbox, uids) ? RC_OK
                                           : not_loaded(err, mbox_info(mbox)->id, "rows are");
}

static enum rc check_keywords(const struct mbox *mbox, const uint16_t *keywords, size_t n,
                              struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (keywords[i] >= mbox_info(mbox)->n_keywords ||
            (i > 0 && keywords[i] <= keywords[i - 1]))
            return refuse(err, "keyword is not in the table");
    }
    return RC_OK;
}

/* Runs in order, not touching, of messages that exist. */
static enum rc check_uids(const struct mbox *mbox, const struct uid_set *uids, uint64_t *out_n,
                          struct err *err)
{
    uint64_t n = 0, least = 1;

    if (uids->n == 0 || uids->n > UID_RUNS_MAX)
        return refuse(err, "no uids, or too many runs");
    for (size_t i = 0; i < uids->n; i++) {
        struct uid_run run = uids->runs[i];
        uint32_t first, last;

        if (run.first < least || run.last < run.first || run.last > UID_MAX)
            return refuse(err, "uids are not in order");
        if (!mbox_find(mbox, run.first, &first) || !mbox_find(mbox, run.last, &last) ||
            last - first != run.last - run.first)
            return refuse(err, "uid does not exist");
        n += (uint64_t) run.last - run.first + 1;
        least = (uint64_t) run.last + 2;
    }
    *out_n = n;
    return RC_OK;
}

static enum rc check_append(const struct acct_state *state, const struct record_append *r,
                            struct err *err)
{
    const struct mbox *mbox;
    enum rc rc = find_tail(state, r->mbox, &mbox, err);

    if (rc)
        return rc;
    if (r->uid < mbox->counts.uidnext || r->uid > UID_MAX)
        return refuse(err, "uid is below uidnext, or too great");
    if (r->body_id < state->next_body_id || r->body_id == UINT64_MAX)
        return refuse(err, "body id was given before");
    if ((r->flags & ~FLAGS_ALL) != 0)
        return refuse(err, "unknown flag");
    if (mbox->counts.messages >= MESSAGES_MAX)
        return refuse(err, "mailbox is full");
    rc = check_keywords(mbox, r->keywords, r->n_keywords, err);
    return rc ? rc : check_modseq(state, r->modseq, err);
}

static enum rc check_flags(const struct acct_state *state, const struct record_flags *r,
                           struct err *err)
{
    const struct mbox *mbox;
    uint64_t n;
    bool found;
    enum rc rc = find_loaded(state, r->mbox, &mbox, err);

    if (rc)
        return rc;
    if ((r->flags & ~FLAGS_ALL) != 0 || (unsigned) r->op > FLAG_OP_REPLACE)
        return refuse(err, "unknown flag or operation");
    rc = check_keywords(mbox, r->keywords, r->n_keywords, err);
    if (rc)
        return rc;
    rc = check_uids(mbox, &r->uids, &n, err);
    if (rc == RC_OK && acct_flags_count_bytes(r))
        rc = check_cold(mbox, &r->uids, err);
    if (rc)
        return rc;
    if (r->reader != 0) {
        (void) mbox_overlay_at(mbox, r->reader, &found);
        if (!found && mbox->n_overlays >= OVERLAY_READERS_MAX)
            return refuse(err, "too many readers");
    }
    return check_modseq(state, r->modseq, err);
}

static enum rc check_expunge(const struct acct_state *state, const struct record_expunge *r,
                             struct err *err)
{
    const struct mbox *mbox;
    uint64_t n;
    enum rc rc = find_loaded(state, r->mbox, &mbox, err);

    if (rc)
        return rc;
    rc = check_uids(mbox, &r->uids, &n, err);
    if (rc == RC_OK)
        rc = check_cold(mbox, &r->uids, err);
    return rc ? rc : check_modseq(state, r->modseq, err);
}

/* Every keyword that a copied message has is in the target's table. */
static enum rc check_copied_keywords(const struct mbox *src, const struct mbox *dst,
                                     const struct uid_set *uids, struct err *err)
{
    uint64_t missing[KEYWORD_WORDS] = {0}, words[KEYWORD_WORDS];
    const struct mbox_info *info = mbox_info(src);
    bool any = false;

    for (size_t i = 0; i < info->n_keywords; i++) {
        if (mbox_keyword_index(dst, info->keywords[i]) < 0) {
            missing[i / 64] |= (uint64_t) 1 << (i % 64);
            any = true;
        }
    }
    for (size_t i = 0; any && i < uids->n; i++) {
        uint32_t index = mbox_lower_bound(src, uids->runs[i].first);
        uint32_t n = uids->runs[i].last - uids->runs[i].first + 1;

        for (; n > 0; n--, index++) {
            const struct chunk_slot *slot = &src->slots[mbox_chunk_of(src, index)];

            chunk_keywords(slot->chunk, index - slot->start, words);
            for (size_t word = 0; word < KEYWORD_WORDS; word++) {
                if ((words[word] & missing[word]) != 0)
                    return refuse(err, "target lacks a keyword");
            }
        }
    }
    return RC_OK;
}

static enum rc check_copy(const struct acct_state *state, const struct record_copy *r,
                          struct err *err)
{
    const struct mbox *src, *dst;
    uint64_t n;
    enum rc rc = find_loaded(state, r->src, &src, err);

    if (rc)
        return rc;
    rc = find_tail(state, r->dst, &dst, err);
    if (rc == RC_OK && (r->annotations || r->reader != 0))
        rc = find_loaded(state, r->dst, &dst, err);
    if (rc)
        return rc;
    rc = check_uids(src, &r->uids, &n, err);
    if (rc == RC_OK)
        rc = check_cold(src, &r->uids, err);
    if (rc)
        return rc;
    if (r->dst_first_uid < dst->counts.uidnext || r->dst_first_uid + n - 1 > UID_MAX)
        return refuse(err, "first uid is below uidnext, or too great");
    if (dst->counts.messages + n > MESSAGES_MAX)
        return refuse(err, "mailbox is full");
    rc = check_copied_keywords(src, dst, &r->uids, err);
    return rc ? rc : check_modseq(state, r->modseq, err);
}

static enum rc check_name(struct slice name, struct err *err)
{
    if (name.len == 0 || name.len > MAILBOX_NAME_BYTES_MAX || !utf8_is_valid(name) ||
        slice_find(name, '\0') < name.len)
        return refuse(err, "name is empty, too long or no UTF-8");
    if (!slice_eq(mailbox_name_key(name), name))
        return refuse(err, "INBOX is not in capitals");
    return RC_OK;
}

static enum rc check_new_name(const struct acct_state *state, struct slice name,
                              struct err *err)
{
    enum rc rc = check_name(name, err);

    if (rc)
        return rc;
    if (acct_mailbox_by_name(state, name) != NULL)
        return refuse(err, "name is taken");
    return RC_OK;
}

static enum rc check_create(const struct acct_state *state, const struct record_mailbox *r,
                            struct err *err)
{
    if (r->mbox < state->next_mailbox_id || r->mbox == UINT32_MAX)
        return refuse(err, "mailbox id was given before");
    if (acct_mailbox_count(state) >= MAILBOXES_MAX)
        return refuse(err, "too many mailboxes");
    if (object_id_is_zero(&r->mailboxid) || r->uidvalidity == 0 || r->uidnext == 0)
        return refuse(err, "mailbox without MAILBOXID, UIDVALIDITY or UIDNEXT");
    if (r->modseq == 0)
        return refuse(err, "mailbox without modseq");
    return check_new_name(state, r->name, err);
}

static enum rc check_mailbox(const struct acct_state *state, const struct record_mailbox *r,
                             struct err *err)
{
    const struct mbox *mbox = NULL;
    enum rc rc = RC_OK;

    if (r->modseq != 0)
        rc = check_modseq(state, r->modseq, err);
    if (!rc && r->op != MAILBOX_CREATE)
        rc = find_mbox(state, r->mbox, &mbox, err);
    if (rc)
        return rc;
    switch (r->op) {
    case MAILBOX_CREATE:
        return check_create(state, r, err);
    case MAILBOX_RENAME:
        return check_new_name(state, r->name, err);
    case MAILBOX_DELETE:
        if (acct_deleted_count(state) >= DELETED_MAILBOXES_MAX)
            return refuse(err, "too many deleted mailboxes");
        return RC_OK;
    case MAILBOX_UIDVALIDITY:
        if (r->uidvalidity <= mbox_info(mbox)->uidvalidity)
            return refuse(err, "a UIDVALIDITY that does not rise");
        return RC_OK;
    case MAILBOX_RECENT:
    case MAILBOX_UIDNEXT:
    case MAILBOX_USE:
        return RC_OK;
    }
    return refuse(err, "unknown operation on a mailbox");
}

static enum rc check_subscribe(const struct acct_state *state, const struct record_subscribe *r,
                               struct err *err)
{
    if (r->on && acct_subscription_count(state) >= SUBSCRIPTIONS_MAX)
        return refuse(err, "too many subscriptions");
    return check_name(r->name, err);
}

/* A pair is set in a list that has n already and may hold max. */
static enum rc check_pair(const struct text_pair *pairs, size_t n, size_t max, struct slice key,
                          struct err *err)
{
    size_t at = pairs_lower_bound(pairs, n, key);
    bool found = at < n && slice_eq(pairs[at].key, key);

    if (key.len == 0)
        return refuse(err, "entry without a name");
    if (!found && n >= max)
        return refuse(err, "too many entries");
    return RC_OK;
}

static enum rc check_acl(const struct acct_state *state, const struct record_acl *r,
                         struct err *err)
{
    const struct mbox *mbox;
    enum rc rc = find_mbox(state, r->mbox, &mbox, err);

    if (rc)
        return rc;
    if (r->identifier.len > ACL_IDENTIFIER_MAX || r->rights.len > ACL_RIGHTS_MAX)
        return refuse(err, "ACL entry is too long");
    rc = check_pair(mbox_info(mbox)->acl, mbox_info(mbox)->n_acl, ACL_ENTRIES_MAX,
                    r->identifier, err);
    return rc ? rc : check_modseq(state, r->modseq, err);
}

static enum rc check_metadata(const struct acct_state *state, const struct record_metadata *r,
                              struct err *err)
{
    const struct text_pair *pairs = state->rest->metadata;
    size_t n = state->rest->n_metadata;
    const struct mbox *mbox;
    enum rc rc;

    if (r->mbox != 0) {
        rc = find_mbox(state, r->mbox, &mbox, err);
        if (rc)
            return rc;
        pairs = mbox_info(mbox)->metadata;
        n = mbox_info(mbox)->n_metadata;
    }
    if (r->entry.len > METADATA_NAME_MAX || (!r->is_nil && r->value.len > METADATA_VALUE_MAX))
        return refuse(err, "metadata is too long");
    rc = check_pair(pairs, n, METADATA_ENTRIES_MAX, r->entry, err);
    return rc ? rc : check_modseq(state, r->modseq, err);
}

static enum rc check_keyword(const struct acct_state *state, const struct record_keyword *r,
                             struct err *err)
{
    const struct mbox *mbox;
    enum rc rc = find_mbox(state, r->mbox, &mbox, err);

    if (rc)
        return rc;
    if (r->name.len == 0 || r->name.len > KEYWORD_BYTES_MAX)
        return refuse(err, "keyword is empty or too long");
    if (r->index != mbox_info(mbox)->n_keywords || r->index >= KEYWORDS_MAX)
        return refuse(err, "keyword index is not the next one");
    if (mbox_keyword_index(mbox, r->name) >= 0)
        return refuse(err, "keyword is in the table already");
    return RC_OK;
}

static enum rc check_quota(const struct acct_state *state, const struct record_quota *r,
                           struct err *err)
{
    if (r->resource.len == 0 || r->resource.len > QUOTA_RESOURCE_MAX)
        return refuse(err, "resource is empty or too long");
    for (size_t i = 0; i < state->rest->n_quotas; i++) {
        if (slice_eq(state->rest->quotas[i].resource, r->resource))
            return RC_OK;
    }
    if (state->rest->n_quotas >= QUOTA_RESOURCES_MAX)
        return refuse(err, "too many resources");
    return RC_OK;
}

static enum rc check_threadid(const struct acct_state *state, const struct record_threadid *r,
                              struct err *err)
{
    const struct mbox *mbox;
    uint32_t index;
    enum rc rc = find_loaded(state, r->mbox, &mbox, err);

    if (rc)
        return rc;
    if (!mbox_find(mbox, r->uid, &index))
        return refuse(err, "uid does not exist");
    rc = check_cold(mbox,
                    &(struct uid_set){
                        &(struct uid_run){r->uid, r->uid},
                         1
    },
                    err);
    if (rc)
        return rc;
    if (object_id_is_zero(&r->threadid))
        return refuse(err, "THREADID is zero");
    if (!object_id_is_zero(&mbox_cold(mbox, index)->threadid))
        return refuse(err, "message has a THREADID already");
    return RC_OK;
}

static enum rc check_purge(const struct acct_state *state, const struct record_purge *r,
                           struct err *err)
{
    const struct mbox *mbox;
    enum rc rc = find_mbox(state, r->mbox, &mbox, err);

    if (rc)
        return rc;
    if (r->expunged_below_modseq > state->modseq)
        return refuse(err, "purge of what has not happened");
    return RC_OK;
}

static enum rc check_forget(const struct acct_state *state, const struct record_forget *r,
                            struct err *err)
{
    const struct mbox *live = acct_mailbox_by_id(state, r->mbox);
    const struct mbox *deleted = acct_deleted_by_id(state, r->mbox);
    const struct mbox *mbox = live != NULL ? live : deleted;

    if (mbox == NULL || (r->op == FORGET_MAILBOX && deleted == NULL))
        return refuse(err, "no such mailbox");
    if (r->op == FORGET_MAILBOX)
        return RC_OK;
    if (r->op != FORGET_MESSAGES || r->n == 0 || r->n > mbox_kept(mbox).messages)
        return refuse(err, "more to forget than is kept");
    if (!mbox_kept_is_loaded(mbox, r->n, 1))
        return not_loaded(err, r->mbox, "kept messages are");
    return RC_OK;
}

/* Runs in order, not touching, of messages that are kept, with keywords that dst knows. */
static enum rc check_kept_uids(const struct mbox *src, const struct mbox *dst,
                               const struct uid_set *uids, struct err *err)
{
    uint64_t known[KEYWORD_WORDS] = {0}, n = 0, least = 1;
    const struct mbox_info *info = mbox_info(src);
    uint32_t kept = mbox_kept(src).messages;

    for (size_t i = 0; i < uids->n; i++) {
        if (uids->runs[i].first < least || uids->runs[i].last < uids->runs[i].first)
            return refuse(err, "uids are not in order");
        least = (uint64_t) uids->runs[i].last + 2;
    }
    for (size_t i = 0; i < info->n_keywords; i++) {
        if (mbox_keyword_index(dst, info->keywords[i]) >= 0)
            known[i / 64] |= (uint64_t) 1 << (i % 64);
    }
    for (uint32_t at = 0; at < kept; at++) {
        const struct kept_message *message = mbox_kept_at(src, at);

        if (!uid_set_contains(uids, message->uid))
            continue;
        n++;
        for (size_t word = 0; word < KEYWORD_WORDS; word++) {
            if ((message->keywords[word] & ~known[word]) != 0)
                return refuse(err, "target lacks a keyword");
        }
    }
    return n > 0 && n == uid_set_span(uids) ? RC_OK : refuse(err, "message is not kept");
}

static enum rc check_restore_messages(const struct acct_state *state,
                                      const struct record_restore *r, struct err *err)
{
    const struct mbox *src, *dst;
    uint64_t n = uid_set_span(&r->uids);
    enum rc rc = find_mbox(state, r->mbox, &src, err);

    if (rc == RC_OK)
        rc = find_loaded(state, r->dst, &dst, err);
    if (rc == RC_OK)
        rc = find_tail(state, r->dst, &dst, err);
    if (rc)
        return rc;
    if (!mbox_kept_is_loaded(src, 0, UINT32_MAX))
        return not_loaded(err, r->mbox, "kept messages are");
    rc = check_kept_uids(src, dst, &r->uids, err);
    if (rc)
        return rc;
    if (r->dst_first_uid < dst->counts.uidnext || r->dst_first_uid + n - 1 > UID_MAX)
        return refuse(err, "first uid is below uidnext, or too great");
    if (dst->counts.messages + n > MESSAGES_MAX)
        return refuse(err, "mailbox is full");
    return RC_OK;
}

static enum rc check_restore_mailbox(const struct acct_state *state,
                                     const struct record_restore *r, struct err *err)
{
    const struct mbox *mbox = acct_deleted_by_id(state, r->mbox);

    if (mbox == NULL)
        return refuse(err, "no such deleted mailbox");
    if (acct_mailbox_count(state) >= MAILBOXES_MAX)
        return refuse(err, "too many mailboxes");
    if (r->new_mbox == 0) {
        if (mbox->end.name_given || !slice_eq(mbox_info(mbox)->name, r->name))
            return refuse(err, "mailbox comes back as what it was under a name that is new");
    } else if (r->new_mbox < state->next_mailbox_id || r->new_mbox == UINT32_MAX) {
        return refuse(err, "mailbox id was given before");
    } else if (object_id_is_zero(&r->mailboxid) || r->uidvalidity == 0) {
        return refuse(err, "mailbox without MAILBOXID or UIDVALIDITY");
    }
    return check_new_name(state, r->name, err);
}

static enum rc check_restore(const struct acct_state *state, const struct record_restore *r,
                             struct err *err)
{
    enum rc rc = check_modseq(state, r->modseq, err);

    if (rc)
        return rc;
    switch (r->op) {
    case RESTORE_MESSAGES:
        return check_restore_messages(state, r, err);
    case RESTORE_MAILBOX:
        return check_restore_mailbox(state, r, err);
    }
    return refuse(err, "unknown way to restore");
}

static bool annotation_name_is_valid(struct slice name)
{
    return name.len > 1 && name.ptr[0] == '/' && name.len <= ANNOTATION_NAME_MAX_BYTES &&
           slice_find(name, '\0') == name.len;
}

static enum rc check_annotate(const struct acct_state *state, const struct record_annotate *r,
                              struct err *err)
{
    const struct mbox *mbox;
    uint64_t n;
    enum rc rc = find_loaded(state, r->mbox, &mbox, err);

    if (rc)
        return rc;
    if (r->n_entries == 0 || r->n_entries > ANNOTATION_ENTRIES_MAX)
        return refuse(err, "no annotations, or too many");
    for (size_t i = 0; i < r->n_entries; i++) {
        if (!annotation_name_is_valid(r->entries[i].entry) ||
            r->entries[i].value.len > ANNOTATION_VALUE_MAX_BYTES ||
            (i > 0 && slice_cmp(r->entries[i - 1].entry, r->entries[i].entry) >= 0))
            return refuse(err, "annotations have no names, are too long or in no order");
    }
    rc = check_uids(mbox, &r->uids, &n, err);
    if (rc)
        return rc;
    if (mbox_annotation_limit(mbox, r) != ANNOTATION_FITS)
        return refuse(err, "more annotations than a message or mailbox may have");
    return check_modseq(state, r->modseq, err);
}

static enum rc check_xfer(const struct acct_state *state, const struct record_xfer *r,
                          struct err *err)
{
    if (r->peer_account == 0 || r->peer_account == state->id || r->transfer_id == 0)
        return refuse(err, "transfer without peer or id");
    if (r->payload.len > XFER_PAYLOAD_MAX || state->rest->n_xfers >= XFERS_MAX)
        return refuse(err, "transfer is too long, or one too many");
    return RC_OK;
}

static enum rc check_account(const struct acct_state *state, const struct record_account *r,
                             struct err *err)
{
    if (state->modseq != 0)
        return refuse(err, "account begins twice");
    return check_modseq(state, r->first_modseq, err);
}

static enum rc check_itself(const struct acct_state *state, const struct record *record,
                            struct err *err)
{
    switch (record->type) {
    case RECORD_APPEND:
        return check_append(state, &record->append, err);
    case RECORD_FLAGS:
        return check_flags(state, &record->flags, err);
    case RECORD_EXPUNGE:
        return check_expunge(state, &record->expunge, err);
    case RECORD_COPY:
    case RECORD_MOVE:
        return check_copy(state, &record->copy, err);
    case RECORD_MAILBOX:
        return check_mailbox(state, &record->mailbox, err);
    case RECORD_SUBSCRIBE:
        return check_subscribe(state, &record->subscribe, err);
    case RECORD_ACL:
        return check_acl(state, &record->acl, err);
    case RECORD_METADATA:
        return check_metadata(state, &record->metadata, err);
    case RECORD_KEYWORD:
        return check_keyword(state, &record->keyword, err);
    case RECORD_QUOTA:
        return check_quota(state, &record->quota, err);
    case RECORD_THREADID:
        return check_threadid(state, &record->threadid, err);
    case RECORD_PURGE:
        return check_purge(state, &record->purge, err);
    case RECORD_XFER_OUT:
    case RECORD_XFER_IN:
        return check_xfer(state, &record->xfer, err);
    case RECORD_ACCOUNT:
        return check_account(state, &record->account, err);
    case RECORD_FORGET:
        return check_forget(state, &record->forget, err);
    case RECORD_RESTORE:
        return check_restore(state, &record->restore, err);
    case RECORD_ANNOTATE:
        return check_annotate(state, &record->annotate, err);
    }
    return refuse(err, "unknown type");
}

enum rc acct_check(const struct acct_state *state, const struct record *record, struct err *err)
{
    enum rc rc;

    if (state->modseq == 0 && record->type != RECORD_ACCOUNT)
        return refuse(err, "account has not begun");
    rc = check_itself(state, record, err);
    return rc ? rc : all_check(state, record, err);
}
