#include "imap/response.h"

#include "imap/lex.h"
#include "imap/response_data.h"
#include "imap/response_text.h"

/* Framing. */

/* Bytes of the literal whose header ends this line, or false. A server's literals have no "+".
 */
static bool ends_in_header(struct slice line, uint64_t *out_len)
{
    size_t open = slice_rfind(line, '{');

    return open < line.len && slice_ends(line, SLICE("}")) &&
           slice_to_u64(slice_sub(line, open + 1, line.len - open - 2), out_len);
}

enum rc imap_frame_response(struct imap_framer *framer, struct slice bytes, size_t *out_len)
{
    while (framer->at < bytes.len) {
        struct slice ahead = slice_from(bytes, framer->at), line;
        size_t lf = slice_find(ahead, '\n');
        uint64_t len;

        if (lf == ahead.len) {
            framer->at = bytes.len;
            return RC_MORE;
        }
        line = slice_sub(bytes, framer->line, framer->at + lf - framer->line);
        if (!slice_ends(line, SLICE("\r")))
            return RC_SYNTAX;
        line.len--;
        if (!ends_in_header(line, &len)) {
            *out_len = framer->at + lf + 1;
            return RC_OK;
        }
        if (len > SIZE_MAX / 2)
            return RC_SYNTAX;
        framer->at += lf + 1;
        if (bytes.len - framer->at < len) {
            framer->at -= lf + 1; /* the header is looked at again */
            return RC_MORE;
        }
        framer->at += (size_t) len;
        framer->line = framer->at;
    }
    return RC_MORE;
}

// clang-format off
static const struct {
    const char *name;
    enum imap_cond cond;
    bool tagged;
} conds[] = {
    {"OK",  IMAP_OK,  true},  {"NO",      IMAP_NO,      true}, {"BAD", IMAP_BAD, true},
    {"BYE", IMAP_BYE, false}, {"PREAUTH", IMAP_PREAUTH, false},
};
// clang-format on

static bool take_cond(struct imap_input *in, bool tagged, enum imap_cond *out)
{
    for (size_t i = 0; i < COUNT(conds); i++) {
        if ((conds[i].tagged || !tagged) && lex_word(in, conds[i].name)) {
            *out = conds[i].cond;
            return true;
        }
    }
    return false;
}

static enum rc take_status_response(struct imap_input *in, struct imap_response *out,
                                    struct err *err)
{
    out->data = IMAP_DATA_STATUS;
    return lex_sp(in) ? response_take_text(in, out, err)
                      : lex_fail(in, err, "a space and text");
}

static enum rc take_untagged(struct imap_input *in, struct imap_response *out, struct err *err)
{
    if (take_cond(in, false, &out->cond))
        return take_status_response(in, out, err);
    return response_take_data(in, out, err);
}

/* "+" SP (resp-text / base64): base64 is text, and may be empty (RFC 9051 6.2.2). */
static enum rc take_continuation(struct imap_input *in, struct imap_response *out,
                                 struct err *err)
{
    out->data = IMAP_DATA_CONTINUE;
    return scan_done(&in->sc) ? RC_OK : response_take_text(in, out, err);
}

static enum rc take_tagged(struct imap_input *in, struct imap_response *out, struct err *err)
{
    out->tag = imap_command_tag(scan_rest(&in->sc));
    if (out->tag.len == 0)
        return lex_fail(in, err, "a tag");
    (void) scan_literal(&in->sc, out->tag);
    if (!lex_sp(in) || !take_cond(in, true, &out->cond))
        return lex_fail(in, err, "OK, NO or BAD");
    return take_status_response(in, out, err);
}

enum rc imap_parse_response(struct slice bytes, struct imap_mode mode, struct arena *arena,
                            struct imap_response *out, struct err *err)
{
    struct imap_response response = {0};
    struct imap_input in = {.mode = mode, .from_server = true, .arena = arena};
    enum rc rc;

    if (!slice_ends(bytes, SLICE("\r\n")))
        return err_set(err, RC_SYNTAX, "Expected CRLF at the end of a response",
                       "response: no CRLF");
    in.sc = scan_of(slice_sub(bytes, 0, bytes.len - 2));
    if (scan_literal(&in.sc, SLICE("* ")))
        rc = take_untagged(&in, &response, err);
    else if (scan_literal(&in.sc, SLICE("+ ")))
        rc = take_continuation(&in, &response, err);
    else
        rc = take_tagged(&in, &response, err);
    if (!rc && !scan_done(&in.sc))
        rc = lex_fail(&in, err, "the end of the response");
    if (!rc)
        *out = response;
    return rc;
}
