/* derived.c - writing, naming and reading blobs that may be lost. */
#include "store/local/derived.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "store/local/bytes.h"

#define FILE_MAGIC      "RDV1"
#define FOOTER_MAGIC    "RDF1"
#define DERIVED_VERSION 1u
#define IDENT_BYTES     64u /* what the header says; zeros behind */
#define IDENT_CHECKED   56u
#define FOOTER_CHECKED  56u
#define WRITE_BYTES     ((size_t) 64 << 10) /* a multiple of the block */
#define NAME_BYTES      64u
#define NEW_SUFFIX      ".new"

struct derived_writer {
    int dir, fd;
    struct derived_name name;
    uint64_t ident_hash; /* seeds the checksums */
    uint64_t length;
    uint64_t *hashes;
    size_t n_hashes, cap_hashes;
    size_t filled;
    char buffer[WRITE_BYTES];
};

struct derived {
    int fd;
    uint64_t ident_hash, length;
    uint64_t *hashes;
};

/* ---- names ---- */

static void file_name(char out[NAME_BYTES], const struct derived_name *name, const char *suffix)
{
    (void) snprintf(out, NAME_BYTES, "%08x-%016llx-%016llx%s", name->kind,
                    (unsigned long long) name->from, (unsigned long long) name->to, suffix);
}

static bool take_hex(struct scan *sc, size_t digits, uint64_t *out)
{
    struct slice text;
    uint64_t value = 0;

    if (!scan_take(sc, digits, &text))
        return false;
    for (size_t i = 0; i < digits; i++) {
        char c = text.ptr[i];

        if (c >= '0' && c <= '9')
            value = value << 4 | (uint64_t) (c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value << 4 | (uint64_t) (c - 'a' + 10);
        else
            return false;
    }
    *out = value;
    return true;
}

static bool read_name(const char *text, struct derived_name *out)
{
    struct scan sc = scan_of(slice_from_str(text));
    uint64_t kind, from, to;

    if (!take_hex(&sc, 8, &kind) || !scan_byte(&sc, '-') || !take_hex(&sc, 16, &from) ||
        !scan_byte(&sc, '-') || !take_hex(&sc, 16, &to) || !scan_done(&sc) || from >= to)
        return false;
    *out = (struct derived_name){(uint32_t) kind, from, to};
    return true;
}

/* The account's folder; RC_NOT_FOUND. */
static enum rc open_folder(const struct local *local, uint64_t account, int *out,
                           struct err *err)
{
    char name[LAYOUT_NAME_BYTES];
    int fd;

    if (local->layout.derived < 0)
        return err_set(err, RC_UNAVAILABLE, "Storage failure", "derived: no folder");
    layout_name(name, account, "");
    fd = openat(local->layout.derived, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return err_set(err, RC_NOT_FOUND, "No such data", "derived/%s: %s", name,
                       strerror(errno));
    if (fd < 0)
        return file_error(err, "derived: open a folder");
    *out = fd;
    return RC_OK;
}

static enum rc need_folder(const struct local *local, uint64_t account, int *out,
                           struct err *err)
{
    char name[LAYOUT_NAME_BYTES];
    enum rc rc = open_folder(local, account, out, err);

    if (rc != RC_NOT_FOUND)
        return rc;
    layout_name(name, account, "");
    if (mkdirat(local->layout.derived, name, 0700) != 0 && errno != EEXIST)
        return file_error(err, "derived: make a folder");
    return open_folder(local, account, out, err);
}

/* ---- what a file says of itself ---- */

static uint64_t ident_write(char out[IDENT_BYTES], const struct local *local, uint64_t account,
                            const struct derived_name *name)
{
    uint64_t hash;

    memset(out, 0, IDENT_BYTES);
    memcpy(out, FILE_MAGIC, 4);
    put_le32(out + 4, DERIVED_VERSION);
    memcpy(out + 8, local->super->uuid, 16);
    put_le64(out + 24, account);
    put_le32(out + 32, name->kind);
    put_le64(out + 40, name->from);
    put_le64(out + 48, name->to);
    hash = XXH3_64bits(out, IDENT_CHECKED);
    put_le64(out + IDENT_CHECKED, hash);
    return hash;
}

static uint64_t block_hash(uint64_t ident_hash, uint64_t number, struct slice block)
{
    return XXH3_64bits_withSeed(block.ptr, block.len, ident_hash + number);
}

static uint64_t block_count(uint64_t length)
{
    return (length + DERIVED_BLOCK_BYTES - 1) / DERIVED_BLOCK_BYTES;
}

/* ---- writing ---- */

struct stale {
    int dir;
};

static bool remove_stale(void *ctx, const char *name)
{
    const struct stale *stale = ctx;

    if (slice_ends(slice_from_str(name), SLICE(NEW_SUFFIX)))
        (void) unlinkat(stale->dir, name, 0); /* else the next time */
    return true;
}

static void writer_free(struct derived_writer *writer)
{
    closep(&writer->fd);
    closep(&writer->dir);
    free(writer->hashes);
    free(writer);
}

void derived_drop(struct derived_writer *writer)
{
    char name[NAME_BYTES];

    if (writer == NULL)
        return;
    file_name(name, &writer->name, NEW_SUFFIX);
    if (writer->fd >= 0)
        (void) unlinkat(writer->dir, name, 0); /* else the next writer does */
    writer_free(writer);
}

/* With what a crash left of the writer before. */
static enum rc create(const struct local *local, uint64_t account,
                      struct derived_writer *writer, struct err *err)
{
    char file[NAME_BYTES], header[DERIVED_HEADER_BYTES] = {0};
    enum rc rc = need_folder(local, account, &writer->dir, err);

    if (!rc)
        rc = layout_each(writer->dir, remove_stale, &(struct stale){writer->dir}, err);
    if (rc)
        return rc;
    file_name(file, &writer->name, NEW_SUFFIX);
    writer->fd =
        openat(writer->dir, file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (writer->fd < 0)
        return file_error(err, "derived: create");
    writer->ident_hash = ident_write(header, local, account, &writer->name);
    return file_write_all(writer->fd, header, sizeof(header), 0, err);
}

enum rc derived_begin(struct local *local, uint64_t account, const struct derived_name *name,
                      struct derived_writer **out, struct err *err)
{
    struct derived_writer *writer = xcalloc(1, sizeof(*writer));
    enum rc rc;

    writer->dir = writer->fd = -1;
    writer->name = *name;
    rc = create(local, account, writer, err);
    if (rc) {
        derived_drop(writer);
        return rc;
    }
    *out = writer;
    return RC_OK;
}

static void add_hash(struct derived_writer *writer, struct slice block)
{
    if (writer->n_hashes == writer->cap_hashes) {
        writer->cap_hashes = MAX(2 * writer->cap_hashes, (size_t) 256);
        writer->hashes = xrealloc(writer->hashes, writer->cap_hashes * sizeof(*writer->hashes));
    }
    writer->hashes[writer->n_hashes] = block_hash(writer->ident_hash, writer->n_hashes, block);
    writer->n_hashes++;
}

/* What is in the buffer: whole blocks, or the last. */
static enum rc flush(struct derived_writer *writer, struct err *err)
{
    struct slice bytes = slice_of(writer->buffer, writer->filled);
    enum rc rc = file_write_all(writer->fd, bytes.ptr, bytes.len,
                                DERIVED_HEADER_BYTES + writer->length, err);

    if (rc)
        return rc;
    for (size_t at = 0; at < bytes.len; at += DERIVED_BLOCK_BYTES)
        add_hash(writer, slice_sub(bytes, at, DERIVED_BLOCK_BYTES));
    writer->length += bytes.len;
    writer->filled = 0;
    return RC_OK;
}

enum rc derived_write(struct derived_writer *writer, struct slice bytes, struct err *err)
{
    if (bytes.len > DERIVED_MAX_BYTES - writer->length - writer->filled)
        return err_set(err, RC_LIMIT, "Too large", "derived: more than %llu bytes",
                       (unsigned long long) DERIVED_MAX_BYTES);
    while (bytes.len > 0) {
        struct slice piece = slice_sub(bytes, 0, WRITE_BYTES - writer->filled);

        memcpy(writer->buffer + writer->filled, piece.ptr, piece.len);
        writer->filled += piece.len;
        bytes = slice_from(bytes, piece.len);
        if (writer->filled == WRITE_BYTES) {
            enum rc rc = flush(writer, err);

            if (rc)
                return rc;
        }
    }
    return RC_OK;
}

static enum rc write_end(struct derived_writer *writer, struct err *err)
{
    size_t len = writer->n_hashes * 8;
    AUTO(freep) char *table = xmalloc(len + DERIVED_FOOTER_BYTES);
    char *footer = table + len;

    for (size_t i = 0; i < writer->n_hashes; i++)
        put_le64(table + 8 * i, writer->hashes[i]);
    memset(footer, 0, DERIVED_FOOTER_BYTES);
    memcpy(footer, FOOTER_MAGIC, 4);
    put_le32(footer + 4, DERIVED_VERSION);
    put_le64(footer + 8, writer->length);
    put_le64(footer + 16, writer->ident_hash);
    put_le64(footer + 24, XXH3_64bits_withSeed(table, len, writer->ident_hash));
    put_le64(footer + FOOTER_CHECKED, XXH3_64bits(footer, FOOTER_CHECKED));
    return file_write_all(writer->fd, table, len + DERIVED_FOOTER_BYTES,
                          DERIVED_HEADER_BYTES + writer->length, err);
}

/* The name comes after the bytes are durable; what the name replaces may go before it is. */
static enum rc settle(struct derived_writer *writer, struct err *err)
{
    char from[NAME_BYTES], to[NAME_BYTES];

    file_name(from, &writer->name, NEW_SUFFIX);
    file_name(to, &writer->name, "");
    if (fdatasync(writer->fd) != 0)
        return file_error(err, "fdatasync of derived data");
    if (renameat(writer->dir, from, writer->dir, to) != 0)
        return file_error(err, "rename of derived data");
    closep(&writer->fd);
    writer->fd = -1;
    return layout_sync_dir(writer->dir, err);
}

enum rc derived_finish(struct derived_writer *writer, struct err *err)
{
    enum rc rc = writer->filled > 0 ? flush(writer, err) : RC_OK;

    if (!rc)
        rc = write_end(writer, err);
    if (!rc)
        rc = settle(writer, err);
    derived_drop(writer);
    return rc;
}

/* ---- names that are there ---- */

struct listing {
    bool (*fn)(void *ctx, const struct derived_name *name);
    void *ctx;
};

static bool list_one(void *ctx, const char *text)
{
    const struct listing *listing = ctx;
    struct derived_name name;

    return !read_name(text, &name) || listing->fn(listing->ctx, &name);
}

enum rc derived_list(struct local *local, uint64_t account,
                     bool (*fn)(void *ctx, const struct derived_name *name), void *ctx,
                     struct err *err)
{
    struct listing listing = {fn, ctx};
    AUTO(closep) int dir = -1;
    enum rc rc = open_folder(local, account, &dir, err);

    if (rc == RC_NOT_FOUND)
        return RC_OK;
    return rc ? rc : layout_each(dir, list_one, &listing, err);
}

enum rc derived_remove(struct local *local, uint64_t account, const struct derived_name *name,
                       struct err *err)
{
    char file[NAME_BYTES];
    AUTO(closep) int dir = -1;
    enum rc rc = open_folder(local, account, &dir, err);

    if (rc)
        return rc == RC_NOT_FOUND ? RC_OK : rc;
    file_name(file, name, "");
    if (unlinkat(dir, file, 0) != 0 && errno != ENOENT)
        return file_error(err, "derived: remove");
    return RC_OK;
}

static bool remove_any(void *ctx, const char *name)
{
    (void) unlinkat(*(const int *) ctx, name, 0); /* else the scrub does */
    return true;
}

void derived_remove_all(struct local *local, uint64_t account)
{
    char name[LAYOUT_NAME_BYTES];
    AUTO(closep) int dir = -1;

    if (open_folder(local, account, &dir, NULL) != RC_OK)
        return;
    if (layout_each(dir, remove_any, &dir, NULL) != RC_OK)
        return; /* the scrub comes for it */
    layout_name(name, account, "");
    (void) unlinkat(local->layout.derived, name, AT_REMOVEDIR);
}

/* ---- reading ---- */

static enum rc damaged(const char *what, struct err *err)
{
    return err_set(err, RC_CORRUPT, "Stored data is damaged", "derived: %s", what);
}

/* The length, once the footer is one and the file as long as it says. */
static enum rc read_footer(const struct derived *derived, uint64_t size, uint64_t *out_length,
                           uint64_t *out_table_hash, struct err *err)
{
    char bytes[DERIVED_FOOTER_BYTES];
    struct scan sc = scan_of(slice_of(bytes, sizeof(bytes)));
    uint64_t length = 0, ident = 0, table_hash = 0;
    uint32_t version = 0;
    struct scan end;
    uint64_t hash = 0;
    enum rc rc;

    if (size < DERIVED_HEADER_BYTES + DERIVED_FOOTER_BYTES)
        return damaged("the file is too short", err);
    rc = file_read_all(derived->fd, bytes, sizeof(bytes), size - sizeof(bytes), err);
    if (rc)
        return rc;
    end = scan_of(slice_of(bytes + FOOTER_CHECKED, 8));
    if (!scan_le64(&end, &hash) || hash != XXH3_64bits(bytes, FOOTER_CHECKED) ||
        !scan_literal(&sc, SLICE(FOOTER_MAGIC)) || !scan_le32(&sc, &version) ||
        version != DERIVED_VERSION || !scan_le64(&sc, &length) || !scan_le64(&sc, &ident) ||
        !scan_le64(&sc, &table_hash) || ident != derived->ident_hash)
        return damaged("footer", err);
    if (length > DERIVED_MAX_BYTES ||
        size != DERIVED_HEADER_BYTES + length + 8 * block_count(length) + DERIVED_FOOTER_BYTES)
        return damaged("length", err);
    *out_length = length;
    *out_table_hash = table_hash;
    return RC_OK;
}

static enum rc read_hashes(struct derived *derived, uint64_t table_hash, struct err *err)
{
    size_t n = (size_t) block_count(derived->length), len = 8 * n;
    AUTO(freep) char *table = xmalloc(len + 1);
    struct scan sc = scan_of(slice_of(table, len));
    enum rc rc =
        file_read_all(derived->fd, table, len, DERIVED_HEADER_BYTES + derived->length, err);

    if (rc)
        return rc;
    if (XXH3_64bits_withSeed(table, len, derived->ident_hash) != table_hash)
        return damaged("table of checksums", err);
    derived->hashes = xcalloc(n + 1, sizeof(*derived->hashes));
    for (size_t i = 0; i < n; i++)
        if (!scan_le64(&sc, &derived->hashes[i]))
            return damaged("table of checksums", err);
    return RC_OK;
}

static enum rc read_ends(struct derived *derived, struct slice ident, struct err *err)
{
    char header[IDENT_BYTES];
    uint64_t table_hash = 0;
    struct stat st;
    enum rc rc = file_read_all(derived->fd, header, sizeof(header), 0, err);

    if (rc)
        return rc;
    if (!slice_eq(slice_of(header, sizeof(header)), ident))
        return damaged("header", err);
    if (fstat(derived->fd, &st) != 0)
        return file_error(err, "derived: fstat");
    rc = read_footer(derived, (uint64_t) st.st_size, &derived->length, &table_hash, err);
    return rc ? rc : read_hashes(derived, table_hash, err);
}

enum rc derived_open(struct local *local, uint64_t account, const struct derived_name *name,
                     struct derived **out, struct err *err)
{
    char file[NAME_BYTES], ident[IDENT_BYTES];
    struct derived *derived;
    AUTO(closep) int dir = -1;
    enum rc rc = open_folder(local, account, &dir, err);

    if (rc)
        return rc;
    file_name(file, name, "");
    derived = xcalloc(1, sizeof(*derived));
    derived->ident_hash = ident_write(ident, local, account, name);
    derived->fd = openat(dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (derived->fd < 0 && errno == ENOENT)
        rc = err_set(err, RC_NOT_FOUND, "No such data", "derived: %s", file);
    else if (derived->fd < 0)
        rc = file_error(err, "derived: open");
    if (!rc)
        rc = read_ends(derived, slice_of(ident, sizeof(ident)), err);
    if (rc) {
        derived_close(derived);
        return rc;
    }
    *out = derived;
    return RC_OK;
}

uint64_t derived_length(const struct derived *derived)
{
    return derived->length;
}

void derived_close(struct derived *derived)
{
    if (derived == NULL)
        return;
    closep(&derived->fd);
    free(derived->hashes);
    free(derived);
}

/* Whole blocks from the first on, verified. */
static enum rc read_blocks(const struct derived *derived, uint64_t first, char *out, size_t len,
                           struct err *err)
{
    enum rc rc = file_read_all(derived->fd, out, len,
                               DERIVED_HEADER_BYTES + first * DERIVED_BLOCK_BYTES, err);

    for (size_t at = 0; !rc && at < len; at += DERIVED_BLOCK_BYTES, first++) {
        struct slice block = slice_sub(slice_of(out, len), at, DERIVED_BLOCK_BYTES);

        if (block_hash(derived->ident_hash, first, block) != derived->hashes[first])
            rc = damaged("checksum of a block", err);
    }
    return rc;
}

enum rc derived_read(const struct derived *derived, uint64_t offset, char *out, size_t len,
                     struct err *err)
{
    uint64_t first = offset / DERIVED_BLOCK_BYTES, from = first * DERIVED_BLOCK_BYTES;
    AUTO(freep) char *room = NULL;
    uint64_t to;
    enum rc rc;

    if (offset > derived->length || len > derived->length - offset)
        return damaged("a range behind the end", err);
    if (len == 0)
        return RC_OK;
    to = MIN(block_count(offset + len) * DERIVED_BLOCK_BYTES, derived->length);
    if (from == offset && to == offset + len)
        return read_blocks(derived, first, out, len, err);
    room = xmalloc((size_t) (to - from));
    rc = read_blocks(derived, first, room, (size_t) (to - from), err);
    if (!rc)
        memcpy(out, room + (offset - from), len);
    return rc;
}
