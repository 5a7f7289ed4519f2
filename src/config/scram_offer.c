#include "config/scram_offer.h"

#include "config/backends.h"

bool config_offers_scram(const struct config *config)
{
    struct backend_chain chain;

    if (!config->scram || config->passwd_file[0] != '\0')
        return false;
    return config->legacy_passwords_until == 0 ||
           backend_chain_read(config->backends.items, config->backends.n, &chain, NULL) !=
               RC_OK ||
           !backend_chain_has_foreign(&chain);
}
