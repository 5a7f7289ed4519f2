#include "auth/socketmap.h"

#include "base/ascii.h"
#include "base/scan.h"

static enum rc malformed(struct err *err, const char *what)
{
    return err_set(err, RC_SYNTAX, "Malformed question", "socketmap: %s", what);
}

/* Digits and a colon. RC_MORE while they could still become a length. */
static enum rc take_length(struct scan *sc, size_t *out, struct err *err)
{
    bool starts_with_zero = scan_peek(sc) == '0';
    struct slice digits = scan_while(sc, ascii_is_digit);
    uint32_t len;

    if (digits.len > 1 && starts_with_zero)
        return malformed(err, "a leading zero");
    if (digits.len > 0 && (!slice_to_u32(digits, &len) || len > SOCKETMAP_QUESTION_MAX_BYTES))
        return err_set(err, RC_LIMIT, "Question is too long", "socketmap: over %zu bytes",
                       SOCKETMAP_QUESTION_MAX_BYTES);
    if (scan_done(sc))
        return RC_MORE;
    if (digits.len == 0 || !scan_byte(sc, ':'))
        return malformed(err, "no length");
    *out = len;
    return RC_OK;
}

enum rc socketmap_take(struct slice input, struct socketmap_question *out, size_t *out_used,
                       struct err *err)
{
    struct scan sc = scan_of(input);
    struct slice text;
    size_t len, space;
    enum rc rc = take_length(&sc, &len, err);

    if (rc)
        return rc;
    if (scan_left(&sc) <= len)
        return RC_MORE;
    (void) scan_take(&sc, len, &text);
    if (!scan_byte(&sc, ','))
        return malformed(err, "no comma at the end");
    space = slice_find(text, ' ');
    if (space == text.len)
        return malformed(err, "no key");
    *out = (struct socketmap_question){slice_sub(text, 0, space), slice_from(text, space + 1)};
    *out_used = scan_offset(&sc);
    return RC_OK;
}

void socketmap_answer(struct buf *out, const char *status, struct slice text)
{
    buf_u64(out, strlen(status) + 1 + text.len);
    buf_byte(out, ':');
    buf_str(out, status);
    buf_byte(out, ' ');
    buf_append(out, text);
    buf_byte(out, ',');
}
