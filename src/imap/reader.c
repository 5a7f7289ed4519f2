#include "imap/reader.h"

#include <assert.h>

#include "base/ascii.h"
#include "imap/lex.h"

#define KEEP_BYTES       512u /* of memory between commands: most commands fit */
#define HEADER_MAX_BYTES 24u  /* "~{" 20 digits "+}" */
#define TAIL_BYTES       (HEADER_MAX_BYTES + 2)
#define NUMBER64_MAX     (UINT64_MAX >> 1)
#define FIRST_LITERALS   4u

/*
 *   LINE --header--> LITERAL or SINK --all bytes--> LINE --line end--> DONE --next()--> LINE
 *   LINE --header, refused--> SKIP --all bytes--> LINE
 *
 *   LINE     collecting a line; refusing: dropping it but for its tail
 *   LITERAL  left > 0 bytes of a literal go to text
 *   SINK     left > 0 bytes of a message go to the sink, which is open
 *   SKIP     left > 0 bytes are dropped; refusing
 *   DONE     text is complete; the caller has it
 *   CLOSED   the stream cannot be resumed
 *
 * refusing is orthogonal to LINE and SKIP: refusal holds the answer, and text what the tag is
 * read from.
 */
enum reader_state { LINE, LITERAL, SINK, SKIP, DONE, CLOSED };

struct imap_reader {
    struct reader_limits given, limits; /* limits: the running command's, lengthened perhaps */
    const struct imap_sink *sink;
    void *sink_ctx;
    imap_reader_lengthen_fn *lengthen; /* NULL: no line is longer than the others */
    void *lengthen_ctx;
    size_t long_bytes;
    bool asked_lengthen; /* of this command */
    enum reader_state state;
    struct buf text;
    size_t segment;  /* where in text the current line begins */
    size_t line_len; /* bytes of lines, without literals */
    struct imap_literal *literals;
    size_t n_literals, cap_literals;
    uint64_t left;             /* of the current literal */
    size_t literal_bytes;      /* of literals in text */
    bool messages_follow;      /* literals from here on are messages */
    unsigned annotation_depth; /* but for those in a list of annotations: open "(" of it */
    bool sink_open;
    bool bare_line; /* imap_reader_expect_line() */
    size_t bare_max;
    bool refusing, too_big;
    struct err refusal;
    uint64_t dropped_lines, dropped_literals;
    char tail[TAIL_BYTES]; /* the end of the line being dropped */
    size_t tail_len;
    bool clear_first; /* the refusal was told: forget it on the next feed */
};

/* What the end of a line says about the bytes behind it. */
struct header {
    size_t at; /* its offset in the line */
    uint64_t len;
    bool binary, nonsync;
};

struct imap_reader *imap_reader_new(const struct reader_limits *limits,
                                    const struct imap_sink *sink, void *sink_ctx)
{
    struct imap_reader *reader = xcalloc(1, sizeof(*reader));

    reader->given = reader->limits = *limits;
    reader->sink = sink;
    reader->sink_ctx = sink_ctx;
    buf_init(&reader->text, limits->line_bytes + limits->literal_bytes);
    reader->text.secret = true; /* a command may be a LOGIN, a line a SASL response */
    return reader;
}

static void close_sink(struct imap_reader *reader)
{
    if (reader->sink_open)
        reader->sink->abort(reader->sink_ctx);
    reader->sink_open = false;
}

void imap_reader_free(struct imap_reader *reader)
{
    if (reader == NULL)
        return;
    close_sink(reader);
    buf_done(&reader->text);
    free(reader->literals);
    free(reader);
}

void imap_reader_freep(struct imap_reader **reader)
{
    imap_reader_free(*reader);
}

void imap_reader_let_lengthen(struct imap_reader *reader, size_t max_bytes,
                              imap_reader_lengthen_fn *fn, void *ctx)
{
    reader->lengthen = fn;
    reader->lengthen_ctx = ctx;
    reader->long_bytes = max_bytes;
}

/* Start on the next command. The sink's literals, if any, are the caller's now. */
static void clear(struct imap_reader *reader)
{
    buf_reset(&reader->text);
    buf_shrink(&reader->text, KEEP_BYTES);
    if (reader->cap_literals > FIRST_LITERALS) {
        free(reader->literals);
        reader->literals = NULL;
        reader->cap_literals = 0;
    }
    reader->limits = reader->given;
    reader->text.max = reader->limits.line_bytes + reader->limits.literal_bytes;
    reader->state = LINE;
    reader->segment = reader->line_len = reader->n_literals = reader->literal_bytes = 0;
    reader->left = reader->dropped_lines = reader->dropped_literals = 0;
    reader->tail_len = 0;
    reader->messages_follow = reader->sink_open = reader->bare_line = false;
    reader->annotation_depth = 0;
    reader->refusing = reader->too_big = reader->clear_first = false;
    reader->asked_lengthen = false;
}

void imap_reader_next(struct imap_reader *reader)
{
    assert(reader->state == DONE);
    clear(reader);
}

void imap_reader_expect_line(struct imap_reader *reader, size_t max_bytes)
{
    assert(imap_reader_is_idle(reader));
    if (reader->clear_first)
        clear(reader);
    reader->bare_line = true;
    reader->bare_max = max_bytes;
    reader->text.max = max_bytes;
}

size_t imap_reader_held(const struct imap_reader *reader)
{
    return reader->text.cap + reader->cap_literals * sizeof(*reader->literals);
}

bool imap_reader_is_idle(const struct imap_reader *reader)
{
    return reader->clear_first ||
           (reader->state == LINE && reader->line_len == 0 && !reader->refusing);
}

struct imap_text imap_reader_text(const struct imap_reader *reader)
{
    assert(reader->state == DONE);
    return (struct imap_text){buf_slice(&reader->text), reader->literals, reader->n_literals};
}

struct slice imap_reader_tag(const struct imap_reader *reader)
{
    return imap_command_tag(buf_slice(&reader->text));
}

bool imap_reader_too_big(const struct imap_reader *reader)
{
    return reader->too_big;
}

/* From here on what belongs to the command is dropped; the answer comes at its end. */
static void refuse(struct imap_reader *reader, const struct err *why)
{
    close_sink(reader);
    reader->refusing = true;
    reader->refusal = *why;
    reader->tail_len = 0;
}

/* The command ends here, with an answer. */
static enum imap_read tell_refusal(struct imap_reader *reader, struct err *err)
{
    if (err != NULL)
        *err = reader->refusal;
    reader->clear_first = true;
    return READ_REFUSED;
}

static enum imap_read hang_up(struct imap_reader *reader, const char *text, struct err *err)
{
    close_sink(reader);
    reader->state = CLOSED;
    (void) err_set(&reader->refusal, RC_LIMIT, text, "reader: %s", text);
    if (err != NULL)
        *err = reader->refusal;
    return READ_CLOSE;
}

static struct slice without_line_end(struct slice line)
{
    line.len -= line.len > 0 && line.ptr[line.len - 1] == '\n';
    line.len -= line.len > 0 && line.ptr[line.len - 1] == '\r';
    return line;
}

/* ["~"] "{" number64 ["+"] "}" at the end of a line. Too great a number counts as the greatest.
 */
static bool find_header(struct slice line, struct header *out)
{
    struct header h = {0};
    size_t end = line.len, digits_end;

    if (end == 0 || line.ptr[end - 1] != '}')
        return false;
    end--;
    h.nonsync = end > 0 && line.ptr[end - 1] == '+';
    end -= h.nonsync;
    digits_end = end;
    while (end > 0 && digits_end - end < HEADER_MAX_BYTES && ascii_is_digit(line.ptr[end - 1]))
        end--;
    if (end == digits_end || end == 0 || line.ptr[end - 1] != '{')
        return false;
    if (!slice_to_u64(slice_sub(line, end, digits_end - end), &h.len) || h.len > NUMBER64_MAX)
        h.len = NUMBER64_MAX;
    end--;
    h.binary = end > 0 && line.ptr[end - 1] == '~';
    h.at = end - h.binary;
    *out = h;
    return true;
}

/*
 * A synchronising literal is waited for only where the grammar can have one: at the start of a
 * token and outside quotes. Elsewhere the line is the whole command, and its parser says BAD; a
 * client that did mean a literal hears that and does not send it.
 */
static bool is_well_placed(struct slice line, const struct header *h)
{
    bool in_quotes = false;

    if (h->at == 0 || (line.ptr[h->at - 1] != ' ' && line.ptr[h->at - 1] != '('))
        return false;
    for (size_t i = 0; i < h->at; i++) {
        if (in_quotes && line.ptr[i] == '\\')
            i++;
        else if (line.ptr[i] == '"')
            in_quotes = !in_quotes;
    }
    return !in_quotes;
}

/* Commands whose literals go to the sink, behind so many arguments. */
static const struct {
    const char *name;
    unsigned n_args;
} spooling[] = {
    {"APPEND",  1},
    {"REPLACE", 2},
};
#define SPOOLING_MAX_ARGS 2u /* the most in the rows above */

static bool is_not_space(char c)
{
    return c != ' ';
}

/* SP and an argument, whatever it is. */
static bool skip_arg(struct imap_input *in)
{
    struct lex_literal lit;

    if (!lex_sp(in))
        return false;
    if (lex_byte(in, '"')) {
        while (!lex_byte(in, '"')) {
            (void) lex_byte(in, '\\');
            if (scan_done(&in->sc))
                return false;
            (void) scan_byte(&in->sc, *in->sc.pos);
        }
        return true;
    }
    return lex_literal(in, &lit) || scan_while(&in->sc, is_not_space).len > 0;
}

/* An URL of CATENATE may be a literal too (RFC 4469 section 5): this piece of the line, behind
 * the mailbox and up to the header, says so. */
static bool is_url(struct slice piece)
{
    return piece.len >= 5 &&
           (piece.ptr[piece.len - 5] == ' ' || piece.ptr[piece.len - 5] == '(') &&
           slice_eq_nocase(slice_from(piece, piece.len - 4), SLICE("URL "));
}

/* The "(" of ANNOTATION SP "(", which is next. */
static bool opens_annotations(struct slice piece, size_t at)
{
    static const struct slice label = {"ANNOTATION ", 11};

    return at >= label.len && (at == label.len || piece.ptr[at - label.len - 1] == ' ') &&
           slice_eq_nocase(slice_sub(piece, at - label.len, label.len), label);
}

/* An APPEND may have annotations before a message, whose texts may be literals (RFC 5257 4.7).
 * The piece of the line up to a literal's header is walked once; what is open at its end goes
 * on behind the literal. */
static bool is_in_annotations(struct imap_reader *reader, struct slice piece)
{
    bool in_quotes = false;

    for (size_t i = 0; i < piece.len; i++) {
        char c = piece.ptr[i];

        if (in_quotes && c == '\\')
            i++;
        else if (c == '"')
            in_quotes = !in_quotes;
        else if (!in_quotes && c == '(' &&
                 (reader->annotation_depth > 0 || opens_annotations(piece, i)))
            reader->annotation_depth++;
        else if (!in_quotes && c == ')' && reader->annotation_depth > 0)
            reader->annotation_depth--;
    }
    return reader->annotation_depth > 0;
}

/* Is the literal behind this piece of the line, which is behind the mailbox, text of ours? */
static bool is_no_message(struct imap_reader *reader, struct slice piece)
{
    bool in_annotations = is_in_annotations(reader, piece);

    return in_annotations || is_url(piece);
}

/* Whether a literal whose header begins at this offset of the text is a message, or a part of
 * one. */
static bool is_message(struct imap_reader *reader, size_t at)
{
    struct imap_text so_far = {slice_sub(buf_slice(&reader->text), 0, at), reader->literals,
                               reader->n_literals};
    struct imap_cmd cmd;

    /* An argument has one literal at most: later ones need no look, which keeps this linear. */
    if (reader->sink == NULL || reader->messages_follow ||
        reader->n_literals > SPOOLING_MAX_ARGS)
        return reader->messages_follow &&
               !is_no_message(reader, slice_sub(buf_slice(&reader->text), reader->segment,
                                                at - reader->segment));
    if (imap_parse_head(&so_far, (struct imap_mode){0}, NULL, &cmd, NULL))
        return false;
    for (size_t i = 0; i < COUNT(spooling); i++) {
        unsigned n = 0;

        if (!slice_eq_nocase(cmd.name, slice_from_str(spooling[i].name)))
            continue;
        while (n < spooling[i].n_args && skip_arg(&cmd.in))
            n++;
        reader->messages_follow = n == spooling[i].n_args && lex_sp(&cmd.in);
    }
    return reader->messages_follow && !is_no_message(reader, scan_rest(&cmd.in.sc));
}

static void add_literal(struct imap_reader *reader, const struct header *h, bool spooled)
{
    if (reader->n_literals == reader->cap_literals) {
        reader->cap_literals = MAX(reader->cap_literals * 2, FIRST_LITERALS);
        reader->literals =
            xrealloc(reader->literals, reader->cap_literals * sizeof(*reader->literals));
    }
    reader->literals[reader->n_literals++] = (struct imap_literal){
        .at = reader->text.len,
        .len = h->len,
        .binary = h->binary,
        .nonsync = h->nonsync,
        .spooled = spooled,
    };
}

/* Drop the bytes of a non-synchronising literal; what was refused is told at the command's end.
 */
static enum imap_read skip_literal(struct imap_reader *reader, uint64_t len, struct err *err)
{
    uint64_t most =
        reader->sink != NULL ? reader->limits.message_bytes : reader->limits.literal_bytes;

    most += READER_SWALLOW_BYTES;
    if (len > most || reader->dropped_literals > most - len)
        return hang_up(reader, "Literal too big", err);
    reader->dropped_literals += len;
    reader->left = len;
    reader->state = SKIP;
    reader->tail_len = 0;
    return READ_MORE;
}

/* The literal is refused before its first byte. */
static enum imap_read refuse_literal(struct imap_reader *reader, const struct header *h,
                                     const struct err *why, struct err *err)
{
    refuse(reader, why);
    return h->nonsync ? skip_literal(reader, h->len, err) : tell_refusal(reader, err);
}

static enum imap_read refuse_too_big(struct imap_reader *reader, const struct header *h,
                                     uint64_t limit, struct err *err)
{
    struct err why;

    (void) err_set(&why, RC_LIMIT, "Literal too big", "reader: literal over its limit");
    reader->too_big = true;
    if (h->nonsync && h->len - limit > READER_SWALLOW_BYTES) {
        refuse(reader, &why);
        return hang_up(reader, "Literal too big", err);
    }
    return refuse_literal(reader, h, &why, err);
}

static enum imap_read begin_literal(struct imap_reader *reader, const struct header *h,
                                    struct err *err)
{
    bool spooled = is_message(reader, reader->segment + h->at);
    uint64_t limit = spooled ? reader->limits.message_bytes
                             : reader->limits.literal_bytes - reader->literal_bytes;
    struct imap_text so_far;
    struct err why;

    if (h->len > limit)
        return refuse_too_big(reader, h, limit, err);
    if (reader->n_literals == READER_MAX_LITERALS) {
        (void) err_set(&why, RC_LIMIT, "Too many literals", "reader: more than %u literals",
                       READER_MAX_LITERALS);
        return refuse_literal(reader, h, &why, err);
    }
    add_literal(reader, h, spooled);
    if (spooled) {
        so_far =
            (struct imap_text){buf_slice(&reader->text), reader->literals, reader->n_literals};
        reader->sink_open = true;
        if (reader->sink->begin(reader->sink_ctx, &so_far, &why))
            return refuse_literal(reader, h, &why, err);
    } else {
        reader->literal_bytes += (size_t) h->len;
    }
    reader->left = h->len;
    reader->state = spooled ? SINK : LITERAL;
    return h->nonsync ? READ_MORE : READ_CONTINUE;
}

static enum imap_read end_of_command(struct imap_reader *reader)
{
    struct slice text = without_line_end(buf_slice(&reader->text));

    buf_truncate(&reader->text, text.len);
    reader->state = DONE;
    reader->sink_open = false;
    return reader->bare_line ? READ_LINE : READ_COMMAND;
}

static enum imap_read end_of_line(struct imap_reader *reader, struct err *err)
{
    struct slice line = without_line_end(slice_from(buf_slice(&reader->text), reader->segment));
    struct header h;

    if (reader->bare_line || !find_header(line, &h) ||
        (!h.nonsync && !is_well_placed(line, &h)))
        return end_of_command(reader);
    return begin_literal(reader, &h, err);
}

/* The end of a line that is dropped: only a non-synchronising literal goes on. */
static enum imap_read end_of_dropped_line(struct imap_reader *reader, struct err *err)
{
    struct slice line = without_line_end(slice_of(reader->tail, reader->tail_len));
    struct header h;

    if (!reader->bare_line && find_header(line, &h) && h.nonsync)
        return skip_literal(reader, h.len, err);
    return tell_refusal(reader, err);
}

static void keep_tail(struct imap_reader *reader, struct slice piece)
{
    size_t keep;

    if (piece.len >= TAIL_BYTES) {
        memcpy(reader->tail, piece.ptr + piece.len - TAIL_BYTES, TAIL_BYTES);
        reader->tail_len = TAIL_BYTES;
        return;
    }
    keep = MIN(reader->tail_len, TAIL_BYTES - piece.len);
    memmove(reader->tail, reader->tail + reader->tail_len - keep, keep);
    memcpy(reader->tail + keep, piece.ptr, piece.len);
    reader->tail_len = keep + piece.len;
}

/* The line goes on behind its limit: may this command's be longer? */
static bool may_lengthen(struct imap_reader *reader)
{
    if (reader->bare_line || reader->lengthen == NULL || reader->asked_lengthen)
        return false;
    reader->asked_lengthen = true;
    if (!reader->lengthen(reader->lengthen_ctx, buf_slice(&reader->text)))
        return false;
    reader->limits.line_bytes = reader->long_bytes;
    reader->text.max = reader->limits.line_bytes + reader->limits.literal_bytes;
    return true;
}

/* Take a piece of a line into the text, or start refusing if it is too much. */
static void collect_line(struct imap_reader *reader, struct slice piece)
{
    size_t max = reader->bare_line ? reader->bare_max : reader->limits.line_bytes;
    size_t fits = MIN(piece.len, max - reader->line_len);
    struct err why;

    if (fits < piece.len && may_lengthen(reader)) {
        max = reader->limits.line_bytes;
        fits = MIN(piece.len, max - reader->line_len);
    }
    buf_append(&reader->text, slice_sub(piece, 0, fits));
    reader->line_len += fits;
    if (fits == piece.len)
        return;
    (void) err_set(&why, RC_LIMIT, "Line too long", "reader: line over %zu bytes", max);
    refuse(reader, &why);
    /* The header of a literal may lie across the limit. */
    keep_tail(reader, slice_from(buf_slice(&reader->text), reader->segment));
    keep_tail(reader, slice_from(piece, fits));
    reader->dropped_lines = piece.len - fits;
}

static enum imap_read feed_line(struct imap_reader *reader, struct slice *bytes,
                                struct err *err)
{
    size_t at = slice_find(*bytes, '\n');
    bool ends = at < bytes->len;
    struct slice piece = slice_sub(*bytes, 0, at + ends);

    *bytes = slice_from(*bytes, piece.len);
    if (reader->refusing) {
        keep_tail(reader, piece);
        reader->dropped_lines += piece.len;
    } else {
        collect_line(reader, piece);
    }
    if (reader->refusing && reader->dropped_lines > READER_SWALLOW_BYTES)
        return hang_up(reader, "Line too long", err);
    if (!ends)
        return READ_MORE;
    return reader->refusing ? end_of_dropped_line(reader, err) : end_of_line(reader, err);
}

/* RFC 9051 section 9: CHAR8 is any octet but NUL; literal8 holds any. */
static bool accept_bytes(struct imap_reader *reader, struct slice piece, struct err *why)
{
    if (!reader->literals[reader->n_literals - 1].binary &&
        slice_find(piece, '\0') != piece.len) {
        (void) err_set(why, RC_SYNTAX, "NUL in a literal", "reader: NUL in a literal");
        return false;
    }
    if (reader->state == SINK)
        return reader->sink->bytes(reader->sink_ctx, piece, why) == RC_OK;
    buf_append(&reader->text, piece);
    return true;
}

static void feed_literal(struct imap_reader *reader, struct slice *bytes)
{
    struct slice piece = slice_sub(*bytes, 0, (size_t) MIN(reader->left, bytes->len));
    struct err why;

    *bytes = slice_from(*bytes, piece.len);
    reader->left -= piece.len;
    if (reader->state == SKIP || accept_bytes(reader, piece, &why))
        return;
    refuse(reader, &why);
    reader->dropped_literals += reader->left;
    reader->state = SKIP;
}

static void end_literal(struct imap_reader *reader)
{
    reader->state = LINE;
    reader->segment = reader->text.len;
}

enum imap_read imap_reader_feed(struct imap_reader *reader, struct slice *bytes,
                                struct err *err)
{
    enum imap_read said = READ_MORE;

    assert(reader->state != DONE);
    if (reader->clear_first && bytes->len > 0)
        clear(reader);
    if (reader->state == CLOSED) {
        if (err != NULL)
            *err = reader->refusal;
        return READ_CLOSE;
    }
    while (said == READ_MORE && bytes->len > 0) {
        if (reader->state == LINE)
            said = feed_line(reader, bytes, err);
        else
            feed_literal(reader, bytes);
        if (reader->left == 0 && reader->state != LINE && reader->state != DONE &&
            reader->state != CLOSED)
            end_literal(reader);
    }
    return said;
}
