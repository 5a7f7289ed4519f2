#include "idp/oauth.h"

#include <sodium.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/clock.h"
#include "idp/fetch.h"
#include "idp/json.h"
#include "idp/oauth_settings.h"

#define SETTINGS_BYTES ((size_t) 8 << 20)
#define FORM_PER_BYTE  3u /* "%XX" */

struct oauth {
    struct arena *arena;
    struct oauth_settings settings;
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
    arena_free(oauth->arena);
    free(oauth);
}

static char *encoded(struct arena *arena, struct slice s)
{
    AUTO(buf_done) struct buf text;

    buf_init(&text, PROVIDER_FILE_MAX_BYTES * FORM_PER_BYTE);
    fetch_form_encode(&text, s);
    return arena_cstr(arena, buf_slice(&text));
}

static enum rc open_oauth(const char *path, void **out, struct err *err)
{
    struct oauth *oauth = xcalloc(1, sizeof(*oauth));
    enum rc rc;

    oauth->arena = arena_new(SETTINGS_BYTES);
    rc = oauth_settings_read(path, oauth->arena, &oauth->settings, err);
    if (rc) {
        close_oauth(oauth);
        return rc;
    }
    oauth->client_id = encoded(oauth->arena, oauth->settings.client_id);
    oauth->client_secret = encoded(oauth->arena, oauth->settings.client_secret);
    *out = oauth;
    return RC_OK;
}

static void needs(const void *self, struct sandbox_rules *rules)
{
    const struct oauth *oauth = self;

    if (oauth->settings.ca.len == 0)
        idp_allow_if_there(rules, IDP_SYSTEM_CA);
    if (oauth->settings.introspection.len > 0)
        sandbox_allow_port(rules, oauth->settings.introspection_port);
}

/* RFC 7662 2.1. */
static enum rc introspect(const struct oauth *oauth, struct slice token, struct buf *answer,
                          struct err *err)
{
    const struct oauth_settings *settings = &oauth->settings;
    AUTO(buf_done) struct buf form;
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
    AUTO(buf_done) struct buf text;
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
        ask_server(oauth, question, out);
}

const struct idp_kind idp_oauth = {
    .name = CONFIG_PROVIDER_OAUTH,
    .open = open_oauth,
    .needs = needs,
    .check = check,
    .close = close_oauth,
};
