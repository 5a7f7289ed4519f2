/* text_segment_write.c - the parts of a segment, one behind the other, and the tail that finds
 * them.
 */
#include "search/text_segment_write.h"

#include <assert.h>
#include <lz4.h>

#include "base/varint.h"
#include "mime/digest.h"
#include "mime/text.h"
#include "search/postings.h"
#include "search/text_segment_format.h"

#define PAGES_MAX_BYTES ((size_t) 512 << 20) /* 2^24 trigrams of at most 12 bytes, and rows */

struct text_segment_writer {
    struct engine *engine;
    struct derived_writer *out;
    struct derived_name name;
    uint64_t at; /* bytes written */
    uint32_t n_uncovered, n_wordless;
    struct text_segment_range sections[SECTION_END];
    struct buf list; /* the list at hand */
    /* of the dictionary at hand */
    uint64_t lists_at; /* where its lists begin */
    struct buf pages;  /* all of them */
    struct buf rows;   /* of pages, or of blocks */
    size_t page_at;    /* where the last page begins */
    uint32_t trigram;  /* the last */
    bool has_page;     /* one is begun */
    /* of the field at hand */
    uint64_t blocks_at;
    uint32_t block_first, block_n;
    struct buf lengths, text;
};

enum rc text_segment_writer_begin(struct engine *engine, uint64_t account,
                                  const struct derived_name *name,
                                  struct text_segment_writer **out, struct err *err)
{
    struct text_segment_writer *writer = xcalloc(1, sizeof(*writer));
    enum rc rc;

    assert(name->from < name->to && name->to - name->from <= SEGMENT_SPAN_MAX);
    writer->engine = engine;
    writer->name = *name;
    buf_init(&writer->list, LIST_MAX_BYTES);
    buf_init(&writer->pages, PAGES_MAX_BYTES);
    buf_init(&writer->rows, PAGES_MAX_BYTES);
    buf_init(&writer->lengths, COLUMN_RAW_MAX);
    buf_init(&writer->text, COLUMN_RAW_MAX);
    rc = engine->ops->derived_begin(engine, account, name, &writer->out, err);
    if (rc) {
        text_segment_writer_drop(writer);
        return rc;
    }
    *out = writer;
    return RC_OK;
}

void text_segment_writer_drop(struct text_segment_writer *writer)
{
    if (writer == NULL)
        return;
    writer->engine->ops->derived_drop(writer->out);
    buf_done(&writer->list);
    buf_done(&writer->pages);
    buf_done(&writer->rows);
    buf_done(&writer->lengths);
    buf_done(&writer->text);
    free(writer);
}

enum rc text_segment_put(struct text_segment_writer *writer, struct slice bytes,
                         struct err *err)
{
    enum rc rc = writer->engine->ops->derived_write(writer->out, bytes, err);

    if (!rc)
        writer->at += bytes.len;
    return rc;
}

enum rc text_segment_put_section(struct text_segment_writer *writer, size_t section,
                                 struct slice bytes, struct err *err)
{
    writer->sections[section] = (struct text_segment_range){writer->at, bytes.len};
    return text_segment_put(writer, bytes, err);
}

void text_segment_note_section(struct text_segment_writer *writer, size_t section, uint64_t at,
                               uint64_t len)
{
    writer->sections[section] = (struct text_segment_range){at, len};
}

void text_segment_note_wordless(struct text_segment_writer *writer, uint32_t n)
{
    writer->n_wordless = n;
}

uint64_t text_segment_writer_at(const struct text_segment_writer *writer)
{
    return writer->at;
}

enum rc text_segment_write_uncovered(struct text_segment_writer *writer,
                                     const uint32_t *numbers, uint32_t n, struct err *err)
{
    buf_reset(&writer->list);
    postings_encode(numbers, n, &writer->list);
    writer->n_uncovered = n;
    return text_segment_put_section(writer, SECTION_UNCOVERED, buf_slice(&writer->list), err);
}

enum rc text_segment_write_days(struct text_segment_writer *writer, const int32_t *days,
                                struct err *err)
{
    uint32_t span = (uint32_t) (writer->name.to - writer->name.from);

    buf_reset(&writer->list);
    for (uint32_t i = 0; i < span; i++)
        buf_le32(&writer->list, (uint32_t) days[i]);
    return text_segment_put_section(writer, SECTION_DAYS, buf_slice(&writer->list), err);
}

/* ---- dictionaries ---- */

static void begin_page(struct text_segment_writer *writer, uint32_t trigram)
{
    writer->page_at = writer->pages.len;
    writer->has_page = true;
    buf_le32(&writer->rows, trigram);
    buf_le32(&writer->rows, (uint32_t) writer->pages.len);
    buf_le64(&writer->rows, writer->at - writer->lists_at);
}

enum rc text_segment_write_trigram(struct text_segment_writer *writer, uint32_t trigram,
                                   const uint32_t *numbers, uint32_t n, struct err *err)
{
    bool begins = !writer->has_page || writer->pages.len - writer->page_at >= PAGE_CLOSE_BYTES;

    assert(n > 0);
    if (!writer->has_page)
        writer->lists_at = writer->at;
    if (begins)
        begin_page(writer, trigram);
    else
        buf_varint(&writer->pages, trigram - writer->trigram);
    writer->trigram = trigram;
    buf_reset(&writer->list);
    postings_encode(numbers, n, &writer->list);
    buf_varint(&writer->pages, n - 1);
    buf_varint(&writer->pages, writer->list.len);
    return text_segment_put(writer, buf_slice(&writer->list), err);
}

enum rc text_segment_end_dict(struct text_segment_writer *writer, enum text_segment_dict dict,
                              struct err *err)
{
    size_t section = SECTION_LISTS + 3 * (size_t) dict;
    enum rc rc;

    if (!writer->has_page)
        writer->lists_at = writer->at;
    writer->sections[section] =
        (struct text_segment_range){writer->lists_at, writer->at - writer->lists_at};
    rc = text_segment_put_section(writer, section + 1, buf_slice(&writer->pages), err);
    if (!rc)
        rc = text_segment_put_section(writer, section + 2, buf_slice(&writer->rows), err);
    buf_reset(&writer->pages);
    buf_reset(&writer->rows);
    writer->has_page = false;
    return rc;
}

/* ---- fields ---- */

static enum rc end_block(struct text_segment_writer *writer, struct err *err)
{
    size_t text_at = writer->lengths.len, raw = text_at + writer->text.len;
    AUTO(freep) char *packed = xmalloc(raw + 1);
    struct slice bytes;
    int n;
    enum rc rc;

    if (writer->at - writer->blocks_at > UINT32_MAX)
        return err_set(err, RC_LIMIT, "Too much at once", "search: texts of a segment");
    buf_append(&writer->lengths, buf_slice(&writer->text));
    bytes = buf_slice(&writer->lengths);
    n = LZ4_compress_default(bytes.ptr, packed, (int) raw, (int) raw);
    if (n > 0 && (size_t) n < raw)
        bytes = slice_of(packed, (size_t) n);
    buf_le32(&writer->rows, writer->block_first);
    buf_le32(&writer->rows, writer->block_n);
    buf_le32(&writer->rows, (uint32_t) (writer->at - writer->blocks_at));
    buf_le32(&writer->rows, (uint32_t) bytes.len);
    buf_le32(&writer->rows, (uint32_t) raw);
    buf_le32(&writer->rows, (uint32_t) text_at);
    rc = text_segment_put(writer, bytes, err);
    buf_reset(&writer->lengths);
    buf_reset(&writer->text);
    writer->block_first += writer->block_n;
    writer->block_n = 0;
    return rc;
}

enum rc text_segment_write_text(struct text_segment_writer *writer, struct slice text,
                                struct err *err)
{
    assert(text.len <= COLUMN_TEXT_MAX);
    if (writer->block_first == 0 && writer->block_n == 0)
        writer->blocks_at = writer->at;
    buf_varint(&writer->lengths, text.len);
    buf_append(&writer->text, text);
    writer->block_n++;
    if (writer->text.len < COLUMN_TEXT_CLOSE && writer->block_n < COLUMN_BLOCK_DOCS)
        return RC_OK;
    return end_block(writer, err);
}

enum rc text_segment_end_field(struct text_segment_writer *writer,
                               enum text_segment_field field, struct err *err)
{
    size_t section = SECTION_BLOCKS + 2 * (size_t) field;
    enum rc rc = writer->block_n > 0 ? end_block(writer, err) : RC_OK;

    assert(rc != RC_OK || writer->block_first == writer->name.to - writer->name.from);
    writer->sections[section] =
        (struct text_segment_range){writer->blocks_at, writer->at - writer->blocks_at};
    if (!rc)
        rc = text_segment_put_section(writer, section + 1, buf_slice(&writer->rows), err);
    buf_reset(&writer->rows);
    writer->block_first = 0;
    return rc;
}

/* ---- the end ---- */

enum rc text_segment_writer_finish(struct text_segment_writer *writer, struct err *err)
{
    AUTO(buf_done) struct buf tail = {0};
    enum rc rc;

    buf_init(&tail, SEGMENT_TAIL_BYTES);
    buf_append(&tail, SEGMENT_MAGIC);
    buf_le32(&tail, SEGMENT_VERSION);
    buf_le32(&tail, DIGEST_VERSION);
    buf_le32(&tail, mime_casemap_version());
    buf_le64(&tail, writer->name.from);
    buf_le64(&tail, writer->name.to);
    buf_le32(&tail, (uint32_t) (writer->name.to - writer->name.from) - writer->n_uncovered);
    buf_le32(&tail, (uint32_t) (writer->name.to - writer->name.from) - writer->n_wordless);
    for (size_t i = 0; i < SECTION_END; i++) {
        buf_le64(&tail, writer->sections[i].at);
        buf_le64(&tail, writer->sections[i].len);
    }
    while (tail.len < SEGMENT_TAIL_BYTES)
        buf_byte(&tail, 0);
    rc = text_segment_put(writer, buf_slice(&tail), err);
    if (!rc)
        rc = writer->engine->ops->derived_finish(TAKE(writer->out), err);
    text_segment_writer_drop(writer);
    return rc;
}
