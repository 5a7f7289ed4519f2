/*
 * fuzz_policy.c - a policy file: the first line are facts, the rest rules. Whatever is taken
 * decides, the decision has a rule, and each rule alone can be read again.
 */
// links: auth
#include <assert.h>

#include "auth/name.h"
#include "auth/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_rule(const struct policy_rule *rule)
{
    AUTO(buf_done) struct buf text = {.max = POLICY_FILE_MAX_BYTES};
    AUTO(policy_freep) struct policy *again = NULL;

    buf_append(&text, rule->text);
    buf_str(&text, "\nallow\n");
    assert(policy_parse(buf_slice(&text), &again, NULL) == RC_OK);
    assert(again->rules[0].action == rule->action);
    assert(again->rules[0].n_conditions == rule->n_conditions);
    assert(slice_eq(again->rules[0].text, rule->text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of(data, size), line;
    AUTO(policy_freep) struct policy *policy = NULL;
    struct policy_facts facts = {.scope = POLICY_SCOPE_IMAP};
    struct policy_verdict verdict;

    if (auth_names_init(NULL) != RC_OK)
        abort();
    line = slice_sub(text, 0, slice_find(text, '\n'));
    facts.user = facts.method = facts.credential = facts.device_name = line;
    facts.groups = &line;
    facts.n_groups = 1;
    facts.device = line.len;
    facts.clock = (struct policy_clock){(uint8_t) (line.len % 7), (uint16_t) (line.len % 1440)};
    if (policy_parse(slice_from(text, MIN(line.len + 1, text.len)), &policy, NULL) != RC_OK)
        return 0;
    policy_decide(policy, &facts, &verdict);
    assert(verdict.rule != NULL);
    assert(verdict.mailboxes_len <= sizeof(verdict.mailboxes));
    for (size_t i = 0; i < policy->n_rules; i++)
        check_rule(&policy->rules[i]);
    (void) policy_shadowed_by(policy, policy->n_rules - 1);
    return 0;
}
