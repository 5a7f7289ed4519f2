#include "cli/mbox.h"

#include "base/ascii.h"
#include "cli/mail_header.h"
#include "mime/date.h"

#define FROM_LINE_MAX_BYTES 4096u
#define LENGTH_SLACK_BYTES  (FROM_LINE_MAX_BYTES + 4) /* looked at behind a Content-Length */

struct mbox_reader {
    struct feed *feed;
    enum mbox_style style;
    uint64_t offset; /* of what is read next */
    bool begun;
    struct buf raw; /* the message as it lies in the file */
    struct buf clean;
};

bool mbox_style_from_name(const char *name, enum mbox_style *out)
{
    static const char *const names[] = {
        [MBOX_AUTO] = "auto", [MBOX_RD] = "rd",   [MBOX_O] = "o",
        [MBOX_CL] = "cl",     [MBOX_CL2] = "cl2",
    };

    for (size_t i = 0; i < COUNT(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            *out = (enum mbox_style) i;
            return true;
        }
    }
    return false;
}

/* ---- the "From " line ---- */

static bool is_month(struct slice word)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

    for (size_t i = 0; word.len == 3 && i < 12; i++)
        if (slice_eq_nocase(word, slice_of(months + 3 * i, 3)))
            return true;
    return false;
}

static bool is_time(struct slice word)
{
    size_t colon = slice_find(word, ':');

    return (colon == 1 || colon == 2) && word.len >= colon + 3 && ascii_is_digit(word.ptr[0]) &&
           ascii_is_digit(word.ptr[colon + 1]) && ascii_is_digit(word.ptr[colon + 2]);
}

/* The sender may be anything, also several words; then come a month and a time. */
bool mbox_is_from_line(struct slice line, int64_t *out_date)
{
    struct slice rest = slice_trim(slice_from(line, 5)), date = {0};
    struct mime_date parsed;
    bool month = false;

    *out_date = 0;
    if (!slice_starts(line, SLICE("From ")) || line.len > FROM_LINE_MAX_BYTES)
        return false;
    while (rest.len > 0) {
        struct slice word = slice_sub(rest, 0, slice_find(rest, ' '));

        if (!month && is_month(word)) {
            month = true;
            date = rest;
        } else if (month && is_time(word)) {
            if (date_parse(date, &parsed))
                *out_date = parsed.utc_sec;
            return true;
        }
        rest = slice_trim(slice_from(rest, word.len));
    }
    return false;
}

/* ---- fields that are flags ---- */

static void take_letters(struct mbox_message *message, struct slice letters)
{
    for (size_t i = 0; i < letters.len; i++) {
        switch (letters.ptr[i]) {
        case 'R':
            message->flags |= FLAG_SEEN;
            break;
        case 'A':
            message->flags |= FLAG_ANSWERED;
            break;
        case 'F':
            message->flags |= FLAG_FLAGGED;
            break;
        case 'T':
            message->flags |= FLAG_DRAFT;
            break;
        case 'D':
            message->flags |= FLAG_DELETED;
            break;
        default: /* "O": old */
            break;
        }
    }
}

static void take_keywords(struct mbox_message *message, struct slice words)
{
    while (words.len > 0 && message->n_keywords < MBOX_KEYWORDS_MAX) {
        size_t len = 0;

        while (len < words.len && !ascii_is_space(words.ptr[len]) && words.ptr[len] != ',')
            len++;
        if (len > 0)
            message->keywords[message->n_keywords++] = slice_sub(words, 0, len);
        words = slice_from(words, len + 1);
    }
}

static void take_mozilla(struct mbox_message *message, struct slice hex)
{
    static const uint8_t flags[] = {FLAG_SEEN, FLAG_ANSWERED, FLAG_FLAGGED, FLAG_DELETED};
    unsigned bits = 0;

    for (size_t i = 0; i < hex.len && i < 4; i++) {
        int digit = ascii_hex_value(hex.ptr[i]);

        if (digit < 0)
            return;
        bits = bits << 4 | (unsigned) digit;
    }
    for (size_t i = 0; i < COUNT(flags); i++)
        if ((bits >> i & 1) != 0)
            message->flags |= flags[i];
}

/* Does the field stay in the message? */
static bool take_field(struct mbox_message *message, const struct mail_field *field)
{
    if (slice_eq_nocase(field->name, SLICE("Status")) ||
        slice_eq_nocase(field->name, SLICE("X-Status")))
        take_letters(message, field->value);
    else if (slice_eq_nocase(field->name, SLICE("X-Keywords")))
        take_keywords(message, field->value);
    else if (slice_eq_nocase(field->name, SLICE("X-Mozilla-Status")))
        take_mozilla(message, field->value);
    else if (slice_eq_nocase(field->name, SLICE("X-IMAP")))
        message->internal = true;
    return !slice_eq_nocase(field->name, SLICE("Status")) &&
           !slice_eq_nocase(field->name, SLICE("X-Status")) &&
           !slice_eq_nocase(field->name, SLICE("X-Keywords")) &&
           !slice_eq_nocase(field->name, SLICE("X-UID")) &&
           !slice_eq_nocase(field->name, SLICE("X-IMAP")) &&
           !slice_eq_nocase(field->name, SLICE("X-IMAPbase"));
}

/* Copy the header to clean, without what became flags; what is left of raw is the body. */
static struct slice clean_header(struct mbox_reader *reader, struct mbox_message *message)
{
    struct slice rest = buf_slice(&reader->raw);
    struct mail_field field;

    while (mail_next_field(rest, &field)) {
        if (take_field(message, &field))
            buf_append(&reader->clean, field.all);
        rest = slice_from(rest, field.all.len);
    }
    return rest;
}

/* ---- quoting ---- */

/* How many ">" stand before "From " at the start of line; 0 for other lines. */
static size_t quote_depth(struct slice line)
{
    size_t n = 0;

    while (n < line.len && line.ptr[n] == '>')
        n++;
    return slice_starts(slice_from(line, n), SLICE("From ")) ? n : 0;
}

/* Copy the body with one level of quoting undone. */
static void clean_body(struct mbox_reader *reader, struct slice body, enum mbox_style style)
{
    while (body.len > 0) {
        size_t len = MIN(slice_find(body, '\n') + 1, body.len), skip = 0;
        size_t depth = body.ptr[0] == '>' ? quote_depth(slice_sub(body, 0, len)) : 0;

        if (style == MBOX_RD)
            skip = depth > 0;
        else if (style != MBOX_CL2)
            skip = depth == 1;
        buf_append(&reader->clean, slice_sub(body, skip, len - skip));
        body = slice_from(body, len);
    }
}

static bool has_bare_from(struct slice body)
{
    while (body.len > 0) {
        if (slice_starts(body, SLICE("From ")))
            return true;
        body = slice_from(body, MIN(slice_find(body, '\n') + 1, body.len));
    }
    return false;
}

/* ---- reading ---- */

struct mbox_reader *mbox_reader_new(struct feed *feed, enum mbox_style style)
{
    struct mbox_reader *reader = xcalloc(1, sizeof(*reader));

    reader->feed = feed;
    reader->style = style;
    buf_init(&reader->raw, MBOX_MESSAGE_MAX_BYTES);
    buf_init(&reader->clean, MBOX_MESSAGE_MAX_BYTES);
    return reader;
}

void mbox_reader_free(struct mbox_reader *reader)
{
    if (reader == NULL)
        return;
    buf_done(&reader->raw);
    buf_done(&reader->clean);
    free(reader);
}

void mbox_reader_freep(struct mbox_reader **reader)
{
    mbox_reader_free(*reader);
    *reader = NULL;
}

static bool is_blank(struct slice line)
{
    return slice_eq(line, SLICE("\n")) || slice_eq(line, SLICE("\r\n"));
}

static void take_line(struct mbox_reader *reader, struct slice line)
{
    buf_append(&reader->raw, line);
    reader->offset += line.len;
}

/* Content-Length of the header that raw holds; 0: none. */
static size_t content_length(const struct mbox_reader *reader)
{
    struct slice rest = buf_slice(&reader->raw);
    struct mail_field field;
    uint64_t len = 0;

    while (mail_next_field(rest, &field)) {
        if (slice_eq_nocase(field.name, SLICE("Content-Length")) &&
            !slice_to_u64(field.value, &len))
            len = 0;
        rest = slice_from(rest, field.all.len);
    }
    return len <= MBOX_MESSAGE_MAX_BYTES - LENGTH_SLACK_BYTES ? (size_t) len : 0;
}

/* Does a body of n bytes end where one can end? Then take it and the empty lines behind it. */
static bool take_body_of(struct mbox_reader *reader, size_t n)
{
    struct slice seen = feed_see(reader->feed, n + LENGTH_SLACK_BYTES), behind;
    int64_t date;

    if (n == 0 || seen.len < n || (reader->style != MBOX_AUTO && reader->style < MBOX_CL))
        return false;
    behind = slice_from(seen, n);
    while (behind.len > 0 && is_blank(slice_sub(behind, 0, slice_find(behind, '\n') + 1)))
        behind = slice_from(behind, slice_find(behind, '\n') + 1);
    if (behind.len > 0 &&
        !mbox_is_from_line(slice_sub(behind, 0, slice_find(behind, '\n') + 1), &date))
        return false;
    buf_append(&reader->raw, slice_sub(seen, 0, n));
    feed_take(reader->feed, seen.len - behind.len);
    reader->offset += seen.len - behind.len;
    return true;
}

/* The header with its empty line. False: the file ends in it. */
static bool take_header(struct mbox_reader *reader)
{
    bool starts = true;

    for (;;) {
        struct slice line = feed_line(reader->feed);

        if (line.len == 0)
            return false;
        take_line(reader, line);
        if (starts && is_blank(line))
            return true;
        starts = line.ptr[line.len - 1] == '\n';
    }
}

/* Up to the next "From " line behind an empty one, which is not kept. */
static void take_lines(struct mbox_reader *reader)
{
    bool starts = true, blank = true; /* the header ended with one */
    size_t blank_len = 0;
    struct slice line;
    int64_t date;

    for (;;) {
        struct slice seen = feed_see(reader->feed, FROM_LINE_MAX_BYTES);

        if (seen.len == 0)
            break;
        if (starts && blank && slice_starts(seen, SLICE("From ")) &&
            mbox_is_from_line(slice_sub(seen, 0, slice_find(seen, '\n') + 1), &date))
            break;
        line = feed_line(reader->feed);
        take_line(reader, line);
        blank = starts && is_blank(line);
        blank_len = blank ? line.len : 0;
        starts = line.ptr[line.len - 1] == '\n';
    }
    if (blank_len > 0 && !reader->raw.overflow)
        buf_truncate(&reader->raw, reader->raw.len - blank_len);
}

static enum rc begin(struct mbox_reader *reader, struct mbox_message *message, struct err *err)
{
    struct slice line = feed_line(reader->feed);
    uint64_t offset = reader->offset;
    enum rc rc;

    while (line.len > 0 && is_blank(line)) {
        offset += line.len;
        line = feed_line(reader->feed);
    }
    if (line.len == 0) {
        rc = feed_failed(reader->feed, err);
        if (rc)
            return rc;
        return err_set(err, RC_NOT_FOUND, "No more messages", "mbox: end");
    }
    if (!mbox_is_from_line(line, &message->date))
        return err_set(err, RC_SYNTAX, "This is no mbox file", "mbox: no From line at %llu",
                       (unsigned long long) offset);
    message->offset = offset;
    reader->offset = offset + line.len;
    return RC_OK;
}

enum rc mbox_next(struct mbox_reader *reader, struct mbox_message *out, struct err *err)
{
    struct mbox_message message = {0};
    enum mbox_style style = reader->style;
    struct slice body;
    enum rc rc = begin(reader, &message, err);

    if (rc)
        return rc;
    buf_reset(&reader->raw);
    buf_reset(&reader->clean);
    if (take_header(reader)) {
        if (take_body_of(reader, content_length(reader)))
            style = style == MBOX_AUTO ? MBOX_CL : style;
        else
            take_lines(reader);
    }
    if (style == MBOX_AUTO)
        style = MBOX_RD;
    message.too_long = reader->raw.overflow;
    body = clean_header(reader, &message);
    if (style == MBOX_CL && reader->style == MBOX_AUTO && has_bare_from(body))
        style = MBOX_CL2;
    clean_body(reader, body, style);
    message.bytes = buf_slice(&reader->clean);
    rc = feed_failed(reader->feed, err);
    if (rc)
        return rc;
    *out = message;
    return RC_OK;
}
