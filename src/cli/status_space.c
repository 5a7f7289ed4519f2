/* status_space.c - `roost status --space`: what the store and its accounts take. */
#include "cli/status_space.h"

static const struct cli_column store_columns[] = {
    {"raw_bytes",        "RAW",         CLI_NUMBER},
    {"stored_bytes",     "STORED",      CLI_NUMBER},
    {"ratio",            "RATIO",       CLI_TEXT  },
    {"dead_bytes",       "DEAD",        CLI_NUMBER},
    {"kept_messages",    "KEPT",        CLI_NUMBER},
    {"kept_bytes",       "KEPT BYTES",  CLI_NUMBER},
    {"journal_bytes",    "JOURNAL",     CLI_NUMBER},
    {"checkpoint_bytes", "CHECKPOINTS", CLI_NUMBER},
    {"search_bytes",     "SEARCH",      CLI_NUMBER},
    {"packs",            "PACKS",       CLI_NUMBER},
};

static const struct cli_column account_columns[] = {
    {"user",          "USER",       CLI_TEXT  },
    {"account",       "ACCOUNT",    CLI_TEXT  },
    {"bodies",        "MESSAGES",   CLI_NUMBER},
    {"raw_bytes",     "RAW",        CLI_NUMBER},
    {"stored_bytes",  "STORED",     CLI_NUMBER},
    {"ratio",         "RATIO",      CLI_TEXT  },
    {"kept_messages", "KEPT",       CLI_NUMBER},
    {"kept_bytes",    "KEPT BYTES", CLI_NUMBER},
};

static int print_store(const struct cli_args *args)
{
    AUTO(cli_ask_close) struct cli_ask ask = {0};
    int code = cli_ask_open(args, "mail", &ask);

    if (code == CLI_OK)
        code = cli_ask(&ask, "space", NULL, 0);
    if (code == CLI_OK)
        cli_print_rows(&ask, store_columns, COUNT(store_columns), args->json);
    return code;
}

static void set_user(json_t *row, const char *user)
{
    if (json_object_set_new(row, "user", json_string(user)) != 0)
        die("out of memory");
}

static int print_user(const struct cli_args *args, const char *user)
{
    AUTO(cli_ask_close) struct cli_ask ask = {0};
    const struct control_field field = CONTROL_TEXT("user", slice_from_str(user));
    int code = cli_ask_open(args, "mail", &ask);

    if (code == CLI_OK)
        code = cli_ask(&ask, "space.user", &field, 1);
    if (code != CLI_OK)
        return code;
    set_user(json_array_get(ask.rows, 0), user);
    cli_print_rows(&ask, account_columns, COUNT(account_columns), args->json);
    return CLI_OK;
}

/* Mail knows accounts by their numbers, auth by their names. */
static int name_accounts(const struct cli_args *args, struct cli_ask *accounts)
{
    AUTO(cli_ask_close) struct cli_ask users = {0};
    json_t *names, *row;
    size_t i;
    int code = cli_ask_open(args, "auth", &users);

    if (code == CLI_OK)
        code = cli_ask_all(&users, "user.list");
    if (code != CLI_OK)
        return code;
    names = json_object();
    json_array_foreach(users.rows, i, row)
    {
        (void) json_object_set(names, json_string_value(json_object_get(row, "account")),
                               json_object_get(row, "user"));
    }
    json_array_foreach(accounts->rows, i, row)
    {
        const char *id = json_string_value(json_object_get(row, "account"));
        const char *user = json_string_value(json_object_get(names, id));
        const char *name = json_string_value(json_object_get(row, "name"));

        set_user(row, user != NULL                      ? user
                      : name != NULL && name[0] != '\0' ? name
                                                        : "(deleted)");
    }
    json_decref(names);
    return CLI_OK;
}

static int print_accounts(const struct cli_args *args, const char *top)
{
    AUTO(cli_ask_close) struct cli_ask ask = {0};
    const struct control_field field = CONTROL_TEXT("top", slice_from_str(top));
    int code = cli_ask_open(args, "mail", &ask);

    if (code == CLI_OK)
        code = cli_ask(&ask, "space.accounts", &field, 1);
    if (code == CLI_OK)
        code = name_accounts(args, &ask);
    if (code == CLI_OK)
        cli_print_rows(&ask, account_columns, COUNT(account_columns), args->json);
    return code;
}

int cli_status_space(const struct cli_args *args, const char *account, const char *top)
{
    if (account != NULL)
        return print_user(args, account);
    return top != NULL ? print_accounts(args, top) : print_store(args);
}
