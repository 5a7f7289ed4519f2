/*
 * name.h - how the names of users, domains and addresses are written and compared.
 *
 * A user name is kept in NFC as it was given and compared by its key: NFKC_Casefold (Unicode
 * 3.13 R5; it does what the width and case mapping rules of RFC 8265 3.3 do), so that names
 * which look alike by width, case or invisible characters are one name. A domain's key is its
 * lower-case A-label form (UTS 46, RFC 5891). An address is a user name with an "@" inside: the
 * part before the last "@" has a user's key, the part behind it a domain's.
 *
 * Keys are plain values and never longer than AUTH_NAME_MAX_BYTES.
 */
#ifndef ROOST_AUTH_NAME_H
#define ROOST_AUTH_NAME_H

#include "base/slice.h"

#define AUTH_NAME_MAX_BYTES                                                                    \
    255u /* RFC 4616 2 wants 255 octets taken; RFC 5321 needs no more                          \
          */

struct auth_key {
    uint16_t len;
    char bytes[AUTH_NAME_MAX_BYTES];
};

/* Opens ICU's tables. Before the sandbox closes; the other functions then open no file. */
MUST_CHECK enum rc auth_names_init(struct err *err);

struct slice auth_key_slice(const struct auth_key *key);

/*
 * The key of a user name or address. RC_SYNTAX: not UTF-8, empty, a control character or a
 * space in it, or no domain where an "@" stands. RC_LIMIT: too long.
 */
MUST_CHECK enum rc auth_name_key(struct slice name, struct auth_key *out, struct err *err);
/* The key of a domain name; a dot at its end is dropped. */
MUST_CHECK enum rc auth_domain_key(struct slice domain, struct auth_key *out, struct err *err);

/*
 * A name fit for a new account or group: as auth_name_key, and none of the bytes that mean
 * something else where names are written (see the .c file). out is the NFC form.
 */
MUST_CHECK enum rc auth_name_check_new(struct slice name, struct auth_key *out,
                                       struct err *err);

/*
 * A password in the form in which it is hashed and compared: NFC, with spaces other than U+0020
 * made U+0020 (RFC 8265 4.2.2). Bytes that are not UTF-8 stay as they are. out is as large as
 * AUTH_SECRET_MAX_BYTES; RC_LIMIT if the result is longer or empty.
 */
#define AUTH_SECRET_MAX_BYTES 1024u /* RFC 4616 2 wants 255 octets; passphrases are longer */
struct auth_secret {
    uint16_t len;
    char bytes[AUTH_SECRET_MAX_BYTES];
};
MUST_CHECK enum rc auth_secret_prepare(struct slice secret, struct auth_secret *out,
                                       struct err *err);
struct slice auth_secret_slice(const struct auth_secret *secret);
/* Overwrites it; also the AUTO cleanup. */
void auth_secret_wipe(struct auth_secret *secret);

#endif
