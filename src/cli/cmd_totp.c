/* cmd_totp.c - `roost totp`: second factors of users, with which they make their devices. */
#include "cli/request.h"
#include "web/qr.h"

#define LINE_BYTES    64u
#define QR_TEXT_BYTES ((size_t) 256 << 10) /* the largest code there is */

static const char intro[] =
    "usage: roost totp ACTION ...\n\n"
    "A second factor: an app on the user's phone shows a code of six digits, another one "
    "every\n"
    "thirty seconds. With it and the account password (\"roost user passwd\") users make the\n"
    "devices of their own account, by \"roost device enrol\" and on the enrolment page. The\n"
    "recovery codes are for a lost phone; each is good once.\n";

static const struct cli_column begun_columns[] = {
    {"user",   "USER",   CLI_TEXT},
    {"secret", "SECRET", CLI_TEXT},
    {"uri",    "URI",    CLI_TEXT},
};

static const struct cli_column code_columns[] = {
    {"recovery_code", "RECOVERY CODE", CLI_TEXT},
};

static const struct cli_column status_columns[] = {
    {"user",       "USER",       CLI_TEXT  },
    {"state",      "STATE",      CLI_TEXT  },
    {"since",      "SINCE",      CLI_TIME  },
    {"codes_left", "CODES LEFT", CLI_NUMBER},
};

static const char enable_help[] =
    "  totp enable USER\n"
    "      Show a new secret as a QR code for the app, read the first code that the app "
    "shows,\n"
    "      and print ten recovery codes, once. Until that code has come nothing changes. With\n"
    "      --json the secret and its URI are printed first, and the code is read from "
    "standard\n"
    "      input.\n"
    "      $ roost totp enable anna\n";

static int show_secret(const struct cli_ask *ask, bool json)
{
    AUTO(buf_done) struct buf picture = {.max = QR_TEXT_BYTES};
    struct err err;

    if (json) {
        cli_print_rows(ask, begun_columns, COUNT(begun_columns), true);
        return fflush(stdout) == 0 ? CLI_OK : CLI_FAILED;
    }
    if (qr_print_terminal(&picture, slice_from_str(cli_last(ask, "uri")), &err) == RC_OK)
        (void) fwrite(picture.ptr, 1, picture.len, stdout);
    (void) printf("\nTo type it in instead: %s\n\n", cli_last(ask, "secret"));
    return fflush(stdout) == 0 ? CLI_OK : CLI_FAILED;
}

static int read_code(char room[LINE_BYTES], bool json)
{
    if (!json)
        (void) fputs("The code that the app shows now: ", stderr);
    if (fgets(room, (int) LINE_BYTES, stdin) == NULL) {
        (void) fprintf(stderr, "roost: no code: nothing was enabled\n");
        return CLI_FAILED;
    }
    room[strcspn(room, "\r\n")] = '\0';
    return CLI_OK;
}

static int ask_fresh(struct cli_ask *ask, const char *verb, const struct control_field *fields,
                     size_t n)
{
    (void) json_array_clear(ask->rows);
    return cli_ask(ask, verb, fields, n);
}

static void print_codes(const struct cli_ask *ask, bool json)
{
    cli_print_rows(ask, code_columns, COUNT(code_columns), json);
    if (!json)
        (void) printf("\nThe recovery codes are shown only now. Each is good once, in place of "
                      "a code of the app.\n");
}

static int totp_enable(int argc, char *const *argv)
{
    AUTO(cli_ask_close) struct cli_ask ask = {0};
    struct control_field fields[] = {CONTROL_TEXT("user", SLICE("")),
                                     CONTROL_TEXT("code", SLICE(""))};
    char code_room[LINE_BYTES];
    struct cli_args args;
    int code;

    if (!cli_parse(argc, argv, NULL, 0, &args))
        return CLI_USAGE;
    if (args.n_words != 1)
        return cli_usage_error("totp enable", "one user");
    fields[0].value = slice_from_str(args.words[0]);
    code = cli_ask_open(&args, "auth", &ask);
    if (code == CLI_OK)
        code = cli_ask(&ask, "totp.begin", fields, 1);
    if (code == CLI_OK)
        code = show_secret(&ask, args.json);
    if (code == CLI_OK)
        code = read_code(code_room, args.json);
    if (code != CLI_OK)
        return code;
    fields[1].value = slice_from_str(code_room);
    code = ask_fresh(&ask, "totp.confirm", fields, COUNT(fields));
    if (code == CLI_OK)
        print_codes(&ask, args.json);
    return code;
}

static const char codes_help[] = "  totp codes USER\n"
                                 "      Print ten new recovery codes, once. The old ones are "
                                 "void.\n";

static int totp_codes(int argc, char *const *argv)
{
    AUTO(cli_ask_close) struct cli_ask ask = {0};
    struct cli_args args;
    int code;

    if (!cli_parse(argc, argv, NULL, 0, &args))
        return CLI_USAGE;
    if (args.n_words != 1)
        return cli_usage_error("totp codes", "one user");
    code = cli_ask_open(&args, "auth", &ask);
    if (code == CLI_OK) {
        const struct control_field user = CONTROL_TEXT("user", slice_from_str(args.words[0]));

        code = cli_ask(&ask, "totp.codes", &user, 1);
    }
    if (code == CLI_OK)
        print_codes(&ask, args.json);
    return code;
}

static const char disable_help[] =
    "  totp disable USER\n"
    "      Forget the secret and the recovery codes. Devices stay; the user makes no more of "
    "them.\n";

static const struct cli_request totp_disable = {
    .role = "auth",
    .verb = "totp.disable",
    .fields = {"user"},
    .n_fields = 1,
    .wants = "one user",
    .done = "disabled",
};

static const char status_help[] = "  totp status USER\n"
                                  "      Is there a second factor, and how many recovery codes "
                                  "are left.\n";

static const struct cli_request totp_status = {
    .role = "auth",
    .verb = "totp.status",
    .fields = {"user"},
    .n_fields = 1,
    .wants = "one user",
    .columns = status_columns,
    .n_columns = COUNT(status_columns),
};

int cmd_totp(int argc, char *const *argv)
{
    static const struct cli_action actions[] = {
        {"enable",  enable_help,  .run = totp_enable      },
        {"disable", disable_help, .request = &totp_disable},
        {"status",  status_help,  .request = &totp_status },
        {"codes",   codes_help,   .run = totp_codes       },
    };

    return cli_run_action(argc, argv, intro, actions, COUNT(actions));
}
