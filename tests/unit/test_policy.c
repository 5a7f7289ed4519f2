/* test_policy.c - rules of a policy file: how they are read, and what they decide. */
// links: auth
#include "auth/name.h"
#include "auth/policy.h"
#include "lib/test.h"

/* What a row says of a login; what it leaves out is of anna's phone, by its app password, from
 * 192.0.2.7 at ten o'clock on a Wednesday. Groups are separated by spaces; "" for the device's
 * name: none. */
struct who {
    const char *user, *groups, *device, *method, *credential, *certificate, *address, *when;
    enum policy_scope scope;
    bool confirmed;
};

#define GROUPS_MAX 8u

static struct policy_clock clock_of(const char *when)
{
    static const char *const days[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
    struct policy_clock clock = {0};

    while (strncmp(days[clock.weekday], when, 3) != 0)
        clock.weekday++;
    clock.minute = (uint16_t) ((when[4] - '0') * 600 + (when[5] - '0') * 60 +
                               (when[7] - '0') * 10 + when[8] - '0');
    return clock;
}

static struct slice or_else(const char *text, const char *otherwise)
{
    return slice_from_str(text != NULL ? text : otherwise);
}

static void make_facts(const struct who *who, struct auth_key *key,
                       struct slice groups[GROUPS_MAX], struct policy_facts *out)
{
    struct slice rest = or_else(who->groups, "staff sales");
    struct slice address = or_else(who->address, "192.0.2.7");

    assert_int_equal(auth_name_key(or_else(who->user, "anna"), key, NULL), RC_OK);
    *out = (struct policy_facts){
        .user = auth_key_slice(key),
        .groups = groups,
        .device_name = or_else(who->device, "Anna's phone"),
        .method = or_else(who->method, "PLAIN"),
        .credential = or_else(who->credential, "device"),
        .has_certificate = who->certificate != NULL,
        .clock = clock_of(who->when != NULL ? who->when : "wed 10:00"),
        .scope = who->scope != 0 ? who->scope : POLICY_SCOPE_IMAP,
        .confirmed = who->confirmed,
    };
    out->device = out->device_name.len > 0 ? 7 : 0;
    while (rest.len > 0) {
        size_t end = slice_find(rest, ' ');

        groups[out->n_groups++] = slice_sub(rest, 0, end);
        rest = slice_from(rest, MIN(end + 1, rest.len));
    }
    if (out->has_certificate)
        memset(out->fingerprint, who->certificate[0] == 'a' ? 0xaa : 0xbb,
               POLICY_FINGERPRINT_BYTES);
    if (address.len > 0)
        assert_true(ipaddr_parse(address, &out->peer));
}

static struct policy *parse(const char *rules)
{
    struct policy *policy = NULL;
    struct err err;

    if (policy_parse(slice_from_str(rules), &policy, &err) != RC_OK)
        fail_msg("%s: %s", rules, err.detail);
    return policy;
}

#define SHA_A                                                                                  \
    "AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:"  \
    "AA:AA:AA"

// clang-format off
static const struct {
    const char *rules;
    struct who who;
    enum policy_action action;
    unsigned line;
    const char *mailboxes;
} decisions[] = {
    /* the first that holds decides, and the last holds for everybody */
    {"allow", {0}, POLICY_ALLOW, 1, ""},
    {"deny", {0}, POLICY_DENY, 1, ""},
    {"read-only user *\nallow", {0}, POLICY_READ_ONLY, 1, ""},
    {"# rules\n\n  deny user anna  # gone\nallow", {0}, POLICY_DENY, 3, ""},
    {"allow user anna\ndeny user anna\nallow", {0}, POLICY_ALLOW, 1, ""},
    {"deny user bob\nread-only user carl\nallow", {0}, POLICY_ALLOW, 3, ""},
    {"deny user anna\r\nallow\r\n", {0}, POLICY_DENY, 1, ""},
    {"deny\tuser\tanna\nallow", {0}, POLICY_DENY, 1, ""},
    /* user: by the key, as names compare */
    {"deny user ANNA\nallow", {0}, POLICY_DENY, 1, ""},
    {"deny user ann\nallow", {0}, POLICY_ALLOW, 2, ""},
    {"deny user annabel\nallow", {0}, POLICY_ALLOW, 2, ""},
    {"deny user bob, anna ,carl\nallow", {0}, POLICY_DENY, 1, ""},
    {"deny user an*\nallow", {0}, POLICY_DENY, 1, ""},
    {"deny user *na\nallow", {0}, POLICY_DENY, 1, ""},
    {"deny user a*a\nallow", {0}, POLICY_DENY, 1, ""},
    {"deny user anna*anna\nallow", {0}, POLICY_ALLOW, 2, ""},
    {"deny user b*\nallow", {0}, POLICY_ALLOW, 2, ""},
    {"deny user *@Example.ORG\nallow", {.user = "anna@example.org"}, POLICY_DENY, 1, ""},
    {"deny user *@example.org\nallow", {.user = "anna@mail.example.org"}, POLICY_ALLOW, 2, ""},
    {"deny user *@b\xc3\xbc" "cher.example\nallow", {.user = "anna@xn--bcher-kva.example"}, POLICY_DENY, 1, ""},
    {"deny user *.a@example.org\nallow", {.user = "b.a@example.org"}, POLICY_DENY, 1, ""},
    {"deny user \xef\xbc\xa1nna\nallow", {0}, POLICY_DENY, 1, ""}, /* FULLWIDTH A */
    {"deny not user anna\nallow", {0}, POLICY_ALLOW, 2, ""},
    {"deny not user bob,carl\nallow", {0}, POLICY_DENY, 1, ""},
    /* group: any of those that the user is in */
    {"deny group sales\nallow", {0}, POLICY_DENY, 1, ""},
    {"deny group Sales\nallow", {0}, POLICY_DENY, 1, ""},
    {"deny group contractors\nallow", {0}, POLICY_ALLOW, 2, ""},
    {"deny group contractors,staff\nallow", {0}, POLICY_DENY, 1, ""},
    {"deny not group staff\nallow", {0}, POLICY_ALLOW, 2, ""},
    {"deny not group staff\nallow", {.groups = ""}, POLICY_DENY, 1, ""},
    {"deny group *\nallow", {.groups = ""}, POLICY_ALLOW, 2, ""},
    {"deny group s*s\nallow", {0}, POLICY_DENY, 1, ""},
    /* device */
    {"deny device #7\nallow", {0}, POLICY_DENY, 1, ""},
    {"deny device #77\nallow", {0}, POLICY_ALLOW, 2, ""},
    {"deny device \"anna's PHONE\"\nallow", {0}, POLICY_DENY, 1, ""},
    {"deny device \"Anna's*\"\nallow", {0}, POLICY_DENY, 1, ""},
    {"deny device kiosk-*\nallow", {0}, POLICY_ALLOW, 2, ""},
    {"deny device kiosk-*,#9,#7\nallow", {0}, POLICY_DENY, 1, ""},
    {"deny device any\nallow", {0}, POLICY_DENY, 1, ""},
    {"deny device none\nallow", {0}, POLICY_ALLOW, 2, ""},
    {"deny device none\nallow", {.device = ""}, POLICY_DENY, 1, ""},
    {"deny device any\nallow", {.device = ""}, POLICY_ALLOW, 2, ""},
    {"deny device *\nallow", {.device = ""}, POLICY_ALLOW, 2, ""},
    {"deny device \"none\"\nallow", {.device = "none"}, POLICY_DENY, 1, ""},
    {"deny device \"none\"\nallow", {.device = ""}, POLICY_ALLOW, 2, ""},
    {"deny device \"#7\"\nallow", {0}, POLICY_ALLOW, 2, ""}, /* a name, not a number */
    {"deny device \"a \\\"b\\\" \\\\ c, d\"\nallow", {.device = "a \"b\" \\ c, d"}, POLICY_DENY, 1, ""},
    /* method and credential */
    {"deny method plain\nallow", {0}, POLICY_DENY, 1, ""},
    {"deny method LOGIN,PLAIN\nallow", {0}, POLICY_DENY, 1, ""},
    {"deny method SCRAM-*\nallow", {0}, POLICY_ALLOW, 2, ""},
    {"deny method SCRAM-*\nallow", {.method = "SCRAM-SHA-256-PLUS"}, POLICY_DENY, 1, ""},
    {"deny method SCRAM-SHA-256\nallow", {.method = "SCRAM-SHA-256-PLUS"}, POLICY_ALLOW, 2, ""},
    {"deny not method EXTERNAL\nallow", {0}, POLICY_DENY, 1, ""},
    {"deny not method EXTERNAL\nallow", {.method = "EXTERNAL"}, POLICY_ALLOW, 2, ""},
    {"deny credential account_password,passwd_file\nallow", {0}, POLICY_ALLOW, 2, ""},
    {"deny credential account_password\nallow", {.credential = "account_password"}, POLICY_DENY, 1, ""},
    {"deny not credential device\nallow", {.credential = "token"}, POLICY_DENY, 1, ""},
    /* certificate */
    {"deny certificate none\nallow", {0}, POLICY_DENY, 1, ""},
    {"deny certificate none\nallow", {.certificate = "a"}, POLICY_ALLOW, 2, ""},
    {"allow certificate any\ndeny", {.certificate = "a"}, POLICY_ALLOW, 1, ""},
    {"allow certificate any\ndeny", {0}, POLICY_DENY, 2, ""},
    {"allow certificate " SHA_A "\ndeny", {.certificate = "a"}, POLICY_ALLOW, 1, ""},
    {"allow certificate " SHA_A "\ndeny", {.certificate = "b"}, POLICY_DENY, 2, ""},
    {"allow certificate " SHA_A "\ndeny", {0}, POLICY_DENY, 2, ""},
    {"deny not certificate " SHA_A "\nallow", {0}, POLICY_DENY, 1, ""},
    /* network */
    {"allow network 192.0.2.0/24\ndeny", {0}, POLICY_ALLOW, 1, ""},
    {"allow network 192.0.2.7\ndeny", {0}, POLICY_ALLOW, 1, ""},
    {"allow network 192.0.2.8\ndeny", {0}, POLICY_DENY, 2, ""},
    {"allow network 10.0.0.0/8,2001:db8::/32\ndeny", {0}, POLICY_DENY, 2, ""},
    {"allow network 10.0.0.0/8,2001:db8::/32\ndeny", {.address = "2001:db8:1::9"}, POLICY_ALLOW, 1, ""},
    {"allow network 0.0.0.0/0\ndeny", {.address = "2001:db8:1::9"}, POLICY_DENY, 2, ""},
    {"allow network 0.0.0.0/0,::/0\ndeny", {.address = ""}, POLICY_DENY, 2, ""}, /* not known from where */
    {"deny not network 10.0.0.0/8\nallow", {.address = ""}, POLICY_DENY, 1, ""},
    {"deny not network 10.0.0.0/8\nallow", {.address = "10.255.0.1"}, POLICY_ALLOW, 2, ""},
    /* time, of the day on which the window opens */
    {"allow time mon-fri/08:00-18:00\ndeny", {0}, POLICY_ALLOW, 1, ""},
    {"allow time mon-fri/08:00-18:00\ndeny", {.when = "wed 07:59"}, POLICY_DENY, 2, ""},
    {"allow time mon-fri/08:00-18:00\ndeny", {.when = "wed 08:00"}, POLICY_ALLOW, 1, ""},
    {"allow time mon-fri/08:00-18:00\ndeny", {.when = "wed 17:59"}, POLICY_ALLOW, 1, ""},
    {"allow time mon-fri/08:00-18:00\ndeny", {.when = "wed 18:00"}, POLICY_DENY, 2, ""},
    {"allow time mon-fri/08:00-18:00\ndeny", {.when = "sat 10:00"}, POLICY_DENY, 2, ""},
    {"allow time mon-fri/08:00-18:00,sat/09:00-12:00\ndeny", {.when = "sat 10:00"}, POLICY_ALLOW, 1, ""},
    {"deny time sat,sun\nallow", {.when = "sun 00:00"}, POLICY_DENY, 1, ""},
    {"deny time sat,sun\nallow", {.when = "mon 00:00"}, POLICY_ALLOW, 2, ""},
    {"deny time SAT-mon\nallow", {.when = "mon 23:59"}, POLICY_DENY, 1, ""},
    {"deny time sat-mon\nallow", {.when = "tue 00:00"}, POLICY_ALLOW, 2, ""},
    {"deny time 22:00-06:00\nallow", {.when = "wed 23:00"}, POLICY_DENY, 1, ""},
    {"deny time 22:00-06:00\nallow", {.when = "wed 05:59"}, POLICY_DENY, 1, ""},
    {"deny time 22:00-06:00\nallow", {.when = "wed 06:00"}, POLICY_ALLOW, 2, ""},
    {"deny time fri/22:00-06:00\nallow", {.when = "sat 05:00"}, POLICY_DENY, 1, ""}, /* Friday's night */
    {"deny time fri/22:00-06:00\nallow", {.when = "fri 05:00"}, POLICY_ALLOW, 2, ""},
    {"deny time sat/22:00-06:00\nallow", {.when = "sun 05:00"}, POLICY_DENY, 1, ""},
    {"deny time 08:00-24:00\nallow", {.when = "sun 23:59"}, POLICY_DENY, 1, ""},
    {"deny not time mon-fri\nallow", {.when = "sun 12:00"}, POLICY_DENY, 1, ""},
    /* scope */
    {"deny scope send\nallow", {0}, POLICY_ALLOW, 2, ""},
    {"deny scope send\nallow", {.scope = POLICY_SCOPE_SEND}, POLICY_DENY, 1, ""},
    {"deny scope imap\nallow", {0}, POLICY_DENY, 1, ""},
    {"deny scope imap,send\nallow", {.scope = POLICY_SCOPE_SEND}, POLICY_DENY, 1, ""},
    {"read-only", {.scope = POLICY_SCOPE_SEND}, POLICY_DENY, 0, ""}, /* who only reads sends nothing */
    /* step-up: a question to who has not confirmed, nothing to who has */
    {"step-up not network 10.0.0.0/8\nallow", {0}, POLICY_STEP_UP, 1, ""},
    {"step-up not network 10.0.0.0/8\nallow", {.confirmed = true}, POLICY_ALLOW, 2, ""},
    {"step-up not network 10.0.0.0/8\nallow", {.address = "10.1.1.1"}, POLICY_ALLOW, 2, ""},
    {"step-up user *\nread-only group sales\nallow", {.confirmed = true}, POLICY_READ_ONLY, 2, ""},
    {"step-up user *\ndeny", {.confirmed = true}, POLICY_DENY, 2, ""},
    {"deny group sales\nstep-up user *\nallow", {0}, POLICY_DENY, 1, ""},
    {"step-up user *\nallow", {.scope = POLICY_SCOPE_SEND}, POLICY_STEP_UP, 1, ""},
    /* all conditions of a rule have to hold, in whatever order they stand */
    {"deny group sales time sat,sun\nallow", {0}, POLICY_ALLOW, 2, ""},
    {"deny time wed group sales device #7 method PLAIN\nallow", {0}, POLICY_DENY, 1, ""},
    {"deny time wed group sales device #8 method PLAIN\nallow", {0}, POLICY_ALLOW, 2, ""},
    {"deny group sales not network 10.0.0.0/8\nallow", {0}, POLICY_DENY, 1, ""},
    /* mailboxes: these alone, the rules behind decide about the others */
    {"deny mailbox Private\nallow", {0}, POLICY_ALLOW, 2, "-Private\n+*\n"},
    {"read-only mailbox Archive*,\"Old mail\"\nallow", {0}, POLICY_ALLOW, 2, "=Archive*\n=Old mail\n+*\n"},
    {"deny user bob mailbox Private\nallow", {0}, POLICY_ALLOW, 2, ""},
    {"deny mailbox Private user anna\nallow", {0}, POLICY_ALLOW, 2, "-Private\n+*\n"},
    {"allow mailbox INBOX\ndeny", {0}, POLICY_ALLOW, 2, "+INBOX\n-*\n"},
    {"read-only mailbox INBOX\ndeny", {0}, POLICY_READ_ONLY, 2, "=INBOX\n-*\n"},
    {"deny mailbox INBOX\ndeny", {0}, POLICY_DENY, 2, ""},
    {"allow mailbox Drafts\nread-only", {0}, POLICY_ALLOW, 2, "+Drafts\n=*\n"},
    {"deny mailbox Private\nread-only", {0}, POLICY_READ_ONLY, 2, "-Private\n=*\n"},
    {"allow mailbox A\ndeny mailbox B\nread-only user anna\ndeny", {0}, POLICY_ALLOW, 3, "+A\n-B\n=*\n"},
    {"allow\ndeny mailbox Private\nallow", {0}, POLICY_ALLOW, 1, ""},
    {"deny mailbox Private\nstep-up user *\nallow", {0}, POLICY_STEP_UP, 2, ""},
    {"allow mailbox INBOX\ndeny", {.scope = POLICY_SCOPE_SEND}, POLICY_DENY, 2, ""},
    {"deny mailbox INBOX\nallow", {.scope = POLICY_SCOPE_SEND}, POLICY_ALLOW, 2, ""},
};
// clang-format on

static void the_first_rule_that_holds_decides(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(decisions); i++) {
        AUTO(policy_freep) struct policy *policy = parse(decisions[i].rules);
        struct slice groups[GROUPS_MAX];
        struct policy_verdict verdict;
        struct policy_facts facts;
        struct auth_key key;

        make_facts(&decisions[i].who, &key, groups, &facts);
        policy_decide(policy, &facts, &verdict);
        if (verdict.action != decisions[i].action ||
            (decisions[i].line != 0 && verdict.rule->line != decisions[i].line))
            fail_msg("%s: %s by line %u", decisions[i].rules,
                     policy_action_name(verdict.action), verdict.rule->line);
        assert_slice_equal(slice_of(verdict.mailboxes, verdict.mailboxes_len),
                           slice_from_str(decisions[i].mailboxes));
    }
}

static void what_is_no_rule_is_refused_with_its_line(void **state)
{
    static const struct {
        const char *rules;
        enum rc rc;
        const char *says;
    } rows[] = {
        {"",                                   RC_INVALID, "line 0: the last rule has to be"       },
        {"deny user anna",                     RC_INVALID, "line 1: the last rule has to be"       },
        {"allow\ndeny user anna\n",            RC_INVALID, "line 2: the last rule has to be"       },
        {"step-up",                            RC_INVALID, "line 1: the last rule has to be"       },
        {"allow mailbox INBOX",                RC_INVALID, "line 1: the last rule has to be"       },
        {"permit\nallow",                      RC_SYNTAX,  "line 1: a rule begins with"            },
        {"allow\nallow everybody\nallow",      RC_SYNTAX,  "line 2: no condition is called"        },
        {"deny netwrok 10.0.0.0/8\nallow",     RC_SYNTAX,
         "line 1: no condition is called \"netwrok"                                                },
        {"deny User anna\nallow",              RC_SYNTAX,  "line 1: no condition is called \"User" },
        {"deny user\nallow",                   RC_SYNTAX,  "line 1: a word is missing"             },
        {"deny user anna,\nallow",             RC_SYNTAX,  "line 1: a word is missing"             },
        {"deny user ,anna\nallow",             RC_SYNTAX,  "line 1: a word is missing"             },
        {"deny user \"\"\nallow",              RC_SYNTAX,  "line 1: a word is missing"             },
        {"deny user \"anna\nallow",            RC_SYNTAX,  "line 1: a closing quote"               },
        {"deny user \"anna\\\"\nallow",        RC_SYNTAX,  "line 1: a closing quote"               },
        {"deny user \"anna\\",                 RC_SYNTAX,  "line 1: a closing quote"               },
        {"deny user a*b*\nallow",              RC_SYNTAX,  "line 1: \"a*b*\" is no name"           },
        {"deny user a@b*\nallow",              RC_SYNTAX,  "line 1: \"a@b*\" is no name"           },
        {"deny user anna user bob\nallow",     RC_SYNTAX,  "line 1: \"user\" stands twice"         },
        {"deny user anna not user bob\nallow", RC_SYNTAX,  "line 1: \"user\" stands twice"         },
        {"deny not\nallow",                    RC_SYNTAX,  "line 1: no condition is called \"\""   },
        {"deny not not user anna\nallow",      RC_SYNTAX,  "line 1: no condition is called \"not\""},
        {"deny device #0\nallow",              RC_SYNTAX,  "line 1: \"#0\" is no number"           },
        {"deny device a*b*c\nallow",           RC_SYNTAX,  "line 1: \"a*b*c\" has more"            },
        {"deny method PALIN\nallow",           RC_SYNTAX,  "line 1: \"PALIN\" is no SASL"          },
        {"deny credential password\nallow",    RC_SYNTAX,  "line 1: \"password\" is no"            },
        {"deny credential none\nallow",        RC_SYNTAX,  "line 1: \"none\" is no"                },
        {"deny certificate yes\nallow",        RC_SYNTAX,  "line 1: want any, none or"             },
        {"deny certificate " SHA_A "0\nallow", RC_SYNTAX,  "line 1: want any, none or"             },
        {"deny network 10.0.0.1/8\nallow",     RC_SYNTAX,  "line 1: \"10.0.0.1/8\""                },
        {"deny network office\nallow",         RC_SYNTAX,  "line 1: \"office\""                    },
        {"deny time funday\nallow",            RC_SYNTAX,  "line 1: \"funday\" is no time"         },
        {"deny time mon-\nallow",              RC_SYNTAX,  "line 1: \"mon-\" is no time"           },
        {"deny time mon/\nallow",              RC_SYNTAX,  "line 1: \"mon/\" is no time"           },
        {"deny time 8:00-18:00\nallow",        RC_SYNTAX,  "line 1: \"8:00-18:00\""                },
        {"deny time 08:00\nallow",             RC_SYNTAX,  "line 1: \"08:00\" is no time"          },
        {"deny time 08:00-08:00\nallow",       RC_SYNTAX,  "line 1: \"08:00-08:00\""               },
        {"deny time 08:60-09:00\nallow",       RC_SYNTAX,  "line 1: \"08:60-09:00\""               },
        {"deny time 08:00-24:01\nallow",       RC_SYNTAX,  "line 1: \"08:00-24:01\""               },
        {"deny time 24:00-08:00\nallow",       RC_SYNTAX,  "line 1: \"24:00-08:00\""               },
        {"deny time 08:00-18:00/mon\nallow",   RC_SYNTAX,  "line 1: \"08:00-18:00/mon\""           },
        {"deny scope smtp\nallow",             RC_SYNTAX,  "line 1: want imap or send"             },
        {"deny not mailbox INBOX\nallow",      RC_SYNTAX,  "line 1: mailbox goes neither"          },
        {"step-up mailbox INBOX\nallow",       RC_SYNTAX,  "line 1: mailbox goes neither"          },
        {"deny user \x01\nallow",              RC_SYNTAX,  "line 1: not UTF-8"                     },
        {"deny user \xff\nallow",              RC_SYNTAX,  "line 1: not UTF-8"                     },
        {"deny user anna;allow",               RC_INVALID, "line 1: the last rule"                 },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct policy *policy = NULL;
        struct err err = {0};
        enum rc rc = policy_parse(slice_from_str(rows[i].rules), &policy, &err);

        if (rc != rows[i].rc ||
            !slice_starts(slice_from_str(err.detail), slice_from_str(rows[i].says)))
            fail_msg("%s: %d %s", rows[i].rules, rc, err.detail);
        assert_null(policy);
    }
}

/* n times text, then the last rule. */
static void many(struct buf *out, const char *before, const char *text, size_t n)
{
    buf_reset(out);
    buf_str(out, before);
    for (size_t i = 0; i < n; i++)
        buf_str(out, text);
    buf_str(out, "\nallow\n");
}

static enum rc parse_only(const struct buf *text)
{
    AUTO(policy_freep) struct policy *policy = NULL;

    return policy_parse(buf_slice(text), &policy, NULL);
}

static void what_rules_name_has_limits(void **state)
{
    AUTO(buf_done) struct buf text = {.max = (size_t) 1 << 20};

    (void) state;
    many(&text, "", "deny user x\n", POLICY_RULES_MAX - 1);
    assert_int_equal(parse_only(&text), RC_OK);
    many(&text, "", "deny user x\n", POLICY_RULES_MAX);
    assert_int_equal(parse_only(&text), RC_LIMIT);
    many(&text, "deny user x", ",x", POLICY_CONDITION_WORDS_MAX - 1);
    assert_int_equal(parse_only(&text), RC_OK);
    many(&text, "deny user x", ",x", POLICY_CONDITION_WORDS_MAX);
    assert_int_equal(parse_only(&text), RC_LIMIT);
    many(&text, "#", "#", POLICY_LINE_MAX_BYTES - 1);
    assert_int_equal(parse_only(&text), RC_OK);
    many(&text, "#", "#", POLICY_LINE_MAX_BYTES);
    assert_int_equal(parse_only(&text), RC_LIMIT);
    many(&text, "", "#\n", POLICY_FILE_MAX_BYTES / 2 - 4);
    assert_int_equal(parse_only(&text), RC_OK);
    many(&text, "", "#\n", POLICY_FILE_MAX_BYTES / 2);
    assert_int_equal(parse_only(&text), RC_LIMIT);
    many(&text, "", "deny mailbox 12345678901234567890123456789\n",
         POLICY_MAILBOXES_MAX_BYTES / 31);
    assert_int_equal(parse_only(&text), RC_OK);
    many(&text, "", "deny mailbox 12345678901234567890123456789\n",
         POLICY_MAILBOXES_MAX_BYTES / 31 + 1);
    assert_int_equal(parse_only(&text), RC_LIMIT);
}

static void all_words_together_have_a_limit(void **state)
{
    AUTO(buf_done) struct buf text = {.max = (size_t) 1 << 20};

    (void) state;
    for (size_t i = 0; i <= POLICY_WORDS_MAX / POLICY_CONDITION_WORDS_MAX; i++) {
        enum rc rc;

        buf_str(&text, "deny user x");
        for (size_t j = 1; j < POLICY_CONDITION_WORDS_MAX; j++)
            buf_str(&text, ",x");
        buf_str(&text, "\nallow\n");
        rc = parse_only(&text);
        assert_int_equal(rc,
                         i < POLICY_WORDS_MAX / POLICY_CONDITION_WORDS_MAX ? RC_OK : RC_LIMIT);
    }
}

/* All mailboxes that rules may name, in one verdict. */
static void a_verdict_has_room_for_all_mailboxes(void **state)
{
    AUTO(buf_done) struct buf text = {.max = (size_t) 1 << 20};
    AUTO(policy_freep) struct policy *policy = NULL;
    struct policy_facts facts = {.scope = POLICY_SCOPE_IMAP};
    struct policy_verdict verdict;

    (void) state;
    many(&text, "", "read-only mailbox 12\n", POLICY_RULES_MAX - 1);
    assert_int_equal(policy_parse(buf_slice(&text), &policy, NULL), RC_OK);
    policy_decide(policy, &facts, &verdict);
    assert_int_equal(verdict.mailboxes_len, (POLICY_RULES_MAX - 1) * 4 + 3);
    assert_int_equal(verdict.action, POLICY_ALLOW);
}

static void windows_tell_when_to_look_again(void **state)
{
    AUTO(policy_freep)
    struct policy *policy =
        parse("deny time mon-fri/08:00-18:00\nread-only time 12:00-13:00\nallow user x\nallow");
    const uint64_t morning = policy_windows(policy, clock_of("wed 09:00"));

    (void) state;
    assert_true(morning == policy_windows(policy, clock_of("thu 11:59")));
    assert_true(morning != policy_windows(policy, clock_of("thu 12:00")));
    assert_true(morning != policy_windows(policy, clock_of("thu 18:00")));
    assert_true(morning != policy_windows(policy, clock_of("sat 09:00")));
    assert_true(policy_windows(policy, clock_of("thu 12:00")) !=
                policy_windows(policy, clock_of("sat 12:00")));
}

static void a_mark_tells_verdicts_apart(void **state)
{
    static const char *const rules[] = {
        "allow",
        "read-only",
        "deny",
        "deny mailbox A\nallow",
        "deny mailbox B\nallow",
        "read-only mailbox A\nallow",
        "read-only mailbox A\ndeny",
        "read-only mailbox A\nread-only",
    };
    const struct policy_facts facts = {.scope = POLICY_SCOPE_IMAP};
    uint64_t marks[COUNT(rules)];

    (void) state;
    for (size_t i = 0; i < COUNT(rules); i++) {
        AUTO(policy_freep) struct policy *policy = parse(rules[i]);
        struct policy_verdict verdict;

        policy_decide(policy, &facts, &verdict);
        marks[i] = policy_verdict_mark(&verdict);
        for (size_t j = 0; j < i; j++)
            if (marks[i] == marks[j])
                fail_msg("%s = %s", rules[i], rules[j]);
    }
}

static void rules_that_never_decide_are_found(void **state)
{
    static const struct {
        const char *rules;
        size_t at;
        unsigned by; /* line; 0: none */
    } rows[] = {
        {"deny user anna\nallow user anna\nallow",                                        1, 1},
        {"deny user anna\nallow user bob\nallow",                                         1, 0},
        {"deny user a*\nallow user anna,alice\nallow",                                    1, 1},
        {"deny user a*\nallow user anna,bob\nallow",                                      1, 0},
        {"deny user anna\nallow user a*\nallow",                                          1, 0},
        {"deny user a*\nallow user ab*\nallow",                                           1, 1},
        {"allow\ndeny user anna\nallow",                                                  1, 1},
        {"deny user anna\nallow user anna group x\nallow",                                1, 1},
        {"deny user anna group x\nallow user anna\nallow",                                1, 0},
        {"deny network 10.0.0.0/8\nallow network 10.1.0.0/16\nallow",                     1, 1},
        {"deny network 10.1.0.0/16\nallow network 10.0.0.0/8\nallow",                     1, 0},
        {"deny not network 10.0.0.0/8\nallow not network 10.0.0.0/8,192.0.2.0/24\nallow", 1, 1},
        {"deny not network 10.0.0.0/8,192.0.2.0/24\nallow not network 10.0.0.0/8\nallow", 1, 0},
        {"deny not user anna\nallow user anna\nallow",                                    1, 0},
        {"deny time mon-fri\nallow time tue/08:00-12:00\nallow",                          1, 1},
        {"deny time mon-fri\nallow time fri/22:00-06:00\nallow",                          1, 0},
        {"deny time mon-sun\nallow time fri/22:00-06:00\nallow",                          1, 1},
        {"deny time 08:00-18:00\nallow time 09:00-18:00\nallow",                          1, 1},
        {"deny time 08:00-18:00\nallow time 09:00-18:01\nallow",                          1, 0},
        {"deny time 20:00-08:00\nallow time 22:00-06:00\nallow",                          1, 1},
        {"deny device any\nallow device #7,phone\nallow",                                 1, 1},
        {"deny device any\nallow device none\nallow",                                     1, 0},
        {"deny certificate any\nallow certificate " SHA_A "\nallow",                      1, 1},
        {"deny certificate none\nallow certificate any\nallow",                           1, 0},
        {"deny scope imap,send\nallow scope send\nallow",                                 1, 1},
        {"deny mailbox A\nallow mailbox A\nallow",                                        1, 0}, /* not looked into */
        {"step-up user anna\nallow user anna\nallow",                                     1, 0},
        {"deny user anna\nstep-up user anna\nallow",                                      1, 1},
        {"deny user bob\ndeny user anna\nallow user anna\nallow",                         2, 2},
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(policy_freep) struct policy *policy = parse(rows[i].rules);
        const struct policy_rule *by = policy_shadowed_by(policy, rows[i].at);

        if ((by != NULL ? by->line : 0) != rows[i].by)
            fail_msg("%s: by line %u", rows[i].rules, by != NULL ? by->line : 0);
    }
}

/* What explain says. */
static void the_first_condition_that_fails_is_named(void **state)
{
    AUTO(policy_freep)
    struct policy *policy = parse("deny time sat  not group staff user anna # x\nallow");
    const struct who anna = {0};
    const struct policy_condition *missed = NULL;
    struct slice groups[GROUPS_MAX];
    struct policy_facts facts;
    struct auth_key key;

    (void) state;
    make_facts(&anna, &key, groups, &facts);
    assert_false(policy_rule_holds(&policy->rules[0], &facts, &missed));
    assert_slice_equal(missed->text, SLICE("not group staff"));
    assert_slice_equal(policy->rules[0].text,
                       SLICE("deny time sat  not group staff user anna"));
    assert_int_equal(policy->rules[0].line, 1);
}

static int set_up(void **state)
{
    (void) state;
    return auth_names_init(NULL) == RC_OK ? 0 : 1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_rule_that_holds_decides),
        cmocka_unit_test(what_is_no_rule_is_refused_with_its_line),
        cmocka_unit_test(what_rules_name_has_limits),
        cmocka_unit_test(all_words_together_have_a_limit),
        cmocka_unit_test(a_verdict_has_room_for_all_mailboxes),
        cmocka_unit_test(windows_tell_when_to_look_again),
        cmocka_unit_test(a_mark_tells_verdicts_apart),
        cmocka_unit_test(rules_that_never_decide_are_found),
        cmocka_unit_test(the_first_condition_that_fails_is_named),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
