/*
 * charset.h - bytes of any charset to UTF-8, by ICU.
 *
 * Labels are read as mail means them: supersets for what is mislabelled (ISO-8859-1 is
 * windows-1252, GB2312 is GB18030, ...), and text without label, with an unknown label or
 * labelled US-ASCII is UTF-8 if it is valid, else windows-1252. Bytes that mean nothing become
 * U+FFFD. Never fails. Output is valid UTF-8.
 */
#ifndef ROOST_MIME_CHARSET_H
#define ROOST_MIME_CHARSET_H

#include "base/buf.h"
#include "base/slice.h"

#define CHARSET_NAME_MAX_BYTES 60u /* ICU's own limit on converter names */

/* What so many bytes of a field may take when they are UTF-8: for the buffer that gets them. */
static inline size_t charset_room(size_t len)
{
    return 4 * len + 64;
}

/* All of bytes at once. */
void charset_to_utf8(struct slice label, struct slice bytes, struct buf *out);

/* True if the label names a charset we convert from; the empty label does not. */
bool charset_is_known(struct slice label);

/* UTF-16 as ICU gives it to UTF-8; a lone surrogate becomes U+FFFD. */
void charset_append_utf16(const uint16_t *units, size_t n, struct buf *out);

/* For long text in pieces. */
struct charset_reader {
    void *converter; /* NULL: the text is UTF-8 already */
    char held[4];    /* start of a character that the next piece ends */
    size_t n_held;
    bool turns_controls; /* the converter does, and we turn them back */
};

enum charset_guess { CHARSET_GUESS_UTF8, CHARSET_GUESS_LEGACY };

/* guess: what text without useful label is. */
void charset_open(struct charset_reader *reader, struct slice label, enum charset_guess guess);
/* last: no more comes; an unfinished character becomes U+FFFD. */
void charset_feed(struct charset_reader *reader, struct slice bytes, bool last,
                  struct buf *out);
void charset_close(struct charset_reader *reader);

/*
 * Open what conversion and casemapping will need, and forbid ICU any file from here on. For a
 * process that is about to be shut in; call once, before threads.
 */
void mime_warm_up(void);

#endif
