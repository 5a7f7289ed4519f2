/* cmd_domain.c - `roost domain`: mail domains besides the configured ones, and catch-alls. */
#include "cli/request.h"

static const char intro[] =
    "usage: roost domain ACTION ...\n\n"
    "In a domain of the server the part before the @ alone names a user. Domains stand in the\n"
    "configuration, or are added here while it runs.\n";

static const struct cli_column columns[] = {
    {"domain",    "DOMAIN",    CLI_TEXT},
    {"catch_all", "CATCH-ALL", CLI_TEXT},
    {"source",    "SOURCE",    CLI_TEXT},
};

static const char add_help[] =
    "  domain add DOMAIN [--catch-all USER]\n"
    "      USER gets the mail for names that nobody has. Adding a domain again changes that.\n"
    "      $ roost domain add example.org --catch-all anna\n";

static int domain_add(int argc, char *const *argv)
{
    AUTO(cli_ask_close) struct cli_ask ask = {0};
    const char *catch_all = "";
    const struct cli_option options[] = {
        {"--catch-all", &catch_all, NULL}
    };
    struct cli_args args;
    int code;

    if (!cli_parse(argc, argv, options, COUNT(options), &args))
        return CLI_USAGE;
    if (args.n_words != 1)
        return cli_usage_error("domain add", "one domain");
    code = cli_ask_open(&args, "auth", &ask);
    if (code == CLI_OK) {
        const struct control_field fields[] = {
            CONTROL_TEXT("domain", slice_from_str(args.words[0])),
            CONTROL_TEXT("catch_all", slice_from_str(catch_all)),
        };

        code = cli_ask(&ask, "domain.add", fields, COUNT(fields));
    }
    if (code == CLI_OK)
        (void) printf(args.json ? "{}\n" : "added\n");
    return code;
}

static const char list_help[] = "  domain list\n";

static const struct cli_request domain_list = {
    .role = "auth",
    .verb = "domain.list",
    .wants = "no arguments",
    .has_pages = true,
    .columns = columns,
    .n_columns = COUNT(columns),
};

static const char delete_help[] =
    "  domain delete DOMAIN\n"
    "      A configured domain is removed in the configuration.\n";

static const struct cli_request domain_delete = {
    .role = "auth",
    .verb = "domain.delete",
    .fields = {"domain"},
    .n_fields = 1,
    .wants = "a domain",
    .done = "deleted",
};

int cmd_domain(int argc, char *const *argv)
{
    static const struct cli_action actions[] = {
        {"add",    add_help,    .run = domain_add        },
        {"list",   list_help,   .request = &domain_list  },
        {"delete", delete_help, .request = &domain_delete},
    };

    return cli_run_action(argc, argv, intro, actions, COUNT(actions));
}
