#include "corpus.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "mime/crlf.h"

#define FILE_MAX_BYTES   ((size_t) 1 << 30)
#define READ_BYTES       65536u
#define TAR_BLOCK        512u
#define TAR_SIZE_AT      124
#define TAR_TYPE_AT      156
#define FOLDER_DEPTH_MAX 4
#define PATH_BYTES       4096u

struct corpus {
    void (*fn)(void *ctx, const char *name, struct slice message);
    void *ctx;
};

static void take(const struct corpus *corpus, const char *name, struct slice raw)
{
    AUTO(buf_done) struct buf message;
    struct crlf crlf = {0};

    buf_init(&message, 2 * raw.len + 1);
    crlf_feed(&crlf, raw, &message);
    corpus->fn(corpus->ctx, name, buf_slice(&message));
}

static void take_mbox(const struct corpus *corpus, const char *name, struct slice mbox)
{
    while (mbox.len > 0) {
        size_t len = slice_search(slice_from(mbox, 1), SLICE("\nFrom ")) + 2;
        struct slice one = slice_sub(mbox, 0, len);

        take(corpus, name, slice_from(one, slice_find(one, '\n') + 1));
        mbox = slice_from(mbox, MIN(len, mbox.len));
    }
}

/* Regular files of an archive: a block of head, then the file, padded to blocks. */
static void take_tar(const struct corpus *corpus, const char *name, struct slice tar)
{
    while (tar.len >= TAR_BLOCK && tar.ptr[0] != '\0') {
        size_t len = strtoul(tar.ptr + TAR_SIZE_AT, NULL, 8);

        if (tar.ptr[TAR_TYPE_AT] == '0' || tar.ptr[TAR_TYPE_AT] == '\0')
            take(corpus, name, slice_sub(tar, TAR_BLOCK, len));
        tar = slice_from(
            tar, MIN(tar.len, TAR_BLOCK + (len + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK));
    }
}

static FILE *open_unpacked(const char *path, pid_t *out_child)
{
    int ends[2];

    if (pipe(ends) != 0)
        die("pipe");
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

static void read_all(FILE *file, const char *path, struct buf *out)
{
    size_t got;

    if (file == NULL)
        die("%s: cannot be read", path);
    do {
        char *room = buf_reserve(out, READ_BYTES);

        if (room == NULL)
            die("%s: too large", path);
        got = fread(room, 1, READ_BYTES, file);
        out->len += got;
    } while (got > 0);
    (void) fclose(file);
}

static void take_file(const struct corpus *corpus, const char *path, const char *folder,
                      const char *file_name)
{
    struct slice name = slice_from_str(path);
    bool is_packed = slice_ends(name, SLICE(".zst"));
    AUTO(buf_done) struct buf content = {0};
    pid_t child = -1;
    int status = 0;

    if (!is_packed && !slice_ends(name, SLICE(".eml")))
        return;
    buf_init(&content, FILE_MAX_BYTES);
    read_all(is_packed ? open_unpacked(path, &child) : fopen(path, "rb"), path, &content);
    if (is_packed && (waitpid(child, &status, 0) != child || status != 0))
        die("%s: zstd failed", path);
    if (!is_packed)
        take(corpus, folder, buf_slice(&content));
    else if (slice_ends(name, SLICE(".mbox.zst")))
        take_mbox(corpus, file_name, buf_slice(&content));
    else
        take_tar(corpus, file_name, buf_slice(&content));
}

static void take_folder(const struct corpus *corpus, const char *path, const char *name,
                        int depth)
{
    struct dirent **entries;
    int n = scandir(path, &entries, NULL, alphasort);

    if (n < 0)
        die("%s: cannot be read", path);
    for (int i = 0; i < n; i++) {
        char below[PATH_BYTES];
        struct stat st;

        (void) snprintf(below, sizeof(below), "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.' && stat(below, &st) == 0) {
            if (S_ISDIR(st.st_mode) && depth < FOLDER_DEPTH_MAX)
                take_folder(corpus, below, entries[i]->d_name, depth + 1);
            else if (S_ISREG(st.st_mode))
                take_file(corpus, below, name, entries[i]->d_name);
        }
        free(entries[i]);
    }
    free(entries);
}

void corpus_each(const char *folder,
                 void (*fn)(void *ctx, const char *name, struct slice message), void *ctx)
{
    const struct corpus corpus = {fn, ctx};

    take_folder(&corpus, folder, "mail", 0);
}
