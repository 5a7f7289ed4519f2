/*
 * txn_metadata.c - entries of mailboxes and of the account (RFC 5464 3).
 *
 * Who may: RFC 5464 3.3. What is /private of somebody who is not the owner lies under a key of
 * that reader's (access.h), so it comes with the mailbox and nobody else is shown it. Guests
 * together have half of a mailbox's entries, so that nobody can fill it up.
 */
#include "mailbox/open_txn.h"

#define RECORD_HEAD_BYTES 128u /* of a metadata record, without its entry and value */

static const struct text_pair *find_pair(const struct text_pair *pairs, size_t n,
                                         struct slice key)
{
    for (size_t i = 0; i < n; i++)
        if (slice_eq(pairs[i].key, key))
            return &pairs[i];
    return NULL;
}

/* The account's entries as an array, like a mailbox's. */
static const struct text_pair *account_entries(const struct mail_txn *txn, size_t *out_n)
{
    size_t n = acct_metadata_count(txn->fork);
    struct text_pair *pairs = ARENA_ARRAY(txn->arena, struct text_pair, n);

    for (size_t i = 0; i < n; i++)
        pairs[i] = acct_metadata_at(txn->fork, i);
    *out_n = n;
    return pairs;
}

static enum rc check_entry(struct slice entry, const struct slice *value, bool is_new, size_t n,
                           struct err *err)
{
    if (entry.len > METADATA_NAME_MAX || (value != NULL && value->len > METADATA_VALUE_MAX))
        return err_set(err, RC_LIMIT, "The entry is too long", "metadata: %zu, %zu bytes",
                       entry.len, value != NULL ? value->len : 0);
    if (is_new && n >= METADATA_ENTRIES_MAX)
        return err_set(err, RC_LIMIT, "Too many entries", "metadata: %zu there", n);
    return RC_OK;
}

/* A new entry of a guest's own. */
static enum rc check_guests(const struct reader *reader, const struct text_pair *pairs,
                            size_t n, struct err *err)
{
    size_t guests = 0, own = 0;

    for (size_t i = 0; i < n; i++) {
        guests += slice_starts(pairs[i].key, SLICE("i"));
        own += reader_entry_of_key(reader, pairs[i].key).len > 0 &&
               slice_starts(pairs[i].key, SLICE("i"));
    }
    if (own < METADATA_OF_GUEST_MAX && guests < METADATA_OF_GUESTS_MAX)
        return RC_OK;
    return err_set(err, RC_LIMIT, "Too many entries of your own",
                   "metadata: %zu of a guest, %zu of guests", own, guests);
}

static enum rc set_entry(struct mail_txn *txn, uint32_t mbox_id, struct slice key,
                         const struct slice *value, struct err *err)
{
    struct record record = {.type = RECORD_METADATA};
    enum rc rc =
        txn_has_room(txn, RECORD_HEAD_BYTES + key.len + (value != NULL ? value->len : 0), err);

    if (rc)
        return rc;
    record.metadata = (struct record_metadata){
        .mbox = mbox_id, .entry = key, .is_nil = value == NULL, .modseq = txn_modseq(txn)};
    if (value != NULL)
        record.metadata.value = *value;
    txn_add(txn, &record);
    return RC_OK;
}

static enum rc note_switch(struct mail_txn *txn, uint32_t mbox_id, struct err *err)
{
    struct slice modseq =
        slice_from_str(arena_printf(txn->arena, "%llu", (unsigned long long) txn_modseq(txn)));

    return set_entry(txn, mbox_id, SLICE(SEEN_SWITCHED_KEY), &modseq, err);
}

/* What changes nothing is done. */
static bool is_as_it_was(const struct text_pair *old, const struct slice *value)
{
    return value == NULL ? old == NULL : old != NULL && slice_eq(old->value, *value);
}

static enum rc set_of_mailbox(struct mail_txn *txn, uint32_t mbox_id, struct slice entry,
                              const struct slice *value, struct err *err)
{
    const struct mbox *mbox;
    const struct mbox_info *info;
    const struct text_pair *old;
    struct reader reader;
    struct slice key;
    enum rc rc = txn_access(txn, mbox_id, RIGHT_LOOKUP, &reader, err);

    if (rc == RC_OK)
        rc = txn_find(txn, mbox_id, &mbox, err);
    if (rc == RC_OK)
        rc = reader_may_set_entry(&reader, entry, err);
    if (rc)
        return rc;
    info = mbox_info(mbox);
    key = reader_entry_key(&reader, entry, txn->arena);
    old = find_pair(info->metadata, info->n_metadata, key);
    if (is_as_it_was(old, value))
        return RC_OK;
    rc = check_entry(key, value, old == NULL, info->n_metadata, err);
    if (rc == RC_OK && old == NULL && key.len > entry.len)
        rc = check_guests(&reader, info->metadata, info->n_metadata, err);
    if (rc == RC_OK)
        rc = set_entry(txn, mbox_id, key, value, err);
    if (rc == RC_OK && slice_eq(key, SLICE(SHARED_SEEN_ENTRY)))
        rc = note_switch(txn, mbox_id, err);
    return rc;
}

enum rc txn_set_metadata(struct mail_txn *txn, uint32_t mbox_id, struct slice entry,
                         const struct slice *value, struct err *err)
{
    const struct text_pair *pairs, *old;
    size_t n;
    enum rc rc;

    if (mbox_id != 0)
        return set_of_mailbox(txn, mbox_id, entry, value, err);
    pairs = account_entries(txn, &n);
    old = find_pair(pairs, n, entry);
    if (is_as_it_was(old, value))
        return RC_OK;
    rc = check_entry(entry, value, old == NULL, n, err);
    return rc ? rc : set_entry(txn, 0, entry, value, err);
}
