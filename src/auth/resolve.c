#include "auth/resolve.h"

#include "base/buf.h"
#include "base/scan.h"
#include "base/utf8.h"

/* An address taken apart: the local part without quoting, the domain's key. */
struct address {
    struct slice local;
    bool has_domain;
    bool is_ours; /* the domain is one of ours, or there is none */
    struct auth_key domain;
};

/*
 * RFC 5321 4.1.2 Quoted-string, from behind its opening quote to behind the closing one. False:
 * it does not end, or a control character stands in it.
 */
static bool scan_quoted(struct scan *sc, struct arena *arena, struct slice *out)
{
    char *text = arena_alloc(arena, scan_left(sc));
    size_t len = 0;
    struct slice c;

    while (!scan_byte(sc, '"')) {
        (void) scan_byte(sc, '\\'); /* the byte behind it stands for itself */
        if (!scan_take(sc, 1, &c) || (unsigned char) *c.ptr < ' ' || *c.ptr == 0x7f)
            return false;
        text[len++] = *c.ptr;
    }
    *out = slice_of(text, len);
    return true;
}

/* Local-part [ "@" Domain ]; a bare local part is taken as ours (RFC 5321 4.1.1.3, postmaster).
 */
static bool split_address(struct slice text, struct arena *arena, struct address *out)
{
    struct scan sc = scan_of(text);
    struct slice domain;

    *out = (struct address){.is_ours = true};
    if (scan_byte(&sc, '"')) {
        if (!scan_quoted(&sc, arena, &out->local))
            return false;
    } else {
        out->local = slice_sub(text, 0, slice_rfind(text, '@'));
        (void) scan_take(&sc, out->local.len, &out->local);
    }
    if (out->local.len == 0)
        return false;
    if (scan_done(&sc))
        return true;
    if (!scan_byte(&sc, '@'))
        return false;
    domain = scan_rest(&sc);
    out->has_domain = true;
    return auth_domain_key(domain, &out->domain, NULL) == RC_OK;
}

/* Account, then alias, by one key. */
static enum rc find_by_key(const struct resolve_lookup *lookup, const struct auth_key *key,
                           struct arena *arena, struct resolve_account *out, struct err *err)
{
    enum rc rc = lookup->account(lookup->ctx, auth_key_slice(key), arena, out, err);

    if (rc != RC_NOT_FOUND)
        return rc;
    return lookup->alias(lookup->ctx, auth_key_slice(key), arena, out, err);
}

/* local@domain as a key; what is too long for a key names nobody. */
static enum rc full_key(const struct auth_key *local, const struct auth_key *domain,
                        struct auth_key *out)
{
    struct auth_key key = *local;

    if ((size_t) local->len + 1 + domain->len > sizeof(key.bytes))
        return RC_NOT_FOUND;
    key.bytes[key.len++] = '@';
    memcpy(key.bytes + key.len, domain->bytes, domain->len);
    key.len = (uint16_t) (key.len + domain->len);
    *out = key;
    return RC_OK;
}

/* Steps 1 and 2 with this local part. */
static enum rc find_local(const struct resolve_lookup *lookup, const struct address *address,
                          struct slice local, struct arena *arena, struct resolve_account *out,
                          struct err *err)
{
    struct auth_key local_key, key;
    enum rc rc;

    if (slice_find(local, '@') < local.len || auth_name_key(local, &local_key, NULL) != RC_OK)
        return RC_NOT_FOUND; /* fine in an address, but no name of ours */
    if (address->has_domain && full_key(&local_key, &address->domain, &key) == RC_OK) {
        rc = find_by_key(lookup, &key, arena, out, err);
        if (rc != RC_NOT_FOUND)
            return rc;
    }
    return address->is_ours ? find_by_key(lookup, &local_key, arena, out, err) : RC_NOT_FOUND;
}

/* Is the domain one of ours? RC_OK: address says so. */
static enum rc look_at_domain(const struct resolve_lookup *lookup, struct address *address,
                              struct err *err)
{
    enum rc rc = RC_OK;

    if (address->has_domain)
        rc = lookup->domain(lookup->ctx, auth_key_slice(&address->domain), err);
    if (rc != RC_OK && rc != RC_NOT_FOUND)
        return rc;
    address->is_ours = rc == RC_OK;
    return RC_OK;
}

/* The local part before its first separator, and what is behind; false: it has none. */
static bool split_detail(const struct resolve_lookup *lookup, struct slice local,
                         struct slice *out_base, struct slice *out_detail)
{
    size_t at = local.len;

    if (lookup->separator.len == 1)
        at = slice_find(local, lookup->separator.ptr[0]);
    if (at == 0 || at >= local.len)
        return false;
    *out_base = slice_sub(local, 0, at);
    *out_detail = slice_from(local, at + 1);
    return true;
}

static enum rc find_recipient(const struct resolve_lookup *lookup, struct address *address,
                              struct arena *arena, struct resolve_account *out,
                              struct resolved *how, struct err *err)
{
    struct slice base;
    enum rc rc = look_at_domain(lookup, address, err);

    if (rc)
        return rc;
    rc = find_local(lookup, address, address->local, arena, out, err);
    if (rc != RC_NOT_FOUND)
        return rc;
    if (split_detail(lookup, address->local, &base, &how->detail)) {
        rc = find_local(lookup, address, base, arena, out, err);
        if (rc != RC_NOT_FOUND)
            return rc;
    }
    if (!address->has_domain || !address->is_ours)
        return RC_NOT_FOUND;
    how->is_catch_all = true;
    return lookup->catch_all(lookup->ctx, auth_key_slice(&address->domain), arena, out, err);
}

static bool read_address(struct slice text, struct arena *arena, struct address *out)
{
    return text.len <= MSG_ADDRESS_MAX && utf8_is_valid(text) &&
           split_address(text, arena, out);
}

void resolve_recipient(const struct resolve_lookup *lookup, struct slice address_text,
                       struct arena *arena, struct resolved *out)
{
    struct resolved how = {.detail = SLICE("")};
    struct resolve_account account;
    struct address address;
    struct err err;
    enum rc rc;

    *out = (struct resolved){.code = RESOLVE_SYNTAX};
    if (!read_address(address_text, arena, &address))
        return;
    rc = find_recipient(lookup, &address, arena, &account, &how, &err);
    if (rc == RC_NOT_FOUND) {
        out->code = RESOLVE_UNKNOWN;
    } else if (rc) {
        out->code = RESOLVE_TEMPORARY;
    } else {
        *out = (struct resolved){
            .code = account.enabled ? RESOLVE_OK : RESOLVE_DISABLED,
            .account = account.id,
            .user = account.name,
            .detail = how.detail,
            .is_catch_all = how.is_catch_all,
        };
    }
}

/* local@domain as it was written. */
static struct slice full_name(const struct address *address, struct slice local,
                              struct arena *arena)
{
    AUTO(buf_done) struct buf text = {0};

    buf_init(&text, 2 * MSG_ADDRESS_MAX);
    buf_append(&text, local);
    buf_byte(&text, '@');
    buf_append(&text, auth_key_slice(&address->domain));
    return arena_dup(arena, buf_slice(&text));
}

static size_t put_names(const struct address *address, struct slice local, struct slice detail,
                        struct arena *arena, struct resolve_name *out)
{
    struct auth_key key;
    size_t n = 0;

    if (slice_find(local, '@') < local.len || auth_name_key(local, &key, NULL) != RC_OK)
        return 0;
    if (address->has_domain)
        out[n++] = (struct resolve_name){full_name(address, local, arena), detail};
    out[n++] = (struct resolve_name){local, detail};
    return n;
}

size_t resolve_names(const struct resolve_lookup *lookup, struct slice address_text,
                     struct arena *arena, struct resolve_name out[RESOLVE_NAMES_MAX])
{
    struct slice base, detail;
    struct address address;
    size_t n;

    if (!read_address(address_text, arena, &address) ||
        look_at_domain(lookup, &address, NULL) != RC_OK || !address.is_ours)
        return 0;
    n = put_names(&address, address.local, SLICE(""), arena, out);
    if (split_detail(lookup, address.local, &base, &detail))
        n += put_names(&address, base, detail, arena, out + n);
    return n;
}

enum rc resolve_login(const struct resolve_lookup *lookup, struct slice name,
                      struct arena *arena, struct resolve_account *out, struct err *err)
{
    size_t at = slice_rfind(name, '@');
    struct auth_key key, domain;
    enum rc rc;

    if (auth_name_key(name, &key, NULL) != RC_OK)
        return err_set(err, RC_NOT_FOUND, "No such user", "login: not a name");
    rc = lookup->account(lookup->ctx, auth_key_slice(&key), arena, out, err);
    if (rc != RC_NOT_FOUND || at == name.len)
        return rc;
    if (auth_domain_key(slice_from(name, at + 1), &domain, NULL) != RC_OK ||
        auth_name_key(slice_sub(name, 0, at), &key, NULL) != RC_OK)
        return rc;
    rc = lookup->domain(lookup->ctx, auth_key_slice(&domain), err);
    if (rc)
        return rc;
    return lookup->account(lookup->ctx, auth_key_slice(&key), arena, out, err);
}
