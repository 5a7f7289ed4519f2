/*
 * auth_policy.c - the administrator's rules (auth/policy.h) at each login, and again for
 * sessions that live on.
 *
 * Auth keeps no list of sessions: mail has them, and with each the facts of its login and a
 * number that stands for what the rules gave it. Whenever something may have changed (the
 * rules, a group, an opening or closing window, a confirmation that ends, auth itself) auth
 * asks mail for sessions, decides about each as if it came in now, and has those ended that
 * would get something else. So nothing is missed while auth is away, and a session never holds
 * on to more than a login would get; nor to less, for a client learns what it may do when it
 * logs in. Auth asks without rules as well when it comes, for a device may have been revoked by
 * one that died before it could say so, and when the passwd-file is another.
 *
 * Rules that cannot be read are not guessed: at the start auth refuses to run, later the old
 * ones stay.
 */
#include "auth/policy_file.h"
#include "base/clock.h"
#include "base/log.h"
#include "roles/auth_role.h"

#define TICK_US                                                                                \
    ((int64_t) 20000000) /* mail's part included, a change is felt within a minute */

static bool is_dry(const struct auth_role *auth)
{
    return auth->start->config->policy_mode == POLICY_LOG;
}

bool auth_policy_asks(const struct auth_role *auth, enum policy_key key)
{
    return auth->policy.rules != NULL && (auth->policy.rules->keys >> key & 1u) != 0;
}

/* ---- the rules ---- */

static void take_rules(struct auth_role *auth, struct policy *rules)
{
    policy_free(auth->policy.rules);
    auth->policy.rules = rules;
    auth->policy.looked_sec = clock_wall_sec();
    auth->policy.windows = policy_windows(rules, policy_clock_of(auth->policy.looked_sec));
    log_event(LEVEL_INFO, "policy.loaded", LOG_STR("file", auth->start->config->policy_file),
              LOG_NUM("rules", rules->n_rules),
              LOG_STR("mode", is_dry(auth) ? "log" : "enforce"));
}

static enum rc read_rules(const char *path, struct policy **out, struct err *err)
{
    struct err why;
    enum rc rc = policy_file_read(path, out, &why);

    if (rc)
        return err_set(err, rc, "The policy file cannot be used", "policy_file: %s",
                       why.detail);
    return RC_OK;
}

enum rc auth_policy_open(struct auth_role *auth, struct err *err)
{
    const char *path = auth->start->config->policy_file;
    struct policy *rules;
    enum rc rc;

    if (path[0] == '\0')
        return RC_OK;
    rc = read_rules(path, &rules, err);
    if (rc)
        return rc;
    take_rules(auth, rules);
    return RC_OK;
}

enum rc auth_policy_reload(struct auth_role *auth, struct err *err)
{
    const char *path = auth->start->config->policy_file;
    struct policy *rules;
    enum rc rc;

    if (path[0] == '\0')
        return RC_OK;
    rc = read_rules(path, &rules, err);
    if (rc) {
        log_event(LEVEL_ERROR, "policy.unreadable", LOG_STR("file", path), LOG_ERR(err));
        return rc;
    }
    if (rules->mark == auth->policy.rules->mark) {
        policy_free(rules);
        return RC_OK;
    }
    take_rules(auth, rules);
    auth_policy_review(auth, 0);
    return RC_OK;
}

/* ---- facts ---- */

static enum rc find_groups(struct auth_role *auth, uint64_t account, struct arena *arena,
                           struct policy_facts *out, struct err *err)
{
    struct slice *keys;

    if (!auth_policy_asks(auth, POLICY_GROUP))
        return RC_OK;
    keys = ARENA_ARRAY(arena, struct slice, GROUPS_PER_ACCOUNT_MAX);
    out->groups = keys;
    return auth_db_group_keys(auth->db, account, arena, keys, &out->n_groups, err);
}

/* LOGIN is a command, too; to rules it is one way of saying a password. */
static struct slice method_of(struct slice mechanism)
{
    return slice_eq(mechanism, SLICE(SASL_LOGIN_COMMAND)) ? SLICE(SASL_LOGIN) : mechanism;
}

enum rc auth_policy_facts(struct auth_role *auth, const struct auth_subject *subject,
                          struct arena *arena, struct policy_facts *out, struct err *err)
{
    struct auth_account account;
    struct policy_facts facts = {
        .device = subject->device,
        .device_name = subject->device_name,
        .method = method_of(subject->mechanism),
        .credential = slice_from_str(login_by_name(subject->by)),
        .has_certificate = subject->has_certificate,
        .peer = subject->peer,
        .clock = policy_clock_of(subject->now),
        .scope = subject->service == SERVICE_SUBMISSION ? POLICY_SCOPE_SEND : POLICY_SCOPE_IMAP,
    };
    enum rc rc = auth_db_get_account(auth->db, subject->account, arena, &account, err);

    if (rc == RC_OK)
        rc = find_groups(auth, subject->account, arena, &facts, err);
    if (rc == RC_OK && auth->policy.rules != NULL && auth->policy.rules->steps_up)
        rc = auth_db_is_confirmed(auth->db, subject->account, subject->device, &subject->peer,
                                  subject->now, &facts.confirmed, err);
    if (rc)
        return rc;
    memcpy(facts.fingerprint, subject->certificate, sizeof(facts.fingerprint));
    facts.user = account.key;
    *out = facts;
    return RC_OK;
}

/* What the rules say, whether or not they are only tried. */
static enum rc decide(struct auth_role *auth, const struct auth_subject *subject,
                      struct policy_verdict *out, struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(POLICY_ARENA_BYTES);
    struct policy_facts facts;
    enum rc rc = auth_policy_facts(auth, subject, arena, &facts, err);

    if (rc)
        return rc;
    policy_decide(auth->policy.rules, &facts, out);
    return RC_OK;
}

/* ---- a login ---- */

/* What is not simply allowed leaves a line. */
static void log_verdict(const struct auth_role *auth, const char *event,
                        const struct auth_subject *subject,
                        const struct policy_verdict *verdict)
{
    AUTO(buf_done) struct buf address = {.max = IPADDR_TEXT_BYTES};

    ipaddr_print(&address, &subject->peer);
    log_event(LEVEL_INFO, event, LOG_TEXT("address", buf_slice(&address)),
              LOG_STR("reason", policy_action_name(verdict->action)),
              LOG_STR("mode", is_dry(auth) ? "log" : "enforce"),
              LOG_TEXT("user", subject->user), LOG_NUM("device", subject->device),
              LOG_NUM("rule", verdict->rule->line),
              LOG_STR("mailboxes", verdict->mailboxes_len > 0 ? "narrowed" : "all"));
}

static bool is_plain(const struct policy_verdict *verdict)
{
    return verdict->action == POLICY_ALLOW && verdict->mailboxes_len == 0;
}

enum login_reason auth_policy_judge(struct auth_role *auth, const struct auth_subject *subject,
                                    struct policy_verdict *out)
{
    struct err err;

    *out = (struct policy_verdict){.action = POLICY_ALLOW};
    if (auth->policy.rules == NULL)
        return LOGIN_REASON_NONE;
    if (decide(auth, subject, out, &err) != RC_OK) {
        log_event(LEVEL_ERROR, "auth.database_failed", LOG_ERR(&err));
        return LOGIN_REASON_INTERNAL;
    }
    if (!is_plain(out))
        log_verdict(auth, "policy.login", subject, out);
    if (is_dry(auth))
        *out = (struct policy_verdict){.action = POLICY_ALLOW};
    if (out->action == POLICY_DENY)
        return LOGIN_REASON_POLICY;
    if (out->action != POLICY_STEP_UP)
        return LOGIN_REASON_NONE;
    auth_confirm_wait(auth, subject);
    return LOGIN_REASON_UNCONFIRMED;
}

/* ---- sessions ---- */

void auth_policy_review(struct auth_role *auth, uint64_t account)
{
    const struct msg msg = {.type = MSG_SESSIONS_ASK, .sessions_ask = {.account = account}};

    if (auth->policy.rules != NULL || account == 0)
        auth_tell_mail_surely(auth, &msg);
}

void auth_groups_changed(struct auth_role *auth, uint64_t account)
{
    auth_directory_account(auth, account);
    if (auth_policy_asks(auth, POLICY_GROUP))
        auth_policy_review(auth, account);
}

/* RC_NOT_FOUND: the device was revoked, or the account may not log in any more. */
static enum rc find_session(struct auth_role *auth, const struct msg_session_facts *msg,
                            struct arena *arena, struct auth_subject *out, struct err *err)
{
    struct auth_account account;
    struct auth_device device = {0};
    enum rc rc = auth_db_get_account(auth->db, msg->account, arena, &account, err);

    if (rc == RC_OK && !realm_account_enabled(auth->realm, &account))
        rc = err_set(err, RC_NOT_FOUND, "No such user", "session: of nobody who may log in");
    if (rc == RC_OK && msg->device != 0)
        rc = auth_db_get_device(auth->db, msg->account, msg->device, arena, &device, err);
    if (rc)
        return rc;
    *out = (struct auth_subject){
        .account = msg->account,
        .device = msg->device,
        .user = account.name,
        .device_name = device.name,
        .mechanism = msg->mechanism,
        .by =
            msg->credential < LOGIN_BY_COUNT ? (enum login_by) msg->credential : LOGIN_BY_NONE,
        .service = SERVICE_IMAP,
        .peer = msg->peer,
        .has_certificate = msg->certified != 0,
        .now = clock_wall_sec(),
    };
    memcpy(out->certificate, msg->certificate, sizeof(out->certificate));
    return RC_OK;
}

static void end_session(struct auth_role *auth, const struct msg_session_facts *msg)
{
    const struct msg end = {
        .type = MSG_SESSION_END,
        .session_end = {.gate = msg->gate, .conn = msg->conn, .verdict = msg->verdict}
    };

    auth_tell_mail_surely(auth, &end);
}

void auth_policy_session(struct auth_role *auth, const struct msg_session_facts *msg)
{
    AUTO(arena_freep) struct arena *arena = arena_new(RESOLVE_ARENA_BYTES + DB_ROW_MAX_BYTES);
    struct auth_subject subject;
    struct policy_verdict verdict;
    struct err err;
    enum rc rc;

    rc = find_session(auth, msg, arena, &subject, &err);
    if (rc == RC_NOT_FOUND) { /* mail may have heard so already: once more does no harm */
        auth_revoke(auth, msg->device != 0 ? REVOKE_DEVICE : REVOKE_ACCOUNT, msg->account,
                    msg->device, "revoked meanwhile");
        return;
    }
    if (rc == RC_OK && auth->policy.rules == NULL)
        return;
    if (rc == RC_OK)
        rc = decide(auth, &subject, &verdict, &err);
    if (rc) {
        log_event(LEVEL_ERROR, "auth.database_failed", LOG_ERR(&err));
        return;
    }
    if (policy_verdict_mark(&verdict) == msg->verdict)
        return;
    log_verdict(auth, "policy.session", &subject, &verdict);
    if (!is_dry(auth))
        end_session(auth, msg);
}

/* ---- time ---- */

static bool has_confirmation_ended(struct auth_role *auth, int64_t now)
{
    bool ended = false;
    struct err err;

    if (!auth->policy.rules->steps_up)
        return false;
    if (auth_db_confirmed_ended(auth->db, auth->policy.looked_sec, now, &ended, &err) != RC_OK)
        log_event(LEVEL_ERROR, "auth.database_failed", LOG_ERR(&err));
    return ended;
}

static void on_tick(void *ctx)
{
    struct auth_role *auth = ctx;
    int64_t now = clock_wall_sec();
    uint64_t windows = policy_windows(auth->policy.rules, policy_clock_of(now));
    bool changed = windows != auth->policy.windows || has_confirmation_ended(auth, now);

    auth->policy.windows = windows;
    auth->policy.looked_sec = now;
    if (changed)
        auth_policy_review(auth, 0);
    timer_start(auth->loop, &auth->policy.tick, TICK_US, on_tick, auth);
}

void auth_policy_start(struct auth_role *auth)
{
    if (auth->policy.rules != NULL)
        timer_start(auth->loop, &auth->policy.tick, TICK_US, on_tick, auth);
}

void auth_policy_done(struct auth_role *auth)
{
    auth_confirm_done(auth);
    timer_stop(auth->loop, &auth->policy.tick);
    policy_free(TAKE(auth->policy.rules));
}
