#include "config/providers.h"

#include "base/ascii.h"

static bool is_name(struct slice name)
{
    if (name.len == 0 || name.len > BACKEND_NAME_MAX_BYTES)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];

        if (!ascii_is_alnum(c) && (strchr("-_.", c) == NULL || i == 0))
            return false;
    }
    return true;
}

static enum rc add(struct config_provider *list, size_t *n, const char *kind, struct slice name,
                   struct err *err)
{
    if (!is_name(name))
        return err_set(
            err, RC_INVALID, "Bad configuration",
            "%s: \"%.*s\" is no name of a file in idp_folder: want letters, digits, -, _ and .",
            kind, (int) MIN(name.len, 40), name.ptr);
    for (size_t i = 0; i < *n; i++) {
        if (slice_eq(list[i].name, name))
            return err_set(err, RC_INVALID, "Bad configuration", "%s: \"%.*s\" stands twice",
                           kind, SLICE_ARG(name));
    }
    if (*n == CONFIG_PROVIDERS_MAX)
        return err_set(err, RC_LIMIT, "Bad configuration", "%s: more than %u other servers",
                       kind, CONFIG_PROVIDERS_MAX);
    list[(*n)++] = (struct config_provider){slice_from_str(kind), name};
    return RC_OK;
}

/* Those back-ends of the order that idp asks. */
static enum rc add_backends(const struct config *config, struct config_provider *list,
                            size_t *n, struct err *err)
{
    struct backend_chain chain;
    enum rc rc = backend_chain_read(config->backends.items, config->backends.n, &chain, err);

    for (size_t i = 0; rc == RC_OK && i < chain.n; i++) {
        const struct backend *backend = &chain.list[i];
        size_t colon = slice_find(slice_from_str(config->backends.items[i]), ':');

        if (backend_is_idp(backend))
            rc = add(list, n, backend->kind == BACKEND_LDAP ? "ldap" : "sql",
                     slice_from_str(config->backends.items[i] + colon + 1), err);
    }
    return rc;
}

enum rc config_providers(const struct config *config,
                         struct config_provider out[CONFIG_PROVIDERS_MAX], size_t *out_n,
                         struct err *err)
{
    struct config_provider list[CONFIG_PROVIDERS_MAX];
    size_t n = 0;
    enum rc rc = RC_OK;

    for (size_t i = 0; i < config->oauth.n && rc == RC_OK; i++)
        rc = add(list, &n, CONFIG_PROVIDER_OAUTH, slice_from_str(config->oauth.items[i]), err);
    if (rc == RC_OK)
        rc = add_backends(config, list, &n, err);
    if (rc)
        return rc;
    memcpy(out, list, n * sizeof(*list));
    *out_n = n;
    return RC_OK;
}

bool config_wants_idp(const struct config *config)
{
    struct config_provider list[CONFIG_PROVIDERS_MAX];
    size_t n;

    return config_providers(config, list, &n, NULL) == RC_OK && n > 0;
}
