/*
 * cmd_check.c - `roost check`: is all mail there, and what is lost; by the server while it
 * runs, or by this process when it does not (--offline).
 */
#include "cli/ask.h"
#include "cli/progress.h"
#include "roles/check_rows.h"
#include "roles/data_dir.h"

#define PATH_BYTES 4096u

static const char usage[] =
    "usage: roost check [--account USER] [--repair] [--offline] [--json]\n\n"
    "Opens every account and reads every message that it says it has. What is lost is "
    "printed:\n"
    "an account that does not open, a mailbox whose list of messages is damaged, a message "
    "whose\n"
    "bytes are damaged or missing, with its UID, date and size. Others are served meanwhile.\n"
    "\n"
    "  --account USER  only this one; with --offline the account's id, a number\n"
    "  --repair        make accounts that do not open, and mailboxes that do not load, anew "
    "from\n"
    "                  the messages that can be found\n"
    "                  (docs/operating.md says what that brings back)\n"
    "  --offline       the server is stopped: this process opens the store. With --repair a\n"
    "                  journal that is damaged in its middle, with which no server starts, is\n"
    "                  salvaged first; what that costs is printed\n"
    "\n"
    "Exit code: 0 all is there, 3 something is lost or was repaired, 1 it could not be "
    "checked.\n";

static const struct cli_column columns[] = {
    {"lost",     "LOST",     CLI_TEXT  },
    {"account",  "ACCOUNT",  CLI_TEXT  },
    {"mailbox",  "MAILBOX",  CLI_TEXT  },
    {"uid",      "UID",      CLI_NUMBER},
    {"messages", "MESSAGES", CLI_NUMBER},
    {"size",     "BYTES",    CLI_NUMBER},
    {"date",     "DATE",     CLI_TIME  },
    {"error",    "WHY",      CLI_TEXT  },
};

static const struct cli_column sum_columns[] = {
    {"accounts",       "ACCOUNTS",       CLI_NUMBER},
    {"mailboxes",      "MAILBOXES",      CLI_NUMBER},
    {"messages",       "MESSAGES",       CLI_NUMBER},
    {"bytes",          "BYTES",          CLI_NUMBER},
    {"lost_accounts",  "LOST ACCOUNTS",  CLI_NUMBER},
    {"lost_mailboxes", "LOST MAILBOXES", CLI_NUMBER},
    {"lost_messages",  "LOST MESSAGES",  CLI_NUMBER},
    {"repaired",       "REPAIRED",       CLI_NUMBER},
};

static void tell(void *ctx, uint64_t done, uint64_t total)
{
    (void) total;
    progress_tell(ctx, done, 0, 0);
}

static bool is_zero(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));

    return text == NULL || strcmp(text, "0") == 0;
}

/* Rows of losses, and the sum behind them. */
static int print_result(struct cli_ask *ask, bool json)
{
    size_t n = json_array_size(ask->rows) - 1;
    json_t *sum = json_incref(json_array_get(ask->rows, n));
    bool is_whole = n == 0 && is_zero(sum, "repaired");

    (void) json_array_remove(ask->rows, n);
    if (json)
        (void) printf("{\"losses\": ");
    if (json || n > 0)
        cli_print_rows(ask, columns, COUNT(columns), json);
    (void) json_array_clear(ask->rows);
    (void) json_array_append_new(ask->rows, sum);
    (void) printf(json ? ", \"sum\": " : n > 0 ? "\n" : "");
    cli_print_rows(ask, sum_columns, COUNT(sum_columns), json);
    if (json)
        (void) printf("}\n");
    return is_whole ? CLI_OK : CLI_PARTLY;
}

static int check_online(const struct cli_args *args, const char *user, bool repair)
{
    AUTO(cli_ask_close) struct cli_ask ask = {0};
    struct progress progress;
    const struct cli_taker taker = {.progress = tell, .ctx = &progress};
    const struct control_field fields[] = {
        CONTROL_TEXT("repair", repair ? SLICE("yes") : SLICE("no")),
        CONTROL_TEXT("user", slice_from_str(user != NULL ? user : "")),
    };
    int code = cli_ask_open(args, "mail", &ask);

    if (code == CLI_OK)
        code = cli_ask_begin(&ask, "check", fields, COUNT(fields));
    if (code != CLI_OK)
        return code;
    progress_start(&progress, "messages", args->json);
    code = cli_ask_take(&ask, &taker);
    (void) progress_end(&progress);
    return code == CLI_OK ? print_result(&ask, args->json) : code;
}

/* ---- without a server ---- */

struct offline {
    struct cli_ask ask; /* its rows only */
    struct progress progress;
    uint64_t account;
    bool json, repair;
};

static void keep(void *ctx, const struct control_field *fields, size_t n)
{
    struct offline *offline = ctx;

    cli_keep_row(&offline->ask, fields, n);
}

static bool goes_on(void *ctx, uint64_t messages)
{
    struct offline *offline = ctx;

    progress_tell(&offline->progress, messages, 0, 0);
    return true;
}

/* In the process of the folder's owner. */
static int run_offline(const char *path, void *ctx)
{
    struct offline *offline = ctx;
    const struct check_out out = {keep, goes_on, offline};
    struct err err;
    enum rc rc;

    progress_start(&offline->progress, "messages", offline->json);
    rc = check_rows_offline(path, offline->account, offline->repair, &out, &err);
    (void) progress_end(&offline->progress);
    if (rc == RC_OK)
        return print_result(&offline->ask, offline->json);
    (void) fprintf(stderr, "roost: %s (%s)\n", err.text, err.detail);
    return CLI_FAILED;
}

static int check_offline(const struct cli_args *args, const char *account, bool repair)
{
    struct offline offline = {.json = args->json, .repair = repair};
    char data[PATH_BYTES];
    struct err err;
    int code;

    if (account != NULL && !slice_to_u64(slice_from_str(account), &offline.account))
        return cli_usage_error("check", "with --offline the id of an account, a number");
    code = cli_data_dir(args, data, sizeof(data));
    if (code != CLI_OK)
        return code;
    if (data_dir_with_store(data, run_offline, &offline, &code, &err) != RC_OK) {
        (void) fprintf(stderr, "roost: %s\n", err.detail);
        return CLI_FAILED;
    }
    return code;
}

int cmd_check(int argc, char *const *argv)
{
    const char *user = NULL;
    bool repair = false, offline = false;
    const struct cli_option options[] = {
        {"--account", &user, NULL    },
        {"--repair",  NULL,  &repair },
        {"--offline", NULL,  &offline},
    };
    struct cli_args args;

    if (!cli_parse(argc, argv, options, COUNT(options), &args))
        return CLI_USAGE;
    if (args.help) {
        (void) fputs(usage, stdout);
        return CLI_OK;
    }
    if (args.n_words != 0)
        return cli_usage_error("check", "options only");
    return offline ? check_offline(&args, user, repair) : check_online(&args, user, repair);
}
