#include "search/glance.h"

#include "imap/flags.h"

/* How many messages have a flag, as far as it is counted for everybody alike. */
static bool counted_flag(const struct mbox_counts *counts, const struct reader *reader,
                         uint32_t flag, uint32_t *out)
{
    if ((reader->private_flags & flag) != 0)
        return false;
    if (flag == IMAP_SEEN)
        *out = counts->messages - counts->unseen;
    else if (flag == IMAP_DELETED)
        *out = counts->deleted;
    else
        return false;
    return true;
}

static bool flag_may_hit(const struct imap_search_key *key, const struct mbox *mbox,
                         const struct reader *reader)
{
    const struct mbox_counts *counts = mbox_counts(mbox);
    uint32_t with;

    if (!counted_flag(counts, reader, key->flag, &with))
        return true;
    return key->unset ? with < counts->messages : with > 0;
}

static bool leaf_may_hit(const struct imap_search_key *key, const struct mbox *mbox,
                         const struct reader *reader)
{
    if (key->kind == IMAP_KEY_FLAG)
        return flag_may_hit(key, mbox, reader);
    if (key->kind == IMAP_KEY_KEYWORD && !key->unset)
        return mbox_keyword_index(mbox, key->text) >= 0;
    return true;
}

/* As deep as keys nest: SEARCH_MAX_DEPTH. */
bool search_may_hit(const struct imap_search_key *key, const struct mbox *mbox,
                    const struct reader *reader)
{
    if (mbox_counts(mbox)->messages == 0)
        return false;
    if (key->kind == IMAP_KEY_AND) {
        for (size_t i = 0; i < key->n_children; i++)
            if (!search_may_hit(key->children[i], mbox, reader))
                return false;
        return true;
    }
    if (key->kind == IMAP_KEY_OR) {
        for (size_t i = 0; i < key->n_children; i++)
            if (search_may_hit(key->children[i], mbox, reader))
                return true;
        return false;
    }
    return leaf_may_hit(key, mbox, reader);
}
