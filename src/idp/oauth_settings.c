#include "idp/oauth_settings.h"

#include "idp/fetch.h"

static enum rc wrong(const char *path, const char *why, struct err *err)
{
    return err_set(err, RC_INVALID, "Bad configuration", "%s: %s", path, why);
}

static enum rc read_rules(cfg_t *cfg, const char *path, struct arena *arena,
                          struct claim_rules *out, struct err *err)
{
    enum rc rc = provider_file_list(cfg, "audience", arena, &out->audience, err);

    if (rc == RC_OK)
        rc = provider_file_list(cfg, "scope", arena, &out->scopes, err);
    if (rc)
        return rc;
    out->issuer = provider_file_text(cfg, "issuer", arena);
    out->user_claim = provider_file_text(cfg, "user_claim", arena);
    out->groups_claim = provider_file_text(cfg, "groups_claim", arena);
    out->leeway_sec = cfg_getint(cfg, "leeway");
    if (out->issuer.len == 0)
        return wrong(path, "issuer is missing", err);
    if (out->audience.n == 0)
        return wrong(path, "audience is missing: tokens for others would open mailboxes", err);
    if (out->user_claim.len == 0)
        return wrong(path, "user_claim is empty", err);
    if (out->leeway_sec < 0 || out->leeway_sec > CLAIMS_LEEWAY_MAX_SEC)
        return wrong(path, "leeway: want 0 to 300 seconds", err);
    return RC_OK;
}

static enum rc read_introspection(cfg_t *cfg, const char *path, struct arena *arena,
                                  struct oauth_settings *out, struct err *err)
{
    out->introspection = provider_file_text(cfg, "introspection", arena);
    out->client_id = provider_file_text(cfg, "client_id", arena);
    out->client_secret = provider_file_text(cfg, "client_secret", arena);
    if (out->introspection.len == 0)
        return RC_OK;
    if (fetch_check_url(out->introspection.ptr, &out->introspection_port, err) != RC_OK)
        return wrong(path, "introspection: want a URL of https", err);
    if (out->client_id.len == 0 || out->client_secret.len == 0)
        return wrong(path, "introspection needs client_id and client_secret", err);
    return RC_OK;
}

static enum rc read_ca(cfg_t *cfg, struct arena *arena, struct oauth_settings *out,
                       struct err *err)
{
    struct slice file = provider_file_text(cfg, "ca_file", arena);

    if (file.len == 0)
        return RC_OK;
    return provider_read_whole(file.ptr, PROVIDER_CA_MAX_BYTES, arena, &out->ca, err);
}

enum rc oauth_settings_read(const char *path, struct arena *arena, struct oauth_settings *out,
                            struct err *err)
{
    cfg_opt_t options[] = {
        CFG_STR("issuer", "", CFGF_NONE),
        CFG_STR_LIST("audience", NULL, CFGF_NONE),
        CFG_STR_LIST("scope", NULL, CFGF_NONE),
        CFG_STR("user_claim", "email", CFGF_NONE),
        CFG_STR("groups_claim", "", CFGF_NONE),
        CFG_INT("leeway", 30, CFGF_NONE),
        CFG_STR("introspection", "", CFGF_NONE),
        CFG_STR("client_id", "", CFGF_NONE),
        CFG_STR("client_secret", "", CFGF_NONE),
        CFG_STR("ca_file", "", CFGF_NONE),
        CFG_END(),
    };
    AUTO(provider_file_freep) cfg_t *cfg = NULL;
    struct oauth_settings settings = {0};
    enum rc rc = provider_file_read(path, options, &cfg, err);

    if (rc == RC_OK)
        rc = read_rules(cfg, path, arena, &settings.rules, err);
    if (rc == RC_OK)
        rc = read_introspection(cfg, path, arena, &settings, err);
    if (rc == RC_OK)
        rc = read_ca(cfg, arena, &settings, err);
    if (rc == RC_OK && settings.introspection.len == 0)
        rc = wrong(path, "introspection is missing", err);
    if (rc)
        return rc;
    *out = settings;
    return RC_OK;
}
