/*
 * args.h - the arguments of every command, as types.
 *
 * Spec: RFC 9051 6 and 9, RFC 3501; RFC 4466 (parameters), 5258, 5819, 6154 (LIST), 3502
 * (MULTIAPPEND), 3516 (BINARY), 4469 (CATENATE), 6855 (UTF8 append data), 7162 (CONDSTORE),
 * 8438 (STATUS=SIZE), 2971 (ID), 5465 (NOTIFY), 5256 and 5957 (SORT, THREAD), 5267 (ESORT).
 *
 * Behind the parser nothing looks at wire text again: names are resolved, dates are numbers,
 * sets are sets. Whether numbers in a set are sequence numbers or uids says imap_cmd.uid.
 * Memory: everything lives in the arena given to the parser, or in the command's text.
 */
#ifndef ROOST_IMAP_ARGS_H
#define ROOST_IMAP_ARGS_H

#include "imap/flags.h"
#include "imap/mailbox_name.h"
#include "imap/search_key.h"
#include "imap/seqset.h"

/* DELETE, SUBSCRIBE, UNSUBSCRIBE, and what else takes one name. */
struct imap_mailbox_args {
    struct imap_mailbox mailbox;
};

/* CREATE name [(USE (\Drafts))]: RFC 9051 6.3.4, RFC 6154 3. */
struct imap_create_args {
    struct imap_mailbox mailbox;
    bool has_use;
    uint32_t use;         /* bits of enum imap_special_use */
    bool use_unsupported; /* an attribute we do not know: NO [USEATTR] */
};

struct imap_rename_args {
    struct imap_mailbox from, to;
};

/* SELECT (QRESYNC (uidvalidity modseq [known-uids] [(seqs uids)])): RFC 7162 3.2.5. No set has
 * "*"; n == 0: the client gave none. */
struct imap_qresync {
    uint32_t uidvalidity;
    uint64_t modseq;
    struct seqset known;
    struct seqset match_seqs, match_uids; /* ascending, and equally many numbers */
};

/* SELECT and EXAMINE: RFC 9051 6.3.2, RFC 7162 3.1.8. */
struct imap_select_args {
    struct imap_mailbox mailbox;
    bool condstore;
    bool annotate; /* RFC 5257 4.2 */
    bool has_qresync;
    struct imap_qresync qresync;
};

enum imap_status_item {
    IMAP_STATUS_MESSAGES = 1u << 0,
    IMAP_STATUS_RECENT = 1u << 1, /* RFC 3501 only */
    IMAP_STATUS_UIDNEXT = 1u << 2,
    IMAP_STATUS_UIDVALIDITY = 1u << 3,
    IMAP_STATUS_UNSEEN = 1u << 4,
    IMAP_STATUS_DELETED = 1u << 5,
    IMAP_STATUS_SIZE = 1u << 6,
    IMAP_STATUS_HIGHESTMODSEQ = 1u << 7,    /* RFC 7162 3.1.7 */
    IMAP_STATUS_APPENDLIMIT = 1u << 8,      /* RFC 7889 4 */
    IMAP_STATUS_MAILBOXID = 1u << 9,        /* RFC 8474 4.3 */
    IMAP_STATUS_DELETED_STORAGE = 1u << 10, /* RFC 9208 4.1.4 */
};

struct imap_status_args {
    struct imap_mailbox mailbox;
    uint32_t items; /* bits of enum imap_status_item, never 0 */
};

enum imap_list_select {
    IMAP_LIST_SUBSCRIBED = 1u << 0,
    IMAP_LIST_REMOTE = 1u << 1,
    IMAP_LIST_RECURSIVEMATCH = 1u << 2,
    IMAP_LIST_SPECIAL_USE = 1u << 3,
};

enum imap_list_return {
    IMAP_RETURN_SUBSCRIBED = 1u << 0,
    IMAP_RETURN_CHILDREN = 1u << 1,
    IMAP_RETURN_SPECIAL_USE = 1u << 2,
    IMAP_RETURN_STATUS = 1u << 3,   /* status_items says which */
    IMAP_RETURN_METADATA = 1u << 4, /* metadata says which: RFC 9590 */
    IMAP_RETURN_MYRIGHTS = 1u << 5, /* RFC 8440 */
};

#define METADATA_MAX_ENTRIES 1024u /* in one command */

/* Entry names in lower case: they are compared so (RFC 5464 3.2). */
struct imap_metadata_names {
    const struct slice *names;
    size_t n;
};

struct imap_metadata_place {
    bool server; /* "": the server's own entries */
    struct imap_mailbox mailbox;
};

enum imap_metadata_depth { IMAP_DEPTH_0, IMAP_DEPTH_1, IMAP_DEPTH_INFINITY };

/* GETMETADATA: RFC 5464 4.2. */
struct imap_getmetadata_args {
    struct imap_metadata_place place;
    bool has_maxsize;
    uint32_t maxsize;
    enum imap_metadata_depth depth;
    struct imap_metadata_names entries; /* n >= 1 */
};

struct imap_metadata_value {
    struct slice entry;
    bool nil;           /* the entry goes */
    struct slice value; /* may hold NUL */
};

/* SETMETADATA: RFC 5464 4.3. */
struct imap_setmetadata_args {
    struct imap_metadata_place place;
    const struct imap_metadata_value *values;
    size_t n; /* >= 1 */
};

enum imap_acl_op { IMAP_ACL_SET, IMAP_ACL_ADD, IMAP_ACL_REMOVE };

/* SETACL, DELETEACL, LISTRIGHTS: RFC 4314 3. */
struct imap_acl_args {
    struct imap_mailbox mailbox;
    struct slice identifier; /* UTF-8, as the client wrote it; "-" may stand before it */
    enum imap_acl_op op;     /* SETACL: what becomes of ... */
    struct slice rights;     /* ... these: lower case letters and digits, known or not */
};

#define LIST_MAX_PATTERNS 1000u /* in one LIST: each is tried on every mailbox */

/* LIST and LSUB: RFC 9051 6.3.9, RFC 3501 6.3.9. */
struct imap_list_args {
    bool extended;    /* selection options, return options or a list of patterns: RFC 5258 3 */
    uint32_t select;  /* bits of enum imap_list_select */
    uint32_t returns; /* bits of enum imap_list_return */
    uint32_t status_items; /* bits of enum imap_status_item */
    struct imap_metadata_names metadata;
    struct slice reference;       /* UTF-8, NFC */
    const struct slice *patterns; /* UTF-8, NFC, with % and * */
    size_t n_patterns;            /* without those that no name can match; may be 0 */
};

struct imap_date_time {
    int64_t sec;          /* since 1970-01-01 UTC */
    int16_t zone_minutes; /* east of Greenwich */
};

#define ANNOTATIONS_MAX 1024u /* values, or patterns of entries, in one list */

/* One value of STORE and APPEND (RFC 5257 4.5); the entry's name is one that may be stored. */
struct imap_annotation {
    struct slice entry;
    bool shared; /* value.shared, else value.priv */
    bool nil;
    struct slice value; /* may hold NUL */
};

struct imap_annotations {
    const struct imap_annotation *values;
    size_t n; /* 0: none were given */
};

enum imap_annotation_attribute {
    IMAP_ANNOTATION_VALUE_PRIV,
    IMAP_ANNOTATION_VALUE_SHARED,
    IMAP_ANNOTATION_SIZE_PRIV,
    IMAP_ANNOTATION_SIZE_SHARED,
};
#define IMAP_ANNOTATION_ATTRIBUTES 4u

/* FETCH (ANNOTATION (entries attributes)): RFC 5257 4.3. */
struct imap_annotation_query {
    const struct slice *entries; /* names, or patterns with % and * */
    size_t n_entries;            /* >= 1 */
    enum imap_annotation_attribute attributes[IMAP_ANNOTATION_ATTRIBUTES]; /* as asked for */
    size_t n_attributes;                                                   /* >= 1, each once */
};

#define CATENATE_MAX_PARTS 4096u /* URL and TEXT parts of one message */

/* A part of a message by CATENATE (RFC 4469): an URL as it was written, or a literal. */
struct imap_cat_part {
    bool is_url;
    struct slice url;
    uint32_t literal; /* as of a message */
    uint64_t len;
};

struct imap_append_message {
    struct imap_flags flags;
    bool has_date;
    struct imap_date_time date;
    struct imap_annotations annotations; /* RFC 5257 4.7 */
    const struct imap_cat_part *parts;   /* CATENATE; NULL: the message is one literal */
    size_t n_parts;                      /* >= 1 with parts */
    uint32_t literal; /* index into imap_text.literals; its bytes went to the sink */
    uint64_t len;
    bool binary; /* literal8: may hold NUL (RFC 3516 4.4) */
    bool utf8;   /* sent as UTF8 (~{...}): RFC 6855 4 */
};

#define APPEND_MESSAGES_MAX 1024u /* in one MULTIAPPEND: one transaction, open stages */

/* APPEND: RFC 9051 6.3.12, RFC 3502 6.3.11. */
struct imap_append_args {
    struct imap_mailbox mailbox;
    const struct imap_append_message *messages;
    size_t n; /* >= 1 */
};

/* REPLACE and UID REPLACE: RFC 8508 3. */
struct imap_replace_args {
    struct imap_set set;            /* one number, or "*" */
    struct imap_append_args append; /* n == 1 */
};

#define URLS_MAX 1024u /* in one GENURLAUTH or URLFETCH */

/* RESETKEY: RFC 4467 7. Without a mailbox: all keys. */
struct imap_resetkey_args {
    bool has_mailbox;
    struct imap_mailbox mailbox;
    bool unknown_mechanism; /* one that is not INTERNAL was named */
};

struct imap_url_rump {
    struct slice url, mechanism; /* as written */
};

struct imap_genurlauth_args {
    const struct imap_url_rump *rumps;
    size_t n; /* >= 1 */
};

enum imap_url_param {
    IMAP_URL_STRUCTURE = 1u << 0,
    IMAP_URL_BODY = 1u << 1,
    IMAP_URL_BINARY = 1u << 2, /* never with BODY */
};

/* URLFETCH: RFC 4467 7, RFC 5524 3.1. */
struct imap_url_fetch {
    struct slice url;
    uint32_t params; /* bits of enum imap_url_param; 0: the simple form */
};

struct imap_urlfetch_args {
    const struct imap_url_fetch *urls;
    size_t n; /* >= 1 */
};

enum imap_section_text {
    IMAP_SECTION_ALL, /* BODY[] or BODY[1.2]: the whole thing */
    IMAP_SECTION_HEADER,
    IMAP_SECTION_HEADER_FIELDS,
    IMAP_SECTION_HEADER_FIELDS_NOT,
    IMAP_SECTION_TEXT,
    IMAP_SECTION_MIME, /* n_parts >= 1 */
};

#define SECTION_MAX_PARTS  64u   /* part numbers in one section; MIME depth is 32 */
#define SECTION_MAX_FIELDS 1024u /* header field names in one section */

struct imap_section {
    enum imap_section_text text;
    const uint32_t *parts; /* 1-based */
    size_t n_parts;
    const struct slice *fields; /* HEADER.FIELDS[.NOT]: as the client spelt them */
    size_t n_fields;
};

enum imap_fetch_kind {
    IMAP_FETCH_FLAGS,
    IMAP_FETCH_UID,
    IMAP_FETCH_INTERNALDATE,
    IMAP_FETCH_RFC822_SIZE,
    IMAP_FETCH_ENVELOPE,
    IMAP_FETCH_BODY, /* BODYSTRUCTURE without extension data */
    IMAP_FETCH_BODYSTRUCTURE,
    IMAP_FETCH_BODY_SECTION, /* section, partial, peek */
    IMAP_FETCH_BINARY,       /* section has parts only; partial, peek */
    IMAP_FETCH_BINARY_SIZE,  /* section has parts only */
    IMAP_FETCH_RFC822,       /* the three of RFC 3501 */
    IMAP_FETCH_RFC822_HEADER,
    IMAP_FETCH_RFC822_TEXT,
    IMAP_FETCH_MODSEQ,     /* RFC 7162 3.1.4.2 */
    IMAP_FETCH_EMAILID,    /* RFC 8474 5.3 */
    IMAP_FETCH_THREADID,   /* the same */
    IMAP_FETCH_SAVEDATE,   /* RFC 8514 4.2 */
    IMAP_FETCH_PREVIEW,    /* RFC 8970 3; lazy */
    IMAP_FETCH_ANNOTATION, /* RFC 5257 4.3; annotations */
};
#define IMAP_FETCH_COUNT (IMAP_FETCH_ANNOTATION + 1)

struct imap_fetch_item {
    enum imap_fetch_kind kind;
    bool peek;
    bool partial;
    bool lazy;            /* PREVIEW (LAZY): only if it is there (RFC 8970 4.1) */
    uint64_t offset, len; /* partial: len >= 1 */
    struct imap_section section;
    const struct imap_annotation_query *annotations;
};

/* PARTIAL 1:10 or -1:-10 (RFC 9394 4), as the client wrote it; never 0. */
struct imap_partial {
    bool from_end;
    uint32_t from, to;
};

/* As ranks from 1 among count results, *from <= *to; false: none of them exists. */
static inline bool imap_partial_ranks(const struct imap_partial *partial, uint64_t count,
                                      uint64_t *from, uint64_t *to)
{
    uint64_t low = MIN(partial->from, partial->to), high = MAX(partial->from, partial->to);

    if (low > count)
        return false;
    high = MIN(high, count);
    *from = partial->from_end ? count - high + 1 : low;
    *to = partial->from_end ? count - low + 1 : high;
    return true;
}

#define FETCH_MAX_ITEMS 4096u /* items in one FETCH */

/* FETCH and UID FETCH: RFC 9051 6.4.5. Macros (ALL FAST FULL) come resolved into items. */
struct imap_fetch_args {
    struct imap_set set;
    const struct imap_fetch_item *items;
    size_t n;       /* >= 1 */
    uint32_t kinds; /* bit (1 << kind) for each kind that occurs */
    bool has_changedsince;
    uint64_t changedsince; /* RFC 7162 3.1.4.1 */
    bool vanished;         /* RFC 7162 3.2.6: only with UID and CHANGEDSINCE */
    bool has_partial;      /* RFC 9394 3.3: only with UID */
    struct imap_partial partial;
};

enum imap_store_op { IMAP_STORE_SET, IMAP_STORE_ADD, IMAP_STORE_REMOVE };

/* STORE and UID STORE: RFC 9051 6.4.6. */
struct imap_store_args {
    struct imap_set set;
    enum imap_store_op op;
    bool silent;
    struct imap_flags flags;
    /* n > 0: these, and no flags. The same as .SILENT (RFC 5257 4.5). */
    struct imap_annotations annotations;
    bool has_unchangedsince;
    uint64_t unchangedsince; /* RFC 7162 3.1.3; 0 is allowed and fails for every message */
};

/* COPY, MOVE and their UID forms. */
struct imap_copy_args {
    struct imap_set set;
    struct imap_mailbox mailbox;
};

/* Which mailboxes are meant: filter-mailboxes of RFC 5465 section 8 and RFC 7377 section 4. */
enum imap_filter_kind {
    IMAP_FILTER_SELECTED,
    IMAP_FILTER_SELECTED_DELAYED, /* NOTIFY only */
    IMAP_FILTER_INBOXES,
    IMAP_FILTER_PERSONAL,
    IMAP_FILTER_SUBSCRIBED,
    IMAP_FILTER_SUBTREE,     /* names and what is below them */
    IMAP_FILTER_SUBTREE_ONE, /* names and what is one level below; ESEARCH only */
    IMAP_FILTER_MAILBOXES,   /* names */
};
#define IMAP_FILTER_KIND_COUNT (IMAP_FILTER_MAILBOXES + 1)

#define FILTER_MAX_NAMES 4096u /* mailboxes named in one command */

struct imap_mailbox_filter {
    enum imap_filter_kind kind;
    const struct slice *names; /* resolved; such as no mailbox can have are left out */
    size_t n_names;
};

enum imap_search_return {
    IMAP_SEARCH_MIN = 1u << 0,
    IMAP_SEARCH_MAX = 1u << 1,
    IMAP_SEARCH_ALL = 1u << 2,
    IMAP_SEARCH_COUNT = 1u << 3,
    IMAP_SEARCH_SAVE = 1u << 4,
    IMAP_SEARCH_PARTIAL = 1u << 5,   /* never with ALL */
    IMAP_SEARCH_UPDATE = 1u << 6,    /* RFC 5267 4.3 */
    IMAP_SEARCH_CONTEXT = 1u << 7,   /* RFC 5267 4.2: a hint */
    IMAP_SEARCH_RELEVANCY = 1u << 8, /* with has_fuzzy (RFC 6203 4) */
};
/* Options that say nothing of what was found. */
#define IMAP_SEARCH_SILENT                                                                     \
    ((uint32_t) IMAP_SEARCH_SAVE | IMAP_SEARCH_UPDATE | IMAP_SEARCH_CONTEXT)

/* SEARCH and UID SEARCH: RFC 9051 6.4.4. */
struct imap_search_args {
    bool has_return;  /* RETURN (...) was there: answer ESEARCH. IMAP4rev2 always does. */
    uint32_t returns; /* bits of enum imap_search_return; RETURN () comes as ALL */
    struct imap_partial partial;
    struct imap_fetch_args update; /* UPDATE (items): RFC 5465 7; n == 0: none */
    bool bad_charset;              /* the charset is not known: NO [BADCHARSET]; key is NULL */
    bool bad_filter; /* FILTER with a charset that is not UTF-8 (RFC 5466 3.1): BAD */
    bool has_fuzzy;  /* some key is FUZZY */
    struct imap_search_key *key;
};

#define ESEARCH_MAX_FILTERS 256u /* in one command */

/* ESEARCH: RFC 7377 4. */
struct imap_esearch_args {
    struct imap_search_args search; /* first: what finds is that of SEARCH */
    const struct imap_mailbox_filter *filters;
    size_t n; /* 0: IN is not there, and SELECTED is meant (2.2) */
};

enum imap_sort_key {
    IMAP_SORT_ANNOTATION, /* RFC 5257 4.9: entry, is_private */
    IMAP_SORT_ARRIVAL,
    IMAP_SORT_CC,
    IMAP_SORT_DATE,
    IMAP_SORT_DISPLAYFROM, /* RFC 5957 4 */
    IMAP_SORT_DISPLAYTO,
    IMAP_SORT_FROM,
    IMAP_SORT_RELEVANCY, /* RFC 6203 6 */
    IMAP_SORT_SIZE,
    IMAP_SORT_SUBJECT,
    IMAP_SORT_TO,
};
#define IMAP_SORT_KEY_COUNT (IMAP_SORT_TO + 1)
#define SORT_MAX_CRITERIA   64u /* in one SORT; a repeated one changes nothing */
#define SORT_MAX_ENTRIES    8u  /* of them ANNOTATION */

struct imap_sort_criterion {
    enum imap_sort_key key;
    bool reverse;
    bool is_private; /* value.priv, not value.shared */
    struct slice entry;
};

/* SORT and UID SORT: RFC 5256 section 5, RFC 5267 section 5. */
struct imap_sort_args {
    struct imap_search_args search; /* first: what finds is that of SEARCH */
    const struct imap_sort_criterion *criteria;
    size_t n; /* >= 1 */
};

enum imap_thread_algorithm {
    IMAP_THREAD_ORDEREDSUBJECT,
    IMAP_THREAD_REFERENCES,
    IMAP_THREAD_REFS, /* draft-ietf-morg-inthread */
};

/* THREAD and UID THREAD: RFC 5256 section 5. */
struct imap_thread_args {
    struct imap_search_args search; /* first, as above; has no RETURN */
    enum imap_thread_algorithm algorithm;
};

/* EXPUNGE (no set) and UID EXPUNGE (RFC 4315 2.1). */
struct imap_expunge_args {
    struct imap_set set; /* only with imap_cmd.uid */
};

#define CANCELUPDATE_MAX_TAGS 256u /* in one command */

/* CANCELUPDATE: RFC 5267 4.3.5. */
struct imap_cancelupdate_args {
    const struct slice *tags;
    size_t n; /* >= 1 */
};

/* UIDBATCHES (RFC 10022 3). */
struct imap_uidbatches_args {
    uint32_t size;
    bool has_range;
    uint32_t first, last; /* batches, as the client wrote them */
};

#define ENABLE_MAX_CAPABILITIES 256u

struct imap_enable_args {
    const struct slice *capabilities; /* as the client wrote them */
    size_t n;                         /* >= 1 */
};

#define LANGUAGE_MAX_RANGES 64u

/* LANGUAGE: RFC 5255 3.2. */
struct imap_language_args {
    const struct slice *ranges; /* each a language-range */
    size_t n;                   /* 0: which are there? */
};

#define COMPARATOR_MAX_ORDERS 64u
#define COLLATION_MAX_BYTES   254u /* of an identifier: RFC 4790 3.1 */

/* COMPARATOR: RFC 5255 4.7. */
struct imap_comparator_order {
    bool reverse;      /* a "-" stood before it (RFC 4790 3.3) */
    struct slice wild; /* collation-wild, or "default" */
};
struct imap_comparator_args {
    const struct imap_comparator_order *orders;
    size_t n; /* 0: which is it? */
};

#define ID_MAX_FIELDS      30u /* RFC 2971 3.3 */
#define ID_MAX_KEY_BYTES   30u
#define ID_MAX_VALUE_BYTES 1024u

struct imap_id_field {
    struct slice key;
    bool nil;
    struct slice value;
};

struct imap_id_args {
    const struct imap_id_field *fields;
    size_t n; /* 0: NIL or () */
};

enum imap_notify_event {
    IMAP_NOTIFY_MESSAGE_NEW = 1u << 0,
    IMAP_NOTIFY_MESSAGE_EXPUNGE = 1u << 1,
    IMAP_NOTIFY_FLAG_CHANGE = 1u << 2,
    IMAP_NOTIFY_ANNOTATION_CHANGE = 1u << 3,
    IMAP_NOTIFY_MAILBOX_NAME = 1u << 4,
    IMAP_NOTIFY_SUBSCRIPTION_CHANGE = 1u << 5,
    IMAP_NOTIFY_MAILBOX_METADATA = 1u << 6,
    IMAP_NOTIFY_SERVER_METADATA = 1u << 7,
};
#define IMAP_NOTIFY_MESSAGE_EVENTS                                                             \
    ((uint32_t) IMAP_NOTIFY_MESSAGE_NEW | IMAP_NOTIFY_MESSAGE_EXPUNGE |                        \
     IMAP_NOTIFY_FLAG_CHANGE | IMAP_NOTIFY_ANNOTATION_CHANGE)

#define NOTIFY_MAX_GROUPS 256u /* event groups in one command */

struct imap_notify_group {
    struct imap_mailbox_filter mailboxes;
    uint32_t events;                     /* bits of enum imap_notify_event; 0: NONE */
    const struct imap_fetch_item *items; /* MessageNew of SELECTED: what to fetch */
    size_t n_items;
    uint32_t kinds; /* bit (1 << kind) for each kind that occurs */
};

/* NOTIFY: RFC 5465 3.1 and 8. */
struct imap_notify_args {
    bool set;         /* else NONE */
    bool status;      /* STATUS of what is watched comes first */
    bool unsupported; /* an event we do not know: NO [BADEVENT (...)] */
    const struct imap_notify_group *groups;
    size_t n; /* set: >= 1 */
};

/* AUTHENTICATE with SASL-IR (RFC 4959). */
struct imap_authenticate_args {
    struct slice mechanism; /* as written; compare without case */
    bool has_initial;
    struct slice initial; /* decoded; "=" gives an empty one */
};

struct imap_login_args {
    struct slice user, password;
};

#define SETQUOTA_MAX_RESOURCES 32u /* in one command; four are known */

struct imap_quota_limit {
    struct slice resource; /* an atom, as written */
    uint64_t limit;        /* below 2^63, in the resource's units */
};

/* GETQUOTA and SETQUOTA: RFC 9208 4.1. */
struct imap_quota_args {
    struct slice root;
    const struct imap_quota_limit *limits; /* SETQUOTA */
    size_t n;
};

union imap_args {
    struct imap_quota_args quota;
    struct imap_mailbox_args mailbox;
    struct imap_create_args create;
    struct imap_rename_args rename;
    struct imap_select_args select;
    struct imap_status_args status;
    struct imap_list_args list;
    struct imap_getmetadata_args getmetadata;
    struct imap_setmetadata_args setmetadata;
    struct imap_acl_args acl;
    struct imap_append_args append;
    struct imap_replace_args replace;
    struct imap_resetkey_args resetkey;
    struct imap_genurlauth_args genurlauth;
    struct imap_urlfetch_args urlfetch;
    struct imap_fetch_args fetch;
    struct imap_store_args store;
    struct imap_copy_args copy;
    struct imap_search_args search;
    struct imap_esearch_args esearch;
    struct imap_sort_args sort;
    struct imap_thread_args thread;
    struct imap_expunge_args expunge;
    struct imap_cancelupdate_args cancelupdate;
    struct imap_uidbatches_args uidbatches;
    struct imap_enable_args enable;
    struct imap_id_args id;
    struct imap_language_args language;
    struct imap_comparator_args comparator;
    struct imap_notify_args notify;
    struct imap_authenticate_args authenticate;
    struct imap_login_args login;
};

#endif
