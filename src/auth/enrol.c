#include "auth/enrol.h"

#include <sodium.h>

#include "base/list.h"
#include "base/map.h"
#include "base/random.h"

#define KEY_BYTES 32u

struct session {
    struct link link; /* in enrol->order */
    unsigned char key[KEY_BYTES];
    uint64_t account;
    struct ipaddr peer;
    int64_t ends_us;
    unsigned n_made; /* devices */
    size_t user_len;
    char user[AUTH_NAME_MAX_BYTES];
};

/* Wrong codes behind a right password. */
struct wrong {
    uint64_t account; /* 0: free */
    int64_t drained_us;
};

struct enrol {
    struct realm *realm;
    unsigned char secret[crypto_generichash_KEYBYTES]; /* what tokens are hashed with */
    struct map *sessions;                              /* by hash of the token */
    struct list order;                                 /* the one that ends first comes first */
    struct wrong wrong[ENROL_WRONG_ACCOUNTS];
};

// clang-format off
static const struct {
    const char *name;
    bool is_guess;
} reasons[ENROL_REASON_COUNT] = {
    [ENROL_REASON_NONE]             = {"none",             false},
    [ENROL_REASON_UNKNOWN_USER]     = {"unknown_user",     true },
    [ENROL_REASON_WRONG_PASSWORD]   = {"wrong_password",   true },
    [ENROL_REASON_NO_SECOND_FACTOR] = {"no_second_factor", true },
    [ENROL_REASON_WRONG_CODE]       = {"wrong_code",       true },
    [ENROL_REASON_CODE_LIMIT]       = {"code_limit",       true },
    [ENROL_REASON_DISABLED]         = {"disabled",         true },
    [ENROL_REASON_MALFORMED]        = {"malformed",        true },
    [ENROL_REASON_BUSY]             = {"busy",             false},
    [ENROL_REASON_THROTTLED]        = {"throttled",        false},
    [ENROL_REASON_BACKEND]          = {"backend_unavailable", false},
    [ENROL_REASON_INTERNAL]         = {"internal",         false},
};
// clang-format on

const char *enrol_reason_name(enum enrol_reason reason)
{
    return reasons[reason].name;
}

bool enrol_reason_is_guess(enum enrol_reason reason)
{
    return reasons[reason].is_guess;
}

struct enrol *enrol_new(struct realm *realm)
{
    struct enrol *enrol = xcalloc(1, sizeof(*enrol));

    enrol->realm = realm;
    enrol->sessions = map_new();
    list_init(&enrol->order);
    random_bytes(enrol->secret, sizeof(enrol->secret));
    return enrol;
}

static void session_end(struct enrol *enrol, struct session *session)
{
    (void) map_remove(enrol->sessions, slice_of(session->key, sizeof(session->key)));
    list_remove(&session->link);
    free(session);
}

void enrol_free(struct enrol *enrol)
{
    if (enrol == NULL)
        return;
    while (!list_is_empty(&enrol->order))
        session_end(enrol, LINK_OWNER(enrol->order.head.next, struct session, link));
    map_free(enrol->sessions);
    sodium_memzero(enrol, sizeof(*enrol));
    free(enrol);
}

bool enrol_password_matches(struct slice hash, struct slice secret)
{
    struct password_hash parsed;
    bool is_real = hash.len > 0;

    if (password_hash_parse(is_real ? hash : password_hash_dummy(), &parsed, NULL) != RC_OK)
        return false;
    return password_matches(&parsed, secret) && is_real;
}

/* ---- wrong codes ---- */

static struct wrong *wrong_of(struct enrol *enrol, uint64_t account)
{
    for (size_t i = 0; i < ENROL_WRONG_ACCOUNTS; i++)
        if (enrol->wrong[i].account == account)
            return &enrol->wrong[i];
    return NULL;
}

static const int64_t drain_us = (int64_t) ENROL_WRONG_DRAIN_SEC * 1000000;

static bool is_blocked(struct enrol *enrol, uint64_t account, int64_t now_us)
{
    const struct wrong *wrong = wrong_of(enrol, account);

    return wrong != NULL && wrong->drained_us - now_us > (ENROL_WRONG_MAX - 1) * drain_us;
}

static void note_wrong(struct enrol *enrol, uint64_t account, int64_t now_us)
{
    struct wrong *wrong = wrong_of(enrol, account);

    if (wrong == NULL) {
        wrong = &enrol->wrong[0];
        for (size_t i = 1; i < ENROL_WRONG_ACCOUNTS; i++)
            if (enrol->wrong[i].drained_us < wrong->drained_us)
                wrong = &enrol->wrong[i];
        *wrong = (struct wrong){.account = account};
    }
    wrong->drained_us = MAX(wrong->drained_us, now_us) + drain_us;
}

static void forget_wrong(struct enrol *enrol, uint64_t account)
{
    struct wrong *wrong = wrong_of(enrol, account);

    if (wrong != NULL)
        *wrong = (struct wrong){0};
}

/* ---- the decision ---- */

/* Why there was no password that was right. */
static enum enrol_reason reason_of_login(enum login_reason reason)
{
    if (reason == LOGIN_REASON_UNKNOWN_USER)
        return ENROL_REASON_UNKNOWN_USER;
    if (reason == LOGIN_REASON_DISABLED)
        return ENROL_REASON_DISABLED;
    if (reason == LOGIN_REASON_BACKEND)
        return ENROL_REASON_BACKEND;
    return reason == LOGIN_REASON_INTERNAL ? ENROL_REASON_INTERNAL
                                           : ENROL_REASON_WRONG_PASSWORD;
}

/* The password was right. */
static enum enrol_reason judge_code(struct enrol *enrol, uint64_t account,
                                    const struct enrol_claim *claim,
                                    const struct factor_match *match, struct err *err)
{
    enum rc rc;

    if (!match->enabled)
        return ENROL_REASON_NO_SECOND_FACTOR;
    if (match->kind != FACTOR_RECOVERY && is_blocked(enrol, account, claim->now_us))
        return ENROL_REASON_CODE_LIMIT;
    if (match->kind == FACTOR_NONE) {
        note_wrong(enrol, account, claim->now_us);
        return ENROL_REASON_WRONG_CODE;
    }
    rc = factor_use(realm_db(enrol->realm), account, match, err);
    if (rc == RC_NOT_FOUND)
        return ENROL_REASON_WRONG_CODE;
    if (rc)
        return ENROL_REASON_INTERNAL;
    forget_wrong(enrol, account);
    return ENROL_REASON_NONE;
}

enum enrol_reason enrol_judge(struct enrol *enrol, const struct enrol_claim *claim,
                              const struct login_outcome *password, enum factor_kind *kind,
                              struct err *err)
{
    struct factor_match match = {.kind = FACTOR_NONE};
    enum enrol_reason reason;

    if (factor_check(realm_db(enrol->realm), password->account, claim->code, claim->now, &match,
                     err) != RC_OK)
        return ENROL_REASON_INTERNAL;
    if (password->verdict == LOGIN_GRANTED)
        reason = judge_code(enrol, password->account, claim, &match, err);
    else
        reason = reason_of_login(password->reason);
    *kind = match.kind;
    sodium_memzero(&match, sizeof(match));
    return reason;
}

/* ---- sessions ---- */

/* Looking a token up by its hash tells nothing by its time of how much of it was right. */
static void key_of(const struct enrol *enrol, const struct enrol_token *token,
                   unsigned char out[KEY_BYTES])
{
    (void) crypto_generichash(out, KEY_BYTES, token->bytes, sizeof(token->bytes), enrol->secret,
                              sizeof(enrol->secret));
}

static struct session *oldest(const struct enrol *enrol)
{
    return list_is_empty(&enrol->order)
               ? NULL
               : LINK_OWNER(enrol->order.head.next, struct session, link);
}

static void end_old(struct enrol *enrol, int64_t now_us)
{
    struct session *session;

    while ((session = oldest(enrol)) != NULL && session->ends_us <= now_us)
        session_end(enrol, session);
}

/* Room for one more of the account, and of all. */
static void make_room(struct enrol *enrol, uint64_t account)
{
    struct session *first = NULL;
    size_t n = 0;

    LIST_FOREACH(it, &enrol->order)
    {
        struct session *session = LINK_OWNER(it, struct session, link);

        if (session->account != account)
            continue;
        if (first == NULL)
            first = session;
        n++;
    }
    if (n < ENROL_SESSIONS_EACH)
        first = map_count(enrol->sessions) >= ENROL_SESSIONS_MAX ? oldest(enrol) : NULL;
    if (first != NULL)
        session_end(enrol, first);
}

void enrol_open(struct enrol *enrol, uint64_t account, struct slice user,
                const struct ipaddr *peer, int64_t now_us, struct enrol_token *out)
{
    struct session *session = xcalloc(1, sizeof(*session));

    make_room(enrol, account); /* those that are over have come first, and go first */
    random_bytes(out->bytes, sizeof(out->bytes));
    key_of(enrol, out, session->key);
    session->account = account;
    session->peer = *peer;
    session->ends_us = now_us + (int64_t) ENROL_SESSION_SEC * 1000000;
    session->user_len = MIN(user.len, sizeof(session->user));
    if (session->user_len > 0)
        memcpy(session->user, user.ptr, session->user_len);
    (void) map_put(enrol->sessions, slice_of(session->key, sizeof(session->key)), session);
    list_push_back(&enrol->order, &session->link);
}

static enum rc still_allowed(struct enrol *enrol, uint64_t account, struct err *err)
{
    AUTO(arena_freep) struct arena *arena = arena_new(DB_ROW_MAX_BYTES);
    struct auth_account row;
    enum rc rc = auth_db_get_account(realm_db(enrol->realm), account, arena, &row, err);

    if (rc == RC_OK && !realm_account_enabled(enrol->realm, &row))
        return err_set(err, RC_NOT_FOUND, "This account is disabled", "enrol: disabled");
    return rc;
}

static struct session *session_of(const struct enrol *enrol, const struct enrol_token *token)
{
    unsigned char key[KEY_BYTES];

    key_of(enrol, token, key);
    return map_get(enrol->sessions, slice_of(key, sizeof(key)));
}

enum rc enrol_find(struct enrol *enrol, const struct enrol_token *token, int64_t now_us,
                   struct enrol_session *out, struct err *err)
{
    const struct session *session;
    enum rc rc;

    end_old(enrol, now_us);
    session = session_of(enrol, token);
    if (session == NULL)
        return err_set(err, RC_NOT_FOUND, "This session is over", "enrol: no such session");
    rc = still_allowed(enrol, session->account, err);
    if (rc)
        return rc;
    *out = (struct enrol_session){.account = session->account,
                                  .user = slice_of(session->user, session->user_len),
                                  .peer = session->peer};
    return RC_OK;
}

enum rc enrol_count_device(struct enrol *enrol, const struct enrol_token *token,
                           struct err *err)
{
    struct session *session = session_of(enrol, token);

    if (session == NULL)
        return err_set(err, RC_NOT_FOUND, "This session is over", "enrol: no such session");
    if (session->n_made >= ENROL_DEVICES_EACH)
        return err_set(err, RC_LIMIT, "Too many devices at once: log in again",
                       "enrol: %u devices in one session", ENROL_DEVICES_EACH);
    session->n_made++;
    return RC_OK;
}

void enrol_close(struct enrol *enrol, const struct enrol_token *token)
{
    struct session *session = session_of(enrol, token);

    if (session != NULL)
        session_end(enrol, session);
}

void enrol_forget(struct enrol *enrol, uint64_t account)
{
    LIST_FOREACH(it, &enrol->order)
    {
        struct session *session = LINK_OWNER(it, struct session, link);

        if (session->account == account)
            session_end(enrol, session);
    }
}

size_t enrol_n_sessions(const struct enrol *enrol)
{
    return map_count(enrol->sessions);
}
