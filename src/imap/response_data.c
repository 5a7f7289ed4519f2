#include "imap/response_data.h"

#include "base/ascii.h"
#include "imap/response_body.h"
#include "imap/response_esearch.h"
#include "imap/response_fetch.h"
#include "imap/response_text.h"
#include "imap/response_thread.h"

#define COMPARATORS_MAX 1024u /* in one answer */

typedef enum rc data_fn(struct imap_input *in, struct imap_response *out, struct err *err);

static enum rc take_none(struct imap_input *in, struct imap_response *out, struct err *err)
{
    (void) in;
    (void) out;
    (void) err;
    return RC_OK;
}

/* *(SP atom) */
static enum rc take_words(struct imap_input *in, struct imap_response *out, struct err *err)
{
    struct slice *words =
        ARENA_ARRAY(in->arena, struct slice, slice_count(scan_rest(&in->sc), ' ') + 1);
    size_t n = 0;

    while (lex_sp(in))
        if (!lex_atom(in, &words[n++]))
            return lex_fail(in, err, "an atom");
    out->words = (struct imap_words){words, n};
    return RC_OK;
}

/* capability-data names a revision: RFC 9051 section 9. */
static enum rc take_capability(struct imap_input *in, struct imap_response *out,
                               struct err *err)
{
    enum rc rc = take_words(in, out, err);

    for (size_t i = 0; !rc && i < out->words.n; i++)
        if (slice_eq_nocase(out->words.words[i], SLICE("IMAP4rev2")) ||
            slice_eq_nocase(out->words.words[i], SLICE("IMAP4rev1")))
            return RC_OK;
    return rc ? rc : lex_fail(in, err, "IMAP4rev1 or IMAP4rev2");
}

static enum rc take_flags(struct imap_input *in, struct imap_response *out, struct err *err)
{
    if (!lex_sp(in))
        return lex_fail(in, err, "a space and flags");
    return response_take_flags(in, false, &out->flags, err);
}

/* RFC 9586 3.2 to 3.4: a client of uids hears of no numbers, and nobody else hears UIDFETCH. */
static enum rc take_uidfetch(struct imap_input *in, struct imap_response *out, struct err *err)
{
    if (!in->mode.uidonly)
        return lex_fail(in, err, "no UIDFETCH without UIDONLY");
    if (!lex_sp(in))
        return lex_fail(in, err, "a space and FETCH items");
    out->by_uid = true;
    return response_take_fetch(in, &out->fetch, err);
}

static enum rc take_expunge(struct imap_input *in, struct imap_response *out, struct err *err)
{
    (void) out;
    return in->mode.uidonly ? lex_fail(in, err, "no EXPUNGE with UIDONLY") : RC_OK;
}

static enum rc take_fetch(struct imap_input *in, struct imap_response *out, struct err *err)
{
    if (in->mode.uidonly || !lex_sp(in))
        return lex_fail(in, err, "a space and FETCH items, and no UIDONLY");
    return response_take_fetch(in, &out->fetch, err);
}

/* mailbox, in the session's spelling. The response is at fault if it is not, so that is syntax.
 */
static enum rc take_mailbox(struct imap_input *in, struct slice *out, struct err *err)
{
    struct scan before = in->sc;
    struct slice wire;

    if (lex_astring(in, &wire) &&
        imap_resolve_pattern(wire, in->mode, in->arena, out, NULL) == RC_OK)
        return RC_OK;
    in->sc = before;
    return lex_fail(in, err, "a mailbox name in the session's spelling");
}

/* "(" ["\" atom *(SP "\" atom)] ")" */
static enum rc take_attrs(struct imap_input *in, struct imap_words *out, struct err *err)
{
    struct slice rest = scan_rest(&in->sc), name;
    size_t max = slice_count(slice_sub(rest, 0, slice_find(rest, ')')), ' ') + 1, n = 0;
    struct slice *words = ARENA_ARRAY(in->arena, struct slice, max);

    if (!lex_byte(in, '('))
        return lex_fail(in, err, "\"(\" and attributes");
    if (!lex_byte(in, ')')) {
        do {
            const char *from = in->sc.pos;

            if (!lex_byte(in, '\\') || !lex_atom(in, &name))
                return lex_fail(in, err, "an attribute");
            words[n++] = slice_of(from, name.len + 1);
        } while (lex_sp(in));
        if (!lex_byte(in, ')'))
            return lex_fail(in, err, "a space or \")\"");
    }
    *out = (struct imap_words){words, n};
    return RC_OK;
}

/* tagged-ext-val: a simple value, or "(" [tagged-ext-comp] ")" of any depth up to the limit. */
static enum rc skip_ext_value(struct imap_input *in, unsigned depth, struct err *err)
{
    struct slice text;
    enum rc rc = RC_OK;

    if (depth > RESPONSE_MAX_DEPTH)
        return err_set(err, RC_LIMIT, "Extension data is nested too deep", "response: depth");
    if (!lex_byte(in, '('))
        return lex_astring(in, &text) ? RC_OK : lex_fail(in, err, "a value");
    if (lex_byte(in, ')'))
        return RC_OK;
    do {
        rc = skip_ext_value(in, depth + 1, err);
    } while (!rc && lex_sp(in));
    return rc || lex_byte(in, ')') ? rc : lex_fail(in, err, "a space or \")\"");
}

/* "(" "SUBSCRIBED" in quotes ")": childinfo-extended-item */
static enum rc take_childinfo(struct imap_input *in, struct imap_list_data *list,
                              struct err *err)
{
    struct slice option;

    if (!lex_byte(in, '(') || !lex_quoted(in, &option) ||
        !slice_eq_nocase(option, SLICE("SUBSCRIBED")) || !lex_byte(in, ')'))
        return lex_fail(in, err, "(\"SUBSCRIBED\")");
    list->subscribed_children = true;
    return RC_OK;
}

/* "(" mailbox ")": oldname-extended-item */
static enum rc take_oldname(struct imap_input *in, struct imap_list_data *list, struct err *err)
{
    enum rc rc;

    if (!lex_byte(in, '('))
        return lex_fail(in, err, "\"(\" and a mailbox name");
    rc = take_mailbox(in, &list->oldname, err);
    return rc || lex_byte(in, ')') ? rc : lex_fail(in, err, "\")\"");
}

/* mbox-list-extended-item: tag SP value */
static enum rc take_list_item(struct imap_input *in, struct imap_list_data *list,
                              struct err *err)
{
    struct slice tag;

    if (!lex_astring(in, &tag) || !lex_sp(in))
        return lex_fail(in, err, "an extended item and a space");
    if (slice_eq_nocase(tag, SLICE("CHILDINFO")))
        return take_childinfo(in, list, err);
    if (slice_eq_nocase(tag, SLICE("OLDNAME")))
        return take_oldname(in, list, err);
    return skip_ext_value(in, 0, err);
}

/* DQUOTE QUOTED-CHAR DQUOTE / nil */
static bool take_separator(struct imap_input *in, char *out)
{
    struct slice text;

    *out = '\0';
    if (lex_word(in, "NIL"))
        return true;
    if (!lex_quoted(in, &text) || text.len != 1)
        return false;
    *out = text.ptr[0];
    return true;
}

/* mailbox-list */
static enum rc take_list(struct imap_input *in, struct imap_response *out, struct err *err)
{
    struct imap_list_data *list = &out->list;
    enum rc rc = lex_sp(in) ? take_attrs(in, &list->attrs, err) : lex_fail(in, err, "a space");

    if (rc)
        return rc;
    if (!lex_sp(in) || !take_separator(in, &list->separator) || !lex_sp(in))
        return lex_fail(in, err, "a separator in quotes or NIL");
    rc = take_mailbox(in, &list->name, err);
    if (rc || !lex_sp(in))
        return rc;
    if (!lex_byte(in, '('))
        return lex_fail(in, err, "\"(\" and extended items");
    if (lex_byte(in, ')'))
        return RC_OK;
    do {
        rc = take_list_item(in, list, err);
    } while (!rc && lex_sp(in));
    return rc || lex_byte(in, ')') ? rc : lex_fail(in, err, "a space or \")\"");
}

/* One value behind its item: RFC 9051 status-att-val. */
struct status_value {
    const char *name;
    uint32_t item;
    size_t offset;
    uint64_t min, max;
};

#define VALUE(item, member, min, max)                                                          \
    {                                                                                          \
#item, IMAP_STATUS_##item, offsetof(struct imap_status_values, member), (min), (max)   \
    }

static const struct status_value status_values[] = {
    VALUE(MESSAGES, messages, 0, UINT32_MAX),
    VALUE(RECENT, recent, 0, UINT32_MAX),
    VALUE(UIDNEXT, uidnext, 1, UINT32_MAX),
    VALUE(UIDVALIDITY, uidvalidity, 1, UINT32_MAX),
    VALUE(UNSEEN, unseen, 0, UINT32_MAX),
    VALUE(DELETED, deleted, 0, UINT32_MAX),
    VALUE(SIZE, size, 0, UINT64_MAX >> 1),
    VALUE(HIGHESTMODSEQ, highestmodseq, 0, UINT64_MAX >> 1),
    VALUE(APPENDLIMIT, appendlimit, 0, UINT32_MAX),
};

static enum rc take_status_value(struct imap_input *in, struct imap_mbox_status_data *status,
                                 struct err *err)
{
    if (lex_word(in, "DELETED-STORAGE") && lex_sp(in)) {
        status->items |= IMAP_STATUS_DELETED_STORAGE;
        return lex_number64(in, &status->values.deleted_storage)
                   ? RC_OK
                   : lex_fail(in, err, "a number below 2^63");
    }
    if (lex_word(in, "MAILBOXID") && lex_sp(in)) {
        status->items |= IMAP_STATUS_MAILBOXID;
        return response_take_object_id(in, &status->values.mailboxid, err);
    }
    for (size_t i = 0; i < COUNT(status_values); i++) {
        const struct status_value *row = &status_values[i];
        uint64_t value;

        if (!lex_word(in, row->name))
            continue;
        if (!lex_sp(in))
            break;
        status->items |= row->item;
        if (row->item == IMAP_STATUS_APPENDLIMIT && lex_word(in, "NIL")) {
            status->values.no_appendlimit = true;
            return RC_OK;
        }
        if (!lex_number64(in, &value) || value < row->min || value > row->max)
            break;
        memcpy((char *) &status->values + row->offset, &value, sizeof(value));
        return RC_OK;
    }
    return lex_fail(in, err, "a STATUS item and its value");
}

/* mailbox SP "(" [status-att-list] ")" */
static enum rc take_mbox_status(struct imap_input *in, struct imap_response *out,
                                struct err *err)
{
    struct imap_mbox_status_data *status = &out->mbox_status;
    enum rc rc =
        lex_sp(in) ? take_mailbox(in, &status->name, err) : lex_fail(in, err, "a space");

    if (rc)
        return rc;
    if (!lex_sp(in) || !lex_byte(in, '('))
        return lex_fail(in, err, "\"(\" and STATUS items");
    do {
        rc = take_status_value(in, status, err);
    } while (!rc && lex_sp(in));
    return rc || lex_byte(in, ')') ? rc : lex_fail(in, err, "a space or \")\"");
}

/* *(SP nz-number) [SP "(" "MODSEQ" SP mod-sequence-value ")"] */
static enum rc take_search(struct imap_input *in, struct imap_response *out, struct err *err)
{
    uint32_t *numbers =
        ARENA_ARRAY(in->arena, uint32_t, slice_count(scan_rest(&in->sc), ' ') + 1);
    struct imap_numbers *search = &out->search;

    search->numbers = numbers;
    while (lex_sp(in)) {
        if (lex_nz_number(in, &numbers[search->n])) {
            search->n++;
            continue;
        }
        if (search->n == 0 || !lex_byte(in, '(') || !lex_word(in, "MODSEQ") || !lex_sp(in) ||
            !lex_modseq(in, false, &search->modseq) || !lex_byte(in, ')'))
            return lex_fail(in, err, "a number");
        break;
    }
    return RC_OK;
}

/* nil / "(" 1*("(" string SP separator *(SP string SP "(" string *(SP string) ")") ")") ")" */
static enum rc take_namespaces(struct imap_input *in, struct err *err)
{
    struct slice text;
    char separator;
    enum rc rc = RC_OK;

    if (lex_word(in, "NIL"))
        return RC_OK;
    if (!lex_byte(in, '('))
        return lex_fail(in, err, "NIL or \"(\"");
    do {
        if (!lex_byte(in, '(') || !lex_string(in, &text) || !lex_sp(in) ||
            !take_separator(in, &separator))
            return lex_fail(in, err, "a prefix and a separator");
        while (!rc && lex_sp(in)) {
            if (!lex_string(in, &text) || !lex_sp(in) || scan_peek(&in->sc) != '(')
                return lex_fail(in, err, "a namespace extension");
            rc = skip_ext_value(in, 0, err);
        }
        if (!rc && !lex_byte(in, ')'))
            rc = lex_fail(in, err, "\")\"");
    } while (!rc && scan_peek(&in->sc) == '(');
    return rc || lex_byte(in, ')') ? rc : lex_fail(in, err, "\")\"");
}

static enum rc take_namespace(struct imap_input *in, struct imap_response *out, struct err *err)
{
    enum rc rc = RC_OK;

    (void) out;
    for (size_t i = 0; !rc && i < 3; i++)
        rc = lex_sp(in) ? take_namespaces(in, err) : lex_fail(in, err, "a space");
    return rc;
}

static enum rc take_id(struct imap_input *in, struct imap_response *out, struct err *err)
{
    union imap_args args;
    enum rc rc = imap_parse_id(in, &args, err);

    if (!rc)
        out->id = args.id;
    return rc;
}

/* "VANISHED" [SP "(EARLIER)"] SP known-uids */
static enum rc take_vanished(struct imap_input *in, struct imap_response *out, struct err *err)
{
    out->vanished.earlier = scan_literal_nocase(&in->sc, SLICE(" (EARLIER)"));
    if (!lex_sp(in) || !response_take_plain_set(in, &out->vanished.uids))
        return lex_fail(in, err, "a set of uids");
    return RC_OK;
}

/* nstring / literal8 */
static bool take_metadata_value(struct imap_input *in)
{
    struct lex_literal lit;
    struct slice value;
    bool nil;

    return scan_peek(&in->sc) == '~' ? lex_literal(in, &lit) : lex_nstring(in, &nil, &value);
}

/* SP mailbox SP (entry-values / entry-list): RFC 5464 section 5; the mailbox may be "" */
static enum rc take_metadata(struct imap_input *in, struct imap_response *out, struct err *err)
{
    struct slice text;
    bool values;

    (void) out;
    if (!lex_sp(in) || !lex_astring(in, &text) || !lex_sp(in))
        return lex_fail(in, err, "a mailbox name and entries");
    values = lex_byte(in, '(');
    do {
        if (!lex_astring(in, &text) || text.len == 0 || text.ptr[0] != '/')
            return lex_fail(in, err, "an entry name");
        if (values && (!lex_sp(in) || !take_metadata_value(in)))
            return lex_fail(in, err, "a space and a value");
    } while (lex_sp(in));
    return !values || lex_byte(in, ')') ? RC_OK : lex_fail(in, err, "a space or \")\"");
}

/* RFC 4314 7: only lower case letters and digits. */
static bool take_rights(struct imap_input *in)
{
    struct slice text;

    if (!lex_sp(in) || !lex_astring(in, &text))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (!(text.ptr[i] >= 'a' && text.ptr[i] <= 'z') && !ascii_is_digit(text.ptr[i]))
            return false;
    }
    return true;
}

static bool take_acl_head(struct imap_input *in)
{
    struct slice mailbox;

    return lex_sp(in) && lex_astring(in, &mailbox);
}

static bool take_identifier(struct imap_input *in)
{
    struct slice identifier;

    return lex_sp(in) && lex_astring(in, &identifier) && identifier.len > 0;
}

/* SP mailbox *(SP identifier SP rights) */
static enum rc take_acl(struct imap_input *in, struct imap_response *out, struct err *err)
{
    bool good = take_acl_head(in);

    (void) out;
    while (good && scan_peek(&in->sc) == ' ')
        good = take_identifier(in) && take_rights(in);
    return good ? RC_OK : lex_fail(in, err, "a mailbox name, identifiers and rights");
}

/* SP mailbox SP identifier SP rights *(SP rights) */
static enum rc take_listrights(struct imap_input *in, struct imap_response *out,
                               struct err *err)
{
    bool good = take_acl_head(in) && take_identifier(in) && take_rights(in);

    (void) out;
    while (good && scan_peek(&in->sc) == ' ')
        good = take_rights(in);
    return good ? RC_OK : lex_fail(in, err, "a mailbox name, an identifier and rights");
}

/* SP mailbox SP rights */
static enum rc take_myrights(struct imap_input *in, struct imap_response *out, struct err *err)
{
    (void) out;
    return take_acl_head(in) && take_rights(in)
               ? RC_OK
               : lex_fail(in, err, "a mailbox name and rights");
}

/* SP "(" lang-tag-quoted *(SP lang-tag-quoted) ")": RFC 5255 3.5 */
static enum rc take_language(struct imap_input *in, struct imap_response *out, struct err *err)
{
    struct slice *tags = ARENA_ARRAY(in->arena, struct slice, LANGUAGE_MAX_RANGES);
    size_t n = 0;

    if (!lex_sp(in) || !lex_byte(in, '('))
        return lex_fail(in, err, "language tags");
    do {
        if (n == LANGUAGE_MAX_RANGES || !lex_astring(in, &tags[n++]))
            return lex_fail(in, err, "a language tag");
    } while (lex_sp(in));
    out->words = (struct imap_words){tags, n};
    return lex_byte(in, ')') ? RC_OK : lex_fail(in, err, "a space or \")\"");
}

/* SP comp-sel-quoted [SP "(" comp-id-quoted *(SP comp-id-quoted) ")"]: RFC 5255 4.10 */
static enum rc take_comparator(struct imap_input *in, struct imap_response *out,
                               struct err *err)
{
    struct slice *ids = ARENA_ARRAY(in->arena, struct slice, COMPARATORS_MAX);
    size_t n = 1;

    if (!lex_sp(in) || !lex_astring(in, &ids[0]))
        return lex_fail(in, err, "a comparator");
    if (lex_sp(in)) {
        if (!lex_byte(in, '('))
            return lex_fail(in, err, "a list of comparators");
        do {
            if (n == COMPARATORS_MAX || !lex_astring(in, &ids[n++]))
                return lex_fail(in, err, "a comparator");
        } while (lex_sp(in));
        if (!lex_byte(in, ')'))
            return lex_fail(in, err, "a space or \")\"");
    }
    out->words = (struct imap_words){ids, n};
    return RC_OK;
}

/* search-correlator [SP uid-range *("," uid-range)], descending: RFC 10022 4 */
static enum rc take_uidbatches(struct imap_input *in, struct imap_response *out,
                               struct err *err)
{
    struct imap_esearch_data correlator = {0};
    uint64_t below = (uint64_t) UINT32_MAX + 1;
    enum rc rc = response_take_correlator(in, &correlator, err);

    (void) out;
    if (rc || !lex_sp(in))
        return rc;
    do {
        uint32_t high, low;

        if (!lex_nz_number(in, &high) || !lex_byte(in, ':') || !lex_nz_number(in, &low) ||
            high >= below || low > high)
            return lex_fail(in, err, "descending ranges of uids");
        below = low;
    } while (lex_byte(in, ','));
    return RC_OK;
}

/* SP quota-root-name SP quota-list (RFC 9208 7); the list may be empty, as 4.2.1 has it */
static enum rc take_quota(struct imap_input *in, struct imap_response *out, struct err *err)
{
    struct slice name;
    uint64_t usage, limit;

    (void) out;
    if (!lex_sp(in) || !lex_astring(in, &name) || !lex_sp(in) || !lex_byte(in, '('))
        return lex_fail(in, err, "a quota root and \"(\"");
    if (lex_byte(in, ')'))
        return RC_OK;
    do {
        if (!lex_atom(in, &name) || !lex_sp(in) || !lex_number64(in, &usage) || !lex_sp(in) ||
            !lex_number64(in, &limit))
            return lex_fail(in, err, "a resource, its usage and its limit");
    } while (lex_sp(in));
    return lex_byte(in, ')') ? RC_OK : lex_fail(in, err, "a space or \")\"");
}

/* SP mailbox *(SP quota-root-name) */
static enum rc take_quotaroot(struct imap_input *in, struct imap_response *out, struct err *err)
{
    struct imap_mailbox mailbox;
    struct slice root;
    enum rc rc;

    (void) out;
    if (!lex_sp(in))
        return lex_fail(in, err, "a space and a mailbox");
    rc = lex_mailbox(in, &mailbox, err);
    while (rc == RC_OK && lex_sp(in))
        if (!lex_astring(in, &root))
            rc = lex_fail(in, err, "a quota root");
    return rc;
}

/* 1*(SP url-full): RFC 4467 section 9 */
static enum rc take_genurlauth(struct imap_input *in, struct imap_response *out,
                               struct err *err)
{
    struct slice url;

    (void) out;
    do {
        if (!lex_sp(in) || !lex_astring(in, &url))
            return lex_fail(in, err, "a space and an URL");
    } while (!scan_done(&in->sc) && scan_peek(&in->sc) == ' ');
    return RC_OK;
}

/* "(" url-metadata-el ")": RFC 5524 section 5 */
static enum rc take_url_metadata(struct imap_input *in, struct err *err)
{
    const struct imap_body *body;
    enum rc rc = RC_OK;

    if (!lex_byte(in, '('))
        return lex_fail(in, err, "\"(\"");
    if (lex_word(in, "BODYPARTSTRUCTURE"))
        rc = lex_sp(in) ? response_take_body(in, true, &body, err)
                        : lex_fail(in, err, "a space and a body");
    else if ((!lex_word(in, "BODY") && !lex_word(in, "BINARY")) || !lex_sp(in) ||
             !take_metadata_value(in))
        rc = lex_fail(in, err, "BODY or BINARY with its data");
    if (rc)
        return rc;
    return lex_byte(in, ')') ? RC_OK : lex_fail(in, err, "\")\"");
}

/* 1*(SP url-full SP (nstring / url-metadata)) */
static enum rc take_urlfetch(struct imap_input *in, struct imap_response *out, struct err *err)
{
    struct slice text;
    enum rc rc = RC_OK;
    bool nil;

    (void) out;
    do {
        if (!lex_sp(in) || !lex_astring(in, &text) || !lex_sp(in))
            return lex_fail(in, err, "an URL and its data");
        if (scan_peek(&in->sc) != '(' && !lex_nstring(in, &nil, &text))
            return lex_fail(in, err, "data");
        while (!rc && scan_peek(&in->sc) == '(') {
            rc = take_url_metadata(in, err);
            if (!rc && slice_starts(scan_rest(&in->sc), SLICE(" (")))
                (void) lex_sp(in);
        }
    } while (!rc && scan_peek(&in->sc) == ' ');
    return rc;
}

// clang-format off
static const struct {
    const char *name;
    enum imap_data data;
    data_fn *take;
} named[] = {
    {"CAPABILITY", IMAP_DATA_CAPABILITY,  take_capability},
    {"ENABLED",    IMAP_DATA_ENABLED,     take_words},
    {"FLAGS",      IMAP_DATA_FLAGS,       take_flags},
    {"LIST",       IMAP_DATA_LIST,        take_list},
    {"LSUB",       IMAP_DATA_LSUB,        take_list},
    {"XLIST",      IMAP_DATA_XLIST,       take_list},
    {"STATUS",     IMAP_DATA_MBOX_STATUS, take_mbox_status},
    {"SEARCH",     IMAP_DATA_SEARCH,      take_search},
    {"ESEARCH",    IMAP_DATA_ESEARCH,     response_take_esearch},
    {"SORT",       IMAP_DATA_SORT,        take_search},
    {"THREAD",     IMAP_DATA_THREAD,      response_take_threads},
    {"UIDBATCHES", IMAP_DATA_UIDBATCHES,  take_uidbatches},
    {"NAMESPACE",  IMAP_DATA_NAMESPACE,   take_namespace},
    {"LANGUAGE",   IMAP_DATA_LANGUAGE,    take_language},
    {"COMPARATOR", IMAP_DATA_COMPARATOR,  take_comparator},
    {"ID",         IMAP_DATA_ID,          take_id},
    {"VANISHED",   IMAP_DATA_VANISHED,    take_vanished},
    {"METADATA",   IMAP_DATA_METADATA,    take_metadata},
    {"ACL",        IMAP_DATA_ACL,         take_acl},
    {"LISTRIGHTS", IMAP_DATA_LISTRIGHTS,  take_listrights},
    {"MYRIGHTS",   IMAP_DATA_MYRIGHTS,    take_myrights},
    {"QUOTA",      IMAP_DATA_QUOTA,       take_quota},
    {"QUOTAROOT",  IMAP_DATA_QUOTAROOT,   take_quotaroot},
    {"GENURLAUTH", IMAP_DATA_GENURLAUTH,  take_genurlauth},
    {"URLFETCH",   IMAP_DATA_URLFETCH,    take_urlfetch},
};

static const struct {
    const char *name;
    enum imap_data data;
    bool zero_allowed;
    data_fn *take;
} numbered[] = {
    {"EXISTS",  IMAP_DATA_EXISTS,  true,  take_none},
    {"RECENT",  IMAP_DATA_RECENT,  true,  take_none},
    {"EXPUNGE", IMAP_DATA_EXPUNGE, false, take_expunge},
    {"FETCH",   IMAP_DATA_FETCH,   false, take_fetch},
    {"UIDFETCH", IMAP_DATA_FETCH,  false, take_uidfetch},
};
// clang-format on

/* number SP name */
static enum rc take_numbered(struct imap_input *in, struct imap_response *out, struct err *err)
{
    if (scan_peek(&in->sc) == '0' ? !scan_byte(&in->sc, '0') : !lex_nz_number(in, &out->number))
        return lex_fail(in, err, "a number");
    if (!lex_sp(in))
        return lex_fail(in, err, "a space");
    for (size_t i = 0; i < COUNT(numbered); i++) {
        if (!lex_word(in, numbered[i].name))
            continue;
        if (out->number == 0 && !numbered[i].zero_allowed)
            break;
        out->data = numbered[i].data;
        return numbered[i].take(in, out, err);
    }
    return lex_fail(in, err, "EXISTS, RECENT, EXPUNGE, FETCH or UIDFETCH");
}

enum rc response_take_data(struct imap_input *in, struct imap_response *out, struct err *err)
{
    int c = scan_peek(&in->sc);

    if (c >= '0' && c <= '9')
        return take_numbered(in, out, err);
    for (size_t i = 0; i < COUNT(named); i++) {
        if (!lex_word(in, named[i].name))
            continue;
        out->data = named[i].data;
        return named[i].take(in, out, err);
    }
    return lex_fail(in, err, "a response that is known");
}
