/*
 * body_grammar.h - a strict reader of ENVELOPE, BODY and BODYSTRUCTURE, written from the
 * grammar and not from the printer.
 *
 * Spec: RFC 9051 section 9: envelope, address, body and what they are made of; with
 * `global` message/global has an envelope and a body, else (RFC 3501) it is a plain part.
 * `utf8`: quoted strings may hold UTF-8.
 */
#ifndef ROOST_TESTS_BODY_GRAMMAR_H
#define ROOST_TESTS_BODY_GRAMMAR_H

#include "base/ascii.h"
#include "base/scan.h"
#include "base/utf8.h"

#define GRAMMAR_DEPTH_MAX 80u

struct grammar {
    struct scan sc;
    bool utf8, global, extended;
    uint32_t depth;
};

static inline bool g_quoted(struct grammar *g, struct slice *out)
{
    const char *start;
    struct slice one;

    if (!scan_byte(&g->sc, '"'))
        return false;
    start = g->sc.pos;
    while (scan_take(&g->sc, 1, &one)) {
        char c = one.ptr[0];

        if (c == '"') {
            *out = slice_of(start, (size_t) (g->sc.pos - start) - 1);
            return g->utf8 ? utf8_is_valid(*out) : true;
        }
        if (c == '\0' || c == '\r' || c == '\n' || (ascii_is_8bit(c) && !g->utf8))
            return false;
        if (c == '\\' && !scan_byte(&g->sc, '\\') && !scan_byte(&g->sc, '"'))
            return false;
    }
    return false;
}

static inline bool g_string(struct grammar *g, struct slice *out)
{
    uint32_t len;

    if (scan_peek(&g->sc) != '{')
        return g_quoted(g, out);
    return scan_byte(&g->sc, '{') && scan_u32(&g->sc, &len) &&
           scan_literal(&g->sc, SLICE("}\r\n")) && scan_take(&g->sc, len, out) &&
           slice_count(*out, '\0') == 0;
}

static inline bool g_nstring(struct grammar *g)
{
    struct slice s;

    return scan_literal(&g->sc, SLICE("NIL")) || g_string(g, &s);
}

static inline bool g_sp(struct grammar *g)
{
    return scan_byte(&g->sc, ' ');
}

static inline bool g_number(struct grammar *g)
{
    uint32_t n;

    return scan_u32(&g->sc, &n);
}

static inline bool g_address(struct grammar *g)
{
    return scan_byte(&g->sc, '(') && g_nstring(g) && g_sp(g) && g_nstring(g) && g_sp(g) &&
           g_nstring(g) && g_sp(g) && g_nstring(g) && scan_byte(&g->sc, ')');
}

static inline bool g_addresses(struct grammar *g)
{
    if (scan_literal(&g->sc, SLICE("NIL")))
        return true;
    if (!scan_byte(&g->sc, '('))
        return false;
    do {
        if (!g_address(g))
            return false;
    } while (!scan_byte(&g->sc, ')'));
    return true;
}

static inline bool g_envelope(struct grammar *g)
{
    if (!scan_byte(&g->sc, '(') || !g_nstring(g) || !g_sp(g) || !g_nstring(g))
        return false;
    for (int i = 0; i < 6; i++)
        if (!g_sp(g) || !g_addresses(g))
            return false;
    return g_sp(g) && g_nstring(g) && g_sp(g) && g_nstring(g) && scan_byte(&g->sc, ')');
}

static inline bool g_params(struct grammar *g)
{
    struct slice s;

    if (scan_literal(&g->sc, SLICE("NIL")))
        return true;
    if (!scan_byte(&g->sc, '('))
        return false;
    do {
        if (!g_string(g, &s) || !g_sp(g) || !g_string(g, &s))
            return false;
    } while (g_sp(g));
    return scan_byte(&g->sc, ')');
}

static inline bool g_disposition(struct grammar *g)
{
    struct slice s;

    if (scan_literal(&g->sc, SLICE("NIL")))
        return true;
    return scan_byte(&g->sc, '(') && g_string(g, &s) && g_sp(g) && g_params(g) &&
           scan_byte(&g->sc, ')');
}

static inline bool g_language(struct grammar *g)
{
    struct slice s;

    if (!scan_byte(&g->sc, '('))
        return g_nstring(g);
    do {
        if (!g_string(g, &s))
            return false;
    } while (g_sp(g));
    return scan_byte(&g->sc, ')');
}

static inline bool g_ext_tail(struct grammar *g)
{
    return g_sp(g) && g_disposition(g) && g_sp(g) && g_language(g) && g_sp(g) && g_nstring(g);
}

static bool g_body(struct grammar *g);

static inline bool g_one_part(struct grammar *g)
{
    struct slice type, subtype, encoding;
    bool text, message;

    if (!g_string(g, &type) || !g_sp(g) || !g_string(g, &subtype) || !g_sp(g) || !g_params(g) ||
        !g_sp(g) || !g_nstring(g) || !g_sp(g) || !g_nstring(g) || !g_sp(g) ||
        !g_string(g, &encoding) || !g_sp(g) || !g_number(g))
        return false;
    text = slice_eq_nocase(type, SLICE("text"));
    message = slice_eq_nocase(type, SLICE("message")) &&
              (slice_eq_nocase(subtype, SLICE("rfc822")) ||
               (g->global && slice_eq_nocase(subtype, SLICE("global"))));
    if (slice_eq_nocase(type, SLICE("multipart")) || type.len == 0 || subtype.len == 0 ||
        encoding.len == 0)
        return false;
    if (message && !(g_sp(g) && g_envelope(g) && g_sp(g) && g_body(g)))
        return false;
    if ((text || message) && !(g_sp(g) && g_number(g)))
        return false;
    return !g->extended || (g_sp(g) && g_nstring(g) && g_ext_tail(g));
}

static inline bool g_multi_part(struct grammar *g)
{
    struct slice subtype;

    do {
        if (!g_body(g))
            return false;
    } while (scan_peek(&g->sc) == '(');
    return g_sp(g) && g_string(g, &subtype) && subtype.len > 0 &&
           (!g->extended || (g_sp(g) && g_params(g) && g_ext_tail(g)));
}

static bool g_body(struct grammar *g)
{
    bool ok;

    if (!scan_byte(&g->sc, '(') || ++g->depth > GRAMMAR_DEPTH_MAX)
        return false;
    ok = scan_peek(&g->sc) == '(' ? g_multi_part(g) : g_one_part(g);
    g->depth--;
    return ok && scan_byte(&g->sc, ')');
}

/* All of text is one envelope. */
static inline bool grammar_is_envelope(struct slice text, bool utf8)
{
    struct grammar g = {.sc = scan_of(text), .utf8 = utf8};

    return g_envelope(&g) && scan_done(&g.sc);
}

/* All of text is one body; extended: BODYSTRUCTURE with all its extension data. */
static inline bool grammar_is_body(struct slice text, bool utf8, bool global, bool extended)
{
    struct grammar g = {
        .sc = scan_of(text), .utf8 = utf8, .global = global, .extended = extended};

    return g_body(&g) && scan_done(&g.sc);
}

#endif
