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
    bool recent;    /* show \Recent */
    bool by_reader; /* flags or MODSEQs are not those of the columns (access.h) */
    struct chunk_view chunk;
    uint32_t chunk_start; /* index of its first message; chunk.n == 0: none yet */
    struct buf tail;
};

/* Valid while the view holds its version. */
void flags_text_init(struct flags_text *text, const struct mbox_view *view,
                     struct imap_mode mode);
void flags_text_done(struct flags_text *text);

/* enum imap_flag bits of the message at index. */
uint32_t flags_text_bits(struct flags_text *text, uint32_t index, uint32_t uid);
/* Its keywords, each with a space before it; valid until the next call. */
struct slice flags_text_keywords(struct flags_text *text, uint32_t index);
uint64_t flags_text_modseq(struct flags_text *text, uint32_t index);

/* The same of an expunged message that the mailbox keeps, as flags_text_list() has it. */
void flags_text_list_kept(struct flags_text *text, const struct kept_message *kept,
                          struct buf *out);
/* "(\Seen $Junk)" */
void flags_text_list(struct flags_text *text, uint32_t index, uint32_t bits, struct buf *out);

#endif
