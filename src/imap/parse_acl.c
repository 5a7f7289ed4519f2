/*
 * parse_acl.c - SETACL, DELETEACL, LISTRIGHTS. GETACL and MYRIGHTS take a mailbox alone.
 *
 * Spec: RFC 4314 3 and 7. Whom an identifier means and which letters are rights is not known
 * here; what no identifier and no rights can be is refused.
 */
#include "base/ascii.h"
#include "base/utf8.h"
#include "imap/lex.h"

/* RFC 4314 3: what SASLprep refuses is BAD (RFC 4013 2.3: controls; 2.4: not UTF-8), and so is
 * what it leaves nothing of. */
static bool is_identifier(struct slice text)
{
    if (slice_starts(text, SLICE("-")))
        text = slice_from(text, 1);
    if (text.len == 0 || !utf8_is_valid(text))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (ascii_is_ctl(text.ptr[i]))
            return false;
    }
    return true;
}

static enum rc take_target(struct imap_input *in, struct imap_acl_args *acl, struct err *err)
{
    enum rc rc;

    if (!lex_sp(in))
        return lex_fail(in, err, "a space and a mailbox name");
    rc = lex_mailbox(in, &acl->mailbox, err);
    if (rc)
        return rc;
    if (!lex_sp(in) || !lex_astring(in, &acl->identifier))
        return lex_fail(in, err, "a space and an identifier");
    return is_identifier(acl->identifier)
               ? RC_OK
               : err_set(err, RC_SYNTAX, "Not an identifier", "acl: identifier");
}

/* mod-rights. Digits are rights that a site may define (RFC 4314 2). */
static enum rc take_rights(struct imap_input *in, struct imap_acl_args *acl, struct err *err)
{
    struct slice text;

    if (!lex_sp(in) || !lex_astring(in, &text))
        return lex_fail(in, err, "a space and rights");
    if (slice_starts(text, SLICE("+")))
        acl->op = IMAP_ACL_ADD;
    else if (slice_starts(text, SLICE("-")))
        acl->op = IMAP_ACL_REMOVE;
    acl->rights = slice_from(text, acl->op == IMAP_ACL_SET ? 0 : 1);
    for (size_t i = 0; i < acl->rights.len; i++) {
        char c = acl->rights.ptr[i];

        if (c >= 'A' && c <= 'Z')
            return err_set(err, RC_SYNTAX, "Uppercase rights are not allowed", "acl: rights");
        if (!ascii_is_alpha(c) && !ascii_is_digit(c))
            return err_set(err, RC_SYNTAX, "Rights are letters", "acl: rights");
    }
    return RC_OK;
}

enum rc imap_parse_identifier(struct imap_input *in, union imap_args *args, struct err *err)
{
    struct imap_acl_args acl = {0};
    enum rc rc = take_target(in, &acl, err);

    if (rc)
        return rc;
    args->acl = acl;
    return RC_OK;
}

enum rc imap_parse_setacl(struct imap_input *in, union imap_args *args, struct err *err)
{
    struct imap_acl_args acl = {0};
    enum rc rc = take_target(in, &acl, err);

    if (!rc)
        rc = take_rights(in, &acl, err);
    if (rc)
        return rc;
    args->acl = acl;
    return RC_OK;
}
