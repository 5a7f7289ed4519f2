/* backup_manifest.c - a manifest as text: a line for each fact and each file. */
#include <stdlib.h>
#include <time.h>

#include "base/scan.h"
#include "cli/backup_dir_names.h"

#define NAMES_ARENA_BYTES ((size_t) 256 << 20)
#define HEAD_LINE         SLICE("roost backup 1\n")

struct backup_manifest *backup_manifest_new(void)
{
    struct backup_manifest *manifest = xcalloc(1, sizeof(*manifest));

    manifest->arena = arena_new(NAMES_ARENA_BYTES);
    return manifest;
}

void backup_manifest_free(struct backup_manifest *manifest)
{
    if (manifest == NULL)
        return;
    arena_free(manifest->arena);
    free(manifest->entries);
    free(manifest);
}

void backup_manifest_add(struct backup_manifest *manifest, const char *name, uint64_t length,
                         const struct backup_hash *hash)
{
    struct backup_entry *entry;

    if (manifest->n == manifest->cap) {
        manifest->cap = MAX(2 * manifest->cap, (size_t) 256);
        manifest->entries =
            xrealloc(manifest->entries, manifest->cap * sizeof(*manifest->entries));
    }
    entry = &manifest->entries[manifest->n++];
    entry->name = arena_cstr(manifest->arena, slice_from_str(name));
    entry->length = length;
    entry->hash = *hash;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct backup_entry *) a)->name,
                  ((const struct backup_entry *) b)->name);
}

const struct backup_entry *backup_manifest_find(const struct backup_manifest *manifest,
                                                const char *name)
{
    struct backup_entry wanted = {.name = name};

    return manifest->n == 0 ? NULL
                            : bsearch(&wanted, manifest->entries, manifest->n,
                                      sizeof(*manifest->entries), by_name);
}

void backup_manifest_name(struct backup_manifest *manifest)
{
    time_t seconds = (time_t) (manifest->time_us / 1000000);
    struct tm tm = {0};
    char text[32];

    if (gmtime_r(&seconds, &tm) == NULL ||
        strftime(text, sizeof(text), "%Y%m%dT%H%M%S", &tm) == 0)
        (void) snprintf(text, sizeof(text), "0");
    (void) snprintf(manifest->file, sizeof(manifest->file), "%s.%06dZ", text,
                    (int) (manifest->time_us % 1000000));
}

void backup_manifest_encode(struct backup_manifest *manifest, struct buf *out)
{
    struct backup_hash hash;
    char time[64];

    if (manifest->n > 0)
        qsort(manifest->entries, manifest->n, sizeof(*manifest->entries), by_name);
    backup_time_text(manifest->time_us, time, sizeof(time));
    buf_append(out, HEAD_LINE);
    buf_printf(out, "store %s\ntime %lld %s\nlsn %llu\nsecrets %s\n", manifest->store,
               (long long) manifest->time_us, time, (unsigned long long) manifest->lsn,
               manifest->has_secrets ? "sealed" : "none");
    for (size_t i = 0; i < manifest->n; i++)
        buf_printf(out, "file %s %llu %s\n", manifest->entries[i].name,
                   (unsigned long long) manifest->entries[i].length,
                   manifest->entries[i].hash.text);
    backup_hash_bytes(buf_slice(out), &hash);
    buf_printf(out, "end %s\n", hash.text);
}

/* ---- reading ---- */

/* The next line without its end; false at the end of the text. */
static bool next_line(struct slice *text, struct slice *line)
{
    size_t end = slice_find(*text, '\n');

    if (end == text->len)
        return false;
    *line = slice_sub(*text, 0, end);
    *text = slice_from(*text, end + 1);
    return true;
}

/* The word up to the next space or the end. */
static struct slice next_word(struct slice *line)
{
    size_t end = slice_find(*line, ' ');
    struct slice word = slice_sub(*line, 0, end);

    *line = slice_from(*line, end + (end < line->len));
    return word;
}

static bool take_fact(struct slice *text, const char *name, struct slice *rest)
{
    struct slice line;

    if (!next_line(text, &line) || !slice_eq(next_word(&line), slice_from_str(name)))
        return false;
    *rest = line;
    return true;
}

static bool is_hex(struct slice word, size_t len)
{
    for (size_t i = 0; i < word.len; i++)
        if ((word.ptr[i] < '0' || word.ptr[i] > '9') &&
            (word.ptr[i] < 'a' || word.ptr[i] > 'f'))
            return false;
    return word.len == len;
}

/* Letters, digits and "._-/" only; no component begins with a dot, so none leads upwards. */
static bool is_name(struct slice word)
{
    static const char marks[] = "._-/";
    bool at_start = true;

    for (size_t i = 0; i < word.len; i++) {
        char c = word.ptr[i];
        bool is_word_char =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

        if (!is_word_char && (c == '\0' || strchr(marks, c) == NULL))
            return false;
        if (at_start && (c == '.' || c == '/'))
            return false;
        at_start = c == '/';
    }
    return word.len > 0 && word.len < BACKUP_NAME_BYTES && !at_start;
}

static bool take_head(struct slice *text, struct backup_manifest *out)
{
    struct slice rest;
    uint64_t time_us;

    if (!slice_starts(*text, HEAD_LINE))
        return false;
    *text = slice_from(*text, HEAD_LINE.len);
    if (!take_fact(text, "store", &rest) || !is_hex(rest, BACKUP_STORE_TEXT - 1))
        return false;
    memcpy(out->store, rest.ptr, rest.len);
    if (!take_fact(text, "time", &rest) || !slice_to_u64(next_word(&rest), &time_us) ||
        time_us > INT64_MAX)
        return false;
    out->time_us = (int64_t) time_us;
    if (!take_fact(text, "lsn", &rest) || !slice_to_u64(rest, &out->lsn) ||
        !take_fact(text, "secrets", &rest))
        return false;
    out->has_secrets = slice_eq(rest, SLICE("sealed"));
    return out->has_secrets || slice_eq(rest, SLICE("none"));
}

static bool take_file(struct slice line, struct backup_manifest *out)
{
    struct slice name = next_word(&line), length = next_word(&line), hash_word = line;
    struct backup_hash hash = {{0}};
    char copy[BACKUP_NAME_BYTES];
    uint64_t n;

    if (!is_name(name) || !slice_to_u64(length, &n) || !is_hex(hash_word, BACKUP_HASH_TEXT - 1))
        return false;
    (void) snprintf(copy, sizeof(copy), "%.*s", SLICE_ARG(name));
    memcpy(hash.text, hash_word.ptr, hash_word.len);
    if (out->n > 0 && strcmp(out->entries[out->n - 1].name, copy) >= 0)
        return false;
    backup_manifest_add(out, copy, n, &hash);
    return true;
}

enum rc backup_manifest_decode(struct slice bytes, struct backup_manifest *out, struct err *err)
{
    struct slice text = bytes, line;
    struct backup_hash hash;
    bool has_end = false;

    if (!take_head(&text, out))
        return err_set(err, RC_CORRUPT, "The manifest is damaged", "manifest: its head");
    while (!has_end) {
        struct slice before = slice_sub(bytes, 0, (size_t) (text.ptr - bytes.ptr));
        struct slice word;

        if (!next_line(&text, &line))
            return err_set(err, RC_CORRUPT, "The manifest is damaged", "manifest: no end");
        word = next_word(&line);
        has_end = slice_eq(word, SLICE("end"));
        if (has_end) {
            backup_hash_bytes(before, &hash);
            if (text.len != 0 || !slice_eq(line, slice_from_str(hash.text)))
                return err_set(err, RC_CORRUPT, "The manifest is damaged",
                               "manifest: its own hash is wrong");
        } else if (!slice_eq(word, SLICE("file")) || !take_file(line, out)) {
            return err_set(err, RC_CORRUPT, "The manifest is damaged", "manifest: file %zu",
                           out->n);
        }
    }
    return RC_OK;
}
