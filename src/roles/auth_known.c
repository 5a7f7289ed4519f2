/*
 * auth_known.c - a share of auth for those who have been in before: a flood of strangers at the
 * door is not felt by those inside (design 8).
 *
 * A source (an IPv4 address, an IPv6 /64) from which somebody proved a credential in the last
 * THROTTLE_PROOF_US is known. Of what auth has bounds on, logins under way and hashes that
 * wait, a part is kept for known sources. One of them may be a stranger's as well, behind the
 * same address: so it has that part for KNOWN_EACH_MAX logins at once, and for more it counts
 * as a stranger.
 */
#include "base/clock.h"
#include "roles/auth_role.h"

/* What is noted of a source stands beside what is noted of its users: nobody can type this
 * name, since no mechanism lets a NUL into one. */
#define SOURCE_NAME SLICE("\0source")

struct known_source {
    unsigned n_under_way;
};

static struct throttle_key key_of(const struct auth_role *auth, const struct ipaddr *peer)
{
    return throttle_key(auth->throttle, peer, SOURCE_NAME);
}

void auth_known_proved(struct auth_role *auth, const struct ipaddr *peer)
{
    throttle_succeeded(auth->throttle, key_of(auth, peer), SOURCE_NAME, clock_mono_us());
}

bool auth_known_enter(struct auth_role *auth, const struct ipaddr *peer)
{
    struct throttle_key key = key_of(auth, peer);
    struct known_source *source = map_get(auth->known, MAP_KEY(key.check));

    if (!throttle_is_proved(auth->throttle, key, clock_mono_us()))
        return false;
    if (source == NULL) {
        source = xcalloc(1, sizeof(*source));
        (void) map_put(auth->known, MAP_KEY(key.check), source);
    }
    if (source->n_under_way >= KNOWN_EACH_MAX)
        return false;
    source->n_under_way++;
    return true;
}

void auth_known_leave(struct auth_role *auth, const struct ipaddr *peer)
{
    struct throttle_key key = key_of(auth, peer);
    struct known_source *source = map_get(auth->known, MAP_KEY(key.check));

    if (--source->n_under_way > 0)
        return;
    (void) map_remove(auth->known, MAP_KEY(key.check));
    free(source);
}

/* Everybody has left by now. */
void auth_known_done(struct auth_role *auth)
{
    map_free(auth->known);
    auth->known = NULL;
}
