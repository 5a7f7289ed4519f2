#include "roles/role_table.h"

role_fn *const role_table[ROLE_COUNT] = {
    [ROLE_GATE] = role_gate,     [ROLE_AUTH] = role_auth, [ROLE_MAIL] = role_mail,
    [ROLE_DIGEST] = role_digest, [ROLE_LOG] = role_log,   [ROLE_WEB] = role_web,
    [ROLE_IDP] = role_idp,       [ROLE_KEYS] = role_keys, [ROLE_SHIP] = role_ship,
    [ROLE_GSS] = role_gss,
};
