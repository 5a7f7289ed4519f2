#include "mailbox/name.h"

#include "base/ascii.h"
#include "base/utf8.h"

static bool has_control(struct slice name)
{
    struct scan sc = scan_of(name);
    uint32_t ch;

    while (utf8_scan(&sc, &ch)) {
        /* C0, DEL, C1, LINE SEPARATOR and PARAGRAPH SEPARATOR: RFC 5198 section 2, RFC 9051 5.1
         */
        if (ch < 0x20 || (ch >= 0x7f && ch < 0xa0) || ch == 0x2028 || ch == 0x2029)
            return true;
    }
    return false;
}

static bool has_empty_component(struct slice name)
{
    return slice_starts(name, SLICE("/")) || slice_ends(name, SLICE("/")) ||
           slice_search(name, SLICE("//")) < name.len;
}

/* Mail programs that keep folders as files take such a name for an attack, and then none of the
 * others. */
static bool has_dots_alone(struct slice name)
{
    struct scan sc = scan_of(name);
    struct slice component;

    while (!scan_done(&sc)) {
        if (!scan_until(&sc, NAME_SEPARATOR, &component))
            (void) scan_take(&sc, scan_left(&sc), &component);
        (void) scan_byte(&sc, NAME_SEPARATOR);
        if (slice_eq(component, SLICE(".")) || slice_eq(component, SLICE("..")))
            return true;
    }
    return false;
}

enum rc mailbox_name_check(struct slice name, struct err *err)
{
    if (name.len == 0)
        return err_set(err, RC_INVALID, "A mailbox name cannot be empty", "name: empty");
    if (name.len > MAILBOX_NAME_BYTES_MAX)
        return err_set(err, RC_LIMIT, "The mailbox name is too long", "name: %zu bytes",
                       name.len);
    if (!utf8_is_valid(name))
        return err_set(err, RC_INVALID, "The mailbox name is not valid UTF-8",
                       "name: not UTF-8");
    if (has_control(name))
        return err_set(err, RC_INVALID, "A mailbox name cannot hold control characters",
                       "name: control character");
    if (has_empty_component(name))
        return err_set(err, RC_INVALID, "A component of the mailbox name is empty",
                       "name: empty component");
    if (has_dots_alone(name))
        return err_set(err, RC_INVALID, "A component of the mailbox name is only dots",
                       "name: . or ..");
    if (slice_count(name, NAME_SEPARATOR) >= MAILBOX_DEPTH_MAX)
        return err_set(err, RC_LIMIT, "The mailbox name has too many levels",
                       "name: %zu levels", slice_count(name, NAME_SEPARATOR) + 1);
    return RC_OK;
}

bool mailbox_name_is_inbox(struct slice name)
{
    return slice_eq_nocase(name, SLICE("INBOX"));
}

struct slice mailbox_name_canonical(struct slice name, struct arena *arena)
{
    struct slice first = slice_sub(name, 0, slice_find(name, NAME_SEPARATOR));
    char *copy;

    if (!mailbox_name_is_inbox(first) || slice_eq(first, SLICE("INBOX")))
        return name;
    copy = arena_alloc(arena, name.len);
    memcpy(copy, name.ptr, name.len);
    memcpy(copy, "INBOX", 5);
    return slice_of(copy, name.len);
}

struct slice mailbox_name_parent(struct slice name)
{
    size_t at = slice_rfind(name, NAME_SEPARATOR);

    return slice_sub(name, 0, at == name.len ? 0 : at);
}

bool mailbox_name_is_below(struct slice name, struct slice parent)
{
    return name.len > parent.len && slice_starts(name, parent) &&
           name.ptr[parent.len] == NAME_SEPARATOR;
}
