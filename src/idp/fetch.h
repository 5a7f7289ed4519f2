/*
 * fetch.h - one HTTP request to a server that the configuration names, by libcurl.
 *
 * https only; http as well where the host is written 127.0.0.1 or [::1]. No redirect is
 * followed, no proxy of the environment is asked, no cookie kept; the answer is bounded in
 * bytes and time, and only 200 is one. Every request is a connection of its own.
 */
#ifndef ROOST_IDP_FETCH_H
#define ROOST_IDP_FETCH_H

#include "base/buf.h"

#define FETCH_URL_MAX_BYTES    2048u
#define FETCH_ANSWER_MAX_BYTES ((size_t) 64 << 10) /* Entra's keys have some 20 KiB */
#define FETCH_MAX_SEC          4                   /* of one request, names and TLS included */

struct fetch {
    const char *url;  /* one that fetch_check_url() took */
    const char *post; /* the body of a form; NULL: GET */
    const char *user; /* Basic authentication (RFC 7617); NULL: none */
    const char *password;
    struct slice ca; /* PEM; empty: the system's */
};

/* Loads libcurl; once, before the others and before threads. RC_NOT_FOUND: it is not there. */
MUST_CHECK enum rc fetch_init(struct err *err);
/* May this be fetched from, and over which port? RC_INVALID: no; detail has the reason. */
MUST_CHECK enum rc fetch_check_url(const char *url, uint16_t *out_port, struct err *err);
/*
 * The whole answer, into out, which is empty. RC_UNAVAILABLE: no answer, or not 200; RC_LIMIT:
 * longer than out may be. Any thread.
 */
MUST_CHECK enum rc fetch_run(const struct fetch *fetch, struct buf *out, struct err *err);

/* Append s for a form (application/x-www-form-urlencoded). */
void fetch_form_encode(struct buf *out, struct slice s);

#endif
