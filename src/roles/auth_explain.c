/*
 * auth_explain.c - `roost explain login`: what the rules say of a login that is only imagined,
 * rule by rule.
 *
 * The credential is taken as right. Before any rule stands what the account and the device say
 * for themselves: disabled, revoked, expired, for something or somewhere else. The folders of a
 * device are no rules, and stand in `roost device list`.
 */
#include "auth/name.h"
#include "base/clock.h"
#include "base/log.h"
#include "ipc/control.h"
#include "roles/auth_role.h"

#define WHY_BYTES 512u

struct explained {
    struct auth_subject subject;
    struct policy_facts facts;
    enum login_reason refused; /* before any rule; LOGIN_REASON_NONE: it is not */
    bool decided;
};

static enum rc read_address(const struct control_fields *fields, struct ipaddr *out,
                            struct err *err)
{
    struct slice text;
    enum rc rc = auth_needed(fields, "address", &text, err);

    if (rc == RC_OK && !ipaddr_parse(text, out))
        return err_set(err, RC_SYNTAX, "That is not an address", "explain: address");
    return rc;
}

/* By its number; without one, a login that no device makes. */
static enum rc read_device(struct auth_role *auth, const struct control_fields *fields,
                           struct arena *arena, struct auth_subject *subject,
                           struct auth_device *device, struct err *err)
{
    struct slice given;
    enum rc rc;

    subject->by = LOGIN_BY_LEGACY;
    if (!control_field_get(fields, "device", &given))
        return RC_OK;
    if (control_field_u64(fields, "device", &subject->device, err) != RC_OK)
        return err_set(err, RC_SYNTAX,
                       "A device is given by its number, as \"roost device list\" shows it",
                       "explain: device");
    rc = auth_db_get_device(auth->db, subject->account, subject->device, arena, device, err);
    if (rc)
        return rc;
    subject->by = LOGIN_BY_DEVICE;
    subject->device_name = device->name;
    return RC_OK;
}

static enum rc read_credential(const struct control_fields *fields,
                               struct auth_subject *subject, struct err *err)
{
    struct slice given;

    if (!control_field_get(fields, "credential", &given))
        return RC_OK;
    for (enum login_by by = LOGIN_BY_NONE + 1; by < LOGIN_BY_COUNT; by++) {
        if (!slice_eq(given, slice_from_str(login_by_name(by))))
            continue;
        subject->by = by;
        return RC_OK;
    }
    return err_set(err, RC_SYNTAX, "No credential is called so", "explain: credential");
}

static enum rc read_rest(const struct control_fields *fields, struct auth_subject *subject,
                         struct err *err)
{
    struct sasl sasl = {0};
    struct slice given;
    uint64_t time = 0;
    enum rc rc = RC_OK;

    if (!control_field_get(fields, "method", &subject->mechanism))
        subject->mechanism = SLICE("PLAIN");
    if (sasl_init(&sasl, subject->mechanism, err) != RC_OK)
        return err_set(err, RC_SYNTAX, "No SASL mechanism is called so", "explain: method");
    subject->mechanism = slice_from_str(sasl_name(&sasl));
    subject->service =
        control_field_get(fields, "send", &given) ? SERVICE_SUBMISSION : SERVICE_IMAP;
    subject->has_certificate = control_field_get(fields, "certificate", &given);
    subject->now = clock_wall_sec();
    if (control_field_get(fields, "time", &given))
        rc = control_field_u64(fields, "time", &time, err);
    if (rc == RC_OK && time != 0)
        subject->now = (int64_t) MIN(time, (uint64_t) INT64_MAX);
    return rc;
}

/* What is refused whatever the rules say. */
static enum login_reason judge_before(const struct auth_role *auth,
                                      const struct auth_subject *subject,
                                      const struct auth_account *account,
                                      const struct auth_device *device)
{
    const struct login_place place = {
        .service = subject->service, .peer = subject->peer, .now = subject->now};
    bool enabled = realm_account_enabled(auth->realm, account);

    if (subject->by == LOGIN_BY_DEVICE)
        return login_device_reason(device, enabled, &place);
    return enabled ? LOGIN_REASON_NONE : LOGIN_REASON_DISABLED;
}

static enum rc read_subject(struct auth_role *auth, const struct control_fields *fields,
                            struct arena *arena, struct explained *out, struct err *err)
{
    struct auth_subject subject = {0};
    struct auth_account account;
    struct auth_device device = {0};
    enum rc rc = auth_account_of(auth, fields, "user", arena, &account, err);

    if (rc)
        return rc;
    subject.account = account.id;
    subject.user = account.name;
    rc = read_address(fields, &subject.peer, err);
    if (rc == RC_OK)
        rc = read_device(auth, fields, arena, &subject, &device, err);
    if (rc == RC_OK)
        rc = read_credential(fields, &subject, err);
    if (rc == RC_OK)
        rc = read_rest(fields, &subject, err);
    if (rc)
        return rc;
    out->subject = subject;
    out->refused = judge_before(auth, &subject, &account, &device);
    return RC_OK;
}

/* What is so instead of what a condition wants. */
static void put_fact(struct buf *out, const struct explained *explained, enum policy_key key)
{
    static const char *const days[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
    const struct policy_facts *facts = &explained->facts;

    switch (key) {
    case POLICY_USER:
        buf_append(out, facts->user);
        break;
    case POLICY_GROUP:
        for (size_t i = 0; i < facts->n_groups; i++)
            buf_printf(out, "%s%.*s", i > 0 ? "," : "", SLICE_ARG(facts->groups[i]));
        if (facts->n_groups == 0)
            buf_str(out, "none");
        break;
    case POLICY_DEVICE:
        if (facts->device == 0)
            buf_str(out, "none");
        else
            buf_printf(out, "#%llu %.*s", (unsigned long long) facts->device,
                       SLICE_ARG(facts->device_name));
        break;
    case POLICY_METHOD:
        buf_append(out, facts->method);
        break;
    case POLICY_CREDENTIAL:
        buf_append(out, facts->credential);
        break;
    case POLICY_CERTIFICATE:
        buf_str(out, facts->has_certificate ? "any" : "none");
        break;
    case POLICY_NETWORK:
        ipaddr_print(out, &facts->peer);
        break;
    case POLICY_TIME:
        buf_printf(out, "%s %02u:%02u", days[facts->clock.weekday], facts->clock.minute / 60u,
                   facts->clock.minute % 60u);
        break;
    case POLICY_SCOPE:
        buf_str(out, facts->scope == POLICY_SCOPE_SEND ? "send" : "imap");
        break;
    case POLICY_MAILBOX:
    case POLICY_KEYS:
        break;
    }
}

/* "no" and why, "yes", or "-" behind the rule that has decided. */
static const char *judge_rule(struct explained *explained, const struct policy_rule *rule,
                              struct buf *why)
{
    const struct policy_condition *missed = NULL;

    if (explained->decided)
        return "-";
    if (!policy_rule_holds(rule, &explained->facts, &missed)) {
        buf_printf(why, "%.*s: it is ", SLICE_ARG(missed->text));
        put_fact(why, explained, missed->key);
        return "no";
    }
    if (rule->has_mailboxes && explained->facts.scope == POLICY_SCOPE_SEND) {
        buf_str(why, "who sends opens no mailbox");
        return "no";
    }
    if (rule->action == POLICY_STEP_UP && explained->facts.confirmed) {
        buf_str(why, "the device is confirmed from there");
        return "no";
    }
    if (rule->has_mailboxes)
        buf_str(why, "for these mailboxes");
    else
        explained->decided = true;
    return "yes";
}

static void rule_row(struct control_conn *conn, struct explained *explained,
                     const struct policy_rule *rule)
{
    AUTO(buf_done) struct buf why = {.max = WHY_BYTES};
    const char *holds = judge_rule(explained, rule, &why);
    char line[AUTH_NUMBER_BYTES];
    const struct control_field row[] = {
        CONTROL_TEXT("line", auth_number(line, rule->line)),
        CONTROL_TEXT("holds", slice_from_str(holds)),
        CONTROL_TEXT("rule", slice_sub(rule->text, 0, WHY_BYTES)),
        CONTROL_TEXT("why", buf_slice(&why)),
    };

    control_row(conn, row, COUNT(row));
}

static void refused_row(struct control_conn *conn, enum login_reason reason)
{
    control_row(conn,
                (const struct control_field[]){
                    CONTROL_TEXT("line", SLICE("0")), CONTROL_TEXT("verdict", SLICE("deny")),
                    CONTROL_TEXT("mailboxes", SLICE("")),
                    CONTROL_TEXT("mode", SLICE("enforce")),
                    CONTROL_TEXT("reason", slice_from_str(login_reason_name(reason)))},
                5);
}

static void verdict_row(struct auth_role *auth, struct control_conn *conn,
                        const struct explained *explained)
{
    bool dry = auth->start->config->policy_mode == POLICY_LOG;
    struct policy_verdict verdict;
    char line[AUTH_NUMBER_BYTES];

    policy_decide(auth->policy.rules, &explained->facts, &verdict);
    control_row(
        conn,
        (const struct control_field[]){
            CONTROL_TEXT("line", auth_number(line, verdict.rule->line)),
            CONTROL_TEXT("verdict", slice_from_str(policy_action_name(verdict.action))),
            CONTROL_TEXT("mailboxes", slice_of(verdict.mailboxes, verdict.mailboxes_len)),
            CONTROL_TEXT("mode", dry ? SLICE("log") : SLICE("enforce"))},
        4);
}

static enum rc explain_rules(struct auth_role *auth, struct control_conn *conn,
                             struct arena *arena, struct explained *explained, struct err *err)
{
    enum rc rc = auth_policy_facts(auth, &explained->subject, arena, &explained->facts, err);

    for (size_t i = 0; rc == RC_OK && i < auth->policy.rules->n_rules; i++)
        rule_row(conn, explained, &auth->policy.rules->rules[i]);
    return rc;
}

static enum rc explain(struct auth_role *auth, struct control_conn *conn,
                       const struct control_fields *fields, struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(POLICY_ARENA_BYTES + RESOLVE_ARENA_BYTES);
    struct explained explained = {.decided = false};
    enum rc rc;

    rc = read_subject(auth, fields, arena, &explained, err);
    if (rc)
        return rc;
    if (auth->policy.rules == NULL && explained.refused == LOGIN_REASON_NONE)
        return err_set(err, RC_NOT_FOUND,
                       "No policy_file is configured: no rule refuses anybody",
                       "explain: no rules");
    if (auth->policy.rules != NULL)
        rc = explain_rules(auth, conn, arena, &explained, err);
    if (rc == RC_OK && explained.refused != LOGIN_REASON_NONE)
        refused_row(conn, explained.refused);
    else if (rc == RC_OK)
        verdict_row(auth, conn, &explained);
    return rc;
}

/* user, address, of the login: device, method, credential, certificate, send, time (seconds
 * since 1970) -> a row for each rule: line, holds, rule, why; then: line, verdict, mailboxes,
 * mode; and reason, if it is refused before any rule */
void auth_explain_login(struct control_conn *conn, const struct control_fields *fields,
                        void *ctx)
{
    struct err err;

    auth_end(conn, explain(ctx, conn, fields, &err), &err);
}
