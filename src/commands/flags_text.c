#include "commands/flags_text.h"

/* The account's bits are the protocol's, so no message needs a translation. */
_Static_assert((int) FLAG_SEEN == (int) IMAP_SEEN &&
                   (int) FLAG_ANSWERED == (int) IMAP_ANSWERED &&
                   (int) FLAG_FLAGGED == (int) IMAP_FLAGGED &&
                   (int) FLAG_DELETED == (int) IMAP_DELETED &&
                   (int) FLAG_DRAFT == (int) IMAP_DRAFT,
               "flag bits");

void flags_text_init(struct flags_text *text, const struct mbox_view *view,
                     struct imap_mode mode)
{
    *text = (struct flags_text){
        .view = view,
        .mbox = view_mbox(view),
        .info = mbox_info(view_mbox(view)),
        .recent = !mode.rev2,
        .by_reader = view_reader(view)->is_guest ||
                     reader_own_modseq(view_reader(view), view_mbox(view)) != 0,
    };
    buf_init(&text->tail, FLAGS_TAIL_MAX_BYTES);
}

void flags_text_done(struct flags_text *text)
{
    buf_done(&text->tail);
}

static inline uint32_t in_chunk(struct flags_text *text, uint32_t index)
{
    if (index - text->chunk_start >= text->chunk.n) {
        size_t at = mbox_chunk_of(text->mbox, index);

        text->chunk = mbox_chunk(text->mbox, at);
        text->chunk_start = mbox_chunk_start(text->mbox, at);
    }
    return index - text->chunk_start;
}

uint32_t flags_text_bits(struct flags_text *text, uint32_t index, uint32_t uid)
{
    uint32_t at = in_chunk(text, index);
    uint32_t bits = text->by_reader ? view_flags(text->view, index) : text->chunk.flags[at];

    if (text->recent && view_is_recent(text->view, uid))
        bits |= IMAP_RECENT;
    return bits;
}

static void add_keyword(struct flags_text *text, uint16_t keyword)
{
    buf_byte(&text->tail, ' ');
    buf_append(&text->tail, text->info->keywords[keyword]);
}

struct slice flags_text_keywords(struct flags_text *text, uint32_t index)
{
    uint16_t keywords[KEYWORDS_MAX];
    size_t n;

    if (text->info->n_keywords == 0)
        return (struct slice){NULL, 0};
    n = mbox_keywords(text->mbox, index, keywords);
    buf_reset(&text->tail);
    for (size_t i = 0; i < n; i++)
        add_keyword(text, keywords[i]);
    return buf_slice(&text->tail);
}

uint64_t flags_text_modseq(struct flags_text *text, uint32_t index)
{
    uint32_t at = in_chunk(text, index), delta = text->chunk.modseq_delta[at];

    if (text->by_reader)
        return view_modseq(text->view, index);
    return delta == MODSEQ_ESCAPE ? mbox_modseq(text->mbox, index)
                                  : text->chunk.modseq_base + delta;
}

static void put_list(uint32_t bits, struct slice keywords, struct buf *out)
{
    const struct imap_flags flags = {.bits = bits};

    buf_byte(out, '(');
    if (!imap_print_flags(out, &flags) && keywords.len > 0)
        keywords = slice_from(keywords, 1);
    buf_append(out, keywords);
    buf_byte(out, ')');
}

void flags_text_list(struct flags_text *text, uint32_t index, uint32_t bits, struct buf *out)
{
    put_list(bits, flags_text_keywords(text, index), out);
}

void flags_text_list_kept(struct flags_text *text, const struct kept_message *kept,
                          struct buf *out)
{
    uint32_t recent =
        text->recent && view_is_recent(text->view, kept->uid) ? (uint32_t) IMAP_RECENT : 0;

    buf_reset(&text->tail);
    for (uint16_t i = 0; i < text->info->n_keywords; i++) {
        if ((kept->keywords[i / 64] >> (i % 64) & 1) != 0)
            add_keyword(text, i);
    }
    put_list(kept->flags | recent, buf_slice(&text->tail), out);
}
