#include "commands/uidonly.h"

enum rc uidonly_refuse(struct cmd *cmd, struct err *err)
{
    reply_code(cmd->reply, "UIDREQUIRED");
    return err_set(err, RC_SYNTAX, "Message numbers are not allowed once UIDONLY is enabled",
                   "uidonly: %s", cmd->row->name);
}

/* As deep as keys nest: SEARCH_MAX_DEPTH. */
bool uidonly_names_numbers(const struct imap_search_key *key)
{
    for (size_t i = 0; i < key->n_children; i++)
        if (uidonly_names_numbers(key->children[i]))
            return true;
    return key->kind == IMAP_KEY_SEQ && !key->set.saved;
}
