/* test_idp_fetch.c - which URLs are fetched from, and how a form is written. What a server does
 * wrong is tests/integration/test_oauth.py's. */
// links: idp
#include "idp/fetch.h"
#include "lib/test.h"

static const struct {
    const char *url;
    uint16_t port; /* 0: refused */
} rows[] = {
    {"https://id.example/certs",        443 },
    {"https://id.example:8443/certs",   8443},
    {"https://[2001:db8::1]/certs",     443 },
    {"http://127.0.0.1:8080/certs",     8080},
    {"http://[::1]/certs",              80  },
    {"http://id.example/certs",         0   },
    {"http://localhost/certs",          0   }, /* a name may be anybody's */
    {"http://127.0.0.1.example/certs",  0   },
    {"http://127.0.0.2/certs",          0   },
    {"http://id.example@127.0.0.1/",    0   },
    {"https://user:secret@id.example/", 0   },
    {"https://id.example:0/certs",      0   },
    {"https://id.example:65536/certs",  0   },
    {"file:///etc/passwd",              0   },
    {"ftp://id.example/certs",          0   },
    {"gopher://id.example/certs",       0   },
    {"//id.example/certs",              0   },
    {"id.example/certs",                0   },
    {"",                                0   },
};

static void only_https_and_this_host(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint16_t port = 0;
        enum rc rc = fetch_check_url(rows[i].url, &port, NULL);

        if (rc != (rows[i].port != 0 ? RC_OK : RC_INVALID) || port != rows[i].port)
            fail_msg("%s: %s, port %u", rows[i].url, rc_name(rc), (unsigned) port);
    }
}

static void an_url_has_a_longest(void **state)
{
    char url[FETCH_URL_MAX_BYTES + 2] = "https://id.example/";
    uint16_t port;

    (void) state;
    memset(url + strlen(url), 'x', FETCH_URL_MAX_BYTES - strlen(url));
    assert_int_equal(fetch_check_url(url, &port, NULL), RC_OK);
    url[FETCH_URL_MAX_BYTES] = 'x';
    assert_int_equal(fetch_check_url(url, &port, NULL), RC_INVALID);
}

static void a_form_is_all_letters(void **state)
{
    AUTO(buf_done) struct buf out = {.max = 256};

    (void) state;
    fetch_form_encode(&out, SLICE("aZ09-._ &=+%\xc3\xa4\r\n"));
    assert_slice_equal(buf_slice(&out), SLICE("aZ09-._%20%26%3D%2B%25%C3%A4%0D%0A"));
}

static void nobody_there_is_unavailable(void **state)
{
    const struct fetch fetch = {.url = "http://127.0.0.1:1/"};
    AUTO(buf_done) struct buf out = {.max = 16};

    (void) state;
    assert_int_equal(fetch_run(&fetch, &out, NULL), RC_UNAVAILABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_https_and_this_host),
        cmocka_unit_test(an_url_has_a_longest),
        cmocka_unit_test(a_form_is_all_letters),
        cmocka_unit_test(nobody_there_is_unavailable),
    };

    if (fetch_init(NULL) != RC_OK) {
        printf("libcurl is missing\n");
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
