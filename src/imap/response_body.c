/*
 * ENVELOPE and BODYSTRUCTURE, a function per rule of RFC 9051 section 9. Depth is counted.
 */
#include "imap/response_body.h"

#define FIRST_MEMBERS 4u

/* An array in the arena that grows by doubling: linear time and space. */
#define GROW(arena, items, n, cap)                                                             \
    do {                                                                                       \
        if ((n) == (cap)) {                                                                    \
            size_t cap_ = (cap) > 0 ? (cap) *2 : FIRST_MEMBERS;                                \
            void *more_ = arena_calloc((arena), cap_, sizeof(*(items)));                       \
                                                                                               \
            if ((n) > 0)                                                                       \
                memcpy(more_, (items), (n) * sizeof(*(items)));                                \
            (items) = more_;                                                                   \
            (cap) = cap_;                                                                      \
        }                                                                                      \
    } while (0)

/* nstring; an empty string keeps a pointer, NIL has none. */
static enum rc take_nstring(struct imap_input *in, struct slice *out, struct err *err)
{
    bool nil;

    if (!lex_nstring(in, &nil, out))
        return lex_fail(in, err, "a string or NIL");
    if (!nil && out->ptr == NULL)
        *out = SLICE("");
    return RC_OK;
}

static enum rc take_string(struct imap_input *in, struct slice *out, struct err *err)
{
    return lex_string(in, out) ? RC_OK : lex_fail(in, err, "a string");
}

static enum rc take_sp(struct imap_input *in, struct err *err)
{
    return lex_sp(in) ? RC_OK : lex_fail(in, err, "a space");
}

static enum rc take_byte(struct imap_input *in, char byte, struct err *err)
{
    char what[] = "\"?\"";

    what[1] = byte;
    return lex_byte(in, byte) ? RC_OK : lex_fail(in, err, what);
}

/* SP nstring */
static enum rc take_sp_nstring(struct imap_input *in, struct slice *out, struct err *err)
{
    enum rc rc = take_sp(in, err);

    return rc ? rc : take_nstring(in, out, err);
}

/* address: "(" addr-name SP addr-adl SP addr-mailbox SP addr-host ")" */
static enum rc take_address(struct imap_input *in, struct imap_address *out, struct err *err)
{
    enum rc rc = take_byte(in, '(', err);

    rc = rc ? rc : take_nstring(in, &out->name, err);
    rc = rc ? rc : take_sp_nstring(in, &out->adl, err);
    rc = rc ? rc : take_sp_nstring(in, &out->mailbox, err);
    rc = rc ? rc : take_sp_nstring(in, &out->host, err);
    return rc ? rc : take_byte(in, ')', err);
}

/* "(" 1*address ")" / nil */
static enum rc take_addresses(struct imap_input *in, struct imap_addresses *out,
                              struct err *err)
{
    struct imap_address *addresses = NULL;
    size_t n = 0, cap = 0;
    enum rc rc;

    if (lex_word(in, "NIL")) {
        *out = (struct imap_addresses){0};
        return RC_OK;
    }
    rc = take_byte(in, '(', err);
    while (!rc && (n == 0 || scan_peek(&in->sc) == '(')) {
        GROW(in->arena, addresses, n, cap);
        rc = take_address(in, &addresses[n++], err);
    }
    rc = rc ? rc : take_byte(in, ')', err);
    if (!rc)
        *out = (struct imap_addresses){addresses, n};
    return rc;
}

enum rc response_take_envelope(struct imap_input *in, const struct imap_envelope **out,
                               struct err *err)
{
    struct imap_envelope *env = ARENA_NEW(in->arena, struct imap_envelope);
    enum rc rc = take_byte(in, '(', err);

    rc = rc ? rc : take_nstring(in, &env->date, err);
    rc = rc ? rc : take_sp_nstring(in, &env->subject, err);
    for (size_t i = 0; !rc && i < IMAP_ENV_COUNT; i++) {
        rc = take_sp(in, err);
        rc = rc ? rc : take_addresses(in, &env->lists[i], err);
    }
    rc = rc ? rc : take_sp_nstring(in, &env->in_reply_to, err);
    rc = rc ? rc : take_sp_nstring(in, &env->message_id, err);
    rc = rc ? rc : take_byte(in, ')', err);
    if (!rc)
        *out = env;
    return rc;
}

/* body-fld-param: "(" string SP string *(SP string SP string) ")" / nil */
static enum rc take_params(struct imap_input *in, struct imap_body_params *out, struct err *err)
{
    struct imap_body_param *params = NULL;
    size_t n = 0, cap = 0;
    enum rc rc;

    if (lex_word(in, "NIL")) {
        *out = (struct imap_body_params){0};
        return RC_OK;
    }
    rc = take_byte(in, '(', err);
    while (!rc) {
        GROW(in->arena, params, n, cap);
        rc = take_string(in, &params[n].name, err);
        rc = rc ? rc : take_sp(in, err);
        rc = rc ? rc : take_string(in, &params[n].value, err);
        n++;
        if (!lex_sp(in))
            break;
    }
    rc = rc ? rc : take_byte(in, ')', err);
    if (!rc)
        *out = (struct imap_body_params){params, n};
    return rc;
}

/* body-fld-dsp: "(" string SP body-fld-param ")" / nil */
static enum rc take_disposition(struct imap_input *in, struct imap_body *body, struct err *err)
{
    enum rc rc;

    if (lex_word(in, "NIL"))
        return RC_OK;
    rc = take_byte(in, '(', err);
    rc = rc ? rc : take_string(in, &body->disposition, err);
    rc = rc ? rc : take_sp(in, err);
    rc = rc ? rc : take_params(in, &body->disposition_params, err);
    return rc ? rc : take_byte(in, ')', err);
}

/* body-fld-lang: nstring / "(" string *(SP string) ")" */
static enum rc take_languages(struct imap_input *in, struct imap_words *out, struct err *err)
{
    struct slice *words = NULL;
    size_t n = 0, cap = 0;
    bool nil;
    enum rc rc = RC_OK;

    if (!lex_byte(in, '(')) {
        words = ARENA_NEW(in->arena, struct slice);
        if (!lex_nstring(in, &nil, words))
            return lex_fail(in, err, "a language, a list of them, or NIL");
        *out = (struct imap_words){words, !nil};
        return RC_OK;
    }
    do {
        GROW(in->arena, words, n, cap);
        rc = take_string(in, &words[n++], err);
    } while (!rc && lex_sp(in));
    rc = rc ? rc : take_byte(in, ')', err);
    if (!rc)
        *out = (struct imap_words){words, n};
    return rc;
}

/* body-extension: nstring / number / number64 / "(" body-extension *(SP body-extension) ")" */
static enum rc take_extension(struct imap_input *in, unsigned depth, struct err *err)
{
    struct slice text;
    uint64_t number;
    bool nil;
    enum rc rc = RC_OK;

    if (depth > RESPONSE_MAX_DEPTH)
        return err_set(err, RC_LIMIT, "Body extension is nested too deep", "response: depth");
    if (lex_number64(in, &number) || lex_nstring(in, &nil, &text))
        return RC_OK;
    rc = take_byte(in, '(', err);
    do {
        rc = rc ? rc : take_extension(in, depth + 1, err);
    } while (!rc && lex_sp(in));
    return rc ? rc : take_byte(in, ')', err);
}

/* [SP body-fld-dsp [SP body-fld-lang [SP body-fld-loc *(SP body-extension)]]] */
static enum rc take_ext_tail(struct imap_input *in, struct imap_body *body, struct err *err)
{
    enum rc rc;

    if (!lex_sp(in))
        return RC_OK;
    rc = take_disposition(in, body, err);
    if (rc || !lex_sp(in))
        return rc;
    rc = take_languages(in, &body->languages, err);
    if (rc || !lex_sp(in))
        return rc;
    rc = take_nstring(in, &body->location, err);
    while (!rc && lex_sp(in))
        rc = take_extension(in, 0, err);
    return rc;
}

static enum rc take_body(struct imap_input *in, bool extended, unsigned depth,
                         const struct imap_body **out, struct err *err);

/* The children of a body while they are read. */
struct children {
    const struct imap_body **bodies;
    size_t n, cap;
};

static enum rc add_child(struct imap_input *in, bool extended, unsigned depth,
                         struct children *to, struct err *err)
{
    const struct imap_body *child;
    enum rc rc = take_body(in, extended, depth + 1, &child, err);

    if (rc)
        return rc;
    if (to->n == to->cap) {
        size_t cap = to->cap * 2 + FIRST_MEMBERS;
        const struct imap_body **more = ARENA_ARRAY(in->arena, const struct imap_body *, cap);

        for (size_t i = 0; i < to->n; i++)
            more[i] = to->bodies[i];
        to->bodies = more;
        to->cap = cap;
    }
    to->bodies[to->n++] = child;
    return RC_OK;
}

/* body-type-mpart: 1*body SP media-subtype [SP body-ext-mpart] */
static enum rc take_multipart(struct imap_input *in, bool extended, unsigned depth,
                              struct imap_body *body, struct err *err)
{
    struct children children = {0};
    enum rc rc = RC_OK;

    body->multipart = true;
    while (!rc && scan_peek(&in->sc) == '(')
        rc = add_child(in, extended, depth, &children, err);
    body->children = children.bodies;
    body->n_children = children.n;
    rc = rc ? rc : take_sp(in, err);
    rc = rc ? rc : take_string(in, &body->subtype, err);
    if (rc || !extended || !lex_sp(in))
        return rc;
    body->extended = true;
    rc = take_params(in, &body->params, err);
    return rc ? rc : take_ext_tail(in, body, err);
}

/* body-fields: body-fld-param SP body-fld-id SP body-fld-desc SP body-fld-enc SP
 * body-fld-octets */
static enum rc take_fields(struct imap_input *in, struct imap_body *body, struct err *err)
{
    enum rc rc = take_params(in, &body->params, err);

    rc = rc ? rc : take_sp_nstring(in, &body->id, err);
    rc = rc ? rc : take_sp_nstring(in, &body->description, err);
    rc = rc ? rc : take_sp(in, err);
    rc = rc ? rc : take_string(in, &body->encoding, err);
    rc = rc ? rc : take_sp(in, err);
    if (!rc && !lex_number(in, &body->octets))
        rc = lex_fail(in, err, "a number of octets");
    return rc;
}

static enum rc take_lines(struct imap_input *in, struct imap_body *body, struct err *err)
{
    enum rc rc = take_sp(in, err);

    if (!rc && !lex_number64(in, &body->lines))
        rc = lex_fail(in, err, "a number of lines");
    return rc;
}

/* SP envelope SP body SP body-fld-lines */
static enum rc take_message(struct imap_input *in, bool extended, unsigned depth,
                            struct imap_body *body, struct err *err)
{
    struct children children = {0};
    enum rc rc = take_sp(in, err);

    rc = rc ? rc : response_take_envelope(in, &body->envelope, err);
    rc = rc ? rc : take_sp(in, err);
    rc = rc ? rc : add_child(in, extended, depth, &children, err);
    body->children = children.bodies;
    body->n_children = children.n;
    return rc ? rc : take_lines(in, body, err);
}

/* body-type-1part: (body-type-basic / body-type-msg / body-type-text) [SP body-ext-1part] */
static enum rc take_single(struct imap_input *in, bool extended, unsigned depth,
                           struct imap_body *body, struct err *err)
{
    enum rc rc = take_string(in, &body->type, err);

    rc = rc ? rc : take_sp(in, err);
    rc = rc ? rc : take_string(in, &body->subtype, err);
    rc = rc ? rc : take_sp(in, err);
    rc = rc ? rc : take_fields(in, body, err);
    if (rc)
        return rc;
    body->is_text = slice_eq_nocase(body->type, SLICE("TEXT"));
    body->is_message =
        slice_eq_nocase(body->type, SLICE("MESSAGE")) &&
        (slice_eq_nocase(body->subtype, SLICE("RFC822")) ||
         (imap_mode_utf8(in->mode) && slice_eq_nocase(body->subtype, SLICE("GLOBAL"))));
    if (body->is_text)
        rc = take_lines(in, body, err);
    else if (body->is_message)
        rc = take_message(in, extended, depth, body, err);
    if (rc || !extended || !lex_sp(in))
        return rc;
    body->extended = true;
    rc = take_nstring(in, &body->md5, err);
    return rc ? rc : take_ext_tail(in, body, err);
}

/* body: "(" (body-type-1part / body-type-mpart) ")" */
static enum rc take_body(struct imap_input *in, bool extended, unsigned depth,
                         const struct imap_body **out, struct err *err)
{
    struct imap_body *body = ARENA_NEW(in->arena, struct imap_body);
    enum rc rc;

    if (depth > RESPONSE_MAX_DEPTH)
        return err_set(err, RC_LIMIT, "Body is nested too deep", "response: depth");
    rc = take_byte(in, '(', err);
    if (rc)
        return rc;
    rc = scan_peek(&in->sc) == '(' ? take_multipart(in, extended, depth, body, err)
                                   : take_single(in, extended, depth, body, err);
    rc = rc ? rc : take_byte(in, ')', err);
    if (!rc)
        *out = body;
    return rc;
}

enum rc response_take_body(struct imap_input *in, bool extended, const struct imap_body **out,
                           struct err *err)
{
    return take_body(in, extended, 0, out, err);
}

static struct imap_input input_of(struct slice text, struct imap_mode mode, struct arena *arena)
{
    return (struct imap_input){
        .sc = scan_of(text), .mode = mode, .from_server = true, .arena = arena};
}

enum rc imap_parse_envelope(struct slice text, struct imap_mode mode, struct arena *arena,
                            struct imap_envelope *out, struct err *err)
{
    struct imap_input in = input_of(text, mode, arena);
    const struct imap_envelope *env;
    enum rc rc = response_take_envelope(&in, &env, err);

    if (!rc && !scan_done(&in.sc))
        rc = lex_fail(&in, err, "the end of the envelope");
    if (!rc)
        *out = *env;
    return rc;
}

enum rc imap_parse_body(struct slice text, bool extended, struct imap_mode mode,
                        struct arena *arena, struct imap_body *out, struct err *err)
{
    struct imap_input in = input_of(text, mode, arena);
    const struct imap_body *body;
    enum rc rc = response_take_body(&in, extended, &body, err);

    if (!rc && !scan_done(&in.sc))
        rc = lex_fail(&in, err, "the end of the body structure");
    if (!rc)
        *out = *body;
    return rc;
}
