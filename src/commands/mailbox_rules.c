#include "commands/mailbox_rules.h"

#include "base/pattern.h"
#include "mailbox/name.h"

struct mailbox_rule {
    enum mailbox_access access;
    struct pattern pattern; /* in text */
};

struct mailbox_rules {
    size_t n;
    char *text;
    struct mailbox_rule list[];
};

static enum mailbox_access access_of(char sign)
{
    if (sign == '+')
        return MAILBOX_ALL;
    return sign == '=' ? MAILBOX_READ : MAILBOX_HIDDEN;
}

static void add(struct mailbox_rules *rules, struct slice line)
{
    struct mailbox_rule rule;

    if (line.len < 2 || pattern_parse(slice_from(line, 1), &rule.pattern, NULL) != RC_OK)
        return; /* auth makes none such */
    rule.access = access_of(line.ptr[0]);
    if (!rule.pattern.star && mailbox_name_is_inbox(rule.pattern.before))
        rule.pattern.before = SLICE("INBOX");
    rules->list[rules->n++] = rule;
}

struct mailbox_rules *mailbox_rules_new(struct slice lines)
{
    size_t n_lines = slice_count(lines, '\n') + 1;
    struct mailbox_rules *rules;

    if (lines.len == 0)
        return NULL;
    rules = xcalloc(1, sizeof(*rules) + n_lines * sizeof(rules->list[0]));
    rules->text = memcpy(xmalloc(lines.len), lines.ptr, lines.len);
    lines.ptr = rules->text;
    while (lines.len > 0) {
        size_t end = slice_find(lines, '\n');

        add(rules, slice_sub(lines, 0, end));
        lines = slice_from(lines, MIN(end + 1, lines.len));
    }
    return rules;
}

void mailbox_rules_free(struct mailbox_rules *rules)
{
    if (rules == NULL)
        return;
    free(rules->text);
    free(rules);
}

static bool fits(const struct pattern *pattern, struct slice name)
{
    if (pattern->star)
        return pattern_matches(pattern, name);
    return slice_eq(name, pattern->before) || mailbox_name_is_below(name, pattern->before);
}

enum mailbox_access mailbox_rules_find(const struct mailbox_rules *rules, struct slice name)
{
    if (rules == NULL)
        return MAILBOX_ALL;
    for (size_t i = 0; i < rules->n; i++)
        if (fits(&rules->list[i].pattern, name))
            return rules->list[i].access;
    return MAILBOX_HIDDEN;
}
