/*
 * param.h - fields of the shape "value; name=value": Content-Type, Content-Disposition.
 *
 * Spec: RFC 2045 5.1, RFC 2183, RFC 2231. Lenient: a missing semicolon, a value with spaces and
 * no quotes, a quote that does not close, comments anywhere.
 */
#ifndef ROOST_MIME_PARAM_H
#define ROOST_MIME_PARAM_H

#include "base/buf.h"
#include "base/scan.h"

#define PARAM_SEGMENTS_MAX 256u /* RFC 2231 pieces of one value; more are left out */
#define PARAM_NAMES_MAX    16u  /* parameters of a field whose pieces become text */

struct param {
    struct slice name;  /* as written, RFC 2231 marks included: "filename*0*" */
    struct slice value; /* unquoted; lives in the reader's scratch until the next call */
};

struct param_reader {
    struct scan sc;
    struct buf *scratch;
};

/* Begin on a field's raw text. Returns what stands before the parameters ("text/plain"), or "".
 */
struct slice param_begin(struct param_reader *reader, struct slice raw, struct buf *scratch);
bool param_next(struct param_reader *reader, struct param *out);

/* The first parameter of this name as written, appended to out; where there is none, its RFC
 * 2231 pieces, which any parameter may have. False if absent. */
bool param_get(struct slice raw, struct slice name, struct buf *out);
/* The same decoded to UTF-8: RFC 2231 pieces and charset, else RFC 2047 words, which mailers
 * write against the standard. */
bool param_get_text(struct slice raw, struct slice name, struct buf *out);
/* "; name=text", decoded to UTF-8, of each parameter that is written in RFC 2231 pieces. */
void param_pieces_text(struct slice raw, struct buf *out);

#endif
