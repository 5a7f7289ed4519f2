#include "roles/mail_digester.h"

static enum rc make(struct digester *digester, uint64_t account, struct slice message,
                    struct arena *arena, struct slice *out, struct err *err)
{
    struct mail_digester *self = (struct mail_digester *) (void *) digester;

    return digest_client_make(self->client, account, message, arena, out, err);
}

void mail_digester_init(struct mail_digester *out, struct digest_client *client)
{
    *out = (struct mail_digester){.digester = {.make = make}, .client = client};
}
