/*
 * mail_directory.c - the directory of users, shared accounts and groups as auth tells it
 * (docs/formats/ipc.md).
 *
 * What comes is a transfer of everybody, and changes between its rows. A change is published at
 * once, and applied to the transfer as well, so that it does not vanish with the transfer's
 * end. Before the first whole directory nothing is published and no gate is heard: a session
 * that knew only half of the groups would refuse what is granted.
 */
#include "base/log.h"
#include "roles/mail_role.h"

static enum principal_kind kind_of(uint8_t wire)
{
    if (wire == WIRE_GROUP)
        return PRINCIPAL_GROUP;
    return wire == WIRE_SHARED ? PRINCIPAL_SHARED : PRINCIPAL_USER;
}

static void read_limits(const struct msg_directory_row *row, struct quota_limits *out)
{
    const uint64_t values[QUOTA_RESOURCES] = {[QUOTA_STORAGE] = row->storage,
                                              [QUOTA_MESSAGES] = row->messages,
                                              [QUOTA_MAILBOXES] = row->mailboxes};

    for (unsigned i = 0; i < QUOTA_RESOURCES; i++) {
        out->set[i] = (row->limited & (1u << i)) != 0;
        out->limit[i] = values[i];
    }
}

/* Auth has as many groups for an account as fit; they ascend. */
static void put_row(struct principals_change *change, const struct msg_directory_row *row)
{
    struct principal principal = {
        .id = row->id, .kind = kind_of(row->kind), .name = row->name, .key = row->key};
    struct scan sc = scan_of(row->groups);
    uint64_t groups[PRINCIPAL_GROUPS_MAX];
    size_t n = 0;

    while (n < PRINCIPAL_GROUPS_MAX && scan_le64(&sc, &groups[n]))
        n++;
    read_limits(row, &principal.limits);
    principals_put(change, &principal, groups, n);
}

void mail_directory_begin(struct mail_role *mail, const struct msg_directory_begin *msg)
{
    principals_change_abortp(&mail->directory.transfer);
    mail->directory.transfer = principals_change_begin(mail->directory.registry, true);
    mail->directory.number = msg->transfer;
    lmtp_forget_known(mail->lmtp, msg->generation); /* a RECIPIENTS_FORGET may be missed */
}

static void change_row(struct mail_role *mail, const struct msg_directory_row *row)
{
    AUTO(principals_change_abortp)
    struct principals_change *change = principals_change_begin(mail->directory.registry, false);

    put_row(change, row);
    principals_publish(&change);
}

void mail_directory_row(struct mail_role *mail, const struct msg_directory_row *row)
{
    struct mail_directory *directory = &mail->directory;

    if (directory->transfer != NULL &&
        (row->transfer == 0 || row->transfer == directory->number))
        put_row(directory->transfer, row);
    if (row->transfer == 0 && directory->complete)
        change_row(mail, row);
}

void mail_directory_gone(struct mail_role *mail, const struct msg_directory_gone *gone)
{
    struct mail_directory *directory = &mail->directory;
    AUTO(principals_change_abortp) struct principals_change *change = NULL;

    if (directory->transfer != NULL)
        principals_remove(directory->transfer, gone->id);
    if (!directory->complete)
        return;
    change = principals_change_begin(directory->registry, false);
    principals_remove(change, gone->id);
    principals_publish(&change);
}

void mail_directory_end(struct mail_role *mail, const struct msg_directory_end *end)
{
    struct mail_directory *directory = &mail->directory;
    AUTO(principals_unrefp) struct principals *now = NULL;

    if (directory->transfer == NULL || end->transfer != directory->number)
        return;
    principals_publish(&directory->transfer);
    now = principal_registry_current(directory->registry);
    log_event(LEVEL_INFO, "directory.complete", LOG_NUM("principals", principals_count(now)));
    if (!directory->complete) {
        directory->complete = true;
        mail_peers_hear_gates(mail);
    }
}

/* What came before it is published by now. */
void mail_directory_asked(struct mail_role *mail, const struct msg_directory_ask *ask)
{
    struct msg msg = {.type = MSG_DIRECTORY_HEARD, .directory_heard = {.number = ask->number}};
    struct err err;

    if (mail_post(&mail->auth, &msg, &err) != RC_OK)
        log_event(LEVEL_WARNING, "mail.auth_not_told", LOG_ERR(&err));
}

void mail_directory_lost(struct mail_role *mail)
{
    principals_change_abortp(&mail->directory.transfer);
}
