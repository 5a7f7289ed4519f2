/* cmd_scrub.c - `roost scrub`: everything at rest is read and verified now. */
#include "cli/ask.h"
#include "cli/progress.h"

static const char usage[] =
    "usage: roost scrub [--json]\n\n"
    "Reads everything the running server has stored and verifies it: superblock, journal,\n"
    "checkpoints, packs, and the database of credentials. The server does the same by itself\n"
    "every two weeks, slowly, and daily with the credentials; \"roost status\" shows the last\n"
    "pass. Each finding is printed: its file and offset below DATA/mail (auth.db: below\n"
    "DATA/auth), whose mail it is (an account's id; 0: it cannot be told), and whether "
    "anything\n"
    "is lost. \"roost check\" then tells which messages. Exit code: 0 nothing found, 3 "
    "something.\n";

static const struct cli_column columns[] = {
    {"file",    "FILE",    CLI_TEXT  },
    {"offset",  "OFFSET",  CLI_NUMBER},
    {"what",    "WHAT",    CLI_TEXT  },
    {"account", "ACCOUNT", CLI_TEXT  },
    {"lost",    "LOST",    CLI_TEXT  },
};

/* The sum is the last row, and no finding: it is taken away. The bytes that were read. */
static uint64_t take_sum(struct cli_ask *ask)
{
    uint64_t bytes = 0;

    (void) slice_to_u64(slice_from_str(cli_last(ask, "bytes")), &bytes);
    (void) json_array_remove(ask->rows, json_array_size(ask->rows) - 1);
    return bytes;
}

static void print_result(const struct cli_ask *ask, uint64_t bytes, bool json)
{
    size_t n = json_array_size(ask->rows);

    if (json || n > 0)
        cli_print_rows(ask, columns, COUNT(columns), json);
    if (!json)
        (void) printf("%llu bytes read, %zu findings\n", (unsigned long long) bytes, n);
}

/* What auth finds joins what mail has found. */
static int scrub_credentials(const struct cli_args *args, struct cli_ask *mail, uint64_t *bytes)
{
    AUTO(cli_ask_close) struct cli_ask ask = {0};
    int code = cli_ask_open(args, "auth", &ask);

    if (code == CLI_OK)
        code = cli_ask(&ask, "scrub", NULL, 0);
    if (code != CLI_OK)
        return code;
    *bytes += take_sum(&ask);
    (void) json_array_extend(mail->rows, ask.rows);
    return CLI_OK;
}

static void tell(void *ctx, uint64_t done, uint64_t total)
{
    progress_tell(ctx, done, done, total);
}

int cmd_scrub(int argc, char *const *argv)
{
    AUTO(cli_ask_close) struct cli_ask ask = {0};
    struct progress progress;
    const struct cli_taker taker = {.progress = tell, .ctx = &progress};
    struct cli_args args;
    uint64_t bytes;
    int code;

    if (!cli_parse(argc, argv, NULL, 0, &args))
        return CLI_USAGE;
    if (args.help) {
        (void) fputs(usage, stdout);
        return CLI_OK;
    }
    if (args.n_words != 0)
        return cli_usage_error("scrub", "no arguments");
    code = cli_ask_open(&args, "mail", &ask);
    if (code == CLI_OK)
        code = cli_ask_begin(&ask, "scrub", NULL, 0);
    if (code != CLI_OK)
        return code;
    progress_start(&progress, "bytes", args.json);
    code = cli_ask_take(&ask, &taker);
    (void) progress_end(&progress);
    if (code != CLI_OK)
        return code;
    bytes = take_sum(&ask);
    code = scrub_credentials(&args, &ask, &bytes);
    print_result(&ask, bytes, args.json);
    return code == CLI_OK && json_array_size(ask.rows) > 0 ? CLI_PARTLY : code;
}
