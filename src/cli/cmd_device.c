/* cmd_device.c - `roost device`: app passwords, one for each device of a user. */
#include "cli/request.h"

#define SECONDS_A_DAY 86400

static const char intro[] =
    "usage: roost device ACTION ...\n\n"
    "Each device of a user has an app password of its own. A lost phone is one device to\n"
    "revoke: its sessions end within a second and the others go on.\n";

static const struct cli_column made_columns[] = {
    {"user",     "USER",         CLI_TEXT  },
    {"device",   "DEVICE",       CLI_NUMBER},
    {"password", "APP PASSWORD", CLI_TEXT  },
};

static const struct cli_column list_columns[] = {
    {"device",    "DEVICE",    CLI_NUMBER},
    {"name",      "NAME",      CLI_TEXT  },
    {"scope",     "FOR",       CLI_TEXT  },
    {"access",    "ACCESS",    CLI_TEXT  },
    {"folders",   "FOLDERS",   CLI_TEXT  },
    {"networks",  "NETWORKS",  CLI_TEXT  },
    {"expires",   "EXPIRES",   CLI_TIME  },
    {"last_used", "LAST USED", CLI_TIME  },
    {"address",   "FROM",      CLI_TEXT  },
    {"client",    "CLIENT",    CLI_TEXT  },
    {"created",   "CREATED",   CLI_TIME  },
};

static const char add_help[] =
    "  device add USER NAME [--scope imap|send|both] [--read-only] [--folder NAME,...]\n"
    "             [--network NETWORK,...] [--days N]\n"
    "      Make a device and show its app password once. NAME is for people (\"Anna's "
    "phone\").\n"
    "      --scope send is for scanners, which only hand in mail; --folder lets it see those\n"
    "      mailboxes only; from elsewhere than the networks it does not log in; --days makes "
    "it\n"
    "      expire.\n"
    "      $ roost device add anna \"Kitchen tablet\" --read-only --days 90\n"
    "      $ roost device add anna Scanner --scope send --network 192.0.2.0/24,2001:db8::/32\n";

/* "90" days from now as seconds since 1970; false if it is no number of days. */
static bool expiry(const char *days, char room[24])
{
    uint64_t n;

    if (!slice_to_u64(slice_from_str(days), &n) || n == 0 || n > 36500)
        return false;
    (void) snprintf(room, 24, "%llu",
                    (unsigned long long) time(NULL) + (unsigned long long) n * SECONDS_A_DAY);
    return true;
}

/* The names between commas, one a line. */
static void put_lines(struct buf *out, const char *list)
{
    for (; *list != '\0'; list++)
        buf_byte(out, *list == ',' ? '\n' : *list);
}

static int add_device(const struct cli_args *args, const char *scope, bool read_only,
                      const char *folder_list, const char *network_list, const char *expires)
{
    AUTO(cli_ask_close) struct cli_ask ask = {0};
    AUTO(buf_done) struct buf folders = {.max = 8192}, networks = {.max = 8192};
    int code = cli_ask_open(args, "auth", &ask);

    put_lines(&folders, folder_list);
    put_lines(&networks, network_list);
    if (code == CLI_OK) {
        const struct control_field fields[] = {
            CONTROL_TEXT("user", slice_from_str(args->words[0])),
            CONTROL_TEXT("name", slice_from_str(args->words[1])),
            CONTROL_TEXT("scope", slice_from_str(scope)),
            CONTROL_TEXT("access", read_only ? SLICE("read-only") : SLICE("full")),
            CONTROL_TEXT("folders", buf_slice(&folders)),
            CONTROL_TEXT("networks", buf_slice(&networks)),
            CONTROL_TEXT("expires", slice_from_str(expires)), /* last: absent if empty */
        };

        code = cli_ask(&ask, "device.add", fields, COUNT(fields) - (expires[0] == '\0'));
    }
    if (code == CLI_OK)
        cli_print_rows(&ask, made_columns, COUNT(made_columns), args->json);
    return code;
}

static int device_add(int argc, char *const *argv)
{
    const char *scope = "both", *folders = "", *networks = "", *days = NULL;
    bool read_only = false;
    const struct cli_option options[] = {
        {"--scope",     &scope,    NULL      },
        {"--folder",    &folders,  NULL      },
        {"--network",   &networks, NULL      },
        {"--days",      &days,     NULL      },
        {"--read-only", NULL,      &read_only},
    };
    struct cli_args args;
    char expires[24] = "";

    if (!cli_parse(argc, argv, options, COUNT(options), &args))
        return CLI_USAGE;
    if (args.n_words != 2)
        return cli_usage_error("device add", "a user and a name for the device");
    if (days != NULL && !expiry(days, expires))
        return cli_usage_error("device add", "--days takes a number of 1 to 36500");
    return add_device(&args, scope, read_only, folders, networks, expires);
}

static const char list_help[] = "  device list USER\n"
                                "      With when, from where and by which program each was "
                                "last used.\n";

static const struct cli_request device_list = {
    .role = "auth",
    .verb = "device.list",
    .fields = {"user"},
    .n_fields = 1,
    .wants = "one user",
    .columns = list_columns,
    .n_columns = COUNT(list_columns),
};

static const char revoke_help[] =
    "  device revoke USER DEVICE\n"
    "      DEVICE is the number that \"device list\" shows. Its sessions end at once.\n";

static const struct cli_request device_revoke = {
    .role = "auth",
    .verb = "device.revoke",
    .fields = {"user", "device"},
    .n_fields = 2,
    .wants = "a user and the number of a device",
    .done = "revoked",
};

int cmd_device(int argc, char *const *argv)
{
    static const struct cli_action actions[] = {
        {"add",    add_help,    .run = device_add        },
        {"list",   list_help,   .request = &device_list  },
        {"revoke", revoke_help, .request = &device_revoke},
    };

    return cli_run_action(argc, argv, intro, actions, COUNT(actions));
}
