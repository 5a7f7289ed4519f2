/* cmd_session.c - `roost session`: who is logged in. */
#include "cli/ask.h"

static const char intro[] = "usage: roost session ACTION ...\n\n"
                            "Mail programs that are logged in now.\n";

static const struct cli_column columns[] = {
    {"session",     "SESSION", CLI_TEXT  },
    {"user",        "USER",    CLI_TEXT  },
    {"address",     "FROM",    CLI_TEXT  },
    {"tls",         "TLS",     CLI_TEXT  },
    {"device_name", "DEVICE",  CLI_TEXT  },
    {"age_sec",     "SECONDS", CLI_NUMBER},
    {"quiet_sec",   "QUIET",   CLI_NUMBER},
    {"idle",        "IDLE",    CLI_TEXT  },
    {"client",      "CLIENT",  CLI_TEXT  },
};

static const struct cli_column ended_columns[] = {
    {"ended", "ENDED", CLI_NUMBER},
};

static const char list_help[] =
    "  session list [USER]\n"
    "      All of them, or one user's. QUIET: seconds since the last command.\n";

static bool is_users(const json_t *row, const char *user)
{
    const char *of = json_string_value(json_object_get(row, "user"));

    return of != NULL && slice_eq_nocase(slice_from_str(of), slice_from_str(user));
}

static int session_list(int argc, char *const *argv)
{
    AUTO(cli_ask_close) struct cli_ask ask = {0};
    struct cli_args args;
    int code;

    if (!cli_parse(argc, argv, NULL, 0, &args))
        return CLI_USAGE;
    if (args.n_words > 1)
        return cli_usage_error("session list", "at most one user");
    code = cli_ask_open(&args, "mail", &ask);
    if (code == CLI_OK)
        code = cli_ask(&ask, "session.list", NULL, 0);
    if (code != CLI_OK)
        return code;
    for (size_t i = json_array_size(ask.rows); args.n_words == 1 && i > 0; i--)
        if (!is_users(json_array_get(ask.rows, i - 1), args.words[0]))
            (void) json_array_remove(ask.rows, i - 1);
    cli_print_rows(&ask, columns, COUNT(columns), args.json);
    return CLI_OK;
}

static const char kick_help[] =
    "  session kick SESSION | --user USER\n"
    "      End one session, by the number \"session list\" shows, or all of a user. The mail\n"
    "      program may log in again; \"user disable\" and \"device revoke\" prevent that.\n"
    "      $ roost session kick --user anna\n";

static int session_kick(int argc, char *const *argv)
{
    AUTO(cli_ask_close) struct cli_ask ask = {0};
    const char *user = NULL;
    const struct cli_option options[] = {
        {"--user", &user, NULL},
    };
    struct cli_args args;
    int code;

    if (!cli_parse(argc, argv, options, COUNT(options), &args))
        return CLI_USAGE;
    if (args.n_words + (user != NULL) != 1)
        return cli_usage_error("session kick", "the number of a session, or --user USER");
    code = cli_ask_open(&args, "mail", &ask);
    if (code == CLI_OK) {
        const struct control_field field =
            user != NULL ? CONTROL_TEXT("user", slice_from_str(user))
                         : CONTROL_TEXT("session", slice_from_str(args.words[0]));

        code = cli_ask(&ask, "session.kick", &field, 1);
    }
    if (code == CLI_OK)
        cli_print_rows(&ask, ended_columns, COUNT(ended_columns), args.json);
    return code;
}

int cmd_session(int argc, char *const *argv)
{
    static const struct cli_action actions[] = {
        {"list", list_help, .run = session_list},
        {"kick", kick_help, .run = session_kick},
    };

    return cli_run_action(argc, argv, intro, actions, COUNT(actions));
}
