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
        .shows_recent = !mode.rev2,
        .by_reader = view_reader(view)->is_guest ||
                     reader_own_modseq(view_reader(view), view_mbox(view)) != 0,
    };
    buf_init(&text->tail, FLAGS_TAIL_MAX_BYTES);
}

void flags_text_done(struct flags_text *text)
{
    buf_done(&text->tail);
}

void flags_text_enter(struct flags_text *text, uint32_t index)
{
    size_t at = mbox_chunk_of(text->mbox, index);

    text->chunk = mbox_chunk(text->mbox, at);
    text->chunk_start = mbox_chunk_start(text->mbox, at);
}

void flags_text_find_recent(struct flags_text *text, uint32_t uid)
{
    text->recent_from = uid;
    text->recent = text->shows_recent ? view_recent_from(text->view, uid)
                                      : (struct uid_run){UINT32_MAX, UINT32_MAX};
}

uint32_t flags_text_reader_bits(const struct flags_text *text, uint32_t index)
{
    return view_flags(text->view, index);
}

uint64_t flags_text_full_modseq(const struct flags_text *text, uint32_t index)
{
    return text->by_reader ? view_modseq(text->view, index) : mbox_modseq(text->mbox, index);
}

static void add_keyword(struct flags_text *text, uint16_t keyword)
{
    buf_byte(&text->tail, ' ');
    buf_append(&text->tail, text->info->keywords[keyword]);
}

struct slice flags_text_put_keywords(struct flags_text *text, uint32_t index)
{
    uint16_t keywords[KEYWORDS_MAX];
    size_t n = mbox_keywords(text->mbox, index, keywords);

    buf_reset(&text->tail);
    for (size_t i = 0; i < n; i++)
        add_keyword(text, keywords[i]);
    return buf_slice(&text->tail);
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
    uint32_t recent = text->shows_recent && view_is_recent(text->view, kept->uid)
                          ? (uint32_t) IMAP_RECENT
                          : 0;

    buf_reset(&text->tail);
    for (uint16_t i = 0; i < text->info->n_keywords; i++) {
        if ((kept->keywords[i / 64] >> (i % 64) & 1) != 0)
            add_keyword(text, i);
    }
    put_list(kept->flags | recent, buf_slice(&text->tail), out);
}
