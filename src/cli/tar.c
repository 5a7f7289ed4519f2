#include "cli/tar.h"

#include "base/buf.h"
#include "base/scan.h"

#define BLOCK_BYTES 512u

/* Fields of a header block (ustar). */
#define NAME_AT    0u
#define NAME_LEN   100u
#define SIZE_AT    124u
#define SIZE_LEN   12u
#define SUM_AT     148u
#define SUM_LEN    8u
#define TYPE_AT    156u
#define MAGIC_AT   257u
#define PREFIX_AT  345u
#define PREFIX_LEN 155u

struct tar {
    struct feed *feed;
    struct feed *member; /* reads through read_member() */
    uint64_t left;       /* of the member, not read yet */
    uint64_t padding;    /* behind it */
    struct buf name;
    struct buf long_name; /* of the next member, from a GNU or pax header; empty: none */
    uint64_t pax_size;
    bool has_pax_size;
};

static struct slice field(struct slice block, size_t at, size_t len)
{
    struct slice whole = slice_sub(block, at, len);

    return slice_sub(whole, 0, slice_find(whole, '\0'));
}

/* Octal text, or GNU's base 256. */
static bool read_number(struct slice text, uint64_t *out)
{
    uint64_t value = 0;

    if (text.len > 0 && ((unsigned char) text.ptr[0] & 0x80) != 0) {
        for (size_t i = 1; i < text.len; i++) {
            if (value > UINT64_MAX >> 8)
                return false;
            value = value << 8 | (unsigned char) text.ptr[i];
        }
        *out = value;
        return true;
    }
    for (size_t i = 0; i < text.len && text.ptr[i] != '\0'; i++) {
        if (text.ptr[i] == ' ')
            continue;
        if (text.ptr[i] < '0' || text.ptr[i] > '7' || value > UINT64_MAX >> 3)
            return false;
        value = value << 3 | (uint64_t) (text.ptr[i] - '0');
    }
    *out = value;
    return true;
}

static bool sum_is_right(struct slice block)
{
    uint64_t want, sum = 0;

    if (!read_number(slice_sub(block, SUM_AT, SUM_LEN), &want))
        return false;
    for (size_t i = 0; i < block.len; i++)
        sum += i >= SUM_AT && i < SUM_AT + SUM_LEN ? 0x20u : (unsigned char) block.ptr[i];
    return sum == want;
}

bool tar_is_archive(struct slice first)
{
    struct slice block = slice_sub(first, 0, BLOCK_BYTES);

    return block.len == BLOCK_BYTES && field(block, NAME_AT, NAME_LEN).len > 0 &&
           sum_is_right(block);
}

static enum rc read_member(void *ctx, char *room, size_t size, size_t *out_len, struct err *err)
{
    struct tar *tar = ctx;
    struct slice seen;
    size_t n;

    *out_len = 0;
    if (tar->left == 0)
        return RC_OK;
    seen = feed_see(tar->feed, 1);
    n = MIN(MIN(seen.len, size), tar->left);
    if (n == 0)
        return err_set(err, RC_CORRUPT, "The archive is cut short", "tar: member cut short");
    memcpy(room, seen.ptr, n);
    feed_take(tar->feed, n);
    tar->left -= n;
    *out_len = n;
    return RC_OK;
}

struct tar *tar_new(struct feed *feed)
{
    struct tar *tar = xcalloc(1, sizeof(*tar));

    tar->feed = feed;
    buf_init(&tar->name, TAR_NAME_MAX_BYTES);
    buf_init(&tar->long_name, TAR_NAME_MAX_BYTES);
    return tar;
}

void tar_free(struct tar *tar)
{
    if (tar == NULL)
        return;
    feed_free(tar->member);
    buf_done(&tar->name);
    buf_done(&tar->long_name);
    free(tar);
}

void tar_freep(struct tar **tar)
{
    tar_free(*tar);
    *tar = NULL;
}

static uint64_t padding_of(uint64_t size)
{
    return (BLOCK_BYTES - size % BLOCK_BYTES) % BLOCK_BYTES;
}

static enum rc cut_short(const struct tar *tar, struct err *err)
{
    enum rc rc = feed_failed(tar->feed, err);

    if (rc)
        return rc;
    return err_set(err, RC_CORRUPT, "The archive is damaged", "tar: damaged or cut short");
}

/* "27 path=some/long/name\n" and the like; unknown keys are passed over. */
static bool read_pax(struct tar *tar, struct slice text)
{
    struct scan sc = scan_of(text);

    while (!scan_done(&sc)) {
        size_t start = scan_offset(&sc);
        struct slice record;
        uint64_t len;
        size_t equals;

        if (!scan_u64(&sc, TAR_EXTRA_MAX_BYTES, &len) || !scan_byte(&sc, ' ') ||
            len <= scan_offset(&sc) - start ||
            !scan_take(&sc, (size_t) len - (scan_offset(&sc) - start), &record))
            return false;
        record = slice_sub(record, 0, record.len - 1); /* its LF */
        equals = slice_find(record, '=');
        if (slice_eq(slice_sub(record, 0, equals), SLICE("path"))) {
            buf_reset(&tar->long_name);
            buf_append(&tar->long_name, slice_from(record, equals + 1));
        } else if (slice_eq(slice_sub(record, 0, equals), SLICE("size"))) {
            tar->has_pax_size = slice_to_u64(slice_from(record, equals + 1), &tar->pax_size);
        }
    }
    return true;
}

/* A header whose "file" is about the next member. */
static enum rc read_extra(struct tar *tar, char type, uint64_t size, struct err *err)
{
    struct slice text;
    bool ok = true;

    if (size > TAR_EXTRA_MAX_BYTES || (type != 'x' && type != 'L')) {
        feed_skip(tar->feed, size);
        feed_skip(tar->feed, padding_of(size));
        return RC_OK;
    }
    text = slice_sub(feed_see(tar->feed, (size_t) size), 0, (size_t) size);
    if (text.len < size)
        return cut_short(tar, err);
    if (type == 'x') {
        ok = read_pax(tar, text);
    } else {
        buf_reset(&tar->long_name);
        buf_append(&tar->long_name, slice_sub(text, 0, slice_find(text, '\0')));
    }
    feed_take(tar->feed, text.len);
    feed_skip(tar->feed, padding_of(size));
    return ok ? RC_OK : cut_short(tar, err);
}

static void set_name(struct tar *tar, struct slice block)
{
    struct slice prefix = field(block, PREFIX_AT, PREFIX_LEN);

    buf_reset(&tar->name);
    if (tar->long_name.len > 0) {
        buf_append(&tar->name, buf_slice(&tar->long_name));
    } else {
        if (slice_eq(slice_sub(block, MAGIC_AT, 6), SLICE("ustar\0")) && prefix.len > 0) {
            buf_append(&tar->name, prefix);
            buf_byte(&tar->name, '/');
        }
        buf_append(&tar->name, field(block, NAME_AT, NAME_LEN));
    }
    buf_byte(&tar->name, '\0');
    if (tar->name.overflow) { /* longer than any path: it has no name then */
        buf_reset(&tar->name);
        buf_append(&tar->name, SLICE("unnamed\0"));
    }
    buf_reset(&tar->long_name);
}

static void begin_member(struct tar *tar, struct slice block, uint64_t size,
                         struct tar_member *out)
{
    set_name(tar, block);
    tar->left = tar->has_pax_size ? tar->pax_size : size;
    tar->padding = padding_of(tar->left);
    tar->has_pax_size = false;
    tar->member = feed_new(read_member, tar);
    *out = (struct tar_member){tar->name.ptr, tar->member, tar->left};
}

enum rc tar_next(struct tar *tar, struct tar_member *out, struct err *err)
{
    feed_skip(tar->feed, tar->left);
    feed_skip(tar->feed, tar->padding);
    tar->left = tar->padding = 0;
    feed_free(TAKE(tar->member));
    for (;;) {
        struct slice block = slice_sub(feed_see(tar->feed, BLOCK_BYTES), 0, BLOCK_BYTES);
        uint64_t size;
        enum rc rc;
        char type;

        if (block.len == 0 || (block.len == BLOCK_BYTES && block.ptr[0] == '\0')) {
            rc = feed_failed(tar->feed, err);
            if (rc)
                return rc;
            return err_set(err, RC_NOT_FOUND, "No more members", "tar: end");
        }
        if (block.len < BLOCK_BYTES || !sum_is_right(block) ||
            !read_number(slice_sub(block, SIZE_AT, SIZE_LEN), &size))
            return cut_short(tar, err);
        type = block.ptr[TYPE_AT];
        if (type == '0' || type == '\0' || type == '7') {
            begin_member(tar, block, size, out);
            feed_take(tar->feed, BLOCK_BYTES);
            return RC_OK;
        }
        feed_take(tar->feed, BLOCK_BYTES);
        rc = read_extra(tar, type, size, err);
        if (rc)
            return rc;
        if (type != 'x' && type != 'L')
            buf_reset(&tar->long_name); /* it named what was passed over */
    }
}
