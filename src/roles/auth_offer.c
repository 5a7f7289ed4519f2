/* auth_offer.c - which mechanisms there are at which door, and over what. */
#include "roles/auth_role.h"

bool auth_offers(const struct auth_role *auth, enum service service, unsigned flags)
{
    const struct config *config = auth->start->config;

    if ((flags & (service == SERVICE_SUBMISSION ? SASL_IMAP_ONLY : SASL_SUBMISSION_ONLY)) != 0)
        return false;
    if ((flags & SASL_BEARER) != 0)
        return config->oauth.n > 0;
    if ((flags & SASL_GSSAPI) != 0)
        return config->gssapi_keytab[0] != '\0';
    if ((flags & SASL_EXTERNAL) != 0)
        return auth_certificates_on(auth);
    return (flags & SASL_SCRAM) == 0 ||
           (config->scram && ((flags & SASL_SHA_1) == 0 || config->scram_sha1));
}

/* A unix socket is this host's, but a mail server that does not say whom it speaks for may
 * speak for anybody. */
static bool is_local(const struct msg_auth_start *msg)
{
    return (msg->peer.family == IPADDR_NONE && msg->service != SERVICE_SUBMISSION) ||
           ipaddr_is_loopback(&msg->peer);
}

bool auth_is_private(const struct auth_role *auth, const struct msg_auth_start *msg,
                     unsigned flags)
{
    return msg->tls_version != 0 || ((flags & (SASL_BEARER | SASL_GSSAPI)) == 0 &&
                                     auth->start->config->plaintext_loopback && is_local(msg));
}
