/* cmd_audit.c - `roost audit`: is the audit log as it was written, and by which key. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/base64.h"
#include "cli/ask.h"
#include "config/config.h"
#include "events/audit_files.h"
#include "events/audit_verify.h"
#include "roles/role.h"

#define PATH_BYTES 4096u

static const char usage[] =
    "usage: roost audit verify [--data DIR] [--key FILE] [--at EVENT:CHAIN] [--json]\n"
    "       roost audit key [--data DIR] [--json]\n\n"
    "verify reads the audit log of the data directory, DATA/audit, and prints whatever is not "
    "as it\n"
    "was written: lines that were changed, added, moved or removed, signatures by another "
    "key, an end\n"
    "that is missing. Run it as root or as the log's user.\n"
    "\n"
    "  --key FILE        the public key, as `roost audit key` printed it once; without it the "
    "one\n"
    "                    beside the log is believed\n"
    "  --at EVENT:CHAIN  a line that is known from elsewhere: event.sequence and roost.chain\n"
    "\n"
    "key prints the public key. Keep it on another machine.\n\n"
    "Exit code: 0 the log is whole, 3 it is not, 1 it could not be read.\n";

struct verify {
    bool json;
    json_t *findings;
};

static void on_finding(void *ctx, const char *file, uint64_t line, const char *what)
{
    struct verify *verify = ctx;

    if (verify->json)
        (void) json_array_append_new(
            verify->findings,
            json_pack("{ss sI ss}", "file", file, "line", (json_int_t) line, "what", what));
    else if (line > 0)
        (void) printf("%s:%llu: %s\n", file, (unsigned long long) line, what);
    else
        (void) printf("%s\n", what);
}

static enum rc open_folder(const char *path, int *out, struct err *err)
{
    *out = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*out < 0)
        return err_set(err, RC_IO, "No audit log", "%s: %s", path, strerror(errno));
    return RC_OK;
}

static enum rc read_at(const char *text, struct audit_mark *out, struct err *err)
{
    struct scan sc = scan_of(slice_from_str(text));

    if (!scan_u64(&sc, UINT64_MAX, &out->sequence) || !scan_byte(&sc, ':') ||
        !audit_unhex(scan_rest(&sc), out->chain, sizeof(out->chain)))
        return err_set(err, RC_INVALID, "Bad --at",
                       "--at wants EVENT:CHAIN, a number and 64 hexadecimal digits");
    return RC_OK;
}

static void print_report(const char *path, const struct audit_report *report,
                         struct verify *verify)
{
    char chain[2 * AUDIT_CHAIN_BYTES + 1];

    (void) sodium_bin2hex(chain, sizeof(chain), report->newest.chain, AUDIT_CHAIN_BYTES);
    if (verify->json) {
        json_t *out = json_pack(
            "{ss sI sI sI sI sI sI ss so}", "folder", path, "files",
            (json_int_t) report->n_files, "events", (json_int_t) report->n_events, "first",
            (json_int_t) report->first, "last", (json_int_t) report->last, "signed_up_to",
            (json_int_t) report->newest.sequence, "unsigned", (json_int_t) report->n_unsigned,
            "chain", chain, "findings", json_incref(verify->findings));

        (void) json_dumpf(out, stdout, JSON_INDENT(2));
        (void) fputc('\n', stdout);
        json_decref(out);
        return;
    }
    (void) printf("%s: %llu events in %llu files, %llu to %llu, signed up to %llu:%s\n", path,
                  (unsigned long long) report->n_events, (unsigned long long) report->n_files,
                  (unsigned long long) report->first, (unsigned long long) report->last,
                  (unsigned long long) report->newest.sequence, chain);
    if (report->n_unsigned > 0)
        (void) printf("%llu events behind that are not signed yet\n",
                      (unsigned long long) report->n_unsigned);
    (void) printf(report->n_findings == 0 ? "whole\n" : "NOT WHOLE\n");
}

static int refuse(const struct err *err)
{
    (void) fprintf(stderr, "roost: %s\n", err->detail);
    return CLI_FAILED;
}

static int verify_log(const char *path, const char *key, const char *at, bool json)
{
    AUTO(closep) int folder = -1;
    unsigned char public_key[AUDIT_PUBLIC_KEY_BYTES];
    struct verify verify = {.json = json, .findings = json_array()};
    struct audit_mark known;
    struct audit_verify_options options = {.public_key = public_key,
                                           .at = at != NULL ? &known : NULL,
                                           .finding = on_finding,
                                           .ctx = &verify};
    struct audit_report report = {0};
    struct err err;
    enum rc rc = open_folder(path, &folder, &err);

    if (!rc && at != NULL)
        rc = read_at(at, &known, &err);
    if (!rc)
        rc = audit_public_key_read(key != NULL ? AT_FDCWD : folder,
                                   key != NULL ? key : "key.pub", public_key, &err);
    if (!rc)
        rc = audit_verify(folder, &options, &report, &err);
    if (!rc)
        print_report(path, &report, &verify);
    json_decref(verify.findings);
    if (rc)
        return refuse(&err);
    return report.n_findings == 0 ? CLI_OK : CLI_PARTLY;
}

static int print_key(const char *path, bool json)
{
    AUTO(closep) int folder = -1;
    AUTO(buf_done) struct buf text = {0};
    unsigned char public_key[AUDIT_PUBLIC_KEY_BYTES];
    struct err err;
    enum rc rc = open_folder(path, &folder, &err);

    if (!rc)
        rc = audit_public_key_read(folder, "key.pub", public_key, &err);
    if (rc)
        return refuse(&err);
    buf_init(&text, 64);
    base64_encode(&text, slice_of((const char *) public_key, sizeof(public_key)));
    (void) printf(json ? "{\"key\": \"%.*s\"}\n" : "%.*s\n", (int) text.len, text.ptr);
    return CLI_OK;
}

int cmd_audit(int argc, char *const *argv)
{
    AUTO(config_freep) struct config *config = NULL;
    const char *key = NULL, *at = NULL;
    const struct cli_option options[] = {
        {"--key", &key, NULL},
        {"--at",  &at,  NULL},
    };
    char path[PATH_BYTES];
    struct cli_args args;

    if (!cli_parse(argc, argv, options, COUNT(options), &args))
        return CLI_USAGE;
    if (args.help) {
        (void) fputs(usage, stdout);
        return CLI_OK;
    }
    if (args.n_words != 1)
        return cli_usage_error("audit", "verify or key");
    if (args.data == NULL && cli_read_config(args.config, &config) != CLI_OK)
        return CLI_FAILED;
    (void) snprintf(path, sizeof(path), "%s/" ROLE_LOG_DIR,
                    args.data != NULL ? args.data : config->data_dir);
    if (sodium_init() < 0)
        die("libsodium cannot be set up");
    if (strcmp(args.words[0], "verify") == 0)
        return verify_log(path, key, at, args.json);
    if (strcmp(args.words[0], "key") == 0)
        return print_key(path, args.json);
    return cli_usage_error("audit", "verify or key");
}
