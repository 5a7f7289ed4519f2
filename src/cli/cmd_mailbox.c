/* cmd_mailbox.c - `roost mailbox`: the mailboxes of a user, and who else may use them. */
#include "cli/request.h"

static const char intro[] = "usage: roost mailbox ACTION USER ...\n\n"
                            "Mailboxes of a user of the running server. Names are UTF-8, with "
                            "\"/\" between components.\n";

static const struct cli_column columns[] = {
    {"mailbox",     "MAILBOX",     CLI_TEXT  },
    {"messages",    "MESSAGES",    CLI_NUMBER},
    {"unseen",      "UNSEEN",      CLI_NUMBER},
    {"bytes",       "BYTES",       CLI_NUMBER},
    {"uidvalidity", "UIDVALIDITY", CLI_NUMBER},
    {"uidnext",     "UIDNEXT",     CLI_NUMBER},
    {"use",         "USE",         CLI_TEXT  },
    {"subscribed",  "SUBSCRIBED",  CLI_TEXT  },
};

static const char list_help[] = "  mailbox list USER\n"
                                "      With how many messages and bytes each holds.\n";

static const struct cli_request mailbox_list = {
    .role = "mail",
    .verb = "mailbox.list",
    .fields = {"user"},
    .n_fields = 1,
    .wants = "one user",
    .columns = columns,
    .n_columns = COUNT(columns),
};

static const char create_help[] =
    "  mailbox create USER NAME\n"
    "      Make it, and what is missing above it, and subscribe it.\n"
    "      $ roost mailbox create anna Work/2026\n";

static const struct cli_request mailbox_create = {
    .role = "mail",
    .verb = "mailbox.create",
    .fields = {"user", "mailbox"},
    .n_fields = 2,
    .wants = "a user and a name",
    .done = "created",
};

static const char all_help[] =
    "  mailbox all USER NAME\n"
    "      Make a mailbox that shows every message of the others but Trash and Junk, and\n"
    "      subscribe it. `mailbox delete` takes it away, and no mail with it.\n"
    "      $ roost mailbox all anna \"All mail\"\n";

static const struct cli_request mailbox_all = {
    .role = "mail",
    .verb = "mailbox.all",
    .fields = {"user", "mailbox"},
    .n_fields = 2,
    .wants = "a user and a name",
    .done = "created",
};

static const char delete_help[] =
    "  mailbox delete USER NAME\n"
    "      With all mail in it. Mailboxes below it stay. Sessions that have it open end.\n";

static const struct cli_request mailbox_delete = {
    .role = "mail",
    .verb = "mailbox.delete",
    .fields = {"user", "mailbox"},
    .n_fields = 2,
    .wants = "a user and a name",
    .done = "deleted",
};

static const char rename_help[] =
    "  mailbox rename USER NAME NEW\n"
    "      With everything below it. Of INBOX the mail moves, and INBOX stays.\n";

static const struct cli_request mailbox_rename = {
    .role = "mail",
    .verb = "mailbox.rename",
    .fields = {"user", "mailbox", "to"},
    .n_fields = 3,
    .wants = "a user and two names",
    .done = "renamed",
};

static const char acl_help[] =
    "  mailbox acl USER MAILBOX [list]\n"
    "      Who else has which rights on it. USER may be a shared account.\n"
    "  mailbox acl USER MAILBOX set IDENTIFIER RIGHTS\n"
    "      Give somebody these rights and no others. IDENTIFIER: a user, group:NAME, anyone, "
    "or\n"
    "      one of these with a \"-\" before it, whose rights are then taken away whatever "
    "gives\n"
    "      them (write \"--\" before it). RIGHTS: letters of lrswipkxtean (RFC 4314), all or "
    "none.\n"
    "      l see it, r read, s keep \\Seen, w flags, i add, p take mail by its address,\n"
    "      k make mailboxes below it, x delete it, t mark messages deleted, e expunge, a this "
    "list,\n"
    "      n annotations that everybody sees (RFC 5257)\n"
    "      $ roost mailbox acl info INBOX set group:sales lrswite\n";

static const struct cli_column acl_columns[] = {
    {"identifier", "IDENTIFIER", CLI_TEXT},
    {"rights",     "RIGHTS",     CLI_TEXT},
};

static int mailbox_acl(int argc, char *const *argv)
{
    AUTO(cli_ask_close) struct cli_ask ask = {0};
    struct control_field fields[4];
    struct cli_args args;
    bool set;
    int code;

    if (!cli_parse(argc, argv, NULL, 0, &args))
        return CLI_USAGE;
    set = args.n_words == 5 && strcmp(args.words[2], "set") == 0;
    if (!set && args.n_words != 2 && (args.n_words != 3 || strcmp(args.words[2], "list") != 0))
        return cli_usage_error("mailbox acl",
                               "a user and a mailbox, then list, or set IDENTIFIER RIGHTS");
    code = cli_ask_open(&args, "mail", &ask);
    if (code != CLI_OK)
        return code;
    fields[0] = CONTROL_TEXT("user", slice_from_str(args.words[0]));
    fields[1] = CONTROL_TEXT("mailbox", slice_from_str(args.words[1]));
    if (!set) {
        code = cli_ask(&ask, "acl.list", fields, 2);
        if (code == CLI_OK)
            cli_print_rows(&ask, acl_columns, COUNT(acl_columns), args.json);
        return code;
    }
    fields[2] = CONTROL_TEXT("identifier", slice_from_str(args.words[3]));
    fields[3] = CONTROL_TEXT("rights", slice_from_str(args.words[4]));
    code = cli_ask(&ask, "acl.set", fields, 4);
    if (code == CLI_OK)
        (void) printf("%s\n", args.json ? "{}" : "set");
    return code;
}

int cmd_mailbox(int argc, char *const *argv)
{
    static const struct cli_action actions[] = {
        {"list",   list_help,   .request = &mailbox_list  },
        {"create", create_help, .request = &mailbox_create},
        {"all",    all_help,    .request = &mailbox_all   },
        {"delete", delete_help, .request = &mailbox_delete},
        {"rename", rename_help, .request = &mailbox_rename},
        {"acl",    acl_help,    .run = mailbox_acl        },
    };

    return cli_run_action(argc, argv, intro, actions, COUNT(actions));
}
