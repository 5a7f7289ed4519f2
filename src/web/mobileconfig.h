/*
 * mobileconfig.h - a mail account as the file that iPhones, iPads and Macs take in.
 *
 * It is a property list in XML (Apple's "Configuration Profile Reference", payload
 * com.apple.mail.managed), not signed, so that the device shows it as such and asks. It holds
 * the app password: whoever has the file has the device's mail, so it is written once and never
 * kept here.
 */
#ifndef ROOST_WEB_MOBILECONFIG_H
#define ROOST_WEB_MOBILECONFIG_H

#include "base/buf.h"

#define MOBILECONFIG_MAX_BYTES ((size_t) 32 << 10)
#define MOBILECONFIG_TYPE      "application/x-apple-aspen-config"

struct mobileconfig {
    struct slice user;     /* anna@example.org: address and login name */
    struct slice device;   /* the name the person gave it */
    struct slice password; /* the app password */
    struct slice imap_host;
    uint16_t imap_port; /* TLS from the first byte */
    struct slice smtp_host;
    uint16_t smtp_port; /* the same */
    /* At random: the profile's and its payload's names. */
    uint8_t profile_id[16], payload_id[16];
};

void mobileconfig_print(struct buf *out, const struct mobileconfig *config);

#endif
