/*
 * parse_urlauth.c - RESETKEY, GENURLAUTH and URLFETCH.
 *
 * Spec: RFC 4467 7 and 9, RFC 5524 5 (URLFETCH with parameters). URLs stay text here: what is
 * no URL of ours is answered for each by itself.
 */
#include "base/ascii.h"
#include "imap/lex.h"

static bool is_mechanism(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!ascii_is_alnum(s.ptr[i]) && s.ptr[i] != '-' && s.ptr[i] != '.')
            return false;
    return s.len > 0;
}

static enum rc take_mechanism(struct imap_input *in, struct slice *out, struct err *err)
{
    struct scan before = in->sc;
    struct slice name;

    if (!lex_sp(in))
        return lex_fail(in, err, "a space and a mechanism");
    if (lex_atom(in, &name) && is_mechanism(name)) {
        *out = name;
        return RC_OK;
    }
    in->sc = before;
    return lex_fail(in, err, "a space and a mechanism");
}

static enum rc too_many(struct err *err)
{
    return err_set(err, RC_LIMIT, "Too many URLs", "urlauth: more than %u", URLS_MAX);
}

/* [SP mailbox *(SP mechanism)] */
enum rc imap_parse_resetkey(struct imap_input *in, union imap_args *args, struct err *err)
{
    struct imap_resetkey_args reset = {0};
    struct slice mechanism;
    enum rc rc;

    if (scan_done(&in->sc)) {
        args->resetkey = reset;
        return RC_OK;
    }
    if (!lex_sp(in))
        return lex_fail(in, err, "a space and a mailbox name");
    rc = lex_mailbox(in, &reset.mailbox, err);
    reset.has_mailbox = true;
    while (!rc && scan_peek(&in->sc) == ' ') {
        rc = take_mechanism(in, &mechanism, err);
        if (!rc && !slice_eq_nocase(mechanism, SLICE("INTERNAL")))
            reset.unknown_mechanism = true;
    }
    if (!rc)
        args->resetkey = reset;
    return rc;
}

/* 1*(SP url-rump SP mechanism) */
enum rc imap_parse_genurlauth(struct imap_input *in, union imap_args *args, struct err *err)
{
    size_t max = MIN(slice_count(scan_rest(&in->sc), ' ') / 2 + 1, (size_t) URLS_MAX);
    struct imap_url_rump *rumps = ARENA_ARRAY(in->arena, struct imap_url_rump, max);
    size_t n = 0;

    do {
        enum rc rc;

        if (n == max)
            return too_many(err);
        if (!lex_sp(in) || !lex_astring(in, &rumps[n].url))
            return lex_fail(in, err, "a space and an URL");
        rc = take_mechanism(in, &rumps[n].mechanism, err);
        if (rc)
            return rc;
        n++;
    } while (!scan_done(&in->sc));
    args->genurlauth = (struct imap_genurlauth_args){rumps, n};
    return RC_OK;
}

/* *(SP url-fetch-param) ")" */
static enum rc take_params(struct imap_input *in, struct imap_url_fetch *out, struct err *err)
{
    static const struct {
        const char *name;
        uint32_t bit;
    } rows[] = {
        {"BODYPARTSTRUCTURE", IMAP_URL_STRUCTURE},
        {"BODY",              IMAP_URL_BODY     },
        {"BINARY",            IMAP_URL_BINARY   },
    };

    while (lex_sp(in)) {
        size_t i = 0;

        while (i < COUNT(rows) && !lex_word(in, rows[i].name))
            i++;
        if (i == COUNT(rows) || (out->params & rows[i].bit) != 0)
            return lex_fail(in, err, "BODY, BINARY or BODYPARTSTRUCTURE, each once");
        out->params |= rows[i].bit;
    }
    if ((out->params & IMAP_URL_BODY) != 0 && (out->params & IMAP_URL_BINARY) != 0)
        return lex_fail(in, err, "BODY or BINARY before here, not both");
    return lex_byte(in, ')') ? RC_OK : lex_fail(in, err, "a space or \")\"");
}

/* 1*(SP (url-full / "(" url-full *(SP url-fetch-param) ")")) */
enum rc imap_parse_urlfetch(struct imap_input *in, union imap_args *args, struct err *err)
{
    size_t max = MIN(slice_count(scan_rest(&in->sc), ' ') + 1, (size_t) URLS_MAX);
    struct imap_url_fetch *urls = ARENA_ARRAY(in->arena, struct imap_url_fetch, max);
    size_t n = 0;

    do {
        enum rc rc = RC_OK;
        bool extended;

        if (n == max)
            return too_many(err);
        if (!lex_sp(in))
            return lex_fail(in, err, "a space and an URL");
        extended = lex_byte(in, '(');
        if (!lex_astring(in, &urls[n].url))
            return lex_fail(in, err, "an URL");
        if (extended)
            rc = take_params(in, &urls[n], err);
        if (rc)
            return rc;
        n++;
    } while (!scan_done(&in->sc));
    args->urlfetch = (struct imap_urlfetch_args){urls, n};
    return RC_OK;
}
