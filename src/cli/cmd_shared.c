/* cmd_shared.c - `roost shared`: accounts that belong to nobody. */
#include "base/scan.h"
#include "cli/request.h"

static const char intro[] =
    "usage: roost shared ACTION ...\n\n"
    "A shared account has mailboxes and receives mail by its name and aliases, and nobody "
    "logs\n"
    "in as it. Users see those of its mailboxes on which they have rights, under\n"
    "\"Shared Folders/NAME\"; \"roost mailbox acl\" gives rights.\n";

static const struct cli_column columns[] = {
    {"name",    "NAME",    CLI_TEXT},
    {"created", "CREATED", CLI_TIME},
};

static const char create_help[] =
    "  shared create NAME [--admin USER[,USER...]] [--apart]\n"
    "      Its name shares a name space with users. --admin gives these users (or group:NAME)\n"
    "      all rights on its INBOX, so that they can give rights to others by a mail program.\n"
    "      --apart: also if mail to that address goes to a user by its local part.\n"
    "      $ roost shared create info@example.org --admin anna\n";

static int add_admin(struct cli_ask *mail, const char *name, struct slice admin)
{
    const struct control_field fields[] = {
        CONTROL_TEXT("user", slice_from_str(name)),
        CONTROL_TEXT("mailbox", SLICE("INBOX")),
        CONTROL_TEXT("identifier", admin),
        CONTROL_TEXT("rights", SLICE("all")),
    };

    return cli_ask(mail, "acl.set", fields, COUNT(fields));
}

/* The account is there; who cannot be made its administrator is named, and the others are. */
static int add_admins(const struct cli_args *args, const char *admins)
{
    AUTO(cli_ask_close) struct cli_ask mail = {0};
    struct scan sc = scan_of(slice_from_str(admins));
    struct slice admin;
    int code = cli_ask_open(args, "mail", &mail);
    bool all = code == CLI_OK;

    while (code == CLI_OK && !scan_done(&sc)) {
        if (!scan_until(&sc, ',', &admin) && !scan_take(&sc, scan_left(&sc), &admin))
            break;
        (void) scan_byte(&sc, ',');
        if (admin.len > 0 && add_admin(&mail, args->words[0], admin) != CLI_OK) {
            (void) fprintf(stderr, "roost: %.*s is no administrator of it\n", SLICE_ARG(admin));
            all = false;
        }
    }
    return all ? CLI_OK : CLI_PARTLY;
}

static int shared_create(int argc, char *const *argv)
{
    AUTO(cli_ask_close) struct cli_ask auth = {0};
    const char *admins = "";
    bool apart = false;
    const struct cli_option options[] = {
        {"--admin", &admins, NULL  },
        {"--apart", NULL,    &apart}
    };
    struct cli_args args;
    int code;

    if (!cli_parse(argc, argv, options, COUNT(options), &args))
        return CLI_USAGE;
    if (args.n_words != 1)
        return cli_usage_error("shared create", "one name");
    code = cli_ask_open(&args, "auth", &auth);
    if (code == CLI_OK) {
        const struct control_field fields[] = {
            CONTROL_TEXT("name", slice_from_str(args.words[0])),
            CONTROL_TEXT("apart", SLICE("yes")),
        };

        code = cli_ask(&auth, "shared.create", fields, apart ? 2 : 1);
    }
    if (code == CLI_OK && admins[0] != '\0')
        code = add_admins(&args, admins);
    if (code == CLI_OK || code == CLI_PARTLY)
        (void) printf("%s\n", args.json ? "{}" : "created");
    return code;
}

static const char list_help[] = "  shared list\n";

static const struct cli_request shared_list = {
    .role = "auth",
    .verb = "shared.list",
    .wants = "no arguments",
    .has_pages = true,
    .columns = columns,
    .n_columns = COUNT(columns),
};

static const char delete_help[] = "  shared delete NAME --yes\n"
                                  "      With its mail and aliases, for good.\n";

static const struct cli_request shared_delete = {
    .role = "auth",
    .verb = "shared.delete",
    .fields = {"name"},
    .n_fields = 1,
    .wants = "one shared account",
    .is_final = true,
    .done = "deleted",
};

int cmd_shared(int argc, char *const *argv)
{
    static const struct cli_action actions[] = {
        {"create", create_help, .run = shared_create     },
        {"list",   list_help,   .request = &shared_list  },
        {"delete", delete_help, .request = &shared_delete},
    };

    return cli_run_action(argc, argv, intro, actions, COUNT(actions));
}
