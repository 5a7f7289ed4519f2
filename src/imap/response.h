/*
 * response.h - what a server says, read strictly. For the tests and the load driver.
 *
 * Spec: RFC 9051 section 9 and 7, RFC 3501 section 9; RFC 5258 (LIST), 4731 (ESEARCH), 4315
 * (APPENDUID, COPYUID), 7162 (MODSEQ), 2342 (NAMESPACE), 2971 (ID), 3516 (BINARY).
 *
 * It is the judge of print.h: a response that is not in the grammar is RC_SYNTAX, also where a
 * real client would be lenient. What it does not know it refuses: an extension adds a row.
 * Memory: the arena given to the parser, or the response's bytes.
 */
#ifndef ROOST_IMAP_RESPONSE_H
#define ROOST_IMAP_RESPONSE_H

#include "imap/args.h"
#include "imap/mode.h"
#include "imap/print.h"

#define RESPONSE_MAX_DEPTH 100u /* body structures and lists inside one another */

/*
 * Where the first response of a stream ends, its line end included. The framer remembers how
 * far it looked, so that a stream that arrives in pieces is looked at once; start with {0} for
 * each response. RC_MORE: not whole yet.
 */
struct imap_framer {
    size_t line; /* where the line looked at begins */
    size_t at;   /* looked at up to here */
};
MUST_CHECK enum rc imap_frame_response(struct imap_framer *framer, struct slice bytes,
                                       size_t *out_len);

enum imap_cond { IMAP_OK, IMAP_NO, IMAP_BAD, IMAP_BYE, IMAP_PREAUTH };

enum imap_data {
    IMAP_DATA_CONTINUE,    /* "+ ...": text */
    IMAP_DATA_STATUS,      /* OK NO BAD BYE PREAUTH: cond, code, text; tag if it is tagged */
    IMAP_DATA_CAPABILITY,  /* words */
    IMAP_DATA_ENABLED,     /* words */
    IMAP_DATA_FLAGS,       /* flags */
    IMAP_DATA_LIST,        /* list */
    IMAP_DATA_LSUB,        /* list */
    IMAP_DATA_XLIST,       /* list */
    IMAP_DATA_MBOX_STATUS, /* mbox_status */
    IMAP_DATA_SEARCH,      /* numbers, modseq */
    IMAP_DATA_ESEARCH,     /* esearch */
    IMAP_DATA_SORT,        /* numbers (in search), modseq */
    IMAP_DATA_THREAD,      /* checked, not kept */
    IMAP_DATA_UIDBATCHES,  /* checked, not kept */
    IMAP_DATA_NAMESPACE,   /* checked, not kept */
    IMAP_DATA_LANGUAGE,    /* words */
    IMAP_DATA_COMPARATOR,  /* words: the active one, then those that matched */
    IMAP_DATA_ID,          /* id */
    IMAP_DATA_EXISTS,      /* number */
    IMAP_DATA_RECENT,      /* number */
    IMAP_DATA_EXPUNGE,     /* number */
    IMAP_DATA_FETCH,       /* number, fetch; by_uid: a UIDFETCH, number is the uid */
    IMAP_DATA_VANISHED,    /* vanished */
    IMAP_DATA_METADATA,    /* checked, not kept */
    IMAP_DATA_ACL,         /* checked, not kept */
    IMAP_DATA_LISTRIGHTS,  /* checked, not kept */
    IMAP_DATA_MYRIGHTS,    /* checked, not kept */
    IMAP_DATA_QUOTA,       /* the same */
    IMAP_DATA_QUOTAROOT,   /* the same */
    IMAP_DATA_GENURLAUTH,  /* checked, not kept */
    IMAP_DATA_URLFETCH,    /* checked, not kept */
};

struct imap_words {
    const struct slice *words;
    size_t n;
};

struct imap_list_data {
    struct imap_words attrs;  /* with their backslash */
    char separator;           /* 0: NIL */
    struct slice name;        /* UTF-8 */
    bool subscribed_children; /* CHILDINFO ("SUBSCRIBED") */
    struct slice oldname;     /* UTF-8; len 0: none */
};

struct imap_mbox_status_data {
    struct slice name; /* UTF-8 */
    uint32_t items;    /* bits of enum imap_status_item */
    struct imap_status_values values;
};

/* ADDTO and REMOVEFROM, each pair of a position and a set (RFC 5267 5). */
struct imap_esearch_update {
    bool removes;
    uint32_t position;
    struct seqset set;
};

struct imap_esearch_data {
    struct slice tag;     /* ptr NULL: not there */
    struct slice mailbox; /* UTF-8; ptr NULL: not there */
    uint32_t uidvalidity; /* 0: not there */
    bool uid;
    uint32_t present; /* bits of enum imap_search_return */
    uint32_t min, max, count;
    struct seqset all;
    struct seqset part;                  /* PARTIAL; n == 0: NIL */
    struct imap_esearch_update *updates; /* in the order to be worked off */
    size_t n_updates;
    uint64_t modseq; /* 0: not there */
};

/* nil: ptr is NULL. */
struct imap_address {
    struct slice name, adl, mailbox, host;
};

struct imap_addresses {
    const struct imap_address *addresses;
    size_t n; /* 0: NIL */
};

enum imap_envelope_list {
    IMAP_ENV_FROM,
    IMAP_ENV_SENDER,
    IMAP_ENV_REPLY_TO,
    IMAP_ENV_TO,
    IMAP_ENV_CC,
    IMAP_ENV_BCC,
};
#define IMAP_ENV_COUNT (IMAP_ENV_BCC + 1)

struct imap_envelope {
    struct slice date, subject, in_reply_to, message_id; /* nil: ptr is NULL */
    struct imap_addresses lists[IMAP_ENV_COUNT];
};

struct imap_body_param {
    struct slice name, value;
};

struct imap_body_params {
    const struct imap_body_param *params;
    size_t n; /* 0: NIL */
};

/* body: RFC 9051 section 9. Members that the kind of body does not have are zero. */
struct imap_body {
    bool multipart;
    struct slice type, subtype; /* type is empty for multipart */
    struct imap_body_params params;
    struct slice id, description, encoding;
    uint32_t octets;
    uint64_t lines;
    bool is_text, is_message;
    const struct imap_envelope *envelope;    /* message */
    const struct imap_body *const *children; /* multipart; message: one */
    size_t n_children;
    bool extended; /* extension data follow: BODYSTRUCTURE */
    struct slice md5;
    struct slice disposition; /* nil: ptr is NULL */
    struct imap_body_params disposition_params;
    struct imap_words languages;
    struct slice location;
};

/* An entry beside a message (RFC 5257 4.4); n == 0: the name alone, of one that has changed. */
struct imap_annotation_data {
    struct slice entry;
    struct imap_annotation_value {
        enum imap_annotation_attribute attribute;
        bool nil;
        struct slice value;
    } values[IMAP_ANNOTATION_ATTRIBUTES];
    size_t n;
};

struct imap_fetch_data {
    enum imap_fetch_kind kind;
    struct imap_section section;
    bool has_origin;
    uint64_t origin;
    struct imap_flags flags;    /* FLAGS; \Recent may be among them */
    uint64_t number;            /* UID RFC822.SIZE MODSEQ BINARY.SIZE */
    struct imap_date_time date; /* INTERNALDATE */
    bool nil;                   /* BODY[...] BINARY[...] RFC822... */
    struct slice bytes;         /* the same */
    const struct imap_envelope *envelope;
    const struct imap_body *body; /* BODY, BODYSTRUCTURE */
    const struct imap_annotation_data *annotations;
    size_t n_annotations;
};

struct imap_fetch_message {
    const struct imap_fetch_data *items;
    size_t n;
};

struct imap_vanished_data {
    bool earlier;
    struct seqset uids;
};

struct imap_numbers {
    const uint32_t *numbers;
    size_t n;
    uint64_t modseq; /* 0: not there */
};

struct imap_response {
    enum imap_data data;
    struct slice tag; /* empty: untagged */
    enum imap_cond cond;
    struct slice code;      /* "UIDNEXT"; empty: none */
    struct slice code_args; /* what stands behind it in the brackets */
    struct slice text;
    uint32_t number;
    bool by_uid; /* UIDFETCH (RFC 9586) */
    union {
        struct imap_words words;
        struct imap_flags flags;
        struct imap_list_data list;
        struct imap_mbox_status_data mbox_status;
        struct imap_numbers search;
        struct imap_esearch_data esearch;
        struct imap_id_args id;
        struct imap_fetch_message fetch;
        struct imap_vanished_data vanished;
    };
};

/* All of bytes is one response, line end included. RC_SYNTAX: err says where. */
MUST_CHECK enum rc imap_parse_response(struct slice bytes, struct imap_mode mode,
                                       struct arena *arena, struct imap_response *out,
                                       struct err *err);

/* All of text is an envelope or a body, as FETCH ENVELOPE, BODY and BODYSTRUCTURE send them. */
MUST_CHECK enum rc imap_parse_envelope(struct slice text, struct imap_mode mode,
                                       struct arena *arena, struct imap_envelope *out,
                                       struct err *err);
/* extended: BODYSTRUCTURE; without it extension data are refused, as "BODY" must not have them.
 */
MUST_CHECK enum rc imap_parse_body(struct slice text, bool extended, struct imap_mode mode,
                                   struct arena *arena, struct imap_body *out, struct err *err);

#endif
