/*
 * parse_names.c - commands about mailboxes as names: SELECT, EXAMINE, CREATE, DELETE, RENAME,
 * SUBSCRIBE, UNSUBSCRIBE, STATUS.
 *
 * Spec: RFC 9051 6.3.2-6.3.8, 6.3.11; RFC 4466 2.1 and 2.2 (parameters), 6154 (USE), 7162
 * (CONDSTORE, QRESYNC, HIGHESTMODSEQ), 7889 (APPENDLIMIT).
 */
#include "imap/lex.h"

enum rc imap_parse_mailbox(struct imap_input *in, union imap_args *args, struct err *err)
{
    if (!lex_sp(in))
        return lex_fail(in, err, "a space and a mailbox name");
    return lex_mailbox(in, &args->mailbox.mailbox, err);
}

/* sequence-set without "*" and "$". */
static enum rc take_known(struct imap_input *in, struct seqset *out, struct err *err)
{
    struct imap_set set;
    enum rc rc = lex_set(in, &set, err);

    if (rc)
        return rc;
    for (size_t i = 0; i < set.set.n; i++) {
        const struct seq_range *range = &set.set.ranges[i];

        if (range->first == SEQ_STAR || range->last == SEQ_STAR)
            return lex_fail(in, err, "a set of numbers, without \"*\"");
    }
    *out = set.set;
    return set.saved ? lex_fail(in, err, "a set of numbers") : RC_OK;
}

/* The same, upwards: "4:2" is refused too. */
static enum rc take_ascending(struct imap_input *in, struct seqset *out, struct err *err)
{
    uint32_t before = 0;
    enum rc rc = take_known(in, out, err);

    for (size_t i = 0; !rc && i < out->n; i++) {
        const struct seq_range *range = &out->ranges[i];

        if (range->first <= before || range->last < range->first)
            return lex_fail(in, err, "a set of numbers in ascending order");
        before = range->last;
    }
    return rc;
}

static uint64_t count_numbers(const struct seqset *set)
{
    uint64_t n = 0;

    for (size_t i = 0; i < set->n; i++)
        n += (uint64_t) set->ranges[i].last - set->ranges[i].first + 1;
    return n;
}

/* seq-match-data behind its "(". */
static enum rc take_match_data(struct imap_input *in, struct imap_qresync *qresync,
                               struct err *err)
{
    enum rc rc = take_ascending(in, &qresync->match_seqs, err);

    if (rc)
        return rc;
    if (!lex_sp(in))
        return lex_fail(in, err, "a space and the uids of these messages");
    rc = take_ascending(in, &qresync->match_uids, err);
    if (rc)
        return rc;
    if (count_numbers(&qresync->match_seqs) != count_numbers(&qresync->match_uids))
        return lex_fail(in, err, "as many uids as sequence numbers");
    return lex_byte(in, ')') ? RC_OK : lex_fail(in, err, "\")\" behind the match data");
}

/* SP "(" uidvalidity SP mod-sequence-value [SP known-uids] [SP seq-match-data] ")" */
static enum rc take_qresync(struct imap_input *in, void *ctx, struct err *err)
{
    struct imap_select_args *select = ctx;
    struct imap_qresync *qresync = &select->qresync;
    enum rc rc = RC_OK;
    bool more;

    if (!lex_sp(in) || !lex_byte(in, '(') || !lex_nz_number(in, &qresync->uidvalidity))
        return lex_fail(in, err, "\"(\" and a UIDVALIDITY");
    if (!lex_sp(in) || !lex_modseq(in, false, &qresync->modseq))
        return lex_fail(in, err, "a mod-sequence above 0");
    more = lex_sp(in);
    if (more && scan_peek(&in->sc) != '(') {
        rc = take_known(in, &qresync->known, err);
        more = !rc && lex_sp(in);
    }
    if (more && !lex_byte(in, '('))
        return lex_fail(in, err, "\"(\" and match data");
    if (more)
        rc = take_match_data(in, qresync, err);
    if (rc)
        return rc;
    select->has_qresync = true;
    return lex_byte(in, ')') ? RC_OK : lex_fail(in, err, "\")\"");
}

enum { SELECT_CONDSTORE = 1u << 0, SELECT_QRESYNC = 1u << 1, SELECT_ANNOTATE = 1u << 2 };

static const struct lex_option select_params[] = {
    {"CONDSTORE", SELECT_CONDSTORE, NULL        },
    {"QRESYNC",   SELECT_QRESYNC,   take_qresync},
    {"ANNOTATE",  SELECT_ANNOTATE,  NULL        },
};

enum rc imap_parse_select(struct imap_input *in, union imap_args *args, struct err *err)
{
    struct imap_select_args select = {0};
    uint32_t params = 0;
    enum rc rc;

    if (!lex_sp(in))
        return lex_fail(in, err, "a space and a mailbox name");
    rc = lex_mailbox(in, &select.mailbox, err);
    if (!rc && lex_sp(in))
        rc = lex_options(in, select_params, COUNT(select_params), "a SELECT parameter", &select,
                         &params, err);
    if (rc)
        return rc;
    select.condstore = (params & SELECT_CONDSTORE) != 0;
    select.annotate = (params & SELECT_ANNOTATE) != 0;
    args->select = select;
    return RC_OK;
}

enum { CREATE_USE = 1u << 0 };

/* use-attr: "\" atom */
static enum rc take_use_attr(struct imap_input *in, struct imap_create_args *create,
                             struct err *err)
{
    const char *from = in->sc.pos;
    struct slice name;
    uint32_t bit;

    if (!lex_byte(in, '\\') || !lex_atom(in, &name))
        return lex_fail(in, err, "a special-use attribute");
    bit = imap_special_use_bit(slice_of(from, name.len + 1));
    create->use |= bit;
    create->use_unsupported |= bit == 0;
    return RC_OK;
}

/* SP "(" [use-attr *(SP use-attr)] ")" */
static enum rc take_use(struct imap_input *in, void *ctx, struct err *err)
{
    struct imap_create_args *create = ctx;
    enum rc rc;

    if (!lex_sp(in) || !lex_byte(in, '('))
        return lex_fail(in, err, "\"(\" behind USE");
    create->has_use = true;
    if (lex_byte(in, ')'))
        return RC_OK;
    do {
        rc = take_use_attr(in, create, err);
        if (rc)
            return rc;
    } while (lex_sp(in));
    return lex_byte(in, ')') ? RC_OK : lex_fail(in, err, "a space or \")\"");
}

static const struct lex_option create_params[] = {
    {"USE", CREATE_USE, take_use},
};

enum rc imap_parse_create(struct imap_input *in, union imap_args *args, struct err *err)
{
    struct imap_create_args create = {0};
    struct slice wire;
    uint32_t params = 0;
    enum rc rc;

    if (!lex_sp(in) || !lex_astring(in, &wire))
        return lex_fail(in, err, "a mailbox name");
    rc = imap_resolve_mailbox(wire, in->mode, true, in->arena, &create.mailbox, err);
    if (!rc && lex_sp(in))
        rc = lex_options(in, create_params, COUNT(create_params), "a CREATE parameter", &create,
                         &params, err);
    if (rc)
        return rc;
    args->create = create;
    return RC_OK;
}

enum rc imap_parse_rename(struct imap_input *in, union imap_args *args, struct err *err)
{
    struct imap_rename_args rename;
    struct slice wire;
    enum rc rc;

    if (!lex_sp(in))
        return lex_fail(in, err, "a space and a mailbox name");
    rc = lex_mailbox(in, &rename.from, err);
    if (rc)
        return rc;
    if (!lex_sp(in) || !lex_astring(in, &wire))
        return lex_fail(in, err, "a new mailbox name");
    rc = imap_resolve_mailbox(wire, in->mode, true, in->arena, &rename.to, err);
    if (rc)
        return rc;
    args->rename = rename;
    return RC_OK;
}

static const struct lex_option status_items[] = {
    {"MESSAGES",        IMAP_STATUS_MESSAGES,        NULL},
    {"RECENT",          IMAP_STATUS_RECENT,          NULL},
    {"UIDNEXT",         IMAP_STATUS_UIDNEXT,         NULL},
    {"UIDVALIDITY",     IMAP_STATUS_UIDVALIDITY,     NULL},
    {"UNSEEN",          IMAP_STATUS_UNSEEN,          NULL},
    {"DELETED",         IMAP_STATUS_DELETED,         NULL},
    {"SIZE",            IMAP_STATUS_SIZE,            NULL},
    {"HIGHESTMODSEQ",   IMAP_STATUS_HIGHESTMODSEQ,   NULL},
    {"APPENDLIMIT",     IMAP_STATUS_APPENDLIMIT,     NULL},
    {"MAILBOXID",       IMAP_STATUS_MAILBOXID,       NULL},
    {"DELETED-STORAGE", IMAP_STATUS_DELETED_STORAGE, NULL},
};

enum rc lex_status_items(struct imap_input *in, uint32_t *out, struct err *err)
{
    uint32_t items = 0;
    enum rc rc;

    if (!lex_sp(in))
        return lex_fail(in, err, "a space and \"(\"");
    rc = lex_options(in, status_items, COUNT(status_items), "a STATUS item", NULL, &items, err);
    if (rc)
        return rc;
    if (items == 0)
        return lex_fail(in, err, "at least one STATUS item");
    *out = items;
    return RC_OK;
}

const char *lex_status_item_name(uint32_t bit)
{
    for (size_t i = 0; i < COUNT(status_items); i++)
        if (status_items[i].bit == bit)
            return status_items[i].name;
    die("no STATUS item has bit %u", bit);
}

enum rc imap_parse_status(struct imap_input *in, union imap_args *args, struct err *err)
{
    struct imap_status_args status;
    enum rc rc;

    if (!lex_sp(in))
        return lex_fail(in, err, "a space and a mailbox name");
    rc = lex_mailbox(in, &status.mailbox, err);
    if (rc)
        return rc;
    rc = lex_status_items(in, &status.items, err);
    if (rc)
        return rc;
    args->status = status;
    return RC_OK;
}
