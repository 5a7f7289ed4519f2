/*
 * fuzz_header_words.c - any bytes are a field: words, addresses, dates, parameters, subjects,
 * message-ids, HTML and casemap take them, and what they give is UTF-8 on one line.
 */
// links: mime
#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "mime/addr.h"
#include "mime/crlf.h"
#include "mime/cte.h"
#include "mime/date.h"
#include "mime/html.h"
#include "mime/msgid.h"
#include "mime/param.h"
#include "mime/subject.h"
#include "mime/text.h"
#include "mime/wire.h"
#include "mime/words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define require(holds)                                                                         \
    do {                                                                                       \
        if (!(holds)) {                                                                        \
            (void) fprintf(stderr, "line %d: %s\n", __LINE__, #holds);                         \
            abort();                                                                           \
        }                                                                                      \
    } while (0)

static void check_words(struct slice raw)
{
    AUTO(buf_done) struct buf text = {0};
    AUTO(buf_done) struct buf words = {0};
    AUTO(buf_done) struct buf again = {0};

    buf_init(&text, TEXT_FIELD_FACTOR * raw.len + 64);
    words_decode(raw, &text);
    require(utf8_is_valid(buf_slice(&text)) && !text.overflow);
    require(slice_count(buf_slice(&text), '\n') == 0);
    buf_init(&words, 3 * text.len + 64);
    words_encode(buf_slice(&text), &words);
    buf_init(&again, 4 * words.len + 64);
    require(wire_is_7bit(buf_slice(&words)));
    words_decode(buf_slice(&words), &again);
    require(slice_eq(buf_slice(&text), buf_slice(&again)));
}

static void check_addresses(struct slice raw)
{
    AUTO(arena_freep) struct arena *arena = arena_new((size_t) 1 << 30);
    AUTO(buf_done) struct buf out = {0};
    struct addr_list list = {0};
    int open = 0;

    buf_init(&out, (size_t) 1 << 28);
    addr_parse(raw, arena, &list);
    for (size_t i = 0; i < list.n; i++) {
        open += list.items[i].kind == ADDR_GROUP_START;
        open -= list.items[i].kind == ADDR_GROUP_END;
        require(open == 0 || open == 1);
        wire_addr(&list.items[i], DIGEST_FORM_P, &out);
    }
    require(open == 0 && wire_is_7bit(buf_slice(&out)));
}

static void check_rest(struct slice raw)
{
    AUTO(buf_done) struct buf out = {0};
    AUTO(buf_done) struct buf utf8 = {0};
    struct mime_date date;
    struct html_reader html;
    struct crlf crlf = {0};
    struct slice id;
    struct scan sc = scan_of(raw);

    buf_init(&out, 64 * raw.len + 1024);
    buf_init(&utf8, 64 * raw.len + 1024);
    (void) subject_base(raw, &out);
    (void) param_get(raw, SLICE("a"), &out);
    (void) param_get_text(raw, SLICE("a"), &out);
    (void) date_parse(raw, &date);
    while (msgid_next(&sc, &id))
        msgid_normalise(id, &out);
    utf8_append_repaired(&utf8, raw);
    html_open(&html);
    buf_reset(&out);
    html_feed(&html, buf_slice(&utf8), &out);
    html_close(&html, &out);
    require(utf8_is_valid(buf_slice(&out)));
    buf_reset(&out);
    mime_casemap(buf_slice(&utf8), &out);
    require(utf8_is_valid(buf_slice(&out)) && !out.overflow);
    buf_reset(&out);
    crlf_feed(&crlf, raw, &out);
    require(slice_count(buf_slice(&out), '\n') == slice_count(raw, '\n'));
    for (int encoding = 0; encoding < DIGEST_ENCODING_COUNT; encoding++) {
        bool damaged;

        buf_reset(&out);
        (void) cte_decode((enum digest_encoding) encoding, raw, &out);
        require(out.len == cte_decoded_size((enum digest_encoding) encoding, raw, &damaged));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice raw = slice_of(data, size);

    check_words(raw);
    check_addresses(raw);
    check_rest(raw);
    return 0;
}
