/* cmd_group.c - `roost group`: groups of users, for rights and quota. */
#include "cli/request.h"

static const char intro[] =
    "usage: roost group ACTION ...\n\n"
    "A group stands for its members where rights on mailboxes are given (group:NAME) and may\n"
    "say how much each of them holds (\"roost quota set group:NAME\"). Groups have names of "
    "their\n"
    "own: there may be a user and a group of one name.\n";

static const struct cli_column list_columns[] = {
    {"group",     "GROUP",     CLI_TEXT  },
    {"members",   "MEMBERS",   CLI_NUMBER},
    {"storage",   "STORAGE",   CLI_TEXT  },
    {"messages",  "MESSAGES",  CLI_TEXT  },
    {"mailboxes", "MAILBOXES", CLI_TEXT  },
    {"created",   "CREATED",   CLI_TIME  },
};

static const struct cli_column member_columns[] = {
    {"member", "MEMBER", CLI_TEXT},
    {"kind",   "KIND",   CLI_TEXT},
};

static const char create_help[] = "  group create NAME\n"
                                  "      $ roost group create sales\n";

static const struct cli_request group_create = {
    .role = "auth",
    .verb = "group.create",
    .fields = {"group"},
    .n_fields = 1,
    .wants = "a name",
    .done = "created",
};

static const char delete_help[] =
    "  group delete NAME\n"
    "      What it gave to its members ends at once. Users stay.\n";

static const struct cli_request group_delete = {
    .role = "auth",
    .verb = "group.delete",
    .fields = {"group"},
    .n_fields = 1,
    .wants = "a group",
    .done = "deleted",
};

static const char list_help[] =
    "  group list [NAME]\n"
    "      All groups and what their members may hold; with NAME its members.\n";

static int group_list(int argc, char *const *argv)
{
    AUTO(cli_ask_close) struct cli_ask ask = {0};
    struct control_field group;
    struct cli_args args;
    int code;

    if (!cli_parse(argc, argv, NULL, 0, &args))
        return CLI_USAGE;
    if (args.n_words > 1)
        return cli_usage_error("group list", "at most one group");
    code = cli_ask_open(&args, "auth", &ask);
    if (code != CLI_OK)
        return code;
    if (args.n_words == 0) {
        code = cli_ask_all(&ask, "group.list");
        if (code == CLI_OK)
            cli_print_rows(&ask, list_columns, COUNT(list_columns), args.json);
        return code;
    }
    group = CONTROL_TEXT("group", slice_from_str(args.words[0]));
    code = cli_ask_all_of(&ask, "group.members", &group);
    if (code == CLI_OK)
        cli_print_rows(&ask, member_columns, COUNT(member_columns), args.json);
    return code;
}

/* One that is refused stops no other, and is named. */
static size_t change_each(struct cli_ask *ask, const struct cli_args *args, const char *verb,
                          const char *done)
{
    size_t n_done = 0;

    for (size_t i = 1; i < args->n_words; i++) {
        const struct control_field fields[] = {
            CONTROL_TEXT("group", slice_from_str(args->words[0])),
            CONTROL_TEXT("user", slice_from_str(args->words[i])),
        };

        if (cli_ask(ask, verb, fields, COUNT(fields)) == CLI_OK) {
            n_done++;
            continue;
        }
        (void) fprintf(stderr, "roost: not %s: ", done);
        cli_put_text(stderr, args->words[i]);
        (void) fputc('\n', stderr);
    }
    return n_done;
}

static int change_members(int argc, char *const *argv, const char *verb, const char *done)
{
    AUTO(cli_ask_close) struct cli_ask ask = {0};
    struct cli_args args;
    size_t n_done;

    if (!cli_parse(argc, argv, NULL, 0, &args))
        return CLI_USAGE;
    if (args.n_words < 2)
        return cli_usage_error(argv[0], "a group and one or more users");
    if (cli_ask_open(&args, "auth", &ask) != CLI_OK)
        return CLI_FAILED;
    n_done = change_each(&ask, &args, verb, done);
    if (n_done < args.n_words - 1)
        return n_done > 0 ? CLI_PARTLY : CLI_FAILED;
    (void) printf("%s\n", args.json ? "{}" : done);
    return CLI_OK;
}

static const char add_help[] = "  group add GROUP USER...\n"
                               "      Members may be shared accounts too. It counts at once,\n"
                               "      also in sessions that run. Exit code 3: one was\n"
                               "      refused and is named; the others are members.\n";

static int group_add(int argc, char *const *argv)
{
    return change_members(argc, argv, "group.add", "added");
}

static const char remove_help[] = "  group remove GROUP USER...\n";

static int group_remove(int argc, char *const *argv)
{
    return change_members(argc, argv, "group.remove", "removed");
}

int cmd_group(int argc, char *const *argv)
{
    static const struct cli_action actions[] = {
        {"create", create_help, .request = &group_create},
        {"delete", delete_help, .request = &group_delete},
        {"list",   list_help,   .run = group_list       },
        {"add",    add_help,    .run = group_add        },
        {"remove", remove_help, .run = group_remove     },
    };

    return cli_run_action(argc, argv, intro, actions, COUNT(actions));
}
