/* cmd_user.c - `roost user`: accounts and their passwords. */
#include <sodium.h>

#include "auth/admin.h"
#include "auth/passwd_file.h"
#include "auth/password_rules.h"
#include "cli/request.h"

#define LINE_BYTES   (PASSWD_LINE_MAX_BYTES + 2)
#define SECRET_BYTES (AUTH_SECRET_MAX_BYTES + 1)

static const char intro[] = "usage: roost user ACTION ...\n\n"
                            "Accounts of a running server. Mail programs do not log in with "
                            "the account's password but\n"
                            "with a password of their own for each device; \"user add\" makes "
                            "the first one and shows it\n"
                            "once, \"roost device add\" makes more.\n";

static const struct cli_column made_columns[] = {
    {"user",     "USER",         CLI_TEXT  },
    {"device",   "DEVICE",       CLI_NUMBER},
    {"password", "APP PASSWORD", CLI_TEXT  },
};

static const struct cli_column refused_columns[] = {
    {"line",   "LINE",            CLI_NUMBER},
    {"error",  "REFUSED BECAUSE", CLI_TEXT  },
    {"detail", "DETAIL",          CLI_TEXT  },
};

static const struct cli_column list_columns[] = {
    {"user",        "USER",               CLI_TEXT  },
    {"state",       "STATE",              CLI_TEXT  },
    {"source",      "SOURCE",             CLI_TEXT  },
    {"devices",     "DEVICES",            CLI_NUMBER},
    {"password",    "PASSWORD",           CLI_TEXT  },
    {"legacy_used", "PASSWORD LAST USED", CLI_TIME  },
    {"created",     "CREATED",            CLI_TIME  },
};

/* "{ARGON2ID}..." of a secret. Passwords are hashed here: the server never sees them. */
static int hash_secret(const char *secret, struct buf *out)
{
    AUTO(auth_secret_wipe) struct auth_secret prepared = {0};
    struct err err;

    if (auth_init(&err) == RC_OK &&
        auth_secret_prepare(slice_from_str(secret), &prepared, &err) == RC_OK &&
        password_hash_make(auth_secret_slice(&prepared), out, &err) == RC_OK)
        return CLI_OK;
    (void) fprintf(stderr, "roost: %s\n", err.text);
    return CLI_FAILED;
}

/* "{ARGON2ID}..." of a new account password, if it is as the server's configuration wants it.
 */
static int hash_new(const struct cli_args *args, const char *secret, struct buf *out)
{
    AUTO(auth_secret_wipe) struct auth_secret prepared = {0};
    AUTO(cli_ask_close) struct cli_ask ask = {0};
    struct password_rules rules = {.min_chars = 0};
    struct err err;
    int code = cli_ask_open(args, "auth", &ask);

    if (code == CLI_OK)
        code = cli_ask(&ask, "user.rules", NULL, 0);
    if (code != CLI_OK)
        return code;
    rules.breached = cli_last(&ask, "breached");
    if (!slice_to_u64(slice_from_str(cli_last(&ask, "min_chars")), &rules.min_chars))
        return CLI_FAILED;
    if (auth_init(&err) == RC_OK &&
        auth_secret_prepare(slice_from_str(secret), &prepared, &err) == RC_OK &&
        password_rules_check(&rules, slice_from_str(args->words[0]),
                             auth_secret_slice(&prepared), &err) == RC_OK)
        return hash_secret(secret, out);
    (void) fprintf(stderr, "roost: %s (%s)\n", err.text, err.detail);
    return CLI_FAILED;
}

/* The rows that an action with lines of data left: what was made, and what was refused. */
static void print_batch(struct cli_ask *ask, const struct cli_column *columns, size_t n,
                        bool json)
{
    struct cli_ask made = {.rows = json_array()}, refused = {.rows = json_array()};
    json_t *row;
    size_t at;

    json_array_foreach(ask->rows, at, row)(void)
        json_array_append(json_object_get(row, "line") != NULL ? refused.rows : made.rows, row);
    if (columns != NULL)
        cli_print_rows(&made, columns, n, json);
    if (json_array_size(refused.rows) > 0)
        cli_print_rows(&refused, refused_columns, COUNT(refused_columns), json);
    json_decref(made.rows);
    json_decref(refused.rows);
}

/* ---- add ---- */

static const char add_help[] =
    "  user add NAME [--device NAME] [--password-stdin] [--apart]\n"
    "      Make an account and its first device, and show the device's app password once.\n"
    "      NAME may be a full address (anna@example.org) or a name alone (anna), which then\n"
    "      gets mail of every configured domain. --password-stdin reads an account password\n"
    "      as well; it opens no mailbox unless legacy_passwords allows it. --apart: also if "
    "mail\n"
    "      to that address goes to another user by its local part, who then gets it no more.\n"
    "  user add --file FILE\n"
    "      The same for many: a name a line. \"-\" reads standard input.\n"
    "      $ roost user add anna\n";

static int add_many(const struct cli_args *args, const char *path)
{
    AUTO(cli_ask_close) struct cli_ask ask = {0};
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    char part[4096];
    size_t n;
    int code;

    if (file == NULL) {
        (void) fprintf(stderr, "roost: cannot read %s\n", path);
        return CLI_FAILED;
    }
    code = cli_ask_open(args, "auth", &ask);
    if (code == CLI_OK)
        code = cli_ask_begin(&ask, "user.add-many", NULL, 0);
    while (code == CLI_OK && (n = fread(part, 1, sizeof(part), file)) > 0)
        code = cli_ask_data(&ask, slice_of(part, n));
    if (code == CLI_OK)
        code = cli_ask_end(&ask);
    if (file != stdin)
        (void) fclose(file); /* only read */
    if (ask.rows != NULL)
        print_batch(&ask, made_columns, COUNT(made_columns), args->json);
    return code;
}

static void print_made(const struct cli_ask *ask, bool json)
{
    cli_print_rows(ask, made_columns, COUNT(made_columns), json);
    if (!json)
        (void) printf("\nThe app password is shown only now. Type it into the mail program of "
                      "this device;\nhyphens and case do not matter.\n");
}

static int add_one(const struct cli_args *args, const char *device, bool password_stdin,
                   bool apart)
{
    AUTO(cli_ask_close) struct cli_ask ask = {0};
    AUTO(buf_done) struct buf hash = {.max = PASSWORD_HASH_MAX_BYTES};
    char secret[SECRET_BYTES];
    int code = CLI_OK;

    if (password_stdin) {
        code = cli_read_secret("", true, secret, sizeof(secret));
        if (code == CLI_OK)
            code = hash_new(args, secret, &hash);
        sodium_memzero(secret, sizeof(secret));
    }
    if (code == CLI_OK)
        code = cli_ask_open(args, "auth", &ask);
    if (code == CLI_OK) {
        const struct control_field fields[] = {
            CONTROL_TEXT("name", slice_from_str(args->words[0])),
            CONTROL_TEXT("device", slice_from_str(device)),
            CONTROL_TEXT("hash", buf_slice(&hash)),
            CONTROL_TEXT("apart", SLICE("yes")),
        };

        code = cli_ask(&ask, "user.add", fields, apart ? COUNT(fields) : COUNT(fields) - 1);
    }
    if (code == CLI_OK)
        print_made(&ask, args->json);
    return code;
}

static int user_add(int argc, char *const *argv)
{
    const char *device = "first device", *file = NULL;
    bool password_stdin = false, apart = false;
    const struct cli_option options[] = {
        {"--apart",          NULL,    &apart         },
        {"--device",         &device, NULL           },
        {"--file",           &file,   NULL           },
        {"--password-stdin", NULL,    &password_stdin},
    };
    struct cli_args args;

    if (!cli_parse(argc, argv, options, COUNT(options), &args))
        return CLI_USAGE;
    if (file != NULL)
        return args.n_words == 0 ? add_many(&args, file)
                                 : cli_usage_error("user add", "--file or a name, not both");
    if (args.n_words != 1)
        return cli_usage_error("user add", "one name");
    return add_one(&args, device, password_stdin, apart);
}

/* ---- list ---- */

static const char list_help[] =
    "  user list [--legacy]\n"
    "      All users. --legacy: only those that still log in with the account password.\n";

/* Shared accounts have a list of their own. */
static bool is_wanted(const json_t *row, bool legacy)
{
    const char *kind = json_string_value(json_object_get(row, "kind"));
    const char *used = json_string_value(json_object_get(row, "legacy_used"));

    if (kind != NULL && strcmp(kind, "shared") == 0)
        return false;
    return !legacy || (used != NULL && strcmp(used, "0") != 0);
}

static int user_list(int argc, char *const *argv)
{
    AUTO(cli_ask_close) struct cli_ask ask = {0};
    bool legacy = false;
    const struct cli_option options[] = {
        {"--legacy", NULL, &legacy}
    };
    struct cli_args args;
    int code;

    if (!cli_parse(argc, argv, options, COUNT(options), &args))
        return CLI_USAGE;
    if (args.n_words != 0)
        return cli_usage_error("user list", "no arguments");
    code = cli_ask_open(&args, "auth", &ask);
    if (code == CLI_OK)
        code = cli_ask_all(&ask, "user.list");
    if (code != CLI_OK)
        return code;
    for (size_t at = json_array_size(ask.rows); at > 0; at--)
        if (!is_wanted(json_array_get(ask.rows, at - 1), legacy))
            (void) json_array_remove(ask.rows, at - 1);
    cli_print_rows(&ask, list_columns, COUNT(list_columns), args.json);
    return CLI_OK;
}

/* ---- disable, enable, delete ---- */

static const char disable_help[] =
    "  user disable NAME\n"
    "      Ends all sessions at once; mail is deferred (450), nothing is deleted.\n";

static const struct cli_request user_disable = {
    .role = "auth",
    .verb = "user.disable",
    .fields = {"name"},
    .n_fields = 1,
    .wants = "one user",
    .done = "disabled; its sessions ended",
};

static const char enable_help[] =
    "  user enable NAME\n"
    "      Undo that. A user whose line is gone from the passwd-file stays, as an account of\n"
    "      its own.\n";

static const struct cli_request user_enable = {
    .role = "auth",
    .verb = "user.enable",
    .fields = {"name"},
    .n_fields = 1,
    .wants = "one user",
    .done = "enabled",
};

static const char delete_help[] = "  user delete NAME --yes\n"
                                  "      Delete the account, its devices, aliases and mail. "
                                  "Its name can be used again; what\n"
                                  "      is made then is another account.\n";

static const struct cli_request user_delete = {
    .role = "auth",
    .verb = "user.delete",
    .fields = {"name"},
    .n_fields = 1,
    .wants = "one user",
    .is_final = true,
    .done = "deleted",
};

/* ---- passwords ---- */

static const char passwd_help[] =
    "  user passwd NAME [--password-stdin | --none]\n"
    "      Set the account password, asked for on the terminal; --none takes it away. It is "
    "for\n"
    "      making devices and, until the date of legacy_passwords, for mail programs. It has\n"
    "      password_min characters or more and stands in no list of breached_passwords.\n";

static int set_password(const struct cli_args *args, struct slice hash)
{
    AUTO(cli_ask_close) struct cli_ask ask = {0};
    const struct control_field fields[] = {
        CONTROL_TEXT("name", slice_from_str(args->words[0])),
        CONTROL_TEXT("hash", hash),
    };
    int code = cli_ask_open(args, "auth", &ask);

    if (code == CLI_OK)
        code = cli_ask(&ask, "user.passwd", fields, COUNT(fields));
    if (code == CLI_OK)
        (void) printf("%s\n", args->json      ? "{}"
                              : hash.len == 0 ? "no account password any more"
                                              : "password changed");
    return code;
}

static int user_passwd(int argc, char *const *argv)
{
    AUTO(buf_done) struct buf hash = {.max = PASSWORD_HASH_MAX_BYTES};
    bool password_stdin = false, none = false;
    const struct cli_option options[] = {
        {"--password-stdin", NULL, &password_stdin},
        {"--none",           NULL, &none          },
    };
    char secret[SECRET_BYTES];
    struct cli_args args;
    int code;

    if (!cli_parse(argc, argv, options, COUNT(options), &args))
        return CLI_USAGE;
    if (args.n_words != 1)
        return cli_usage_error("user passwd", "one user");
    if (none)
        return set_password(&args, SLICE(""));
    code = cli_read_secret("New account password: ", password_stdin, secret, sizeof(secret));
    if (code == CLI_OK)
        code = hash_new(&args, secret, &hash);
    sodium_memzero(secret, sizeof(secret));
    return code == CLI_OK ? set_password(&args, buf_slice(&hash)) : code;
}

static const char import_help[] =
    "  user import-passwd FILE\n"
    "      Account passwords from a file in the format of Dovecot's passwd-file, a line each:\n"
    "      user:{SCHEME}hash:... with ARGON2ID, SHA512-CRYPT, BLF-CRYPT or PLAIN (hashed\n"
    "      before it is sent). Users that are not there are made. \"-\" reads standard input.\n"
    "      Needs legacy_passwords in the configuration before anybody can log in with one.\n";

/* A line as the server takes it: {PLAIN} becomes {ARGON2ID}, others stay as they are. */
static int convert_line(const char *line, struct buf *out)
{
    AUTO(buf_done) struct buf plain = {.max = LINE_BYTES, .secret = true};
    struct passwd_entry entry;
    int code = CLI_OK;

    if (passwd_parse_line(slice_trim(slice_from_str(line)), &entry, NULL) != RC_OK ||
        !password_hash_is_cheap(&entry.hash)) {
        buf_str(out, line);
        return CLI_OK;
    }
    password_hash_print(&entry.hash, &plain);
    buf_byte(&plain, '\0');
    buf_append(out, auth_key_slice(&entry.name));
    buf_byte(out, ':');
    code = hash_secret(plain.ptr + strlen("{PLAIN}"), out);
    buf_byte(out, '\n');
    return code;
}

static int send_lines(struct cli_ask *ask, FILE *file)
{
    AUTO(buf_done) struct buf part = {.max = LINE_BYTES * 2};
    char line[LINE_BYTES];
    int code = CLI_OK;

    while (code == CLI_OK && fgets(line, sizeof(line), file) != NULL) {
        buf_reset(&part);
        code = convert_line(line, &part);
        if (code == CLI_OK)
            code = cli_ask_data(ask, buf_slice(&part));
    }
    sodium_memzero(line, sizeof(line));
    return code;
}

static int import_from(const struct cli_args *args, FILE *file)
{
    AUTO(cli_ask_close) struct cli_ask ask = {0};
    int code = cli_ask_open(args, "auth", &ask);

    if (code == CLI_OK)
        code = cli_ask_begin(&ask, "user.import", NULL, 0);
    if (code == CLI_OK)
        code = send_lines(&ask, file);
    if (code == CLI_OK)
        code = cli_ask_end(&ask);
    if (ask.rows != NULL)
        print_batch(&ask, NULL, 0, args->json);
    return code;
}

static int user_import(int argc, char *const *argv)
{
    struct cli_args args;
    struct err err;
    FILE *file;
    int code;

    if (!cli_parse(argc, argv, NULL, 0, &args))
        return CLI_USAGE;
    if (args.n_words != 1)
        return cli_usage_error("user import-passwd", "one file");
    if (auth_init(&err) != RC_OK) {
        (void) fprintf(stderr, "roost: %s\n", err.detail);
        return CLI_FAILED;
    }
    if (strcmp(args.words[0], "-") == 0)
        return import_from(&args, stdin);
    file = fopen(args.words[0], "r");
    if (file == NULL) {
        (void) fprintf(stderr, "roost: cannot read %s\n", args.words[0]);
        return CLI_FAILED;
    }
    code = import_from(&args, file);
    (void) fclose(file); /* only read */
    return code;
}

int cmd_user(int argc, char *const *argv)
{
    static const struct cli_action actions[] = {
        {"add",           add_help,     .run = user_add         },
        {"list",          list_help,    .run = user_list        },
        {"disable",       disable_help, .request = &user_disable},
        {"enable",        enable_help,  .request = &user_enable },
        {"delete",        delete_help,  .request = &user_delete },
        {"passwd",        passwd_help,  .run = user_passwd      },
        {"import-passwd", import_help,  .run = user_import      },
    };

    return cli_run_action(argc, argv, intro, actions, COUNT(actions));
}
