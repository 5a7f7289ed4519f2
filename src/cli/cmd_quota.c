/* cmd_quota.c - `roost quota`: how much an account may hold. */
#include "base/size.h"
#include "cli/request.h"

#define GROUP_PREFIX     "group:"
#define LIMIT_TEXT_BYTES 24u
#define QUOTA_FIELDS     4u /* storage, messages, mailboxes, annotations */
#define GROUP_FIELDS     3u /* the first of them */

static const char intro[] = "usage: roost quota ACTION ...\n\n"
                            "A limit of an account itself counts first, then the largest of "
                            "its groups' limits, then the\n"
                            "configuration's (quota_storage, quota_messages, quota_mailboxes, "
                            "quota_annotations). What would\n"
                            "go beyond it is refused; deleting and moving always work.\n";

static const struct cli_column columns[] = {
    {"resource", "RESOURCE", CLI_TEXT  },
    {"used",     "USED",     CLI_NUMBER},
    {"limit",    "LIMIT",    CLI_TEXT  },
    {"own",      "OWN",      CLI_TEXT  },
};

static const char list_help[] =
    "  quota list USER\n"
    "      What the user, or shared account, holds and may hold: storage and annotations in "
    "bytes.\n"
    "      OWN: the limit is the account's, not a group's or the configuration's.\n";

static const struct cli_request quota_list = {
    .role = "mail",
    .verb = "quota.list",
    .fields = {"user"},
    .n_fields = 1,
    .wants = "one user",
    .columns = columns,
    .n_columns = COUNT(columns),
};

/* "5G" as a number of bytes; words as they are. False: neither. */
static bool read_limit(struct slice text, char out[LIMIT_TEXT_BYTES])
{
    uint64_t value;

    if (slice_eq(text, SLICE("none")) || slice_eq(text, SLICE("unlimited"))) {
        (void) snprintf(out, LIMIT_TEXT_BYTES, "%.*s", SLICE_ARG(text));
        return true;
    }
    if (!size_parse(text, &value))
        return false;
    (void) snprintf(out, LIMIT_TEXT_BYTES, "%llu", (unsigned long long) value);
    return true;
}

/* "storage=5G" as a field. */
static bool read_word(const char *word, size_t n_names, char room[LIMIT_TEXT_BYTES],
                      struct control_field *out)
{
    static const char *const names[QUOTA_FIELDS] = {"storage", "messages", "mailboxes",
                                                    "annotations"};
    struct slice text = slice_from_str(word);
    size_t at = slice_find(text, '=');

    for (size_t i = 0; at < text.len && i < n_names; i++) {
        if (!slice_eq(slice_sub(text, 0, at), slice_from_str(names[i])))
            continue;
        if (!read_limit(slice_from(text, at + 1), room))
            return false;
        *out = (struct control_field){slice_from_str(names[i]), slice_from_str(room)};
        return true;
    }
    return false;
}

static const char set_help[] =
    "  quota set USER|group:NAME [storage=SIZE] [messages=N] [mailboxes=N]\n"
    "            [annotations=SIZE]\n"
    "      annotations: those beside messages; not of groups. SIZE in bytes, or with K, M, G "
    "or T. \"unlimited\": no limit, whatever the groups "
    "and\n"
    "      the configuration say; \"none\": this account or group says nothing about it.\n"
    "      $ roost quota set anna storage=5G\n"
    "      $ roost quota set group:sales storage=20G messages=unlimited\n";

static int quota_set(int argc, char *const *argv)
{
    AUTO(cli_ask_close) struct cli_ask ask = {0};
    char rooms[QUOTA_FIELDS][LIMIT_TEXT_BYTES];
    struct control_field fields[1 + QUOTA_FIELDS];
    struct cli_args args;
    bool group;
    int code;

    if (!cli_parse(argc, argv, NULL, 0, &args))
        return CLI_USAGE;
    if (args.n_words < 2 || args.n_words > 1 + QUOTA_FIELDS)
        return cli_usage_error("quota set", "a user or group:NAME, and limits");
    group = strncmp(args.words[0], GROUP_PREFIX, strlen(GROUP_PREFIX)) == 0;
    fields[0] =
        group ? CONTROL_TEXT("group", slice_from_str(args.words[0] + strlen(GROUP_PREFIX)))
              : CONTROL_TEXT("user", slice_from_str(args.words[0]));
    for (size_t i = 1; i < args.n_words; i++)
        if (!read_word(args.words[i], group ? GROUP_FIELDS : QUOTA_FIELDS, rooms[i - 1],
                       &fields[i]))
            return cli_usage_error("quota set", "limits are such as storage=5G messages=1000 "
                                                "mailboxes=unlimited");
    code = cli_ask_open(&args, group ? "auth" : "mail", &ask);
    if (code == CLI_OK)
        code = cli_ask(&ask, group ? "group.limit" : "quota.set", fields, args.n_words);
    if (code == CLI_OK)
        (void) printf("%s\n", args.json ? "{}" : "set");
    return code;
}

int cmd_quota(int argc, char *const *argv)
{
    static const struct cli_action actions[] = {
        {"list", list_help, .request = &quota_list},
        {"set",  set_help,  .run = quota_set      },
    };

    return cli_run_action(argc, argv, intro, actions, COUNT(actions));
}
