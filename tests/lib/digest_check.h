/*
 * digest_check.h - everything that must hold of the digest of any message; and a walk over
 * every accessor of any table that digest_open() lets in.
 */
#ifndef ROOST_TESTS_DIGEST_CHECK_H
#define ROOST_TESTS_DIGEST_CHECK_H

#include "lib/body_grammar.h"
#include "mime/digest_table.h"

/* Touch every byte, so that a sanitizer sees what is out of bounds. */
static inline uint32_t check_touch(struct slice s)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < s.len; i++)
        sum += (unsigned char) s.ptr[i];
    return sum;
}

static inline uint32_t check_touch_keys(const struct digest *digest)
{
    struct digest_keys keys = digest_keys(digest);
    struct digest_references references;
    struct slice id;
    uint32_t sum = check_touch(keys.base_subject) + check_touch(keys.from_mailbox) +
                   check_touch(keys.to_mailbox) + check_touch(keys.cc_mailbox) +
                   check_touch(keys.from_display) + check_touch(keys.to_display) +
                   check_touch(keys.message_id) + check_touch(keys.in_reply_to);

    digest_references(digest, &references);
    while (digest_next_reference(&references, &id))
        sum += check_touch(id);
    return sum;
}

static inline uint32_t check_touch_wires(const struct digest *digest)
{
    uint32_t sum = 0;

    for (int item = 0; item < DIGEST_ITEM_COUNT; item++)
        for (int form = 0; form < DIGEST_FORM_COUNT; form++)
            sum += check_touch(
                digest_wire(digest, (enum digest_item) item, (enum digest_form) form));
    return sum;
}

/* Every accessor over every index; returns a sum so that nothing is optimised away. */
static inline uint32_t check_walk(const struct digest *digest)
{
    static const struct slice names[] = {
        {"subject", 7},
        {"TO",      2}
    };
    uint32_t sum = check_touch_keys(digest) + check_touch_wires(digest) +
                   check_touch(digest_preview(digest)),
             part = 0;
    AUTO(buf_done) struct buf out = {0};
    struct digest_header header;
    struct digest_names chosen;

    for (uint32_t i = 0; i < digest->n_parts; i++) {
        struct digest_part p = digest_part(digest, i);

        sum += p.end + check_touch(p.type) + check_touch(p.subtype) + check_touch(p.charset) +
               check_touch(p.filename) + check_touch(p.content_id);
    }
    for (uint32_t i = 0; i < digest->n_spans; i++)
        sum += check_touch(digest_span(digest, i).text) +
               check_touch(digest_span(digest, i).value);
    for (uint32_t a = 1; a <= 3; a++)
        for (uint32_t b = 1; b <= 3; b++)
            if (digest_find_part(digest, (uint32_t[]){a, b, 1}, 3, &part) == RC_OK)
                sum += part;
    buf_init(&out, (size_t) 1 << 26);
    digest_names_init(&chosen, names, COUNT(names));
    digest_copied_fields(digest, &chosen, &out);
    if (digest_header_of(digest, NULL, 0, &header) == RC_OK)
        digest_header_fields(digest, &header, SLICE(""), &chosen, false, &out);
    return sum + check_touch(buf_slice(&out));
}

/* NULL, or the first rule that the wire forms break. */
static inline const char *check_wires(const struct digest *d)
{
    for (int form = 0; form < DIGEST_FORM_COUNT; form++) {
        enum digest_form f = (enum digest_form) form;
        bool utf8 = f == DIGEST_FORM_U, global = f != DIGEST_FORM_P;

        if (!grammar_is_envelope(digest_wire(d, DIGEST_ENVELOPE, f), utf8))
            return "envelope is not in the grammar";
        if (!grammar_is_body(digest_wire(d, DIGEST_BODY, f), utf8, global, false))
            return "body is not in the grammar";
        if (!grammar_is_body(digest_wire(d, DIGEST_BODYSTRUCTURE, f), utf8, global, true))
            return "bodystructure is not in the grammar";
    }
    return NULL;
}

/* What mail programs ask for, what is not copied, what is no name. */
#define CHECK_NAMES_MAX 15u
static const struct slice check_names[][CHECK_NAMES_MAX] = {
    {{"From", 4},
     {"To", 2},
     {"Cc", 2},
     {"Bcc", 3},
     {"Subject", 7},
     {"Date", 4},
     {"Message-ID", 10},
     {"Priority", 8},
     {"X-Priority", 10},
     {"References", 10},
     {"Newsgroups", 10},
     {"In-Reply-To", 11},
     {"Content-Type", 12},
     {"Reply-To", 8}},
    {{"sUBJECT", 7}          },
    {{"Date", 4},   {"From", 4},     {"dATE", 4}, {"List-Id", 7}, {"MIME-Version", 12}},
    {{"received", 8},   {"X-Odd", 5},    {"to", 2}},
    {{"", 0}, {"x", 1}},
};

static inline bool check_is_named(struct slice name, const struct slice *names, size_t n)
{
    bool found = false;

    for (size_t i = 0; i < n; i++)
        found = found || slice_eq_nocase(name, names[i]);
    return found;
}

/* The fields of the message's own header one by one, as the message has them. */
static inline void check_choose_fields(const struct digest *digest, struct slice msg,
                                       const struct slice *names, size_t n, bool not,
                                       struct buf *out)
{
    struct digest_part root = digest_part(digest, 0);
    struct digest_fields fields;
    struct digest_field field;

    digest_fields_begin(digest, &fields);
    for (uint32_t i = 0; digest_fields_next(&fields, &field); i++) {
        struct slice line = slice_sub(msg, field.start, field.end - field.start);

        if (i < root.first_field || i - root.first_field >= root.n_fields ||
            check_is_named(slice_sub(line, 0, field.name_len), names, n) == not )
            continue;
        buf_append(out, line);
        if (!slice_ends(line, SLICE("\n")))
            buf_str(out, "\r\n");
    }
    buf_str(out, "\r\n");
}

static inline bool check_named_fields(const struct digest *digest, struct slice msg,
                                      const struct slice *names, bool not )
{
    AUTO(buf_done) struct buf want = {0};
    AUTO(buf_done) struct buf got = {0};
    struct digest_header header;
    struct digest_names chosen;
    size_t n = 0;

    while (n < CHECK_NAMES_MAX && names[n].ptr != NULL)
        n++;
    buf_init(&want, DIGEST_MESSAGE_MAX_BYTES);
    buf_init(&got, DIGEST_MESSAGE_MAX_BYTES);
    digest_names_init(&chosen, names, n);
    check_choose_fields(digest, msg, names, n, not, &want);
    if (digest_header_of(digest, NULL, 0, &header))
        return false;
    digest_header_fields(digest, &header, slice_sub(msg, header.range.offset, header.range.len),
                         &chosen, not, &got);
    if (!slice_eq(buf_slice(&got), buf_slice(&want)))
        return false;
    if (not || !digest_fields_are_copied(digest, &chosen))
        return true;
    buf_reset(&got);
    digest_copied_fields(digest, &chosen, &got);
    return slice_eq(buf_slice(&got), buf_slice(&want));
}

/* By the copied lines, by the header, and one by one: the same. */
static inline bool check_header_fields(const struct digest *digest, struct slice msg)
{
    for (size_t i = 0; i < COUNT(check_names); i++)
        if (!check_named_fields(digest, msg, check_names[i], false) ||
            !check_named_fields(digest, msg, check_names[i], true))
            return false;
    return true;
}

/* Header blocks of a substitute: 7-bit, or old 8-bit mail's. */
static inline bool check_blocks(const struct digest *shown, struct slice bytes)
{
    for (uint32_t i = 0; i < shown->n_parts; i++) {
        struct digest_part p = digest_part(shown, i);
        struct slice block = slice_sub(bytes, p.mime, p.body - p.mime);

        if ((p.flags & DIGEST_PART_8BIT_HEADER) != 0 &&
            (shown->flags & DIGEST_HEADER_CUT) == 0 && utf8_is_valid(block))
            return false;
    }
    return true;
}

static inline struct slice check_before_substitute(const struct digest *digest)
{
    size_t start = digest->section[0].offset;

    return slice_sub(digest->table, start, digest->section[SECTION_SUBSTITUTE].offset - start);
}

/* NULL, or what is wrong with what sessions without UTF8=ACCEPT are shown: its table is the one
 * its bytes make, and it has no substitute itself. */
static inline const char *check_substitute(const struct digest *digest, struct slice msg)
{
    AUTO(buf_done) struct buf bytes = {0};
    AUTO(buf_done) struct buf table = {0};
    struct digest_substitute substitute;
    struct digest shown, again;
    struct err err;

    if (!digest_get_substitute(digest, &substitute))
        return NULL;
    buf_init(&bytes, DIGEST_MESSAGE_MAX_BYTES);
    buf_init(&table, DIGEST_MAX_BYTES);
    digest_substitute_bytes(digest, &substitute, msg, &bytes);
    if (digest_open_substitute(&substitute, &shown, &err))
        return "substitute does not open";
    if (!check_blocks(&shown, buf_slice(&bytes)))
        return "a header of the substitute is not 7-bit";
    digest_build(buf_slice(&bytes), &table);
    if (digest_open(buf_slice(&table), &again, &err) ||
        (again.flags & DIGEST_HAS_SUBSTITUTE) != 0)
        return "the substitute has a substitute";
    if (again.message_size != shown.message_size ||
        !slice_eq(check_before_substitute(&again), check_before_substitute(&shown)))
        return "the substitute's table is not that of its bytes";
    (void) check_walk(&shown);
    return check_wires(&shown);
}

/* NULL, or what is wrong with the digest of msg. */
static inline const char *check_digest(struct slice msg, struct slice table)
{
    struct digest digest, core;
    struct err err;

    if (digest_open(table, &digest, &err))
        return "does not open";
    if (digest_verify(&digest, msg, &err))
        return "does not verify";
    if (digest_open(slice_sub(table, 0, digest_core_len(&digest)), &core, &err) ||
        core.has_text || core.n_spans != 0)
        return "core does not open alone";
    (void) check_walk(&digest);
    for (uint32_t i = 0; i < digest.n_parts; i++) {
        struct digest_part p = digest_part(&digest, i);
        struct digest_part up = p.parent != DIGEST_NONE ? digest_part(&digest, p.parent) : p;

        if (p.mime < up.mime || p.end > up.end || (i > 0 && p.parent == DIGEST_NONE))
            return "part outside its parent";
    }
    if (!check_header_fields(&digest, msg))
        return "chosen header fields are not those of the message";
    if (check_substitute(&digest, msg) != NULL)
        return check_substitute(&digest, msg);
    return check_wires(&digest);
}

#endif
