#include "roles/moved.h"

#include "auth/name.h"

bool moved_user_find(const struct config *config, struct slice user, struct elsewhere *out)
{
    struct auth_key key, moved;
    struct elsewhere found;

    if (config->moved_users.n == 0 || auth_name_key(user, &key, NULL) != RC_OK)
        return false;
    for (size_t i = 0; i < config->moved_users.n; i++) {
        if (!elsewhere_parse(config->moved_users.items[i], &found) ||
            auth_name_key(found.name, &moved, NULL) != RC_OK ||
            !slice_eq(auth_key_slice(&moved), auth_key_slice(&key)))
            continue;
        *out = found;
        return true;
    }
    return false;
}
