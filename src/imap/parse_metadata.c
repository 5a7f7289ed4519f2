/*
 * parse_metadata.c - GETMETADATA, SETMETADATA, and LIST's RETURN (METADATA ...).
 *
 * Spec: RFC 5464 4.2, 4.3 and 5; RFC 9590. Options of GETMETADATA stand before the mailbox by
 * the grammar and behind it in the examples: both are taken. Entry names are compared without
 * case (3.2): they are handed on in lower case.
 */
#include "base/ascii.h"
#include "imap/lex.h"

/* RFC 5464 3.2: "/shared" or "/private", at least one more component, none empty; no control
 * characters, no 8-bit, no wildcards. */
static bool is_entry(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];

        if ((unsigned char) c < 0x20 || ascii_is_8bit(c) || c == 0x7f || c == '*' || c == '%')
            return false;
        if (c == '/' && (i + 1 == name.len || name.ptr[i + 1] == '/'))
            return false;
    }
    return (slice_starts(name, SLICE("/shared/")) || slice_starts(name, SLICE("/private/")));
}

/* No entry itself, but all entries of its kind are below it, which DEPTH asks for (4.2.2). */
static bool is_root(struct slice name)
{
    return slice_eq(name, SLICE("/shared")) || slice_eq(name, SLICE("/private"));
}

static enum rc take_name(struct imap_input *in, struct slice *out, struct err *err)
{
    struct slice wire;
    char *name;

    if (!lex_astring(in, &wire))
        return lex_fail(in, err, "an entry name");
    name = arena_alloc(in->arena, wire.len + 1);
    for (size_t i = 0; i < wire.len; i++)
        name[i] = ascii_lower(wire.ptr[i]);
    *out = slice_of(name, wire.len);
    return is_entry(*out) || is_root(*out)
               ? RC_OK
               : err_set(err, RC_SYNTAX,
                         "Entry names begin with /shared/ or /private/ and have no "
                         "empty part",
                         "metadata: entry name");
}

/* As many as spaces can part, up to the limit. */
static size_t most_entries(const struct imap_input *in)
{
    return MIN(slice_count(scan_rest(&in->sc), ' ') + 1, (size_t) METADATA_MAX_ENTRIES);
}

static enum rc too_many(struct err *err)
{
    return err_set(err, RC_LIMIT, "Too many entries", "metadata: more than %u entries",
                   METADATA_MAX_ENTRIES);
}

/* entry *(SP entry) ")" */
static enum rc take_entry_list(struct imap_input *in, struct imap_metadata_names *out,
                               struct err *err)
{
    size_t max = most_entries(in);
    struct slice *names = ARENA_ARRAY(in->arena, struct slice, max);
    enum rc rc;

    out->n = 0;
    do {
        if (out->n == max)
            return too_many(err);
        rc = take_name(in, &names[out->n++], err);
        if (rc)
            return rc;
    } while (lex_sp(in));
    out->names = names;
    return lex_byte(in, ')') ? RC_OK : lex_fail(in, err, "a space or \")\"");
}

enum rc lex_metadata_names(struct imap_input *in, struct imap_metadata_names *out,
                           struct err *err)
{
    if (!lex_sp(in) || !lex_byte(in, '('))
        return lex_fail(in, err, "\"(\" and entry names");
    return take_entry_list(in, out, err);
}

enum { GET_MAXSIZE = 1u << 0, GET_DEPTH = 1u << 1 };

static enum rc take_maxsize(struct imap_input *in, void *ctx, struct err *err)
{
    struct imap_getmetadata_args *get = ctx;

    get->has_maxsize = true;
    return lex_sp(in) && lex_number(in, &get->maxsize)
               ? RC_OK
               : lex_fail(in, err, "a number of octets");
}

static enum rc take_depth(struct imap_input *in, void *ctx, struct err *err)
{
    struct imap_getmetadata_args *get = ctx;

    if (!lex_sp(in))
        return lex_fail(in, err, "a space and a depth");
    if (lex_word(in, "0"))
        get->depth = IMAP_DEPTH_0;
    else if (lex_word(in, "1"))
        get->depth = IMAP_DEPTH_1;
    else if (lex_word(in, "infinity"))
        get->depth = IMAP_DEPTH_INFINITY;
    else
        return lex_fail(in, err, "0, 1 or infinity");
    return RC_OK;
}

static const struct lex_option get_options[] = {
    {"MAXSIZE", GET_MAXSIZE, take_maxsize},
    {"DEPTH",   GET_DEPTH,   take_depth  },
};

static enum rc take_get_options(struct imap_input *in, struct imap_getmetadata_args *get,
                                struct err *err)
{
    uint32_t seen = 0;
    enum rc rc = lex_options(in, get_options, COUNT(get_options), "a GETMETADATA option", get,
                             &seen, err);

    if (!rc && seen == 0)
        return lex_fail(in, err, "an option before \")\"");
    return rc;
}

/* mailbox, or the empty string: the server. */
static enum rc take_mailbox(struct imap_input *in, struct imap_metadata_place *out,
                            struct err *err)
{
    struct scan before;
    struct slice wire;

    if (!lex_sp(in))
        return lex_fail(in, err, "a space and a mailbox name");
    before = in->sc;
    out->server = lex_astring(in, &wire) && wire.len == 0;
    if (out->server)
        return RC_OK;
    in->sc = before;
    return lex_mailbox(in, &out->mailbox, err);
}

/* A "(" behind the mailbox opens options if a name of theirs follows, else entries, which begin
 * with "/". */
static bool options_follow(const struct imap_input *in)
{
    struct slice rest = scan_rest(&in->sc);

    return rest.len > 1 && rest.ptr[0] == '(' && ascii_is_alpha(rest.ptr[1]);
}

enum rc imap_parse_getmetadata(struct imap_input *in, union imap_args *args, struct err *err)
{
    struct imap_getmetadata_args get = {0};
    struct slice *one;
    enum rc rc = RC_OK;
    bool early;

    early = scan_peek(&in->sc) == ' ' && scan_rest(&in->sc).len > 1 &&
            scan_rest(&in->sc).ptr[1] == '(';
    if (early)
        rc = lex_sp(in) ? take_get_options(in, &get, err) : RC_OK;
    if (!rc)
        rc = take_mailbox(in, &get.place, err);
    if (!rc && !lex_sp(in))
        rc = lex_fail(in, err, "a space and entries");
    if (!rc && !early && options_follow(in)) {
        rc = take_get_options(in, &get, err);
        if (!rc && !lex_sp(in))
            rc = lex_fail(in, err, "a space and entries");
    }
    if (rc)
        return rc;
    if (lex_byte(in, '(')) {
        rc = take_entry_list(in, &get.entries, err);
    } else {
        one = ARENA_NEW(in->arena, struct slice);
        rc = take_name(in, one, err);
        get.entries = (struct imap_metadata_names){one, 1};
    }
    args->getmetadata = get;
    return rc;
}

enum rc imap_parse_setmetadata(struct imap_input *in, union imap_args *args, struct err *err)
{
    struct imap_setmetadata_args set = {0};
    struct imap_metadata_value *values;
    size_t max;
    enum rc rc = take_mailbox(in, &set.place, err);

    if (rc)
        return rc;
    if (!lex_sp(in) || !lex_byte(in, '('))
        return lex_fail(in, err, "\"(\" and entries with values");
    max = most_entries(in);
    values = ARENA_ARRAY(in->arena, struct imap_metadata_value, max);
    do {
        if (set.n == max)
            return too_many(err);
        rc = take_name(in, &values[set.n].entry, err);
        if (rc)
            return rc;
        if (is_root(values[set.n].entry))
            return lex_fail(in, err, "an entry below it");
        if (!lex_sp(in) || !lex_value(in, &values[set.n].nil, &values[set.n].value))
            return lex_fail(in, err, "a space and a value");
        set.n++;
    } while (lex_sp(in));
    set.values = values;
    args->setmetadata = set;
    return lex_byte(in, ')') ? RC_OK : lex_fail(in, err, "a space or \")\"");
}
