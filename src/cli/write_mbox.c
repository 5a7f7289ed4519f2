#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "account/types.h"
#include "cli/mail_writer.h"

#define FOLDER_MODE 0700
#define FILE_MODE   0600

static enum rc io_error(const char *path, struct err *err)
{
    return err_set(err, RC_IO, "It cannot be written", "%s: %s", path, strerror(errno));
}

static enum rc close_file(struct mail_writer *writer, struct err *err)
{
    FILE *closing = TAKE(writer->file);

    if (closing == NULL || fclose(closing) == 0)
        return RC_OK;
    return io_error(writer->folder, err);
}

/* DIR/Work/2026.mbox; "." and ".." in a name are no way out: each component gets a "_" before a
 * "." it begins with. */
static enum rc name_file(struct mail_writer *writer, struct slice name, struct err *err)
{
    struct buf path = {.max = WRITER_PATH_BYTES - 1};
    bool starts = true, ok;

    buf_str(&path, writer->dir);
    buf_byte(&path, '/');
    for (size_t i = 0; i < name.len; i++) {
        if (starts && name.ptr[i] == '.')
            buf_byte(&path, '_');
        starts = name.ptr[i] == '/';
        if (starts) {
            char room[WRITER_PATH_BYTES];

            (void) snprintf(room, sizeof(room), "%.*s", SLICE_ARG(buf_slice(&path)));
            if (mkdir(room, FOLDER_MODE) != 0 && errno != EEXIST) {
                buf_done(&path);
                return io_error(room, err);
            }
        }
        buf_byte(&path, name.ptr[i]);
    }
    buf_str(&path, ".mbox");
    ok = !path.overflow;
    (void) snprintf(writer->folder, sizeof(writer->folder), "%.*s",
                    SLICE_ARG(buf_slice(&path)));
    buf_done(&path);
    if (!ok)
        return err_set(err, RC_LIMIT, "The path is too long", "export: path too long");
    return RC_OK;
}

static enum rc begin_folder(struct mail_writer *writer, const struct mail_frame *frame,
                            struct err *err)
{
    enum rc rc = close_file(writer, err);
    int fd;

    if (rc == RC_OK)
        rc = name_file(writer, frame->name, err);
    if (rc)
        return rc;
    fd = open(writer->folder, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
    if (fd < 0)
        return io_error(writer->folder, err);
    writer->file = fdopen(fd, "w");
    return RC_OK;
}

/* RFC 4155 Appendix A: "From " sender, then the date in UTC as asctime writes it. */
static void put_from_line(FILE *file, int64_t date)
{
    time_t time = (time_t) date;
    struct tm tm;
    char text[64];

    if (gmtime_r(&time, &tm) == NULL ||
        strftime(text, sizeof(text), "%a %b %e %T %Y", &tm) == 0)
        (void) snprintf(text, sizeof(text), "Thu Jan  1 00:00:00 1970");
    (void) fprintf(file, "From MAILER-DAEMON %s\r\n", text);
}

static void put_status(FILE *file, const struct mail_frame *frame)
{
    static const struct {
        uint8_t flag;
        char letter;
    } flags[] = {
        {FLAG_ANSWERED, 'A'},
        {FLAG_FLAGGED,  'F'},
        {FLAG_DRAFT,    'T'},
        {FLAG_DELETED,  'D'},
    };

    (void) fprintf(file, "Status: %s\r\n", (frame->flags & FLAG_SEEN) != 0 ? "RO" : "O");
    (void) fputs("X-Status: ", file);
    for (size_t i = 0; i < COUNT(flags); i++)
        if ((frame->flags & flags[i].flag) != 0)
            (void) fputc(flags[i].letter, file);
    (void) fputs("\r\n", file);
    if (frame->n_keywords == 0)
        return;
    (void) fputs("X-Keywords:", file);
    for (size_t i = 0; i < frame->n_keywords; i++)
        (void) fprintf(file, " %.*s", SLICE_ARG(frame->keywords[i]));
    (void) fputs("\r\n", file);
}

static bool needs_quote(struct slice line)
{
    size_t n = 0;

    while (n < line.len && line.ptr[n] == '>')
        n++;
    return slice_starts(slice_from(line, n), SLICE("From "));
}

static enum rc write_message(struct mail_writer *writer, const struct mail_frame *frame,
                             struct slice body, struct err *err)
{
    bool ends = body.len > 0 && body.ptr[body.len - 1] == '\n', in_header = true;

    put_from_line(writer->file, frame->date);
    put_status(writer->file, frame);
    while (body.len > 0) {
        struct slice line = slice_sub(body, 0, slice_find(body, '\n') + 1);

        in_header = in_header && !slice_eq(line, SLICE("\r\n"));
        if (!in_header && needs_quote(line))
            (void) fputc('>', writer->file);
        (void) fwrite(line.ptr, 1, line.len, writer->file);
        body = slice_from(body, line.len);
    }
    (void) fputs(ends ? "\r\n" : "\r\n\r\n", writer->file);
    return ferror(writer->file) == 0 ? RC_OK : io_error(writer->folder, err);
}

/* An mbox file has no place for it. */
static enum rc write_subscription(struct mail_writer *writer, struct slice name,
                                  struct err *err)
{
    (void) writer;
    (void) name;
    (void) err;
    return RC_OK;
}

const struct mail_writer_ops mbox_writer_ops = {
    .folder = begin_folder,
    .message = write_message,
    .subscribed = write_subscription,
    .done = close_file,
};
