/* cmd_undelete.c - `roost undelete`: expunged messages and deleted mailboxes come back. */
#include <stdlib.h>
#include <time.h>

#include "cli/ask.h"

static const char intro[] =
    "usage: roost undelete ACTION USER ...\n\n"
    "Expunged messages and deleted mailboxes stay for undelete_days (14 unless configured),\n"
    "or less when the disk is full. What was moved to another mailbox is there, not here.\n\n"
    "Which of them:\n"
    "  --mailbox NAME   messages expunged in it; or it itself, if it was deleted, with what\n"
    "                   was below it\n"
    "  --since TIME     what went at or after TIME: YYYY-MM-DD, \"YYYY-MM-DD HH:MM[:SS]\"\n"
    "                   (local time) or seconds since 1970\n"
    "  --before TIME    what went before TIME\n"
    "  --search TEXT    messages with TEXT in From, To or Subject\n"
    "  --uid SET        messages that had these UIDs, such as 7,20:30; with --mailbox\n";

static const struct cli_column list_columns[] = {
    {"kind",     "KIND",     CLI_TEXT  },
    {"mailbox",  "MAILBOX",  CLI_TEXT  },
    {"id",       "UID",      CLI_NUMBER},
    {"messages", "MESSAGES", CLI_NUMBER},
    {"bytes",    "BYTES",    CLI_NUMBER},
    {"gone",     "GONE",     CLI_TIME  },
    {"from",     "FROM",     CLI_TEXT  },
    {"subject",  "SUBJECT",  CLI_TEXT  },
};

static const struct cli_column restore_columns[] = {
    {"kind",      "KIND",      CLI_TEXT  },
    {"mailbox",   "MAILBOX",   CLI_TEXT  },
    {"messages",  "MESSAGES",  CLI_NUMBER},
    {"first_uid", "FIRST_UID", CLI_NUMBER},
};

/* ---- what both take ---- */

struct choice {
    const char *mailbox, *since, *before, *search, *uid, *to;
    bool all;
    char since_sec[24], before_sec[24];
};

static const char *const time_forms[] = {"%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S",
                                         "%s"};

/* Seconds since 1970 as text; "" for no time given. False: it is none. */
static bool read_time(const char *text, char room[24])
{
    room[0] = '\0';
    if (text == NULL)
        return true;
    for (size_t i = 0; i < COUNT(time_forms); i++) {
        struct tm tm = {.tm_isdst = -1};
        const char *end = strptime(text, time_forms[i], &tm);

        if (end == NULL || *end != '\0')
            continue;
        tm.tm_isdst = -1;
        (void) snprintf(room, 24, "%lld", (long long) mktime(&tm));
        return room[0] != '-';
    }
    return false;
}

static bool read_choice(int argc, char *const *argv, struct choice *choice,
                        struct cli_args *args)
{
    const struct cli_option options[] = {
        {"--mailbox", &choice->mailbox, NULL        },
        {"--since",   &choice->since,   NULL        },
        {"--before",  &choice->before,  NULL        },
        {"--search",  &choice->search,  NULL        },
        {"--uid",     &choice->uid,     NULL        },
        {"--to",      &choice->to,      NULL        },
        {"--all",     NULL,             &choice->all},
    };

    return cli_parse(argc, argv, options, COUNT(options), args);
}

static const char *what_is_wrong(struct choice *choice, const struct cli_args *args)
{
    if (args->n_words != 1)
        return "one user";
    if (choice->uid != NULL && choice->mailbox == NULL)
        return "--mailbox with --uid";
    if (!read_time(choice->since, choice->since_sec) ||
        !read_time(choice->before, choice->before_sec))
        return "a time such as 2026-05-31 or \"2026-05-31 14:00\"";
    return NULL;
}

static struct slice text_of(const char *text)
{
    return slice_from_str(text != NULL ? text : "");
}

static int ask(const struct choice *choice, const struct cli_args *args, const char *verb,
               const struct cli_column *columns, size_t n)
{
    AUTO(cli_ask_close) struct cli_ask request = {0};
    const struct control_field fields[] = {
        CONTROL_TEXT("user", slice_from_str(args->words[0])),
        CONTROL_TEXT("mailbox", text_of(choice->mailbox)),
        CONTROL_TEXT("since", slice_from_str(choice->since_sec)),
        CONTROL_TEXT("before", slice_from_str(choice->before_sec)),
        CONTROL_TEXT("search", text_of(choice->search)),
        CONTROL_TEXT("uids", text_of(choice->uid)),
        CONTROL_TEXT("to", text_of(choice->to)),
    };
    int code = cli_ask_open(args, "mail", &request);

    if (code == CLI_OK)
        code = cli_ask(&request, verb, fields, COUNT(fields));
    if (code == CLI_OK)
        cli_print_rows(&request, columns, n, args->json);
    return code;
}

/* ---- actions ---- */

static const char list_help[] =
    "  undelete list USER [--mailbox NAME] [--since TIME] [--before TIME] [--search TEXT]\n"
    "                [--uid SET]\n"
    "      What can be brought back, and when it went.\n"
    "      $ roost undelete list anna --since 2026-05-30 --search invoice\n";

static int undelete_list(int argc, char *const *argv)
{
    struct choice choice = {0};
    struct cli_args args;
    const char *wrong;

    if (!read_choice(argc, argv, &choice, &args))
        return CLI_USAGE;
    wrong = what_is_wrong(&choice, &args);
    if (wrong == NULL && (choice.to != NULL || choice.all))
        wrong = "neither --to nor --all";
    if (wrong != NULL)
        return cli_usage_error("undelete list", wrong);
    return ask(&choice, &args, "undelete.list", list_columns, COUNT(list_columns));
}

static const char restore_help[] =
    "  undelete restore USER (--all | --mailbox NAME | --since TIME | --before TIME |\n"
    "                --search TEXT | --uid SET)... [--to MAILBOX]\n"
    "      Bring it back, all of it or nothing. Messages come back into the mailbox they were\n"
    "      in, or into MAILBOX, under new UIDs and without \\Deleted; a deleted mailbox comes\n"
    "      back as it was, or as \"NAME (restored)\" if there is another of its name by now.\n"
    "      $ roost undelete restore anna --mailbox INBOX --since \"2026-05-31 14:00\"\n";

static int undelete_restore(int argc, char *const *argv)
{
    struct choice choice = {0};
    struct cli_args args;
    const char *wrong;

    if (!read_choice(argc, argv, &choice, &args))
        return CLI_USAGE;
    wrong = what_is_wrong(&choice, &args);
    if (wrong == NULL && !choice.all && choice.mailbox == NULL && choice.since == NULL &&
        choice.before == NULL && choice.search == NULL)
        wrong = "which of it, or --all";
    if (wrong != NULL)
        return cli_usage_error("undelete restore", wrong);
    return ask(&choice, &args, "undelete.restore", restore_columns, COUNT(restore_columns));
}

int cmd_undelete(int argc, char *const *argv)
{
    static const struct cli_action actions[] = {
        {"list",    list_help,    .run = undelete_list   },
        {"restore", restore_help, .run = undelete_restore},
    };

    return cli_run_action(argc, argv, intro, actions, COUNT(actions));
}
