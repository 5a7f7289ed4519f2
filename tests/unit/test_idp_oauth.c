/* test_idp_oauth.c - the file of an issuer of tokens: what it may say, and who may read it. */
// links: idp
#include <sys/stat.h>
#include <unistd.h>

#include "idp/fetch.h"
#include "idp/oauth.h"
#include "idp/oauth_settings.h"
#include "lib/test.h"

static char path[64];

static int make_file(void **state)
{
    int fd;

    (void) state;
    (void) snprintf(path, sizeof(path), "/tmp/roost-oauth-XXXXXX");
    fd = mkstemp(path);
    return fd >= 0 ? close(fd) : -1;
}

static int remove_file(void **state)
{
    (void) state;
    return unlink(path);
}

static void write_file(const char *text)
{
    FILE *out = fopen(path, "w");

    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

#define ISSUER   "issuer = \"https://id.example\"\n"
#define AUDIENCE "audience = {\"mail\"}\n"
#define ASK                                                                                    \
    "introspection = \"https://id.example/introspect\"\nclient_id = \"roost\"\n"               \
    "client_secret = \"Hush7\"\n"

static const struct {
    const char *text;
    enum rc rc;
} rows[] = {
    {ISSUER AUDIENCE ASK,                                               RC_OK       },
    {AUDIENCE ASK,                                                      RC_INVALID  },
    {ISSUER ASK,                                                        RC_INVALID  }, /* any audience: never */
    {ISSUER AUDIENCE,                                                   RC_INVALID  },
    {ISSUER AUDIENCE "introspection = \"https://id.example/i\"\n",      RC_INVALID  },
    {ISSUER AUDIENCE "introspection = \"http://id.example/i\"\n"
                     "client_id = \"a\"\nclient_secret = \"b\"\n", RC_INVALID  },
    {ISSUER AUDIENCE ASK "user_claim = \"\"\n",                         RC_INVALID  },
    {ISSUER AUDIENCE ASK "leeway = 300\n",                              RC_OK       },
    {ISSUER AUDIENCE ASK "leeway = 301\n",                              RC_INVALID  },
    {ISSUER AUDIENCE ASK "leeway = -1\n",                               RC_INVALID  },
    {ISSUER AUDIENCE ASK "ca_file = \"/nonexistent\"\n",                RC_NOT_FOUND},
    {ISSUER AUDIENCE ASK "jku = \"https://x\"\n",                       RC_INVALID  },
    {ISSUER AUDIENCE "client_secret = {\"Hush7\"}\n",                   RC_INVALID  },
    {ISSUER AUDIENCE "client_secret = \"Hush7\n",                       RC_INVALID  },
};

static void a_file_says_all_that_is_needed(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
        struct oauth_settings settings;
        struct err err = {0};
        enum rc rc;

        write_file(rows[i].text);
        rc = oauth_settings_read(path, arena, &settings, &err);
        if (rc != rows[i].rc)
            fail_msg("row %zu: %s: %s", i, rc_name(rc), err.detail);
        assert_null(strstr(err.detail, "Hush7"));
    }
}

static void everybody_else_may_not_read_it(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    struct oauth_settings settings;

    (void) state;
    write_file(rows[0].text);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(oauth_settings_read(path, arena, &settings, NULL), RC_DENIED);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(oauth_settings_read(path, arena, &settings, NULL), RC_OK);
}

static void a_file_has_a_longest(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    struct oauth_settings settings;

    (void) state;
    write_file(rows[0].text);
    assert_int_equal(truncate(path, PROVIDER_FILE_MAX_BYTES + 1), 0);
    assert_int_equal(oauth_settings_read(path, arena, &settings, NULL), RC_LIMIT);
}

/* What is no token is refused before anybody is asked: nobody answers there. */
static void what_is_no_token_is_not_sent(void **state)
{
    static const char *const texts[] = {"", "=", "a b", "a\nb", "a\"b", "t\xc3\xb6ken", "a=b"};
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    AUTO(freep) char *text = xmalloc(OAUTH_TOKEN_MAX_BYTES + 1);
    struct idp_question question = {.ask = IDP_ASK_TOKEN, .arena = arena};
    struct idp_answer answer;
    void *oauth;

    (void) state;
    write_file(ISSUER AUDIENCE "introspection = \"http://127.0.0.1:1/\"\nclient_id = \"a\"\n"
                               "client_secret = \"b\"\n");
    assert_int_equal(idp_oauth.open(path, &oauth, NULL), RC_OK);
    for (size_t i = 0; i < COUNT(texts); i++) {
        question.secret = slice_from_str(texts[i]);
        idp_oauth.check(oauth, &question, &answer);
        assert_int_equal(answer.code, IDP_REFUSED);
    }
    memset(text, 'x', OAUTH_TOKEN_MAX_BYTES + 1);
    question.secret = slice_of(text, OAUTH_TOKEN_MAX_BYTES + 1);
    idp_oauth.check(oauth, &question, &answer);
    assert_int_equal(answer.code, IDP_REFUSED);
    question.secret = slice_of(text, OAUTH_TOKEN_MAX_BYTES);
    idp_oauth.check(oauth, &question, &answer);
    assert_int_equal(answer.code, IDP_UNAVAILABLE);
    question.ask = IDP_ASK_PASSWORD;
    idp_oauth.check(oauth, &question, &answer);
    assert_int_equal(answer.code, IDP_UNKNOWN);
    idp_oauth.close(oauth);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_says_all_that_is_needed),
        cmocka_unit_test(everybody_else_may_not_read_it),
        cmocka_unit_test(a_file_has_a_longest),
        cmocka_unit_test(what_is_no_token_is_not_sent),
    };

    if (fetch_init(NULL) != RC_OK) {
        printf("libcurl is missing\n");
        return 1;
    }
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
