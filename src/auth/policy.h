/*
 * policy.h - rules about who may come in: from which device, how, from where and when, and to
 * which mailboxes. Pure: no file, no clock, no database; the caller brings the facts.
 *
 * A file has one rule a line (docs/formats/policy.md, grammar; docs/operating.md, "Policy").
 * The first rule whose conditions all hold decides; the last one holds for everybody, so that
 * there is no default to be guessed.
 *
 *     step-up  decides only for who has not confirmed the device from there; else it is as if
 *              it were not there
 *     mailbox  a rule with this condition decides about these mailboxes alone, and what is
 *              below them; the rules behind it decide about the others
 *
 * Deciding is linear in the rules and what they name, and POLICY_WORDS_MAX bounds that.
 *
 * A struct policy is immutable. Memory: its own arena; a verdict is a plain value.
 */
#ifndef ROOST_AUTH_POLICY_H
#define ROOST_AUTH_POLICY_H

#include "base/arena.h"
#include "base/ipaddr.h"
#include "base/pattern.h"

#define POLICY_FILE_MAX_BYTES      ((size_t) 256 << 10)
#define POLICY_LINE_MAX_BYTES      8192u
#define POLICY_RULES_MAX           1000u
#define POLICY_CONDITION_WORDS_MAX 256u   /* between the commas of one condition */
#define POLICY_WORDS_MAX           16384u /* of all rules: what a decision may look at */
#define POLICY_MAILBOXES_MAX_BYTES 4096u  /* of all rules: a session keeps its part */
#define POLICY_FINGERPRINT_BYTES   32u    /* SHA-256 of a certificate */

enum policy_action { POLICY_ALLOW, POLICY_READ_ONLY, POLICY_STEP_UP, POLICY_DENY };

/* In the order in which "explain" names what does not fit. */
enum policy_key {
    POLICY_USER,
    POLICY_GROUP,
    POLICY_DEVICE,
    POLICY_METHOD,
    POLICY_CREDENTIAL,
    POLICY_CERTIFICATE,
    POLICY_NETWORK,
    POLICY_TIME,
    POLICY_SCOPE,
    POLICY_MAILBOX,
    POLICY_KEYS
};

/* A window of local time: on these days from one minute of the day to another. */
struct policy_window {
    uint8_t days;      /* bit 1 << tm_wday: Sunday is bit 0 */
    uint16_t from, to; /* from > to: into the next day; 0 to 1440: all day */
};

/* What may stand for a device, a certificate and a scope instead of a name. */
enum policy_special {
    POLICY_NAMED,
    POLICY_ANY,
    POLICY_NONE,
    POLICY_NUMBER,
    POLICY_FINGERPRINT
};

/* What stands between two commas; which fields count is the condition's key's matter. */
struct policy_word {
    enum policy_special special; /* DEVICE, CERTIFICATE, SCOPE */
    struct pattern pattern;      /* names; of users and groups: of their keys (name.h) */
    uint64_t number;             /* DEVICE; SCOPE: enum policy_scope */
    struct ipnet net;
    struct policy_window window;
    uint8_t fingerprint[POLICY_FINGERPRINT_BYTES];
};

enum policy_scope { POLICY_SCOPE_IMAP = 1, POLICY_SCOPE_SEND };

struct policy_condition {
    enum policy_key key;
    bool negated;
    struct slice text; /* as it was written, the key included */
    const struct policy_word *words;
    size_t n_words;
};

struct policy_rule {
    enum policy_action action;
    unsigned line;
    struct slice text; /* as it was written */
    struct policy_condition conditions[POLICY_KEYS];
    size_t n_conditions;
    bool has_mailboxes; /* the last condition is POLICY_MAILBOX */
};

struct policy {
    struct arena *arena;
    const struct policy_rule *rules;
    size_t n_rules;
    uint64_t mark; /* of the text: other rules have another */
    unsigned keys; /* bits 1 << enum policy_key: what any rule asks about */
    bool steps_up; /* a rule does */
};

/* RC_SYNTAX, RC_INVALID, RC_LIMIT: err's detail begins with "line N: ". auth_names_init() was
 * called. */
MUST_CHECK enum rc policy_parse(struct slice text, struct policy **out, struct err *err);
void policy_free(struct policy *policy); /* NULL is allowed */
void policy_freep(struct policy **policy);

/* "read-only". Static. */
const char *policy_action_name(enum policy_action action);

/* A moment as rules see it. */
struct policy_clock {
    uint8_t weekday; /* 0: Sunday */
    uint16_t minute; /* of the day */
};
/* In the time zone of the process. */
struct policy_clock policy_clock_of(int64_t seconds);
/* A number that changes when any window of the rules opens or closes. */
uint64_t policy_windows(const struct policy *policy, struct policy_clock clock);

/* What is known of a login or a session. */
struct policy_facts {
    struct slice user;          /* its key */
    const struct slice *groups; /* their keys */
    size_t n_groups;
    uint64_t device; /* 0: none */
    struct slice device_name;
    struct slice method;     /* of SASL: "PLAIN", "LOGIN" */
    struct slice credential; /* login_by_name() */
    bool has_certificate;    /* one that is believed, and names this user */
    uint8_t fingerprint[POLICY_FINGERPRINT_BYTES]; /* of it */
    struct ipaddr peer;
    struct policy_clock clock;
    enum policy_scope scope;
    bool confirmed; /* the device, from there: what step-up asks for */
};

/* Does the rule hold? If not, *out_missed (may be NULL) is the first condition that does not. A
 * condition about mailboxes is left out. */
bool policy_rule_holds(const struct policy_rule *rule, const struct policy_facts *facts,
                       const struct policy_condition **out_missed);

struct policy_verdict {
    enum policy_action action;      /* POLICY_ALLOW and POLICY_READ_ONLY: the session begins */
    const struct policy_rule *rule; /* that decided, but for mailboxes */
    /* What decides about mailboxes, first match first, one a line: "+" or "=" or "-" (all, only
     * reading, nothing) and a name or pattern. Empty: the action is for all of them. With lines
     * the action is POLICY_ALLOW, or POLICY_READ_ONLY if there is no "+". */
    size_t mailboxes_len;
    char mailboxes[POLICY_MAILBOXES_MAX_BYTES + 8];
};

void policy_decide(const struct policy *policy, const struct policy_facts *facts,
                   struct policy_verdict *out);
/* Of a verdict, for comparing it with another: equal numbers give a session the same. */
uint64_t policy_verdict_mark(const struct policy_verdict *verdict);

/* The first rule before the one at `at` that makes it void, since it holds wherever that one
 * does; NULL: none, as far as can be said of words alone. */
const struct policy_rule *policy_shadowed_by(const struct policy *policy, size_t at);

#endif
