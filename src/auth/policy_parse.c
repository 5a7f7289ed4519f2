/* policy_parse.c - the rules of a policy file, a line each (docs/formats/policy.md). */
#include <stdarg.h>
#include <xxhash.h>

#include "auth/login.h"
#include "auth/name.h"
#include "auth/policy.h"
#include "auth/sasl.h"
#include "base/ascii.h"
#include "base/scan.h"
#include "base/utf8.h"

#define WORD_MAX_BYTES 1024u
/* The text, POLICY_RULES_MAX rules of half a KiB, and POLICY_WORDS_MAX words with a key each.
 */
#define POLICY_ARENA_BYTES ((size_t) 16 << 20)

/* A word of a line, its quotes undone. */
struct word {
    struct slice text;
    bool quoted;
};

struct reading {
    struct policy *policy;
    unsigned line;
    size_t n_rules, n_words, mailbox_bytes;
    struct policy_rule *rules;
};

typedef enum rc word_fn(struct reading *reading, const struct word *word,
                        struct policy_word *out, struct err *err);

static const char *const action_names[] = {
    [POLICY_ALLOW] = "allow",
    [POLICY_READ_ONLY] = "read-only",
    [POLICY_STEP_UP] = "step-up",
    [POLICY_DENY] = "deny",
};

const char *policy_action_name(enum policy_action action)
{
    return action_names[action];
}

#define WRONG(reading, err, ...) wrong((err), RC_SYNTAX, (reading)->line, __VA_ARGS__)

static enum rc wrong(struct err *err, enum rc rc, unsigned line, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

static enum rc wrong(struct err *err, enum rc rc, unsigned line, const char *fmt, ...)
{
    char text[160];
    va_list args;

    va_start(args, fmt);
    (void) vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return err_set(err, rc, "The policy file has an error", "line %u: %s", line, text);
}

/* ---- what the words of each condition mean ---- */

static struct slice keep_key(const struct reading *reading, const struct auth_key *key)
{
    return arena_dup(reading->policy->arena, auth_key_slice(key));
}

/* Of the end of a name, behind a star: it may begin with the domain. */
static enum rc read_end(const struct reading *reading, struct slice end, struct slice *out,
                        struct err *err)
{
    struct auth_key key = {0};
    enum rc rc;

    if (end.len == 0 || end.ptr[0] != '@') {
        rc = end.len > 0 ? auth_name_key(end, &key, err) : RC_OK;
        if (rc == RC_OK)
            *out = keep_key(reading, &key);
        return rc;
    }
    rc = auth_domain_key(slice_from(end, 1), &key, err);
    if (rc == RC_OK)
        *out = slice_from_str(
            arena_printf(reading->policy->arena, "@%.*s", SLICE_ARG(auth_key_slice(&key))));
    return rc;
}

/* By its key, as names of users and groups compare. */
static enum rc read_name(struct reading *reading, const struct word *word,
                         struct policy_word *out, struct err *err)
{
    struct pattern pattern;
    struct auth_key key = {0};
    enum rc rc = pattern_parse(word->text, &pattern, err);

    if (rc == RC_OK && pattern.star && slice_find(pattern.before, '@') < pattern.before.len)
        rc = err_set(err, RC_SYNTAX, "No * inside a domain", "policy: star in a domain");
    if (rc == RC_OK && (pattern.before.len > 0 || !pattern.star))
        rc = auth_name_key(pattern.before, &key, err);
    if (rc == RC_OK) {
        pattern.before = keep_key(reading, &key);
        rc = read_end(reading, pattern.after, &pattern.after, err);
    }
    if (rc)
        return WRONG(reading, err, "\"%.*s\" is no name: %.80s", SLICE_ARG(word->text),
                     err != NULL ? err->text : "");
    out->pattern = pattern;
    return RC_OK;
}

static enum rc read_device(struct reading *reading, const struct word *word,
                           struct policy_word *out, struct err *err)
{
    struct slice text = word->text;

    if (!word->quoted && slice_eq(text, SLICE("any"))) {
        out->special = POLICY_ANY;
        return RC_OK;
    }
    if (!word->quoted && slice_eq(text, SLICE("none"))) {
        out->special = POLICY_NONE;
        return RC_OK;
    }
    if (!word->quoted && slice_starts(text, SLICE("#"))) {
        out->special = POLICY_NUMBER;
        if (slice_to_u64(slice_from(text, 1), &out->number) && out->number > 0)
            return RC_OK;
        return WRONG(reading, err, "\"%.*s\" is no number of a device", SLICE_ARG(text));
    }
    if (pattern_parse(text, &out->pattern, NULL) == RC_OK)
        return RC_OK;
    return WRONG(reading, err, "\"%.*s\" has more than one *", SLICE_ARG(text));
}

/* A mechanism that there is; with a star it may be of one that is to come. */
static enum rc read_method(struct reading *reading, const struct word *word,
                           struct policy_word *out, struct err *err)
{
    struct sasl sasl = {0};

    if (pattern_parse(word->text, &out->pattern, NULL) == RC_OK &&
        (out->pattern.star || sasl_init(&sasl, word->text, NULL) == RC_OK))
        return RC_OK;
    return WRONG(reading, err, "\"%.*s\" is no SASL mechanism", SLICE_ARG(word->text));
}

static enum rc read_credential(struct reading *reading, const struct word *word,
                               struct policy_word *out, struct err *err)
{
    for (enum login_by by = LOGIN_BY_NONE + 1; by < LOGIN_BY_COUNT; by++) {
        if (!slice_eq(word->text, slice_from_str(login_by_name(by))))
            continue;
        out->pattern = (struct pattern){.before = slice_from_str(login_by_name(by))};
        return RC_OK;
    }
    return WRONG(reading, err, "\"%.*s\" is no credential", SLICE_ARG(word->text));
}

/* 64 hexadecimal digits; colons between them do not count. */
static bool read_fingerprint(struct slice text, uint8_t out[POLICY_FINGERPRINT_BYTES])
{
    size_t n = 0;

    memset(out, 0, POLICY_FINGERPRINT_BYTES);
    for (size_t i = 0; i < text.len; i++) {
        int value = ascii_hex_value(text.ptr[i]);

        if (text.ptr[i] == ':')
            continue;
        if (value < 0 || n == 2 * POLICY_FINGERPRINT_BYTES)
            return false;
        out[n / 2] = (uint8_t) (out[n / 2] << 4 | value);
        n++;
    }
    return n == 2 * POLICY_FINGERPRINT_BYTES;
}

static enum rc read_certificate(struct reading *reading, const struct word *word,
                                struct policy_word *out, struct err *err)
{
    if (slice_eq(word->text, SLICE("any")))
        out->special = POLICY_ANY;
    else if (slice_eq(word->text, SLICE("none")))
        out->special = POLICY_NONE;
    else if (read_fingerprint(word->text, out->fingerprint))
        out->special = POLICY_FINGERPRINT;
    else
        return WRONG(reading, err, "want any, none or a SHA-256 fingerprint, not \"%.*s\"",
                     SLICE_ARG(word->text));
    return RC_OK;
}

static enum rc read_network(struct reading *reading, const struct word *word,
                            struct policy_word *out, struct err *err)
{
    struct err why;

    if (ipnet_parse(word->text, &out->net, &why) == RC_OK)
        return RC_OK;
    return WRONG(reading, err, "\"%.*s\": %.80s", SLICE_ARG(word->text), why.text);
}

/* "mon": 1. */
static bool scan_day(struct scan *sc, unsigned *out)
{
    static const char *const days[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

    for (unsigned i = 0; i < COUNT(days); i++) {
        if (!scan_literal_nocase(sc, slice_from_str(days[i])))
            continue;
        *out = i;
        return true;
    }
    return false;
}

/* "mon" or "mon-fri"; "sat-mon" goes round the end of the week. */
static bool scan_days(struct scan *sc, uint8_t *out)
{
    unsigned first, last;

    if (!scan_day(sc, &first))
        return false;
    last = first;
    if (scan_byte(sc, '-') && !scan_day(sc, &last))
        return false;
    *out = (uint8_t) (1u << first);
    while (first != last) {
        first = (first + 1) % 7;
        *out = (uint8_t) (*out | 1u << first);
    }
    return true;
}

/* "08:00" to "24:00". */
static bool scan_minute(struct scan *sc, uint16_t *out)
{
    struct slice hour, minute;
    uint32_t h, m;

    if (!scan_take(sc, 2, &hour) || !slice_to_u32(hour, &h) || !scan_byte(sc, ':') ||
        !scan_take(sc, 2, &minute) || !slice_to_u32(minute, &m) || m > 59 ||
        h * 60 + m > 24 * 60)
        return false;
    *out = (uint16_t) (h * 60 + m);
    return true;
}

static bool scan_hours(struct scan *sc, struct policy_window *out)
{
    return scan_minute(sc, &out->from) && scan_byte(sc, '-') && scan_minute(sc, &out->to) &&
           out->from != out->to && out->from < 24 * 60;
}

/* DAYS, HOURS or DAYS/HOURS. */
static enum rc read_window(struct reading *reading, const struct word *word,
                           struct policy_word *out, struct err *err)
{
    struct policy_window window = {.days = 0x7f, .from = 0, .to = 24 * 60};
    struct scan sc = scan_of(word->text);
    bool right;

    if (scan_peek(&sc) >= 0 && ascii_is_digit((char) scan_peek(&sc)))
        right = scan_hours(&sc, &window);
    else
        right =
            scan_days(&sc, &window.days) && (!scan_byte(&sc, '/') || scan_hours(&sc, &window));
    if (!right || !scan_done(&sc))
        return WRONG(reading, err, "\"%.*s\" is no time such as mon-fri/08:00-18:00",
                     SLICE_ARG(word->text));
    out->window = window;
    return RC_OK;
}

static enum rc read_scope(struct reading *reading, const struct word *word,
                          struct policy_word *out, struct err *err)
{
    if (slice_eq(word->text, SLICE("imap")))
        out->number = POLICY_SCOPE_IMAP;
    else if (slice_eq(word->text, SLICE("send")))
        out->number = POLICY_SCOPE_SEND;
    else
        return WRONG(reading, err, "want imap or send, not \"%.*s\"", SLICE_ARG(word->text));
    return RC_OK;
}

static enum rc read_mailbox(struct reading *reading, const struct word *word,
                            struct policy_word *out, struct err *err)
{
    reading->mailbox_bytes += word->text.len + 2; /* a sign, a line end */
    if (reading->mailbox_bytes > POLICY_MAILBOXES_MAX_BYTES)
        return wrong(err, RC_LIMIT, reading->line, "mailboxes of all rules: over %u bytes",
                     POLICY_MAILBOXES_MAX_BYTES);
    if (pattern_parse(word->text, &out->pattern, NULL) == RC_OK)
        return RC_OK;
    return WRONG(reading, err, "\"%.*s\" has more than one *", SLICE_ARG(word->text));
}

// clang-format off
static const struct {
    const char *name;
    word_fn *read;
} keys[POLICY_KEYS] = {
    [POLICY_USER]        = {"user",        read_name},
    [POLICY_GROUP]       = {"group",       read_name},
    [POLICY_DEVICE]      = {"device",      read_device},
    [POLICY_METHOD]      = {"method",      read_method},
    [POLICY_CREDENTIAL]  = {"credential",  read_credential},
    [POLICY_CERTIFICATE] = {"certificate", read_certificate},
    [POLICY_NETWORK]     = {"network",     read_network},
    [POLICY_TIME]        = {"time",        read_window},
    [POLICY_SCOPE]       = {"scope",       read_scope},
    [POLICY_MAILBOX]     = {"mailbox",     read_mailbox},
};
// clang-format on

/* ---- a line ---- */

static void skip_space(struct scan *sc)
{
    while (scan_byte(sc, ' ') || scan_byte(sc, '\t'))
        continue;
}

static bool is_plain(char c)
{
    return !ascii_is_space(c) && c != ',' && c != '"' && c != '#';
}

/* "#7" is a number; elsewhere "#" begins a comment. */
static bool scan_number(struct scan *sc, struct slice *out)
{
    struct scan copy = *sc;
    struct slice digits;

    if (!scan_byte(&copy, '#'))
        return false;
    digits = scan_while(&copy, ascii_is_digit);
    if (digits.len == 0)
        return false;
    *out = slice_of(sc->pos, digits.len + 1);
    *sc = copy;
    return true;
}

/* In quotes: anything, with \" and \\ for these two. */
static enum rc scan_quoted(struct reading *reading, struct scan *sc, struct slice *out,
                           struct err *err)
{
    char text[WORD_MAX_BYTES];
    size_t n = 0;

    while (!scan_byte(sc, '"')) {
        struct slice byte;

        (void) scan_byte(sc, '\\');
        if (!scan_take(sc, 1, &byte))
            return WRONG(reading, err, "a closing quote is missing");
        if (n == sizeof(text))
            return wrong(err, RC_LIMIT, reading->line, "a word is too long");
        text[n++] = *byte.ptr;
    }
    *out = arena_dup(reading->policy->arena, slice_of(text, n));
    return RC_OK;
}

static enum rc scan_word(struct reading *reading, struct scan *sc, struct word *out,
                         struct err *err)
{
    enum rc rc = RC_OK;

    *out = (struct word){.quoted = scan_byte(sc, '"')};
    if (out->quoted)
        rc = scan_quoted(reading, sc, &out->text, err);
    else if (!scan_number(sc, &out->text))
        out->text = scan_while(sc, is_plain);
    if (rc)
        return rc;
    if (out->text.len == 0 || out->text.len > WORD_MAX_BYTES)
        return WRONG(reading, err, "a word is missing, or too long");
    return RC_OK;
}

static enum rc read_words(struct reading *reading, struct scan *sc,
                          struct policy_condition *condition, struct err *err)
{
    struct policy_word words[POLICY_CONDITION_WORDS_MAX];
    struct policy_word *kept;
    size_t n = 0;

    do {
        struct word word;
        enum rc rc;

        skip_space(sc);
        rc = scan_word(reading, sc, &word, err);
        if (rc)
            return rc;
        if (n == COUNT(words) || reading->n_words == POLICY_WORDS_MAX)
            return wrong(err, RC_LIMIT, reading->line, "more than %u words",
                         n == COUNT(words) ? POLICY_CONDITION_WORDS_MAX : POLICY_WORDS_MAX);
        words[n] = (struct policy_word){.special = POLICY_NAMED};
        rc = keys[condition->key].read(reading, &word, &words[n], err);
        if (rc)
            return rc;
        n++;
        reading->n_words++;
        skip_space(sc);
    } while (scan_byte(sc, ','));
    kept = ARENA_ARRAY(reading->policy->arena, struct policy_word, n);
    memcpy(kept, words, n * sizeof(words[0]));
    condition->words = kept;
    condition->n_words = n;
    return RC_OK;
}

static enum rc find_key(struct reading *reading, struct slice name, enum policy_key *out,
                        struct err *err)
{
    for (enum policy_key key = 0; key < POLICY_KEYS; key++) {
        if (!slice_eq(name, slice_from_str(keys[key].name)))
            continue;
        *out = key;
        return RC_OK;
    }
    return WRONG(reading, err, "no condition is called \"%.*s\"", SLICE_ARG(name));
}

static bool has_key(const struct policy_rule *rule, enum policy_key key)
{
    for (size_t i = 0; i < rule->n_conditions; i++)
        if (rule->conditions[i].key == key)
            return true;
    return false;
}

/* Kept in the order of enum policy_key, whatever the line's is. */
static void put_condition(struct policy_rule *rule, const struct policy_condition *condition)
{
    size_t at = rule->n_conditions++;

    for (; at > 0 && rule->conditions[at - 1].key > condition->key; at--)
        rule->conditions[at] = rule->conditions[at - 1];
    rule->conditions[at] = *condition;
}

static enum rc read_condition(struct reading *reading, struct scan *sc,
                              struct policy_rule *rule, struct err *err)
{
    const char *start = sc->pos;
    struct policy_condition condition = {.key = POLICY_KEYS};
    struct slice name = scan_while(sc, is_plain);
    enum rc rc;

    condition.negated = slice_eq(name, SLICE("not"));
    if (condition.negated) {
        skip_space(sc);
        name = scan_while(sc, is_plain);
    }
    rc = find_key(reading, name, &condition.key, err);
    if (rc)
        return rc;
    if (has_key(rule, condition.key))
        return WRONG(reading, err, "\"%s\" stands twice", keys[condition.key].name);
    if (condition.key == POLICY_MAILBOX &&
        (condition.negated || rule->action == POLICY_STEP_UP))
        return WRONG(reading, err, "mailbox goes neither with not nor with step-up");
    rc = read_words(reading, sc, &condition, err);
    if (rc)
        return rc;
    condition.text = slice_trim(slice_of(start, (size_t) (sc->pos - start)));
    put_condition(rule, &condition);
    rule->has_mailboxes = rule->has_mailboxes || condition.key == POLICY_MAILBOX;
    reading->policy->keys |= 1u << condition.key;
    return RC_OK;
}

static enum rc read_action(struct reading *reading, struct scan *sc, enum policy_action *out,
                           struct err *err)
{
    struct slice name = scan_while(sc, is_plain);

    for (enum policy_action action = POLICY_ALLOW; action <= POLICY_DENY; action++) {
        if (!slice_eq(name, slice_from_str(action_names[action])))
            continue;
        *out = action;
        return RC_OK;
    }
    return WRONG(reading, err, "a rule begins with allow, deny, read-only or step-up");
}

static bool at_end(const struct scan *sc)
{
    return scan_done(sc) || *sc->pos == '#';
}

static enum rc read_rule(struct reading *reading, struct scan *sc, struct err *err)
{
    struct policy_rule rule = {.line = reading->line};
    const char *start = sc->pos;
    enum rc rc = read_action(reading, sc, &rule.action, err);

    skip_space(sc);
    while (rc == RC_OK && !at_end(sc)) {
        rc = read_condition(reading, sc, &rule, err);
        skip_space(sc);
    }
    if (rc)
        return rc;
    if (reading->n_rules == POLICY_RULES_MAX)
        return wrong(err, RC_LIMIT, reading->line, "more than %u rules", POLICY_RULES_MAX);
    rule.text = slice_trim(slice_of(start, (size_t) (sc->pos - start)));
    reading->policy->steps_up = reading->policy->steps_up || rule.action == POLICY_STEP_UP;
    reading->rules[reading->n_rules++] = rule;
    return RC_OK;
}

static bool has_control(struct slice line)
{
    for (size_t i = 0; i < line.len; i++)
        if (ascii_is_ctl(line.ptr[i]) && line.ptr[i] != '\t')
            return true;
    return false;
}

static enum rc read_line(struct reading *reading, struct slice line, struct err *err)
{
    struct scan sc;

    if (slice_ends(line, SLICE("\r")))
        line.len--;
    if (line.len > POLICY_LINE_MAX_BYTES)
        return wrong(err, RC_LIMIT, reading->line, "over %u bytes", POLICY_LINE_MAX_BYTES);
    if (!utf8_is_valid(line) || has_control(line))
        return WRONG(reading, err, "not UTF-8, or a control character in it");
    sc = scan_of(line);
    skip_space(&sc);
    return at_end(&sc) ? RC_OK : read_rule(reading, &sc, err);
}

static enum rc read_lines(struct reading *reading, struct slice text, struct err *err)
{
    struct scan sc = scan_of(text);
    enum rc rc = RC_OK;

    while (rc == RC_OK && !scan_done(&sc)) {
        struct slice line;

        reading->line++;
        if (scan_until(&sc, '\n', &line)) {
            (void) scan_byte(&sc, '\n');
        } else {
            line = scan_rest(&sc);
            (void) scan_take(&sc, line.len, &line);
        }
        rc = read_line(reading, line, err);
    }
    return rc;
}

/* Somebody for whom no rule is meant would be a guess. */
static enum rc check_last(const struct reading *reading, struct err *err)
{
    const struct policy_rule *last =
        reading->n_rules > 0 ? &reading->rules[reading->n_rules - 1] : NULL;

    if (last != NULL && last->n_conditions == 0 && last->action != POLICY_STEP_UP)
        return RC_OK;
    return wrong(err, RC_INVALID, reading->line,
                 "the last rule has to be for everybody: end with \"allow\" or \"deny\"");
}

enum rc policy_parse(struct slice text, struct policy **out, struct err *err)
{
    AUTO(policy_freep) struct policy *policy = NULL;
    struct reading reading = {0};
    struct arena *arena;
    enum rc rc;

    if (text.len > POLICY_FILE_MAX_BYTES)
        return wrong(err, RC_LIMIT, 1, "the file is over %zu bytes", POLICY_FILE_MAX_BYTES);
    arena = arena_new(POLICY_ARENA_BYTES);
    policy = ARENA_NEW(arena, struct policy);
    policy->arena = arena;
    text = arena_dup(arena, text); /* patterns and texts point into it */
    reading.policy = policy;
    reading.rules = ARENA_ARRAY(arena, struct policy_rule,
                                MIN(slice_count(text, '\n') + 1, POLICY_RULES_MAX));
    rc = read_lines(&reading, text, err);
    if (rc == RC_OK)
        rc = check_last(&reading, err);
    if (rc)
        return rc;
    policy->mark = XXH3_64bits(text.ptr, text.len);
    policy->rules = reading.rules;
    policy->n_rules = reading.n_rules;
    *out = TAKE(policy);
    return RC_OK;
}

void policy_free(struct policy *policy)
{
    if (policy != NULL)
        arena_free(policy->arena);
}

void policy_freep(struct policy **policy)
{
    policy_free(*policy);
    *policy = NULL;
}
