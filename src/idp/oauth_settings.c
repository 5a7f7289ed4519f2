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
    rc = provider_file_list(cfg, "groups", arena, &out->groups, err);
    if (rc)
        return rc;
    if (out->issuer.len == 0)
        return wrong(path, "issuer is missing", err);
    if (out->audience.n == 0)
        return wrong(path, "audience is missing: tokens for others would open mailboxes", err);
    if (out->user_claim.len == 0)
        return wrong(path, "user_claim is empty", err);
    if ((out->groups_claim.len > 0) != (out->groups.n > 0))
        return wrong(path, "groups_claim and groups want each other", err);
    if (out->leeway_sec < 0 || out->leeway_sec > CLAIMS_LEEWAY_MAX_SEC)
        return wrong(path, "leeway: want 0 to 300 seconds", err);
    return RC_OK;
}

static enum rc read_introspection(cfg_t *cfg, const char *path, struct arena *arena,
                                  struct oauth_settings *out, struct err *err)
{
    long recheck = cfg_getint(cfg, "recheck");

    out->introspection = provider_file_text(cfg, "introspection", arena);
    out->client_id = provider_file_text(cfg, "client_id", arena);
    out->client_secret = provider_file_text(cfg, "client_secret", arena);
    if (recheck < 1 || recheck > OAUTH_RECHECK_MAX_SEC)
        return wrong(path, "recheck: want 1 to 3600 seconds", err);
    out->recheck_sec = (uint16_t) recheck;
    if (out->introspection.len == 0)
        return RC_OK;
    if (fetch_check_url(out->introspection.ptr, &out->introspection_port, err) != RC_OK)
        return wrong(path, "introspection: want a URL of https", err);
    if (out->client_id.len == 0 || out->client_secret.len == 0)
        return wrong(path, "introspection needs client_id and client_secret", err);
    return RC_OK;
}

static enum rc read_algorithms(cfg_t *cfg, const char *path, struct arena *arena,
                               struct key_source_options *out, struct err *err)
{
    struct provider_list names;
    enum rc rc = provider_file_list(cfg, "algorithms", arena, &names, err);

    if (rc)
        return rc;
    for (size_t i = 0; i < names.n; i++) {
        enum jws_alg alg;

        if (jws_alg_of(names.items[i], &alg) != RC_OK)
            return wrong(path, "algorithms: want RS256, PS256, ES256 or EdDSA", err);
        out->allowed |= JWS_ALG_BIT(alg);
    }
    if (jws_alg_of(provider_file_text(cfg, "rsa_algorithm", arena), &out->rsa) != RC_OK ||
        (out->rsa != JWS_RS256 && out->rsa != JWS_PS256))
        return wrong(path, "rsa_algorithm: want RS256 or PS256", err);
    return RC_OK;
}

static enum rc read_keys(cfg_t *cfg, const char *path, struct arena *arena,
                         struct oauth_settings *out, struct err *err)
{
    enum rc rc = provider_file_list(cfg, "token_types", arena, &out->types, err);

    if (rc == RC_OK)
        rc = read_algorithms(cfg, path, arena, &out->keys, err);
    if (rc)
        return rc;
    out->keys.from = provider_file_text(cfg, "keys", arena);
    if (out->keys.from.len == 0)
        return RC_OK;
    if (out->keys.from.ptr[0] == '/')
        return RC_OK;
    if (fetch_check_url(out->keys.from.ptr, &out->keys_port, err) != RC_OK)
        return wrong(path, "keys: want a URL of https, or a path from /", err);
    out->keys.is_url = true;
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
    static char algorithms[] = "{RS256, PS256, ES256, EdDSA}",
                token_types[] = "{JWT, \"at+jwt\"}";
    cfg_opt_t options[] = {
        CFG_STR("issuer", "", CFGF_NONE),
        CFG_STR_LIST("audience", NULL, CFGF_NONE),
        CFG_STR_LIST("scope", NULL, CFGF_NONE),
        CFG_STR("user_claim", "email", CFGF_NONE),
        CFG_STR("groups_claim", "", CFGF_NONE),
        CFG_STR_LIST("groups", NULL, CFGF_NONE),
        CFG_INT("leeway", 30, CFGF_NONE),
        CFG_STR("keys", "", CFGF_NONE),
        CFG_STR_LIST("algorithms", algorithms, CFGF_NONE),
        CFG_STR("rsa_algorithm", "RS256", CFGF_NONE),
        CFG_STR_LIST("token_types", token_types, CFGF_NONE),
        CFG_STR("introspection", "", CFGF_NONE),
        CFG_INT("recheck", OAUTH_RECHECK_SEC, CFGF_NONE),
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
        rc = read_keys(cfg, path, arena, &settings, err);
    if (rc == RC_OK)
        rc = read_ca(cfg, arena, &settings, err);
    if (rc == RC_OK && settings.introspection.len == 0 && settings.keys.from.len == 0)
        rc = wrong(path, "one of keys and introspection has to be there", err);
    if (rc)
        return rc;
    settings.keys.ca = settings.ca;
    *out = settings;
    return RC_OK;
}
