#include "mailbox/acl_text.h"

#define ANYONE       SLICE("anyone")
#define GROUP_PREFIX SLICE("group:")

/* What stands behind the "-". Names of accounts come before ids: none looks like one
 * (auth/name.h). */
static bool read_who(const struct principals *principals, struct slice text,
                     struct acl_entry_name *out)
{
    const struct principal *who;

    if (slice_eq_nocase(text, ANYONE)) {
        out->kind = ACL_ANYONE;
        return true;
    }
    who = slice_starts_nocase(text, GROUP_PREFIX)
              ? principals_find_group(principals, slice_from(text, GROUP_PREFIX.len))
              : principals_find_account(principals, text);
    if (who == NULL)
        return acl_entry_name_parse(text, out) && !out->negative;
    out->kind = ACL_PRINCIPAL;
    out->id = who->id;
    return true;
}

enum rc acl_text_read(const struct principals *principals, struct slice text,
                      struct acl_entry_name *out, struct err *err)
{
    struct acl_entry_name name = {0};
    bool negative = slice_starts(text, SLICE("-"));

    if (!read_who(principals, slice_from(text, negative), &name))
        return err_set(err, RC_NOT_FOUND, "No such user or group", "acl: identifier unknown");
    name.negative = negative;
    *out = name;
    return RC_OK;
}

void acl_text_print(const struct principals *principals, const struct acl_entry_name *name,
                    struct buf *out)
{
    const struct principal *who =
        name->kind == ACL_PRINCIPAL ? principals_by_id(principals, name->id) : NULL;
    char id[ACL_ENTRY_NAME_BYTES];

    if (who == NULL) {
        acl_entry_name_print(name, id);
        buf_str(out, id);
        return;
    }
    if (name->negative)
        buf_byte(out, '-');
    if (who->kind == PRINCIPAL_GROUP)
        buf_append(out, GROUP_PREFIX);
    buf_append(out, who->name);
}
