#include "auth/policy.h"

#include <xxhash.h>

#include "base/scan.h"

#define DAY_MINUTES 1440

struct policy_clock policy_clock_of(int64_t seconds)
{
    time_t at = (time_t) seconds;
    struct tm tm = {0};

    (void) localtime_r(&at, &tm); /* fails only for years that do not fit an int */
    return (struct policy_clock){.weekday = (uint8_t) tm.tm_wday,
                                 .minute = (uint16_t) (tm.tm_hour * 60 + tm.tm_min)};
}

/* ---- does a condition hold ---- */

static bool on_day(const struct policy_window *window, unsigned weekday)
{
    return (window->days >> weekday & 1u) != 0;
}

/* Behind midnight a window is still that of the day before. */
static bool is_open(const struct policy_window *window, struct policy_clock clock)
{
    if (window->from < window->to)
        return on_day(window, clock.weekday) && clock.minute >= window->from &&
               clock.minute < window->to;
    return (on_day(window, clock.weekday) && clock.minute >= window->from) ||
           (on_day(window, (clock.weekday + 6u) % 7u) && clock.minute < window->to);
}

static bool in_group(const struct policy_word *word, const struct policy_facts *facts)
{
    for (size_t i = 0; i < facts->n_groups; i++)
        if (pattern_matches(&word->pattern, facts->groups[i]))
            return true;
    return false;
}

static bool is_device(const struct policy_word *word, const struct policy_facts *facts)
{
    switch (word->special) {
    case POLICY_ANY:
        return facts->device != 0;
    case POLICY_NONE:
        return facts->device == 0;
    case POLICY_NUMBER:
        return facts->device == word->number;
    case POLICY_NAMED:
    case POLICY_FINGERPRINT:
        break;
    }
    return facts->device != 0 && pattern_matches_nocase(&word->pattern, facts->device_name);
}

static bool is_certificate(const struct policy_word *word, const struct policy_facts *facts)
{
    if (word->special == POLICY_NONE)
        return !facts->has_certificate;
    if (word->special == POLICY_ANY)
        return facts->has_certificate;
    return facts->has_certificate &&
           memcmp(word->fingerprint, facts->fingerprint, POLICY_FINGERPRINT_BYTES) == 0;
}

static bool fits(enum policy_key key, const struct policy_word *word,
                 const struct policy_facts *facts)
{
    switch (key) {
    case POLICY_USER:
        return pattern_matches(&word->pattern, facts->user);
    case POLICY_GROUP:
        return in_group(word, facts);
    case POLICY_DEVICE:
        return is_device(word, facts);
    case POLICY_METHOD:
        return pattern_matches_nocase(&word->pattern, facts->method);
    case POLICY_CREDENTIAL:
        return pattern_matches(&word->pattern, facts->credential);
    case POLICY_CERTIFICATE:
        return is_certificate(word, facts);
    case POLICY_NETWORK:
        return ipnet_has(&word->net, &facts->peer);
    case POLICY_TIME:
        return is_open(&word->window, facts->clock);
    case POLICY_SCOPE:
        return word->number == (uint64_t) facts->scope;
    case POLICY_MAILBOX:
    case POLICY_KEYS:
        break;
    }
    return true; /* of which mailbox is asked later */
}

static bool holds(const struct policy_condition *condition, const struct policy_facts *facts)
{
    bool any = false;

    if (condition->key == POLICY_MAILBOX)
        return true;
    for (size_t i = 0; i < condition->n_words && !any; i++)
        any = fits(condition->key, &condition->words[i], facts);
    return any != condition->negated;
}

bool policy_rule_holds(const struct policy_rule *rule, const struct policy_facts *facts,
                       const struct policy_condition **out_missed)
{
    for (size_t i = 0; i < rule->n_conditions; i++) {
        if (holds(&rule->conditions[i], facts))
            continue;
        if (out_missed != NULL)
            *out_missed = &rule->conditions[i];
        return false;
    }
    return true;
}

uint64_t policy_windows(const struct policy *policy, struct policy_clock clock)
{
    const struct policy_facts facts = {.clock = clock};
    uint64_t mark = 0;

    for (size_t i = 0; i < policy->n_rules; i++) {
        for (size_t j = 0; j < policy->rules[i].n_conditions; j++) {
            const struct policy_condition *condition = &policy->rules[i].conditions[j];
            uint8_t open = condition->key == POLICY_TIME && holds(condition, &facts) ? 1 : 0;

            if (condition->key == POLICY_TIME)
                mark = XXH3_64bits_withSeed(&open, sizeof(open), mark);
        }
    }
    return mark;
}

/* ---- the decision ---- */

static char sign_of(enum policy_action action)
{
    if (action == POLICY_ALLOW)
        return '+';
    return action == POLICY_READ_ONLY ? '=' : '-';
}

/* POLICY_MAILBOXES_MAX_BYTES holds those of all rules. */
static void put_line(struct policy_verdict *verdict, enum policy_action action,
                     const struct pattern *pattern)
{
    char *at = verdict->mailboxes + verdict->mailboxes_len;

    *at++ = sign_of(action);
    if (pattern->before.len > 0)
        memcpy(at, pattern->before.ptr, pattern->before.len);
    at += pattern->before.len;
    if (pattern->star)
        *at++ = '*';
    if (pattern->after.len > 0)
        memcpy(at, pattern->after.ptr, pattern->after.len);
    at += pattern->after.len;
    *at++ = '\n';
    verdict->mailboxes_len = (size_t) (at - verdict->mailboxes);
}

static void put_mailboxes(struct policy_verdict *verdict, const struct policy_rule *rule)
{
    const struct policy_condition *condition = &rule->conditions[rule->n_conditions - 1];

    for (size_t i = 0; i < condition->n_words; i++)
        put_line(verdict, rule->action, &condition->words[i].pattern);
}

/* Is one line's sign that? */
static bool has_sign(const struct policy_verdict *verdict, char sign)
{
    struct scan sc = scan_of(slice_of(verdict->mailboxes, verdict->mailboxes_len));
    struct slice line;

    while (scan_until(&sc, '\n', &line)) {
        if (line.ptr[0] == sign)
            return true;
        (void) scan_byte(&sc, '\n');
    }
    return false;
}

/* What the last rule says is for all mailboxes that no rule before it named. */
static void settle_mailboxes(struct policy_verdict *verdict)
{
    static const struct pattern all = {.star = true};

    if (verdict->action == POLICY_STEP_UP ||
        (verdict->action == POLICY_DENY && !has_sign(verdict, '+') && !has_sign(verdict, '=')))
        verdict->mailboxes_len = 0;
    if (verdict->mailboxes_len == 0)
        return;
    put_line(verdict, verdict->action, &all);
    verdict->action = has_sign(verdict, '+') ? POLICY_ALLOW : POLICY_READ_ONLY;
}

void policy_decide(const struct policy *policy, const struct policy_facts *facts,
                   struct policy_verdict *out)
{
    bool sends = facts->scope == POLICY_SCOPE_SEND;

    *out = (struct policy_verdict){.action = POLICY_DENY};
    for (size_t i = 0; i < policy->n_rules; i++) {
        const struct policy_rule *rule = &policy->rules[i];

        if ((rule->action == POLICY_STEP_UP && facts->confirmed) ||
            (rule->has_mailboxes && sends) || !policy_rule_holds(rule, facts, NULL))
            continue;
        if (rule->has_mailboxes) {
            put_mailboxes(out, rule);
            continue;
        }
        out->rule = rule;
        out->action = rule->action;
        break;
    }
    settle_mailboxes(out);
    if (sends && out->action == POLICY_READ_ONLY)
        out->action = POLICY_DENY; /* who only reads hands in no mail */
}

uint64_t policy_verdict_mark(const struct policy_verdict *verdict)
{
    return XXH3_64bits_withSeed(verdict->mailboxes, verdict->mailboxes_len,
                                (uint64_t) verdict->action);
}

/* ---- rules that can never decide ---- */

/* Is b open only while a is? Of windows of one form; else no is said. */
static bool window_covers(const struct policy_window *a, const struct policy_window *b)
{
    if ((a->days & b->days) != b->days)
        return false;
    if (a->from == 0 && a->to == DAY_MINUTES && (b->from < b->to || a->days == 0x7f))
        return true;
    return (a->from < a->to) == (b->from < b->to) && a->from <= b->from && a->to >= b->to;
}

static bool device_covers(const struct policy_word *a, const struct policy_word *b)
{
    if (a->special == POLICY_ANY)
        return b->special != POLICY_NONE;
    if (a->special != b->special)
        return false;
    return a->special == POLICY_NONE ||
           (a->special == POLICY_NUMBER && a->number == b->number) ||
           (a->special == POLICY_NAMED && pattern_covers(&a->pattern, &b->pattern));
}

static bool certificate_covers(const struct policy_word *a, const struct policy_word *b)
{
    if (a->special == POLICY_ANY)
        return b->special != POLICY_NONE;
    return a->special == b->special &&
           (a->special == POLICY_NONE ||
            memcmp(a->fingerprint, b->fingerprint, POLICY_FINGERPRINT_BYTES) == 0);
}

/* Does whatever fits b fit a? */
static bool word_covers(enum policy_key key, const struct policy_word *a,
                        const struct policy_word *b)
{
    switch (key) {
    case POLICY_USER:
    case POLICY_GROUP:
    case POLICY_METHOD:
    case POLICY_CREDENTIAL:
        return pattern_covers(&a->pattern, &b->pattern);
    case POLICY_DEVICE:
        return device_covers(a, b);
    case POLICY_CERTIFICATE:
        return certificate_covers(a, b);
    case POLICY_NETWORK:
        return a->net.bits <= b->net.bits && ipnet_has(&a->net, &b->net.first);
    case POLICY_TIME:
        return window_covers(&a->window, &b->window);
    case POLICY_SCOPE:
        return a->number == b->number;
    case POLICY_MAILBOX:
    case POLICY_KEYS:
        break;
    }
    return false;
}

static bool words_cover(const struct policy_condition *a, const struct policy_condition *b)
{
    for (size_t i = 0; i < b->n_words; i++) {
        bool covered = false;

        for (size_t j = 0; j < a->n_words && !covered; j++)
            covered = word_covers(a->key, &a->words[j], &b->words[i]);
        if (!covered)
            return false;
    }
    return true;
}

/* Does a hold whenever b does? */
static bool condition_covers(const struct policy_condition *a, const struct policy_condition *b)
{
    if (a->key != b->key || a->negated != b->negated)
        return false;
    return a->negated ? words_cover(b, a) : words_cover(a, b);
}

static bool rule_covers(const struct policy_rule *a, const struct policy_rule *b)
{
    for (size_t i = 0; i < a->n_conditions; i++) {
        bool covered = false;

        for (size_t j = 0; j < b->n_conditions && !covered; j++)
            covered = condition_covers(&a->conditions[i], &b->conditions[j]);
        if (!covered)
            return false;
    }
    return true;
}

const struct policy_rule *policy_shadowed_by(const struct policy *policy, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        const struct policy_rule *rule = &policy->rules[i];

        if (rule->action != POLICY_STEP_UP && !rule->has_mailboxes &&
            rule_covers(rule, &policy->rules[at]))
            return rule;
    }
    return NULL;
}
