/* cmd_server_status.c - `roost status`: the server's processes, sessions and store. */
#include "cli/status_space.h"

static const char usage[] =
    "usage: roost status [--json]\n"
    "       roost status --space [--account USER | --accounts N] [--json]\n\n"
    "Each process of the running server with its pid, seconds since its start, restarts, and\n"
    "what confines it; then sessions and what the store holds, the last pass of the scrubber,\n"
    "and how many users still open their mailbox by account password (user list --legacy).\n"
    " The exit code is 1 if the server does not answer, so scripts can ask with it.\n"
    "\n"
    "With --space, what the mail takes, in bytes: RAW as it came in, STORED of it on disk,\n"
    "DEAD what compaction will take back, KEPT what can be undeleted (in RAW and STORED too),\n"
    "then journal, checkpoints and search index. With --account of one user, with --accounts\n"
    "of the N users that take most.\n";

static const struct cli_column role_columns[] = {
    {"role",       "ROLE",     CLI_TEXT  },
    {"index",      "NR",       CLI_NUMBER},
    {"pid",        "PID",      CLI_NUMBER},
    {"state",      "STATE",    CLI_TEXT  },
    {"uptime_sec", "SECONDS",  CLI_NUMBER},
    {"restarts",   "RESTARTS", CLI_NUMBER},
    {"sandbox",    "CONFINED", CLI_TEXT  },
};

static const struct cli_column store_columns[] = {
    {"sessions",         "SESSIONS",             CLI_NUMBER},
    {"state",            "STORE",                CLI_TEXT  },
    {"journal_bytes",    "JOURNAL",              CLI_NUMBER},
    {"unpacked_bytes",   "UNPACKED",             CLI_NUMBER},
    {"pack_bytes",       "PACKS",                CLI_NUMBER},
    {"checkpoint_bytes", "CHECKPOINTS",          CLI_NUMBER},
    {"bodies",           "MESSAGES SINCE START", CLI_NUMBER},
    {"commits",          "COMMITS",              CLI_NUMBER},
    {"batches",          "SYNCS",                CLI_NUMBER},
};

static const struct cli_column scrub_columns[] = {
    {"scrub_ended",    "LAST SCRUB", CLI_TIME  },
    {"scrub_findings", "FINDINGS",   CLI_NUMBER},
    {"scrub_bytes",    "BYTES READ", CLI_NUMBER},
    {"scrub_running",  "NOW",        CLI_NUMBER},
};

static const struct cli_column ship_columns[] = {
    {"to",        "AUDIT LOG TO", CLI_TEXT  },
    {"connected", "CONNECTED",    CLI_TEXT  },
    {"sent",      "SENT UP TO",   CLI_NUMBER},
    {"waiting",   "WAITING",      CLI_NUMBER},
    {"lag_sec",   "SECONDS",      CLI_NUMBER},
    {"error",     "WHY",          CLI_TEXT  },
};

static const struct cli_column legacy_columns[] = {
    {"until",  "ACCOUNT PASSWORDS UNTIL", CLI_TIME  },
    {"users",  "USED BY",                 CLI_NUMBER},
    {"recent", "IN 30 DAYS",              CLI_NUMBER},
};

static int fetch(const struct cli_args *args, const char *role, const char *verb,
                 struct cli_ask *out)
{
    int code = cli_ask_open(args, role, out);

    return code == CLI_OK ? cli_ask(out, verb, NULL, 0) : code;
}

int cmd_server_status(int argc, char *const *argv)
{
    AUTO(cli_ask_close) struct cli_ask roles = {0};
    AUTO(cli_ask_close) struct cli_ask store = {0};
    AUTO(cli_ask_close) struct cli_ask ship = {0};
    AUTO(cli_ask_close) struct cli_ask legacy = {0};
    const char *account = NULL, *top = NULL;
    bool space = false;
    const struct cli_option options[] = {
        {"--space",    NULL,     &space},
        {"--account",  &account, NULL  },
        {"--accounts", &top,     NULL  },
    };
    struct cli_args args;
    int code;

    if (!cli_parse(argc, argv, options, COUNT(options), &args))
        return CLI_USAGE;
    if (args.help) {
        (void) fputs(usage, stdout);
        return CLI_OK;
    }
    if (args.n_words != 0)
        return cli_usage_error("status", "no arguments");
    if ((account != NULL || top != NULL) && (!space || (account != NULL && top != NULL)))
        return cli_usage_error("status", "--account or --accounts, with --space");
    if (space)
        return cli_status_space(&args, account, top);
    code = fetch(&args, "supervisor", "status", &roles);
    if (code == CLI_OK)
        code = fetch(&args, "supervisor", "shipping", &ship);
    if (code == CLI_OK)
        code = fetch(&args, "mail", "status", &store);
    if (code != CLI_OK)
        return code;
    (void) fetch(&args, "auth", "user.legacy", &legacy); /* one that restarts is shown above */
    if (args.json) {
        (void) printf("{\"processes\": ");
        cli_print_rows(&roles, role_columns, COUNT(role_columns), true);
        (void) printf(", \"store\": ");
        cli_print_rows(&store, store_columns, COUNT(store_columns), true);
        (void) printf(", \"scrub\": ");
        cli_print_rows(&store, scrub_columns, COUNT(scrub_columns), true);
        (void) printf(", \"shipping\": ");
        cli_print_rows(&ship, ship_columns, COUNT(ship_columns), true);
        (void) printf(", \"account_passwords\": ");
        cli_print_rows(&legacy, legacy_columns, COUNT(legacy_columns), true);
        (void) printf("}\n");
        return CLI_OK;
    }
    cli_print_rows(&roles, role_columns, COUNT(role_columns), false);
    (void) fputc('\n', stdout);
    cli_print_rows(&store, store_columns, COUNT(store_columns), false);
    (void) fputc('\n', stdout);
    cli_print_rows(&store, scrub_columns, COUNT(scrub_columns), false);
    (void) fputc('\n', stdout);
    cli_print_rows(&legacy, legacy_columns, COUNT(legacy_columns), false);
    if (json_array_size(ship.rows) > 0) {
        (void) fputc('\n', stdout);
        cli_print_rows(&ship, ship_columns, COUNT(ship_columns), false);
    }
    return CLI_OK;
}
