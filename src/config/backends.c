#include "config/backends.h"

#include "base/ascii.h"
#include "base/scan.h"

enum backend_where { HERE, IN_IDP, IN_HELPER };

static const struct {
    const char *word;
    bool has_name;
    enum backend_where where;
} kinds[] = {
    [BACKEND_SQLITE] = {"sqlite",      false, HERE     },
    [BACKEND_PASSWD_FILE] = {"passwd-file", false, HERE     },
    [BACKEND_LDAP] = {"ldap",        true,  IN_IDP   },
    [BACKEND_SQL] = {"sql",         true,  IN_IDP   },
    [BACKEND_PAM] = {"pam",         true,  IN_HELPER},
};

bool backend_is_foreign(const struct backend *backend)
{
    return kinds[backend->kind].where != HERE;
}

bool backend_is_idp(const struct backend *backend)
{
    return kinds[backend->kind].where == IN_IDP;
}

const char *backend_name(const struct backend *backend)
{
    const char *colon = strchr(backend->text, ':');

    return colon != NULL ? colon + 1 : "";
}

/* It becomes part of a path. */
static bool is_name(struct slice text)
{
    if (text.len == 0 || text.len > BACKEND_NAME_MAX_BYTES)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (!ascii_is_alnum(c) && (i == 0 || (c != '-' && c != '_' && c != '.')))
            return false;
    }
    return true;
}

static bool read_backend(struct slice text, struct backend *out)
{
    struct scan sc = scan_of(text);
    struct slice word, name = SLICE("");
    bool has_name;

    if (text.len > BACKEND_TEXT_MAX_BYTES)
        return false;
    has_name = scan_until(&sc, ':', &word) && scan_byte(&sc, ':');
    if (has_name)
        name = scan_rest(&sc);
    else
        word = text;
    for (size_t i = 0; i < COUNT(kinds); i++) {
        if (!slice_eq(word, slice_from_str(kinds[i].word)))
            continue;
        if (has_name != kinds[i].has_name || (has_name && !is_name(name)))
            return false;
        *out = (struct backend){.kind = (enum backend_kind) i};
        memcpy(out->text, text.ptr, text.len);
        return true;
    }
    return false;
}

size_t backend_find(const struct backend_chain *chain, struct slice text)
{
    size_t at = 0;

    while (at < chain->n && !slice_eq(slice_from_str(chain->list[at].text), text))
        at++;
    return at;
}

enum rc backend_chain_read(const char *const *items, size_t n, struct backend_chain *out,
                           struct err *err)
{
    struct backend_chain chain = {.n = 0};

    if (n == 0 || n > BACKENDS_MAX)
        return err_set(err, RC_INVALID, "backends: none, or too many", "backends: %zu of them",
                       n);
    for (; chain.n < n; chain.n++) {
        struct slice text = slice_from_str(items[chain.n]);

        if (!read_backend(text, &chain.list[chain.n]))
            return err_set(err, RC_INVALID, "backends: not a back-end",
                           "backends: \"%.60s\" is none of sqlite, passwd-file, ldap:NAME, "
                           "sql:NAME and pam:NAME",
                           items[chain.n]);
        if (backend_find(&chain, text) < chain.n)
            return err_set(err, RC_INVALID, "backends: one is there twice",
                           "backends: \"%.60s\" is there twice", items[chain.n]);
    }
    *out = chain;
    return RC_OK;
}

static bool any(const struct backend_chain *chain, bool (*is)(const struct backend *))
{
    for (size_t i = 0; i < chain->n; i++)
        if (is(&chain->list[i]))
            return true;
    return false;
}

bool backend_chain_has_foreign(const struct backend_chain *chain)
{
    return any(chain, backend_is_foreign);
}

bool backend_chain_needs_idp(const struct backend_chain *chain)
{
    return any(chain, backend_is_idp);
}
