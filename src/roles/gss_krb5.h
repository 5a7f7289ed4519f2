/*
 * gss_krb5.h - GSS-API by MIT's libgssapi_krb5, for the gss process: the provider of
 * auth/gssapi.h.
 *
 * The library is loaded, not linked (base/library.h). What it would read besides the keytab it
 * is kept from: /etc/krb5.conf, and with it plug-ins and other people's ideas of a realm. It
 * needs no server: a ticket is opened with the key in the keytab, which is read anew for each.
 *
 * Its replay cache lies in a file of ours, in the library's format: an authenticator counts
 * once, also when the process was started again (RFC 4120 3.2.3).
 */
#ifndef ROOST_ROLES_GSS_KRB5_H
#define ROOST_ROLES_GSS_KRB5_H

#include "auth/gssapi.h"

#define GSS_NO_CONFIGURATION "/dev/null" /* read in the place of krb5.conf */

struct gss_krb5;
struct gss_context;

extern const struct gssapi_provider gss_krb5_provider;

/* Before the sandbox closes. RC_NOT_FOUND: the library is not there; RC_INVALID: a keytab
 * without a key that can be used. */
MUST_CHECK enum rc gss_krb5_open(const char *keytab, const char *replay_file,
                                 struct gss_krb5 **out, struct err *err);
void gss_krb5_close(struct gss_krb5 *krb5); /* NULL is allowed */

/* Of one exchange. service: what the ticket has to be for, "imap". */
struct gss_context *gss_context_new(const struct gss_krb5 *krb5, struct slice service);
void gss_context_free(struct gss_context *context);

#endif
