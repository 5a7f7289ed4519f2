/*
 * cmd_restore.c - `roost restore`: a whole server onto an empty machine, or one account or
 * mailbox into the running server.
 *
 * Either way the backups are put together to a store (backup_tree.h) that the engine opens and
 * recovers. UIDs (RFC 9051 2.3.1.1): a store that was set back may have given UIDs since that
 * it knows nothing of. So every mailbox gets a new UIDVALIDITY, unless the journal of the lost
 * machine itself was there to its end; and what is restored into a running server gets new
 * UIDs there.
 */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/ask.h"
#include "cli/backup_host.h"
#include "cli/backup_tree.h"
#include "cli/progress.h"
#include "roles/offline.h"

static const char usage[] =
    "usage: roost restore --from DIR --to DATADIR [--at TIME] [--key-file FILE]\n"
    "                     [--journal OLD/mail] [--keep-uids] [--json]\n"
    "       roost restore --from DIR --user USER [--mailbox NAME] [--at TIME] [--into NAME]\n"
    "                     [--scratch DIR] [--json]\n\n"
    "Without --user: a whole server, into DATADIR, which must be empty or missing. With\n"
    "--user: mail of that user, into the running server.\n\n"
    "  --at TIME        as it was then (UTC): 2026-11-17T14:30:00Z, 2026-11-17; the end of "
    "the\n"
    "                   newest backup if it is left out\n"
    "  --key-file FILE  the key of the backup's secrets\n"
    "  --journal DIR    the mail folder of the lost machine, if its journal survived: nothing\n"
    "                   that was acknowledged is missing then, and UIDs stay\n"
    "  --keep-uids      UIDs stay, although nobody can prove that none was given since: right\n"
    "                   only if no mail program used the server after the backup\n"
    "  --mailbox NAME   this mailbox and those below it; without it all of them\n"
    "  --into NAME      restore into and below this mailbox; needed if the user has mail\n"
    "  --scratch DIR    where the backup is opened for reading (in DIR itself)\n\n"
    "Mail that the user still has, in whatever mailbox, is not restored a second time.\n\n"
    "examples: roost restore --from /mnt/backup/mail --to /var/lib/roost --key-file "
    "backup.key\n"
    "          roost restore --from /mnt/backup/mail --user anna --mailbox Work \\\n"
    "              --at 2026-11-17 --into Restored/Work\n";

struct options {
    const char *from, *to, *at, *key_file, *journal, *user, *mailbox, *into, *scratch;
    bool keep_uids;
    int64_t at_us;
};

static int say(const struct err *err)
{
    (void) fprintf(stderr, "roost: %s (%s)\n", err->text, err->detail);
    return CLI_FAILED;
}

static enum rc open_tree(const char *path, const struct backup_tree *tree,
                         struct mail_store **out, struct err *err)
{
    const struct offline_options options = {path, tree->until_us, tree->least_lsn};

    log_set_level(LEVEL_ERROR);
    return offline_open(&options, out, err);
}

/* ---- a whole server ---- */

struct whole {
    const struct cli_args *args;
    const struct options *options;
    struct backup_dir dir;
    struct backup_tree tree;
    struct backup_host host;
    uint64_t n_accounts, n_renewed;
    bool uids_stay;
    struct progress progress;
};

static enum rc renew_all(struct whole *whole, const char *path, struct err *err)
{
    AUTO(freep) uint64_t *accounts = NULL;
    struct mail_store *store = NULL;
    size_t n = 0;
    enum rc rc = open_tree(path, &whole->tree, &store, err);

    if (rc == RC_OK)
        rc = offline_accounts(store, &accounts, &n, err);
    whole->n_accounts = n;
    for (size_t i = 0; rc == RC_OK && !whole->uids_stay && i < n; i++) {
        progress_tell(&whole->progress, i, i, n);
        rc = offline_renew_uids(store, accounts[i], &whole->n_renewed, err);
    }
    offline_close(store);
    return rc;
}

static enum rc restore_all(struct whole *whole, struct err *err)
{
    const struct options *options = whole->options;
    struct backup_wish wish = {.dir = &whole->dir,
                               .at_us = options->at_us,
                               .journal = options->journal,
                               .progress = &whole->progress};
    char path[BACKUP_FILE_PATH];
    enum rc rc = backup_host_begin(&whole->host, options->to, err);

    if (rc)
        return rc;
    (void) snprintf(path, sizeof(path), "%.3900s/mail", options->to);
    rc = backup_tree_make(&wish, path, &whole->tree, err);
    whole->uids_stay = options->keep_uids || (whole->tree.is_complete && options->at_us == 0);
    if (!rc)
        rc = renew_all(whole, path, err);
    return rc ? rc
              : backup_host_finish(&whole->host, &whole->dir, whole->tree.base,
                                   options->key_file, err);
}

static void report_whole(const struct whole *whole, double seconds)
{
    const struct backup_manifest *base = whole->tree.base;
    int64_t at = whole->options->at_us != 0 ? whole->options->at_us : base->time_us;
    char time[64];

    backup_time_text(at, time, sizeof(time));
    if (whole->args->json) {
        json_t *out = json_pack("{ss ss ss sI sb sI sb sf}", "backup", base->file, "time", time,
                                "config", whole->host.config, "accounts",
                                (json_int_t) whole->n_accounts, "uids_kept", whole->uids_stay,
                                "mailboxes_renewed", (json_int_t) whole->n_renewed, "secrets",
                                whole->host.has_pepper, "seconds", seconds);

        (void) json_dumpf(out, stdout, JSON_INDENT(2));
        (void) fputc('\n', stdout);
        json_decref(out);
        return;
    }
    (void) printf("restored backup %s as of %s: %llu accounts; %.1f s\n", base->file, time,
                  (unsigned long long) whole->n_accounts, seconds);
    if (whole->uids_stay)
        (void) printf("UIDs stay as they were%s.\n", whole->options->keep_uids
                                                         ? ", as you asked"
                                                         : ": the journal is there to its end");
    else
        (void) printf(
            "What was changed after that moment is not known, so all %llu mailboxes "
            "have a new UIDVALIDITY:\nmail programs load their lists again, and no UID "
            "names another mail.\n",
            (unsigned long long) whole->n_renewed);
    if (!whole->host.has_pepper)
        (void) printf("The backup has no secrets: no app password fits any more. Every device "
                      "needs a new one:\n    roost device add USER NAME\n");
    if (whole->host.note[0] != '\0')
        (void) printf("%s\n", whole->host.note);
    (void) printf("Start it with: roost serve -c %s\n", whole->host.config);
}

static int restore_whole(const struct cli_args *args, const struct options *options)
{
    struct whole *whole = xcalloc(1, sizeof(*whole));
    struct err err;
    enum rc rc;
    int code = CLI_OK;

    whole->args = args;
    whole->options = options;
    whole->dir.lock = -1;
    progress_start(&whole->progress, "files", args->json);
    rc = backup_dir_open(options->from, NULL, false, &whole->dir, &err);
    if (!rc) /* before anything is written: is it the right key? */
        rc = backup_host_check_key(&whole->dir, options->key_file, &err);
    if (!rc)
        rc = restore_all(whole, &err);
    if (rc)
        code = say(&err);
    else
        report_whole(whole, progress_end(&whole->progress));
    backup_dir_close(&whole->dir);
    free(whole);
    return code;
}

/* ---- mail of one user ---- */

struct part {
    const struct cli_args *args;
    const struct options *options;
    struct backup_dir dir;
    struct backup_tree tree;
    struct cli_ask mail;
    uint64_t account;
    uint64_t n_sent;
    json_t *bad; /* messages of the backup that cannot be read */
    int code;    /* of what was sent */
    struct progress progress;
};

static void send_data(void *ctx, struct slice bytes)
{
    struct part *part = ctx;

    if (part->code == CLI_OK)
        part->code = cli_ask_data(&part->mail, bytes);
}

static void tell_progress(void *ctx, uint64_t done, uint64_t total)
{
    struct part *part = ctx;

    progress_tell(&part->progress, done, done, total);
}

static void keep_damaged(void *ctx, struct slice mailbox, uint32_t uid, const struct err *err)
{
    struct part *part = ctx;
    json_t *name = json_stringn(mailbox.ptr, mailbox.len);

    (void) json_array_append_new(
        part->bad, json_pack("{so sI ss}", "mailbox", name != NULL ? name : json_string("?"),
                             "uid", (json_int_t) uid, "why", err->text));
}

static bool is_gone(void *ctx)
{
    return ((const struct part *) ctx)->code != CLI_OK;
}

static uint64_t number_in(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));
    uint64_t value = 0;

    if (text != NULL)
        (void) slice_to_u64(slice_from_str(text), &value);
    return value;
}

/* Onto an account that has mail only with --into: what is there and what comes back could not
 * be told apart. */
static int check_live(const struct part *part)
{
    const struct control_field user = CONTROL_TEXT("user", slice_from_str(part->options->user));
    AUTO(cli_ask_close) struct cli_ask ask = {0};
    uint64_t messages = 0;
    const json_t *row;
    size_t at;
    int code = cli_ask_open(part->args, "mail", &ask);

    if (code == CLI_OK)
        code = cli_ask(&ask, "mailbox.list", &user, 1);
    if (code != CLI_OK || part->options->into != NULL)
        return code;
    json_array_foreach(ask.rows, at, row) messages += number_in(row, "messages");
    if (messages == 0)
        return CLI_OK;
    (void) fprintf(stderr,
                   "roost: user %s has %llu messages in the running server; say where to with "
                   "--into NAME (nothing was changed)\n",
                   part->options->user, (unsigned long long) messages);
    return CLI_FAILED;
}

static int begin_import(struct part *part)
{
    const struct control_field user = CONTROL_TEXT("user", slice_from_str(part->options->user));
    int code = cli_ask_open(part->args, "mail", &part->mail);

    if (code == CLI_OK)
        code = cli_ask_begin(&part->mail, "import", &user, 1);
    if (code == CLI_OK)
        code = cli_ask_row(&part->mail);
    if (code == CLI_OK &&
        !slice_to_u64(slice_from_str(cli_last(&part->mail, "account")), &part->account))
        code = CLI_FAILED;
    return code;
}

static struct slice text_or_empty(const char *text)
{
    return text != NULL ? slice_from_str(text) : SLICE("");
}

static int send_part(struct part *part, struct mail_store *store)
{
    const struct mail_taker taker = {send_data, tell_progress, keep_damaged, is_gone, part};
    const struct mail_choice choice = {.mailbox = text_or_empty(part->options->mailbox),
                                       .into = text_or_empty(part->options->into),
                                       .with_rest = true};
    struct err err;
    enum rc rc = offline_send(store, part->account, &choice, &taker, &part->n_sent, &err);

    if (part->code != CLI_OK)
        return part->code;
    if (rc == RC_NOT_FOUND && part->options->mailbox == NULL)
        (void) err_set(&err, rc, "The backup has no mail of that user", "account %016llx",
                       (unsigned long long) part->account);
    return rc ? say(&err) : cli_ask_end(&part->mail);
}

static void report_part(const struct part *part, double seconds)
{
    const json_t *figures =
        json_array_get(part->mail.rows, json_array_size(part->mail.rows) - 1);
    uint64_t restored = number_in(figures, "imported"), known = number_in(figures, "known");
    uint64_t refused = number_in(figures, "refused");
    const json_t *row;
    size_t at;

    if (part->args->json) {
        json_t *out =
            json_pack("{ss sI sI sI sO sf}", "backup", part->tree.base->file, "restored",
                      (json_int_t) restored, "already_there", (json_int_t) known, "refused",
                      (json_int_t) refused, "damaged", part->bad, "seconds", seconds);

        (void) json_dumpf(out, stdout, JSON_INDENT(2));
        (void) fputc('\n', stdout);
        json_decref(out);
        return;
    }
    json_array_foreach(part->bad, at, row)
    {
        (void) printf("damaged in the backup: ");
        cli_put_text(stdout, json_string_value(json_object_get(row, "mailbox")));
        (void) printf(" uid %lld: %s\n",
                      (long long) json_integer_value(json_object_get(row, "uid")),
                      json_string_value(json_object_get(row, "why")));
    }
    (void) printf("%llu messages restored from backup %s, with new UIDs; %llu were there "
                  "already, %llu were refused; %.1f s\n",
                  (unsigned long long) restored, part->tree.base->file,
                  (unsigned long long) known, (unsigned long long) refused, seconds);
}

static int read_and_send(struct part *part, const char *scratch)
{
    struct backup_wish wish = {.dir = &part->dir,
                               .at_us = part->options->at_us,
                               .journal = part->options->journal,
                               .may_link = true,
                               .progress = &part->progress};
    struct mail_store *store = NULL;
    struct err err;
    enum rc rc = backup_tree_make(&wish, scratch, &part->tree, &err);
    int code;

    if (!rc)
        rc = open_tree(scratch, &part->tree, &store, &err);
    if (rc)
        return say(&err);
    code = begin_import(part);
    if (code == CLI_OK)
        code = send_part(part, store);
    offline_close(store);
    return code;
}

static int run_part(struct part *part)
{
    char scratch[BACKUP_FILE_PATH];
    struct err err;
    int code = check_live(part);

    if (code != CLI_OK)
        return code;
    if (backup_dir_open(part->options->from, NULL, false, &part->dir, &err) != RC_OK ||
        backup_scratch_make(&part->dir, part->options->scratch, scratch, &err) != RC_OK)
        return say(&err);
    progress_start(&part->progress, "messages", part->args->json);
    code = read_and_send(part, scratch);
    backup_scratch_remove(scratch);
    if (code == CLI_OK)
        report_part(part, progress_end(&part->progress));
    if (code == CLI_OK && json_array_size(part->bad) > 0)
        code = CLI_PARTLY;
    return code;
}

static int restore_part(const struct cli_args *args, const struct options *options)
{
    struct part *part = xcalloc(1, sizeof(*part));
    int code;

    part->args = args;
    part->options = options;
    part->dir.lock = -1;
    part->bad = json_array();
    code = run_part(part);
    cli_ask_close(&part->mail);
    backup_dir_close(&part->dir);
    json_decref(part->bad);
    free(part);
    return code;
}

int cmd_restore(int argc, char *const *argv)
{
    struct options options = {0};
    const struct cli_option known[] = {
        {"--from",      &options.from,     NULL              },
        {"--to",        &options.to,       NULL              },
        {"--at",        &options.at,       NULL              },
        {"--key-file",  &options.key_file, NULL              },
        {"--journal",   &options.journal,  NULL              },
        {"--user",      &options.user,     NULL              },
        {"--mailbox",   &options.mailbox,  NULL              },
        {"--into",      &options.into,     NULL              },
        {"--scratch",   &options.scratch,  NULL              },
        {"--keep-uids", NULL,              &options.keep_uids},
    };
    struct cli_args args;

    if (!cli_parse(argc, argv, known, COUNT(known), &args))
        return CLI_USAGE;
    if (args.help) {
        (void) fputs(usage, stdout);
        return CLI_OK;
    }
    if (args.n_words != 0 || options.from == NULL)
        return cli_usage_error("restore", "--from DIR is needed");
    if ((options.to == NULL) == (options.user == NULL))
        return cli_usage_error("restore", "either --to DATADIR or --user USER is needed");
    if (options.at != NULL && !backup_time_parse(options.at, &options.at_us))
        return cli_usage_error("restore", "--at takes a time such as 2026-11-17T14:30:00Z");
    if (sodium_init() < 0)
        die("libsodium cannot be used");
    return options.to != NULL ? restore_whole(&args, &options) : restore_part(&args, &options);
}
