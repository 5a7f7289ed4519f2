/*
 * cmd_list.c - LIST, LSUB, XLIST, RLIST, RLSUB.
 *
 * Spec: RFC 9051 6.3.9 (with 6.3.9.1-6.3.9.7), 6.3.10; RFC 3501 6.3.9 (LSUB); RFC 6154 2;
 * RFC 8440 (MYRIGHTS). XLIST stands in no RFC: it is the LIST that Gmail had before
 * SPECIAL-USE, with the grammar of LSUB and names of its own for special uses, which older mail
 * programs ask for by its capability. RLIST and RLSUB (RFC 2193 3), and LIST (REMOTE), are LIST
 * and LSUB that tell of mailboxes on other servers as well.
 *
 * One walk over a sorted list of names, the mailboxes or the subscriptions. Superiors that are
 * not in the list come up at their first descendant, so each name is looked at once. A name is
 * answered if it matches a pattern and the selection options, or, with RECURSIVEMATCH, if it
 * matches a pattern and something below it meets the options. The walk pauses between names and
 * holds its version meanwhile.
 */
#include "commands/cmd.h"
#include "commands/list_line.h"
#include "commands/metadata_line.h"
#include "commands/myrights_line.h"
#include "commands/referral.h"
#include "commands/resync.h"
#include "commands/status_values.h"
#include "imap/list_match.h"

#define LIST_SLICE_WORK ((size_t) 4096) /* matches before others get their turn */

enum list_verb { VERB_LIST, VERB_LSUB, VERB_XLIST, VERB_RLIST, VERB_RLSUB };

static const char *const verb_names[] = {
    [VERB_LIST] = "LIST",  [VERB_LSUB] = "LSUB",  [VERB_XLIST] = "XLIST",
    [VERB_RLIST] = "LIST", [VERB_RLSUB] = "LSUB",
};

struct list_walk {
    struct visible *visible;
    const struct imap_list_args *args;
    struct list_pattern *patterns;
    enum list_verb verb;
    bool lsub;          /* or RLSUB */
    bool remote;        /* other servers' mailboxes too */
    bool subscriptions; /* the list walked: names subscribed to, or the mailboxes */
    size_t at, count;
    size_t remote_at; /* behind that list, those of the configuration */
};

static void walk_done(void *cursor)
{
    struct list_walk *walk = cursor;

    visible_done(walk->visible);
}

static struct slice name_at(const struct list_walk *walk, size_t at)
{
    if (walk->subscriptions)
        return acct_subscription_at(visible_own(walk->visible), at);
    return visible_name(walk->visible, at);
}

/* First subscription >= name. */
static size_t subscription_lower_bound(const struct list_walk *walk, struct slice name)
{
    size_t low = 0, high = walk->count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (slice_cmp(name_at(walk, mid), name) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* First name of the list that lies below this one; *prefix is "name/" in space. */
static size_t first_below(const struct list_walk *walk, struct slice name, char *space,
                          struct slice *prefix)
{
    memcpy(space, name.ptr, name.len);
    space[name.len] = MAILBOX_SEPARATOR;
    *prefix = slice_of(space, name.len + 1);
    return walk->subscriptions ? subscription_lower_bound(walk, *prefix)
                               : visible_lower_bound(walk->visible, *prefix);
}

static bool matches(const struct list_walk *walk, struct slice name)
{
    for (size_t i = 0; i < walk->args->n_patterns; i++)
        if (list_pattern_matches(&walk->patterns[i], name))
            return true;
    return false;
}

/* Does a name of the list meet the selection options? REMOTE restricts nothing. */
static bool is_selected(const struct list_walk *walk, struct slice name)
{
    const struct mbox *mbox;

    if ((walk->args->select & IMAP_LIST_SPECIAL_USE) == 0)
        return true;
    mbox = visible_find(walk->visible, name);
    return mbox != NULL && mbox_info(mbox)->special_use != 0;
}

/* Is there something below name that meets the options; unmatched: and that no pattern shows?
 */
static bool selects_below(const struct list_walk *walk, struct slice name, bool unmatched)
{
    char space[MAILBOX_NAME_BYTES_MAX + 1];
    struct slice prefix;

    for (size_t i = first_below(walk, name, space, &prefix); i < walk->count; i++) {
        struct slice below = name_at(walk, i);

        if (!slice_starts(below, prefix))
            return false;
        if (is_selected(walk, below) && !(unmatched && matches(walk, below)))
            return true;
    }
    return false;
}

static bool wants_subscribed(const struct list_walk *walk)
{
    return (walk->args->select & IMAP_LIST_SUBSCRIBED) != 0 ||
           (walk->args->returns & IMAP_RETURN_SUBSCRIBED) != 0;
}

/* RFC 5819: LIST, then STATUS, of mailboxes that exist and may be read. */
static enum rc say_status(const struct cmd *cmd, const struct list_walk *walk,
                          struct slice name, struct err *err)
{
    AUTO(found_mailbox_done) struct found_mailbox found = {0};
    struct imap_status_values values;
    enum rc rc;

    if ((walk->args->returns & IMAP_RETURN_STATUS) == 0 ||
        visible_find(walk->visible, name) == NULL)
        return RC_OK;
    rc = place_find(cmd->session, name, RIGHT_READ, &found, err);
    if (!rc)
        rc = status_values(cmd->session, &found, walk->args->status_items, cmd->arena, &values,
                           err);
    if (rc == RC_NOT_FOUND || rc == RC_DENIED)
        return RC_OK; /* deleted since, or not to be read: LIST stands, STATUS is dropped */
    if (rc)
        return rc;
    imap_print_status_line(cmd->reply->out, name, walk->args->status_items, &values,
                           cmd->session->mode);
    return RC_OK;
}

/* RFC 9590: then METADATA, of the same ones. */
static void say_metadata(const struct cmd *cmd, const struct list_walk *walk, struct slice name)
{
    const struct mbox *mbox = visible_find(walk->visible, name);
    struct reader reader = visible_reader(walk->visible, name);

    if ((walk->args->returns & IMAP_RETURN_METADATA) != 0 && mbox != NULL &&
        reader_may_see_entries(&reader, NULL) == RC_OK)
        metadata_line_say(cmd->reply, mbox, &reader, name, &walk->args->metadata);
}

/* RFC 8440: and MYRIGHTS. */
static void say_myrights(const struct cmd *cmd, const struct list_walk *walk, struct slice name)
{
    if ((walk->args->returns & IMAP_RETURN_MYRIGHTS) != 0 &&
        visible_find(walk->visible, name) != NULL)
        myrights_line_say(cmd->reply, cmd->session, name,
                          visible_reader(walk->visible, name).rights);
}

/* A basic LIST of an IMAP4rev1 client knows \Noselect only. */
static void speak_rev1(const struct cmd *cmd, const struct list_walk *walk,
                       struct imap_list_line *line)
{
    bool basic = !walk->args->extended && !cmd->session->mode.rev2;

    if (basic && (line->attrs & IMAP_ATTR_NONEXISTENT) != 0)
        line->attrs = (line->attrs & ~(uint32_t) IMAP_ATTR_NONEXISTENT) | IMAP_ATTR_NOSELECT;
}

static void speak_xlist(struct slice name, struct imap_list_line *line)
{
    line->verb = verb_names[VERB_XLIST];
    line->xlist = true;
    if (slice_eq(name, SLICE("INBOX")))
        line->attrs |= IMAP_ATTR_INBOX;
}

/* RFC 5258 3.1; what is below a mailbox there is not known here but for what is configured. */
static void speak_remote(const struct session *session, const struct list_walk *walk,
                         struct imap_list_line *line)
{
    if (referral_is_above(session, line->name))
        line->attrs =
            (line->attrs & ~(uint32_t) IMAP_ATTR_HASNOCHILDREN) | IMAP_ATTR_HASCHILDREN;
    if (referral_find(session, line->name) != NULL &&
        visible_find(walk->visible, line->name) == NULL)
        line->attrs = (line->attrs & ~(uint32_t) (IMAP_ATTR_NONEXISTENT | IMAP_ATTR_NOSELECT)) |
                      IMAP_ATTR_REMOTE;
}

/* selected: the name itself meets the options, not only one below it; RFC 9051 6.3.9.8 example
 * 11 has no STATUS otherwise. */
static enum rc say_name(const struct cmd *cmd, const struct list_walk *walk, struct slice name,
                        bool selected, bool childinfo, struct err *err)
{
    struct imap_list_line line;

    list_line_fill(walk->visible, name, &line);
    speak_rev1(cmd, walk, &line);
    if (walk->remote)
        speak_remote(cmd->session, walk, &line);
    if (wants_subscribed(walk) && acct_is_subscribed(visible_own(walk->visible), name))
        line.attrs |= IMAP_ATTR_SUBSCRIBED;
    line.childinfo = childinfo;
    if (walk->verb == VERB_XLIST)
        speak_xlist(name, &line);
    imap_print_list_line(cmd->reply->out, &line, cmd->session->mode);
    if (selected) {
        say_myrights(cmd, walk, name);
        say_metadata(cmd, walk, name);
    }
    return selected ? say_status(cmd, walk, name, err) : RC_OK;
}

static void say_lsub(const struct cmd *cmd, struct slice name, bool noselect)
{
    const struct imap_list_line line = {
        .verb = "LSUB", .name = name, .attrs = noselect ? IMAP_ATTR_NOSELECT : 0};

    imap_print_list_line(cmd->reply->out, &line, cmd->session->mode);
}

/* A name of the list. */
static enum rc consider(const struct cmd *cmd, const struct list_walk *walk, struct slice name,
                        struct err *err)
{
    bool recursive = (walk->args->select & IMAP_LIST_RECURSIVEMATCH) != 0;
    bool selected, childinfo;

    if (!matches(walk, name))
        return RC_OK;
    if (walk->lsub) {
        say_lsub(cmd, name, false);
        return RC_OK;
    }
    selected = is_selected(walk, name);
    childinfo = recursive && selects_below(walk, name, !selected);
    return selected || childinfo ? say_name(cmd, walk, name, selected, childinfo, err) : RC_OK;
}

/* A superior that is not in the list. Of mailboxes: a level that does not exist, told where no
 * option restricts the answer. Of subscriptions: only with RECURSIVEMATCH, or for LSUB's "%"
 * (RFC 3501 6.3.9). */
static enum rc consider_superior(const struct cmd *cmd, const struct list_walk *walk,
                                 struct slice name, struct err *err)
{
    uint32_t restricts = IMAP_LIST_SUBSCRIBED | IMAP_LIST_SPECIAL_USE;
    bool recursive = (walk->args->select & IMAP_LIST_RECURSIVEMATCH) != 0;

    if (walk->lsub) {
        for (size_t i = 0; i < walk->args->n_patterns; i++) {
            if (walk->patterns[i].has_percent &&
                list_pattern_matches(&walk->patterns[i], name)) {
                say_lsub(cmd, name, true);
                return RC_OK;
            }
        }
        return RC_OK;
    }
    if (!matches(walk, name))
        return RC_OK;
    if ((walk->args->select & restricts) == 0)
        return say_name(cmd, walk, name, true, false, err);
    if (recursive && selects_below(walk, name, true))
        return say_name(cmd, walk, name, false, true, err);
    return RC_OK;
}

/* Superiors of the name at `at` that the list lacks and that no earlier name had. */
static enum rc consider_superiors(const struct cmd *cmd, const struct list_walk *walk,
                                  struct slice name, struct err *err)
{
    char space[MAILBOX_NAME_BYTES_MAX + 1];

    for (size_t i = 1; i < name.len; i++) {
        struct slice superior = slice_sub(name, 0, i), prefix;
        bool listed;
        enum rc rc;

        if (name.ptr[i] != MAILBOX_SEPARATOR)
            continue;
        listed = walk->subscriptions ? acct_is_subscribed(visible_own(walk->visible), superior)
                                     : visible_find(walk->visible, superior) != NULL;
        if (listed || first_below(walk, superior, space, &prefix) != walk->at)
            continue;
        rc = consider_superior(cmd, walk, superior, err);
        if (rc)
            return rc;
    }
    return RC_OK;
}

/* Own mailboxes alone, if all that is asked for is plain names of them. */
static bool asks_for_own(const struct imap_list_args *args)
{
    for (size_t i = 0; i < args->n_patterns; i++) {
        struct slice pattern = args->patterns[i];

        if (args->reference.len > 0 || slice_find(pattern, '*') < pattern.len ||
            slice_find(pattern, '%') < pattern.len || !name_is_own(pattern))
            return false;
    }
    return true;
}

static enum rc start_walk(struct cmd *cmd, enum list_verb verb, struct err *err)
{
    const struct imap_list_args *args = &cmd->args.list;
    struct list_walk *walk = ARENA_NEW(cmd->arena, struct list_walk);

    *walk = (struct list_walk){
        .visible = visible_begin(cmd->session, cmd->arena),
        .args = args,
        .patterns = ARENA_ARRAY(cmd->arena, struct list_pattern, args->n_patterns),
        .verb = verb,
        .lsub = verb == VERB_LSUB || verb == VERB_RLSUB,
        .remote =
            verb == VERB_RLIST || verb == VERB_RLSUB || (args->select & IMAP_LIST_REMOTE) != 0,
        .subscriptions = verb == VERB_LSUB || verb == VERB_RLSUB ||
                         (args->select & IMAP_LIST_SUBSCRIBED) != 0,
    };
    cmd->cursor = walk;
    cmd->cursor_done = walk_done;
    if (!walk->lsub && !asks_for_own(args)) {
        enum rc rc = visible_need_all(walk->visible, err);

        if (rc)
            return rc;
    }
    walk->count = walk->subscriptions ? acct_subscription_count(visible_own(walk->visible))
                                      : visible_count(walk->visible);
    for (size_t i = 0; i < args->n_patterns; i++) {
        list_pattern_init(&walk->patterns[i], args->reference, args->patterns[i], cmd->arena);
        if (args->patterns[i].len == 0) /* the extended syntax ignores empty ones */
            walk->patterns[i].never = true;
    }
    return RC_OK;
}

/* A subscription to a mailbox that is elsewhere, where such are not asked for (RFC 2193 3). */
static bool is_hidden(const struct session *session, const struct list_walk *walk,
                      struct slice name)
{
    return !walk->remote && walk->subscriptions && referral_find(session, name) != NULL &&
           visible_find(walk->visible, name) == NULL;
}

/* Superiors of a remote mailbox that are neither here nor there, and that none before it had.
 */
static enum rc say_remote_superiors(const struct cmd *cmd, const struct list_walk *walk,
                                    struct slice name, struct err *err)
{
    const struct referrals *referrals = cmd->session->referrals;
    struct slice before =
        walk->remote_at > 0 ? referrals->mailboxes[walk->remote_at - 1].name : SLICE("");
    enum rc rc = RC_OK;

    for (size_t i = 1; !rc && i < name.len; i++) {
        struct slice superior = slice_sub(name, 0, i);

        if (name.ptr[i] != MAILBOX_SEPARATOR || referral_find(cmd->session, superior) != NULL ||
            slice_starts(before, slice_sub(name, 0, i + 1)) ||
            visible_find(walk->visible, superior) != NULL ||
            visible_has_children(walk->visible, superior))
            continue;
        rc = consider_superior(cmd, walk, superior, err);
    }
    return rc;
}

/* The mailboxes of the configuration that are not here. */
static enum rc say_remotes(const struct cmd *cmd, struct list_walk *walk, const char *completed,
                           struct err *err)
{
    const struct referrals *referrals = cmd->session->referrals;

    for (; walk->remote_at < referrals->n; walk->remote_at++) {
        struct slice name = referrals->mailboxes[walk->remote_at].name;
        enum rc rc;

        if (reply_is_full(cmd->reply))
            return RC_MORE;
        if (!session_allows(cmd->session, name) || visible_find(walk->visible, name) != NULL)
            continue;
        rc = say_remote_superiors(cmd, walk, name, err);
        if (!rc)
            rc = consider(cmd, walk, name, err);
        if (rc)
            return rc;
    }
    reply_ok(cmd->reply, completed);
    return RC_OK;
}

static enum rc go_on(struct cmd *cmd, const char *completed, struct err *err)
{
    struct list_walk *walk = cmd->cursor;
    size_t work = 0;

    for (; walk->at < walk->count; walk->at++) {
        struct slice name = name_at(walk, walk->at);
        enum rc rc;

        if (reply_is_full(cmd->reply) || work >= LIST_SLICE_WORK)
            return cmd_progress(cmd, walk->at, walk->count);
        if (!session_allows(cmd->session, name) || is_hidden(cmd->session, walk, name))
            continue; /* a subscription */
        work += walk->args->n_patterns;
        rc = consider_superiors(cmd, walk, name, err);
        if (rc)
            return rc;
        rc = consider(cmd, walk, name, err);
        if (rc)
            return rc;
    }
    if (walk->remote && !walk->subscriptions && cmd->session->referrals != NULL)
        return say_remotes(cmd, walk, completed, err);
    reply_ok(cmd->reply, completed);
    return RC_OK;
}

/* RFC 9051 6.3.9: an empty name of the basic syntax asks for the separator. Our names have no
 * root. */
static bool asks_for_separator(const struct imap_list_args *args)
{
    return !args->extended && args->n_patterns == 1 && args->patterns[0].len == 0;
}

static void say_separator(struct cmd *cmd, enum list_verb verb)
{
    const struct imap_list_line line = {.verb = verb_names[verb], .attrs = IMAP_ATTR_NOSELECT};

    imap_print_list_line(cmd->reply->out, &line, cmd->session->mode);
}

static enum rc list(struct cmd *cmd, enum list_verb verb, const char *completed,
                    struct err *err)
{
    if (cmd->args.list.n_patterns == 0) { /* none that a name can match */
        reply_ok(cmd->reply, completed);
        return RC_OK;
    }
    if (cmd->cursor == NULL && asks_for_separator(&cmd->args.list)) {
        say_separator(cmd, verb);
        reply_ok(cmd->reply, completed);
        return RC_OK;
    }
    if (cmd->cursor == NULL) {
        enum rc rc = start_walk(cmd, verb, err);

        if (rc)
            return rc;
    }
    return go_on(cmd, completed, err);
}

enum rc cmd_list(struct cmd *cmd, struct err *err)
{
    if ((cmd->args.list.status_items & IMAP_STATUS_HIGHESTMODSEQ) != 0)
        condstore_enable(cmd);
    return list(cmd, VERB_LIST, "LIST completed", err);
}

enum rc cmd_lsub(struct cmd *cmd, struct err *err)
{
    return list(cmd, VERB_LSUB, "LSUB completed", err);
}

enum rc cmd_xlist(struct cmd *cmd, struct err *err)
{
    return list(cmd, VERB_XLIST, "XLIST completed", err);
}

enum rc cmd_rlist(struct cmd *cmd, struct err *err)
{
    return list(cmd, VERB_RLIST, "RLIST completed", err);
}

enum rc cmd_rlsub(struct cmd *cmd, struct err *err)
{
    return list(cmd, VERB_RLSUB, "RLSUB completed", err);
}
