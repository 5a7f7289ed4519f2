#include "mailbox/rights.h"

/* By bit of enum right. */
static const char letters[] = "lrswipkxtean";

void rights_print(uint32_t rights, char out[RIGHTS_TEXT_BYTES])
{
    size_t n = 0;

    for (size_t i = 0; i < sizeof(letters) - 1; i++) {
        if ((rights >> i & 1) != 0)
            out[n++] = letters[i];
    }
    out[n] = '\0';
}

void rights_print_compatible(uint32_t rights, char out[RIGHTS_TEXT_BYTES])
{
    bool creates = (rights & (RIGHT_CREATE | RIGHT_DELETE)) != 0;
    bool deletes = (rights & (RIGHT_DELETED | RIGHT_EXPUNGE)) != 0;
    bool admin = (rights & RIGHT_ADMIN) != 0;
    size_t n;

    rights_print(rights & ~(uint32_t) RIGHT_ADMIN, out);
    n = strlen(out);
    if (creates)
        out[n++] = 'c';
    if (deletes)
        out[n++] = 'd';
    if (admin)
        out[n++] = 'a';
    out[n] = '\0';
}

static bool right_of(char letter, uint32_t *out)
{
    const char *at = letter != '\0' ? strchr(letters, letter) : NULL;

    switch (letter) {
    case 'c':
        *out = RIGHT_CREATE | RIGHT_DELETE;
        return true;
    case 'd':
        *out = RIGHT_DELETED | RIGHT_EXPUNGE;
        return true;
    default:
        if (at != NULL)
            *out = 1u << (at - letters);
        return at != NULL;
    }
}

bool rights_parse(struct slice text, uint32_t *out)
{
    uint32_t rights = 0;

    for (size_t i = 0; i < text.len; i++) {
        uint32_t right;

        if (!right_of(text.ptr[i], &right))
            return false;
        rights |= right;
    }
    *out = rights;
    return true;
}

uint8_t rights_flags(uint32_t rights)
{
    uint8_t flags = 0;

    if ((rights & RIGHT_SEEN) != 0)
        flags |= FLAG_SEEN;
    if ((rights & RIGHT_DELETED) != 0)
        flags |= FLAG_DELETED;
    if ((rights & RIGHT_WRITE) != 0)
        flags |= FLAG_ANSWERED | FLAG_FLAGGED | FLAG_DRAFT;
    return flags;
}

/* ---- identifiers ---- */

#define ID_DIGITS 16u

void acl_entry_name_print(const struct acl_entry_name *name, char out[ACL_ENTRY_NAME_BYTES])
{
    const char *sign = name->negative ? "-" : "";

    if (name->kind == ACL_ANYONE)
        (void) snprintf(out, ACL_ENTRY_NAME_BYTES, "%sanyone", sign);
    else
        (void) snprintf(out, ACL_ENTRY_NAME_BYTES, "%si%016llx", sign,
                        (unsigned long long) name->id);
}

static bool parse_id(struct slice text, uint64_t *out)
{
    uint64_t id = 0;

    if (text.len != 1 + ID_DIGITS || text.ptr[0] != 'i')
        return false;
    for (size_t i = 1; i < text.len; i++) {
        char c = text.ptr[i];

        if (c >= '0' && c <= '9')
            id = id << 4 | (uint64_t) (c - '0');
        else if (c >= 'a' && c <= 'f')
            id = id << 4 | (uint64_t) (c - 'a' + 10);
        else
            return false;
    }
    *out = id;
    return true;
}

bool acl_entry_name_parse(struct slice text, struct acl_entry_name *out)
{
    struct acl_entry_name name = {.negative = slice_starts(text, SLICE("-"))};

    if (name.negative)
        text = slice_from(text, 1);
    if (!slice_eq(text, SLICE("anyone"))) {
        name.kind = ACL_PRINCIPAL;
        if (!parse_id(text, &name.id))
            return false;
    }
    *out = name;
    return true;
}

bool acl_entry_concerns(const struct acl_entry_name *name, const struct identity *who)
{
    if (name->kind == ACL_ANYONE || name->id == who->account)
        return true;
    for (size_t i = 0; i < who->n_groups && who->groups[i] <= name->id; i++) {
        if (who->groups[i] == name->id)
            return true;
    }
    return false;
}

uint32_t acl_rights(const struct mbox_info *info, const struct identity *who)
{
    uint32_t given = 0, taken = 0;

    for (size_t i = 0; i < info->n_acl; i++) {
        struct acl_entry_name name;
        uint32_t rights;

        if (!acl_entry_name_parse(info->acl[i].key, &name) ||
            !rights_parse(info->acl[i].value, &rights) || !acl_entry_concerns(&name, who))
            continue;
        if (name.negative)
            taken |= rights;
        else
            given |= rights;
    }
    given &= ~taken;
    return (given & RIGHT_LOOKUP) != 0 ? given : given & RIGHT_POST;
}
