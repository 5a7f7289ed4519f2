/* archive.c - second names for closed segments. */
#include "store/local/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "store/local/layout.h"

#define SUPER_READ_MAX_BYTES ((size_t) 1 << 20)

struct archive {
    int dir;
    uint64_t max_bytes;
};

enum rc archive_open(int root, uint64_t max_bytes, struct archive **out, struct err *err)
{
    struct archive *archive = xcalloc(1, sizeof(*archive));

    archive->max_bytes = max_bytes;
    if (max_bytes > 0 && mkdirat(root, "archive", 0700) != 0 && errno != EEXIST) {
        free(archive);
        return file_error(err, "archive");
    }
    archive->dir = openat(root, "archive", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (archive->dir < 0 && (max_bytes > 0 || errno != ENOENT)) {
        free(archive);
        return file_error(err, "archive");
    }
    *out = archive;
    return RC_OK;
}

void archive_close(struct archive *archive)
{
    if (archive == NULL)
        return;
    closep(&archive->dir);
    free(archive);
}

bool archive_is_on(const struct archive *archive)
{
    return archive->max_bytes > 0;
}

int archive_dir(const struct archive *archive)
{
    return archive->dir;
}

static void failed(const char *what, uint64_t number)
{
    log_event(LEVEL_ERROR, "store.archive_failed", LOG_STR("file", what),
              LOG_NUM("segment", number), LOG_STR("error", strerror(errno)));
}

bool archive_take(struct archive *archive, int log, const struct segment *segment)
{
    char name[LAYOUT_NAME_BYTES];

    if (!archive_is_on(archive))
        return false;
    layout_name(name, segment->number, ".seg");
    if ((linkat(log, name, archive->dir, name, 0) != 0 && errno != EEXIST) ||
        fsync(archive->dir) != 0) {
        failed("segment", segment->number);
        return false;
    }
    return true;
}

void archive_settle(struct archive *archive, int log, const struct segment *segment)
{
    char name[LAYOUT_NAME_BYTES];
    AUTO(closep) int fd = -1;

    layout_name(name, segment->number, ".seg");
    (void) unlinkat(log, name, 0); /* below the start: else the sweep */
    fd = openat(archive->dir, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || ftruncate(fd, (off_t) segment->used) != 0)
        failed("segment", segment->number); /* it is there, only longer */
}

void archive_body(struct archive *archive, int spill, const char *name)
{
    if (!archive_is_on(archive))
        return;
    if (linkat(spill, name, archive->dir, name, 0) != 0 && errno != EEXIST && errno != ENOENT)
        failed(name, 0);
}

void archive_super(struct archive *archive, int root, uint64_t before)
{
    AUTO(closep) int fd = openat(root, "super", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    AUTO(freep) char *bytes = NULL;
    char name[LAYOUT_NAME_BYTES];
    struct err err;
    struct stat st;

    if (!archive_is_on(archive))
        return;
    if (fd < 0 || fstat(fd, &st) != 0 || (uint64_t) st.st_size > SUPER_READ_MAX_BYTES) {
        failed("super", before);
        return;
    }
    bytes = xmalloc((size_t) st.st_size + 1);
    layout_name(name, before, ".super");
    if (file_read_all(fd, bytes, (size_t) st.st_size, 0, &err) != RC_OK ||
        layout_replace(archive->dir, name, bytes, (size_t) st.st_size, &err) != RC_OK)
        log_event(LEVEL_ERROR, "store.archive_failed", LOG_STR("file", name), LOG_ERR(&err));
}

/* What lies there: its bytes, the oldest segment, and the oldest spill file. */
struct aged {
    char name[LAYOUT_NAME_BYTES]; /* "": there is none */
    uint64_t number;
    struct timespec at;
};

struct survey {
    int dir;
    uint64_t bytes;
    struct aged segment, body;
};

static bool is_earlier(struct timespec a, struct timespec b)
{
    return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

static bool survey_file(void *ctx, const char *name)
{
    struct survey *survey = ctx;
    struct aged *oldest = &survey->segment;
    uint64_t number;
    struct stat st;

    if (!layout_number(name, ".seg", &number)) {
        oldest = &survey->body;
        if (!layout_number(name, ".body", &number))
            return true;
    }
    if (fstatat(survey->dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return true;
    survey->bytes += (uint64_t) st.st_size;
    if (oldest->name[0] != '\0' && oldest->number < number)
        return true;
    oldest->number = number;
    oldest->at = st.st_mtim;
    (void) snprintf(oldest->name, sizeof(oldest->name), "%.24s", name);
    return true;
}

/* Numbers grow with time within a kind; between the two kinds the clock decides. */
static const char *oldest_of(const struct survey *survey)
{
    if (survey->segment.name[0] == '\0' ||
        (survey->body.name[0] != '\0' && is_earlier(survey->body.at, survey->segment.at)))
        return survey->body.name;
    return survey->segment.name;
}

/* False: there is nothing that goes, or no more than most bytes. */
static bool drop_oldest(struct archive *archive, uint64_t most)
{
    struct survey survey = {.dir = archive->dir};
    const char *name;

    if (layout_each(archive->dir, survey_file, &survey, NULL) != RC_OK || survey.bytes <= most)
        return false;
    name = oldest_of(&survey);
    log_event(LEVEL_WARNING, "store.archive_dropped", LOG_STR("file", name),
              LOG_NUM("bytes", survey.bytes), LOG_NUM("max_bytes", most));
    return unlinkat(archive->dir, name, 0) == 0;
}

void archive_trim(struct archive *archive)
{
    while (archive_is_on(archive) && drop_oldest(archive, archive->max_bytes))
        continue;
}

bool archive_give(struct archive *archive)
{
    return archive->dir >= 0 && drop_oldest(archive, 0);
}

void archive_drop(struct archive *archive, const char *name)
{
    if (archive->dir >= 0)
        (void) unlinkat(archive->dir, name, 0); /* gone already: the bound took it */
}
