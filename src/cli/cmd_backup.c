/*
 * cmd_backup.c - `roost backup`: a copy of a running server's store, credentials and
 * configuration, hot and incremental; a list of backups; their proof.
 *
 * The order makes a backup one moment: mail keeps its files in place (verb `backup`), all of
 * them are copied, auth's database with them; mail says that nothing was let go of meanwhile;
 * the manifest is written; mail may let go.
 */
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/ask.h"
#include "cli/backup_dir.h"
#include "cli/backup_walk.h"
#include "cli/progress.h"
#include "config/config.h"

static const char usage[] =
    "usage: roost backup DIR (--key-file FILE | --without-secrets) [--keep N] [--json]\n"
    "       roost backup list DIR [--json]\n"
    "       roost backup verify DIR [--quick] [--key-file FILE] [--json]\n\n"
    "Copies the running server's mail, credentials and configuration into DIR, which may lie\n"
    "on any file system. The server goes on meanwhile. Files that an earlier backup in DIR\n"
    "holds are not copied again; each backup there can be restored (`roost restore`).\n\n"
    "  --key-file FILE    secrets (the pepper of the app passwords, the TLS key) are sealed\n"
    "                     with this key: 32 bytes or more, kept somewhere else, such as\n"
    "                     `openssl rand -out backup.key 32`\n"
    "  --without-secrets  leave them out: after a restore every device needs a new app\n"
    "                     password\n"
    "  --keep N           the newest N backups stay, older ones go\n"
    "  --quick            hashes only; no test restore\n\n"
    "`verify` compares every file with its manifest, then opens the newest backup as a store\n"
    "and reads each message of each account. The exit code is 1 if anything is wrong.\n\n"
    "examples: roost backup /mnt/backup/mail --key-file /root/backup.key --keep 30\n"
    "          roost backup verify /mnt/backup/mail\n";

struct options {
    const char *key_file, *keep;
    bool without_secrets, quick;
};

struct run {
    const struct cli_args *args;
    struct config *config; /* NULL: with --data */
    const char *data;
    struct backup_key key;
    bool has_key;
    struct backup_dir dir;
    struct backup_manifest *manifest; /* NULL once the directory has it */
    struct cli_ask mail, auth;
    struct progress progress;
    uint64_t bytes_done, bytes_all, bytes_new;
    uint64_t n_files, n_new;
};

static int say(const struct err *err)
{
    (void) fprintf(stderr, "roost: %s (%s)\n", err->text, err->detail);
    return CLI_FAILED;
}

static const char *text_of(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));

    return text != NULL ? text : "";
}

static uint64_t number_of(const json_t *row, const char *key)
{
    uint64_t value = 0;

    (void) slice_to_u64(slice_from_str(text_of(row, key)), &value);
    return value;
}

/* ---- one file ---- */

static void add(struct run *run, const char *name, uint64_t length,
                const struct backup_hash *hash, bool is_new)
{
    backup_manifest_add(run->manifest, name, length, hash);
    run->n_files++;
    run->bytes_done += length;
    run->n_new += is_new;
    run->bytes_new += is_new ? length : 0;
    progress_tell(&run->progress, run->n_files, run->bytes_done, run->bytes_all);
}

/* What was made aside enters the pool, unless the pool has it. */
static enum rc keep_new(struct run *run, const char *aside, const char *name, uint64_t length,
                        const struct backup_hash *hash, struct err *err)
{
    bool known = backup_pool_has(&run->dir, name, length, hash);
    enum rc rc = RC_OK;

    if (known)
        (void) unlink(aside); /* the next run replaces it */
    else
        rc = backup_pool_take(&run->dir, aside, name, hash, err);
    if (rc == RC_OK)
        add(run, name, length, hash, !known);
    return rc;
}

/* Files that are written on or used again are copied; all others can be linked. */
static bool may_change(const char *path)
{
    return strcmp(path, "super") == 0 || strncmp(path, "log/", 4) == 0;
}

static enum rc store_file(struct run *run, const json_t *row, struct err *err)
{
    const char *below = text_of(row, "path");
    uint64_t length = number_of(row, "length");
    char path[BACKUP_FILE_PATH], name[BACKUP_NAME_BYTES], aside[BACKUP_FILE_PATH];
    struct backup_hash hash;
    enum rc rc;

    (void) snprintf(path, sizeof(path), "%.3900s/mail/%.80s", run->data, below);
    (void) snprintf(name, sizeof(name), "mail/%.80s", text_of(row, "name"));
    if (strcmp(text_of(row, "pack"), "yes") == 0 &&
        backup_pack_is_known(&run->dir, path, name, length, &hash)) {
        add(run, name, length, &hash, false);
        return RC_OK;
    }
    backup_pool_new(&run->dir, aside);
    rc = may_change(below) ? backup_copy_file(path, length, aside, &hash, err)
                           : backup_link_file(path, length, aside, &hash, err);
    return rc ? rc : keep_new(run, aside, name, length, &hash, err);
}

static enum rc plain_file(struct run *run, const char *path, const char *name, struct err *err)
{
    AUTO(freep) char *bytes = NULL;
    char aside[BACKUP_FILE_PATH];
    struct backup_hash hash;
    size_t len = 0;
    enum rc rc = backup_read_file(path, BACKUP_MANIFEST_MAX, &bytes, &len, err);

    if (rc)
        return rc;
    backup_hash_bytes(slice_of(bytes, len), &hash);
    backup_pool_new(&run->dir, aside);
    rc = backup_write_file(aside, slice_of(bytes, len), err);
    return rc ? rc : keep_new(run, aside, name, len, &hash, err);
}

static enum rc secret_file(struct run *run, const char *path, const char *name, struct err *err)
{
    AUTO(freep) char *bytes = NULL;
    char aside[BACKUP_FILE_PATH], label[BACKUP_STORE_TEXT + BACKUP_NAME_BYTES];
    struct backup_hash hash;
    struct stat st;
    size_t len = 0;
    enum rc rc;

    if (!run->has_key)
        return RC_OK;
    rc = backup_read_file(path, BACKUP_SECRET_MAX, &bytes, &len, err);
    if (rc)
        return rc;
    backup_pool_new(&run->dir, aside);
    (void) snprintf(label, sizeof(label), "%s %s", run->manifest->store, name);
    rc = backup_seal(&run->key, slice_from_str(label), slice_of(bytes, len), aside, err);
    sodium_memzero(bytes, len);
    if (rc)
        return rc;
    if (lstat(aside, &st) != 0)
        return err_set(err, RC_IO, "A file failed", "%s", aside);
    rc = backup_hash_file(aside, (uint64_t) st.st_size, &hash, err);
    return rc ? rc : keep_new(run, aside, name, (uint64_t) st.st_size, &hash, err);
}

/* ---- the parts ---- */

static int ask_mail(struct run *run)
{
    const json_t *row;
    size_t at;
    int code = cli_ask_open(run->args, "mail", &run->mail);

    if (code == CLI_OK)
        code = cli_ask_begin(&run->mail, "backup", NULL, 0);
    while (code == CLI_OK && cli_last(&run->mail, "store")[0] == '\0')
        code = cli_ask_row(&run->mail);
    if (code != CLI_OK)
        return code;
    json_array_foreach(run->mail.rows, at, row) run->bytes_all += number_of(row, "length");
    (void) snprintf(run->manifest->store, sizeof(run->manifest->store), "%s",
                    cli_last(&run->mail, "store"));
    row = json_array_get(run->mail.rows, json_array_size(run->mail.rows) - 1);
    run->manifest->lsn = number_of(row, "lsn");
    run->manifest->time_us = (int64_t) number_of(row, "time_us");
    return CLI_OK;
}

static enum rc copy_store(struct run *run, struct err *err)
{
    const json_t *row;
    size_t at;

    json_array_foreach(run->mail.rows, at, row)
    {
        enum rc rc = text_of(row, "path")[0] != '\0' ? store_file(run, row, err) : RC_OK;

        if (rc)
            return rc;
    }
    return RC_OK;
}

static int copy_credentials(struct run *run)
{
    char path[BACKUP_FILE_PATH];
    struct err err;
    enum rc rc;
    int code = cli_ask_open(run->args, "auth", &run->auth);

    if (code == CLI_OK)
        code = cli_ask(&run->auth, "backup", NULL, 0);
    if (code != CLI_OK)
        return code;
    (void) snprintf(path, sizeof(path), "%.3900s/auth/%.80s", run->data,
                    cli_last(&run->auth, "file"));
    rc = plain_file(run, path, "auth/auth.db", &err);
    (void) unlink(path); /* the next one replaces it */
    if (rc == RC_OK) {
        (void) snprintf(path, sizeof(path), "%.3900s/auth/pepper.key", run->data);
        rc = secret_file(run, path, "auth/pepper.key.sealed", &err);
    }
    return rc ? say(&err) : CLI_OK;
}

/* The first pair has no number. */
static enum rc copy_pair(struct run *run, size_t at, struct err *err)
{
    const struct config *config = run->config;
    char number[24] = "", name[64];
    enum rc rc;

    if (at > 0)
        (void) snprintf(number, sizeof(number), "-%zu", at + 1);
    (void) snprintf(name, sizeof(name), "etc/cert%s.pem", number);
    rc = plain_file(run, config->certificate.items[at], name, err);
    (void) snprintf(name, sizeof(name), "etc/key%s.pem.sealed", number);
    return rc == RC_OK ? secret_file(run, config->certificate_key.items[at], name, err) : rc;
}

static enum rc copy_config(struct run *run, struct err *err)
{
    const struct config *config = run->config;
    enum rc rc;

    if (config == NULL)
        return RC_OK;
    rc = plain_file(run, run->args->config, "etc/roost.conf", err);
    for (size_t i = 0; i < config->certificate.n && rc == RC_OK; i++)
        rc = copy_pair(run, i, err);
    if (!rc && config->passwd_file[0] != '\0')
        rc = secret_file(run, config->passwd_file, "etc/passwd.sealed", err);
    return rc;
}

/* Nothing was let go of while we copied: only then is it a backup. */
static int finish(struct run *run)
{
    struct err err;
    int code = cli_ask_data(&run->mail, SLICE("kept"));

    if (code == CLI_OK)
        code = cli_ask_row(&run->mail);
    if (code != CLI_OK)
        return code;
    if (strcmp(cli_last(&run->mail, "kept"), "yes") != 0) {
        (void) fprintf(stderr, "roost: the server could not wait any longer (time, or a full "
                               "disk); nothing was added\n");
        return CLI_FAILED;
    }
    run->manifest->has_secrets = run->has_key;
    if (backup_dir_add(&run->dir, run->manifest, &err) != RC_OK)
        return say(&err);
    run->manifest = NULL;
    code = cli_ask_data(&run->mail, SLICE("taken"));
    return code == CLI_OK ? cli_ask_end(&run->mail) : code;
}

static int prune(struct run *run, const char *keep, uint64_t *out_files)
{
    uint64_t n = 0;
    struct err err;

    if (keep == NULL || !slice_to_u64(slice_from_str(keep), &n))
        return CLI_OK;
    return backup_dir_prune(&run->dir, (size_t) n, out_files, &err) ? say(&err) : CLI_OK;
}

static void report(const struct run *run, uint64_t n_pruned, double seconds)
{
    const struct backup_manifest *newest = run->dir.manifests[run->dir.n - 1];
    char time[64];

    backup_time_text(newest->time_us, time, sizeof(time));
    if (run->args->json) {
        json_t *out = json_pack(
            "{ss ss sI sI sI sI sI sI sI sb sf}", "backup", newest->file, "time", time, "lsn",
            (json_int_t) newest->lsn, "files", (json_int_t) run->n_files, "bytes",
            (json_int_t) run->bytes_done, "new_files", (json_int_t) run->n_new, "new_bytes",
            (json_int_t) run->bytes_new, "pruned_files", (json_int_t) n_pruned, "backups",
            (json_int_t) run->dir.n, "secrets", newest->has_secrets, "seconds", seconds);

        (void) json_dumpf(out, stdout, JSON_INDENT(2));
        (void) fputc('\n', stdout);
        json_decref(out);
        return;
    }
    (void) printf("backup %s of %s: %llu files, %.1f MB, of which %llu new, %.1f MB; %.1f s\n",
                  newest->file, time, (unsigned long long) run->n_files,
                  (double) run->bytes_done / 1e6, (unsigned long long) run->n_new,
                  (double) run->bytes_new / 1e6, seconds);
    if (!newest->has_secrets)
        (void) printf("Without secrets: after a restore from it, app passwords do not fit any "
                      "more, and every device\nneeds a new one (`roost device add`).\n");
}

static int run_all(struct run *run, const char *path, const struct options *options)
{
    uint64_t n_pruned = 0;
    struct err err;
    double seconds;
    int code = ask_mail(run);

    if (code != CLI_OK)
        return code;
    if (backup_dir_open(path, run->manifest->store, true, &run->dir, &err) != RC_OK)
        return say(&err);
    if (copy_store(run, &err) != RC_OK)
        return say(&err);
    code = copy_credentials(run);
    if (code == CLI_OK && copy_config(run, &err) != RC_OK)
        code = say(&err);
    if (code == CLI_OK)
        code = finish(run);
    if (code == CLI_OK)
        code = prune(run, options->keep, &n_pruned);
    seconds = progress_end(&run->progress);
    if (code == CLI_OK)
        report(run, n_pruned, seconds);
    return code;
}

static int take_backup(const struct cli_args *args, const char *path,
                       const struct options *options)
{
    AUTO(config_freep) struct config *config = NULL;
    struct run *run;
    struct err err;
    uint64_t keep = 1;
    int code;

    if (args->data == NULL && cli_read_config(args->config, &config) != CLI_OK)
        return CLI_FAILED;
    if ((options->key_file == NULL) == !options->without_secrets)
        return cli_usage_error("backup", "either --key-file or --without-secrets is needed");
    if (options->keep != NULL &&
        (!slice_to_u64(slice_from_str(options->keep), &keep) || keep == 0))
        return cli_usage_error("backup", "--keep takes a number from 1 up");
    run = xcalloc(1, sizeof(*run));
    run->args = args;
    run->config = config;
    run->data = args->data != NULL ? args->data : config->data_dir;
    run->dir.lock = -1;
    run->manifest = backup_manifest_new();
    run->has_key = options->key_file != NULL;
    if (run->has_key && backup_key_read(options->key_file, &run->key, &err) != RC_OK) {
        code = say(&err);
    } else {
        progress_start(&run->progress, "files", args->json);
        code = run_all(run, path, options);
    }
    sodium_memzero(&run->key, sizeof(run->key));
    cli_ask_close(&run->mail);
    cli_ask_close(&run->auth);
    backup_manifest_free(run->manifest);
    backup_dir_close(&run->dir);
    free(run);
    return code;
}

/* ---- list ---- */

static uint64_t bytes_of(const struct backup_manifest *manifest)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < manifest->n; i++)
        bytes += manifest->entries[i].length;
    return bytes;
}

static int list_backups(const struct cli_args *args, const char *path)
{
    AUTO(backup_dir_close) struct backup_dir dir = {.lock = -1};
    json_t *rows;
    struct err err;

    if (backup_dir_open(path, NULL, false, &dir, &err) != RC_OK)
        return say(&err);
    rows = json_array();
    for (size_t i = 0; i < dir.n; i++) {
        const struct backup_manifest *manifest = dir.manifests[i];
        char time[64];

        backup_time_text(manifest->time_us, time, sizeof(time));
        (void) json_array_append_new(
            rows,
            json_pack("{ss ss sI sI sI sb}", "backup", manifest->file, "time", time, "lsn",
                      (json_int_t) manifest->lsn, "files", (json_int_t) manifest->n, "bytes",
                      (json_int_t) bytes_of(manifest), "secrets", manifest->has_secrets));
        if (!args->json)
            (void) printf("%s  %s  %zu files  %.1f MB%s\n", manifest->file, time, manifest->n,
                          (double) bytes_of(manifest) / 1e6,
                          manifest->has_secrets ? "" : "  without secrets");
    }
    for (size_t i = 0; i < dir.n_bad; i++)
        (void) fprintf(stderr, "roost: %s\n", dir.bad[i]);
    if (args->json) {
        (void) json_dumpf(rows, stdout, JSON_INDENT(2));
        (void) fputc('\n', stdout);
    }
    json_decref(rows);
    return dir.n_bad > 0 ? CLI_FAILED : CLI_OK;
}

int cmd_backup(int argc, char *const *argv)
{
    struct options options = {0};
    const struct cli_option known[] = {
        {"--key-file",        &options.key_file, NULL                    },
        {"--keep",            &options.keep,     NULL                    },
        {"--without-secrets", NULL,              &options.without_secrets},
        {"--quick",           NULL,              &options.quick          },
    };
    struct cli_args args;

    if (!cli_parse(argc, argv, known, COUNT(known), &args))
        return CLI_USAGE;
    if (args.help) {
        (void) fputs(usage, stdout);
        return CLI_OK;
    }
    if (sodium_init() < 0)
        die("libsodium cannot be used");
    if (args.n_words == 2 && strcmp(args.words[0], "list") == 0)
        return list_backups(&args, args.words[1]);
    if (args.n_words == 2 && strcmp(args.words[0], "verify") == 0)
        return backup_verify(&args, args.words[1], options.quick, options.key_file);
    if (args.n_words != 1)
        return cli_usage_error("backup", "a directory");
    return take_backup(&args, args.words[0], &options);
}
