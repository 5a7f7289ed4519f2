#include "mailbox/quota.h"

#include "base/log.h"
#include "mailbox/mail_store.h"
#include "mailbox/shares.h"

static const struct {
    const char *name;
    const char *word; /* for people and the log */
    const char *text;
} resources[QUOTA_RESOURCES] = {
    [QUOTA_STORAGE] = {"STORAGE",            "storage",
                       "The account has no room for that: its storage is used up"                    },
    [QUOTA_MESSAGES] = {"MESSAGE",            "messages",    "The account may not hold more messages" },
    [QUOTA_MAILBOXES] = {"MAILBOX",            "mailboxes",   "The account may not hold more mailboxes"},
    [QUOTA_ANNOTATIONS] = {"ANNOTATION-STORAGE", "annotations",
                       "The account has no room for more annotations"                                },
};

struct slice quota_resource_name(enum quota_resource resource)
{
    return slice_from_str(resources[resource].name);
}

const char *quota_resource_word(enum quota_resource resource)
{
    return resources[resource].word;
}

bool quota_resource_is_bytes(enum quota_resource resource)
{
    return resource == QUOTA_STORAGE || resource == QUOTA_ANNOTATIONS;
}

bool quota_resource_find(struct slice name, enum quota_resource *out)
{
    for (unsigned i = 0; i < QUOTA_RESOURCES; i++) {
        if (slice_eq_nocase(name, slice_from_str(resources[i].name))) {
            *out = (enum quota_resource) i;
            return true;
        }
    }
    return false;
}

struct quota_limits quota_own_limits(const struct acct_state *state)
{
    struct quota_limits limits = {0};
    enum quota_resource resource;

    for (size_t i = 0; i < acct_quota_count(state); i++) {
        struct quota_limit said = acct_quota_at(state, i);

        if (!quota_resource_find(said.resource, &resource))
            continue;
        limits.set[resource] = true;
        limits.limit[resource] = said.limit;
    }
    return limits;
}

/* The most generous of an account's groups. QUOTA_UNLIMITED is the largest number. */
static struct quota_limits group_limits(const struct principals *principals, uint64_t account)
{
    struct quota_limits limits = {0};
    size_t n;
    const uint64_t *groups = principals_groups_of(principals, account, &n);

    for (size_t g = 0; g < n; g++) {
        const struct principal *group = principals_by_id(principals, groups[g]);

        for (unsigned i = 0; group != NULL && i < QUOTA_RESOURCES; i++) {
            if (!group->limits.set[i])
                continue;
            limits.limit[i] = limits.set[i] ? MAX(limits.limit[i], group->limits.limit[i])
                                            : group->limits.limit[i];
            limits.set[i] = true;
        }
    }
    return limits;
}

static void usage_of(const struct acct_state *state, uint64_t out[QUOTA_RESOURCES])
{
    struct acct_usage usage = acct_usage(state);

    out[QUOTA_STORAGE] = usage.bytes;
    out[QUOTA_MESSAGES] = usage.messages;
    out[QUOTA_MAILBOXES] = usage.mailboxes;
    out[QUOTA_ANNOTATIONS] = usage.annotation_bytes;
}

void quota_of(struct mail_store *store, const struct acct_state *state,
              struct quota_status *out)
{
    AUTO(principals_unrefp) struct principals *principals = mail_store_principals(store);
    const struct quota_settings *settings = mail_store_quota(store);
    struct quota_limits own = quota_own_limits(state);
    struct quota_limits groups = group_limits(principals, acct_id(state));
    const struct quota_limits *sources[] = {&own, &groups, &settings->defaults};

    usage_of(state, out->usage);
    for (unsigned i = 0; i < QUOTA_RESOURCES; i++) {
        out->limit[i] = QUOTA_UNLIMITED;
        for (size_t s = 0; s < COUNT(sources); s++) {
            if (sources[s]->set[i]) {
                out->limit[i] = sources[s]->limit[i];
                break;
            }
        }
    }
}

/* Most transactions change flags: then nobody asks for limits. */
static bool grows(const struct acct_state *before, const struct acct_state *after,
                  uint64_t out_before[QUOTA_RESOURCES])
{
    uint64_t now[QUOTA_RESOURCES];
    bool more = false;

    usage_of(before, out_before);
    usage_of(after, now);
    for (unsigned i = 0; i < QUOTA_RESOURCES; i++)
        more = more || now[i] > out_before[i];
    return more;
}

enum rc quota_check(struct mail_store *store, const struct acct_state *before,
                    const struct acct_state *after, struct err *err)
{
    uint64_t had[QUOTA_RESOURCES];
    struct quota_status status;

    if (!grows(before, after, had) || acct_mailbox_count(before) == 0 ||
        acct_id(before) == SHARES_ACCOUNT) /* nobody's */
        return RC_OK;
    quota_of(store, after, &status);
    for (unsigned i = 0; i < QUOTA_RESOURCES; i++)
        if (status.usage[i] > had[i] && status.usage[i] > status.limit[i])
            return err_set(err, RC_QUOTA, resources[i].text, "quota: %s %llu of %llu",
                           resources[i].name, (unsigned long long) status.usage[i],
                           (unsigned long long) status.limit[i]);
    return RC_OK;
}

void quota_room_of(struct mail_store *store, const struct acct_state *state, bool whole,
                   struct quota_room *out)
{
    struct quota_status status;

    quota_of(store, state, &status);
    for (unsigned i = 0; i < QUOTA_RESOURCES; i++) {
        uint64_t used = whole ? 0 : status.usage[i];

        out->left[i] = status.limit[i] == QUOTA_UNLIMITED
                           ? QUOTA_UNLIMITED
                           : status.limit[i] - MIN(used, status.limit[i]);
    }
}

enum rc quota_room_check(const struct quota_room *room, enum quota_resource resource,
                         uint64_t more, struct err *err)
{
    if (room->left[resource] == QUOTA_UNLIMITED || more <= room->left[resource])
        return RC_OK;
    return err_set(err, RC_QUOTA, resources[resource].text, "quota: %s %llu more than %llu",
                   resources[resource].name, (unsigned long long) more,
                   (unsigned long long) room->left[resource]);
}

/* Is at least percent of limit in use? used * 100 may not fit. */
static bool reaches(uint64_t used, uint64_t limit, uint8_t percent)
{
    return used > 0 && used >= limit / 100 * percent + limit % 100 * percent / 100;
}

/* One resource, before and after: the marks between. */
static void log_crossed(const struct quota_settings *settings, const struct log_field who[2],
                        const char *resource, uint64_t before, uint64_t after, uint64_t limit)
{
    for (size_t i = 0; i < settings->n_marks; i++)
        if (!reaches(before, limit, settings->marks[i]) &&
            reaches(after, limit, settings->marks[i]))
            log_event(LEVEL_WARNING, "quota.mark", who[0], who[1],
                      LOG_STR("resource", resource), LOG_NUM("percent", settings->marks[i]),
                      LOG_NUM("used", after), LOG_NUM("limit", limit));
}

void quota_log_marks(struct mail_store *store, const struct acct_state *before,
                     const struct acct_state *after)
{
    AUTO(principals_unrefp) struct principals *principals = NULL;
    const struct quota_settings *settings = mail_store_quota(store);
    const struct principal *who;
    uint64_t had[QUOTA_RESOURCES];
    struct quota_status status;

    if (settings->n_marks == 0 || !grows(before, after, had))
        return;
    principals = mail_store_principals(store);
    who = principals_by_id(principals, acct_id(after));
    quota_of(store, after, &status);
    for (unsigned i = 0; i < QUOTA_RESOURCES; i++) {
        const struct log_field names[] = {
            LOG_ID("account", acct_id(after)),
            LOG_TEXT("user", who != NULL ? who->name : SLICE(""))};

        if (status.limit[i] != QUOTA_UNLIMITED)
            log_crossed(settings, names, resources[i].word, had[i], status.usage[i],
                        status.limit[i]);
    }
}
