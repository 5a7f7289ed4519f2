/*
 * parse_store.c - STORE, COPY, MOVE, EXPUNGE.
 *
 * Spec: RFC 5257 4.5; RFC 9051 6.4.3, 6.4.6-6.4.9; RFC 7162 3.1.3 (UNCHANGEDSINCE); RFC
 * 4315 2.1 (UID EXPUNGE).
 */
#include "imap/lex.h"

enum { STORE_UNCHANGEDSINCE = 1u << 0 };

static enum rc take_unchangedsince(struct imap_input *in, void *ctx, struct err *err)
{
    struct imap_store_args *store = ctx;

    if (!lex_sp(in) || !lex_modseq(in, true, &store->unchangedsince))
        return lex_fail(in, err, "a mod-sequence");
    store->has_unchangedsince = true;
    return RC_OK;
}

static const struct lex_option store_modifiers[] = {
    {"UNCHANGEDSINCE", STORE_UNCHANGEDSINCE, take_unchangedsince},
};

/* RFC 4466 2.5: SP "(" store-modifier *(SP store-modifier) ")" */
static enum rc take_modifiers(struct imap_input *in, struct imap_store_args *store,
                              struct err *err)
{
    uint32_t seen = 0;
    enum rc rc;

    if (scan_peek(&in->sc) != '(')
        return RC_OK;
    rc = lex_options(in, store_modifiers, COUNT(store_modifiers), "a STORE modifier", store,
                     &seen, err);
    if (rc)
        return rc;
    if (seen == 0)
        return lex_fail(in, err, "a STORE modifier before \")\"");
    return lex_sp(in) ? RC_OK : lex_fail(in, err, "a space and FLAGS");
}

/* ["+" / "-"] "FLAGS" [".SILENT"] */
static bool take_operation(struct imap_input *in, struct imap_store_args *store)
{
    store->op = IMAP_STORE_SET;
    if (lex_byte(in, '+'))
        store->op = IMAP_STORE_ADD;
    else if (lex_byte(in, '-'))
        store->op = IMAP_STORE_REMOVE;
    store->silent = lex_word(in, "FLAGS.SILENT");
    return store->silent || lex_word(in, "FLAGS");
}

enum rc imap_parse_store(struct imap_input *in, union imap_args *args, struct err *err)
{
    struct imap_store_args store = {0};
    enum rc rc;

    if (!lex_sp(in))
        return lex_fail(in, err, "a space and a sequence set");
    rc = lex_set(in, &store.set, err);
    if (rc)
        return rc;
    if (!lex_sp(in))
        return lex_fail(in, err, "a space and FLAGS");
    rc = take_modifiers(in, &store, err);
    if (rc)
        return rc;
    if (lex_word(in, "ANNOTATION")) { /* RFC 5257 4.5 */
        rc = lex_sp(in) ? lex_annotations(in, &store.annotations, err)
                        : lex_fail(in, err, "a space and annotations");
        store.op = IMAP_STORE_ADD;
        store.silent = true;
        if (!rc)
            args->store = store;
        return rc;
    }
    if (!take_operation(in, &store))
        return lex_fail(in, err, "FLAGS, FLAGS.SILENT or ANNOTATION");
    if (!lex_sp(in))
        return lex_fail(in, err, "a space and flags");
    rc = scan_peek(&in->sc) == '(' ? lex_flag_list(in, &store.flags, err)
                                   : lex_flags(in, &store.flags, err);
    if (rc)
        return rc;
    args->store = store;
    return RC_OK;
}

enum rc imap_parse_copy(struct imap_input *in, union imap_args *args, struct err *err)
{
    struct imap_copy_args copy;
    enum rc rc;

    if (!lex_sp(in))
        return lex_fail(in, err, "a space and a sequence set");
    rc = lex_set(in, &copy.set, err);
    if (rc)
        return rc;
    if (!lex_sp(in))
        return lex_fail(in, err, "a space and a mailbox name");
    rc = lex_mailbox(in, &copy.mailbox, err);
    if (rc)
        return rc;
    args->copy = copy;
    return RC_OK;
}

enum rc imap_parse_expunge(struct imap_input *in, union imap_args *args, struct err *err)
{
    if (!in->uid)
        return imap_parse_none(in, args, err);
    if (!lex_sp(in))
        return lex_fail(in, err, "a space and a uid set");
    return lex_set(in, &args->expunge.set, err);
}
