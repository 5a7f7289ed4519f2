#include "idp/fetch.h"

#include <curl/curl.h>

#include "base/ascii.h"
#include "base/library.h"

#undef curl_easy_setopt /* macros around functions of the same names */
#undef curl_easy_getinfo

/* What of libcurl is called (docs/decisions/oauth.md: why it is loaded, not linked). */
#define EACH_CALL(X)                                                                           \
    X(curl_global_init)                                                                        \
    X(curl_easy_init)                                                                          \
    X(curl_easy_cleanup)                                                                       \
    X(curl_easy_setopt)                                                                        \
    X(curl_easy_perform)                                                                       \
    X(curl_easy_getinfo)                                                                       \
    X(curl_easy_strerror)                                                                      \
    X(curl_url)                                                                                \
    X(curl_url_cleanup)                                                                        \
    X(curl_url_set)                                                                            \
    X(curl_url_get)                                                                            \
    X(curl_free)

struct curl_calls {
    EACH_CALL(LIBRARY_MEMBER)
};

static struct curl_calls curl; /* set once by fetch_init(), before threads exist */

#define OK_STATUS 200

static void easy_freep(CURL **easy)
{
    curl.curl_easy_cleanup(*easy);
}

static void url_freep(CURLU **url)
{
    curl.curl_url_cleanup(*url);
}

static void text_freep(char **text)
{
    curl.curl_free(*text);
}

enum rc fetch_init(struct err *err)
{
    const struct library library = {
        .files = {"libcurl.so.4"}, /* Debian's flavour with OpenSSL */
        .wanted = "access tokens (oauth) need the package curl",
        .names = (const char *const[]){EACH_CALL(LIBRARY_NAME) NULL},
    };
    enum rc rc;

    if (curl.curl_global_init != NULL)
        return RC_OK;
    rc = library_load(&library, &curl, err);
    if (rc)
        return rc;
    if (curl.curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_set(err, RC_IO, "Internal error", "curl cannot start");
    return RC_OK;
}

static bool is_loopback(const char *host)
{
    return strcmp(host, "127.0.0.1") == 0 || strcmp(host, "[::1]") == 0;
}

enum rc fetch_check_url(const char *url, uint16_t *out_port, struct err *err)
{
    AUTO(url_freep) CURLU *parsed = curl.curl_url();
    AUTO(text_freep) char *scheme = NULL;
    AUTO(text_freep) char *host = NULL;
    AUTO(text_freep) char *port = NULL;
    AUTO(text_freep) char *user = NULL;
    uint32_t number;

    if (parsed == NULL)
        die("curl_url: no memory");
    if (strlen(url) > FETCH_URL_MAX_BYTES ||
        curl.curl_url_set(parsed, CURLUPART_URL, url, 0) != CURLUE_OK ||
        curl.curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl.curl_url_get(parsed, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
        curl.curl_url_get(parsed, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK ||
        !slice_to_u32(slice_from_str(port), &number) || number == 0 || number > UINT16_MAX)
        return err_set(err, RC_INVALID, "Bad configuration", "no URL");
    if (curl.curl_url_get(parsed, CURLUPART_USER, &user, 0) != CURLUE_NO_USER)
        return err_set(err, RC_INVALID, "Bad configuration", "a URL with a user in it");
    if (strcmp(scheme, "https") != 0 && (strcmp(scheme, "http") != 0 || !is_loopback(host)))
        return err_set(err, RC_INVALID, "Bad configuration", "want a URL of https");
    *out_port = (uint16_t) number;
    return RC_OK;
}

/* A CURLOPT_WRITEFUNCTION: taking less than all of it ends the transfer. */
static size_t take(char *bytes, size_t one, size_t n, void *ctx)
{
    struct buf *out = ctx;

    buf_append(out, slice_of(bytes, one * n));
    return out->overflow ? 0 : one * n;
}

static bool set_all(CURL *easy, const struct fetch *fetch, struct buf *out)
{
    struct curl_blob ca = {(void *) (uintptr_t) fetch->ca.ptr, fetch->ca.len, CURL_BLOB_NOCOPY};
    bool ok =
        curl.curl_easy_setopt(easy, CURLOPT_URL, fetch->url) == CURLE_OK &&
        curl.curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
        curl.curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
        curl.curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
        curl.curl_easy_setopt(easy, CURLOPT_NETRC, (long) CURL_NETRC_IGNORED) == CURLE_OK &&
        curl.curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
        curl.curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long) FETCH_MAX_SEC) == CURLE_OK &&
        curl.curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2) ==
            CURLE_OK &&
        curl.curl_easy_setopt(easy, CURLOPT_MAXFILESIZE, (long) FETCH_ANSWER_MAX_BYTES) ==
            CURLE_OK &&
        curl.curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take) == CURLE_OK &&
        curl.curl_easy_setopt(easy, CURLOPT_WRITEDATA, out) == CURLE_OK &&
        curl.curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1) ==
            CURLE_OK;

    if (ok && fetch->ca.len > 0)
        ok = curl.curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &ca) == CURLE_OK &&
             curl.curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK;
    if (ok && fetch->post != NULL)
        ok = curl.curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long) strlen(fetch->post)) ==
                 CURLE_OK &&
             curl.curl_easy_setopt(easy, CURLOPT_POSTFIELDS, fetch->post) == CURLE_OK;
    if (ok && fetch->user != NULL)
        ok = curl.curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long) CURLAUTH_BASIC) == CURLE_OK &&
             curl.curl_easy_setopt(easy, CURLOPT_USERNAME, fetch->user) == CURLE_OK &&
             curl.curl_easy_setopt(easy, CURLOPT_PASSWORD, fetch->password) == CURLE_OK;
    return ok;
}

enum rc fetch_run(const struct fetch *fetch, struct buf *out, struct err *err)
{
    AUTO(easy_freep) CURL *easy = curl.curl_easy_init();
    long status = 0;
    CURLcode code;

    if (easy == NULL)
        die("curl_easy_init: no memory");
    if (!set_all(easy, fetch, out))
        return err_set(err, RC_UNAVAILABLE, "Internal error", "curl lacks an option");
    code = curl.curl_easy_perform(easy);
    if (out->overflow || code == CURLE_FILESIZE_EXCEEDED)
        return err_set(err, RC_LIMIT, "Internal error", "an answer of more than %zu bytes",
                       out->max);
    if (code != CURLE_OK)
        return err_set(err, RC_UNAVAILABLE, "Internal error", "%s",
                       curl.curl_easy_strerror(code));
    (void) curl.curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE,
                                  &status); /* stays 0 if it fails */
    if (status != OK_STATUS)
        return err_set(err, RC_UNAVAILABLE, "Internal error", "HTTP status %ld", status);
    return RC_OK;
}

void fetch_form_encode(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];

        if (ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '.' || c == '_')
            buf_byte(out, c);
        else
            buf_printf(out, "%%%02X", (unsigned) (unsigned char) c);
    }
}
