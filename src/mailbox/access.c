#include "mailbox/access.h"

#include "mailbox/open_account.h"

/* Which \Seen a guest sees, and since when. */
static void take_seen(const struct mbox_info *info, struct reader *out)
{
    out->private_flags = FLAG_SEEN;
    for (size_t i = 0; i < info->n_metadata; i++) {
        const struct text_pair *pair = &info->metadata[i];

        if (slice_eq(pair->key, SLICE(SHARED_SEEN_ENTRY)) &&
            slice_eq(pair->value, SLICE("true")))
            out->private_flags = 0;
        if (slice_eq(pair->key, SLICE(SEEN_SWITCHED_KEY)))
            (void) slice_to_u64(pair->value, &out->seen_switched);
    }
}

void account_reader(const struct account *account, const struct mbox_info *info, uint64_t actor,
                    struct reader *out)
{
    AUTO(principals_unrefp) struct principals *who_is_who = NULL;
    struct identity who = {.account = actor};

    *out = (struct reader){.account = actor, .rights = RIGHTS_ALL};
    if (mbox_info_is_all(info)) {
        out->is_all = true;
        out->rights = RIGHTS_OF_ALL;
    }
    if (actor == 0 || actor == account->id)
        return;
    who_is_who = mail_store_principals(account->store);
    who.groups = principals_groups_of(who_is_who, actor, &who.n_groups);
    out->is_guest = true;
    out->rights &= acl_rights(info, &who);
    take_seen(info, out);
}

enum rc reader_needs(const struct reader *reader, uint32_t rights, struct err *err)
{
    char missing[RIGHTS_TEXT_BYTES];

    if ((reader->rights & rights) == rights)
        return RC_OK;
    if ((reader->rights & RIGHT_LOOKUP) == 0)
        return err_set(err, RC_NOT_FOUND, "No such mailbox", "access: no right to look it up");
    if (reader->is_all && (rights & ~RIGHTS_OF_ALL) != 0)
        return err_set(err, RC_INVALID, "This mailbox shows what lives in others; do it there",
                       "access: All has no rights for it");
    rights_print(rights & ~reader->rights, missing);
    return err_set(err, RC_DENIED, "You have no right to do this here", "access: without %s",
                   missing);
}

bool reader_is_read_only(const struct reader *reader)
{
    return (reader->rights & (RIGHT_INSERT | RIGHT_EXPUNGE | RIGHT_SEEN | RIGHT_WRITE |
                              RIGHT_DELETED | RIGHT_ANNOTATE)) == 0;
}

/* ---- entries ---- */

#define PRIVATE_PREFIX "/private/"

enum rc reader_may_see_entries(const struct reader *reader, struct err *err)
{
    if ((reader->rights &
         (RIGHT_READ | RIGHT_SEEN | RIGHT_WRITE | RIGHT_INSERT | RIGHT_POST)) == 0)
        return reader_needs(reader, RIGHT_LOOKUP | RIGHT_READ, err);
    return reader_needs(reader, RIGHT_LOOKUP, err);
}

enum rc reader_may_set_entry(const struct reader *reader, struct slice entry, struct err *err)
{
    enum rc rc = reader_may_see_entries(reader, err);

    if (rc || slice_starts(entry, SLICE(PRIVATE_PREFIX)))
        return rc;
    return reader_needs(
        reader, slice_eq(entry, SLICE(SHARED_SEEN_ENTRY)) ? RIGHT_ADMIN : RIGHT_WRITE, err);
}

static void print_guest(const struct reader *reader, char out[ACL_ENTRY_NAME_BYTES])
{
    acl_entry_name_print(&(struct acl_entry_name){.kind = ACL_PRINCIPAL, .id = reader->account},
                         out);
}

struct slice reader_entry_key(const struct reader *reader, struct slice entry,
                              struct arena *arena)
{
    char guest[ACL_ENTRY_NAME_BYTES];

    if (!reader->is_guest || !slice_starts(entry, SLICE(PRIVATE_PREFIX)))
        return entry;
    print_guest(reader, guest);
    return slice_from_str(arena_printf(arena, "%s%.*s", guest, SLICE_ARG(entry)));
}

struct slice reader_entry_of_key(const struct reader *reader, struct slice key)
{
    bool of_owner = slice_starts(key, SLICE(PRIVATE_PREFIX));
    char guest[ACL_ENTRY_NAME_BYTES];

    if (!slice_starts(key, SLICE("i")))
        return of_owner && reader->is_guest ? SLICE("") : key;
    if (!reader->is_guest)
        return SLICE("");
    print_guest(reader, guest);
    return slice_starts(key, slice_from_str(guest)) ? slice_from(key, strlen(guest))
                                                    : SLICE("");
}

/* ---- annotations ---- */

enum rc reader_may_annotate(const struct reader *reader, bool shared, struct err *err)
{
    return reader_needs(reader, shared ? RIGHT_READ | RIGHT_ANNOTATE : RIGHT_READ, err);
}

/* ---- flags ---- */

/* NULL: the reader has touched none of the flags that are the reader's own. */
static const struct overlay_row *row_of(const struct reader *reader, const struct mbox *mbox,
                                        uint32_t index)
{
    if (reader->private_flags == 0)
        return NULL;
    return mbox_overlay_find(mbox, reader->account, mbox_uid(mbox, index));
}

uint8_t reader_flags(const struct reader *reader, const struct mbox *mbox, uint32_t index)
{
    const struct overlay_row *row = row_of(reader, mbox, index);
    unsigned shared = mbox_flags(mbox, index) & ~(unsigned) reader->private_flags;

    return (uint8_t) (shared | (row != NULL ? row->flags & reader->private_flags : 0u));
}

uint64_t reader_modseq(const struct reader *reader, const struct mbox *mbox, uint32_t index)
{
    const struct overlay_row *row = row_of(reader, mbox, index);
    uint64_t modseq = MAX(mbox_modseq(mbox, index), reader->seen_switched);

    if (mbox_annotations_modseq(mbox, reader->account) > modseq)
        modseq =
            MAX(modseq, mbox_annotation_modseq(mbox, mbox_uid(mbox, index), reader->account));
    return row != NULL ? MAX(modseq, row->modseq) : modseq;
}

uint64_t reader_own_flags_modseq(const struct reader *reader, const struct mbox *mbox)
{
    uint64_t modseq =
        reader->private_flags != 0 ? mbox_overlay_modseq(mbox, reader->account) : 0;

    return MAX(modseq, reader->seen_switched);
}

uint64_t reader_own_modseq(const struct reader *reader, const struct mbox *mbox)
{
    return MAX(reader_own_flags_modseq(reader, mbox),
               mbox_annotations_modseq(mbox, reader->account));
}

bool reader_needs_messages(const struct reader *reader, const struct mbox *mbox)
{
    return !mbox_is_loaded(mbox) &&
           (reader->private_flags != 0 || mbox_counts(mbox)->annotation_bytes > 0);
}

uint64_t reader_highestmodseq(const struct reader *reader, const struct mbox *mbox)
{
    return MAX(mbox_counts(mbox)->highestmodseq, reader_own_modseq(reader, mbox));
}

uint32_t reader_unseen(const struct reader *reader, const struct mbox *mbox)
{
    if ((reader->private_flags & FLAG_SEEN) == 0)
        return mbox_counts(mbox)->unseen;
    return mbox_counts(mbox)->messages - (uint32_t) mbox_overlay_seen(mbox, reader->account);
}

uint32_t reader_first_unseen(const struct reader *reader, const struct mbox *mbox)
{
    uint32_t index = 0, n = mbox_counts(mbox)->messages;

    if ((reader->private_flags & FLAG_SEEN) == 0)
        return mbox_first_unseen(mbox);
    while (index < n && (reader_flags(reader, mbox, index) & FLAG_SEEN) != 0)
        index++;
    return index;
}
