/*
 * cmd_quarantine.c - `roost quarantine`: accounts that took the mail process down again and
 * again, and are out of service until an administrator says otherwise.
 *
 * The supervisor knows accounts by their numbers, auth by their names.
 */
#include <inttypes.h>

#include "cli/ask.h"

#define ACCOUNT_HEX_BYTES 17

static const char intro[] =
    "usage: roost quarantine ACTION ...\n\n"
    "An account whose commands were running in three crashes of the mail process within\n"
    "five minutes is out of service, so that the others are served. It stays so, also after\n"
    "a restart, until it is cleared.\n";

static const struct cli_column columns[] = {
    {"user",    "USER",    CLI_TEXT},
    {"account", "ACCOUNT", CLI_TEXT},
};

static const char *text_of(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));

    return text != NULL ? text : "";
}

static void set_text(json_t *row, const char *key, const char *text)
{
    if (json_object_set_new(row, key, json_string(text)) != 0)
        die("out of memory");
}

static void account_hex(const char *decimal, char out[ACCOUNT_HEX_BYTES])
{
    uint64_t account = 0;

    (void) slice_to_u64(slice_from_str(decimal), &account); /* the server's own */
    (void) snprintf(out, ACCOUNT_HEX_BYTES, "%016" PRIx64, account);
}

static const char *name_of(const struct cli_ask *users, const char *account)
{
    const json_t *row;
    size_t i;

    json_array_foreach(users->rows, i, row)
    {
        if (strcmp(text_of(row, "account"), account) == 0)
            return text_of(row, "user");
    }
    return "(deleted)";
}

/* Rows with the number as the supervisor has it, "account" as everybody writes it, and "user".
 */
static int fetch(const struct cli_args *args, struct cli_ask *ask)
{
    AUTO(cli_ask_close) struct cli_ask users = {0};
    json_t *row;
    size_t i;
    int code = cli_ask_open(args, "supervisor", ask);

    if (code == CLI_OK)
        code = cli_ask(ask, "quarantine_list", NULL, 0);
    if (code == CLI_OK)
        code = cli_ask_open(args, "auth", &users);
    if (code == CLI_OK)
        code = cli_ask_all(&users, "user.list");
    if (code != CLI_OK)
        return code;
    json_array_foreach(ask->rows, i, row)
    {
        char account[ACCOUNT_HEX_BYTES];

        set_text(row, "number", text_of(row, "account"));
        account_hex(text_of(row, "number"), account);
        set_text(row, "account", account);
        set_text(row, "user", name_of(&users, account));
    }
    return CLI_OK;
}

static const char list_help[] = "  quarantine list\n"
                                "      Who is out of service.\n";

static int list(int argc, char *const *argv)
{
    AUTO(cli_ask_close) struct cli_ask ask = {0};
    struct cli_args args;
    int code;

    if (!cli_parse(argc, argv, NULL, 0, &args))
        return CLI_USAGE;
    if (args.n_words != 0)
        return cli_usage_error("quarantine list", "no arguments");
    code = fetch(&args, &ask);
    if (code == CLI_OK)
        cli_print_rows(&ask, columns, COUNT(columns), args.json);
    return code;
}

static const char clear_help[] =
    "  quarantine clear USER | --account ACCOUNT\n"
    "      The account is served again, at once, and its crashes are forgotten. Look first\n"
    "      what is wrong with it: the log, and \"roost check\". --account: of a user who was\n"
    "      deleted, as \"list\" shows it.\n"
    "      $ roost quarantine clear anna\n";

/* NULL: no row has this value. */
static const json_t *find(const struct cli_ask *ask, const char *key, const char *value)
{
    const json_t *row;
    size_t i;

    json_array_foreach(ask->rows, i, row)
    {
        if (slice_eq_nocase(slice_from_str(text_of(row, key)), slice_from_str(value)))
            return row;
    }
    return NULL;
}

static int release(const struct cli_args *args, const char *number)
{
    AUTO(cli_ask_close) struct cli_ask ask = {0};
    const struct control_field field = CONTROL_TEXT("account", slice_from_str(number));
    int code = cli_ask_open(args, "supervisor", &ask);

    if (code == CLI_OK)
        code = cli_ask(&ask, "quarantine_release", &field, 1);
    if (code == CLI_OK)
        (void) printf("%s\n", args->json ? "{}" : "served again");
    return code;
}

static int clear(int argc, char *const *argv)
{
    AUTO(cli_ask_close) struct cli_ask ask = {0};
    const char *account = NULL;
    const struct cli_option options[] = {
        {"--account", &account, NULL},
    };
    struct cli_args args;
    const json_t *row;
    int code;

    if (!cli_parse(argc, argv, options, COUNT(options), &args))
        return CLI_USAGE;
    if (args.n_words + (account != NULL) != 1)
        return cli_usage_error("quarantine clear", "a user, or --account ACCOUNT");
    code = fetch(&args, &ask);
    if (code != CLI_OK)
        return code;
    row = account != NULL ? find(&ask, "account", account) : find(&ask, "user", args.words[0]);
    if (row == NULL) {
        (void) fprintf(stderr, "roost: This account is not in quarantine\n");
        return CLI_FAILED;
    }
    return release(&args, text_of(row, "number"));
}

int cmd_quarantine(int argc, char *const *argv)
{
    static const struct cli_action actions[] = {
        {"list",  list_help,  .run = list },
        {"clear", clear_help, .run = clear},
    };

    return cli_run_action(argc, argv, intro, actions, COUNT(actions));
}
