#include "imap/flags.h"

#include "imap/lex.h"

struct bit_name {
    uint32_t bit;
    const char *name;
};

// clang-format off
static const struct bit_name system_flags[] = {
    {IMAP_SEEN,    "\\Seen"},    {IMAP_ANSWERED, "\\Answered"}, {IMAP_FLAGGED, "\\Flagged"},
    {IMAP_DELETED, "\\Deleted"}, {IMAP_DRAFT,    "\\Draft"},    {IMAP_RECENT,  "\\Recent"},
};

static const struct bit_name special_uses[] = {
    {IMAP_USE_ALL, "\\All"},         {IMAP_USE_ARCHIVE, "\\Archive"},
    {IMAP_USE_DRAFTS, "\\Drafts"},   {IMAP_USE_FLAGGED, "\\Flagged"},
    {IMAP_USE_JUNK, "\\Junk"},       {IMAP_USE_SENT, "\\Sent"},
    {IMAP_USE_TRASH, "\\Trash"},     {IMAP_USE_IMPORTANT, "\\Important"},
    {IMAP_USE_MEMOS, "\\Memos"},     {IMAP_USE_SCHEDULED, "\\Scheduled"},
    {IMAP_USE_SNOOZED, "\\Snoozed"},
};

/* As Gmail's XLIST called them; it knew no others. */
static const struct bit_name xlist_uses[] = {
    {IMAP_USE_ALL, "\\AllMail"},     {IMAP_USE_DRAFTS, "\\Drafts"},
    {IMAP_USE_FLAGGED, "\\Starred"}, {IMAP_USE_JUNK, "\\Spam"},
    {IMAP_USE_SENT, "\\Sent"},       {IMAP_USE_TRASH, "\\Trash"},
    {IMAP_USE_IMPORTANT, "\\Important"},
};
// clang-format on

static uint32_t find_bit(const struct bit_name *rows, size_t n, struct slice name)
{
    for (size_t i = 0; i < n; i++)
        if (slice_eq_nocase(name, slice_from_str(rows[i].name)))
            return rows[i].bit;
    return 0;
}

/* Whether a space must come before the next one. */
static bool print_bits(struct buf *buf, const struct bit_name *rows, size_t n, uint32_t bits,
                       bool space)
{
    for (size_t i = 0; i < n; i++) {
        if ((bits & rows[i].bit) == 0)
            continue;
        if (space)
            buf_byte(buf, ' ');
        buf_str(buf, rows[i].name);
        space = true;
    }
    return space;
}

uint32_t imap_flag_bit(struct slice name)
{
    return find_bit(system_flags, COUNT(system_flags), name);
}

bool imap_is_keyword(struct slice name)
{
    return name.len <= IMAP_KEYWORD_MAX_BYTES && lex_is_atom(name);
}

uint32_t imap_special_use_bit(struct slice name)
{
    return find_bit(special_uses, COUNT(special_uses), name);
}

bool imap_print_flags(struct buf *buf, const struct imap_flags *flags)
{
    bool space = print_bits(buf, system_flags, COUNT(system_flags), flags->bits, false);

    for (size_t i = 0; i < flags->n_keywords; i++) {
        if (space)
            buf_byte(buf, ' ');
        buf_append(buf, flags->keywords[i]);
        space = true;
    }
    return space;
}

void imap_print_flag_list(struct buf *buf, const struct imap_flags *flags)
{
    buf_byte(buf, '(');
    (void) imap_print_flags(buf, flags);
    buf_byte(buf, ')');
}

void imap_print_special_use(struct buf *buf, uint32_t uses, bool first)
{
    (void) print_bits(buf, special_uses, COUNT(special_uses), uses, !first);
}

void imap_print_xlist_use(struct buf *buf, uint32_t uses, bool first)
{
    (void) print_bits(buf, xlist_uses, COUNT(xlist_uses), uses, !first);
}
