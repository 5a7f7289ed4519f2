/*
 * table.c - every command after login. The rows are the specification; dispatch.c enforces
 * them.
 */
#include "commands/cmd.h"

// clang-format off
static const struct command commands[] = {
    /* name        states       needs                 parse                run              RFC 9051        flags */
    {"CAPABILITY", ST_ANY,      IMAP_CAP_NONE,        imap_parse_none,     cmd_capability,  "6.1.1",        CMD_EXPUNGES | CMD_COUNTS},
    {"NOOP",       ST_ANY,      IMAP_CAP_NONE,        imap_parse_none,     cmd_noop,        "6.1.2",        CMD_EXPUNGES | CMD_COUNTS},
    {"LOGOUT",     ST_ANY,      IMAP_CAP_NONE,        imap_parse_none,     cmd_logout,      "6.1.3",        CMD_UNSELECTS | CMD_COUNTS},
    {"ID",         ST_ANY,      IMAP_CAP_ID,          imap_parse_id,       cmd_id,          "RFC 2971 3.1", CMD_EXPUNGES | CMD_COUNTS},
    {"LANGUAGE",   ST_ANY,      IMAP_CAP_LANGUAGE,    imap_parse_language, cmd_language,    "RFC 5255 3.2", CMD_EXPUNGES},
    {"COMPARATOR", ST_ANY,      IMAP_CAP_I18NLEVEL_2, imap_parse_comparator, cmd_comparator, "RFC 5255 4.7", CMD_EXPUNGES},
    {"ENABLE",     ST_ANY,      IMAP_CAP_ENABLE,      imap_parse_enable,   cmd_enable,      "6.3.1",        CMD_EXPUNGES | CMD_COUNTS},
    {"SELECT",     ST_ANY,      IMAP_CAP_NONE,        imap_parse_select,   cmd_select,      "6.3.2",        CMD_UNSELECTS | CMD_COUNTS},
    {"EXAMINE",    ST_ANY,      IMAP_CAP_NONE,        imap_parse_select,   cmd_examine,     "6.3.3",        CMD_UNSELECTS | CMD_COUNTS},
    {"CREATE",     ST_ANY,      IMAP_CAP_NONE,        imap_parse_create,   cmd_create,      "6.3.4",        CMD_WRITES | CMD_EXPUNGES},
    {"DELETE",     ST_ANY,      IMAP_CAP_NONE,        imap_parse_mailbox,  cmd_delete,      "6.3.5",        CMD_WRITES | CMD_EXPUNGES},
    {"RENAME",     ST_ANY,      IMAP_CAP_NONE,        imap_parse_rename,   cmd_rename,      "6.3.6",        CMD_WRITES | CMD_EXPUNGES},
    {"SUBSCRIBE",  ST_ANY,      IMAP_CAP_NONE,        imap_parse_mailbox,  cmd_subscribe,   "6.3.7",        CMD_WRITES | CMD_EXPUNGES},
    {"UNSUBSCRIBE",ST_ANY,      IMAP_CAP_NONE,        imap_parse_mailbox,  cmd_unsubscribe, "6.3.8",        CMD_WRITES | CMD_EXPUNGES},
    {"LIST",       ST_ANY,      IMAP_CAP_NONE,        imap_parse_list,     cmd_list,        "6.3.9",        CMD_EXPUNGES | CMD_COUNTS},
    {"LSUB",       ST_ANY,      IMAP_CAP_IMAP4REV1,   imap_parse_lsub,     cmd_lsub,        "RFC 3501 6.3.9", CMD_EXPUNGES | CMD_COUNTS},
    {"RLIST",      ST_ANY,      IMAP_CAP_MAILBOX_REFERRALS, imap_parse_lsub, cmd_rlist,      "RFC 2193 5.1", CMD_EXPUNGES},
    {"RLSUB",      ST_ANY,      IMAP_CAP_MAILBOX_REFERRALS, imap_parse_lsub, cmd_rlsub,      "RFC 2193 5.2", CMD_EXPUNGES},
    {"XLIST",      ST_ANY,      IMAP_CAP_XLIST,       imap_parse_lsub,     cmd_xlist,       "Gmail",        CMD_EXPUNGES},
    {"NAMESPACE",  ST_ANY,      IMAP_CAP_NAMESPACE,   imap_parse_none,     cmd_namespace,   "6.3.10",       CMD_EXPUNGES | CMD_COUNTS},
    {"STATUS",     ST_ANY,      IMAP_CAP_NONE,        imap_parse_status,   cmd_status,      "6.3.11",       CMD_EXPUNGES | CMD_COUNTS},
    {"GETMETADATA",ST_ANY,      IMAP_CAP_METADATA,    imap_parse_getmetadata, cmd_getmetadata, "RFC 5464 4.2", CMD_EXPUNGES},
    {"SETMETADATA",ST_ANY,      IMAP_CAP_METADATA,    imap_parse_setmetadata, cmd_setmetadata, "RFC 5464 4.3", CMD_WRITES | CMD_EXPUNGES},
    {"SETACL",     ST_ANY,      IMAP_CAP_ACL,         imap_parse_setacl,     cmd_setacl,      "RFC 4314 3.1", CMD_WRITES | CMD_EXPUNGES},
    {"DELETEACL",  ST_ANY,      IMAP_CAP_ACL,         imap_parse_identifier, cmd_deleteacl,   "RFC 4314 3.2", CMD_WRITES | CMD_EXPUNGES},
    {"GETACL",     ST_ANY,      IMAP_CAP_ACL,         imap_parse_mailbox,    cmd_getacl,      "RFC 4314 3.3", CMD_EXPUNGES},
    {"LISTRIGHTS", ST_ANY,      IMAP_CAP_ACL,         imap_parse_identifier, cmd_listrights,  "RFC 4314 3.4", CMD_EXPUNGES},
    {"MYRIGHTS",   ST_ANY,      IMAP_CAP_ACL,         imap_parse_mailbox,    cmd_myrights,    "RFC 4314 3.5", CMD_EXPUNGES},
    {"GETQUOTA",   ST_ANY,      IMAP_CAP_QUOTA,       imap_parse_getquota, cmd_getquota,    "RFC 9208 4.1.1", CMD_EXPUNGES},
    {"GETQUOTAROOT", ST_ANY,    IMAP_CAP_QUOTA,       imap_parse_mailbox,  cmd_getquotaroot, "RFC 9208 4.1.2", CMD_EXPUNGES},
    {"SETQUOTA",   ST_ANY,      IMAP_CAP_QUOTASET,    imap_parse_setquota, cmd_setquota,    "RFC 9208 4.1.3", CMD_WRITES | CMD_EXPUNGES},
    {"APPEND",     ST_ANY,      IMAP_CAP_NONE,        imap_parse_append,   cmd_append,      "6.3.12",       CMD_WRITES | CMD_EXPUNGES},
    {"RESETKEY",   ST_ANY,      IMAP_CAP_URLAUTH,     imap_parse_resetkey,   cmd_resetkey,   "RFC 4467 7", CMD_WRITES | CMD_EXPUNGES},
    {"GENURLAUTH", ST_ANY,      IMAP_CAP_URLAUTH,     imap_parse_genurlauth, cmd_genurlauth, "RFC 4467 7", CMD_WRITES | CMD_EXPUNGES},
    {"URLFETCH",   ST_ANY,      IMAP_CAP_URLAUTH,     imap_parse_urlfetch,   cmd_urlfetch,   "RFC 4467 7, RFC 5524", CMD_EXPUNGES},
    {"COMPRESS",   ST_ANY,      IMAP_CAP_COMPRESS,    imap_parse_compress, cmd_compress,    "RFC 4978 3",   CMD_EXPUNGES},
    {"UNAUTHENTICATE",ST_ANY,   IMAP_CAP_UNAUTHENTICATE, imap_parse_none,  cmd_unauthenticate, "RFC 8437 3", CMD_UNSELECTS},
    {"IDLE",       ST_ANY,      IMAP_CAP_IDLE,        imap_parse_none,     cmd_idle,        "6.3.13",       CMD_EXPUNGES | CMD_COUNTS},
    {"NOTIFY",     ST_ANY,      IMAP_CAP_NOTIFY,      imap_parse_notify,   cmd_notify,      "RFC 5465 3.1", CMD_EXPUNGES},
    {"CHECK",      ST_SELECTED, IMAP_CAP_IMAP4REV1,   imap_parse_none,     cmd_noop,        "RFC 3501 6.4.1", CMD_EXPUNGES | CMD_COUNTS},
    {"CLOSE",      ST_SELECTED, IMAP_CAP_NONE,        imap_parse_none,     cmd_close,       "6.4.1",        CMD_UNSELECTS | CMD_COUNTS},
    {"UNSELECT",   ST_SELECTED, IMAP_CAP_UNSELECT,    imap_parse_none,     cmd_unselect,    "6.4.2",        CMD_UNSELECTS | CMD_COUNTS},
    {"EXPUNGE",    ST_SELECTED, IMAP_CAP_NONE,        imap_parse_expunge,  cmd_expunge,     "6.4.3",        CMD_WRITES | CMD_CHANGES | CMD_EXPUNGES | CMD_UID},
    {"REPLACE",    ST_SELECTED, IMAP_CAP_REPLACE,     imap_parse_replace, cmd_replace,     "RFC 8508 3",   CMD_WRITES | CMD_CHANGES | CMD_SEQ | CMD_UID | CMD_EXPUNGES},
    {"SEARCH",     ST_SELECTED, IMAP_CAP_NONE,        imap_parse_search,   cmd_search,      "6.4.4",        CMD_SEQ | CMD_SEQ_KEYS | CMD_UID | CMD_COMPUTES},
    {"ESEARCH",    ST_ANY,      IMAP_CAP_MULTISEARCH, imap_parse_esearch,  cmd_esearch,     "RFC 7377 2",   CMD_SEQ_KEYS | CMD_UID | CMD_EXPUNGES | CMD_COMPUTES},
    {"SORT",       ST_SELECTED, IMAP_CAP_SORT,        imap_parse_sort,     cmd_sort,        "RFC 5256 3",   CMD_SEQ | CMD_SEQ_KEYS | CMD_UID | CMD_COMPUTES},
    {"THREAD",     ST_SELECTED, IMAP_CAP_THREAD_REFERENCES, imap_parse_thread, cmd_thread,  "RFC 5256 3",   CMD_SEQ | CMD_SEQ_KEYS | CMD_UID | CMD_COMPUTES},
    {"CANCELUPDATE", ST_SELECTED, IMAP_CAP_CONTEXT_SEARCH, imap_parse_cancelupdate, cmd_cancelupdate, "RFC 5267 4.3.5", CMD_EXPUNGES},
    {"UIDBATCHES", ST_SELECTED, IMAP_CAP_UIDBATCHES,  imap_parse_uidbatches, cmd_uidbatches, "RFC 10022 3", CMD_EXPUNGES},
    {"FETCH",      ST_SELECTED, IMAP_CAP_NONE,        imap_parse_fetch,    cmd_fetch,       "6.4.5",        CMD_SEQ | CMD_UID},
    {"STORE",      ST_SELECTED, IMAP_CAP_NONE,        imap_parse_store,    cmd_store,       "6.4.6",        CMD_WRITES | CMD_CHANGES | CMD_SEQ | CMD_UID},
    {"COPY",       ST_SELECTED, IMAP_CAP_NONE,        imap_parse_copy,     cmd_copy,        "6.4.7",        CMD_WRITES | CMD_SEQ | CMD_UID | CMD_EXPUNGES},
    {"MOVE",       ST_SELECTED, IMAP_CAP_MOVE,        imap_parse_copy,     cmd_move,        "6.4.8",        CMD_WRITES | CMD_CHANGES | CMD_SEQ | CMD_UID | CMD_EXPUNGES},
};
// clang-format on

const struct command *command_find(struct slice name)
{
    for (size_t i = 0; i < COUNT(commands); i++)
        if (slice_eq_nocase(name, slice_from_str(commands[i].name)))
            return &commands[i];
    return NULL;
}

const struct command *command_table(size_t *out_n)
{
    *out_n = COUNT(commands);
    return commands;
}
