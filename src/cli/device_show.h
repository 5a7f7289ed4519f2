/*
 * device_show.h - a new device's app password, shown once: as a table, as JSON, as a profile
 * for Apple's devices (web/mobileconfig.h), or as a QR code for Thunderbird on a phone.
 *
 * Where it goes is opened before the device is made, so that no password is made for nobody.
 */
#ifndef ROOST_CLI_DEVICE_SHOW_H
#define ROOST_CLI_DEVICE_SHOW_H

#include "cli/ask.h"

struct device_show {
    const char *mobileconfig; /* file to write, "-": standard output; NULL: none */
    bool qr, json;
    int fd; /* of that file; -1: none */
};

/* Opens the file, which must not be there. An exit code of cli.h. */
int device_show_open(struct device_show *show);
/* The last row of ask is the new device, whose name this is. */
int device_show_print(const struct device_show *show, const struct cli_ask *ask,
                      const char *name);
void device_show_close(struct device_show *show); /* also the AUTO cleanup */

#endif
