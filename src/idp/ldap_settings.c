#include "idp/ldap_settings.h"

#include <ldap.h>
#include <sys/stat.h>

#include "base/ascii.h"
#include "base/ipaddr.h"
#include "base/scan.h"
#include "idp/ldap_text.h"

#define SYSTEM_CA "/etc/ssl/certs/ca-certificates.crt"

static enum rc wrong(const char *path, const char *why, struct err *err)
{
    return err_set(err, RC_INVALID, "Bad configuration", "%s: %s", path, why);
}

/* host, [v6] or v4 address, with its port if it is another one. */
static bool read_host(struct slice text, uint16_t usual_port, struct ldap_server *out)
{
    struct scan sc = scan_of(text);
    struct ipaddr address;
    struct slice host;
    uint64_t port = usual_port;
    bool bracket = scan_byte(&sc, '[');

    if (bracket ? !scan_until(&sc, ']', &host) || !scan_byte(&sc, ']')
                : !scan_until(&sc, ':', &host) && !scan_take(&sc, scan_left(&sc), &host))
        return false;
    if (scan_byte(&sc, ':') && (!scan_u64(&sc, UINT16_MAX, &port) || port == 0))
        return false;
    for (size_t i = 0; i < host.len; i++)
        if (!ascii_is_alnum(host.ptr[i]) && host.ptr[i] != '.' && host.ptr[i] != '-' &&
            !(bracket && host.ptr[i] == ':'))
            return false;
    out->port = (uint16_t) port;
    out->loopback = ipaddr_parse(host, &address) && ipaddr_is_loopback(&address);
    return host.len > 0 && scan_done(&sc);
}

static bool read_server(struct slice uri, struct ldap_server *out)
{
    struct scan sc = scan_of(uri);

    out->uri = uri;
    out->tls = scan_literal(&sc, SLICE("ldaps://"));
    if (!out->tls && !scan_literal(&sc, SLICE("ldap://")))
        return false;
    return read_host(scan_rest(&sc), out->tls ? LDAPS_PORT : LDAP_PORT, out);
}

/* A password never goes out in the clear, but on this host itself where that is written down.
 */
static enum rc read_servers(cfg_t *cfg, const char *path, struct arena *arena,
                            struct ldap_settings *out, struct err *err)
{
    bool plain_loopback = cfg_getbool(cfg, "plaintext_loopback") == cfg_true;
    struct provider_list list;
    enum rc rc = provider_file_list(cfg, "servers", arena, &list, err);

    if (rc)
        return rc;
    if (list.n == 0 || list.n > LDAP_SERVERS_MAX)
        return wrong(path, "servers: want 1 to 8 of them", err);
    out->starttls = cfg_getbool(cfg, "starttls") == cfg_true;
    for (; out->n_servers < list.n; out->n_servers++) {
        struct ldap_server *server = &out->servers[out->n_servers];
        const char *uri = arena_cstr(arena, list.items[out->n_servers]);

        if (!read_server(slice_from_str(uri), server))
            return wrong(path, "servers: want ldaps://HOST or ldap://HOST", err);
        if (!server->tls && !out->starttls && !(plain_loopback && server->loopback))
            return wrong(path,
                         "servers: ldap:// needs starttls = true, or plaintext_loopback for a "
                         "loopback address",
                         err);
        if (server->tls && out->starttls)
            return wrong(path, "servers: starttls is for ldap://, ldaps:// has TLS", err);
    }
    return RC_OK;
}

static enum rc read_ca(cfg_t *cfg, const char *path, struct arena *arena,
                       struct ldap_settings *out, struct err *err)
{
    struct stat st;

    out->ca_file = provider_file_text(cfg, "ca_file", arena);
    if (out->ca_file.len == 0)
        out->ca_file = SLICE(SYSTEM_CA);
    if (stat(out->ca_file.ptr, &st) != 0 || !S_ISREG(st.st_mode))
        return wrong(path, "ca_file is not there", err);
    return RC_OK;
}

/* One line; its end does not count. */
static enum rc read_password(cfg_t *cfg, const char *path, struct arena *arena,
                             struct ldap_settings *out, struct err *err)
{
    struct slice file = provider_file_text(cfg, "search_password_file", arena), text;
    struct stat st;
    enum rc rc;

    out->search_dn = provider_file_text(cfg, "search_dn", arena);
    if ((out->search_dn.len == 0) != (file.len == 0))
        return wrong(path, "search_dn and search_password_file go together", err);
    if (file.len == 0)
        return RC_OK;
    if (stat(file.ptr, &st) != 0 || (st.st_mode & S_IRWXO) != 0)
        return wrong(path, "search_password_file is not there, or everybody may read it", err);
    rc = provider_read_whole(file.ptr, LDAP_PASSWORD_MAX_BYTES, arena, &text, err);
    if (rc)
        return rc;
    while (text.len > 0 && ascii_is_space(text.ptr[text.len - 1]))
        text.len--;
    if (text.len == 0) /* RFC 4513 5.1.2: the server would take it for nobody */
        return wrong(path, "search_password_file is empty", err);
    out->search_password = text;
    return RC_OK;
}

static enum rc read_search(cfg_t *cfg, const char *path, struct arena *arena,
                           struct ldap_settings *out, struct err *err)
{
    struct slice scope = provider_file_text(cfg, "scope", arena);

    out->bind_dn = provider_file_text(cfg, "bind_dn", arena);
    out->base = provider_file_text(cfg, "base", arena);
    out->filter = provider_file_text(cfg, "filter", arena);
    out->allow_filter = provider_file_text(cfg, "allow_filter", arena);
    if (slice_eq(scope, SLICE("subtree")))
        out->scope = LDAP_SCOPE_SUBTREE;
    else if (slice_eq(scope, SLICE("onelevel")))
        out->scope = LDAP_SCOPE_ONELEVEL;
    else
        return wrong(path, "scope: want subtree or onelevel", err);
    if ((out->bind_dn.len > 0) == (out->base.len > 0))
        return wrong(path, "want either bind_dn or base (with filter)", err);
    if (out->bind_dn.len > 0 && !ldap_pattern_is_good(out->bind_dn, false))
        return wrong(path, "bind_dn: want %u, %n or %d in it, and no other %", err);
    if (out->base.len > 0 && !ldap_pattern_is_good(out->filter, false))
        return wrong(path, "filter: want %u, %n or %d in it, and no other %", err);
    return RC_OK;
}

static enum rc read_groups(cfg_t *cfg, const char *path, struct arena *arena,
                           struct ldap_settings *out, struct err *err)
{
    out->user_attribute = provider_file_text(cfg, "user_attribute", arena);
    out->group_attribute = provider_file_text(cfg, "group_attribute", arena);
    out->group_base = provider_file_text(cfg, "group_base", arena);
    out->group_filter = provider_file_text(cfg, "group_filter", arena);
    out->group_name = provider_file_text(cfg, "group_name", arena);
    if (out->user_attribute.len == 0)
        return wrong(path, "user_attribute is empty", err);
    if (out->group_base.len > 0 && out->group_attribute.len > 0)
        return wrong(path, "want either group_attribute or group_base", err);
    if (out->group_base.len > 0 &&
        (!ldap_pattern_is_good(out->group_filter, true) || out->group_name.len == 0))
        return wrong(path, "group_filter: want %D, %u, %n or %d in it, and group_name", err);
    return RC_OK;
}

/* A forgotten bracket; the rest libldap says at the first login. */
static bool is_balanced(struct slice filter)
{
    size_t depth = 0;

    if (filter.len == 0 || filter.ptr[0] != '(')
        return filter.len == 0;
    for (size_t i = 0; i < filter.len; i++) {
        if (filter.ptr[i] == '(')
            depth++;
        else if (filter.ptr[i] == ')' && depth-- == 0)
            return false;
        if (depth == 0 && i + 1 < filter.len)
            return false;
    }
    return depth == 0;
}

static enum rc check_filters(const struct ldap_settings *settings, const char *path,
                             struct err *err)
{
    const struct slice filters[] = {settings->filter, settings->allow_filter,
                                    settings->group_filter};

    for (size_t i = 0; i < COUNT(filters); i++)
        if (filters[i].len > LDAP_SETTING_MAX_BYTES || !is_balanced(filters[i]))
            return wrong(path, "a filter is none of RFC 4515", err);
    return RC_OK;
}

enum rc ldap_settings_read(const char *path, struct arena *arena, struct ldap_settings *out,
                           struct err *err)
{
    cfg_opt_t options[] = {
        CFG_STR_LIST("servers", NULL, CFGF_NONE),
        CFG_BOOL("starttls", cfg_false, CFGF_NONE),
        CFG_BOOL("plaintext_loopback", cfg_false, CFGF_NONE),
        CFG_STR("ca_file", NULL, CFGF_NONE),
        CFG_STR("bind_dn", NULL, CFGF_NONE),
        CFG_STR("search_dn", NULL, CFGF_NONE),
        CFG_STR("search_password_file", NULL, CFGF_NONE),
        CFG_STR("base", NULL, CFGF_NONE),
        CFG_STR("scope", "subtree", CFGF_NONE),
        CFG_STR("filter", "(uid=%u)", CFGF_NONE),
        CFG_STR("allow_filter", NULL, CFGF_NONE),
        CFG_STR("user_attribute", "uid", CFGF_NONE),
        CFG_STR("group_attribute", NULL, CFGF_NONE),
        CFG_STR("group_base", NULL, CFGF_NONE),
        CFG_STR("group_filter", "(member=%D)", CFGF_NONE),
        CFG_STR("group_name", "cn", CFGF_NONE),
        CFG_INT("timeout", 3, CFGF_NONE),
        CFG_END(),
    };
    AUTO(provider_file_freep) cfg_t *cfg = NULL;
    struct ldap_settings settings = {.n_servers = 0};
    enum rc rc = provider_file_read(path, options, &cfg, err);
    long timeout;

    if (rc)
        return rc;
    timeout = cfg_getint(cfg, "timeout");
    if (timeout < 1 || timeout > LDAP_TIMEOUT_MAX_SEC)
        return wrong(path, "timeout: want 1 to 7 seconds", err);
    settings.timeout_sec = (int) timeout;
    rc = read_servers(cfg, path, arena, &settings, err);
    if (rc == RC_OK)
        rc = read_ca(cfg, path, arena, &settings, err);
    if (rc == RC_OK)
        rc = read_password(cfg, path, arena, &settings, err);
    if (rc == RC_OK)
        rc = read_search(cfg, path, arena, &settings, err);
    if (rc == RC_OK)
        rc = read_groups(cfg, path, arena, &settings, err);
    if (rc == RC_OK)
        rc = check_filters(&settings, path, err);
    if (rc)
        return rc;
    *out = settings;
    return RC_OK;
}
