/* cmd_scrub.c - `roost scrub`: everything at rest is read and verified now. */
#include "cli/ask.h"
#include "cli/progress.h"

static const char usage[] =
    "usage: roost scrub [--json]\n\n"
    "Reads everything the running server has stored and verifies it: superblock, journal,\n"
    "checkpoints, packs. The server does the same by itself every two weeks, slowly; \"roost\n"
    "status\" shows the last pass. Each finding is printed: its file and offset below\n"
    "DATA/mail, whose mail it is (an account's id; 0: it cannot be told), and whether "
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

/* The sum is the last row, and no finding. */
static int print_result(struct cli_ask *ask, bool json)
{
    size_t n = json_array_size(ask->rows) - 1;
    json_t *sum = json_incref(json_array_get(ask->rows, n));
    const char *bytes = json_string_value(json_object_get(sum, "bytes"));

    (void) json_array_remove(ask->rows, n);
    if (json || n > 0)
        cli_print_rows(ask, columns, COUNT(columns), json);
    if (!json)
        (void) printf("%s bytes read, %zu findings\n", bytes != NULL ? bytes : "0", n);
    json_decref(sum);
    return n > 0 ? CLI_PARTLY : CLI_OK;
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
    return code == CLI_OK ? print_result(&ask, args.json) : code;
}
