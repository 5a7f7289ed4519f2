/*
 * fuzz_response.c - any bytes as a server's responses, and any bytes as the content of
 * responses we print: those must be in the grammar and say what was meant.
 */
// links: imap
#include <assert.h>

#include "base/utf8.h"
#include "imap/print.h"
#include "imap/response.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(struct slice bytes, struct imap_mode mode, struct arena *arena)
{
    struct imap_framer framer = {0};
    struct imap_response response;
    struct err err = {0};
    size_t len;

    while (imap_frame_response(&framer, bytes, &len) == RC_OK) {
        assert(len > 0 && len <= bytes.len);
        arena_reset(arena);
        if (imap_parse_response(slice_sub(bytes, 0, len), mode, arena, &response, &err))
            assert(err.text[0] != '\0');
        bytes = slice_from(bytes, len);
        framer = (struct imap_framer){0};
    }
}

static struct imap_response read_back(const struct buf *buf, struct imap_mode mode,
                                      struct arena *arena)
{
    struct imap_framer framer = {0};
    struct imap_response response;
    struct err err = {0};
    size_t len = 0;

    assert(imap_frame_response(&framer, buf_slice(buf), &len) == RC_OK && len == buf->len);
    if (imap_parse_response(buf_slice(buf), mode, arena, &response, &err))
        die("%s in: %.*s", err.text, SLICE_ARG(buf_slice(buf)));
    return response;
}

/* content as the string of a BODY[TEXT], as text, as a tag, as a header field's name. */
static void print_content(struct slice content, struct imap_mode mode, struct arena *arena)
{
    struct slice field[1] = {content};
    struct imap_fetch_item item = {
        .kind = IMAP_FETCH_BODY_SECTION,
        .section = {.text = IMAP_SECTION_HEADER_FIELDS, .fields = field, .n_fields = 1},
    };
    struct imap_esearch_line esearch = {.tag = content, .returns = IMAP_SEARCH_COUNT};
    AUTO(buf_done) struct buf out = {0};
    struct imap_response response;

    arena_reset(arena);
    buf_init(&out, 1 << 20);
    buf_str(&out, "* 1 FETCH (");
    imap_print_fetch_name(&out, &item, mode);
    buf_byte(&out, ' ');
    imap_print_string(&out, content, mode);
    buf_str(&out, ")\r\n");
    response = read_back(&out, mode, arena);
    assert(response.fetch.items[0].bytes.len == content.len);
    if (slice_find(content, '\0') == content.len) {
        assert(slice_eq(response.fetch.items[0].bytes, content));
        assert(slice_eq(response.fetch.items[0].section.fields[0], content));
    }

    buf_reset(&out);
    buf_str(&out, "* OK ");
    imap_print_text(&out, content, mode);
    buf_str(&out, "\r\n");
    response = read_back(&out, mode, arena);
    assert(response.code.len == 0);

    buf_reset(&out);
    imap_print_esearch_line(&out, &esearch);
    response = read_back(&out, mode, arena);
    assert(response.esearch.tag.len == content.len);

    buf_reset(&out);
    buf_str(&out, "* 1 FETCH (ENVELOPE (NIL ");
    imap_print_nstring(&out, content.len > 0 ? content : (struct slice){0}, mode);
    buf_str(&out, " NIL NIL NIL NIL NIL NIL NIL NIL))\r\n");
    response = read_back(&out, mode, arena);
    assert(response.fetch.items[0].envelope->subject.len == content.len);
}

static void print_numbers(struct slice content, struct imap_mode mode, struct arena *arena)
{
    struct imap_flags_line line = {.keywords = SLICE(" $Junk x")};
    AUTO(buf_done) struct buf out = {0};
    struct imap_response response;

    if (content.len < sizeof(uint32_t) * 2 + sizeof(uint64_t) + 1)
        return;
    memcpy(&line.seq, content.ptr, 4);
    memcpy(&line.uid, content.ptr + 4, 4);
    memcpy(&line.modseq, content.ptr + 8, 8);
    line.seq += line.seq == 0;
    line.modseq >>= 1;
    line.uidonly = mode.uidonly;
    line.bits = (unsigned char) content.ptr[16] & 63;
    if ((content.ptr[16] & 64) != 0)
        line.keywords.len = 0;
    buf_init(&out, 1 << 12);
    imap_print_flags_line(&out, &line);
    response = read_back(&out, mode, arena);
    assert(response.number == line.seq);
    for (size_t i = 0; i < response.fetch.n; i++) {
        const struct imap_fetch_data *item = &response.fetch.items[i];

        if (item->kind == IMAP_FETCH_UID)
            assert(item->number == line.uid);
        else if (item->kind == IMAP_FETCH_MODSEQ)
            assert(item->number == line.modseq);
        else
            assert(item->flags.bits == line.bits &&
                   item->flags.n_keywords == (line.keywords.len > 0 ? 2u : 0u));
    }
    assert(response.fetch.n == 1u + (line.uid != 0) + (line.modseq != 0));
}

/* Every UTF-8 text goes through modified UTF-7 and back. */
static void code_name(struct slice content)
{
    AUTO(buf_done) struct buf utf7 = {0}, utf8 = {0};

    buf_init(&utf7, 1 << 20);
    buf_init(&utf8, 1 << 20);
    if (imap_utf7_decode(content, &utf8) == RC_OK) {
        imap_utf7_encode(&utf7, buf_slice(&utf8));
        assert(slice_eq(buf_slice(&utf7), content));
    }
    buf_reset(&utf7);
    buf_reset(&utf8);
    if (!utf8_is_valid(content))
        return;
    imap_utf7_encode(&utf7, content);
    assert(imap_utf7_decode(buf_slice(&utf7), &utf8) == RC_OK);
    assert(slice_eq(buf_slice(&utf8), content));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena_freep) struct arena *arena = NULL;
    struct imap_mode mode;
    struct slice input;

    if (size < 1)
        return 0;
    mode = (struct imap_mode){.rev2 = (data[0] & 1) != 0,
                              .utf8_accept = (data[0] & 2) != 0,
                              .uidonly = (data[0] & 4) != 0};
    input = slice_of(data + 1, size - 1);
    arena = arena_new((size_t) 256 << 20);
    read_all(input, mode, arena);
    print_numbers(input, mode, arena);
    mode.uidonly = false; /* what it prints has numbers */
    print_content(input, mode, arena);
    code_name(input);
    return 0;
}
