#include "commands/list_line.h"

_Static_assert((int) USE_ALL == (int) IMAP_USE_ALL &&
                   (int) USE_ARCHIVE == (int) IMAP_USE_ARCHIVE &&
                   (int) USE_DRAFTS == (int) IMAP_USE_DRAFTS &&
                   (int) USE_FLAGGED == (int) IMAP_USE_FLAGGED &&
                   (int) USE_JUNK == (int) IMAP_USE_JUNK &&
                   (int) USE_SENT == (int) IMAP_USE_SENT &&
                   (int) USE_TRASH == (int) IMAP_USE_TRASH &&
                   (int) USE_IMPORTANT == (int) IMAP_USE_IMPORTANT,
               "special use bits");

bool list_has_children(const struct acct_state *state, struct slice name)
{
    char below[MAILBOX_NAME_BYTES_MAX + 1];
    struct slice prefix = {below, name.len + 1};
    size_t at;

    if (name.len > MAILBOX_NAME_BYTES_MAX)
        return false;
    memcpy(below, name.ptr, name.len);
    below[name.len] = MAILBOX_SEPARATOR;
    at = acct_mailbox_lower_bound(state, prefix);
    return at < acct_mailbox_count(state) &&
           slice_starts(mbox_info(acct_mailbox_at(state, at))->name, prefix);
}

void list_line_fill(const struct acct_state *state, struct slice name,
                    struct imap_list_line *line)
{
    const struct mbox *mbox = acct_mailbox_by_name(state, name);

    *line = (struct imap_list_line){.verb = "LIST", .name = name};
    if (mbox != NULL)
        line->use = mbox_info(mbox)->special_use;
    else
        line->attrs |= IMAP_ATTR_NONEXISTENT;
    if (list_has_children(state, name))
        line->attrs |= IMAP_ATTR_HASCHILDREN;
    else if (mbox != NULL)
        line->attrs |= IMAP_ATTR_HASNOCHILDREN;
}

void list_line_say(const struct session *session, const struct acct_state *state,
                   struct slice name, struct slice oldname, struct buf *out)
{
    struct imap_list_line line;

    list_line_fill(state, name, &line);
    line.oldname = oldname;
    imap_print_list_line(out, &line, session->mode);
}

void list_line_say_normalized(const struct session *session, const struct imap_mailbox *asked,
                              struct buf *out)
{
    AUTO(acct_unrefp) struct acct_state *state = NULL;

    if (!session->mode.rev2 || !asked->normalized)
        return;
    state = session_read(session);
    list_line_say(session, state, asked->name, asked->given, out);
}
