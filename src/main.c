/*
 * main.c - one executable for everything: `roost SUBCOMMAND` for people, `roost --role NAME
 * --index N` for the supervisor, which starts itself again so for each process of the server,
 * and `roost --pam-check SERVICE` for each password that PAM is asked about.
 */
#include "base/slice.h"
#include "cli/cli.h"
#include "roles/pam_helper.h"
#include "roles/role.h"

#define ROLE_ARGC 5
#define PAM_ARGC  3

static int run_role(char *const *argv)
{
    enum role role;
    uint32_t index;

    if (!role_from_name(slice_from_str(argv[2]), &role) || strcmp(argv[3], "--index") != 0 ||
        !slice_to_u32(slice_from_str(argv[4]), &index) || index >= ROLE_GATES_MAX) {
        (void) fprintf(stderr, "roost --role is for the supervisor\n");
        return CLI_USAGE;
    }
    return role_main(role, (uint16_t) index);
}

int main(int argc, char **argv)
{
    if (argc == ROLE_ARGC && strcmp(argv[1], "--role") == 0)
        return run_role(argv);
    if (argc == PAM_ARGC && strcmp(argv[1], "--pam-check") == 0)
        return pam_helper_main(argv[2]);
    return cli_main(argc, argv);
}
