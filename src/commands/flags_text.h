/*
 * flags_text.h - the flags of messages as FETCH answers show them, one after the other.
 *
 * Spec: RFC 9051 7.5.2 (FLAGS), RFC 3501 2.3.2 (\Recent, not in IMAP4rev2), RFC 7162 3.1.4.2.
 * Walks the columns of the view's version chunk by chunk: no allocation a message.
 */
#ifndef ROOST_COMMANDS_FLAGS_TEXT_H
#define ROOST_COMMANDS_FLAGS_TEXT_H

#include "account/kept.h"
#include "imap/print.h"
#include "mailbox/view.h"

#define FLAGS_TAIL_MAX_BYTES ((size_t) KEYWORDS_MAX * (KEYWORD_BYTES_MAX + 1))

struct flags_text {
    const struct mbox_view *view;
    const struct mbox *mbox;
    const struct mbox_info *info;
    bool shows_recent;
    /* \Recent was looked up for uids from recent_from to recent.last: recent has those that
     * are, no uid before them is. */
    uint32_t recent_from;
    struct uid_run recent;
    bool by_reader; /* flags or MODSEQs are not those of the columns (access.h) */
    struct chunk_view chunk;
    uint32_t chunk_start; /* index of its first message; chunk.n == 0: none yet */
    struct buf tail;
};

/* Valid while the view holds its version. */
void flags_text_init(struct flags_text *text, const struct mbox_view *view,
                     struct imap_mode mode);
void flags_text_done(struct flags_text *text);

/* For the functions below: what is rare in a walk. text->chunk becomes the message's. */
void flags_text_enter(struct flags_text *text, uint32_t index);
uint32_t flags_text_reader_bits(const struct flags_text *text, uint32_t index);
uint64_t flags_text_full_modseq(const struct flags_text *text, uint32_t index);
void flags_text_find_recent(struct flags_text *text, uint32_t uid);
struct slice flags_text_put_keywords(struct flags_text *text, uint32_t index);

/* The row of text->chunk that the message at index is. */
static inline uint32_t flags_text_row(struct flags_text *text, uint32_t index)
{
    if (index - text->chunk_start >= text->chunk.n)
        flags_text_enter(text, index);
    return index - text->chunk_start;
}

/* enum imap_flag bits of the message at index. */
static inline uint32_t flags_text_bits(struct flags_text *text, uint32_t index, uint32_t uid)
{
    uint32_t row = flags_text_row(text, index);
    uint32_t bits =
        text->by_reader ? flags_text_reader_bits(text, index) : text->chunk.flags[row];

    if (uid > text->recent.last || uid < text->recent_from)
        flags_text_find_recent(text, uid);
    return bits | (uid >= text->recent.first ? (uint32_t) IMAP_RECENT : 0);
}

/* Its keywords, each with a space before it; valid until the next call. */
static inline struct slice flags_text_keywords(struct flags_text *text, uint32_t index)
{
    (void) flags_text_row(text, index);
    return text->chunk.keywords == NULL ? (struct slice){NULL, 0}
                                        : flags_text_put_keywords(text, index);
}

static inline uint64_t flags_text_modseq(struct flags_text *text, uint32_t index)
{
    uint32_t row = flags_text_row(text, index), delta = text->chunk.modseq_delta[row];

    return text->by_reader || delta == MODSEQ_ESCAPE ? flags_text_full_modseq(text, index)
                                                     : text->chunk.modseq_base + delta;
}

/* The same of an expunged message that the mailbox keeps, as flags_text_list() has it. */
void flags_text_list_kept(struct flags_text *text, const struct kept_message *kept,
                          struct buf *out);
/* "(\Seen $Junk)" */
void flags_text_list(struct flags_text *text, uint32_t index, uint32_t bits, struct buf *out);

#endif
