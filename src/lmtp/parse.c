#include "lmtp/parse.h"

#include "base/ascii.h"
#include "base/utf8.h"

static const struct {
    const char *word;
    enum lmtp_verb verb;
} verbs[] = {
    {"LHLO", LMTP_LHLO},
    {"MAIL", LMTP_MAIL},
    {"RCPT", LMTP_RCPT},
    {"DATA", LMTP_DATA},
    {"RSET", LMTP_RSET},
    {"NOOP", LMTP_NOOP},
    {"QUIT", LMTP_QUIT},
    {"VRFY", LMTP_VRFY},
    {"HELO", LMTP_HELO},
    {"EHLO", LMTP_HELO},
};

static enum lmtp_verb scan_verb(struct scan *sc)
{
    struct slice word = scan_while(sc, ascii_is_alpha);

    for (size_t i = 0; i < COUNT(verbs); i++) {
        if (slice_eq_nocase(word, slice_from_str(verbs[i].word)))
            return verbs[i].verb;
    }
    return LMTP_UNKNOWN;
}

/* A quoted local part may hold "<", ">" and "@", but no control byte: skip it whole. */
static bool skip_quoted(struct scan *sc)
{
    struct slice taken;

    if (!scan_byte(sc, '"'))
        return false;
    while (!scan_done(sc)) {
        if (scan_byte(sc, '"'))
            return true;
        (void) scan_byte(sc, '\\');
        if (!scan_take(sc, 1, &taken) || ascii_is_ctl(taken.ptr[0]))
            return false;
    }
    return false;
}

/* Up to the ">" that is not quoted. */
static bool scan_inside(struct scan *sc, struct slice *out)
{
    const char *from = sc->pos;
    struct slice taken;

    while (!scan_done(sc) && scan_peek(sc) != '>') {
        if (scan_peek(sc) == '"') {
            if (!skip_quoted(sc))
                return false;
        } else if (scan_peek(sc) == '<' || ascii_is_ctl((char) scan_peek(sc)) ||
                   !scan_take(sc, 1, &taken)) {
            return false;
        }
    }
    *out = slice_of(from, (size_t) (sc->pos - from));
    return true;
}

/* Path of RFC 5321 4.1.2: "<" [ source-route ":" ] mailbox ">", or "<>". */
static bool scan_path(struct scan *sc, struct slice *out)
{
    struct slice inside;

    if (!scan_byte(sc, '<') || !scan_inside(sc, &inside) || !scan_byte(sc, '>') ||
        inside.len > LMTP_PATH_BYTES || !utf8_is_valid(inside))
        return false;
    if (slice_starts(inside, SLICE("@"))) { /* a source route is ignored: RFC 5321 4.1.1.3 */
        size_t colon = slice_find(inside, ':');

        if (colon == inside.len)
            return false;
        inside = slice_from(inside, colon + 1);
    }
    *out = inside;
    return true;
}

static bool is_parameter_byte(char c)
{
    return c != ' ' && !ascii_is_ctl(c);
}

static enum rc take_parameter(struct slice parameter, struct lmtp_command *out, struct err *err)
{
    size_t equals = slice_find(parameter, '=');
    struct slice key = slice_sub(parameter, 0, equals),
                 value = slice_from(parameter, equals + 1);

    if (out->verb == LMTP_MAIL && slice_eq_nocase(key, SLICE("SIZE")))
        return slice_to_u64(value, &out->size) && value.len <= 20
                   ? RC_OK
                   : err_set(err, RC_SYNTAX, "SIZE wants a number", "lmtp: size");
    if (out->verb == LMTP_MAIL && slice_eq_nocase(key, SLICE("BODY"))) {
        out->eight_bit = slice_eq_nocase(value, SLICE("8BITMIME"));
        return out->eight_bit || slice_eq_nocase(value, SLICE("7BIT"))
                   ? RC_OK
                   : err_set(err, RC_SYNTAX, "BODY is 7BIT or 8BITMIME", "lmtp: body");
    }
    if (out->verb == LMTP_MAIL && slice_eq_nocase(parameter, SLICE("SMTPUTF8"))) {
        out->smtputf8 = true;
        return RC_OK;
    }
    return err_set(err, RC_INVALID, "Parameter not recognized", "lmtp: parameter");
}

/* ":" path *(SP parameter), behind FROM or TO. */
static enum rc parse_path_argument(struct scan *sc, struct slice word, struct lmtp_command *out,
                                   struct err *err)
{
    if (!scan_byte(sc, ' ') || !scan_literal_nocase(sc, word))
        return err_set(err, RC_SYNTAX, "Syntax: MAIL FROM:<address> or RCPT TO:<address>",
                       "lmtp: no FROM or TO");
    while (scan_byte(sc, ' ')) /* some clients put one behind the colon */
        ;
    if (!scan_path(sc, &out->argument))
        return err_set(err, RC_SYNTAX, "The address is not in <...>, or not one", "lmtp: path");
    while (scan_byte(sc, ' ')) {
        struct slice parameter = scan_while(sc, is_parameter_byte);
        enum rc rc = parameter.len > 0 ? take_parameter(parameter, out, err) : RC_OK;

        if (rc)
            return rc;
    }
    return scan_done(sc) ? RC_OK
                         : err_set(err, RC_SYNTAX, "Bytes behind the command", "lmtp: rest");
}

/* Domain or address literal: what can stand in a Received field without quoting. */
static bool is_host_byte(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || (unsigned char) c >= 0x80 ||
           slice_find(SLICE(".-_:[]"), c) < SLICE(".-_:[]").len;
}

static enum rc parse_greeting(struct scan *sc, struct lmtp_command *out, struct err *err)
{
    struct slice name;

    while (scan_byte(sc, ' '))
        ;
    name = scan_while(sc, is_host_byte);
    while (scan_byte(sc, ' '))
        ;
    if (name.len == 0 || name.len > LMTP_HOST_BYTES || !utf8_is_valid(name) || !scan_done(sc))
        return err_set(err, RC_SYNTAX, "Syntax: LHLO hostname", "lmtp: LHLO without a name");
    out->argument = name;
    return RC_OK;
}

enum rc lmtp_parse_command(struct slice line, struct lmtp_command *out, struct err *err)
{
    struct scan sc = scan_of(line);

    *out = (struct lmtp_command){.verb = scan_verb(&sc)};
    if (!scan_done(&sc) && scan_peek(&sc) != ' ')
        out->verb = LMTP_UNKNOWN;
    switch (out->verb) {
    case LMTP_MAIL:
        return parse_path_argument(&sc, SLICE("FROM:"), out, err);
    case LMTP_RCPT:
        return parse_path_argument(&sc, SLICE("TO:"), out, err);
    case LMTP_LHLO:
        return parse_greeting(&sc, out, err);
    case LMTP_DATA:
    case LMTP_RSET:
    case LMTP_QUIT:
        return slice_trim(scan_rest(&sc)).len == 0
                   ? RC_OK
                   : err_set(err, RC_SYNTAX, "This command has no argument", "lmtp: argument");
    case LMTP_NOOP:
    case LMTP_VRFY:
    case LMTP_HELO:
    case LMTP_UNKNOWN:
        break;
    }
    return RC_OK;
}

/* One byte through the machine. What a lone dot turned out to be is given out late. */
static void dot_byte(struct lmtp_dot *dot, char byte, struct buf *out)
{
    switch (dot->state) {
    case DOT_LINE_START:
        if (byte == '.') {
            dot->state = DOT_DOT;
            return;
        }
        break;
    case DOT_DOT: /* the first dot of a line is not content (RFC 5321 4.5.2) */
        if (byte == '\r') {
            dot->state = DOT_DOT_CR;
            return;
        }
        break;
    case DOT_DOT_CR:
        if (byte == '\n') {
            dot->state = DOT_END;
            return;
        }
        buf_byte(out, '\r');
        break;
    case DOT_CR:
        if (byte == '\n') {
            buf_byte(out, byte);
            dot->state = DOT_LINE_START;
            return;
        }
        break;
    case DOT_TEXT:
    case DOT_END:
        break;
    }
    buf_byte(out, byte);
    dot->state = byte == '\r' ? DOT_CR : DOT_TEXT;
}

/* Text without CR goes in one piece. */
static void copy_text(struct slice *bytes, struct buf *out)
{
    struct slice text = slice_sub(*bytes, 0, slice_find(*bytes, '\r'));

    buf_append(out, text);
    *bytes = slice_from(*bytes, text.len);
}

bool lmtp_dot_feed(struct lmtp_dot *dot, struct slice *bytes, struct buf *out)
{
    while (bytes->len > 0 && dot->state != DOT_END) {
        if (dot->state == DOT_TEXT)
            copy_text(bytes, out);
        if (bytes->len == 0)
            break;
        dot_byte(dot, bytes->ptr[0], out);
        *bytes = slice_from(*bytes, 1);
    }
    return dot->state == DOT_END;
}
