/*
 * types.h - the words in which an account is described: ids, flags, dates, sets of uids.
 *
 * A uid is a uint32_t named uid, never 0 (RFC 9051 2.3.1.1). A sequence number never comes down
 * here. A mod-sequence is a uint64_t named modseq, 1..2^63-1 (RFC 7162 section 7).
 */
#ifndef ROOST_ACCOUNT_TYPES_H
#define ROOST_ACCOUNT_TYPES_H

#include <assert.h>

#include "base/arena.h"
#include "base/slice.h"

#define MODSEQ_MAX ((uint64_t) INT64_MAX)
#define UID_MAX    ((uint32_t) UINT32_MAX - 1) /* UIDNEXT stays an nz-number */

/* Limits of one account; docs/limits.md has the reasons. */
#define KEYWORDS_MAX           256u       /* different keywords in one mailbox */
#define KEYWORD_BYTES_MAX      255u       /* one keyword */
#define MAILBOX_NAME_BYTES_MAX 1000u      /* a whole name, UTF-8 */
#define MAILBOXES_MAX          50000u     /* in one account */
#define MAILBOX_DEPTH_MAX      64u        /* components of a name */
#define MESSAGES_MAX           (1u << 30) /* in one mailbox */
#define UID_RUNS_MAX           (1u << 20) /* runs in one record */
#define EXPUNGED_RUNS_MAX                                                                      \
    (1u << 16) /* expunges one mailbox remembers before a PURGE is due                         \
                */
#define ACL_ENTRIES_MAX               1024u       /* of one mailbox */
#define ACL_IDENTIFIER_MAX            1000u       /* bytes */
#define ACL_RIGHTS_MAX                64u         /* bytes */
#define METADATA_ENTRIES_MAX          1024u       /* of one mailbox, and of the account */
#define METADATA_NAME_MAX             1024u       /* bytes of an entry's name */
#define METADATA_VALUE_MAX            (64u << 10) /* bytes of a value */
#define QUOTA_RESOURCES_MAX           32u
#define QUOTA_RESOURCE_MAX            64u     /* bytes of a resource's name */
#define SUBSCRIPTIONS_MAX             100000u /* names need no mailbox */
#define OVERLAY_READERS_MAX           4096u   /* readers with private flags in one mailbox */
#define XFERS_MAX                     4096u   /* transfers under way */
#define ANNOTATION_NAME_MAX_BYTES     1024u   /* of an entry of a message (RFC 5257) */
#define ANNOTATION_VALUE_MAX_BYTES    (64u << 10)
#define ANNOTATION_ENTRIES_MAX        64u          /* of one message and reader */
#define ANNOTATION_ROW_MAX_BYTES      (256u << 10) /* all of them */
#define ANNOTATIONS_MAILBOX_MAX_BYTES (64u << 20)  /* all of a mailbox */
#define XFER_PAYLOAD_MAX              (64u << 10)  /* bytes */

/* 128 random bits given once and kept: MAILBOXID, EMAILID, THREADID (RFC 8474). All zero: not
 * given yet. */
struct object_id {
    uint8_t bytes[16];
};

bool object_id_is_zero(const struct object_id *id);
struct object_id object_id_new(void);
/* 22 characters of A-Z a-z 0-9 _ - behind one letter: "M", "E" or "T" (RFC 8474 section 7). */
#define OBJECT_ID_TEXT_BYTES 24
void object_id_print(char letter, const struct object_id *id, char out[OBJECT_ID_TEXT_BYTES]);

/* What object_id_print() printed with this letter; false for anything else. */
bool object_id_parse(char letter, struct slice text, struct object_id *out);

/* System flags (RFC 9051 2.3.2). \Recent is not among them: it belongs to a session. */
enum msg_flag {
    FLAG_SEEN = 1u << 0,
    FLAG_ANSWERED = 1u << 1,
    FLAG_FLAGGED = 1u << 2,
    FLAG_DELETED = 1u << 3,
    FLAG_DRAFT = 1u << 4,
};
#define FLAGS_ALL 0x1fu

/* A date with the zone it was given in. */
struct mail_date {
    int64_t unix_sec;
    int16_t zone_min; /* minutes east of UTC */
};

/* Special use of a mailbox (RFC 6154, RFC 8457, RFC 9979). A mailbox may have several. */
enum special_use {
    USE_ALL = 1u << 0,
    USE_ARCHIVE = 1u << 1,
    USE_DRAFTS = 1u << 2,
    USE_FLAGGED = 1u << 3,
    USE_JUNK = 1u << 4,
    USE_SENT = 1u << 5,
    USE_TRASH = 1u << 6,
    USE_IMPORTANT = 1u << 7,
    USE_MEMOS = 1u << 8,
    USE_SCHEDULED = 1u << 9,
    USE_SNOOZED = 1u << 10,
};

/* Runs of uids, ascending, not touching: the only form in which sets of messages travel below
 * commands/. */
struct uid_run {
    uint32_t first, last;
};

struct uid_set {
    const struct uid_run *runs;
    size_t n; /* runs */
};

/* Index of the first run that does not end below uid; set->n: all do. */
size_t uid_set_run_at(const struct uid_set *set, uint32_t uid);
bool uid_set_contains(const struct uid_set *set, uint32_t uid);
/* All of the run. */
bool uid_set_contains_run(const struct uid_set *set, struct uid_run run);
/* Uids the runs span, also those that name no message. */
uint64_t uid_set_span(const struct uid_set *set);

/* Builds a uid_set from uids (or runs) given in ascending order. */
struct uid_set_builder {
    struct uid_run *runs;
    size_t n, cap;
    struct arena *arena;
};
void uid_set_start(struct uid_set_builder *builder, struct arena *arena);
/* first > last of what was added before. */
void uid_set_grow(struct uid_set_builder *builder); /* for uid_set_add_run */

static inline void uid_set_add_run(struct uid_set_builder *builder, uint32_t first,
                                   uint32_t last)
{
    struct uid_run *end = builder->n > 0 ? &builder->runs[builder->n - 1] : NULL;

    assert(first <= last && (end == NULL || first > end->last));
    if (end != NULL && first == end->last + 1) {
        end->last = last;
        return;
    }
    if (builder->n == builder->cap)
        uid_set_grow(builder);
    builder->runs[builder->n++] = (struct uid_run){first, last};
}

static inline void uid_set_add(struct uid_set_builder *builder, uint32_t uid)
{
    uid_set_add_run(builder, uid, uid);
}
struct uid_set uid_set_finish(const struct uid_set_builder *builder);
/* What is in both; what is in `from` and not in `of`. O(runs of both). */
struct uid_set uid_set_common(const struct uid_set *a, const struct uid_set *b,
                              struct arena *arena);
/* The n-th to the m-th number, from 1; what is behind the end is left out. */
struct uid_set uid_set_ranks(const struct uid_set *set, uint64_t n, uint64_t m,
                             struct arena *arena);
struct uid_set uid_set_without(const struct uid_set *from, const struct uid_set *of,
                               struct arena *arena);

/* Who did it: kept with every group of records. */
struct actor {
    uint64_t account; /* 0: the system (delivery, import, expiry) */
    uint64_t device;  /* 0: none */
};

#endif
