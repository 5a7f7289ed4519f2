/* cmd_export.c - `roost export`: a user's mail as files. */
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#include "cli/ask.h"
#include "cli/mail_writer.h"
#include "cli/mbox.h"
#include "cli/progress.h"

#define FOLDER_MODE 0700

static const char usage[] =
    "usage: roost export USER DIR [--format maildir|mbox] [--json]\n\n"
    "Writes all mail of USER of the running server into DIR, which must not exist yet or be\n"
    "empty. Messages are byte for byte those of the mailboxes.\n\n"
    "  --format maildir   a Maildir++ with flags, keywords, dates, UIDs and subscriptions, as\n"
    "                     Dovecot keeps them; `roost import` takes all of it back (default)\n"
    "  --format mbox      a file for each mailbox; \"From \" lines quoted (mboxrd), flags and\n"
    "                     keywords as Status, X-Status and X-Keywords\n\n"
    "A message that the server cannot read is named, and the exit code is then 3.\n\n"
    "example: roost export anna /backup/anna\n";

struct exporter {
    struct mail_writer writer;
    const struct mail_writer_ops *ops;
    struct mail_stream *stream;
    struct mail_frame frame; /* of the message whose bytes come */
    struct arena *arena;     /* its keywords */
    struct buf body;
    uint64_t n_messages, n_folders, n_bytes;
    struct progress progress;
};

static enum rc take_frame(void *ctx, const struct mail_frame *frame, struct err *err)
{
    struct exporter *exporter = ctx;

    switch (frame->kind) {
    case MAIL_MAILBOX:
        exporter->n_folders++;
        return exporter->ops->folder(&exporter->writer, frame, err);
    case MAIL_SUBSCRIBED:
        return exporter->ops->subscribed(&exporter->writer, frame->name, err);
    case MAIL_RIGHTS:
    case MAIL_METADATA:
    case MAIL_ANNOTATION:
        return RC_OK; /* these files have no place for it */
    case MAIL_MESSAGE:
        break;
    }
    if (exporter->n_folders == 0 || frame->mailbox + 1 != exporter->n_folders)
        return err_set(err, RC_SYNTAX, "Not understood", "export: a message of no mailbox");
    arena_reset(exporter->arena);
    exporter->frame = *frame;
    for (size_t i = 0; i < frame->n_keywords; i++)
        exporter->frame.keywords[i] = arena_dup(exporter->arena, frame->keywords[i]);
    buf_reset(&exporter->body);
    return RC_OK;
}

static enum rc take_body(void *ctx, struct slice bytes, bool end, struct err *err)
{
    struct exporter *exporter = ctx;

    buf_append(&exporter->body, bytes);
    if (!end)
        return RC_OK;
    if (exporter->body.overflow)
        return err_set(err, RC_LIMIT, "A message is too long", "export: uid %u",
                       exporter->frame.uid);
    exporter->n_messages++;
    exporter->n_bytes += exporter->body.len;
    return exporter->ops->message(&exporter->writer, &exporter->frame,
                                  buf_slice(&exporter->body), err);
}

static enum rc take_part(void *ctx, struct slice bytes, struct err *err)
{
    struct exporter *exporter = ctx;

    return mail_stream_feed(exporter->stream, bytes, err);
}

static void take_progress(void *ctx, uint64_t done, uint64_t total)
{
    struct exporter *exporter = ctx;

    progress_tell(&exporter->progress, done, done, total);
}

/* Made, or there and empty. */
static int make_empty(const char *path)
{
    DIR *dir;
    const struct dirent *entry;
    bool empty = true;

    if (mkdir(path, FOLDER_MODE) == 0)
        return CLI_OK;
    dir = errno == EEXIST ? opendir(path) : NULL;
    if (dir == NULL) {
        (void) fprintf(stderr, "roost: %s: %s\n", path, strerror(errno));
        return CLI_FAILED;
    }
    while (empty && (entry = readdir(dir)) != NULL)
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    (void) closedir(dir); /* only read */
    if (!empty)
        (void) fprintf(stderr, "roost: %s is not empty\n", path);
    return empty ? CLI_OK : CLI_FAILED;
}

static void report(const struct exporter *exporter, const struct cli_ask *ask, double seconds,
                   bool json)
{
    static const struct cli_column columns[] = {
        {"mailbox", "CANNOT BE READ", CLI_TEXT  },
        {"uid",     "UID",            CLI_NUMBER},
        {"error",   "WHY",            CLI_TEXT  },
    };

    if (json) {
        (void) printf("{\"messages\": %llu, \"mailboxes\": %llu, \"bytes\": %llu, "
                      "\"keywords_lost\": %llu, \"seconds\": %.3f, \"problems\": ",
                      (unsigned long long) exporter->n_messages,
                      (unsigned long long) exporter->n_folders,
                      (unsigned long long) exporter->n_bytes,
                      (unsigned long long) exporter->writer.keywords_lost, seconds);
        cli_print_rows(ask, columns, COUNT(columns), true);
        (void) printf("}\n");
        return;
    }
    cli_print_rows(ask, columns, COUNT(columns), false);
    (void) printf("%llu messages of %llu mailboxes, %.1f MB; %.1f s\n",
                  (unsigned long long) exporter->n_messages,
                  (unsigned long long) exporter->n_folders,
                  (double) exporter->n_bytes / 1000000.0, seconds);
    if (exporter->writer.keywords_lost > 0)
        (void) printf("A Maildir has 26 keywords a folder: %llu were left out.\n",
                      (unsigned long long) exporter->writer.keywords_lost);
}

static int run(struct exporter *exporter, const struct cli_args *args, struct cli_ask *ask)
{
    const struct control_field user = CONTROL_TEXT("user", slice_from_str(args->words[0]));
    const struct cli_taker taker = {take_part, take_progress, exporter};
    struct err err;
    int code = cli_ask_open(args, "mail", ask), made;

    if (code == CLI_OK)
        code = make_empty(args->words[1]);
    if (code != CLI_OK)
        return code;
    progress_start(&exporter->progress, "messages", args->json);
    code = cli_ask_begin(ask, "export", &user, 1);
    if (code == CLI_OK)
        code = cli_ask_take(ask, &taker);
    made = exporter->ops->done(&exporter->writer, &err) == RC_OK ? CLI_OK : CLI_FAILED;
    if (made != CLI_OK)
        (void) fprintf(stderr, "roost: %s (%s)\n", err.text, err.detail);
    report(exporter, ask, progress_end(&exporter->progress), args->json);
    code = code != CLI_OK ? code : made;
    return code == CLI_OK && json_array_size(ask->rows) > 0 ? CLI_PARTLY : code;
}

int cmd_export(int argc, char *const *argv)
{
    static const struct mail_stream_events events = {.frame = take_frame, .body = take_body};
    AUTO(cli_ask_close) struct cli_ask ask = {0};
    const char *format = "maildir";
    const struct cli_option options[] = {
        {"--format", &format, NULL},
    };
    struct exporter exporter = {0};
    struct cli_args args;
    int code;

    if (!cli_parse(argc, argv, options, COUNT(options), &args))
        return CLI_USAGE;
    if (args.help) {
        (void) fputs(usage, stdout);
        return CLI_OK;
    }
    if (args.n_words != 2)
        return cli_usage_error("export", "a user and a directory");
    if (strcmp(format, "maildir") != 0 && strcmp(format, "mbox") != 0)
        return cli_usage_error("export", "--format takes maildir or mbox");
    exporter.ops = strcmp(format, "mbox") == 0 ? &mbox_writer_ops : &maildir_writer_ops;
    exporter.writer.dir = args.words[1];
    exporter.arena = arena_new(2 * MAIL_HEAD_MAX_BYTES);
    exporter.stream = mail_stream_new(&events, &exporter);
    buf_init(&exporter.body, MBOX_MESSAGE_MAX_BYTES);
    code = run(&exporter, &args, &ask);
    mail_stream_free(exporter.stream);
    buf_done(&exporter.body);
    arena_free(exporter.arena);
    return code;
}
