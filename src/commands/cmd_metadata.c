/*
 * cmd_metadata.c - GETMETADATA and SETMETADATA, and LIST's RETURN (METADATA ...).
 *
 * Spec: RFC 5464 3.3 and 4.2 to 4.4, RFC 9590.
 *
 * A mailbox keeps its entries in the account, and they go where it goes. Of the server's own
 * ("") /private is the account's; /shared belongs to the administrator and is empty.
 */
#include "commands/filters.h"
#include "commands/metadata_line.h"
#include "commands/places.h"
#include "imap/print.h"
#include "mailbox/txn.h"

/* The entries of a place, in byte order of their keys. mbox NULL: the server's. */
struct entries {
    const struct acct_state *state;
    const struct mbox *mbox;
    struct reader reader;
};

static size_t count_entries(const struct entries *all)
{
    return all->mbox != NULL ? mbox_info(all->mbox)->n_metadata
                             : acct_metadata_count(all->state);
}

/* Its name is empty where it is another reader's. */
static struct text_pair entry_at(const struct entries *all, size_t at)
{
    struct text_pair pair = all->mbox != NULL ? mbox_info(all->mbox)->metadata[at]
                                              : acct_metadata_at(all->state, at);

    pair.key = reader_entry_of_key(&all->reader, pair.key);
    return pair;
}

/* Is it the one asked for, or so far below it? RFC 5464 4.2.2 */
static bool is_within(struct slice entry, struct slice asked, enum imap_metadata_depth depth)
{
    struct slice below;

    if (!slice_starts(entry, asked))
        return false;
    if (entry.len == asked.len)
        return true;
    below = slice_from(entry, asked.len);
    if (depth == IMAP_DEPTH_0 || below.ptr[0] != '/')
        return false;
    return depth == IMAP_DEPTH_INFINITY || slice_count(below, '/') == 1;
}

/* ---- saying ---- */

struct saying {
    struct reply *reply;
    struct slice name; /* of the mailbox; empty: the server */
    bool any;          /* the line is open */
};

static void say(struct saying *saying, struct slice entry, struct slice value)
{
    struct buf *out = saying->reply->out;

    if (!saying->any) {
        buf_str(out, "* METADATA ");
        if (saying->name.len == 0)
            buf_str(out, "\"\"");
        else
            imap_print_mailbox(out, saying->name, saying->reply->mode);
        buf_str(out, " (");
    } else {
        buf_byte(out, ' ');
    }
    saying->any = true;
    imap_print_astring(out, entry, saying->reply->mode);
    buf_byte(out, ' ');
    imap_print_value(out, value, saying->reply->mode);
}

static void end_line(const struct saying *saying)
{
    if (saying->any)
        buf_str(saying->reply->out, ")\r\n");
}

/* One that was asked for by its name and has no value is said to have none. *longest: of the
 * values left out for their size. */
static void say_asked(struct saying *saying, const struct entries *all, struct slice asked,
                      const struct imap_getmetadata_args *get, size_t *longest)
{
    size_t n = count_entries(all);
    bool found = false;

    for (size_t i = 0; i < n; i++) {
        struct text_pair pair = entry_at(all, i);

        if (!is_within(pair.key, asked, get->depth))
            continue;
        found = found || pair.key.len == asked.len;
        if (get->has_maxsize && pair.value.len > get->maxsize)
            *longest = MAX(*longest, pair.value.len);
        else
            say(saying, pair.key, pair.value.len > 0 ? pair.value : SLICE(""));
    }
    if (!found && get->depth == IMAP_DEPTH_0)
        say(saying, asked, (struct slice){NULL, 0});
}

void metadata_line_say(struct reply *reply, const struct mbox *mbox,
                       const struct reader *reader, struct slice name,
                       const struct imap_metadata_names *asked)
{
    const struct imap_getmetadata_args get = {.entries = *asked};
    const struct entries all = {NULL, mbox, *reader};
    struct saying saying = {reply, name, false};
    size_t longest = 0;

    for (size_t i = 0; i < asked->n; i++)
        say_asked(&saying, &all, asked->names[i], &get, &longest);
    end_line(&saying);
}

enum rc cmd_getmetadata(struct cmd *cmd, struct err *err)
{
    const struct imap_getmetadata_args *get = &cmd->args.getmetadata;
    AUTO(acct_unrefp) struct acct_state *state = session_read(cmd->session);
    AUTO(found_mailbox_done) struct found_mailbox found = {0};
    struct entries all = {.state = state};
    struct saying saying = {.reply = cmd->reply};
    size_t longest = 0;

    if (!get->place.server) {
        enum rc rc = place_find(cmd->session, get->place.mailbox.name, 0, &found, err);

        if (!rc)
            rc = reader_may_see_entries(&found.reader, err);
        if (rc)
            return rc;
        saying.name = get->place.mailbox.name;
        all.mbox = found.mbox;
        all.reader = found.reader;
    }
    for (size_t i = 0; i < get->entries.n; i++)
        say_asked(&saying, &all, get->entries.names[i], get, &longest);
    end_line(&saying);
    if (longest > 0)
        reply_code(cmd->reply, arena_printf(cmd->arena, "METADATA LONGENTRIES %zu", longest));
    reply_ok(cmd->reply, "GETMETADATA completed");
    return RC_OK;
}

/* ---- setting ---- */

/* RFC 5464 4.3: which limit it was. */
static enum rc refuse_limit(struct cmd *cmd, const struct imap_metadata_value *value,
                            enum rc rc)
{
    if (rc == RC_LIMIT)
        reply_code(cmd->reply,
                   value->value.len > METADATA_VALUE_MAX
                       ? arena_printf(cmd->arena, "METADATA MAXSIZE %u", METADATA_VALUE_MAX)
                       : "METADATA TOOMANY");
    return rc;
}

/* name: of the mailbox in its account. */
static enum rc set_all(struct cmd *cmd, struct mail_txn *txn, struct slice name,
                       struct err *err)
{
    const struct imap_setmetadata_args *set = &cmd->args.setmetadata;
    uint32_t mbox_id = 0;

    if (!set->place.server) {
        const struct mbox *mbox = acct_mailbox_by_name(txn_state(txn), name);

        if (mbox == NULL)
            return err_set(err, RC_NOT_FOUND, "No such mailbox", "metadata: unknown name");
        mbox_id = mbox_info(mbox)->id;
    }
    for (size_t i = 0; i < set->n; i++) {
        const struct imap_metadata_value *value = &set->values[i];
        enum rc rc;

        if (mbox_id == 0 && slice_starts(value->entry, SLICE("/shared/")))
            return err_set(err, RC_DENIED, "The server's shared entries are read-only",
                           "metadata: /shared of the server");
        rc = mbox_id == 0 && !value->nil
                 ? filters_check(value->entry, value->value, cmd->arena, err)
                 : RC_OK;
        if (rc)
            return rc;
        rc = txn_set_metadata(txn, mbox_id, value->entry, value->nil ? NULL : &value->value,
                              err);
        if (rc)
            return refuse_limit(cmd, value, rc);
    }
    return RC_OK;
}

enum rc cmd_setmetadata(struct cmd *cmd, struct err *err)
{
    const struct imap_metadata_place *place = &cmd->args.setmetadata.place;
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    struct slice name = SLICE("");
    enum rc rc;

    if (place->server && !session_allows_all(cmd->session))
        return err_set(err, RC_DENIED, "You have no right to do this here",
                       "metadata: a credential for some folders");
    rc = place->server ? txn_begin(cmd->session->account, &cmd->session->actor, &txn, err)
                       : place_begin(cmd->session, place->mailbox.name, &txn, &name, err);
    if (!rc)
        rc = set_all(cmd, txn, name, err);
    if (!rc)
        rc = session_commit(cmd->session, &txn, err);
    if (!rc)
        reply_ok(cmd->reply, "SETMETADATA completed");
    return rc;
}
