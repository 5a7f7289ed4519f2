/* mail_referrals.c - what of the configuration is on other servers, as sessions look it up. */
#include <stdlib.h>

#include "commands/referral.h"
#include "config/elsewhere.h"
#include "roles/mail_role.h"

static int by_name(const void *a, const void *b)
{
    const struct remote_mailbox *one = a, *other = b;

    return slice_cmp(one->name, other->name);
}

/* A name that stands twice counts once, the first. */
static size_t drop_doubles(struct remote_mailbox *mailboxes, size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++)
        if (kept == 0 || !slice_eq(mailboxes[kept - 1].name, mailboxes[i].name))
            mailboxes[kept++] = mailboxes[i];
    return kept;
}

void mail_referrals_open(struct mail_role *mail)
{
    const struct config *config = mail->start->config;
    const struct config_list *list = &config->remote_mailboxes;
    struct remote_mailbox *mailboxes;
    struct elsewhere found;
    size_t n = 0;

    if (list->n == 0 && config->moved_users.n == 0)
        return;
    mailboxes = xcalloc(list->n + 1, sizeof(*mailboxes));
    for (size_t i = 0; i < list->n; i++)
        if (elsewhere_parse(list->items[i], &found))
            mailboxes[n++] = (struct remote_mailbox){found.name, found.server};
    qsort(mailboxes, n, sizeof(*mailboxes), by_name);
    mail->referrals = xcalloc(1, sizeof(*mail->referrals));
    *mail->referrals = (struct referrals){.mailboxes = mailboxes,
                                          .n = drop_doubles(mailboxes, n),
                                          .here = slice_from_str(config->hostname),
                                          .logins = config->moved_users.n > 0};
    mail->remote_mailboxes = mailboxes;
}

void mail_referrals_done(struct mail_role *mail)
{
    free(mail->remote_mailboxes);
    free(mail->referrals);
}
