/*
 * reader.h - commands out of a stream of bytes, however they arrive.
 *
 * Spec: RFC 9051 4.3 and section 9 (literal), RFC 7888 (non-synchronising literals), RFC 3516
 * and 4466 (literal8), RFC 3502 (several messages in one APPEND).
 *
 * A command is lines joined by literals. A line that ends in {n} or {n+} (before it "~" for
 * literal8) is followed by n bytes that nothing here looks into; RFC 7888 section 3 makes that
 * so whatever stands before it. Lines end with CRLF; a bare LF is taken as well, as Dovecot and
 * Cyrus do.
 *
 * The bytes of an APPEND's messages go to the sink as they arrive. Everything else is collected
 * in the reader, within its limits.
 *
 *   feed() says         the caller
 *   READ_MORE           comes back when there are more bytes
 *   READ_CONTINUE       sends "+ OK" and goes on feeding
 *   READ_COMMAND        takes imap_reader_text(), runs it, then imap_reader_next()
 *   READ_LINE           the same for a line that was asked for with imap_reader_expect_line()
 *   READ_REFUSED        answers NO or BAD with imap_reader_tag() and err; goes on feeding
 *   READ_CLOSE          sends BYE and closes
 *
 * A refused synchronising literal is not followed by its bytes, a refused non-synchronising one
 * is: it is swallowed, up to READER_SWALLOW_BYTES over the limit. So the stream never resumes
 * inside a literal. err.rc of READ_REFUSED: RC_SYNTAX is BAD, RC_LIMIT a NO with [TOOBIG] if
 * imap_reader_too_big(), a BAD otherwise; anything else came from the sink.
 */
#ifndef ROOST_IMAP_READER_H
#define ROOST_IMAP_READER_H

#include "base/buf.h"
#include "imap/command.h"

#define READER_LINE_PRELOGIN_BYTES 8192u         /* design: a stranger costs little */
#define READER_LINE_BYTES          65536u        /* after login; without its literals */
#define READER_LITERAL_BYTES       131072u       /* all literals of a command but messages */
#define READER_MESSAGE_BYTES       (64ull << 20) /* one message, where nothing else is configured */
#define READER_SWALLOW_BYTES       (1ull << 20) /* over a limit, before we hang up */
#define READER_MAX_LITERALS        4096u        /* in one command */

struct reader_limits {
    size_t line_bytes;
    size_t literal_bytes;
    uint64_t message_bytes;
};

/*
 * Where the messages of an APPEND go. begin: the header is complete, text is the command so far
 * (its last literal is this one); a failure refuses the command before a "+" is sent. bytes: as
 * they arrive. abort: the command is refused or the connection ends; forget all its literals.
 * It comes at most once a command, and only after a begin (also one that failed).
 */
struct imap_sink {
    enum rc (*begin)(void *ctx, const struct imap_text *text, struct err *err);
    enum rc (*bytes)(void *ctx, struct slice bytes, struct err *err);
    void (*abort)(void *ctx);
};

enum imap_read {
    READ_MORE,
    READ_CONTINUE,
    READ_COMMAND,
    READ_LINE,
    READ_REFUSED,
    READ_CLOSE,
};

struct imap_reader;

/* sink may be NULL (before login): a message then is a literal like any other. */
struct imap_reader *imap_reader_new(const struct reader_limits *limits,
                                    const struct imap_sink *sink, void *sink_ctx);
void imap_reader_free(struct imap_reader *reader);
void imap_reader_freep(struct imap_reader **reader);
/* A line of a command is about to be too long: fn sees what it has of it, from the start of the
 * command, and may let this command's lines have max_bytes instead. Asked at most once a
 * command. */
typedef bool imap_reader_lengthen_fn(void *ctx, struct slice so_far);
void imap_reader_let_lengthen(struct imap_reader *reader, size_t max_bytes,
                              imap_reader_lengthen_fn *fn, void *ctx);

/* Take bytes from the front of *bytes until there is something to say. err is filled by
 * READ_REFUSED and READ_CLOSE. Not to be called between READ_COMMAND and imap_reader_next(). */
enum imap_read imap_reader_feed(struct imap_reader *reader, struct slice *bytes,
                                struct err *err);

/* The command (or line) that is complete. Valid until imap_reader_next(). */
struct imap_text imap_reader_text(const struct imap_reader *reader);
/* The tag of what was refused; empty if it had none. Valid until the next feed. */
struct slice imap_reader_tag(const struct imap_reader *reader);
/* The refusal was a literal over its limit. */
bool imap_reader_too_big(const struct imap_reader *reader);
/* Forget the command; start on the next. Gives its memory back. */
void imap_reader_next(struct imap_reader *reader);
/* The next thing is a bare line without literals: an AUTHENTICATE response, IDLE's DONE. */
void imap_reader_expect_line(struct imap_reader *reader, size_t max_bytes);
/* Bytes of memory that it has for what has arrived, itself not counted. */
size_t imap_reader_held(const struct imap_reader *reader);
/* Nothing of a command has arrived yet. */
bool imap_reader_is_idle(const struct imap_reader *reader);

#endif
