/* cmd_alias.c - `roost alias`: addresses whose mail a user gets besides their own. */
#include "cli/name_verbs.h"

static const char intro[] =
    "usage: roost alias ACTION ...\n\n"
    "An alias receives mail for a user and does not log in. It is a full address, or a local\n"
    "part alone, which then holds in every domain of the server.\n";

static const struct cli_column columns[] = {
    {"address", "ADDRESS", CLI_TEXT},
    {"user",    "USER",    CLI_TEXT},
};

static const char add_help[] = "  alias add ADDRESS USER\n"
                               "      $ roost alias add sales@example.org anna\n";

static int alias_add(int argc, char *const *argv)
{
    AUTO(cli_ask_close) struct cli_ask ask = {0};
    struct cli_args args;
    int code;

    if (!cli_parse(argc, argv, NULL, 0, &args))
        return CLI_USAGE;
    if (args.n_words != 2)
        return cli_usage_error("alias add", "an address and a user");
    code = cli_ask_open(&args, "auth", &ask);
    if (code == CLI_OK) {
        const struct control_field fields[] = {
            CONTROL_TEXT("address", slice_from_str(args.words[0])),
            CONTROL_TEXT("user", slice_from_str(args.words[1])),
        };

        code = cli_ask(&ask, "alias.add", fields, COUNT(fields));
    }
    if (code == CLI_OK)
        (void) printf(args.json ? "{}\n" : "added\n");
    return code;
}

static const char list_help[] = "  alias list\n";

static int alias_list(int argc, char *const *argv)
{
    return cli_list_names(argc, argv, "alias.list", columns, COUNT(columns));
}

static const char delete_help[] = "  alias delete ADDRESS\n";

static int alias_delete(int argc, char *const *argv)
{
    return cli_change_name(argc, argv, "alias.delete", "address", "deleted");
}

int cmd_alias(int argc, char *const *argv)
{
    static const struct cli_action actions[] = {
        {"add",    add_help,    alias_add   },
        {"list",   list_help,   alias_list  },
        {"delete", delete_help, alias_delete},
    };

    return cli_run_action(argc, argv, intro, actions, COUNT(actions));
}
