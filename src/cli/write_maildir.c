#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "account/types.h"
#include "cli/mail_writer.h"
#include "imap/mailbox_name.h"

#define FOLDER_MODE 0700
#define FILE_MODE   0600
#define NAME_BYTES  256u
#define PASSED      "$Forwarded"

static enum rc io_error(const char *path, struct err *err)
{
    return err_set(err, RC_IO, "It cannot be written", "%s: %s", path, strerror(errno));
}

void maildir_entry_name(struct slice folder, struct buf *out)
{
    AUTO(buf_done) struct buf utf7 = {.max = WRITER_PATH_BYTES};

    if (slice_eq(folder, SLICE("INBOX")))
        return;
    imap_utf7_encode(&utf7, folder);
    buf_byte(out, '.');
    for (size_t i = 0; i < utf7.len; i++) {
        if (utf7.ptr[i] == '.')
            buf_str(out, "&AC4-");
        else
            buf_byte(out, utf7.ptr[i] == MAILBOX_SEPARATOR ? '.' : utf7.ptr[i]);
    }
}

static enum rc make_path(char out[WRITER_PATH_BYTES], const char *folder, const char *name,
                         struct err *err)
{
    if (snprintf(out, WRITER_PATH_BYTES, "%s/%s", folder, name) >= (int) WRITER_PATH_BYTES)
        return err_set(err, RC_LIMIT, "The path is too long", "export: path too long");
    return RC_OK;
}

static enum rc make_folder(const char *path, bool may_exist, struct err *err)
{
    if (mkdir(path, FOLDER_MODE) == 0 || (may_exist && errno == EEXIST))
        return RC_OK;
    return io_error(path, err);
}

static enum rc make_subfolders(const struct mail_writer *writer, struct err *err)
{
    static const char *const subs[] = {"cur", "new", "tmp"};
    char path[WRITER_PATH_BYTES];
    enum rc rc = RC_OK;

    for (size_t i = 0; rc == RC_OK && i < COUNT(subs); i++) {
        rc = make_path(path, writer->folder, subs[i], err);
        if (rc == RC_OK)
            rc = make_folder(path, false, err);
    }
    return rc;
}

static enum rc open_new(const char *folder, const char *name, FILE **out, struct err *err)
{
    char path[WRITER_PATH_BYTES];
    enum rc rc = make_path(path, folder, name, err);
    int fd;

    if (rc)
        return rc;
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
    if (fd < 0)
        return io_error(path, err);
    *out = fdopen(fd, "w");
    return RC_OK;
}

static enum rc close_file(FILE **file, struct err *err)
{
    FILE *closing = TAKE(*file);

    if (closing == NULL)
        return RC_OK;
    return fclose(closing) == 0 ? RC_OK : io_error("export", err);
}

static enum rc write_keywords(struct mail_writer *writer, struct err *err)
{
    FILE *file = NULL;
    enum rc rc = RC_OK;

    if (writer->keywords[0] == NULL)
        return RC_OK;
    rc = open_new(writer->folder, "dovecot-keywords", &file, err);
    for (size_t i = 0; i < WRITER_KEYWORDS; i++) {
        if (rc == RC_OK && writer->keywords[i] != NULL)
            (void) fprintf(file, "%zu %s\n", i, writer->keywords[i]);
        free(TAKE(writer->keywords[i]));
    }
    return rc ? rc : close_file(&file, err);
}

static enum rc end_folder(struct mail_writer *writer, struct err *err)
{
    struct err ignored;
    enum rc closed = close_file(&writer->file, err);
    enum rc rc = write_keywords(writer, closed ? &ignored : err);

    return closed ? closed : rc;
}

static enum rc begin_folder(struct mail_writer *writer, const struct mail_frame *frame,
                            struct err *err)
{
    AUTO(buf_done) struct buf entry = {.max = WRITER_PATH_BYTES};
    enum rc rc = end_folder(writer, err);

    if (rc)
        return rc;
    maildir_entry_name(frame->name, &entry);
    buf_byte(&entry, '\0');
    if (entry.overflow)
        return err_set(err, RC_LIMIT, "The path is too long", "export: path too long");
    rc = make_path(writer->folder, writer->dir, entry.ptr, err);
    if (rc == RC_OK)
        rc = make_folder(writer->folder, entry.len == 1, err);
    if (rc == RC_OK)
        rc = make_subfolders(writer, err);
    if (rc == RC_OK)
        rc = open_new(writer->folder, "dovecot-uidlist", &writer->file, err);
    if (rc == RC_OK)
        (void) fprintf(writer->file, "3 V%u N%u\n", frame->uidvalidity, frame->uidnext);
    return rc;
}

/* The letter of a keyword in this folder; '\0': none is left. */
static char letter_of(struct mail_writer *writer, struct slice keyword)
{
    for (size_t i = 0; i < WRITER_KEYWORDS; i++) {
        if (writer->keywords[i] == NULL)
            writer->keywords[i] = strndup(keyword.ptr, keyword.len);
        if (slice_eq_nocase(slice_from_str(writer->keywords[i]), keyword))
            return (char) ('a' + i);
    }
    writer->keywords_lost++;
    return '\0';
}

static void put_flags(struct mail_writer *writer, const struct mail_frame *frame,
                      struct buf *name)
{
    static const struct {
        uint8_t flag;
        char letter;
    } flags[] = {
        {FLAG_DRAFT,    'D'},
        {FLAG_FLAGGED,  'F'},
        {0,             'P'},
        {FLAG_ANSWERED, 'R'},
        {FLAG_SEEN,     'S'},
        {FLAG_DELETED,  'T'},
    };
    bool has[WRITER_KEYWORDS] = {false}, passed = false;

    for (size_t i = 0; i < frame->n_keywords; i++) {
        char letter;

        if (slice_eq_nocase(frame->keywords[i], SLICE(PASSED))) {
            passed = true;
            continue;
        }
        letter = letter_of(writer, frame->keywords[i]);
        if (letter != '\0')
            has[letter - 'a'] = true;
    }
    for (size_t i = 0; i < COUNT(flags); i++)
        if ((frame->flags & flags[i].flag) != 0 || (flags[i].flag == 0 && passed))
            buf_byte(name, flags[i].letter);
    for (size_t i = 0; i < WRITER_KEYWORDS; i++)
        if (has[i])
            buf_byte(name, (char) ('a' + i));
}

static enum rc write_message(struct mail_writer *writer, const struct mail_frame *frame,
                             struct slice body, struct err *err)
{
    const struct timespec times[] = {
        {.tv_sec = frame->date},
        {.tv_sec = frame->date},
    };
    AUTO(buf_done) struct buf name = {.max = NAME_BYTES};
    char path[WRITER_PATH_BYTES];
    FILE *file = NULL;
    enum rc rc;

    buf_printf(&name, "%lld.U%u.roost,S=%zu:2,", (long long) frame->date, frame->uid, body.len);
    put_flags(writer, frame, &name);
    buf_byte(&name, '\0');
    rc = make_path(path, writer->folder, "cur", err);
    if (rc == RC_OK)
        rc = open_new(path, name.ptr, &file, err);
    if (rc)
        return rc;
    (void) fwrite(body.ptr, 1, body.len, file); /* a failure shows when it is flushed */
    if (fflush(file) != 0 || futimens(fileno(file), times) != 0) {
        rc = io_error(name.ptr, err);
        (void) fclose(file); /* it has failed already */
        return rc;
    }
    (void) fprintf(writer->file, "%u :%s\n", frame->uid, name.ptr);
    return close_file(&file, err);
}

static enum rc write_subscription(struct mail_writer *writer, struct slice name,
                                  struct err *err)
{
    AUTO(buf_done) struct buf entry = {.max = WRITER_PATH_BYTES};
    enum rc rc = RC_OK;

    if (writer->subscriptions == NULL)
        rc = open_new(writer->dir, "subscriptions", &writer->subscriptions, err);
    if (rc)
        return rc;
    maildir_entry_name(name, &entry);
    (void) fprintf(
        writer->subscriptions, "%.*s\n",
        SLICE_ARG(entry.len > 0 ? slice_from(buf_slice(&entry), 1) : SLICE("INBOX")));
    return RC_OK;
}

static enum rc writer_done(struct mail_writer *writer, struct err *err)
{
    struct err ignored;
    enum rc rc = end_folder(writer, err);
    enum rc closed = close_file(&writer->subscriptions, rc ? &ignored : err);

    return rc ? rc : closed;
}

const struct mail_writer_ops maildir_writer_ops = {
    .folder = begin_folder,
    .message = write_message,
    .subscribed = write_subscription,
    .done = writer_done,
};
