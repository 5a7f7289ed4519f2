/*
 * fuzz_url.c - any bytes as an IMAP URL, and in a BADURL code. What an URL decodes to is safe
 * to use: names we can have, no NUL, a rump that is the URL's beginning.
 */
// links: imap
#include <assert.h>

#include "imap/response.h"
#include "imap/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct slice text, const struct imap_url *url)
{
    assert(url->uid > 0 && (!url->has_uidvalidity || url->uidvalidity > 0));
    assert(url->mailbox.name.len > 0 && url->mailbox.name.len <= MAILBOX_NAME_MAX_BYTES);
    assert(url->section.n_parts <= SECTION_MAX_PARTS);
    assert(url->partial || url->len == UINT64_MAX);
    if (url->access != IMAP_URL_NO_ACCESS)
        assert(slice_starts(text, url->rump));
    if (url->mechanism.len > 0)
        assert(url->token.len >= URL_TOKEN_MIN_DIGITS &&
               url->rump.len + url->mechanism.len + url->token.len + 2 == text.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena_freep) struct arena *arena = arena_new(ARENA_TEST_BYTES);
    struct slice text = slice_of(data, size);
    AUTO(buf_done) struct buf line = {0};
    struct imap_response response;
    struct imap_url url;
    struct err err;

    if (size > (64u << 10))
        return 0;
    if (imap_parse_url(text, arena, &url, &err) == RC_OK)
        check(text, &url);
    buf_init(&line, 1 << 16);
    buf_str(&line, "a NO ");
    imap_print_code_badurl(&line, text);
    buf_str(&line, " text\r\n");
    assert(imap_parse_response(buf_slice(&line), (struct imap_mode){0}, arena, &response,
                               &err) == RC_OK);
    assert(slice_eq(response.code, SLICE("BADURL")));
    return 0;
}
