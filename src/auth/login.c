#include "auth/login.h"

#include <sodium.h>

#include "auth/network.h"
#include "auth/scram_store.h"

#define NO_ACCOUNT 0u /* never an account's id: the database is asked for it all the same */

// clang-format off
static const struct {
    const char *name;
    enum auth_code code;
    bool is_guess;
} reasons[LOGIN_REASON_COUNT] = {
    [LOGIN_REASON_NONE]           = {"none",           AUTH_CODE_FAILED,        false},
    [LOGIN_REASON_UNKNOWN_USER]   = {"unknown_user",   AUTH_CODE_FAILED,        true },
    [LOGIN_REASON_WRONG_PASSWORD] = {"wrong_password", AUTH_CODE_FAILED,        true },
    [LOGIN_REASON_DISABLED]       = {"disabled",       AUTH_CODE_CONTACTADMIN,  false},
    [LOGIN_REASON_REVOKED]        = {"device_revoked", AUTH_CODE_FAILED,        false},
    [LOGIN_REASON_EXPIRED]        = {"device_expired", AUTH_CODE_EXPIRED,       false},
    [LOGIN_REASON_SCOPE]          = {"device_scope",   AUTH_CODE_AUTHORIZATION, false},
    [LOGIN_REASON_NETWORK]        = {"device_network", AUTH_CODE_AUTHORIZATION, false},
    [LOGIN_REASON_AUTHZID]        = {"other_user",     AUTH_CODE_AUTHORIZATION, false},
    [LOGIN_REASON_NO_TLS]         = {"no_tls",         AUTH_CODE_PRIVACY,       false},
    [LOGIN_REASON_MECHANISM]      = {"mechanism",      AUTH_CODE_NO_MECHANISM,  false},
    [LOGIN_REASON_MALFORMED]      = {"malformed",      AUTH_CODE_MALFORMED,     false},
    [LOGIN_REASON_CHANNEL]        = {"channel_binding", AUTH_CODE_FAILED,       false},
    [LOGIN_REASON_BUSY]           = {"busy",           AUTH_CODE_UNAVAILABLE,   false},
    [LOGIN_REASON_THROTTLED]      = {"throttled",      AUTH_CODE_LIMIT,         false},
    [LOGIN_REASON_BACKEND]        = {"backend_unavailable", AUTH_CODE_UNAVAILABLE, false},
    [LOGIN_REASON_BACKEND_NAME]   = {"backend_name",   AUTH_CODE_FAILED,        false},
    [LOGIN_REASON_TOKEN]          = {"token",          AUTH_CODE_FAILED,        true },
    [LOGIN_REASON_TOKEN_EXPIRED]  = {"token_expired",  AUTH_CODE_FAILED,        false},
    [LOGIN_REASON_CERTIFICATE]    = {"certificate",    AUTH_CODE_FAILED,        false},
    [LOGIN_REASON_TICKET]         = {"ticket",         AUTH_CODE_FAILED,        true },
    [LOGIN_REASON_POLICY]         = {"policy",         AUTH_CODE_POLICY,        false},
    [LOGIN_REASON_UNCONFIRMED]    = {"unconfirmed",    AUTH_CODE_CONFIRM,       false},
    [LOGIN_REASON_INTERNAL]       = {"internal",       AUTH_CODE_UNAVAILABLE,   false},
};

static const char *const code_texts[AUTH_CODE_COUNT] = {
    [AUTH_CODE_FAILED]        = "Authentication failed",
    [AUTH_CODE_EXPIRED]       = "This password has expired",
    [AUTH_CODE_PRIVACY]       = "Log in over TLS only",
    [AUTH_CODE_UNAVAILABLE]   = "Cannot check passwords now, try again later",
    [AUTH_CODE_LIMIT]         = "Too many attempts at once",
    [AUTH_CODE_CONTACTADMIN]  = "This account is disabled",
    [AUTH_CODE_AUTHORIZATION] = "Not allowed with this password",
    [AUTH_CODE_MALFORMED]     = "Malformed authentication message",
    [AUTH_CODE_NO_MECHANISM]  = "Authentication mechanism is not supported",
    [AUTH_CODE_REFERRAL]      = "", /* an URL takes its place */
    [AUTH_CODE_POLICY]        = "Access rules do not allow this login",
    [AUTH_CODE_CONFIRM]       = "Confirm this device first; ask your administrator how",
};
// clang-format on

const char *login_reason_name(enum login_reason reason)
{
    return reasons[reason].name;
}

enum auth_code login_reason_code(enum login_reason reason)
{
    return reasons[reason].code;
}

bool login_reason_is_guess(enum login_reason reason)
{
    return reasons[reason].is_guess;
}

const char *login_code_text(enum auth_code code)
{
    return code_texts[code];
}

const char *login_by_name(enum login_by by)
{
    static const char *const names[] = {"none",    "device", "passwd_file", "account_password",
                                        "backend", "token",  "certificate", "ticket"};

    return names[by];
}

bool login_secret_is_random(struct slice secret)
{
    struct app_password password;
    bool is = app_password_read(secret, &password);

    app_password_wipe(&password);
    return is;
}

static void refuse(struct login_outcome *out, enum login_reason reason)
{
    out->verdict = LOGIN_REFUSED;
    out->reason = reason;
}

enum login_reason login_device_reason(const struct auth_device *device, bool enabled,
                                      const struct login_place *place)
{
    unsigned wanted = place->service == SERVICE_SUBMISSION ? SCOPE_SEND : SCOPE_IMAP;

    if (device->revoked != 0)
        return LOGIN_REASON_REVOKED;
    if (device->expires != 0 && place->now >= device->expires)
        return LOGIN_REASON_EXPIRED;
    if (!enabled)
        return LOGIN_REASON_DISABLED;
    if ((device->scope & wanted) == 0)
        return LOGIN_REASON_SCOPE;
    return networks_allow(device->networks, &place->peer) ? LOGIN_REASON_NONE
                                                          : LOGIN_REASON_NETWORK;
}

/* The device is the right one; may it be used now, and for this? */
static void judge_device(const struct auth_device *device, bool enabled,
                         const struct login_place *place, struct login_outcome *out)
{
    enum login_reason reason = login_device_reason(device, enabled, place);

    out->by = LOGIN_BY_DEVICE;
    out->device = *device;
    if (reason == LOGIN_REASON_NONE)
        out->verdict = LOGIN_GRANTED;
    else
        refuse(out, reason);
}

/* RC_NOT_FOUND: the secret is no app password, or none of this account's. */
static enum rc find_device(const struct realm *realm, uint64_t account, struct slice secret,
                           struct arena *arena, struct auth_device *out, struct err *err)
{
    struct app_password password;
    struct app_verifier verifier;

    if (!app_password_read(secret, &password))
        return RC_NOT_FOUND;
    app_password_verifier(auth_db_pepper(realm_db(realm)), &password, &verifier);
    app_password_wipe(&password);
    return auth_db_find_device(realm_db(realm), account, &verifier, arena, out, err);
}

static void wait_for_hash(struct login_outcome *out, enum login_by by, struct slice hash,
                          bool rehash)
{
    out->verdict = LOGIN_HASH;
    out->by = by;
    out->hash = hash;
    out->rehash = rehash;
}

static void judge_match(struct login_outcome *out, bool matched, bool enabled)
{
    if (out->account == NO_ACCOUNT)
        refuse(out, LOGIN_REASON_UNKNOWN_USER);
    else if (!matched)
        refuse(out, LOGIN_REASON_WRONG_PASSWORD);
    else if (!enabled)
        refuse(out, LOGIN_REASON_DISABLED);
    else
        out->verdict = LOGIN_GRANTED;
}

/* The line of a user as "{SCHEME}hash" is what the file has between its first two colons. */
static struct slice line_hash(const struct password_hash *hash, struct arena *arena)
{
    AUTO(buf_done) struct buf text = {0};

    buf_init(&text, PASSWD_LINE_MAX_BYTES);
    password_hash_print(hash, &text);
    return arena_dup(arena, buf_slice(&text));
}

/*
 * RFC 4616 2: an authorization identity, if one is given, must be the user itself. Said only to
 * those whose secret was right: to others it would tell who exists.
 */
static enum rc wants_other_user(struct realm *realm, const struct sasl_claim *claim,
                                const struct resolve_account *account, struct arena *arena,
                                bool *out, struct err *err)
{
    struct resolve_lookup lookup = realm_lookup(realm);
    struct resolve_account other;
    enum rc rc;

    if (claim->authzid_len == 0) {
        *out = false;
        return RC_OK;
    }
    rc = resolve_login(&lookup, sasl_claim_authzid(claim), arena, &other, err);
    if (rc != RC_OK && rc != RC_NOT_FOUND)
        return rc;
    *out = rc != RC_OK || other.id != account->id;
    return RC_OK;
}

/* An account's own file line, if it is one of the passwd-file's. */
static const struct passwd_user *file_line(const struct realm *realm,
                                           const struct resolve_account *account)
{
    struct auth_key key;

    if (realm_passwd_file(realm) == NULL || account->id == NO_ACCOUNT ||
        auth_name_key(account->name, &key, NULL) != RC_OK)
        return NULL;
    return passwd_file_find(realm_passwd_file(realm), auth_key_slice(&key));
}

bool login_asks_backends(const struct realm *realm, const struct login_place *place)
{
    return place->enrolling || realm_legacy_allowed(realm, place->now);
}

/* What is asked of each back-end. */
struct question {
    const struct realm *realm;
    const struct resolve_account *account;
    struct auth_account row; /* all zero: nobody of that name is known here */
    const struct login_place *place;
    struct slice secret;
    struct arena *arena;
    const struct backend *backend;
};

/* Each decides, or says what decides; RC_NOT_FOUND: it knows no such user, the next is asked.
 */
typedef enum rc ask_fn(const struct question *question, struct login_outcome *out);

static enum rc ask_sqlite(const struct question *question, struct login_outcome *out)
{
    const struct auth_account *row = &question->row;
    struct password_hash hash;

    if (!login_asks_backends(question->realm, question->place) ||
        row->source == ACCOUNT_FOREIGN || row->password.len == 0 ||
        password_hash_parse(row->password, &hash, NULL) != RC_OK)
        return RC_NOT_FOUND;
    wait_for_hash(out, LOGIN_BY_LEGACY, row->password, password_hash_is_old(&hash));
    return RC_OK;
}

/* A name nobody has, or one without a password, costs what the others cost. */
static void ask_nobody(const struct question *question, struct login_outcome *out)
{
    const struct passwd_file *file = realm_passwd_file(question->realm);
    const struct password_hash *dummy = file != NULL ? passwd_file_dummy(file) : NULL;

    if (login_asks_backends(question->realm, question->place))
        wait_for_hash(out, LOGIN_BY_NONE, password_hash_dummy(), false);
    else if (dummy != NULL)
        wait_for_hash(out, LOGIN_BY_NONE, line_hash(dummy, question->arena), false);
    else
        judge_match(out, false, false);
}

/* A password that is compared at once and wrong costs what nobody's costs. */
static enum rc ask_passwd_file(const struct question *question, struct login_outcome *out)
{
    const struct passwd_user *user = file_line(question->realm, question->account);

    if (user == NULL || question->row.source == ACCOUNT_FOREIGN)
        return RC_NOT_FOUND;
    if (!password_hash_is_cheap(&user->hash)) {
        wait_for_hash(out, LOGIN_BY_PASSWD_FILE, line_hash(&user->hash, question->arena),
                      false);
    } else if (password_matches(&user->hash, question->secret)) {
        out->by = LOGIN_BY_PASSWD_FILE;
        judge_match(out, true, question->account->enabled);
    } else {
        ask_nobody(question, out);
    }
    return RC_OK;
}

/* May the back-end say who is this account? Of ours it may where we have no password. */
static bool may_speak_for(const struct backend *backend, const struct auth_account *row)
{
    switch (row->source) {
    case ACCOUNT_OWN:
        return row->kind == ACCOUNT_USER && row->password.len == 0;
    case ACCOUNT_PASSWD_FILE:
        return false;
    case ACCOUNT_FOREIGN:
        return slice_eq(row->backend, slice_from_str(backend->text));
    }
    return false;
}

static enum rc ask_foreign(const struct question *question, struct login_outcome *out)
{
    if (!login_asks_backends(question->realm, question->place) ||
        (question->row.id != NO_ACCOUNT && !may_speak_for(question->backend, &question->row)))
        return RC_NOT_FOUND;
    out->verdict = LOGIN_ASK;
    return RC_OK;
}

/* From out->backend on. */
static enum rc ask_backends(struct realm *realm, const struct sasl_claim *claim,
                            const struct resolve_account *account,
                            const struct login_place *place, struct arena *arena,
                            struct login_outcome *out, struct err *err)
{
    static ask_fn *const asks[] = {
        [BACKEND_SQLITE] = ask_sqlite, [BACKEND_PASSWD_FILE] = ask_passwd_file,
        [BACKEND_LDAP] = ask_foreign,  [BACKEND_SQL] = ask_foreign,
        [BACKEND_PAM] = ask_foreign,
    };
    const struct backend_chain *chain = realm_backends(realm);
    struct question question = {.realm = realm,
                                .account = account,
                                .place = place,
                                .secret = auth_secret_slice(&claim->secret),
                                .arena = arena};
    enum rc rc = auth_db_get_account(realm_db(realm), account->id, arena, &question.row, err);

    if (rc != RC_OK && rc != RC_NOT_FOUND)
        return rc;
    for (; out->backend < chain->n; out->backend++) {
        question.backend = &chain->list[out->backend];
        if (asks[question.backend->kind](&question, out) == RC_OK)
            return RC_OK;
    }
    ask_nobody(&question, out);
    return RC_OK;
}

static enum rc check_secret(struct realm *realm, const struct sasl_claim *claim,
                            const struct resolve_account *account,
                            const struct login_place *place, struct arena *arena,
                            struct login_outcome *out, struct err *err)
{
    struct auth_device device;
    enum rc rc = RC_NOT_FOUND;

    if (!place->enrolling)
        rc = find_device(realm, account->id, auth_secret_slice(&claim->secret), arena, &device,
                         err);
    if (rc == RC_OK) {
        judge_device(&device, account->enabled, place, out);
        return RC_OK;
    }
    if (rc != RC_NOT_FOUND)
        return rc;
    return ask_backends(realm, claim, account, place, arena, out, err);
}

/* The last word on a secret that was right. */
static void settle(struct login_outcome *out)
{
    if (out->verdict != LOGIN_GRANTED)
        return;
    out->reason = LOGIN_REASON_NONE;
    if (out->other_user)
        refuse(out, LOGIN_REASON_AUTHZID);
}

/* Id 0 if nobody who can log in has that name. */
static enum rc find_by(struct realm *realm, const struct resolve_lookup *lookup,
                       struct slice user, struct arena *arena, struct resolve_account *out,
                       struct err *err)
{
    struct resolve_account account = {.id = NO_ACCOUNT};
    enum rc rc;

    realm_refresh(realm);
    rc = resolve_login(lookup, user, arena, &account, err);
    if (rc != RC_OK && rc != RC_NOT_FOUND)
        return rc;
    if (rc != RC_OK || account.shared) /* nobody logs in as it: as if it were not there */
        account = (struct resolve_account){.id = NO_ACCOUNT};
    *out = account;
    return RC_OK;
}

static enum rc find_named(struct realm *realm, struct slice user, struct arena *arena,
                          struct resolve_account *out, struct err *err)
{
    const struct resolve_lookup lookup = realm_lookup(realm);

    return find_by(realm, &lookup, user, arena, out, err);
}

/* As a token or a certificate names somebody. */
static enum rc find_vouched(struct realm *realm, struct slice user, struct arena *arena,
                            struct resolve_account *out, struct err *err)
{
    const struct resolve_lookup lookup = realm_lookup_vouched(realm);

    return find_by(realm, &lookup, user, arena, out, err);
}

typedef enum rc find_fn(struct realm *realm, struct slice user, struct arena *arena,
                        struct resolve_account *out, struct err *err);

static enum rc find_claimed_by(struct realm *realm, find_fn *find,
                               const struct sasl_claim *claim, struct arena *arena,
                               struct resolve_account *account, struct login_outcome *out,
                               struct err *err)
{
    enum rc rc = find(realm, sasl_claim_user(claim), arena, account, err);

    if (!rc)
        rc = wants_other_user(realm, claim, account, arena, &out->other_user, err);
    if (rc)
        return rc;
    out->account = account->id;
    out->user = account->name;
    return RC_OK;
}

static enum rc find_claimed(struct realm *realm, const struct sasl_claim *claim,
                            struct arena *arena, struct resolve_account *account,
                            struct login_outcome *out, struct err *err)
{
    return find_claimed_by(realm, find_named, claim, arena, account, out, err);
}

static enum rc check(struct realm *realm, const struct sasl_claim *claim,
                     const struct login_place *place, struct arena *arena,
                     struct login_outcome *out, struct err *err)
{
    struct resolve_account account;
    enum rc rc = find_claimed(realm, claim, arena, &account, out, err);

    return rc ? rc : check_secret(realm, claim, &account, place, arena, out, err);
}

void login_check(struct realm *realm, const struct sasl_claim *claim,
                 const struct login_place *place, struct arena *arena,
                 struct login_outcome *out, struct err *err)
{
    struct login_outcome outcome = {.verdict = LOGIN_REFUSED, .reason = LOGIN_REASON_INTERNAL};

    if (check(realm, claim, place, arena, &outcome, err) != RC_OK)
        refuse(&outcome, LOGIN_REASON_INTERNAL);
    settle(&outcome);
    *out = outcome;
}

/* Whom the client named, if anybody, has to be whom the issuer named, however it is written. */
static enum rc names_another(struct realm *realm, const struct sasl_claim *claim,
                             uint64_t account, struct arena *arena, bool *out, struct err *err)
{
    struct resolve_account named;
    enum rc rc;

    if (claim->user_len == 0) {
        *out = false;
        return RC_OK;
    }
    rc = find_named(realm, sasl_claim_user(claim), arena, &named, err);
    if (rc)
        return rc;
    *out = named.id != account;
    return RC_OK;
}

static enum rc check_token(struct realm *realm, const struct sasl_claim *claim,
                           enum login_by by, struct slice told, struct arena *arena,
                           struct login_outcome *out, struct err *err)
{
    find_fn *find = by == LOGIN_BY_TOKEN ? find_vouched : find_named; /* realms are listed */
    struct resolve_account account;
    enum rc rc = find(realm, told, arena, &account, err);

    if (rc == RC_OK)
        rc = names_another(realm, claim, account.id, arena, &out->other_user, err);
    if (rc)
        return rc;
    out->account = account.id;
    out->user = account.name;
    out->by = by;
    judge_match(out, true, account.enabled);
    return RC_OK;
}

void login_check_token(struct realm *realm, const struct sasl_claim *claim, enum login_by by,
                       struct slice told, int64_t expires, struct arena *arena,
                       struct login_outcome *out, struct err *err)
{
    struct login_outcome outcome = {
        .verdict = LOGIN_REFUSED, .reason = LOGIN_REASON_INTERNAL, .expires = expires};

    if (check_token(realm, claim, by, told, arena, &outcome, err) != RC_OK)
        refuse(&outcome, LOGIN_REASON_INTERNAL);
    settle(&outcome);
    *out = outcome;
}

static enum rc check_certificate(struct realm *realm, const struct sasl_claim *claim,
                                 const struct cert_identity *identity, bool any,
                                 const struct login_place *place, struct arena *arena,
                                 struct login_outcome *out, struct err *err)
{
    struct resolve_account account;
    struct app_verifier verifier;
    struct auth_device device;
    enum rc rc = find_claimed_by(realm, find_vouched, claim, arena, &account, out, err);

    if (rc)
        return rc;
    cert_verifier(auth_db_pepper(realm_db(realm)), identity->fingerprint, &verifier);
    rc = auth_db_find_device(realm_db(realm), account.id, &verifier, arena, &device, err);
    if (rc == RC_OK) {
        judge_device(&device, account.enabled, place, out);
    } else if (rc == RC_NOT_FOUND && any) {
        out->by = LOGIN_BY_CERTIFICATE;
        judge_match(out, true, account.enabled);
    } else if (rc == RC_NOT_FOUND) {
        refuse(out,
               account.id == NO_ACCOUNT ? LOGIN_REASON_UNKNOWN_USER : LOGIN_REASON_CERTIFICATE);
    } else {
        return rc;
    }
    if (out->device.expires == 0 || out->device.expires > identity->expires)
        out->device.expires = identity->expires;
    return RC_OK;
}

void login_check_certificate(struct realm *realm, const struct sasl_claim *claim,
                             const struct cert_identity *identity, bool any,
                             const struct login_place *place, struct arena *arena,
                             struct login_outcome *out, struct err *err)
{
    struct login_outcome outcome = {.verdict = LOGIN_REFUSED, .reason = LOGIN_REASON_INTERNAL};

    if (check_certificate(realm, claim, identity, any, place, arena, &outcome, err) != RC_OK)
        refuse(&outcome, LOGIN_REASON_INTERNAL);
    settle(&outcome);
    *out = outcome;
}

void login_scram_salt(const struct realm *realm, const struct sasl_claim *claim,
                      struct scram_salt *out)
{
    struct slice name = sasl_claim_user(claim);
    struct auth_key key;

    if (auth_name_key(name, &key, NULL) == RC_OK)
        name = auth_key_slice(&key);
    scram_salt_of(auth_db_pepper(realm_db(realm)), name, out);
}

/* One look at each password that the account has. */
struct scram_search {
    const struct pepper *pepper;
    const struct scram *scram;
    bool with_password; /* the account's own counts too */
    size_t n_tried;
    bool found;
    uint64_t device;
    struct scram_keys keys;
};

static void try_keys(struct scram_search *search, uint64_t device,
                     const struct scram_keys *keys)
{
    search->n_tried++;
    if (!scram_matches(search->scram, keys))
        return;
    search->found = true;
    search->device = device;
    search->keys = *keys;
}

/* An auth_scram_fn. Keys that do not open, for a pepper that was lost, are no keys. */
static void try_row(void *ctx, const struct scram_row *row)
{
    struct scram_search *search = ctx;
    struct scram_keys keys;

    if ((row->device == 0 && !search->with_password) || row->iterations != SCRAM_ITERATIONS ||
        scram_unseal(search->pepper, row, &keys, NULL) != RC_OK)
        return;
    try_keys(search, row->device, &keys);
    sodium_memzero(&keys, sizeof(keys));
}

/* As many looks as at an account of a few devices, for those who have fewer or do not exist. */
static void try_more(struct scram_search *search)
{
    struct scram_row row = {0};
    struct scram_keys keys = {0};

    while (search->n_tried < LOGIN_SCRAM_LEAST) {
        (void) !scram_unseal(search->pepper, &row, &keys, NULL); /* it takes its time */
        (void) !scram_matches(search->scram, &keys);
        search->n_tried++;
    }
}

/* A back-end that is not configured lets nobody in, whatever it still holds. */
static bool has_own_passwords(const struct realm *realm)
{
    const struct backend_chain *chain = realm_backends(realm);

    for (size_t i = 0; i < chain->n; i++)
        if (chain->list[i].kind == BACKEND_SQLITE)
            return true;
    return false;
}

static enum rc judge_scram(const struct realm *realm, const struct scram_search *search,
                           const struct resolve_account *account,
                           const struct login_place *place, struct arena *arena,
                           struct login_outcome *out, struct err *err)
{
    struct auth_device device;
    enum rc rc;

    if (!search->found || search->device == 0) {
        out->by = search->found ? LOGIN_BY_LEGACY : LOGIN_BY_NONE;
        judge_match(out, search->found, account->enabled);
        return RC_OK;
    }
    rc = auth_db_get_device(realm_db(realm), account->id, search->device, arena, &device, err);
    if (rc)
        return rc;
    judge_device(&device, account->enabled, place, out);
    return RC_OK;
}

static enum rc check_scram(struct realm *realm, const struct sasl *sasl,
                           const struct login_place *place, struct arena *arena,
                           struct login_outcome *out, struct scram_keys *keys, struct err *err)
{
    struct scram_search search = {.pepper = auth_db_pepper(realm_db(realm)),
                                  .scram = &sasl->scram};
    struct resolve_account account;
    enum rc rc = find_claimed(realm, &sasl->claim, arena, &account, out, err);

    if (rc)
        return rc;
    search.with_password = realm_legacy_allowed(realm, place->now) &&
                           has_own_passwords(realm) && file_line(realm, &account) == NULL;
    rc = auth_db_each_scram(realm_db(realm), account.id, sasl->scram.hash, try_row, &search,
                            err);
    try_more(&search);
    if (!rc)
        rc = judge_scram(realm, &search, &account, place, arena, out, err);
    if (!rc && out->verdict == LOGIN_GRANTED)
        *keys = search.keys;
    sodium_memzero(&search.keys, sizeof(search.keys));
    return rc;
}

void login_check_scram(struct realm *realm, const struct sasl *sasl,
                       const struct login_place *place, struct arena *arena,
                       struct login_outcome *out, struct scram_keys *keys, struct err *err)
{
    struct login_outcome outcome = {.verdict = LOGIN_REFUSED, .reason = LOGIN_REASON_INTERNAL};

    if (check_scram(realm, sasl, place, arena, &outcome, keys, err) != RC_OK)
        refuse(&outcome, LOGIN_REASON_INTERNAL);
    settle(&outcome);
    *out = outcome;
}

/* What the secret has to be compared with as of now; empty: nothing any more. */
static struct slice hash_now(const struct realm *realm, const struct auth_account *row,
                             enum login_by by, struct arena *arena)
{
    const struct passwd_user *user;

    if (by != LOGIN_BY_PASSWD_FILE)
        return arena_dup(arena, row->password);
    if (realm_passwd_file(realm) == NULL)
        return SLICE("");
    user = passwd_file_find(realm_passwd_file(realm), row->key);
    return user != NULL ? line_hash(&user->hash, arena) : SLICE("");
}

/* The account has got another hash while a thread compared the secret with the one before: of
 * another password, or a better one of the same. That one decides. */
static void judge_again(struct slice text, struct login_outcome *out)
{
    struct password_hash hash;

    if (password_hash_parse(text, &hash, NULL) != RC_OK)
        refuse(out, LOGIN_REASON_WRONG_PASSWORD);
    else
        wait_for_hash(out, out->by, text,
                      out->by == LOGIN_BY_LEGACY && password_hash_is_old(&hash));
}

void login_after_hash(struct realm *realm, bool matched, struct arena *arena,
                      struct login_outcome *out, struct err *err)
{
    AUTO(arena_freep) struct arena *row_arena = arena_new(DB_ROW_MAX_BYTES);
    bool is_somebodys = out->by == LOGIN_BY_LEGACY || out->by == LOGIN_BY_PASSWD_FILE;
    struct auth_account row;
    struct slice now = {0};
    enum rc rc = auth_db_get_account(realm_db(realm), out->account, row_arena, &row, err);

    if (rc == RC_OK && matched && is_somebodys)
        now = hash_now(realm, &row, out->by, arena);
    if (rc == RC_NOT_FOUND)
        refuse(out, LOGIN_REASON_UNKNOWN_USER);
    else if (rc)
        refuse(out, LOGIN_REASON_INTERNAL);
    else if (matched && is_somebodys && !slice_eq(now, out->hash))
        judge_again(now, out);
    else
        judge_match(out, matched && out->by != LOGIN_BY_NONE,
                    realm_account_enabled(realm, &row));
    settle(out);
}

/* The account of the user whose password is right. RC_NOT_FOUND: there is none that the
 * back-end may speak for. */
static enum rc find_answered(struct realm *realm, const struct backend *backend,
                             struct slice user, struct arena *arena, struct auth_account *out,
                             struct err *err)
{
    struct auth_key key;
    uint64_t id;
    enum rc rc = auth_name_key(user, &key, err);

    if (rc)
        return RC_NOT_FOUND;
    rc = auth_db_find_account(realm_db(realm), auth_key_slice(&key), arena, out, err);
    if (rc == RC_OK)
        return may_speak_for(backend, out) ? RC_OK : RC_NOT_FOUND;
    if (rc != RC_NOT_FOUND)
        return rc;
    rc = realm_create_foreign(realm, user, backend, &id, err);
    if (rc == RC_EXISTS || rc == RC_INVALID)
        return RC_NOT_FOUND;
    return rc ? rc : auth_db_get_account(realm_db(realm), id, arena, out, err);
}

enum rc login_adopt(struct realm *realm, const struct backend *backend,
                    const struct backend_answer *answer, struct arena *arena,
                    struct auth_account *out, bool *out_groups_changed, struct err *err)
{
    enum rc rc = find_answered(realm, backend, answer->user, arena, out, err);

    *out_groups_changed = false;
    if (rc == RC_OK && answer->knows_groups)
        rc = auth_db_tell_groups(realm_db(realm), out->id, answer->groups, out_groups_changed,
                                 err);
    return rc;
}

static enum rc take_answer(struct realm *realm, const struct sasl_claim *claim,
                           const struct backend_answer *answer, struct arena *arena,
                           struct login_outcome *out, struct err *err)
{
    const struct backend *backend = &realm_backends(realm)->list[out->backend];
    struct resolve_account account;
    struct auth_account row;
    enum rc rc = login_adopt(realm, backend, answer, arena, &row, &out->groups_changed, err);

    if (rc == RC_NOT_FOUND) {
        refuse(out, LOGIN_REASON_BACKEND_NAME);
        return RC_OK;
    }
    if (rc)
        return rc;
    account = (struct resolve_account){.id = row.id, .name = row.name};
    out->account = row.id;
    out->user = row.name;
    out->by = LOGIN_BY_BACKEND;
    judge_match(out, true, realm_account_enabled(realm, &row));
    return wants_other_user(realm, claim, &account, arena, &out->other_user, err);
}

static enum rc ask_next(struct realm *realm, const struct sasl_claim *claim,
                        const struct login_place *place, struct arena *arena,
                        struct login_outcome *out, struct err *err)
{
    struct resolve_account account;
    enum rc rc = find_claimed(realm, claim, arena, &account, out, err);

    out->backend++;
    return rc ? rc : ask_backends(realm, claim, &account, place, arena, out, err);
}

void login_after_answer(struct realm *realm, const struct sasl_claim *claim,
                        const struct login_place *place, const struct backend_answer *answer,
                        struct arena *arena, struct login_outcome *out, struct err *err)
{
    enum rc rc = RC_OK;

    switch (answer->result) {
    case BACKEND_RIGHT:
        rc = take_answer(realm, claim, answer, arena, out, err);
        break;
    case BACKEND_WRONG:
        refuse(out, LOGIN_REASON_WRONG_PASSWORD);
        break;
    case BACKEND_UNKNOWN:
        rc = ask_next(realm, claim, place, arena, out, err);
        break;
    case BACKEND_DISABLED:
        refuse(out, LOGIN_REASON_DISABLED);
        break;
    case BACKEND_UNAVAILABLE:
        refuse(out, LOGIN_REASON_BACKEND);
        break;
    }
    if (rc)
        refuse(out, LOGIN_REASON_INTERNAL);
    settle(out);
}
