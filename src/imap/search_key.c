#include "imap/search_key.h"

#include "imap/print.h"

static const struct imap_mode utf8_mode = {.rev2 = true};

// clang-format off
static const char *const key_names[IMAP_KEY_COUNT] = {
    [IMAP_KEY_ALL] = "ALL",               [IMAP_KEY_AND] = "",
    [IMAP_KEY_OR] = "OR",                 [IMAP_KEY_NOT] = "NOT",
    [IMAP_KEY_SEQ] = "",                  [IMAP_KEY_UID] = "UID ",
    [IMAP_KEY_FLAG] = "",                 [IMAP_KEY_KEYWORD] = "KEYWORD ",
    [IMAP_KEY_BCC] = "BCC ",              [IMAP_KEY_CC] = "CC ",
    [IMAP_KEY_FROM] = "FROM ",            [IMAP_KEY_SUBJECT] = "SUBJECT ",
    [IMAP_KEY_TO] = "TO ",                [IMAP_KEY_HEADER] = "HEADER ",
    [IMAP_KEY_BODY] = "BODY ",            [IMAP_KEY_TEXT] = "TEXT ",
    [IMAP_KEY_BEFORE] = "BEFORE ",        [IMAP_KEY_ON] = "ON ",
    [IMAP_KEY_SINCE] = "SINCE ",          [IMAP_KEY_SENTBEFORE] = "SENTBEFORE ",
    [IMAP_KEY_SENTON] = "SENTON ",        [IMAP_KEY_SENTSINCE] = "SENTSINCE ",
    [IMAP_KEY_LARGER] = "LARGER ",        [IMAP_KEY_SMALLER] = "SMALLER ",
    [IMAP_KEY_MODSEQ] = "MODSEQ ",        [IMAP_KEY_EMAILID] = "EMAILID ",
    [IMAP_KEY_THREADID] = "THREADID ",    [IMAP_KEY_SAVEDBEFORE] = "SAVEDBEFORE ",
    [IMAP_KEY_SAVEDON] = "SAVEDON ",      [IMAP_KEY_SAVEDSINCE] = "SAVEDSINCE ",
    [IMAP_KEY_OLDER] = "OLDER ",          [IMAP_KEY_YOUNGER] = "YOUNGER ",
    [IMAP_KEY_ANNOTATION] = "ANNOTATION ",
};

static const struct {
    uint32_t flag;
    const char *set, *unset;
} flag_names[] = {
    {IMAP_ANSWERED, "ANSWERED", "UNANSWERED"}, {IMAP_DELETED, "DELETED", "UNDELETED"},
    {IMAP_DRAFT,    "DRAFT",    "UNDRAFT"},    {IMAP_FLAGGED, "FLAGGED", "UNFLAGGED"},
    {IMAP_RECENT,   "RECENT",   "OLD"},        {IMAP_SEEN,    "SEEN",    "UNSEEN"},
};
// clang-format on

static void print_flag(struct buf *buf, const struct imap_search_key *key)
{
    for (size_t i = 0; i < COUNT(flag_names); i++)
        if (flag_names[i].flag == key->flag)
            buf_str(buf, key->unset ? flag_names[i].unset : flag_names[i].set);
}

static void print_modseq(struct buf *buf, const struct imap_search_key *key)
{
    static const char *const types[] = {[IMAP_ENTRY_ALL] = " all ",
                                        [IMAP_ENTRY_PRIV] = " priv ",
                                        [IMAP_ENTRY_SHARED] = " shared "};

    if (key->text.len > 0) {
        imap_print_string(buf, key->text, utf8_mode);
        buf_str(buf, types[key->entry_type]);
    }
    buf_u64(buf, key->number);
}

static void print_annotation(struct buf *buf, const struct imap_search_key *key)
{
    static const char *const attributes[] = {[IMAP_ENTRY_ALL] = " value ",
                                             [IMAP_ENTRY_PRIV] = " value.priv ",
                                             [IMAP_ENTRY_SHARED] = " value.shared "};

    imap_print_string(buf, key->field, utf8_mode);
    buf_str(buf, attributes[key->entry_type]);
    if (key->nil)
        imap_print_nil(buf);
    else
        imap_print_value(buf, key->text, utf8_mode);
}

/* Depth is that of the tree, which its parser bounds. */
static void print_children(struct buf *buf, const struct imap_search_key *key)
{
    for (size_t i = 0; i < key->n_children; i++) {
        if (i > 0 || key->kind != IMAP_KEY_AND)
            buf_byte(buf, ' ');
        imap_print_search_key(buf, key->children[i]);
    }
}

void imap_print_search_key(struct buf *buf, const struct imap_search_key *key)
{
    if (key->fuzzy && key->n_children == 0)
        buf_str(buf, "FUZZY ");
    if (key->filter.len > 0) {
        buf_str(buf, "FILTER ");
        buf_append(buf, key->filter);
        return;
    }
    if (key->kind == IMAP_KEY_KEYWORD && key->unset)
        buf_str(buf, "UN");
    buf_str(buf, key_names[key->kind]);
    switch (key->kind) {
    case IMAP_KEY_ALL:
        break;
    case IMAP_KEY_AND:
        buf_byte(buf, '(');
        print_children(buf, key);
        buf_byte(buf, ')');
        break;
    case IMAP_KEY_OR:
    case IMAP_KEY_NOT:
        print_children(buf, key);
        break;
    case IMAP_KEY_SEQ:
    case IMAP_KEY_UID:
        imap_print_set(buf, &key->set);
        break;
    case IMAP_KEY_FLAG:
        print_flag(buf, key);
        break;
    case IMAP_KEY_KEYWORD:
    case IMAP_KEY_EMAILID:
    case IMAP_KEY_THREADID:
        buf_append(buf, key->text);
        break;
    case IMAP_KEY_HEADER:
        imap_print_astring(buf, key->field, utf8_mode);
        buf_byte(buf, ' ');
        imap_print_string(buf, key->text, utf8_mode);
        break;
    case IMAP_KEY_BCC:
    case IMAP_KEY_CC:
    case IMAP_KEY_FROM:
    case IMAP_KEY_SUBJECT:
    case IMAP_KEY_TO:
    case IMAP_KEY_BODY:
    case IMAP_KEY_TEXT:
        imap_print_string(buf, key->text, utf8_mode);
        break;
    case IMAP_KEY_BEFORE:
    case IMAP_KEY_ON:
    case IMAP_KEY_SINCE:
    case IMAP_KEY_SENTBEFORE:
    case IMAP_KEY_SENTON:
    case IMAP_KEY_SENTSINCE:
    case IMAP_KEY_SAVEDBEFORE:
    case IMAP_KEY_SAVEDON:
    case IMAP_KEY_SAVEDSINCE:
        imap_print_date(buf, key->day);
        break;
    case IMAP_KEY_LARGER:
    case IMAP_KEY_SMALLER:
    case IMAP_KEY_OLDER:
    case IMAP_KEY_YOUNGER:
        buf_u64(buf, key->number);
        break;
    case IMAP_KEY_MODSEQ:
        print_modseq(buf, key);
        break;
    case IMAP_KEY_ANNOTATION:
        print_annotation(buf, key);
        break;
    }
}
