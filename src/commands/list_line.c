#include "commands/list_line.h"

_Static_assert((int) USE_ALL == (int) IMAP_USE_ALL &&
                   (int) USE_ARCHIVE == (int) IMAP_USE_ARCHIVE &&
                   (int) USE_DRAFTS == (int) IMAP_USE_DRAFTS &&
                   (int) USE_FLAGGED == (int) IMAP_USE_FLAGGED &&
                   (int) USE_JUNK == (int) IMAP_USE_JUNK &&
                   (int) USE_SENT == (int) IMAP_USE_SENT &&
                   (int) USE_TRASH == (int) IMAP_USE_TRASH &&
                   (int) USE_IMPORTANT == (int) IMAP_USE_IMPORTANT &&
                   (int) USE_MEMOS == (int) IMAP_USE_MEMOS &&
                   (int) USE_SCHEDULED == (int) IMAP_USE_SCHEDULED &&
                   (int) USE_SNOOZED == (int) IMAP_USE_SNOOZED,
               "special use bits");

#define LIST_LINE_ARENA_BYTES ((size_t) 256 << 20)

void list_line_fill(const struct visible *visible, struct slice name,
                    struct imap_list_line *line)
{
    const struct mbox *mbox = visible_find(visible, name);

    *line = (struct imap_list_line){.verb = "LIST", .name = name};
    if (mbox != NULL)
        line->use = mbox_info(mbox)->special_use;
    else
        line->attrs |= IMAP_ATTR_NONEXISTENT;
    if (mbox != NULL && (visible_reader(visible, name).rights & RIGHT_READ) == 0)
        line->attrs |= IMAP_ATTR_NOSELECT;
    if (visible_has_children(visible, name))
        line->attrs |= IMAP_ATTR_HASCHILDREN;
    else if (mbox != NULL)
        line->attrs |= IMAP_ATTR_HASNOCHILDREN;
}

void list_line_say(struct session *session, struct slice name, struct slice oldname,
                   struct buf *out)
{
    AUTO(arena_freep) struct arena *arena = arena_new(LIST_LINE_ARENA_BYTES);
    struct visible *visible = visible_begin(session, arena);
    struct imap_list_line line;
    struct err err;

    if (name_is_own(name) || visible_need_all(visible, &err) == RC_OK) {
        list_line_fill(visible, name, &line);
        line.oldname = oldname;
        imap_print_list_line(out, &line, session->mode);
    }
    visible_done(visible);
}

void list_line_say_normalized(struct session *session, const struct imap_mailbox *asked,
                              struct buf *out)
{
    if (session->mode.rev2 && asked->normalized)
        list_line_say(session, asked->name, asked->given, out);
}
