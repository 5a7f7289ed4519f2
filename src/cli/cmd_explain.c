/* cmd_explain.c - `roost explain login`: what the rules of policy_file say of a login. */
#include "cli/ask.h"

static const char intro[] = "usage: roost explain ACTION ...\n\n"
                            "Why the server decides as it does. Nothing is done.\n";

static const char login_help[] =
    "  explain login USER ADDRESS [--device DEVICE] [--method MECHANISM] [--credential WORD]\n"
    "                [--certificate] [--send] [--time \"YYYY-MM-DD HH:MM\"]\n"
    "      Each rule of policy_file in turn, whether it holds for such a login and why not, "
    "and\n"
    "      the verdict; or what refuses it before any rule (a disabled user, an expired "
    "device).\n"
    "      DEVICE is a number of \"device list\"; without it the login is by "
    "account\n"
    "      password. MECHANISM is PLAIN unless said; --send: a mail server asks, for handing "
    "in\n"
    "      mail; the time is the server's, now unless said.\n"
    "      $ roost explain login anna 203.0.113.9 --device 7 --time \"2026-11-28 22:30\"\n";

static const struct cli_column columns[] = {
    {"line",  "LINE",  CLI_NUMBER},
    {"holds", "HOLDS", CLI_TEXT  },
    {"rule",  "RULE",  CLI_TEXT  },
    {"why",   "WHY",   CLI_TEXT  },
};

struct login {
    const char *device, *method, *credential, *time;
    bool certificate, send;
    char seconds[24];
};

/* In the time zone of this process, which is the server's. */
static bool read_time(struct login *login)
{
    struct tm tm = {.tm_isdst = -1};
    const char *end = strptime(login->time, "%Y-%m-%d %H:%M", &tm);
    time_t at;

    if (end == NULL || *end != '\0')
        return false;
    at = mktime(&tm);
    (void) snprintf(login->seconds, sizeof(login->seconds), "%lld", (long long) at);
    return at > 0;
}

static int ask_for(const struct cli_args *args, const struct login *login, struct cli_ask *ask)
{
    struct control_field fields[8] = {
        CONTROL_TEXT("user", slice_from_str(args->words[0])),
        CONTROL_TEXT("address", slice_from_str(args->words[1])),
    };
    size_t n = 2;

    if (login->device != NULL)
        fields[n++] = CONTROL_TEXT("device", slice_from_str(login->device));
    if (login->method != NULL)
        fields[n++] = CONTROL_TEXT("method", slice_from_str(login->method));
    if (login->credential != NULL)
        fields[n++] = CONTROL_TEXT("credential", slice_from_str(login->credential));
    if (login->certificate)
        fields[n++] = CONTROL_TEXT("certificate", SLICE("yes"));
    if (login->send)
        fields[n++] = CONTROL_TEXT("send", SLICE("yes"));
    if (login->time != NULL)
        fields[n++] = CONTROL_TEXT("time", slice_from_str(login->seconds));
    return cli_ask(ask, "explain.login", fields, n);
}

static void print_verdict(const struct cli_ask *ask, const char *action)
{
    const char *mailboxes = cli_last(ask, "mailboxes"), *reason = cli_last(ask, "reason");

    if (*reason != '\0') {
        (void) printf("\n%s, whatever the rules say: %s\n", action, reason);
        return;
    }
    (void) printf("\n%s, by line %s", action, cli_last(ask, "line"));
    if (*mailboxes != '\0')
        (void) printf("; mailboxes (+ all, = only reading, - hidden):");
    (void) printf("\n");
    for (const char *line = mailboxes; *line != '\0'; line = strchr(line, '\n') + 1)
        (void) printf("  %.*s\n", (int) strcspn(line, "\n"), line);
    if (strcmp(cli_last(ask, "mode"), "log") == 0)
        (void) printf("policy_mode is log: nothing of it is done\n");
}

/* The last row is no rule but the verdict. */
static void print(const struct cli_args *args, struct cli_ask *ask)
{
    AUTO(cli_ask_close) struct cli_ask rules = {0};
    char *action = xstrdup(cli_last(ask, "verdict"));

    if (args->json) {
        (void) json_dumpf(ask->rows, stdout, JSON_INDENT(2));
        (void) printf("\n");
    } else {
        rules.rows = json_deep_copy(ask->rows);
        (void) json_array_remove(rules.rows, json_array_size(rules.rows) - 1);
        cli_print_rows(&rules, columns, COUNT(columns), false);
        print_verdict(ask, action);
    }
    free(action);
}

static int explain_login(int argc, char *const *argv)
{
    struct login login = {.device = NULL};
    const struct cli_option options[] = {
        {"--device",      &login.device,     NULL              },
        {"--method",      &login.method,     NULL              },
        {"--credential",  &login.credential, NULL              },
        {"--time",        &login.time,       NULL              },
        {"--certificate", NULL,              &login.certificate},
        {"--send",        NULL,              &login.send       },
    };
    AUTO(cli_ask_close) struct cli_ask ask = {0};
    struct cli_args args;
    int code;

    if (!cli_parse(argc, argv, options, COUNT(options), &args))
        return CLI_USAGE;
    if (args.n_words != 2)
        return cli_usage_error("explain login", "a user and an address");
    if (login.time != NULL && !read_time(&login))
        return cli_usage_error("explain login", "--time takes \"YYYY-MM-DD HH:MM\"");
    code = cli_ask_open(&args, "auth", &ask);
    if (code == CLI_OK)
        code = ask_for(&args, &login, &ask);
    if (code == CLI_OK)
        print(&args, &ask);
    return code;
}

int cmd_explain(int argc, char *const *argv)
{
    static const struct cli_action actions[] = {
        {"login", login_help, .run = explain_login},
    };

    return cli_run_action(argc, argv, intro, actions, COUNT(actions));
}
