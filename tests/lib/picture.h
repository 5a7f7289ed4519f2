/*
 * picture.h - a selected mailbox as a client draws it, from nothing but what it was told.
 *
 * It knows how many messages there are, and of each what some answer said: uid, flags, whether
 * it is \Recent, annotations. What breaks the rules of the protocol while drawing (a number
 * that is not there, a count that shrinks without EXPUNGE, a uid that changes) is refused with
 * a text.
 */
#ifndef ROOST_TESTS_PICTURE_H
#define ROOST_TESTS_PICTURE_H

#include "imap/response.h"
#include "lib/oracle.h"

#define PICTURE_VALUES 6u

/* The entries that are drawn, and what they may hold, in the order of SORT; the first is NIL.
 */
extern const char *const picture_entries[ORACLE_ENTRIES];
extern const char *const picture_values[PICTURE_VALUES];

/* An entry of annotations: [0] of the client's own, [1] everybody's. */
struct picture_annotation {
    bool is_known[2];
    uint8_t value[2]; /* of picture_values; 0: NIL */
    bool is_told;     /* somebody changed it (RFC 5257 4.4); whoever looks at it clears it */
    unsigned seen[2]; /* how many changes the client has heard of: oracle_annotation.changes */
};

struct picture_message {
    uint32_t uid; /* 0: not told */
    bool has_flags, is_recent;
    uint32_t flags;        /* as oracle.h has them */
    uint64_t modseq;       /* 0: not told */
    unsigned heard;        /* the command during which it was last told of ... */
    unsigned heard_modseq; /* ... and its MODSEQ */
    bool was_counted;      /* when annotations were looked at last */
    struct picture_annotation annotations[ORACLE_ENTRIES];
};

struct picture {
    struct picture_message *messages;
    size_t n, cap;
    int64_t recent; /* -1: not told */
    unsigned now;   /* number of the running command */
};

void picture_clear(struct picture *picture);
/* EXISTS, RECENT, EXPUNGE, VANISHED, FETCH; others change nothing. NULL, or what is wrong. */
const char *picture_draw(struct picture *picture, const struct imap_response *response);
/* For a client without message numbers (RFC 9586), which knows messages by uid alone: puts them
 * in this order. As many uids as it counts messages; those it was not told of take the places
 * that are left. NULL, or what is wrong. */
const char *picture_arrange(struct picture *picture, const uint32_t *uids);
/* The flags of an answer as oracle.h has them, \Recent left out. */
uint32_t picture_flags(const struct imap_flags *flags);

#endif
