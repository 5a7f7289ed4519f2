#include "idp/oauth.h"

#include <sodium.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/clock.h"
#include "idp/fetch.h"
#include "idp/json.h"
#include "idp/jwt.h"
#include "idp/oauth_settings.h"

#define SETTINGS_BYTES ((size_t) 8 << 20)
#define FORM_PER_BYTE  3u /* "%XX" */

struct oauth {
    struct arena *arena;
    struct oauth_settings settings;
    struct key_source *keys;         /* NULL: tokens are not looked into */
    char *keys_folder;               /* a file in it may be replaced */
    char *client_id, *client_secret; /* encoded as RFC 6749 2.3.1 wants them */
};

static void close_oauth(void *self)
{
    struct oauth *oauth = self;
    struct slice secret = oauth->settings.client_secret;

    if (secret.len > 0)
        sodium_memzero((char *) (uintptr_t) secret.ptr, secret.len);
    if (oauth->client_secret != NULL)
        sodium_memzero(oauth->client_secret, strlen(oauth->client_secret));
    key_source_free(oauth->keys);
    arena_free(oauth->arena);
    free(oauth);
}

static char *encoded(struct arena *arena, struct slice s)
{
    AUTO(buf_done) struct buf text = {0};

    buf_init(&text, PROVIDER_FILE_MAX_BYTES * FORM_PER_BYTE);
    fetch_form_encode(&text, s);
    return arena_cstr(arena, buf_slice(&text));
}

static char *folder_of(const struct oauth *oauth)
{
    struct slice path = oauth->settings.keys.from;

    return arena_cstr(oauth->arena, slice_sub(path, 0, MAX(1, slice_rfind(path, '/'))));
}

static enum rc open_oauth(const char *path, void **out, struct err *err)
{
    enum rc rc = fetch_init(err); /* only where there is an issuer to ask */
    struct oauth *oauth;

    if (rc)
        return rc;
    oauth = xcalloc(1, sizeof(*oauth));
    oauth->arena = arena_new(SETTINGS_BYTES);
    rc = oauth_settings_read(path, oauth->arena, &oauth->settings, err);
    if (rc == RC_OK && oauth->settings.keys.from.len > 0)
        rc = key_source_new(&oauth->settings.keys, &oauth->keys, err);
    if (rc) {
        close_oauth(oauth);
        return rc;
    }
    oauth->client_id = encoded(oauth->arena, oauth->settings.client_id);
    oauth->client_secret = encoded(oauth->arena, oauth->settings.client_secret);
    oauth->keys_folder = folder_of(oauth);
    *out = oauth;
    return RC_OK;
}

static void needs(const void *self, struct sandbox_rules *rules)
{
    const struct oauth *oauth = self;

    if (oauth->settings.ca.len == 0)
        idp_allow_if_there(rules, IDP_SYSTEM_CA);
    if (oauth->settings.keys_port != 0)
        sandbox_allow_port(rules, oauth->settings.keys_port);
    if (oauth->keys != NULL && oauth->settings.keys_port == 0)
        sandbox_allow(rules, oauth->keys_folder, SANDBOX_READ);
    if (oauth->settings.introspection.len > 0)
        sandbox_allow_port(rules, oauth->settings.introspection_port);
}

/* RFC 7662 2.1. */
static enum rc introspect(const struct oauth *oauth, struct slice token, struct buf *answer,
                          struct err *err)
{
    const struct oauth_settings *settings = &oauth->settings;
    AUTO(buf_done) struct buf form = {0};
    struct fetch fetch = {
        .url = settings->introspection.ptr,
        .user = oauth->client_id,
        .password = oauth->client_secret,
        .ca = settings->ca,
    };
    enum rc rc;

    buf_init(&form, OAUTH_TOKEN_MAX_BYTES * FORM_PER_BYTE + 64);
    buf_str(&form, "token_type_hint=access_token&token=");
    fetch_form_encode(&form, token);
    buf_byte(&form, '\0');
    fetch.post = form.ptr;
    rc = fetch_run(&fetch, answer, err);
    sodium_memzero(form.ptr, form.len);
    return rc;
}

static void ask_server(const struct oauth *oauth, const struct idp_question *question,
                       struct idp_answer *out)
{
    AUTO(buf_done) struct buf text = {0};
    AUTO(json_freep) json_t *claims = NULL;
    struct err err;

    buf_init(&text, FETCH_ANSWER_MAX_BYTES);
    if (introspect(oauth, question->secret, &text, &err) != RC_OK)
        *out = idp_says(IDP_UNAVAILABLE, "introspection_failed");
    else if (json_read(buf_slice(&text), &claims, &err) != RC_OK)
        *out = idp_says(IDP_UNAVAILABLE, "introspection_malformed");
    else
        claims_judge(claims, CLAIMS_TOLD, &oauth->settings.rules, clock_wall_sec(),
                     question->arena, out);
}

static void look_into(const struct oauth *oauth, const struct idp_question *question,
                      struct idp_answer *out)
{
    AUTO(jwt_done) struct jwt jwt = {0};
    AUTO(jwks_unrefp) struct jwks *set = NULL;
    const struct jwk *key = NULL;
    struct err err;
    enum rc rc =
        jwt_read(question->secret, &oauth->settings.types, question->arena, &jwt, &err);

    if (rc) {
        *out = idp_says(IDP_REFUSED, rc == RC_INVALID ? "header" : "malformed");
        return;
    }
    rc = key_source_find(oauth->keys, jwt.has_kid ? &jwt.kid : NULL, &set, &key, &err);
    if (rc == RC_UNAVAILABLE)
        *out = idp_says(IDP_UNAVAILABLE, "keys_failed");
    else if (rc)
        *out = idp_says(IDP_REFUSED, "key");
    else if (!jwt_is_signed_by(&jwt, key))
        *out = idp_says(IDP_REFUSED, "signature");
    else
        claims_judge(jwt.claims, CLAIMS_SIGNED, &oauth->settings.rules, clock_wall_sec(),
                     question->arena, out);
}

/* The token itself first, where it can be looked into; then, where that is configured as well,
 * whether it was revoked meanwhile. Both have to name the same user. */
static void judge(const struct oauth *oauth, const struct idp_question *question,
                  struct idp_answer *out)
{
    const struct oauth_settings *settings = &oauth->settings;
    struct idp_answer told;

    if (oauth->keys != NULL)
        look_into(oauth, question, out);
    if (settings->introspection.len == 0 || (oauth->keys != NULL && out->code != IDP_OK))
        return;
    ask_server(oauth, question, &told);
    if (oauth->keys == NULL || told.code != IDP_OK)
        *out = told;
    else if (!slice_eq(told.user, out->user))
        *out = idp_says(IDP_REFUSED, "user");
    else
        out->expires = MIN(out->expires, told.expires);
    out->again_sec = settings->recheck_sec;
}

static void reload(void *self)
{
    const struct oauth *oauth = self;

    if (oauth->keys != NULL)
        key_source_forget(oauth->keys);
}

/* RFC 6750 2.1: b64token. */
static bool is_token(struct slice token)
{
    size_t len = token.len;

    while (len > 0 && token.ptr[len - 1] == '=')
        len--;
    for (size_t i = 0; i < len; i++) {
        char c = token.ptr[i];

        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && memchr("-._~+/", c, 6) == NULL)
            return false;
    }
    return len > 0 && token.len <= OAUTH_TOKEN_MAX_BYTES;
}

static void check(void *self, const struct idp_question *question, struct idp_answer *out)
{
    const struct oauth *oauth = self;

    if (question->ask != IDP_ASK_TOKEN)
        *out = idp_says(IDP_UNKNOWN, "no_passwords");
    else if (!is_token(question->secret))
        *out = idp_says(IDP_REFUSED, "malformed");
    else
        judge(oauth, question, out);
}

const struct idp_kind idp_oauth = {
    .name = CONFIG_PROVIDER_OAUTH,
    .open = open_oauth,
    .needs = needs,
    .check = check,
    .reload = reload,
    .close = close_oauth,
};
