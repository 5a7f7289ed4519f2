/*
 * print.h - responses, in the grammar whatever the content.
 *
 * Spec: RFC 9051 section 9 and 7; RFC 3501; RFC 5258, 5819, 4731 (ESEARCH), 4315 (UIDPLUS),
 * 7162, 3516.
 *
 * Every printer appends to a buf that was born with a maximum; the writer of the response looks
 * at buf.overflow once. Where content cannot be said as it is, the rule stands at the printer.
 * The parser's inverse is response.h.
 */
#ifndef ROOST_IMAP_PRINT_H
#define ROOST_IMAP_PRINT_H

#include "imap/args.h"
#include "imap/command.h"
#include "imap/mode.h"

#define PRINT_QUOTED_MAX_BYTES 1024u /* longer strings go as literals */

/* "NIL" */
void imap_print_nil(struct buf *buf);
/* quoted if the mode and the bytes allow it, else a literal. NUL becomes 0x80 (no string holds
 * it). */
void imap_print_string(struct buf *buf, struct slice s, struct imap_mode mode);
/* The same; NULL pointer: NIL. */
void imap_print_nstring(struct buf *buf, struct slice s, struct imap_mode mode);
/* The same, but bytes with NUL as literal8: RFC 5464 section 5 (value). */
void imap_print_value(struct buf *buf, struct slice s, struct imap_mode mode);
/* An atom if it can be one, else a string. */
void imap_print_astring(struct buf *buf, struct slice s, struct imap_mode mode);
/* "{len}" CRLF: the caller appends the len bytes, none of them NUL. */
void imap_print_literal_header(struct buf *buf, uint64_t len);
/* "~{len}" CRLF: bytes of any value follow (RFC 3516 4.2). */
void imap_print_literal8_header(struct buf *buf, uint64_t len);

/* Text behind OK, NO, BAD, BYE: without control characters; 8-bit only in UTF-8 sessions, else
 * "?"; a leading "[" is moved away from the place of a code by "- ", and a "}" at the end,
 * which clients take for a literal's header, gets a full stop; empty becomes "-". */
void imap_print_text(struct buf *buf, struct slice text, struct imap_mode mode);
/* The same, and CRLF: all that is said to people comes through one of these two. */
void imap_print_text_line(struct buf *buf, const char *text, struct imap_mode mode);

/* "17-Jul-1996 02:44:25 -0700" with its quotes. Years are kept within 0000..9999. */
void imap_print_date_time(struct buf *buf, struct imap_date_time date);
/* "1-Feb-1994", no quotes: SEARCH. */
void imap_print_date(struct buf *buf, int32_t day);

/* "[1.2.HEADER.FIELDS (Subject To)]", and with origin "<0>", as a FETCH response names what was
 * asked for. */
void imap_print_section(struct buf *buf, const struct imap_section *section,
                        struct imap_mode mode);
/* The item's name as the response has it: BODY[1]<0>, BINARY.SIZE[2], RFC822.HEADER, FLAGS. */
void imap_print_fetch_name(struct buf *buf, const struct imap_fetch_item *item,
                           struct imap_mode mode);

/* "* 12 FETCH (", or "* 5 UIDFETCH (" for a client without message numbers (RFC 9586). */
void imap_print_fetch_open(struct buf *buf, uint32_t seq, uint32_t uid, struct imap_mode mode);

/*
 * "* 12 FETCH (UID 5 FLAGS (\Seen \Deleted))" CRLF: the fast way for the answer that is printed
 * a million times. uid 0: without UID. modseq 0: without MODSEQ. tail: keywords, each with a
 * space before it, already checked to be atoms; bits are enum imap_flag.
 */
struct imap_flags_line {
    bool uidonly; /* "* 5 UIDFETCH (": seq holds the uid (RFC 9586) */
    uint32_t seq, uid;
    uint32_t bits;
    struct slice keywords;
    uint64_t modseq;
};
void imap_print_flags_line(struct buf *buf, const struct imap_flags_line *line);

/* The attributes of a LIST answer besides the special uses: RFC 9051 7.3.1. */
enum imap_list_attr {
    IMAP_ATTR_NOINFERIORS = 1u << 0,
    IMAP_ATTR_NOSELECT = 1u << 1,
    IMAP_ATTR_NONEXISTENT = 1u << 2,
    IMAP_ATTR_HASCHILDREN = 1u << 3,
    IMAP_ATTR_HASNOCHILDREN = 1u << 4,
    IMAP_ATTR_MARKED = 1u << 5,
    IMAP_ATTR_UNMARKED = 1u << 6,
    IMAP_ATTR_SUBSCRIBED = 1u << 7,
    IMAP_ATTR_REMOTE = 1u << 8,
    IMAP_ATTR_NOACCESS = 1u << 9, /* RFC 5465 3.1 */
    IMAP_ATTR_INBOX = 1u << 10,   /* XLIST */
};

struct imap_list_line {
    const char *verb;     /* "LIST", "LSUB" or "XLIST" */
    bool xlist;           /* special uses by the names that XLIST has for them */
    uint32_t attrs;       /* bits of enum imap_list_attr */
    uint32_t use;         /* bits of enum imap_special_use */
    bool no_separator;    /* NIL: a flat name */
    struct slice name;    /* UTF-8; may be empty (LIST "" "") */
    bool childinfo;       /* ("CHILDINFO" ("SUBSCRIBED")) */
    struct slice oldname; /* UTF-8, as the client's name decodes; len 0: none */
};
/* With "* " and CRLF. */
void imap_print_list_line(struct buf *buf, const struct imap_list_line *line,
                          struct imap_mode mode);

struct imap_status_values {
    uint64_t messages, recent, uidnext, uidvalidity, unseen, deleted, size, highestmodseq;
    uint64_t deleted_storage; /* units of 1024 octets (RFC 9208 5.1) */
    bool no_appendlimit;      /* NIL: none */
    uint64_t appendlimit;
    struct slice mailboxid; /* MAILBOXID: an object id */
};
/* "* STATUS name (MESSAGES 3 ...)" CRLF, the items asked for in RFC order. items is not 0. */
void imap_print_status_line(struct buf *buf, struct slice name, uint32_t items,
                            const struct imap_status_values *values, struct imap_mode mode);

/*
 * "* ESEARCH (TAG "a1") UID MIN 1 COUNT 4 ALL 1:4" CRLF. The members that are asked for by
 * returns and make sense (MIN, MAX and ALL need a hit) are written. all is the set as text,
 * made with imap_runs.
 */
struct imap_esearch_line {
    struct slice tag;
    struct slice mailbox; /* of a search in several: UTF-8, with its uidvalidity (RFC 7377 2.1);
                             empty: that which is selected */
    uint32_t uidvalidity;
    struct imap_mode mode; /* how the mailbox's name is printed */
    bool uid;
    uint32_t returns; /* bits of enum imap_search_return */
    uint32_t min, max, count;
    struct slice all;
    struct imap_partial partial; /* PARTIAL: what was asked for ... */
    struct slice part;           /* ... and the set; empty: NIL */
    struct slice relevancy;      /* RELEVANCY: scores, with spaces between them */
    uint64_t modseq;             /* 0: none (RFC 7162 3.1.5) */
};
void imap_print_esearch_line(struct buf *buf, const struct imap_esearch_line *line);
/* How it begins, up to UID: tag, mailbox and uid are looked at. */
void imap_print_esearch_head(struct buf *buf, const struct imap_esearch_line *line);

/* Response codes with arguments: everything between the brackets, brackets included. Those
 * without arguments are their own name. */
void imap_print_code_number(struct buf *buf, const char *name, uint64_t number);
/* [APPENDUID validity uids]: uids as text, made with imap_runs. */
void imap_print_code_appenduid(struct buf *buf, uint32_t uidvalidity, struct slice uids);
/* [COPYUID validity from to] */
void imap_print_code_copyuid(struct buf *buf, uint32_t uidvalidity, struct slice from,
                             struct slice to);
/* [MODIFIED set], as text. */
void imap_print_code_modified(struct buf *buf, struct slice set);
/* [PERMANENTFLAGS (\Seen $Junk \*)] */
void imap_print_code_permanentflags(struct buf *buf, const struct imap_flags *flags, bool any);
/* [BADCHARSET (US-ASCII UTF-8 ...)]: the charsets SEARCH knows. */
void imap_print_code_badcharset(struct buf *buf);
/* [BADEVENT (MessageNew ...)]: the events NOTIFY knows. */
void imap_print_code_badevent(struct buf *buf);

#endif
