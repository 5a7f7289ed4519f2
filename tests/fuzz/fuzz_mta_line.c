/*
 * fuzz_mta_line.c - any bytes as lines of a mail server: each is taken for what it is or
 * refused, and nothing that is taken lies outside of it. A value that is printed never breaks a
 * line.
 */
// links: auth
#include <assert.h>

#include "auth/mta_line.h"
#include "base/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct slice line, struct slice part)
{
    assert(part.len == 0 ||
           (part.ptr >= line.ptr && part.ptr + part.len <= line.ptr + line.len));
}

static void check_line(struct slice text)
{
    struct mta_line line;

    if (mta_parse_line(text, &line, NULL) != RC_OK)
        return;
    check_inside(text, line.mechanism);
    check_inside(text, line.service);
    check_inside(text, line.response);
    assert(line.verb == MTA_AUTH ||
           (line.mechanism.len == 0 && line.remote.family == IPADDR_NONE && !line.secured));
    assert(line.verb != MTA_AUTH || (line.mechanism.len > 0 && line.mechanism.len <= 20));
}

static void check_value(struct slice text)
{
    AUTO(buf_done) struct buf out = {.max = 2 * text.len + 1};

    mta_print_value(&out, text);
    assert(!out.overflow && slice_count(buf_slice(&out), '\t') == 0 &&
           slice_count(buf_slice(&out), '\n') == 0 && slice_count(buf_slice(&out), '\0') == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of(data, size);
    struct scan sc = scan_of(text);
    struct slice line;

    while (scan_until(&sc, '\n', &line)) {
        (void) scan_byte(&sc, '\n');
        check_line(line);
    }
    check_line(scan_rest(&sc));
    check_value(text);
    return 0;
}
