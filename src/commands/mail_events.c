#include "commands/mail_events.h"

#include "base/log.h"
#include "commands/places.h"
#include "mailbox/message.h"

/* What a line says beside its message. */
struct line {
    const struct session *session;
    struct account *account; /* whose mailbox it is */
    const char *event;
    struct slice from; /* COPY and MOVE: the mailbox it came from */
};

/* Empty if the message has none, or cannot be read any more. */
static struct slice message_id_of(struct message *message)
{
    const struct digest *digest;
    struct err err;

    if (message_digest(message, &digest, &err) != RC_OK)
        return SLICE("");
    return digest_keys(digest).message_id;
}

static void log_message(const struct line *line, const struct acct_state *state,
                        const struct mbox *mbox, uint32_t uid, uint32_t from_uid)
{
    AUTO(message_closep) struct message *message = NULL;
    const struct session *session = line->session;
    struct slice name = mbox_info(mbox)->name, message_id = SLICE("");
    uint32_t index, size = 0;
    struct err err;

    if (mbox_find(mbox, uid, &index) &&
        account_need_rows(line->account, state, mbox, index, index, &err) == RC_OK) {
        const struct msg_cold *cold = mbox_cold(mbox, index);

        size = cold->size;
        message = message_open(line->account, cold->body_id, cold->size);
        message_id = message_id_of(message);
    }
    if (from_uid != 0)
        log_event(LEVEL_INFO, line->event, LOG_STR("user", session->user),
                  LOG_NUM("device", session->actor.device), LOG_TEXT("mailbox", name),
                  LOG_NUM("uid", uid), LOG_TEXT("from", line->from),
                  LOG_NUM("from_uid", from_uid), LOG_NUM("size", size),
                  LOG_TEXT("message_id", message_id));
    else
        log_event(LEVEL_INFO, line->event, LOG_STR("user", session->user),
                  LOG_NUM("device", session->actor.device), LOG_TEXT("mailbox", name),
                  LOG_NUM("uid", uid), LOG_NUM("size", size),
                  LOG_TEXT("message_id", message_id));
}

/* The n-th uid of a set, asked for in ascending order. */
struct walk {
    const struct uid_set *set;
    size_t run;
    uint32_t ahead; /* in that run */
};

static uint32_t next_uid(struct walk *walk)
{
    const struct uid_run *run = &walk->set->runs[walk->run];
    uint32_t uid = run->first + walk->ahead;

    if (uid == run->last) {
        walk->run++;
        walk->ahead = 0;
    } else {
        walk->ahead++;
    }
    return uid;
}

static void log_messages(const struct line *line, const struct acct_state *state,
                         const struct mbox *mbox, const struct uid_set *uids,
                         const struct uid_set *from_uids)
{
    uint64_t n = uid_set_span(uids);
    struct walk walk = {.set = uids}, from = {.set = from_uids};

    for (uint64_t i = 0; i < MIN(n, (uint64_t) MAIL_EVENTS_MAX); i++)
        log_message(line, state, mbox, next_uid(&walk),
                    from_uids != NULL ? next_uid(&from) : 0);
    if (n > MAIL_EVENTS_MAX)
        log_event(LEVEL_INFO, "mail.more", LOG_STR("user", line->session->user),
                  LOG_STR("event", line->event), LOG_NUM("messages", n - MAIL_EVENTS_MAX));
}

struct acct_state *mail_events_before(const struct session *session, struct account *account,
                                      uint32_t mbox_id)
{
    struct acct_state *state;
    struct err err;

    if (!session->logs_mail ||
        account_read_mailbox(account, session_position_in(session, account), mbox_id, &state,
                             &err) != RC_OK) /* gone by now */
        return NULL;
    return state;
}

void mail_events_append(const struct cmd *cmd, struct account *account, uint32_t mbox_id,
                        const struct uid_set *uids)
{
    struct line line = {.session = cmd->session, .account = account, .event = "mail.append"};
    AUTO(acct_unrefp)
    struct acct_state *state = mail_events_before(cmd->session, account, mbox_id);

    if (state != NULL)
        log_messages(&line, state, acct_mailbox_by_id(state, mbox_id), uids, NULL);
}

void mail_events_copy(const struct cmd *cmd, struct slice from, struct account *account,
                      uint32_t mbox_id, const struct copied *copied, bool move)
{
    AUTO(acct_unrefp)
    struct acct_state *state = mail_events_before(cmd->session, account, mbox_id);
    struct line line = {.session = cmd->session,
                        .account = account,
                        .event = move ? "mail.move" : "mail.copy",
                        .from = from};

    if (state == NULL)
        return;
    log_messages(&line, state, acct_mailbox_by_id(state, mbox_id), &copied->dst, &copied->src);
}

void mail_events_expunge(const struct session *session, const struct acct_state *before,
                         const struct uid_set *gone)
{
    struct line line = {
        .session = session, .account = view_account(session->view), .event = "mail.expunge"};
    uint32_t mbox_id = view_mbox_id(session->view);

    if (before != NULL)
        log_messages(&line, before, acct_mailbox_by_id(before, mbox_id), gone, NULL);
}

void mail_events_mailbox(const struct cmd *cmd, const char *event, struct slice name,
                         struct slice to)
{
    const struct session *session = cmd->session;

    if (session->logs_mail)
        log_event(LEVEL_INFO, event, LOG_STR("user", session->user),
                  LOG_NUM("device", session->actor.device), LOG_TEXT("mailbox", name),
                  LOG_TEXT("to", to));
}

void mail_events_opened(const struct cmd *cmd, const struct mbox_view *view, const char *mode)
{
    const struct session *session = cmd->session;
    struct slice name;

    if (!view_reader(view)->is_guest)
        return;
    name =
        place_name(session, view_account(view), mbox_info(view_mbox(view))->name, cmd->arena);
    log_event(LEVEL_INFO, "mailbox.opened", LOG_STR("user", session->user),
              LOG_NUM("device", session->actor.device), LOG_TEXT("mailbox", name),
              LOG_ID("account", account_id(view_account(view))), LOG_STR("mode", mode));
}

void mail_events_acl(const struct cmd *cmd, const struct account *account)
{
    const struct imap_acl_args *args = &cmd->args.acl;
    static const char *const changes[] = {
        [IMAP_ACL_SET] = "set", [IMAP_ACL_ADD] = "add", [IMAP_ACL_REMOVE] = "remove"};

    log_event(LEVEL_INFO, "acl.set", LOG_STR("user", cmd->session->user),
              LOG_NUM("device", cmd->session->actor.device),
              LOG_TEXT("mailbox", args->mailbox.name), LOG_ID("account", account_id(account)),
              LOG_TEXT("identifier", args->identifier), LOG_STR("change", changes[args->op]),
              LOG_TEXT("rights", args->rights));
}
