/*
 * test_mime_corpus.c - real mail: every digest opens, verifies, and speaks the grammar.
 *
 * Runs over the folder that ROOST_CORPUS names (files .eml, .mbox.zst, .tar.zst, folders of
 * them); skipped, saying so, without it. Needs zstd's command there.
 */
// links: mime
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/digest_check.h"
#include "lib/test.h"
#include "mime/crlf.h"

#define FILE_MAX_BYTES ((size_t) 1 << 30)
#define TAR_BLOCK      512u

struct tally {
    uint64_t n, bytes, table_bytes, text_bytes;
    double seconds, slowest;
    char slowest_name[512];
};

static double cpu_seconds(void)
{
    struct timespec now;

    (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static void take_message(struct tally *tally, const char *name, struct slice raw)
{
    AUTO(buf_done) struct buf msg = {0};
    AUTO(buf_done) struct buf table = {0};
    struct crlf crlf = {0};
    struct digest digest;
    const char *wrong;
    double start, took;

    buf_init(&msg, 2 * raw.len + 1);
    buf_init(&table, DIGEST_MAX_BYTES);
    crlf_feed(&crlf, raw, &msg);
    start = cpu_seconds();
    digest_build(buf_slice(&msg), &table);
    took = cpu_seconds() - start;
    wrong = check_digest(buf_slice(&msg), buf_slice(&table));
    if (wrong != NULL)
        fail_msg("%s (message %llu): %s", name, (unsigned long long) tally->n, wrong);
    assert_int_equal(digest_open(buf_slice(&table), &digest, NULL), RC_OK);
    tally->n++;
    tally->bytes += msg.len;
    tally->table_bytes += digest_core_len(&digest);
    tally->text_bytes += table.len - digest_core_len(&digest);
    tally->seconds += took;
    if (took > tally->slowest) {
        tally->slowest = took;
        (void) snprintf(tally->slowest_name, sizeof(tally->slowest_name), "%s, %zu bytes", name,
                        msg.len);
    }
}

static void take_mbox(struct tally *tally, const char *name, struct slice mbox)
{
    while (mbox.len > 0) {
        size_t len = slice_search(slice_from(mbox, 1), SLICE("\nFrom ")) + 2;
        struct slice one = slice_sub(mbox, 0, len);

        take_message(tally, name, slice_from(one, slice_find(one, '\n') + 1));
        mbox = slice_from(mbox, MIN(len, mbox.len));
    }
}

/* Regular files of a tar archive: a block of head, then the file, padded to blocks. */
static void take_tar(struct tally *tally, const char *name, struct slice tar)
{
    while (tar.len >= TAR_BLOCK && tar.ptr[0] != '\0') {
        size_t len = strtoul(tar.ptr + 124, NULL, 8);

        if (tar.ptr[156] == '0' || tar.ptr[156] == '\0')
            take_message(tally, name, slice_sub(tar, TAR_BLOCK, len));
        tar = slice_from(
            tar, MIN(tar.len, TAR_BLOCK + (len + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK));
    }
}

static void read_all(FILE *file, struct buf *out)
{
    size_t got;

    do {
        char *room = buf_reserve(out, 65536);

        assert_non_null(room);
        got = fread(room, 1, 65536, file);
        out->len += got;
    } while (got > 0);
}

static FILE *open_unpacked(const char *path, pid_t *out_child)
{
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    *out_child = fork();
    if (*out_child == 0) {
        (void) dup2(ends[1], STDOUT_FILENO);
        (void) close(ends[0]);
        (void) execlp("zstd", "zstd", "-qdc", path, (char *) NULL);
        _exit(127);
    }
    (void) close(ends[1]);
    return fdopen(ends[0], "rb");
}

static void take_file(struct tally *tally, const char *path)
{
    AUTO(buf_done) struct buf content = {0};
    struct slice name = slice_from_str(path);
    bool packed = slice_ends(name, SLICE(".zst"));
    pid_t child = -1;
    FILE *file;

    if (!packed && !slice_ends(name, SLICE(".eml")))
        return;
    file = packed ? open_unpacked(path, &child) : fopen(path, "rb");
    assert_non_null(file);
    buf_init(&content, FILE_MAX_BYTES);
    read_all(file, &content);
    (void) fclose(file);
    if (packed)
        assert_int_equal(waitpid(child, NULL, 0), child);
    if (!packed)
        take_message(tally, path, buf_slice(&content));
    else if (slice_ends(name, SLICE(".mbox.zst")))
        take_mbox(tally, path, buf_slice(&content));
    else
        take_tar(tally, path, buf_slice(&content));
}

static void take_folder(struct tally *tally, const char *folder, int depth)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    char path[4096];
    struct stat st;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        (void) snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] == '.' || stat(path, &st) != 0)
            continue;
        if (S_ISDIR(st.st_mode) && depth < 4)
            take_folder(tally, path, depth + 1);
        else if (S_ISREG(st.st_mode))
            take_file(tally, path);
    }
    (void) closedir(dir);
}

static void real_mail_makes_sound_digests(void **state)
{
    const char *folder = getenv("ROOST_CORPUS");
    struct tally tally = {0};

    (void) state;
    if (folder == NULL) {
        print_message("skipped: ROOST_CORPUS names no folder of mail\n");
        skip();
    }
    take_folder(&tally, folder, 0);
    print_message(
        "%llu messages, %llu bytes, tables %llu, search text %llu, %.2f s cpu, slowest "
        "%.1f ms: %s\n",
        (unsigned long long) tally.n, (unsigned long long) tally.bytes,
        (unsigned long long) tally.table_bytes, (unsigned long long) tally.text_bytes,
        tally.seconds, tally.slowest * 1000, tally.slowest_name);
    assert_true(tally.n > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(real_mail_makes_sound_digests)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
