/*
 * selfsigned.h - a first certificate, so that TLS works before there is a real one.
 */
#ifndef ROOST_CLI_SELFSIGNED_H
#define ROOST_CLI_SELFSIGNED_H

#include "base/slice.h"

#define SELFSIGNED_DAYS 3650

/*
 * Write a P-256 key (mode 0600) and a certificate for hostname, localhost, 127.0.0.1 and ::1,
 * both PEM. Files that are there are not touched: RC_EXISTS.
 */
MUST_CHECK enum rc selfsigned_make(const char *hostname, const char *cert_path,
                                   const char *key_path, struct err *err);

#endif
