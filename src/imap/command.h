/*
 * command.h - from a complete command to typed arguments.
 *
 * Spec: RFC 9051 section 9 (command, uid, tag). The table of commands is the dispatcher's; it
 * names one of the parsers below in each row. Order of use:
 *
 *     imap_parse_head(&text, mode, arena, &cmd, &err)      tag, UID, name
 *     row = find(cmd.name); check state, capability, cmd.uid
 *     imap_parse_args(&cmd, row->parse, &err)              cmd.args, and nothing is left over
 *
 * RC_SYNTAX is answered BAD, RC_INVALID (in the grammar, no sense here) and RC_LIMIT NO.
 * err.text says what was expected and at which byte of the command, the tag's first being 1.
 */
#ifndef ROOST_IMAP_COMMAND_H
#define ROOST_IMAP_COMMAND_H

#include "imap/args.h"
#include "imap/mode.h"

/* What the arguments of any command take at most, whatever a client sends within the reader's
 * limits: an arena this large never runs out. Charsets cost ten times a text's bytes, names in
 * NFC twenty. */
#define COMMAND_ARENA_BYTES ((size_t) 32 << 20)

/* A literal of a command, in order. */
struct imap_literal {
    size_t at; /* offset in the text just behind its header's line end */
    uint64_t len;
    bool binary;  /* literal8 */
    bool nonsync; /* {n+} */
    bool spooled; /* its bytes went to the sink and are not in the text */
};

/* One command, its last line end taken off: what the reader collected. */
struct imap_text {
    struct slice text;
    const struct imap_literal *literals;
    size_t n_literals;
};

/* What a parser reads from. */
struct imap_input {
    struct scan sc;
    const struct imap_literal *literals;
    size_t n_literals;
    struct imap_mode mode;
    bool uid;
    bool from_server; /* a response: literals have no "+" and lines end with CRLF */
    bool has_charset; /* strings have one, and 8-bit text may be quoted as well */
    struct arena *arena;
};

struct imap_cmd {
    struct slice tag;
    struct slice name; /* as written, without "UID" */
    bool uid;          /* "UID" stood before the name */
    struct imap_input in;
    union imap_args args;
};

typedef enum rc imap_parse_fn(struct imap_input *in, union imap_args *args, struct err *err);

/* The tag, or an empty slice if the text does not begin with one: then answer "* BAD". */
struct slice imap_command_tag(struct slice text);

MUST_CHECK enum rc imap_parse_head(const struct imap_text *text, struct imap_mode mode,
                                   struct arena *arena, struct imap_cmd *out, struct err *err);
MUST_CHECK enum rc imap_parse_args(struct imap_cmd *cmd, imap_parse_fn *parse, struct err *err);

/* In RFC 9051's order; each fills the member of union imap_args named behind it. */
imap_parse_fn imap_parse_none;       /* CAPABILITY NOOP LOGOUT STARTTLS IDLE CHECK CLOSE ... */
imap_parse_fn imap_parse_id;         /* id */
imap_parse_fn imap_parse_language;   /* language */
imap_parse_fn imap_parse_comparator; /* comparator */
imap_parse_fn imap_parse_authenticate; /* authenticate */
imap_parse_fn imap_parse_login;        /* login */
imap_parse_fn imap_parse_enable;       /* enable */
imap_parse_fn imap_parse_select;       /* select: SELECT, EXAMINE */
imap_parse_fn imap_parse_create;       /* create */
imap_parse_fn imap_parse_mailbox;      /* mailbox: DELETE, SUBSCRIBE, GETACL, ... */
imap_parse_fn imap_parse_rename;       /* rename */
imap_parse_fn imap_parse_list;         /* list */
imap_parse_fn imap_parse_lsub;         /* list: LSUB, XLIST */
imap_parse_fn imap_parse_status;       /* status */
imap_parse_fn imap_parse_getmetadata;  /* getmetadata */
imap_parse_fn imap_parse_setmetadata;  /* setmetadata */
imap_parse_fn imap_parse_setacl;       /* acl: SETACL */
imap_parse_fn imap_parse_identifier;   /* acl: DELETEACL, LISTRIGHTS */
imap_parse_fn imap_parse_getquota;     /* quota; GETQUOTAROOT: imap_parse_mailbox */
imap_parse_fn imap_parse_setquota;     /* quota */
imap_parse_fn imap_parse_append;       /* append */
imap_parse_fn imap_parse_replace;      /* replace: REPLACE */
/* Where the messages of either go, of a command that is still arriving: mailbox; the rest is
 * not looked at. */
imap_parse_fn imap_parse_append_target, imap_parse_replace_target;
imap_parse_fn imap_parse_expunge;      /* expunge: EXPUNGE, UID EXPUNGE */
imap_parse_fn imap_parse_search;       /* search */
imap_parse_fn imap_parse_esearch;      /* esearch (RFC 7377) */
imap_parse_fn imap_parse_sort;         /* sort */
imap_parse_fn imap_parse_thread;       /* thread */
imap_parse_fn imap_parse_fetch;        /* fetch */
imap_parse_fn imap_parse_store;        /* store */
imap_parse_fn imap_parse_copy;         /* copy: COPY, MOVE */
imap_parse_fn imap_parse_notify;       /* notify */
imap_parse_fn imap_parse_cancelupdate; /* cancelupdate */
imap_parse_fn imap_parse_uidbatches;   /* uidbatches */
imap_parse_fn imap_parse_resetkey;     /* resetkey */
imap_parse_fn imap_parse_genurlauth;   /* genurlauth */
imap_parse_fn imap_parse_urlfetch;     /* urlfetch */
imap_parse_fn imap_parse_compress;     /* nothing: DEFLATE is the only algorithm */

#endif
