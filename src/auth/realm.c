#include "auth/realm.h"

#include "base/log.h"

struct realm {
    struct auth_db *db;
    struct passwd_file *passwd; /* NULL: off */
    struct auth_key *domains;
    size_t n_domains;
    bool any_domain;
    char *catch_all; /* NULL: none */
    struct slice separator;
    char separator_byte;
    int64_t legacy_until;
    struct backend_chain backends;
    realm_created_fn *created;
    void *created_ctx;
    auth_renamed_fn *renamed; /* NULL: nobody is told */
    void *renamed_ctx;
    auth_renamed_fn *reread; /* the same */
    void *reread_ctx;
    realm_password_fn *password; /* the same */
    void *password_ctx;
};

static const char *const default_backends[] = {"passwd-file", "sqlite"};

static enum rc take_domains(struct realm *realm, const struct realm_settings *settings,
                            struct err *err)
{
    realm->domains = xcalloc(settings->n_domains + 1, sizeof(*realm->domains));
    for (size_t i = 0; i < settings->n_domains; i++) {
        struct slice domain = slice_from_str(settings->domains[i]);
        enum rc rc;

        if (slice_eq(domain, SLICE("*"))) {
            realm->any_domain = true;
            continue;
        }
        rc = auth_domain_key(domain, &realm->domains[realm->n_domains], err);
        if (rc)
            return err_set(err, RC_INVALID, "domains: not a domain name",
                           "domains: \"%s\" is no domain name", settings->domains[i]);
        realm->n_domains++;
    }
    return RC_OK;
}

enum rc realm_new(struct auth_db *db, const struct realm_settings *settings,
                  realm_created_fn *created, void *ctx, struct realm **out, struct err *err)
{
    AUTO(realm_freep) struct realm *realm = xcalloc(1, sizeof(*realm));
    enum rc rc = take_domains(realm, settings, err);

    if (rc == RC_OK && settings->n_backends == 0)
        rc = backend_chain_read(default_backends, COUNT(default_backends), &realm->backends,
                                err);
    else if (rc == RC_OK)
        rc =
            backend_chain_read(settings->backends, settings->n_backends, &realm->backends, err);
    if (rc)
        return rc;
    realm->db = db;
    realm->created = created;
    realm->created_ctx = ctx;
    realm->legacy_until = settings->legacy_until;
    realm->separator_byte = settings->detail_separator[0];
    realm->separator =
        slice_of(&realm->separator_byte, settings->detail_separator[0] != '\0' ? 1 : 0);
    if (settings->catch_all[0] != '\0')
        realm->catch_all = xstrdup(settings->catch_all);
    if (settings->passwd_file[0] != '\0')
        realm->passwd = passwd_file_new(settings->passwd_file);
    realm_refresh(realm);
    *out = TAKE(realm);
    return RC_OK;
}

void realm_free(struct realm *realm)
{
    if (realm == NULL)
        return;
    passwd_file_free(realm->passwd);
    free(realm->domains);
    free(realm->catch_all);
    free(realm);
}

void realm_freep(struct realm **realm)
{
    realm_free(*realm);
    *realm = NULL;
}

struct auth_db *realm_db(const struct realm *realm)
{
    return realm->db;
}

const struct passwd_file *realm_passwd_file(const struct realm *realm)
{
    return realm->passwd;
}

const struct backend_chain *realm_backends(const struct realm *realm)
{
    return &realm->backends;
}

bool realm_legacy_allowed(const struct realm *realm, int64_t now)
{
    return now < realm->legacy_until;
}

int64_t realm_legacy_until(const struct realm *realm)
{
    return realm->legacy_until;
}

struct slice realm_guessed(const struct realm *realm, struct slice user)
{
    return realm->any_domain ? slice_sub(user, 0, slice_rfind(user, '@')) : user;
}

void realm_refresh(struct realm *realm)
{
    if (realm->passwd == NULL || !passwd_file_refresh(realm->passwd))
        return;
    if (realm->renamed != NULL)
        realm->renamed(realm->renamed_ctx);
    if (realm->reread != NULL)
        realm->reread(realm->reread_ctx);
}

/* A passwd_changed_fn. Who has no account yet has no sessions. */
static void on_password(void *ctx, struct slice key)
{
    AUTO(arena_freep) struct arena *arena = arena_new(RESOLVE_ARENA_BYTES);
    const struct realm *realm = ctx;
    struct auth_account account;
    struct err err;
    enum rc rc = auth_db_find_account(realm->db, key, arena, &account, &err);

    if (rc == RC_OK)
        realm->password(realm->password_ctx, account.id);
    else if (rc != RC_NOT_FOUND)
        log_event(LEVEL_ERROR, "auth.database_failed", LOG_ERR(&err));
}

void realm_on_password(struct realm *realm, realm_password_fn *fn, void *ctx)
{
    realm->password = fn;
    realm->password_ctx = ctx;
    if (realm->passwd != NULL)
        passwd_file_on_changed(realm->passwd, on_password, realm);
}

void realm_on_renamed(struct realm *realm, auth_renamed_fn *fn, void *ctx)
{
    realm->renamed = fn;
    realm->renamed_ctx = ctx;
    auth_db_on_renamed(realm->db, fn, ctx);
}

void realm_on_reread(struct realm *realm, auth_renamed_fn *fn, void *ctx)
{
    realm->reread = fn;
    realm->reread_ctx = ctx;
}

bool realm_source_stands(const struct realm *realm, const struct auth_account *account)
{
    switch (account->source) {
    case ACCOUNT_OWN:
        return true;
    case ACCOUNT_PASSWD_FILE:
        return realm->passwd != NULL && passwd_file_find(realm->passwd, account->key) != NULL;
    case ACCOUNT_FOREIGN:
        return backend_find(&realm->backends, account->backend) < realm->backends.n;
    }
    return false;
}

bool realm_account_enabled(const struct realm *realm, const struct auth_account *account)
{
    return account->state == ACCOUNT_ENABLED && realm_source_stands(realm, account);
}

enum rc realm_create_foreign(struct realm *realm, struct slice name,
                             const struct backend *backend, uint64_t *out_id, struct err *err)
{
    struct auth_key nfc;
    enum rc rc = auth_name_check_new(name, &nfc, err);

    if (rc)
        return err_set(err, RC_INVALID, "Not a name for a user", "realm: not a user's name");
    rc = auth_db_add_foreign(realm->db, name, slice_from_str(backend->text), out_id, err);
    if (rc)
        return rc;
    log_event(LEVEL_INFO, "account.created", LOG_TEXT("user", auth_key_slice(&nfc)),
              LOG_STR("source", backend->text));
    realm->created(realm->created_ctx, *out_id, auth_key_slice(&nfc));
    return RC_OK;
}

static struct resolve_account to_resolve(const struct realm *realm,
                                         const struct auth_account *account)
{
    return (struct resolve_account){.id = account->id,
                                    .enabled = realm_account_enabled(realm, account),
                                    .shared = account->kind == ACCOUNT_SHARED,
                                    .name = account->name};
}

/* An account for a user of the passwd-file who has none yet. */
static enum rc create_from_file(struct realm *realm, struct slice key, struct arena *arena,
                                struct resolve_account *out, struct err *err)
{
    const struct passwd_user *user =
        realm->passwd != NULL ? passwd_file_find(realm->passwd, key) : NULL;
    uint64_t id;
    enum rc rc;

    if (user == NULL)
        return err_set(err, RC_NOT_FOUND, "No such user", "realm: nobody has that name");
    rc = auth_db_add_account(realm->db, user->name, ACCOUNT_PASSWD_FILE, &id, err);
    if (rc == RC_EXISTS) /* an alias has that name: the alias stands */
        return err_set(err, RC_NOT_FOUND, "No such user", "realm: an alias has that name");
    if (rc)
        return rc;
    log_event(LEVEL_INFO, "account.created", LOG_TEXT("user", user->name),
              LOG_STR("source", "passwd_file"));
    realm->created(realm->created_ctx, id, user->name);
    *out = (struct resolve_account){
        .id = id, .enabled = true, .name = arena_dup(arena, user->name)};
    return RC_OK;
}

static enum rc find_account(void *ctx, struct slice key, struct arena *arena,
                            struct resolve_account *out, struct err *err)
{
    struct realm *realm = ctx;
    struct auth_account account;
    enum rc rc = auth_db_find_account(realm->db, key, arena, &account, err);

    if (rc == RC_NOT_FOUND)
        return create_from_file(realm, key, arena, out, err);
    if (rc)
        return rc;
    *out = to_resolve(realm, &account);
    return RC_OK;
}

static enum rc get_account(const struct realm *realm, uint64_t id, struct arena *arena,
                           struct resolve_account *out, struct err *err)
{
    struct auth_account account;
    enum rc rc = auth_db_get_account(realm->db, id, arena, &account, err);

    if (rc)
        return rc;
    *out = to_resolve(realm, &account);
    return RC_OK;
}

static enum rc find_alias(void *ctx, struct slice key, struct arena *arena,
                          struct resolve_account *out, struct err *err)
{
    const struct realm *realm = ctx;
    uint64_t id;
    enum rc rc = auth_db_find_alias(realm->db, key, &id, err);

    return rc ? rc : get_account(realm, id, arena, out, err);
}

static enum rc find_listed_domain(void *ctx, struct slice domain_key, struct err *err)
{
    const struct realm *realm = ctx;
    uint64_t catch_all;

    for (size_t i = 0; i < realm->n_domains; i++)
        if (slice_eq(auth_key_slice(&realm->domains[i]), domain_key))
            return RC_OK;
    return auth_db_find_domain(realm->db, domain_key, &catch_all, err);
}

static enum rc find_domain(void *ctx, struct slice domain_key, struct err *err)
{
    const struct realm *realm = ctx;

    return realm->any_domain ? RC_OK : find_listed_domain(ctx, domain_key, err);
}

/* The domain's own catch-all user, else the configured one of all domains. */
static enum rc find_catch_all(void *ctx, struct slice domain_key, struct arena *arena,
                              struct resolve_account *out, struct err *err)
{
    struct realm *realm = ctx;
    struct auth_key key;
    uint64_t id = 0;
    enum rc rc = auth_db_find_domain(realm->db, domain_key, &id, err);

    if (rc != RC_OK && rc != RC_NOT_FOUND)
        return rc;
    if (id != 0)
        return get_account(realm, id, arena, out, err);
    if (realm->catch_all == NULL)
        return err_set(err, RC_NOT_FOUND, "No such user", "realm: no catch-all");
    rc = auth_name_key(slice_from_str(realm->catch_all), &key, err);
    if (rc)
        return rc;
    return find_account(realm, auth_key_slice(&key), arena, out, err);
}

struct resolve_lookup realm_lookup(struct realm *realm)
{
    return (struct resolve_lookup){
        .account = find_account,
        .alias = find_alias,
        .domain = find_domain,
        .catch_all = find_catch_all,
        .ctx = realm,
        .separator = realm->separator,
    };
}

struct resolve_lookup realm_lookup_vouched(struct realm *realm)
{
    struct resolve_lookup lookup = realm_lookup(realm);

    lookup.domain = find_listed_domain;
    return lookup;
}
