/*
 * parse_quota.c - GETQUOTA and SETQUOTA. GETQUOTAROOT takes a mailbox like others.
 *
 * Spec: RFC 9208 7.
 */
#include "imap/lex.h"

enum rc imap_parse_getquota(struct imap_input *in, union imap_args *args, struct err *err)
{
    struct imap_quota_args quota = {.n = 0};

    if (!lex_sp(in) || !lex_astring(in, &quota.root))
        return lex_fail(in, err, "a space and the name of a quota root");
    args->quota = quota;
    return RC_OK;
}

/* setquota-resource: resource-name SP resource-limit */
static enum rc take_limit(struct imap_input *in, struct imap_quota_limit *out, struct err *err)
{
    if (!lex_atom(in, &out->resource))
        return lex_fail(in, err, "the name of a resource");
    if (!lex_sp(in) || !lex_number64(in, &out->limit))
        return lex_fail(in, err, "a space and a number below 2^63");
    return RC_OK;
}

/* setquota-list: "(" [setquota-resource *(SP setquota-resource)] ")" */
static enum rc take_limits(struct imap_input *in, struct imap_quota_args *quota,
                           struct err *err)
{
    struct imap_quota_limit *limits =
        ARENA_ARRAY(in->arena, struct imap_quota_limit, SETQUOTA_MAX_RESOURCES);
    enum rc rc;

    quota->limits = limits;
    if (!lex_byte(in, '('))
        return lex_fail(in, err, "\"(\" and limits");
    if (lex_byte(in, ')'))
        return RC_OK;
    do {
        if (quota->n == SETQUOTA_MAX_RESOURCES)
            return err_set(err, RC_LIMIT, "Too many limits", "setquota: more than %u limits",
                           SETQUOTA_MAX_RESOURCES);
        rc = take_limit(in, &limits[quota->n++], err);
        if (rc)
            return rc;
    } while (lex_sp(in));
    return lex_byte(in, ')') ? RC_OK : lex_fail(in, err, "a space or \")\"");
}

enum rc imap_parse_setquota(struct imap_input *in, union imap_args *args, struct err *err)
{
    struct imap_quota_args quota = {.n = 0};
    enum rc rc;

    if (!lex_sp(in) || !lex_astring(in, &quota.root) || !lex_sp(in))
        return lex_fail(in, err, "the name of a quota root and limits");
    rc = take_limits(in, &quota, err);
    if (rc)
        return rc;
    args->quota = quota;
    return RC_OK;
}
