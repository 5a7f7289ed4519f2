/*
 * parse_search.c - SEARCH and UID SEARCH.
 *
 * Spec: RFC 9051 6.4.4 and section 9 (search-program, search-key), RFC 3501 6.4.4, RFC 4731
 * (RETURN), RFC 5267 5 (UPDATE, CONTEXT, CANCELUPDATE), RFC 5257 4.8 (ANNOTATION), RFC 5182
 * (SAVE, $), RFC 7162 3.1.5 (MODSEQ), RFC 5466 4 (FILTER), RFC 6203 7 (FUZZY, RELEVANCY). A key
 * of an extension is a row of search_keys, a return option one of return_options.
 */
#include "base/ascii.h"
#include "imap/charset.h"
#include "imap/search_program.h"

/* What one search is parsed with. */
struct program {
    struct imap_input *in;
    const struct imap_charset *charset;
    size_t n_keys;
    bool has_filter, has_fuzzy;
    bool is_fuzzy; /* the keys that are read stand below FUZZY */
    struct err *err;
};

struct key_row;
typedef enum rc key_args_fn(struct program *p, const struct key_row *row, unsigned depth,
                            struct imap_search_key *key);

struct key_row {
    const char *name;
    enum imap_key kind;
    uint32_t flag;
    bool unset;
    key_args_fn *args; /* NULL: none */
};

static enum rc take_key(struct program *p, unsigned depth, struct imap_search_key **out);

static enum rc fail(const struct program *p, const char *what)
{
    return lex_fail(p->in, p->err, what);
}

static enum rc new_key(struct program *p, enum imap_key kind, struct imap_search_key **out)
{
    struct imap_search_key *key;

    if (p->n_keys++ == SEARCH_MAX_KEYS)
        return err_set(p->err, RC_LIMIT, "Too many search keys", "search: more than %u keys",
                       SEARCH_MAX_KEYS);
    key = ARENA_NEW(p->in->arena, struct imap_search_key);
    key->kind = kind;
    key->fuzzy = p->is_fuzzy;
    *out = key;
    return RC_OK;
}

/* SP astring, in the charset of the search, as UTF-8. */
static enum rc take_text(struct program *p, const struct key_row *row, unsigned depth,
                         struct imap_search_key *key)
{
    struct slice raw;

    (void) row;
    (void) depth;
    if (!lex_sp(p->in) || !lex_astring(p->in, &raw))
        return fail(p, "a space and a string");
    if (p->charset == NULL) /* unknown: NO [BADCHARSET] whatever the text */
        return RC_OK;
    return imap_charset_convert(p->charset, raw, p->in->arena, &key->text, p->err);
}

bool imap_is_filter_name(struct slice name)
{
    return lex_is_atom(name) && slice_find(name, '/') == name.len;
}

/* RFC 5466 section 4 */
static enum rc take_filter(struct program *p, const struct key_row *row, unsigned depth,
                           struct imap_search_key *key)
{
    (void) row;
    (void) depth;
    if (!lex_sp(p->in) || !lex_atom(p->in, &key->filter) || !imap_is_filter_name(key->filter))
        return fail(p, "a space and the name of a filter");
    p->has_filter = true;
    return RC_OK;
}

/* SP header-fld-name SP astring */
static enum rc take_header(struct program *p, const struct key_row *row, unsigned depth,
                           struct imap_search_key *key)
{
    if (!lex_sp(p->in) || !lex_astring(p->in, &key->field))
        return fail(p, "a space and a header field name");
    return take_text(p, row, depth, key);
}

static enum rc take_keyword(struct program *p, const struct key_row *row, unsigned depth,
                            struct imap_search_key *key)
{
    (void) row;
    (void) depth;
    if (!lex_sp(p->in) || !lex_atom(p->in, &key->text))
        return fail(p, "a space and a keyword");
    return RC_OK;
}

static enum rc take_day(struct program *p, const struct key_row *row, unsigned depth,
                        struct imap_search_key *key)
{
    (void) row;
    (void) depth;
    if (!lex_sp(p->in) || !lex_date(p->in, &key->day))
        return fail(p, "a space and a date");
    return RC_OK;
}

static enum rc take_number(struct program *p, const struct key_row *row, unsigned depth,
                           struct imap_search_key *key)
{
    (void) row;
    (void) depth;
    if (!lex_sp(p->in) || !lex_number64(p->in, &key->number))
        return fail(p, "a space and a number");
    return RC_OK;
}

/* RFC 5032 section 5: nz-number */
static enum rc take_interval(struct program *p, const struct key_row *row, unsigned depth,
                             struct imap_search_key *key)
{
    uint32_t seconds;

    (void) row;
    (void) depth;
    if (!lex_sp(p->in) || !lex_nz_number(p->in, &seconds))
        return fail(p, "a space and seconds above 0");
    key->number = seconds;
    return RC_OK;
}

static enum rc take_object_id(struct program *p, const struct key_row *row, unsigned depth,
                              struct imap_search_key *key)
{
    (void) row;
    (void) depth;
    if (!lex_sp(p->in) || !lex_atom(p->in, &key->text) || !imap_is_object_id(key->text))
        return fail(p, "a space and an object id");
    return RC_OK;
}

static enum rc take_uid_set(struct program *p, const struct key_row *row, unsigned depth,
                            struct imap_search_key *key)
{
    (void) row;
    (void) depth;
    if (!lex_sp(p->in))
        return fail(p, "a space and a uid set");
    return lex_set(p->in, &key->set, p->err);
}

/* RFC 9738 3.2: a key of uids strictly above (bound is the least) or below (the greatest). No
 * message has the greatest uid there is, for UIDNEXT is above all of them. */
static void set_uids(struct program *p, uint32_t first, uint32_t last,
                     struct imap_search_key *key)
{
    struct seq_range *range = ARENA_NEW(p->in->arena, struct seq_range);

    *range = first <= last ? (struct seq_range){first, last}
                           : (struct seq_range){UINT32_MAX, UINT32_MAX};
    key->set = (struct imap_set){
        .set = {range, 1}
    };
}

static enum rc take_uid_bound(struct program *p, const struct key_row *row, unsigned depth,
                              struct imap_search_key *key)
{
    uint32_t uid;

    (void) depth;
    if (!lex_sp(p->in) || !lex_nz_number(p->in, &uid))
        return fail(p, "a space and a uid");
    if (row->unset)
        set_uids(p, 1, uid - 1, key);
    else
        set_uids(p, uid < UINT32_MAX ? uid + 1 : uid, UINT32_MAX, key);
    key->unset = false;
    return RC_OK;
}

/* entry-type-req */
static bool take_entry_type(struct imap_input *in, enum imap_entry_type *out)
{
    static const struct {
        const char *name;
        enum imap_entry_type type;
    } rows[] = {
        {"all",    IMAP_ENTRY_ALL   },
        {"priv",   IMAP_ENTRY_PRIV  },
        {"shared", IMAP_ENTRY_SHARED},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        if (lex_word(in, rows[i].name)) {
            *out = rows[i].type;
            return true;
        }
    }
    return false;
}

/* entry-flag-name: "/flags/" attr-flag, quoted; the flag is a system flag or a keyword. */
static bool is_entry_name(struct slice name)
{
    struct slice flag = slice_from(name, SLICE("/flags/").len);

    if (!slice_starts_nocase(name, SLICE("/flags/")))
        return false;
    if (imap_flag_bit(flag) != 0)
        return imap_flag_bit(flag) != IMAP_RECENT;
    return imap_is_keyword(flag);
}

/* [SP entry-name SP entry-type-req] SP mod-sequence-valzer */
static enum rc take_modseq(struct program *p, const struct key_row *row, unsigned depth,
                           struct imap_search_key *key)
{
    struct scan before;

    (void) row;
    (void) depth;
    if (!lex_sp(p->in))
        return fail(p, "a space and a mod-sequence");
    before = p->in->sc;
    if (scan_peek(&p->in->sc) == '"') {
        if (!lex_quoted(p->in, &key->text) || !is_entry_name(key->text)) {
            p->in->sc = before;
            return fail(p, "an entry name \"/flags/...\"");
        }
        if (!lex_sp(p->in) || !take_entry_type(p->in, &key->entry_type) || !lex_sp(p->in))
            return fail(p, "priv, shared or all, and a mod-sequence");
    }
    if (!lex_modseq(p->in, true, &key->number))
        return fail(p, "a mod-sequence");
    return RC_OK;
}

/* SP att-search SP value: RFC 5257 5. */
static bool take_att_search(struct imap_input *in, enum imap_entry_type *out)
{
    static const struct {
        const char *name;
        enum imap_entry_type type;
    } rows[] = {
        {"value",        IMAP_ENTRY_ALL   },
        {"value.priv",   IMAP_ENTRY_PRIV  },
        {"value.shared", IMAP_ENTRY_SHARED},
    };
    struct slice name;

    if (!lex_astring(in, &name))
        return false;
    for (size_t i = 0; i < COUNT(rows); i++) {
        *out = rows[i].type;
        if (slice_eq_nocase(name, slice_from_str(rows[i].name)))
            return true;
    }
    return false;
}

/* SP entry-match SP att-search SP value */
static enum rc take_annotation(struct program *p, const struct key_row *row, unsigned depth,
                               struct imap_search_key *key)
{
    struct slice raw;
    bool binary;
    enum rc rc;

    (void) row;
    (void) depth;
    if (!lex_sp(p->in))
        return fail(p, "a space and an entry");
    rc = lex_entry_match(p->in, &key->field, p->err);
    if (rc)
        return rc;
    if (!lex_sp(p->in) || !take_att_search(p->in, &key->entry_type) || !lex_sp(p->in))
        return fail(p, "value, value.priv or value.shared, and a value");
    binary = scan_peek(&p->in->sc) == '~';
    if (!lex_value(p->in, &key->nil, &raw))
        return fail(p, "a value");
    if (key->nil || p->charset == NULL)
        return RC_OK;
    key->text = raw;
    return binary ? RC_OK
                  : imap_charset_convert(p->charset, raw, p->in->arena, &key->text, p->err);
}

/* SP search-key, as often as the row's kind wants. */
static enum rc take_children(struct program *p, const struct key_row *row, unsigned depth,
                             struct imap_search_key *key)
{
    size_t n = row->kind == IMAP_KEY_OR ? 2 : 1;
    struct imap_search_key **children = ARENA_ARRAY(p->in->arena, struct imap_search_key *, n);
    enum rc rc;

    for (size_t i = 0; i < n; i++) {
        if (!lex_sp(p->in))
            return fail(p, "a space and a search key");
        rc = take_key(p, depth + 1, &children[i]);
        if (rc)
            return rc;
    }
    key->children = children;
    key->n_children = n;
    return RC_OK;
}

/* NEW: RECENT UNSEEN (RFC 3501 6.4.4). */
static enum rc make_new(struct program *p, const struct key_row *row, unsigned depth,
                        struct imap_search_key *key)
{
    struct imap_search_key **children = ARENA_ARRAY(p->in->arena, struct imap_search_key *, 2);
    enum rc rc;

    (void) row;
    (void) depth;
    for (size_t i = 0; i < 2; i++) {
        rc = new_key(p, IMAP_KEY_FLAG, &children[i]);
        if (rc)
            return rc;
    }
    children[0]->flag = IMAP_RECENT;
    children[1]->flag = IMAP_SEEN;
    children[1]->unset = true;
    key->children = children;
    key->n_children = 2;
    return RC_OK;
}

// clang-format off
static const struct key_row search_keys[] = {
    {"ALL",               IMAP_KEY_ALL,         0,             false, NULL},
    {"ANNOTATION",        IMAP_KEY_ANNOTATION,  0,             false, take_annotation},
    {"ANSWERED",          IMAP_KEY_FLAG,        IMAP_ANSWERED, false, NULL},
    {"BCC",               IMAP_KEY_BCC,         0,             false, take_text},
    {"BEFORE",            IMAP_KEY_BEFORE,      0,             false, take_day},
    {"BODY",              IMAP_KEY_BODY,        0,             false, take_text},
    {"CC",                IMAP_KEY_CC,          0,             false, take_text},
    {"DELETED",           IMAP_KEY_FLAG,        IMAP_DELETED,  false, NULL},
    {"DRAFT",             IMAP_KEY_FLAG,        IMAP_DRAFT,    false, NULL},
    {"EMAILID",           IMAP_KEY_EMAILID,     0,             false, take_object_id},
    {"FILTER",            IMAP_KEY_AND,         0,             false, take_filter},
    {"FLAGGED",           IMAP_KEY_FLAG,        IMAP_FLAGGED,  false, NULL},
    {"FROM",              IMAP_KEY_FROM,        0,             false, take_text},
    {"HEADER",            IMAP_KEY_HEADER,      0,             false, take_header},
    {"KEYWORD",           IMAP_KEY_KEYWORD,     0,             false, take_keyword},
    {"LARGER",            IMAP_KEY_LARGER,      0,             false, take_number},
    {"MODSEQ",            IMAP_KEY_MODSEQ,      0,             false, take_modseq},
    {"NEW",               IMAP_KEY_AND,         0,             false, make_new},
    {"NOT",               IMAP_KEY_NOT,         0,             false, take_children},
    {"OLD",               IMAP_KEY_FLAG,        IMAP_RECENT,   true,  NULL},
    {"OLDER",             IMAP_KEY_OLDER,       0,             false, take_interval},
    {"ON",                IMAP_KEY_ON,          0,             false, take_day},
    {"OR",                IMAP_KEY_OR,          0,             false, take_children},
    {"RECENT",            IMAP_KEY_FLAG,        IMAP_RECENT,   false, NULL},
    {"SAVEDATESUPPORTED", IMAP_KEY_ALL,         0,             false, NULL},
    {"SAVEDBEFORE",       IMAP_KEY_SAVEDBEFORE, 0,             false, take_day},
    {"SAVEDON",           IMAP_KEY_SAVEDON,     0,             false, take_day},
    {"SAVEDSINCE",        IMAP_KEY_SAVEDSINCE,  0,             false, take_day},
    {"SEEN",              IMAP_KEY_FLAG,        IMAP_SEEN,     false, NULL},
    {"SENTBEFORE",        IMAP_KEY_SENTBEFORE,  0,             false, take_day},
    {"SENTON",            IMAP_KEY_SENTON,      0,             false, take_day},
    {"SENTSINCE",         IMAP_KEY_SENTSINCE,   0,             false, take_day},
    {"SINCE",             IMAP_KEY_SINCE,       0,             false, take_day},
    {"SMALLER",           IMAP_KEY_SMALLER,     0,             false, take_number},
    {"SUBJECT",           IMAP_KEY_SUBJECT,     0,             false, take_text},
    {"TEXT",              IMAP_KEY_TEXT,        0,             false, take_text},
    {"THREADID",          IMAP_KEY_THREADID,    0,             false, take_object_id},
    {"TO",                IMAP_KEY_TO,          0,             false, take_text},
    {"UID",               IMAP_KEY_UID,         0,             false, take_uid_set},
    {"UIDAFTER",          IMAP_KEY_UID,         0,             false, take_uid_bound},
    {"UIDBEFORE",         IMAP_KEY_UID,         0,             true,  take_uid_bound},
    {"UNANSWERED",        IMAP_KEY_FLAG,        IMAP_ANSWERED, true,  NULL},
    {"UNDELETED",         IMAP_KEY_FLAG,        IMAP_DELETED,  true,  NULL},
    {"UNDRAFT",           IMAP_KEY_FLAG,        IMAP_DRAFT,    true,  NULL},
    {"UNFLAGGED",         IMAP_KEY_FLAG,        IMAP_FLAGGED,  true,  NULL},
    {"UNKEYWORD",         IMAP_KEY_KEYWORD,     0,             true,  take_keyword},
    {"UNSEEN",            IMAP_KEY_FLAG,        IMAP_SEEN,     true,  NULL},
    {"YOUNGER",           IMAP_KEY_YOUNGER,     0,             false, take_interval},
};
// clang-format on

/* search-key *(SP search-key): several are one AND. */
static enum rc take_key_list(struct program *p, unsigned depth, struct imap_search_key **out)
{
    size_t cap = 4, n = 0;
    struct imap_search_key **keys = ARENA_ARRAY(p->in->arena, struct imap_search_key *, cap);
    struct imap_search_key *all;
    enum rc rc;

    do {
        if (n == cap) {
            struct imap_search_key **more =
                ARENA_ARRAY(p->in->arena, struct imap_search_key *, cap * 2);

            memcpy(more, keys, n * sizeof(struct imap_search_key *));
            keys = more;
            cap *= 2;
        }
        rc = take_key(p, depth, &keys[n++]);
        if (rc)
            return rc;
    } while (lex_sp(p->in));
    if (n == 1) {
        *out = keys[0];
        return RC_OK;
    }
    rc = new_key(p, IMAP_KEY_AND, &all);
    if (rc)
        return rc;
    all->children = keys;
    all->n_children = n;
    *out = all;
    return RC_OK;
}

static enum rc take_named_key(struct program *p, unsigned depth, struct imap_search_key **out)
{
    for (size_t i = 0; i < COUNT(search_keys); i++) {
        const struct key_row *row = &search_keys[i];
        struct imap_search_key *key;
        enum rc rc;

        if (!lex_word(p->in, row->name))
            continue;
        rc = new_key(p, row->kind, &key);
        if (rc)
            return rc;
        key->flag = row->flag;
        key->unset = row->unset;
        *out = key;
        return row->args != NULL ? row->args(p, row, depth, key) : RC_OK;
    }
    return fail(p, "a search key");
}

/* SP search-key: RFC 6203 7 */
static enum rc take_fuzzy(struct program *p, unsigned depth, struct imap_search_key **out)
{
    bool was_fuzzy = p->is_fuzzy;
    enum rc rc;

    if (!lex_sp(p->in))
        return fail(p, "a space and a search key");
    p->has_fuzzy = p->is_fuzzy = true;
    rc = take_key(p, depth + 1, out);
    p->is_fuzzy = was_fuzzy;
    return rc;
}

static enum rc take_key(struct program *p, unsigned depth, struct imap_search_key **out)
{
    int c = scan_peek(&p->in->sc);
    enum rc rc;

    if (depth > SEARCH_MAX_DEPTH)
        return err_set(p->err, RC_LIMIT, "Search keys are nested too deep",
                       "search: deeper than %u", SEARCH_MAX_DEPTH);
    if (c == '$' || c == '*' || (c >= 0 && ascii_is_digit((char) c))) {
        rc = new_key(p, IMAP_KEY_SEQ, out);
        return rc ? rc : lex_set(p->in, &(*out)->set, p->err);
    }
    if (lex_word(p->in, "FUZZY"))
        return take_fuzzy(p, depth, out);
    if (!lex_byte(p->in, '('))
        return take_named_key(p, depth, out);
    rc = take_key_list(p, depth + 1, out);
    if (rc)
        return rc;
    return lex_byte(p->in, ')') ? RC_OK : fail(p, "a space or \")\"");
}

static enum rc take_partial(struct imap_input *in, void *ctx, struct err *err)
{
    struct imap_search_args *search = ctx;

    return lex_sp(in) ? lex_partial(in, &search->partial, err)
                      : lex_fail(in, err, "a space and a range");
}

/* [SP "(" fetch-att *(SP fetch-att) ")"]: RFC 5465 8 */
static enum rc take_update(struct imap_input *in, void *ctx, struct err *err)
{
    struct imap_search_args *search = ctx;
    struct scan before = in->sc;

    if (lex_sp(in) && scan_peek(&in->sc) == '(')
        return lex_fetch_list(in, &search->update, err);
    in->sc = before;
    return RC_OK;
}

static const struct lex_option return_options[] = {
    {"MIN",       IMAP_SEARCH_MIN,       NULL        },
    {"MAX",       IMAP_SEARCH_MAX,       NULL        },
    {"ALL",       IMAP_SEARCH_ALL,       NULL        },
    {"COUNT",     IMAP_SEARCH_COUNT,     NULL        },
    {"SAVE",      IMAP_SEARCH_SAVE,      NULL        },
    {"PARTIAL",   IMAP_SEARCH_PARTIAL,   take_partial},
    {"UPDATE",    IMAP_SEARCH_UPDATE,    take_update },
    {"CONTEXT",   IMAP_SEARCH_CONTEXT,   NULL        },
    {"RELEVANCY", IMAP_SEARCH_RELEVANCY, NULL        },
};

enum rc search_take_return(struct imap_input *in, struct imap_search_args *search,
                           struct err *err)
{
    enum rc rc;

    if (!lex_word(in, "RETURN"))
        return RC_OK;
    if (!lex_sp(in))
        return lex_fail(in, err, "a space and return options");
    rc = lex_options(in, return_options, COUNT(return_options), "a SEARCH return option",
                     search, &search->returns, err);
    if (rc)
        return rc;
    if ((search->returns & IMAP_SEARCH_PARTIAL) != 0 &&
        (search->returns & IMAP_SEARCH_ALL) != 0)
        return lex_fail(in, err, "PARTIAL or ALL, not both, before here");
    search->has_return = true;
    if (search->returns == 0)
        search->returns = IMAP_SEARCH_ALL;
    return lex_sp(in) ? RC_OK : lex_fail(in, err, "a space and what is asked for");
}

/*
 * ["CHARSET" SP charset SP]. Without it the strings are UTF-8 (RFC 9051 6.4.4); RFC 3501 says
 * US-ASCII, of which UTF-8 is a superset. RFC 9755: after ENABLE UTF8=ACCEPT a CHARSET is BAD.
 * 8-bit text ought to be in a literal (RFC 3501 section 9, quoted); programs quote it, and what
 * they mean is plain.
 */
static enum rc take_charset(struct program *p)
{
    struct slice name;

    p->charset = imap_charset_utf8();
    if (!lex_word(p->in, "CHARSET"))
        return RC_OK;
    if (p->in->mode.utf8_accept)
        return fail(p, "no CHARSET after ENABLE UTF8=ACCEPT");
    if (!lex_sp(p->in) || !lex_astring(p->in, &name))
        return fail(p, "a charset");
    p->charset = imap_charset_find(name);
    return lex_sp(p->in) ? RC_OK : fail(p, "a space and search keys");
}

/* The keys; of those whose charset is not known nothing is kept. */
static enum rc take_keys(struct program *p, struct imap_search_args *search)
{
    enum rc rc;

    p->in->has_charset = true;
    rc = take_key_list(p, 0, &search->key);
    search->has_fuzzy = p->has_fuzzy;
    if (!rc && (search->returns & IMAP_SEARCH_RELEVANCY) != 0 && !p->has_fuzzy)
        return fail(p, "FUZZY among the keys, for RELEVANCY");
    if (!rc && p->charset == NULL) {
        search->bad_charset = true;
        search->key = NULL;
    }
    search->bad_filter = p->has_filter && p->charset != imap_charset_utf8() &&
                         p->charset != imap_charset_find(SLICE("US-ASCII"));
    return rc;
}

enum rc imap_parse_filter(struct slice text, struct arena *arena, struct imap_search_key **out,
                          struct err *err)
{
    struct imap_input in = {.sc = scan_of(text), .arena = arena};
    struct program p = {.in = &in, .charset = imap_charset_utf8(), .err = err};
    struct imap_search_key *key;
    enum rc rc = take_key_list(&p, 0, &key);

    if (!rc && !scan_done(&in.sc))
        rc = fail(&p, "a space or the end");
    if (!rc)
        *out = key;
    return rc;
}

enum rc search_take_criteria(struct imap_input *in, struct imap_search_args *search,
                             struct err *err)
{
    struct program p = {.in = in, .err = err};
    struct slice name;

    if (!lex_sp(in) || !lex_astring(in, &name) || !lex_sp(in))
        return lex_fail(in, err, "a space, a charset and search keys");
    p.charset = imap_charset_find(name);
    return take_keys(&p, search);
}

/* SP nz-number [SP nz-number ":" nz-number]: RFC 10022 4 */
/* "CANCELUPDATE" 1*(SP quoted) */
enum rc imap_parse_cancelupdate(struct imap_input *in, union imap_args *args, struct err *err)
{
    struct slice *tags = ARENA_ARRAY(in->arena, struct slice, CANCELUPDATE_MAX_TAGS);
    size_t n = 0;

    do {
        if (n == CANCELUPDATE_MAX_TAGS)
            return err_set(err, RC_LIMIT, "Too many tags", "cancelupdate: more than %u",
                           CANCELUPDATE_MAX_TAGS);
        if (!lex_sp(in) || !lex_quoted(in, &tags[n++]))
            return lex_fail(in, err, "a space and a tag in quotes");
    } while (scan_peek(&in->sc) == ' ');
    args->cancelupdate = (struct imap_cancelupdate_args){tags, n};
    return RC_OK;
}

enum rc imap_parse_uidbatches(struct imap_input *in, union imap_args *args, struct err *err)
{
    struct imap_uidbatches_args batches = {0};

    if (!lex_sp(in) || !lex_nz_number(in, &batches.size))
        return lex_fail(in, err, "a space and a number of messages");
    if (lex_sp(in)) {
        batches.has_range = true;
        if (!lex_nz_number(in, &batches.first) || !lex_byte(in, ':') ||
            !lex_nz_number(in, &batches.last))
            return lex_fail(in, err, "a range of batches");
    }
    args->uidbatches = batches;
    return RC_OK;
}

enum rc search_take_program(struct imap_input *in, struct imap_search_args *search,
                            struct err *err)
{
    struct program p = {.in = in, .err = err};
    enum rc rc = take_charset(&p);

    return rc ? rc : take_keys(&p, search);
}

enum rc imap_parse_search(struct imap_input *in, union imap_args *args, struct err *err)
{
    struct imap_search_args search = {0};
    enum rc rc;

    if (!lex_sp(in))
        return lex_fail(in, err, "a space and search keys");
    rc = search_take_return(in, &search, err);
    if (!rc)
        rc = search_take_program(in, &search, err);
    if (!rc)
        args->search = search;
    return rc;
}
