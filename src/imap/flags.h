/*
 * flags.h - flags, keywords, special-use attributes.
 *
 * Spec: RFC 9051 2.3.2 and section 9 (flag, flag-list), RFC 3501 (\Recent), RFC 6154, 8457 and
 * 9979 (use-attr). System flags are bits; keywords keep the client's spelling and compare
 * without the case of ASCII letters.
 */
#ifndef ROOST_IMAP_FLAGS_H
#define ROOST_IMAP_FLAGS_H

#include "base/arena.h"
#include "base/buf.h"

enum imap_flag {
    IMAP_SEEN = 1u << 0,
    IMAP_ANSWERED = 1u << 1,
    IMAP_FLAGGED = 1u << 2,
    IMAP_DELETED = 1u << 3,
    IMAP_DRAFT = 1u << 4,
    IMAP_RECENT = 1u << 5, /* printed in IMAP4rev1 sessions, a search key; no client sets it */
};
#define IMAP_FLAG_COUNT 6u

#define IMAP_KEYWORD_MAX_BYTES                                                                 \
    255u                    /* longer ones are no client's; they cost every FETCH FLAGS */
#define IMAP_FLAGS_MAX 256u /* flags named by one argument */

struct imap_flags {
    uint32_t bits; /* bits of enum imap_flag */
    const struct slice *keywords;
    size_t n_keywords;
};

/* The bit of "\Seen" (with its backslash, any case), or 0. */
uint32_t imap_flag_bit(struct slice name);
/* An atom that may be a keyword, within the limit. */
bool imap_is_keyword(struct slice name);

enum imap_special_use {
    IMAP_USE_ALL = 1u << 0,
    IMAP_USE_ARCHIVE = 1u << 1,
    IMAP_USE_DRAFTS = 1u << 2,
    IMAP_USE_FLAGGED = 1u << 3,
    IMAP_USE_JUNK = 1u << 4,
    IMAP_USE_SENT = 1u << 5,
    IMAP_USE_TRASH = 1u << 6,
    IMAP_USE_IMPORTANT = 1u << 7, /* RFC 8457 */
    IMAP_USE_MEMOS = 1u << 8,     /* RFC 9979, as the next two */
    IMAP_USE_SCHEDULED = 1u << 9,
    IMAP_USE_SNOOZED = 1u << 10,
};

/* The bit of "\Drafts" (any case), or 0. */
uint32_t imap_special_use_bit(struct slice name);

/* "(\Seen $Junk)" */
void imap_print_flag_list(struct buf *buf, const struct imap_flags *flags);
/* "\Seen $Junk": the inside, in a fixed order; returns whether anything was written. */
bool imap_print_flags(struct buf *buf, const struct imap_flags *flags);
/* "\Drafts \Sent": each set bit, a space before each but the first if first is true. */
void imap_print_special_use(struct buf *buf, uint32_t uses, bool first);
/* "\Spam \Sent": the same in the words of XLIST. */
void imap_print_xlist_use(struct buf *buf, uint32_t uses, bool first);

#endif
