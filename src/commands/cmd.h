/*
 * cmd.h - one running command, and the row that describes its kind.
 *
 * Spec: RFC 9051 6. The rows are in table.c; the dispatcher enforces them (dispatch.h).
 *
 * A handler acts on cmd->args and writes to cmd->reply. It answers RC_OK when it has noted its
 * tagged answer, an error otherwise. A handler with a long answer keeps its progress in
 * cmd->cursor and answers RC_MORE when the reply is full or its slice of work is done; it is
 * called again and goes on. Before the first call cursor is NULL.
 */
#ifndef ROOST_COMMANDS_CMD_H
#define ROOST_COMMANDS_CMD_H

#include "commands/reply.h"
#include "commands/session.h"
#include "imap/command.h"

/* States a command is allowed in, as bits. */
enum cmd_states {
    ST_AUTH = 1u << SESSION_AUTH,
    ST_SELECTED = 1u << SESSION_SELECTED,
    ST_ANY = ST_AUTH | ST_SELECTED,
};

enum cmd_flags {
    CMD_PLAIN = 0,
    CMD_EXPUNGES = 1u << 0,  /* EXPUNGE may be told with its reply (RFC 9051 7.5.1) */
    CMD_UID = 1u << 1,       /* has a UID form, which may tell EXPUNGE too */
    CMD_SEQ = 1u << 2,       /* without UID its arguments are sequence numbers */
    CMD_SEQ_KEYS = 1u << 3,  /* sequence numbers may stand in its UID form as well */
    CMD_WRITES = 1u << 4,    /* changes the account: not with a read-only credential */
    CMD_CHANGES = 1u << 5,   /* changes the selected mailbox: not after EXAMINE */
    CMD_UNSELECTS = 1u << 6, /* leaves the mailbox: nothing of it is told behind */
    CMD_COMPUTES = 1u << 7,  /* may compute for long before it says anything: takes turns */
    CMD_COUNTS = 1u << 8,    /* asks nothing of the selected mailbox but what it counts */
};

struct cmd;
typedef enum rc cmd_run_fn(struct cmd *cmd, struct err *err);

struct command {
    const char *name;
    unsigned states; /* enum cmd_states */
    enum imap_cap needs;
    imap_parse_fn *parse;
    cmd_run_fn *run;
    const char *spec; /* section of RFC 9051, or another RFC */
    unsigned flags;   /* enum cmd_flags */
};

/* NULL: no such command; case is ignored. */
const struct command *command_find(struct slice name);
/* All rows, for tests. */
const struct command *command_table(size_t *out_n);

/* Where the command is in its life. */
enum cmd_phase { CMD_RUNS, CMD_SYNCS };

struct cmd {
    struct session *session;
    const struct command *row;
    struct arena *arena;
    struct reply *reply;
    struct slice tag;
    bool uid;
    union imap_args args;

    struct body_stage **stages; /* APPEND: one a message; NULL once committed */
    size_t n_stages;
    bool seq_command_waits; /* a complete command with sequence numbers is in the buffer */

    void *cursor;                      /* the handler's progress */
    void (*cursor_done)(void *cursor); /* called once, when the command ends; may be NULL */

    /* With RC_MORE: may a line stand before what comes next (cmd_progress)? How far it is, and
     * of how many; goal 0: not known (RFC 9585). */
    bool tells_progress;
    uint32_t progress, goal;

    /* The dispatcher's. */
    int64_t progress_us; /* when the next word of it is due */
    enum cmd_phase phase;
    bool enters_idle, ends_session, close_now;
    bool leaves_login;    /* behind the tagged OK nobody is logged in (RFC 8437) */
    bool starts_compress; /* what follows the tagged OK is compressed */
    bool is_news;         /* no command of the client: what happened meanwhile */
    bool tells_all;       /* NOTIFY SET: what has gathered is told, whatever is watched */
    bool tells_modseq;    /* [HIGHESTMODSEQ] with the tagged OK, as the sync leaves it */
    struct view_changes changes; /* being told */
    size_t told;
    struct context_sync *contexts; /* context.h; NULL: nothing to do */
    struct uid_set fetches; /* new messages of which NOTIFY wants items, behind the changes */
    bool is_fetching;
    struct reply reply_space;
};

/* The handler pauses here: between two answers, with so many of so many things done. Counts of
 * one command do not fall. */
static inline enum rc cmd_progress(struct cmd *cmd, uint64_t progress, uint64_t goal)
{
    cmd->tells_progress = progress <= UINT32_MAX && goal <= UINT32_MAX;
    cmd->progress = (uint32_t) progress;
    cmd->goal = (uint32_t) goal;
    return RC_MORE;
}

cmd_run_fn cmd_capability, cmd_noop, cmd_logout, cmd_id, cmd_enable;
cmd_run_fn cmd_select, cmd_examine, cmd_unselect, cmd_close;
cmd_run_fn cmd_create, cmd_delete, cmd_rename, cmd_subscribe, cmd_unsubscribe;
cmd_run_fn cmd_list, cmd_lsub, cmd_xlist, cmd_rlist, cmd_rlsub, cmd_namespace, cmd_status;
cmd_run_fn cmd_append, cmd_expunge, cmd_search, cmd_fetch, cmd_store, cmd_copy, cmd_move;
cmd_run_fn cmd_unauthenticate;
cmd_run_fn cmd_setacl, cmd_deleteacl, cmd_getacl, cmd_listrights, cmd_myrights;
cmd_run_fn cmd_unauthenticate, cmd_uidbatches, cmd_cancelupdate;
cmd_run_fn cmd_resetkey, cmd_genurlauth, cmd_urlfetch;
cmd_run_fn cmd_language, cmd_comparator;
cmd_run_fn cmd_replace, cmd_idle, cmd_compress, cmd_getmetadata, cmd_setmetadata;
cmd_run_fn cmd_notify, cmd_esearch, cmd_sort, cmd_thread;
cmd_run_fn cmd_getquota, cmd_getquotaroot, cmd_setquota;

#endif
