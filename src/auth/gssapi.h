/*
 * gssapi.h - the server's side of the SASL mechanism GSSAPI: Kerberos, over any provider of
 * GSS-API.
 *
 * Spec: RFC 4752 3.2; the tokens are RFC 4121's, framed as RFC 2743 3.1 says. No security layer
 * is offered: the exchange runs over TLS, which is one (RFC 4752 3.1: its octet is 1, and the
 * sizes are 0). Channel bindings are not used: RFC 4752 has NULL in their place.
 *
 *   ACCEPTING --token--> the provider: RC_MORE, its answer goes out, and the next token comes
 *       |                              RC_OK, with an answer that goes out --> ANSWERED
 *       |                              RC_OK, without one ------------------> OFFERED
 *   ANSWERED --empty--> the offer of layers goes out -----------------------> OFFERED
 *   OFFERED --the choice, wrapped--> who it is, and whom the client wants to be: OVER
 *
 * Anything else is refused and OVER. The machine reads no token itself but its outermost frame,
 * so that only Kerberos's part of the library is reached.
 */
#ifndef ROOST_AUTH_GSSAPI_H
#define ROOST_AUTH_GSSAPI_H

#include "auth/name.h"
#include "base/buf.h"

#define GSSAPI_TOKENS_MAX          4u /* of a context: Kerberos has one, or two with DCE's handshake */
#define GSSAPI_PRINCIPAL_MAX_BYTES 512u /* name and realm, each longer than any in use */
#define GSSAPI_CHOICE_BYTES        4u   /* layers, and a size of three octets */
#define GSSAPI_NO_LAYER            1u   /* RFC 4752 3.3 */

/* Of whom a context is, once it is there. */
struct gssapi_peer {
    uint16_t principal_len;
    char principal[GSSAPI_PRINCIPAL_MAX_BYTES];
    int64_t expires; /* of the ticket, seconds since 1970; 0: never */
};

/* GSS-API, as much of it as this needs. context is the exchange's own. */
struct gssapi_provider {
    /* GSS_Accept_sec_context. RC_OK: the context is there, out may be empty; RC_MORE: out is to
     * be answered; RC_DENIED: err->detail says why. */
    enum rc (*accept)(void *context, struct slice token, struct buf *out,
                      struct gssapi_peer *peer, struct err *err);
    /* GSS_Wrap without confidentiality, GSS_Unwrap. */
    enum rc (*wrap)(void *context, struct slice message, struct buf *out, struct err *err);
    enum rc (*unwrap)(void *context, struct slice token, struct buf *out, struct err *err);
};

enum gssapi_state { GSSAPI_ACCEPTING, GSSAPI_ANSWERED, GSSAPI_OFFERED, GSSAPI_OVER };

struct gssapi {
    const struct gssapi_provider *provider;
    void *context;
    enum gssapi_state state;
    unsigned n_tokens;
    struct gssapi_peer peer;
    uint16_t authzid_len;
    char authzid[AUTH_NAME_MAX_BYTES]; /* empty: act as who it is */
};

void gssapi_init(struct gssapi *gssapi, const struct gssapi_provider *provider, void *context);
/*
 * The client's next response, raw. RC_MORE: out is the challenge, which may be empty. RC_OK: it
 * is gssapi->peer, and wants to be gssapi->authzid. RC_SYNTAX: not in the mechanism's grammar;
 * RC_DENIED: the provider refuses; RC_LIMIT.
 */
MUST_CHECK enum rc gssapi_step(struct gssapi *gssapi, struct slice response, struct buf *out,
                               struct err *err);

/* RFC 2743 3.1: is it framed as a first token of Kerberos V5? */
bool gssapi_is_kerberos(struct slice token);

/* What a client chose, unwrapped: the layer and the authorization identity. RC_SYNTAX: not what
 * was offered, or no name. */
MUST_CHECK enum rc gssapi_parse_choice(struct slice choice, struct slice *authzid,
                                       struct err *err);

#endif
