/* cmd_device.c - `roost device`: app passwords, one for each device of a user. */
#include <stdio.h>
#include <unistd.h>

#include "auth/enrol.h"
#include "cli/device_file.h"
#include "cli/device_show.h"
#include "cli/request.h"

#define SECONDS_A_DAY         86400
#define CERTIFICATE_MAX_BYTES ((size_t) 64 << 10)
#define LINES_BYTES           8192u /* of folders, of networks */
#define SECRET_BYTES          (AUTH_SECRET_MAX_BYTES + 2)
#define CODE_BYTES            (ENROL_CODE_MAX + 2)
#define EXPIRY_BYTES          24u

static const char intro[] =
    "usage: roost device ACTION ...\n\n"
    "Each device of a user has an app password of its own. A lost phone is one device to\n"
    "revoke: its sessions end within a second and the others go on.\n";

static const struct cli_column list_columns[] = {
    {"device",      "DEVICE",      CLI_NUMBER},
    {"name",        "NAME",        CLI_TEXT  },
    {"scope",       "FOR",         CLI_TEXT  },
    {"access",      "ACCESS",      CLI_TEXT  },
    {"folders",     "FOLDERS",     CLI_TEXT  },
    {"networks",    "NETWORKS",    CLI_TEXT  },
    {"certificate", "CERTIFICATE", CLI_TEXT  },
    {"expires",     "EXPIRES",     CLI_TIME  },
    {"last_used",   "LAST USED",   CLI_TIME  },
    {"address",     "FROM",        CLI_TEXT  },
    {"client",      "CLIENT",      CLI_TEXT  },
    {"created",     "CREATED",     CLI_TIME  },
};

static const char add_help[] =
    "  device add USER NAME [--scope imap|send|both] [--read-only] [--folder NAME,...]\n"
    "             [--network NETWORK,...] [--days N] [--mobileconfig FILE] [--qr]\n"
    "             [--certificate FILE]\n"
    "      Make a device and show its app password once. NAME is for people (\"Anna's "
    "phone\").\n"
    "      --scope send is for scanners, which only hand in mail; --folder lets it see those\n"
    "      mailboxes only; from elsewhere than the networks it does not log in; --days makes "
    "it\n"
    "      expire. --mobileconfig writes a profile for an iPhone, iPad or Mac, with the "
    "password\n"
    "      in it (\"-\": to standard output); --qr draws a code for Thunderbird on a phone.\n"
    "      --certificate binds it to the client certificate in a PEM file (setting "
    "client_ca):\n"
    "      it logs in with that and has no app password.\n"
    "  device add --file FILE\n"
    "      The same for many: user,name,scope,rights,networks,expiry, a line each; the last "
    "four\n"
    "      may be empty. \"-\" reads standard input.\n"
    "      $ roost device add anna \"Kitchen tablet\" --read-only --days 90\n"
    "      $ roost device add anna Scanner --scope send --network 192.0.2.0/24,2001:db8::/32\n";

static const char enrol_help[] =
    "  device enrol USER NAME [the options of add] [--password-stdin]\n"
    "      The same, by the user: asks for the account password and for a code of the second\n"
    "      factor (\"roost totp\") or a recovery code. --password-stdin reads a line with the\n"
    "      password and a line with the code.\n";

/* "90" days from now as seconds since 1970; false if it is no number of days. */
static bool expiry(const char *days, char room[EXPIRY_BYTES])
{
    uint64_t n;

    if (!slice_to_u64(slice_from_str(days), &n) || n == 0 || n > 36500)
        return false;
    (void) snprintf(room, EXPIRY_BYTES, "%llu",
                    (unsigned long long) time(NULL) + (unsigned long long) n * SECONDS_A_DAY);
    return true;
}

/* The names between commas, one a line. */
static void put_lines(struct buf *out, const char *list)
{
    for (; *list != '\0'; list++)
        buf_byte(out, *list == ',' ? '\n' : *list);
}

/* What is asked for, as it stands on the command line. */
struct wanted {
    const char *scope, *folders, *networks, *days, *file, *certificate;
    bool read_only, password_stdin;
    struct device_show show;
    char expires[EXPIRY_BYTES];
    struct buf pem; /* of the certificate */
};

/* What only an enrolment has. */
struct proof {
    char password[SECRET_BYTES], code[CODE_BYTES];
};

static int ask_for(const struct cli_args *args, const struct wanted *wanted,
                   const struct proof *proof, struct cli_ask *ask)
{
    AUTO(buf_done) struct buf folders = {.max = LINES_BYTES}, networks = {.max = LINES_BYTES};
    struct control_field fields[10] = {
        CONTROL_TEXT("user", slice_from_str(args->words[0])),
        CONTROL_TEXT("name", slice_from_str(args->words[1])),
        CONTROL_TEXT("scope", slice_from_str(wanted->scope)),
        CONTROL_TEXT("access", wanted->read_only ? SLICE("read-only") : SLICE("full")),
    };
    size_t n = 4;

    put_lines(&folders, wanted->folders);
    put_lines(&networks, wanted->networks);
    fields[n++] = CONTROL_TEXT("folders", buf_slice(&folders));
    fields[n++] = CONTROL_TEXT("networks", buf_slice(&networks));
    if (wanted->expires[0] != '\0')
        fields[n++] = CONTROL_TEXT("expires", slice_from_str(wanted->expires));
    if (wanted->pem.len > 0)
        fields[n++] = CONTROL_TEXT("certificate", buf_slice(&wanted->pem));
    if (proof != NULL) {
        fields[n++] = CONTROL_TEXT("password", slice_from_str(proof->password));
        fields[n++] = CONTROL_TEXT("code", slice_from_str(proof->code));
    }
    return cli_ask(ask, proof != NULL ? "device.enrol" : "device.add", fields, n);
}

static int make_device(const struct cli_args *args, struct wanted *wanted,
                       const struct proof *proof)
{
    AUTO(cli_ask_close) struct cli_ask ask = {0};
    int code = cli_ask_open(args, "auth", &ask);

    wanted->show.json = args->json;
    if (code == CLI_OK)
        code = device_show_open(&wanted->show);
    if (code != CLI_OK)
        return code;
    code = ask_for(args, wanted, proof, &ask);
    if (code == CLI_OK)
        code = device_show_print(&wanted->show, &ask, args->words[1]);
    else if (wanted->show.fd >= 0)
        (void) unlink(wanted->show.mobileconfig); /* we made it, and it is empty */
    device_show_close(&wanted->show);
    return code;
}

static int read_wanted(const char *action, int argc, char *const *argv, struct wanted *out,
                       struct cli_args *args)
{
    const struct cli_option options[] = {
        {"--scope",          &out->scope,             NULL                },
        {"--folder",         &out->folders,           NULL                },
        {"--network",        &out->networks,          NULL                },
        {"--days",           &out->days,              NULL                },
        {"--file",           &out->file,              NULL                },
        {"--certificate",    &out->certificate,       NULL                },
        {"--mobileconfig",   &out->show.mobileconfig, NULL                },
        {"--read-only",      NULL,                    &out->read_only     },
        {"--qr",             NULL,                    &out->show.qr       },
        {"--password-stdin", NULL,                    &out->password_stdin},
    };

    *out = (struct wanted){.scope = "both", .folders = "", .networks = "", .show = {.fd = -1}};
    if (!cli_parse(argc, argv, options, COUNT(options), args))
        return CLI_USAGE;
    if (args->n_words != (out->file != NULL ? 0 : 2))
        return cli_usage_error(action, "a user and a name for the device, or --file");
    if (out->days != NULL && !expiry(out->days, out->expires))
        return cli_usage_error(action, "--days takes a number of 1 to 36500");
    return CLI_OK;
}

static int add_many(const struct cli_args *args, const char *path)
{
    const struct device_show show = {.json = args->json, .fd = -1};
    AUTO(cli_ask_close) struct cli_ask ask = {0};
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    int code;

    if (file == NULL) {
        (void) fprintf(stderr, "roost: cannot read %s\n", path);
        return CLI_FAILED;
    }
    code = cli_ask_open(args, "auth", &ask);
    if (code == CLI_OK)
        code = device_file_add(&ask, file);
    if (file != stdin)
        (void) fclose(file); /* only read */
    if (ask.rows != NULL)
        (void) device_show_print(&show, &ask, "");
    return code;
}

/* What is in it, auth looks at. */
static int read_certificate(const char *path, struct buf *out)
{
    char room[4096];
    FILE *file = fopen(path, "re");
    size_t n = 1;
    bool bad;

    while (file != NULL && n > 0 && !out->overflow) {
        n = fread(room, 1, sizeof(room), file);
        buf_append(out, slice_of(room, n));
    }
    bad = file == NULL || ferror(file) != 0 || out->overflow || out->len == 0;
    if (bad)
        (void) fprintf(stderr, "roost: %s cannot be read, or is no certificate\n", path);
    if (file != NULL)
        (void) fclose(file); /* read only */
    return bad ? CLI_FAILED : CLI_OK;
}

static int add_device(const struct cli_args *args, struct wanted *wanted)
{
    AUTO(buf_done) struct buf pem = {.max = CERTIFICATE_MAX_BYTES};
    int code = CLI_OK;

    if (wanted->certificate != NULL && (wanted->show.mobileconfig != NULL || wanted->show.qr))
        return cli_usage_error("device add", "no profile: with --certificate is no password");
    if (wanted->certificate != NULL)
        code = read_certificate(wanted->certificate, &pem);
    wanted->pem = pem;
    return code == CLI_OK ? make_device(args, wanted, NULL) : code;
}

static int device_add(int argc, char *const *argv)
{
    struct wanted wanted;
    struct cli_args args;
    int code = read_wanted("device add", argc, argv, &wanted, &args);

    if (code == CLI_OK && wanted.password_stdin)
        return cli_usage_error("device add", "--password-stdin is for device enrol");
    if (code == CLI_OK && wanted.file != NULL)
        return add_many(&args, wanted.file);
    return code == CLI_OK ? add_device(&args, &wanted) : code;
}

static int read_proof(bool from_stdin, struct proof *out)
{
    int code = cli_read_known("Account password: ", "password", from_stdin, out->password,
                              sizeof(out->password));

    if (code == CLI_OK)
        code = cli_read_known("Code of the app, or a recovery code: ", "code", from_stdin,
                              out->code, sizeof(out->code));
    return code;
}

static int device_enrol(int argc, char *const *argv)
{
    struct wanted wanted;
    struct proof proof;
    struct cli_args args;
    int code = read_wanted("device enrol", argc, argv, &wanted, &args);

    if (code == CLI_OK && wanted.file != NULL)
        return cli_usage_error("device enrol", "--file is for device add");
    if (code == CLI_OK && wanted.certificate != NULL)
        return cli_usage_error("device enrol", "--certificate is for device add");
    if (code == CLI_OK)
        code = read_proof(wanted.password_stdin, &proof);
    if (code == CLI_OK)
        code = make_device(&args, &wanted, &proof);
    explicit_bzero(&proof, sizeof(proof));
    return code;
}

static const char change_help[] =
    "  device change USER DEVICE [--name NAME] [--scope imap|send|both] [--read-only | "
    "--full]\n"
    "                [--folder NAME,...] [--network NETWORK,...] [--days N | --for-ever]\n"
    "      What is named changes, and the rest stays. --folder \"\" and --network \"\": all. "
    "Its\n"
    "      sessions end at once; the app password stays and has the new rights.\n"
    "      $ roost device change anna 7 --read-only --network 192.0.2.0/24\n";

struct changes {
    const char *name, *scope, *folders, *networks, *days;
    bool read_only, full, for_ever;
    char expires[EXPIRY_BYTES];
};

static int send_changes(const struct cli_args *args, const struct changes *changes)
{
    AUTO(cli_ask_close) struct cli_ask ask = {0};
    AUTO(buf_done) struct buf folders = {.max = LINES_BYTES}, networks = {.max = LINES_BYTES};
    struct control_field fields[8] = {
        CONTROL_TEXT("user", slice_from_str(args->words[0])),
        CONTROL_TEXT("device", slice_from_str(args->words[1])),
    };
    size_t n = 2;
    int code = cli_ask_open(args, "auth", &ask);

    if (changes->name != NULL)
        fields[n++] = CONTROL_TEXT("name", slice_from_str(changes->name));
    if (changes->scope != NULL)
        fields[n++] = CONTROL_TEXT("scope", slice_from_str(changes->scope));
    if (changes->read_only || changes->full)
        fields[n++] =
            CONTROL_TEXT("access", changes->read_only ? SLICE("read-only") : SLICE("full"));
    if (changes->folders != NULL) {
        put_lines(&folders, changes->folders);
        fields[n++] = CONTROL_TEXT("folders", buf_slice(&folders));
    }
    if (changes->networks != NULL) {
        put_lines(&networks, changes->networks);
        fields[n++] = CONTROL_TEXT("networks", buf_slice(&networks));
    }
    if (changes->expires[0] != '\0')
        fields[n++] = CONTROL_TEXT("expires", slice_from_str(changes->expires));
    if (code == CLI_OK)
        code = cli_ask(&ask, "device.change", fields, n);
    if (code == CLI_OK)
        (void) printf("%s\n", args->json ? "{}" : "changed; its sessions ended");
    return code;
}

static int device_change(int argc, char *const *argv)
{
    struct changes changes = {.name = NULL};
    const struct cli_option options[] = {
        {"--name",      &changes.name,     NULL              },
        {"--scope",     &changes.scope,    NULL              },
        {"--folder",    &changes.folders,  NULL              },
        {"--network",   &changes.networks, NULL              },
        {"--days",      &changes.days,     NULL              },
        {"--read-only", NULL,              &changes.read_only},
        {"--full",      NULL,              &changes.full     },
        {"--for-ever",  NULL,              &changes.for_ever },
    };
    struct cli_args args;

    if (!cli_parse(argc, argv, options, COUNT(options), &args))
        return CLI_USAGE;
    if (args.n_words != 2)
        return cli_usage_error("device change", "a user and the number of a device");
    if ((changes.read_only && changes.full) || (changes.days != NULL && changes.for_ever))
        return cli_usage_error("device change", "one or the other");
    if (changes.for_ever)
        (void) snprintf(changes.expires, sizeof(changes.expires), "0");
    if (changes.days != NULL && !expiry(changes.days, changes.expires))
        return cli_usage_error("device change", "--days takes a number of 1 to 36500");
    return send_changes(&args, &changes);
}

static const char list_help[] =
    "  device list USER\n"
    "      With when, from where and by which program each was "
    "last used, and\n"
    "      with the SHA-256 fingerprint of the certificate that one is "
    "bound to.\n";

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

static const char confirm_help[] =
    "  device confirm USER DEVICE [--address ADDRESS] [--administrator] [--password-stdin]\n"
    "      The rules (policy_file) ask the user to confirm a device that logs in from another\n"
    "      network: asks for the account password and for a code of the second factor or a\n"
    "      recovery code. From where is what the last refused logins of that device say, "
    "unless\n"
    "      --address does. DEVICE 0 stands for logins that no device makes. --administrator\n"
    "      vouches for the user, and is asked for nothing.\n"
    "      $ roost device confirm anna 7 --address 203.0.113.9\n";

struct confirmation {
    const char *address;
    bool administrator, password_stdin;
};

static int send_confirmation(const struct cli_args *args, const struct confirmation *given,
                             const struct proof *proof)
{
    AUTO(cli_ask_close) struct cli_ask ask = {0};
    struct control_field fields[5] = {
        CONTROL_TEXT("user", slice_from_str(args->words[0])),
        CONTROL_TEXT("device", slice_from_str(args->words[1])),
        CONTROL_TEXT("address", slice_from_str(given->address)),
    };
    size_t n = 3;
    int code = cli_ask_open(args, "auth", &ask);

    if (!given->administrator) {
        fields[n++] = CONTROL_TEXT("password", slice_from_str(proof->password));
        fields[n++] = CONTROL_TEXT("code", slice_from_str(proof->code));
    }
    if (code == CLI_OK)
        code =
            cli_ask(&ask, given->administrator ? "device.vouch" : "device.confirm", fields, n);
    if (code == CLI_OK)
        (void) printf("%s\n", args->json ? "{}" : "confirmed");
    return code;
}

static int device_confirm(int argc, char *const *argv)
{
    struct confirmation given = {.address = ""};
    const struct cli_option options[] = {
        {"--address",        &given.address, NULL                 },
        {"--administrator",  NULL,           &given.administrator },
        {"--password-stdin", NULL,           &given.password_stdin},
    };
    struct proof proof = {0};
    struct cli_args args;
    int code = CLI_OK;

    if (!cli_parse(argc, argv, options, COUNT(options), &args))
        return CLI_USAGE;
    if (args.n_words != 2)
        return cli_usage_error("device confirm", "a user and the number of a device");
    if (!given.administrator)
        code = read_proof(given.password_stdin, &proof);
    if (code == CLI_OK)
        code = send_confirmation(&args, &given, &proof);
    explicit_bzero(&proof, sizeof(proof));
    return code;
}

static const char networks_help[] = "  device networks USER\n"
                                    "      From where devices were confirmed, and until when; "
                                    "and from where others wait for it.\n";

static const struct cli_column networks_columns[] = {
    {"device",  "DEVICE",  CLI_NUMBER},
    {"network", "NETWORK", CLI_TEXT  },
    {"state",   "STATE",   CLI_TEXT  },
    {"when",    "WHEN",    CLI_TIME  },
};

static const struct cli_request device_networks = {
    .role = "auth",
    .verb = "device.networks",
    .fields = {"user"},
    .n_fields = 1,
    .wants = "one user",
    .columns = networks_columns,
    .n_columns = COUNT(networks_columns),
};

static const char forget_help[] =
    "  device forget USER DEVICE\n"
    "      What was confirmed of it counts no more; sessions that needed it end.\n";

static const struct cli_request device_forget = {
    .role = "auth",
    .verb = "device.forget",
    .fields = {"user", "device"},
    .n_fields = 2,
    .wants = "a user and the number of a device",
    .done = "forgotten",
};

int cmd_device(int argc, char *const *argv)
{
    static const struct cli_action actions[] = {
        {"add",      add_help,      .run = device_add          },
        {"enrol",    enrol_help,    .run = device_enrol        },
        {"change",   change_help,   .run = device_change       },
        {"list",     list_help,     .request = &device_list    },
        {"revoke",   revoke_help,   .request = &device_revoke  },
        {"confirm",  confirm_help,  .run = device_confirm      },
        {"networks", networks_help, .request = &device_networks},
        {"forget",   forget_help,   .request = &device_forget  },
    };

    return cli_run_action(argc, argv, intro, actions, COUNT(actions));
}
