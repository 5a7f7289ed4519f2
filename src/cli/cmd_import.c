/*
 * cmd_import.c - `roost import`: mail from files into a user's mailboxes.
 *
 * The files are read here and their messages sent over mail's control socket
 * (docs/formats/mail-stream.md), line ends made CRLF. What makes a second run harmless is each
 * message's key: a hash of the account, the source, the message's place in it and its bytes. In
 * an mbox the place is no offset but "the third of these very bytes", so that a file from which
 * mail was taken out, or to which some came, is no new source.
 */
#include <sodium.h>

#include "base/map.h"
#include "cli/ask.h"
#include "cli/mail_source.h"
#include "cli/progress.h"
#include "ipc/mail_stream.h"
#include "mime/crlf.h"

#define NAMES_KEPT                                                                             \
    4096u /* places of the last messages sent: a refusal comes at most a batch late */
#define PROBLEMS_SHOWN 1000u
#define BODY_MAX_BYTES ((size_t) 2 * MBOX_MESSAGE_MAX_BYTES)
#define PATHS_MAX      (CLI_WORDS_MAX - 1)

struct importer {
    struct cli_ask ask;
    uint64_t account;
    const char *source;  /* the path now read, absolute */
    struct map *folders; /* number in the stream + 1, by name */
    struct map *seen;    /* how many so far, by key; of this source */
    struct buf out, body;
    char *names[NAMES_KEPT];
    uint64_t n_sent, n_crlf;
    uint64_t bytes_done, bytes_all;
    json_t *problems;
    uint64_t n_problems;
    json_t *figures; /* the server's last row */
    struct progress progress;
    int code;
};

static const char usage[] =
    "usage: roost import USER PATH... [--folder NAME] [--mbox auto|rd|o|cl|cl2] [--json]\n\n"
    "Imports mail into the mailboxes of USER of the running server. PATH is an mbox file, a\n"
    "Maildir (with Maildir++ folders), a directory of .eml files, a directory of any of "
    "these,\n"
    "or a tar archive of them; files may be packed with zstd.\n\n"
    "  --folder NAME   put everything into and below this mailbox; a PATH that is an mbox "
    "file\n"
    "                  goes into it, whatever the file is called\n"
    "  --mbox STYLE    how \"From \" lines are quoted in mbox files; auto finds out\n\n"
    "Flags, keywords, dates, folders and subscriptions come along; from a Dovecot Maildir "
    "also\n"
    "UIDs and UIDVALIDITY, as long as the mailbox here never held mail. Line ends become "
    "CRLF.\n"
    "It can be stopped and run again: what is there already is not imported twice. A message\n"
    "that cannot be taken is named at the end and does not stop the others; the exit code is\n"
    "then 3.\n\n"
    "examples: roost import anna ~/Maildir\n"
    "          roost import anna old.mbox.zst --folder Archive/Old\n";

static void note_problem(struct importer *importer, const char *place, const char *why)
{
    if (importer->n_problems++ < PROBLEMS_SHOWN) {
        json_t *name = json_string(place);

        (void) json_array_append_new(
            importer->problems,
            json_pack("{so ss}", "place", name != NULL ? name : json_string("?"), "why", why));
    }
}

/* ---- what the server says meanwhile ---- */

static const char *row_text(const json_t *row, const char *key)
{
    return json_string_value(json_object_get(row, key));
}

static void take_row(struct importer *importer, json_t *row)
{
    const char *error = row_text(row, "error"), *message = row_text(row, "message");
    const char *place = row_text(row, "mailbox");
    uint64_t number;

    if (message != NULL && slice_to_u64(slice_from_str(message), &number))
        place = importer->names[number % NAMES_KEPT];
    if (error != NULL)
        note_problem(importer, place != NULL ? place : "?", error);
    else if (row_text(row, "imported") != NULL)
        importer->figures = json_incref(row);
}

static void take_rows(struct importer *importer)
{
    json_t *row;
    size_t at;

    json_array_foreach(importer->ask.rows, at, row) take_row(importer, row);
    (void) json_array_clear(importer->ask.rows);
}

/* ---- sending ---- */

static enum rc send_bytes(struct importer *importer, struct slice bytes, struct err *err)
{
    importer->code = cli_ask_data(&importer->ask, bytes);
    take_rows(importer);
    if (importer->code == CLI_OK)
        return RC_OK;
    return err_set(err, RC_IO, "The server ended the import", "import: refused");
}

static enum rc flush(struct importer *importer, struct err *err)
{
    enum rc rc = send_bytes(importer, buf_slice(&importer->out), err);

    buf_reset(&importer->out);
    return rc;
}

/* Its number in the stream; announced there when it is new. */
static uint32_t folder_number(struct importer *importer, const struct source_folder *folder)
{
    struct slice name = slice_from_str(folder->name);
    uintptr_t number = (uintptr_t) map_get(importer->folders, name);

    if (number == 0) {
        const struct mail_frame frame = {.kind = MAIL_MAILBOX,
                                         .name = name,
                                         .uidvalidity = folder->uidvalidity,
                                         .uidnext = folder->uidnext,
                                         .subscribe = folder->subscribe};

        mail_frame_encode(&importer->out, &frame);
        number = map_count(importer->folders) + 1;
        (void) map_put(importer->folders, name, (void *) number); /* a number, not followed */
    }
    return (uint32_t) (number - 1);
}

static void hash_text(crypto_generichash_state *state, struct slice text)
{
    uint64_t len = text.len;

    (void) crypto_generichash_update(state, (const unsigned char *) &len, sizeof(len));
    (void) crypto_generichash_update(state, (const unsigned char *) text.ptr, text.len);
}

static void make_key(struct importer *importer, const struct source_message *message,
                     struct slice body, uint8_t out[MAIL_KEY_BYTES])
{
    struct slice key = slice_of(out, MAIL_KEY_BYTES);
    crypto_generichash_state state;
    uintptr_t n;

    (void) crypto_generichash_init(&state, NULL, 0, MAIL_KEY_BYTES);
    hash_text(&state, MAP_KEY(importer->account));
    hash_text(&state, slice_from_str(importer->source));
    hash_text(&state, slice_from_str(message->key));
    hash_text(&state, body);
    (void) crypto_generichash_final(&state, out, MAIL_KEY_BYTES);
    n = (uintptr_t) map_get(importer->seen, key);
    (void) map_put(importer->seen, key, (void *) (n + 1)); /* a number, not followed */
    if (n == 0)
        return;
    (void) crypto_generichash_init(&state, NULL, 0, MAIL_KEY_BYTES);
    hash_text(&state, key);
    hash_text(&state, MAP_KEY(n));
    (void) crypto_generichash_final(&state, out, MAIL_KEY_BYTES);
}

static void keep_name(struct importer *importer, const char *place)
{
    char **slot = &importer->names[importer->n_sent++ % NAMES_KEPT];

    free(*slot);
    *slot = xstrdup(place);
}

static enum rc send_message(void *ctx, const struct source_message *message, struct err *err)
{
    struct importer *importer = ctx;
    struct mail_frame frame = {.kind = MAIL_MESSAGE,
                               .uid = message->uid,
                               .flags = message->flags,
                               .date = message->date,
                               .n_keywords = message->n_keywords};
    struct crlf crlf = {0};
    enum rc rc = RC_OK;

    buf_reset(&importer->body);
    crlf_feed(&crlf, message->bytes, &importer->body);
    crlf_end(&crlf);
    importer->n_crlf += crlf.n_bare_lf > 0;
    if (importer->out.len > CONTROL_DATA_MAX) /* two heads fit behind that */
        rc = flush(importer, err);
    if (rc)
        return rc;
    frame.mailbox = folder_number(
        importer, &(struct source_folder){.name = message->folder, .subscribe = true});
    frame.size = (uint32_t) importer->body.len;
    if (frame.date == 0)
        frame.date = time(NULL);
    for (size_t i = 0; i < message->n_keywords; i++)
        frame.keywords[i] = message->keywords[i];
    make_key(importer, message, buf_slice(&importer->body), frame.key);
    keep_name(importer, message->place);
    mail_frame_encode(&importer->out, &frame);
    if (importer->out.len + importer->body.len > importer->out.max)
        rc = flush(importer, err);
    if (rc == RC_OK && importer->body.len > importer->out.max)
        rc = send_bytes(importer, buf_slice(&importer->body), err);
    else if (rc == RC_OK)
        buf_append(&importer->out, buf_slice(&importer->body));
    progress_tell(&importer->progress, importer->n_sent, importer->bytes_done,
                  importer->bytes_all);
    return rc;
}

static enum rc send_folder(void *ctx, const struct source_folder *folder, struct err *err)
{
    struct importer *importer = ctx;
    enum rc rc = flush(importer, err);

    (void) folder_number(importer, folder);
    return rc;
}

static enum rc send_subscription(void *ctx, const char *folder, struct err *err)
{
    struct importer *importer = ctx;
    const struct mail_frame frame = {.kind = MAIL_SUBSCRIBED, .name = slice_from_str(folder)};
    enum rc rc = flush(importer, err);

    mail_frame_encode(&importer->out, &frame);
    return rc;
}

static void left_out(void *ctx, const char *place, const char *why)
{
    note_problem(ctx, place, why);
}

static void advanced(void *ctx, uint64_t bytes)
{
    struct importer *importer = ctx;

    importer->bytes_done += bytes;
}

/* ---- the whole ---- */

static void one_path(struct importer *importer, const char *path,
                     const struct source_options *options)
{
    static const struct source_events events = {
        .message = send_message,
        .folder = send_folder,
        .subscribed = send_subscription,
        .left_out = left_out,
        .advanced = advanced,
    };
    AUTO(freep) char *absolute = realpath(path, NULL);
    struct err err;
    enum rc rc;

    importer->source = absolute != NULL ? absolute : path;
    importer->seen = map_new();
    rc = mail_source_walk(path, options, &events, importer, &err);
    if (rc && importer->code == CLI_OK)
        note_problem(importer, path, err.text);
    map_freep(&importer->seen);
}

static int begin(struct importer *importer, const struct cli_args *args)
{
    const struct control_field user = CONTROL_TEXT("user", slice_from_str(args->words[0]));
    int code = cli_ask_open(args, "mail", &importer->ask);

    if (code == CLI_OK)
        code = cli_ask_begin(&importer->ask, "import", &user, 1);
    if (code == CLI_OK)
        code = cli_ask_row(&importer->ask);
    if (code == CLI_OK &&
        !slice_to_u64(slice_from_str(cli_last(&importer->ask, "account")), &importer->account))
        code = CLI_FAILED;
    return code;
}

static int import_paths(struct importer *importer, const struct cli_args *args,
                        const struct source_options *options)
{
    struct err err;
    int code = begin(importer, args);

    if (code != CLI_OK)
        return code;
    take_rows(importer);
    for (size_t i = 1; i < args->n_words; i++)
        importer->bytes_all += mail_source_size(args->words[i]);
    for (size_t i = 1; importer->code == CLI_OK && i < args->n_words; i++)
        one_path(importer, args->words[i], options);
    if (importer->code == CLI_OK && flush(importer, &err) == RC_OK)
        importer->code = cli_ask_end(&importer->ask);
    take_rows(importer);
    return importer->code;
}

static json_int_t figure(const struct importer *importer, const char *key)
{
    const char *text = row_text(importer->figures, key);
    uint64_t value;

    if (text == NULL || !slice_to_u64(slice_from_str(text), &value) || value > INT64_MAX)
        return 0;
    return (json_int_t) value;
}

static void print_problems(const struct importer *importer)
{
    const json_t *problem;
    size_t at;

    json_array_foreach(importer->problems, at, problem)
    {
        (void) printf("left out: ");
        cli_put_text(stdout, row_text(problem, "place"));
        (void) printf(": %s\n", row_text(problem, "why"));
    }
    if (importer->n_problems > PROBLEMS_SHOWN)
        (void) printf("... and %llu more\n",
                      (unsigned long long) importer->n_problems - PROBLEMS_SHOWN);
}

static void print_summary(const struct importer *importer, double seconds, bool json)
{
    json_int_t imported = figure(importer, "imported"), known = figure(importer, "known");
    double rate = seconds > 0 ? (double) (imported + known) / seconds : 0;

    if (json) {
        json_t *out =
            json_pack("{sI sI sI sI sf sf sO}", "imported", imported, "already_there", known,
                      "left_out", (json_int_t) importer->n_problems, "line_ends_made_crlf",
                      (json_int_t) importer->n_crlf, "seconds", seconds, "messages_per_second",
                      rate, "problems", importer->problems);

        (void) json_dumpf(out, stdout, JSON_INDENT(2));
        (void) fputc('\n', stdout);
        json_decref(out);
        return;
    }
    print_problems(importer);
    (void) printf("%lld imported, %lld were there already, %llu left out; %.1f s, %.0f/s\n",
                  (long long) imported, (long long) known,
                  (unsigned long long) importer->n_problems, seconds, rate);
    if (importer->n_crlf > 0)
        (void) printf("In %llu messages line ends became CRLF, as mail has them.\n",
                      (unsigned long long) importer->n_crlf);
}

static void importer_done(struct importer *importer)
{
    cli_ask_close(&importer->ask);
    map_free(importer->folders);
    buf_done(&importer->out);
    buf_done(&importer->body);
    for (size_t i = 0; i < NAMES_KEPT; i++)
        free(importer->names[i]);
    json_decref(importer->problems);
    json_decref(importer->figures);
    free(importer);
}

int cmd_import(int argc, char *const *argv)
{
    const char *style = "auto", *folder = NULL;
    const struct cli_option options[] = {
        {"--mbox",   &style,  NULL},
        {"--folder", &folder, NULL},
    };
    struct source_options source = {0};
    struct importer *importer;
    struct cli_args args;
    double seconds;
    int code;

    if (!cli_parse(argc, argv, options, COUNT(options), &args))
        return CLI_USAGE;
    if (args.help) {
        (void) fputs(usage, stdout);
        return CLI_OK;
    }
    if (args.n_words < 2)
        return cli_usage_error("import", "a user and a path");
    if (!mbox_style_from_name(style, &source.mbox))
        return cli_usage_error("import", "--mbox takes auto, rd, o, cl or cl2");
    source.target = folder;
    importer = xcalloc(1, sizeof(*importer));
    importer->folders = map_new();
    importer->problems = json_array();
    buf_init(&importer->out, CONTROL_DATA_MAX + 2 * MAIL_HEAD_MAX_BYTES);
    buf_init(&importer->body, BODY_MAX_BYTES);
    progress_start(&importer->progress, "messages", args.json);
    code = import_paths(importer, &args, &source);
    seconds = progress_end(&importer->progress);
    if (importer->account != 0)
        print_summary(importer, seconds, args.json);
    if (code == CLI_OK && importer->n_problems > 0)
        code = CLI_PARTLY;
    else if (code == CLI_FAILED && importer->account != 0)
        (void) fprintf(stderr, "roost: stopped; run it again, nothing is imported twice\n");
    importer_done(importer);
    return code;
}
