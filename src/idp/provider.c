#include "idp/provider.h"

#include <errno.h>
#include <jansson.h>
#include <nss.h>
#include <stdlib.h>
#include <unistd.h>

#include "idp/ldap.h"
#include "idp/oauth.h"
#include "idp/sql.h"

#define DNS_PORT 53u /* by TCP, where the answer is long */

static const struct idp_kind *const kinds[] = {
    &idp_oauth,
    &idp_ldap,
    &idp_sql,
};

/*
 * Names of hosts come from /etc/hosts and DNS, whatever nsswitch.conf says: other sources are
 * modules that would be loaded while the process runs, and it loads no code.
 */
enum rc idp_init(struct err *err)
{
    (void) unsetenv("SSLKEYLOGFILE"); /* curl would write session keys to it */
    if (__nss_configure_lookup("hosts", "files dns") != 0)
        return err_set(err, RC_IO, "Internal error", "names of hosts: %s", strerror(errno));
    json_object_seed(0); /* a random one; it opens a device */
    return RC_OK;
}

static const struct idp_kind *find_kind(struct slice name)
{
    for (size_t i = 0; i < COUNT(kinds); i++) {
        if (slice_eq(name, slice_from_str(kinds[i]->name)))
            return kinds[i];
    }
    return NULL;
}

enum rc idp_open(const char *folder, const struct config_provider *named,
                 struct idp_provider *out, struct err *err)
{
    const struct idp_kind *kind = find_kind(named->kind);
    char path[IDP_PATH_BYTES];
    void *self;
    enum rc rc;

    if (kind == NULL)
        return err_set(err, RC_NOT_FOUND, "Bad configuration", "%.*s: no such kind of server",
                       SLICE_ARG(named->kind));
    if (snprintf(path, sizeof(path), "%s/%.*s.conf", folder, SLICE_ARG(named->name)) >=
        (int) sizeof(path))
        return err_set(err, RC_LIMIT, "Bad configuration", "idp_folder: path too long");
    rc = kind->open(path, &self, err);
    if (rc)
        return rc;
    *out = (struct idp_provider){kind, self};
    return RC_OK;
}

void idp_allow_if_there(struct sandbox_rules *rules, const char *path)
{
    if (access(path, R_OK) == 0)
        sandbox_allow(rules, path, SANDBOX_READ);
}

void idp_needs_names(struct sandbox_rules *rules)
{
    static const char *const files[] = {"/etc/resolv.conf", "/etc/hosts", "/etc/host.conf",
                                        "/etc/gai.conf"};

    for (size_t i = 0; i < COUNT(files); i++)
        idp_allow_if_there(rules, files[i]);
    sandbox_allow_port(rules, DNS_PORT);
}

void idp_needs(const struct idp_provider *provider, struct sandbox_rules *rules)
{
    provider->kind->needs(provider->self, rules);
}

void idp_check(struct idp_provider *provider, const struct idp_question *question,
               struct idp_answer *out)
{
    provider->kind->check(provider->self, question, out);
}

void idp_reload(struct idp_provider *provider)
{
    if (provider->kind->reload != NULL)
        provider->kind->reload(provider->self);
}

void idp_close(struct idp_provider *provider)
{
    if (provider->kind != NULL)
        provider->kind->close(provider->self);
    *provider = (struct idp_provider){NULL, NULL};
}

struct idp_name idp_name_split(struct slice user)
{
    size_t at = slice_rfind(user, '@');

    if (at == user.len)
        return (struct idp_name){.local = user};
    return (struct idp_name){.local = slice_sub(user, 0, at),
                             .domain = slice_from(user, at + 1),
                             .has_domain = true};
}

struct idp_answer idp_says(enum idp_code code, const char *reason)
{
    return (struct idp_answer){.code = code, .reason = reason};
}
