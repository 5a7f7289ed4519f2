/* cmd_alias.c - `roost alias`: addresses whose mail a user gets besides their own. */
#include "cli/request.h"

static const char intro[] =
    "usage: roost alias ACTION ...\n\n"
    "An alias receives mail for a user and does not log in. It is a full address, or a local\n"
    "part alone, which then holds in every domain of the server.\n";

static const struct cli_column columns[] = {
    {"address", "ADDRESS", CLI_TEXT},
    {"user",    "USER",    CLI_TEXT},
};

static const char add_help[] = "  alias add ADDRESS USER [--apart]\n"
                               "      $ roost alias add sales@example.org anna\n"
                               "      --apart: also if mail to that address goes to a user "
                               "by its local part.\n";

static const struct cli_request alias_add = {
    .role = "auth",
    .verb = "alias.add",
    .fields = {"address", "user"},
    .n_fields = 2,
    .wants = "an address and a user",
    .may_be_apart = true,
    .done = "added",
};

static const char list_help[] = "  alias list\n";

static const struct cli_request alias_list = {
    .role = "auth",
    .verb = "alias.list",
    .wants = "no arguments",
    .has_pages = true,
    .columns = columns,
    .n_columns = COUNT(columns),
};

static const char delete_help[] = "  alias delete ADDRESS\n";

static const struct cli_request alias_delete = {
    .role = "auth",
    .verb = "alias.delete",
    .fields = {"address"},
    .n_fields = 1,
    .wants = "an address",
    .done = "deleted",
};

int cmd_alias(int argc, char *const *argv)
{
    static const struct cli_action actions[] = {
        {"add",    add_help,    .request = &alias_add   },
        {"list",   list_help,   .request = &alias_list  },
        {"delete", delete_help, .request = &alias_delete},
    };

    return cli_run_action(argc, argv, intro, actions, COUNT(actions));
}
