/*
 * print_settings.c - the table of settings as lines "name TAB kind TAB default"; with a file,
 * whether it is a valid configuration.
 */
#include <stdio.h>

#include "config/config.h"

static int check_file(const char *path)
{
    AUTO(config_freep) struct config *config = NULL;
    struct config_errors errors;

    if (config_read(path, &config, &errors) == RC_OK)
        return 0;
    for (size_t i = 0; i < errors.n; i++)
        (void) fprintf(stderr, "%s:%d: %s\n", errors.list[i].file, errors.list[i].line,
                       errors.list[i].text);
    return 1;
}

int main(int argc, char **argv)
{
    if (argc == 2)
        return check_file(argv[1]);
    for (size_t i = 0; i < config_setting_count(); i++) {
        struct config_setting setting = config_setting_at(i);

        (void) printf("%s\t%s\t%s\n", setting.name, setting.kind, setting.value);
    }
    return 0;
}
