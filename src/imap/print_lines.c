/* print_lines.c - whole untagged responses: LIST, STATUS, ESEARCH, and FETCH of flags. */
#include "base/decimal.h"
#include "imap/charset.h"
#include "imap/lex.h"
#include "imap/print.h"

/* LIST */

// clang-format off
static const struct {
    uint32_t bit;
    const char *name;
} list_attrs[] = {
    {IMAP_ATTR_NOINFERIORS,   "\\Noinferiors"},   {IMAP_ATTR_NOSELECT,      "\\Noselect"},
    {IMAP_ATTR_NONEXISTENT,   "\\NonExistent"},   {IMAP_ATTR_HASCHILDREN,   "\\HasChildren"},
    {IMAP_ATTR_HASNOCHILDREN, "\\HasNoChildren"}, {IMAP_ATTR_MARKED,        "\\Marked"},
    {IMAP_ATTR_UNMARKED,      "\\Unmarked"},      {IMAP_ATTR_SUBSCRIBED,    "\\Subscribed"},
    {IMAP_ATTR_REMOTE,        "\\Remote"},        {IMAP_ATTR_NOACCESS,      "\\NoAccess"},
    {IMAP_ATTR_INBOX,         "\\Inbox"},
};
// clang-format on

static void print_attrs(struct buf *buf, const struct imap_list_line *line)
{
    bool first = true;

    buf_byte(buf, '(');
    for (size_t i = 0; i < COUNT(list_attrs); i++) {
        if ((line->attrs & list_attrs[i].bit) == 0)
            continue;
        if (!first)
            buf_byte(buf, ' ');
        buf_str(buf, list_attrs[i].name);
        first = false;
    }
    if (line->xlist)
        imap_print_xlist_use(buf, line->use, first);
    else
        imap_print_special_use(buf, line->use, first);
    buf_byte(buf, ')');
}

/* mbox-list-extended */
static void print_extended(struct buf *buf, const struct imap_list_line *line,
                           struct imap_mode mode)
{
    if (!line->childinfo && line->oldname.len == 0)
        return;
    buf_str(buf, " (");
    if (line->childinfo)
        buf_str(buf, "\"CHILDINFO\" (\"SUBSCRIBED\")");
    if (line->oldname.len > 0) {
        buf_str(buf, line->childinfo ? " \"OLDNAME\" (" : "\"OLDNAME\" (");
        imap_print_mailbox(buf, line->oldname, mode);
        buf_byte(buf, ')');
    }
    buf_byte(buf, ')');
}

void imap_print_list_line(struct buf *buf, const struct imap_list_line *line,
                          struct imap_mode mode)
{
    buf_str(buf, "* ");
    buf_str(buf, line->verb);
    buf_byte(buf, ' ');
    print_attrs(buf, line);
    buf_str(buf, line->no_separator ? " NIL " : " \"/\" ");
    imap_print_mailbox(buf, line->name, mode);
    print_extended(buf, line, mode);
    buf_str(buf, "\r\n");
}

/* STATUS */

#define STATUS_VALUE(item, member)                                                             \
    {                                                                                          \
        (item), offsetof(struct imap_status_values, member)                                    \
    }

static const struct {
    uint32_t item;
    size_t offset;
} status_values[] = {
    STATUS_VALUE(IMAP_STATUS_MESSAGES, messages),
    STATUS_VALUE(IMAP_STATUS_RECENT, recent),
    STATUS_VALUE(IMAP_STATUS_UIDNEXT, uidnext),
    STATUS_VALUE(IMAP_STATUS_UIDVALIDITY, uidvalidity),
    STATUS_VALUE(IMAP_STATUS_UNSEEN, unseen),
    STATUS_VALUE(IMAP_STATUS_DELETED, deleted),
    STATUS_VALUE(IMAP_STATUS_SIZE, size),
    STATUS_VALUE(IMAP_STATUS_HIGHESTMODSEQ, highestmodseq),
    STATUS_VALUE(IMAP_STATUS_APPENDLIMIT, appendlimit),
    STATUS_VALUE(IMAP_STATUS_MAILBOXID, mailboxid),
    STATUS_VALUE(IMAP_STATUS_DELETED_STORAGE, deleted_storage),
};

static void print_status_value(struct buf *buf, size_t row,
                               const struct imap_status_values *values)
{
    uint64_t value;

    buf_str(buf, lex_status_item_name(status_values[row].item));
    buf_byte(buf, ' ');
    if (status_values[row].item == IMAP_STATUS_APPENDLIMIT && values->no_appendlimit) {
        imap_print_nil(buf);
        return;
    }
    if (status_values[row].item == IMAP_STATUS_MAILBOXID) {
        buf_byte(buf, '(');
        buf_append(buf, values->mailboxid);
        buf_byte(buf, ')');
        return;
    }
    memcpy(&value, (const char *) values + status_values[row].offset, sizeof(value));
    buf_u64(buf, value);
}

void imap_print_status_line(struct buf *buf, struct slice name, uint32_t items,
                            const struct imap_status_values *values, struct imap_mode mode)
{
    bool first = true;

    buf_str(buf, "* STATUS ");
    imap_print_mailbox(buf, name, mode);
    buf_str(buf, " (");
    for (size_t i = 0; i < COUNT(status_values); i++) {
        if ((items & status_values[i].item) == 0)
            continue;
        if (!first)
            buf_byte(buf, ' ');
        print_status_value(buf, i, values);
        first = false;
    }
    buf_str(buf, ")\r\n");
}

/* ESEARCH */

static void print_named(struct buf *buf, const char *name, uint64_t number)
{
    buf_str(buf, name);
    buf_u64(buf, number);
}

/* RFC 9394 4: "PARTIAL" SP "(" partial-range SP partial-results ")" */
static void print_partial(struct buf *buf, const struct imap_esearch_line *line)
{
    const char *sign = line->partial.from_end ? "-" : "";

    buf_printf(buf, " PARTIAL (%s%u:%s%u ", sign, line->partial.from, sign, line->partial.to);
    if (line->part.len > 0)
        buf_append(buf, line->part);
    else
        imap_print_nil(buf);
    buf_byte(buf, ')');
}

void imap_print_esearch_head(struct buf *buf, const struct imap_esearch_line *line)
{
    /* A tag is printed as a string: it may hold what an atom does not. */
    buf_str(buf, "* ESEARCH (TAG ");
    imap_print_string(buf, line->tag, (struct imap_mode){0});
    if (line->mailbox.len > 0) {
        buf_str(buf, " MAILBOX ");
        imap_print_mailbox(buf, line->mailbox, line->mode);
        print_named(buf, " UIDVALIDITY ", line->uidvalidity);
    }
    buf_byte(buf, ')');
    if (line->uid)
        buf_str(buf, " UID");
}

void imap_print_esearch_line(struct buf *buf, const struct imap_esearch_line *line)
{
    imap_print_esearch_head(buf, line);
    if ((line->returns & IMAP_SEARCH_MIN) != 0 && line->min != 0)
        print_named(buf, " MIN ", line->min);
    if ((line->returns & IMAP_SEARCH_MAX) != 0 && line->max != 0)
        print_named(buf, " MAX ", line->max);
    if ((line->returns & IMAP_SEARCH_ALL) != 0 && line->all.len > 0) {
        buf_str(buf, " ALL ");
        buf_append(buf, line->all);
    }
    if ((line->returns & IMAP_SEARCH_COUNT) != 0)
        print_named(buf, " COUNT ", line->count);
    if ((line->returns & IMAP_SEARCH_PARTIAL) != 0)
        print_partial(buf, line);
    if ((line->returns & IMAP_SEARCH_RELEVANCY) != 0) {
        buf_str(buf, " RELEVANCY (");
        buf_append(buf, line->relevancy);
        buf_byte(buf, ')');
    }
    if (line->modseq != 0)
        print_named(buf, " MODSEQ ", line->modseq);
    buf_str(buf, "\r\n");
}

void imap_print_code_badcharset(struct buf *buf)
{
    buf_str(buf, "[BADCHARSET (");
    for (size_t i = 0; imap_charset_name(i) != NULL; i++) {
        if (i > 0)
            buf_byte(buf, ' ');
        buf_str(buf, imap_charset_name(i));
    }
    buf_str(buf, ")]");
}

void imap_print_code_badevent(struct buf *buf)
{
    buf_str(buf, "[BADEVENT (");
    for (size_t i = 0; lex_notify_event_name(i) != NULL; i++) {
        if (i > 0)
            buf_byte(buf, ' ');
        buf_str(buf, lex_notify_event_name(i));
    }
    buf_str(buf, ")]");
}

/*
 * FETCH of flags. It is printed once for each message of a mailbox, so it is written with
 * copies of fixed length: three flags at a time from tables of their eight combinations. Each
 * copy writes a whole chunk; the room reserved has one chunk
 * to spare.
 */
#define CHUNK ((size_t) 32)

struct chunk {
    char text[CHUNK];
    uint32_t len;
};

#define CHUNK_OF(literal)                                                                      \
    {                                                                                          \
        literal, sizeof(literal) - 1                                                           \
    }

/* Bits 0 to 2: \Seen \Answered \Flagged. */
static const struct chunk low_flags[8] = {
    CHUNK_OF(""),
    CHUNK_OF("\\Seen "),
    CHUNK_OF("\\Answered "),
    CHUNK_OF("\\Seen \\Answered "),
    CHUNK_OF("\\Flagged "),
    CHUNK_OF("\\Seen \\Flagged "),
    CHUNK_OF("\\Answered \\Flagged "),
    CHUNK_OF("\\Seen \\Answered \\Flagged "),
};

/* Bits 3 to 5: \Deleted \Draft \Recent. */
static const struct chunk high_flags[8] = {
    CHUNK_OF(""),
    CHUNK_OF("\\Deleted "),
    CHUNK_OF("\\Draft "),
    CHUNK_OF("\\Deleted \\Draft "),
    CHUNK_OF("\\Recent "),
    CHUNK_OF("\\Deleted \\Recent "),
    CHUNK_OF("\\Draft \\Recent "),
    CHUNK_OF("\\Deleted \\Draft \\Recent "),
};

static char *put_chunk(char *p, const struct chunk *chunk)
{
    memcpy(p, chunk->text, CHUNK);
    return p + chunk->len;
}

static char *put_flags(char *p, uint32_t bits, struct slice keywords)
{
    p = put_chunk(p, &low_flags[bits & 7]);
    p = put_chunk(p, &high_flags[bits >> 3 & 7]);
    if (keywords.len > 0) { /* they begin with the space that the chunks end with */
        struct slice rest = slice_from(keywords, 1);

        memcpy(p, rest.ptr, rest.len);
        return p + rest.len;
    }
    return (bits & 63) != 0 ? p - 1 : p;
}

void imap_print_fetch_open(struct buf *buf, uint32_t seq, uint32_t uid, struct imap_mode mode)
{
    buf_str(buf, "* ");
    buf_u64(buf, mode.uidonly ? uid : seq);
    buf_str(buf, mode.uidonly ? " UIDFETCH (" : " FETCH (");
}

void imap_print_flags_line(struct buf *buf, const struct imap_flags_line *line)
{
    static const struct chunk star = CHUNK_OF("* "), fetch_uid = CHUNK_OF(" FETCH (UID "),
                              fetch = CHUNK_OF(" FETCH (FLAGS ("), flags = CHUNK_OF(" FLAGS ("),
                              modseq = CHUNK_OF(") MODSEQ ("), end = CHUNK_OF("))\r\n"),
                              uidfetch_uid = CHUNK_OF(" UIDFETCH (UID "),
                              uidfetch = CHUNK_OF(" UIDFETCH (FLAGS (");
    /* Ten chunks hold everything but the keywords, and leave one to spare. */
    char *start = buf_reserve(buf, 10 * CHUNK + line->keywords.len), *p = start;

    if (start == NULL)
        return;
    p = decimal_put_32(put_chunk(p, &star), line->seq);
    if (line->uid != 0)
        p = put_chunk(
            decimal_put_32(put_chunk(p, line->uidonly ? &uidfetch_uid : &fetch_uid), line->uid),
            &flags);
    else
        p = put_chunk(p, line->uidonly ? &uidfetch : &fetch);
    p = put_flags(p, line->bits, line->keywords);
    if (line->modseq != 0)
        p = decimal_put_64(put_chunk(p, &modseq), line->modseq);
    p = put_chunk(p, &end);
    buf->len += (size_t) (p - start);
}
