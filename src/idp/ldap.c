#include "idp/ldap.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/utf8.h"
#include "idp/ldap_conn.h"
#include "idp/ldap_library.h"
#include "idp/ldap_text.h"

#define PATTERN_MAX_BYTES (4u * LDAP_SETTING_MAX_BYTES)
#define USER_OPTION       "LDAPNOINIT" /* libldap reads no files and variables of its user */

struct directory {
    struct arena *arena;
    struct ldap_settings settings;
    pthread_mutex_t lock;
    struct ldap_conn searchers[LDAP_IDLE_MAX]; /* lock; bound as search_dn */
    size_t n_searchers;                        /* lock */
    int64_t failed_us[LDAP_SERVERS_MAX];       /* lock; 0: it did not */
};

/* One check. */
struct check {
    struct directory *directory;
    const struct idp_question *question;
    int64_t deadline_us;
    struct ldap_conn searcher; /* bound as search_dn, or as the user with bind_dn */
    bool is_kept;              /* it was bound as search_dn: others may use it */
    const char *dn;            /* of the user's entry */
    LDAPMessage *found;        /* owns entry */
    LDAPMessage *entry;
    struct idp_answer answer;
};

/* ---- opening ---- */

static void directory_close(void *self)
{
    struct directory *directory = self;

    for (size_t i = 0; i < directory->n_searchers; i++)
        ldap_conn_close(&directory->searchers[i]);
    (void) pthread_mutex_destroy(&directory->lock);
    if (directory->settings.search_password.len > 0)
        sodium_memzero((char *) (uintptr_t) directory->settings.search_password.ptr,
                       directory->settings.search_password.len);
    arena_free(directory->arena);
    free(directory);
}

static enum rc directory_open(const char *path, void **out, struct err *err)
{
    struct directory *directory;
    enum rc rc;

    (void) setenv(USER_OPTION, "1", 1);
    rc = ldap_library_load(err);
    if (rc)
        return rc;
    directory = xcalloc(1, sizeof(*directory));
    (void) pthread_mutex_init(&directory->lock, NULL);
    directory->arena = arena_new(LDAP_SETTINGS_ARENA);
    rc = ldap_settings_read(path, directory->arena, &directory->settings, err);
    if (rc) {
        directory_close(directory);
        return rc;
    }
    *out = directory;
    return RC_OK;
}

static void directory_needs(const void *self, struct sandbox_rules *rules)
{
    const struct directory *directory = self;

    sandbox_allow(rules, directory->settings.ca_file.ptr, SANDBOX_READ);
    for (size_t i = 0; i < directory->settings.n_servers; i++)
        sandbox_allow_port(rules, directory->settings.servers[i].port);
}

/* ---- connections ---- */

static bool rests(struct directory *directory, size_t server)
{
    bool rests;

    (void) pthread_mutex_lock(&directory->lock);
    rests = directory->failed_us[server] != 0 &&
            clock_mono_us() - directory->failed_us[server] < LDAP_REST_US;
    (void) pthread_mutex_unlock(&directory->lock);
    return rests;
}

static void note_server(struct directory *directory, size_t server, int code)
{
    bool news;

    (void) pthread_mutex_lock(&directory->lock);
    news = (directory->failed_us[server] != 0) != (code != LDAP_SUCCESS);
    directory->failed_us[server] = code != LDAP_SUCCESS ? clock_mono_us() : 0;
    (void) pthread_mutex_unlock(&directory->lock);
    if (news)
        log_event(code != LDAP_SUCCESS ? LEVEL_WARNING : LEVEL_INFO, "ldap.server",
                  LOG_TEXT("server", directory->settings.servers[server].uri),
                  LOG_STR("state",
                          code != LDAP_SUCCESS ? openldap.ldap_err2string(code) : "reached"));
}

static int64_t step_deadline(const struct check *check)
{
    int64_t step = clock_mono_us() + (int64_t) check->directory->settings.timeout_sec * 1000000;

    return MIN(step, check->deadline_us);
}

/* Bound as somebody, at the first server that can be reached: those that failed lately last. A
 * server that answers is the last word, whatever it says. */
static int connect_as(struct check *check, struct slice dn, struct slice password,
                      struct ldap_conn *out, unsigned *out_reason)
{
    struct directory *directory = check->directory;
    const struct ldap_settings *settings = &directory->settings;
    int code = LDAP_SERVER_DOWN;

    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < settings->n_servers; i++) {
            struct ldap_conn conn = {NULL, NULL};

            if (rests(directory, i) != (round == 1) || clock_mono_us() >= check->deadline_us)
                continue;
            code = ldap_conn_open(settings, &settings->servers[i], step_deadline(check), &conn);
            if (code == LDAP_SUCCESS)
                code = ldap_conn_bind(&conn, dn, password, step_deadline(check), out_reason);
            note_server(directory, i, ldap_is_broken(code) ? code : LDAP_SUCCESS);
            if (code == LDAP_SUCCESS)
                *out = conn;
            else
                ldap_conn_close(&conn);
            if (!ldap_is_broken(code))
                return code;
        }
    }
    return code;
}

static bool take_searcher(struct directory *directory, struct ldap_conn *out)
{
    bool found;

    (void) pthread_mutex_lock(&directory->lock);
    found = directory->n_searchers > 0;
    if (found)
        *out = directory->searchers[--directory->n_searchers];
    (void) pthread_mutex_unlock(&directory->lock);
    return found;
}

static void keep_searcher(struct directory *directory, struct ldap_conn *conn)
{
    (void) pthread_mutex_lock(&directory->lock);
    if (directory->n_searchers < LDAP_IDLE_MAX) {
        directory->searchers[directory->n_searchers++] = *conn;
        *conn = (struct ldap_conn){NULL, NULL};
    }
    (void) pthread_mutex_unlock(&directory->lock);
    ldap_conn_close(conn);
}

static int new_searcher(struct check *check)
{
    const struct ldap_settings *settings = &check->directory->settings;
    unsigned reason;

    return connect_as(check, settings->search_dn, settings->search_password, &check->searcher,
                      &reason);
}

/* On a kept connection, which the server may have closed meanwhile, or on a new one. */
static int search(struct check *check, const struct ldap_query *query, LDAPMessage **out)
{
    int code = LDAP_SERVER_DOWN;

    if (check->searcher.ld == NULL && check->is_kept &&
        take_searcher(check->directory, &check->searcher)) {
        code = ldap_conn_search(&check->searcher, query, step_deadline(check), out);
        if (!ldap_is_broken(code) || code == LDAP_TIMEOUT)
            return code;
        ldap_conn_close(&check->searcher);
    }
    if (check->searcher.ld == NULL) {
        code = new_searcher(check);
        if (code != LDAP_SUCCESS)
            return code;
    }
    return ldap_conn_search(&check->searcher, query, step_deadline(check), out);
}

/* ---- what an entry says ---- */

/* The value, if the attribute has exactly one that can be a name. */
static struct slice one_value(struct check *check, const char *attribute)
{
    struct berval **values =
        openldap.ldap_get_values_len(check->searcher.ld, check->entry, attribute);
    struct slice value = SLICE("");

    if (values != NULL && openldap.ldap_count_values_len(values) == 1)
        value =
            arena_dup(check->question->arena, slice_of(values[0]->bv_val, values[0]->bv_len));
    openldap.ldap_value_free_len(values);
    return value.len <= LDAP_NAME_MAX_BYTES ? value : SLICE("");
}

/* The first value of a DN: "staff" of "cn=staff,ou=groups,dc=example,dc=org". */
static bool put_first_rdn(const struct berval *dn, struct buf *groups)
{
    LDAPDN parts = NULL;
    bool is = openldap.ldap_bv2dn((struct berval *) (uintptr_t) dn, &parts,
                                  LDAP_DN_FORMAT_LDAPV3) == LDAP_SUCCESS &&
              parts != NULL && parts[0] != NULL && parts[0][0] != NULL;

    if (is)
        msg_list_add(groups,
                     slice_of(parts[0][0]->la_value.bv_val, parts[0][0]->la_value.bv_len));
    openldap.ldap_dnfree(parts);
    return is;
}

/* All values of an attribute, or false: rules may refuse those of a group that is missing. */
static bool put_groups(LDAP *ld, LDAPMessage *entry, const char *attribute, bool are_dns,
                       struct buf *groups, size_t *n)
{
    struct berval **values = openldap.ldap_get_values_len(ld, entry, attribute);
    bool fits = true;

    for (size_t i = 0; fits && values != NULL && values[i] != NULL; i++) {
        struct slice name = slice_of(values[i]->bv_val, values[i]->bv_len);

        fits = ++*n <= LDAP_GROUPS_MAX && name.len <= PATTERN_MAX_BYTES;
        if (fits && are_dns)
            fits = put_first_rdn(values[i], groups);
        else if (fits)
            msg_list_add(groups, name);
    }
    openldap.ldap_value_free_len(values);
    return fits && !groups->overflow;
}

/* ---- a check ---- */

static void say(struct check *check, enum idp_code code, const char *reason)
{
    check->answer = idp_says(code, reason);
}

static void say_failed(struct check *check, int code)
{
    const char *reason = "server";

    if (code == LDAP_TIMEOUT)
        reason = "timeout";
    else if (code == LDAP_REFERRAL)
        reason = "referral";
    else if (code == LDAP_FILTER_ERROR)
        reason = "filter";
    else if (code == LDAP_INVALID_CREDENTIALS || code == LDAP_INSUFFICIENT_ACCESS)
        reason = "search_dn";
    else if (!ldap_is_broken(code))
        reason = "refused";
    say(check, IDP_UNAVAILABLE, reason);
}

/* A pattern with the user's name in it; NULL: it wants what the name has not. */
static const char *fill(struct check *check, struct slice pattern, enum ldap_form form)
{
    AUTO(buf_done) struct buf text = {.max = PATTERN_MAX_BYTES};
    const struct ldap_values values = {
        .user = check->question->user,
        .dn = slice_from_str(check->dn != NULL ? check->dn : ""),
    };

    if (ldap_pattern_fill(pattern, form, &values, &text) != RC_OK || text.overflow)
        return NULL;
    return arena_cstr(check->question->arena, buf_slice(&text));
}

/* The one entry that a query finds. False: something was said. */
static bool find_entry(struct check *check, const struct ldap_query *query)
{
    int code = search(check, query, &check->found), n;

    if (code == LDAP_SIZELIMIT_EXCEEDED) {
        say(check, IDP_REFUSED, "not_unique");
        return false;
    }
    if (code != LDAP_SUCCESS) {
        say_failed(check, code);
        return false;
    }
    n = openldap.ldap_count_entries(check->searcher.ld, check->found);
    if (n != 1) {
        say(check, n == 0 ? IDP_UNKNOWN : IDP_REFUSED, n == 0 ? "no_entry" : "not_unique");
        return false;
    }
    check->entry = openldap.ldap_first_entry(check->searcher.ld, check->found);
    return true;
}

static bool search_user(struct check *check)
{
    const struct ldap_settings *settings = &check->directory->settings;
    const struct ldap_query query = {
        .base = settings->base.ptr,
        .filter = fill(check, settings->filter, LDAP_FILTER),
        .scope = settings->scope,
        .attributes = {settings->user_attribute.ptr, settings->group_attribute.len > 0
                                                         ? settings->group_attribute.ptr
                                                         : NULL},
        .size_limit = 2
    };
    char *dn;

    if (query.filter == NULL) {
        say(check, IDP_UNKNOWN, "no_domain");
        return false;
    }
    check->is_kept = true;
    if (!find_entry(check, &query))
        return false;
    dn = openldap.ldap_get_dn(check->searcher.ld, check->entry);
    if (dn == NULL || *dn == '\0') {
        openldap.ldap_memfree(dn);
        say(check, IDP_UNAVAILABLE, "refused");
        return false;
    }
    check->dn = arena_cstr(check->question->arena, slice_from_str(dn));
    openldap.ldap_memfree(dn);
    return true;
}

/* What Active Directory says when the password was right, and still is not enough: its errors
 * 532 (expired), 533 (disabled), 701 (account expired), 773 (must be changed). */
static void say_refused(struct check *check, unsigned reason)
{
    switch (reason) {
    case 0x532:
    case 0x773:
        say(check, IDP_EXPIRED, "password_expired");
        return;
    case 0x533:
    case 0x701:
        say(check, IDP_DISABLED, "disabled");
        return;
    default:
        say(check, IDP_REFUSED, "wrong_password");
        return;
    }
}

/* The proof. out: the connection bound as the user. */
static bool bind_user(struct check *check, struct ldap_conn *out)
{
    unsigned reason = 0;
    int code =
        connect_as(check, slice_from_str(check->dn), check->question->secret, out, &reason);

    if (code == LDAP_SUCCESS)
        return true;
    if (code == LDAP_INVALID_CREDENTIALS || code == LDAP_NO_SUCH_OBJECT ||
        code == LDAP_INVALID_DN_SYNTAX || code == LDAP_INAPPROPRIATE_AUTH)
        say_refused(check, reason);
    else
        say_failed(check, code);
    return false;
}

/* With bind_dn the user's own connection reads the user's entry. */
static bool bind_and_read(struct check *check)
{
    const struct ldap_settings *settings = &check->directory->settings;
    struct ldap_query query = {
        .filter = "(objectClass=*)",
        .scope = LDAP_SCOPE_BASE,
        .attributes = {settings->user_attribute.ptr, settings->group_attribute.len > 0
                                                         ? settings->group_attribute.ptr
                                                         : NULL},
        .size_limit = 2
    };

    check->dn = fill(check, settings->bind_dn, LDAP_DN);
    if (check->dn == NULL) {
        say(check, IDP_UNKNOWN, "no_domain");
        return false;
    }
    if (!bind_user(check, &check->searcher))
        return false;
    query.base = check->dn;
    return find_entry(check, &query);
}

static bool is_allowed(struct check *check)
{
    const struct ldap_settings *settings = &check->directory->settings;
    const struct ldap_query query = {.base = check->dn,
                                     .filter = fill(check, settings->allow_filter, LDAP_FILTER),
                                     .scope = LDAP_SCOPE_BASE,
                                     .attributes = {LDAP_NO_ATTRS},
                                     .size_limit = 2};
    LDAPMessage *found = NULL;
    int code, n;

    if (settings->allow_filter.len == 0)
        return true;
    code = query.filter != NULL ? search(check, &query, &found) : LDAP_FILTER_ERROR;
    if (code != LDAP_SUCCESS) {
        say_failed(check, code);
        return false;
    }
    n = openldap.ldap_count_entries(check->searcher.ld, found);
    (void) openldap.ldap_msgfree(found); /* its type */
    if (n != 1)
        say(check, IDP_DISABLED, "allow_filter");
    return n == 1;
}

/* By a search of their own. False: something was said. */
static bool find_groups(struct check *check, struct buf *groups)
{
    const struct ldap_settings *settings = &check->directory->settings;
    const struct ldap_query query = {.base = settings->group_base.ptr,
                                     .filter = fill(check, settings->group_filter, LDAP_FILTER),
                                     .scope = LDAP_SCOPE_SUBTREE,
                                     .attributes = {settings->group_name.ptr},
                                     .size_limit = LDAP_GROUPS_MAX};
    LDAPMessage *found = NULL;
    bool fits = true;
    size_t n = 0;
    int code = query.filter != NULL ? search(check, &query, &found) : LDAP_FILTER_ERROR;

    if (code == LDAP_SIZELIMIT_EXCEEDED) {
        say(check, IDP_UNAVAILABLE, "groups");
        return false;
    }
    if (code != LDAP_SUCCESS) {
        say_failed(check, code);
        return false;
    }
    for (LDAPMessage *entry = openldap.ldap_first_entry(check->searcher.ld, found);
         fits && entry != NULL; entry = openldap.ldap_next_entry(check->searcher.ld, entry))
        fits =
            put_groups(check->searcher.ld, entry, settings->group_name.ptr, false, groups, &n);
    (void) openldap.ldap_msgfree(found); /* its type */
    if (!fits)
        say(check, IDP_UNAVAILABLE, "groups");
    return fits;
}

/* By an attribute of the user's entry. False: something was said. */
static bool read_groups(struct check *check, struct buf *groups)
{
    const struct ldap_settings *settings = &check->directory->settings;
    size_t n = 0;

    if (put_groups(check->searcher.ld, check->entry, settings->group_attribute.ptr, true,
                   groups, &n))
        return true;
    say(check, IDP_UNAVAILABLE, "groups");
    return false;
}

/* Who it is, and in which groups: in all of them, or nothing is told. */
static void tell(struct check *check)
{
    const struct ldap_settings *settings = &check->directory->settings;
    AUTO(buf_done) struct buf groups = {.max = MSG_IDP_GROUPS_MAX};
    struct slice user = one_value(check, settings->user_attribute.ptr);

    if (user.len == 0) {
        say(check, IDP_REFUSED, "user_attribute");
        return;
    }
    if (settings->group_attribute.len > 0) {
        if (!read_groups(check, &groups))
            return;
    } else if (settings->group_base.len > 0 && !find_groups(check, &groups)) {
        return;
    }
    check->answer = (struct idp_answer){
        .code = IDP_OK,
        .user = user,
        .groups = arena_dup(check->question->arena, buf_slice(&groups)),
        .knows_groups = true,
        .reason = "ok",
    };
}

static void check_password(struct check *check)
{
    const struct ldap_settings *settings = &check->directory->settings;
    struct ldap_conn user = {NULL, NULL};
    bool proved;

    if (settings->bind_dn.len > 0) {
        proved = bind_and_read(check);
    } else {
        proved = search_user(check) && bind_user(check, &user);
        ldap_conn_close(&user);
    }
    if (proved && is_allowed(check))
        tell(check);
}

/* With bind_dn nobody is known who does not say a password. */
static void check_user(struct check *check)
{
    if (check->directory->settings.bind_dn.len > 0)
        say(check, IDP_UNKNOWN, "no_search");
    else if (search_user(check) && is_allowed(check))
        tell(check);
}

/* No directory has such a name, and none is asked for it. */
static bool is_name(struct slice user)
{
    if (user.len == 0 || user.len > LDAP_NAME_MAX_BYTES || !utf8_is_valid(user))
        return false;
    for (size_t i = 0; i < user.len; i++)
        if (ascii_is_ctl(user.ptr[i]))
            return false;
    return true;
}

static void directory_check(void *self, const struct idp_question *question,
                            struct idp_answer *out)
{
    struct check check = {.directory = self,
                          .question = question,
                          .deadline_us = clock_mono_us() + (int64_t) IDP_CHECK_SEC * 1000000};

    if (!is_name(question->user))
        say(&check, IDP_UNKNOWN, "no_name");
    else if (question->ask == IDP_ASK_USER)
        check_user(&check);
    else if (question->ask != IDP_ASK_PASSWORD)
        say(&check, IDP_REFUSED, "no_tokens");
    else if (question->secret.len == 0) /* RFC 4513 5.1.2: a server would say yes to it */
        say(&check, IDP_REFUSED, "empty_password");
    else
        check_password(&check);
    if (check.found != NULL)
        (void) openldap.ldap_msgfree(check.found); /* its type */
    if (check.is_kept && check.searcher.ld != NULL && check.answer.code != IDP_UNAVAILABLE)
        keep_searcher(check.directory, &check.searcher);
    else
        ldap_conn_close(&check.searcher);
    *out = check.answer;
}

const struct idp_kind idp_ldap = {
    .name = "ldap",
    .open = directory_open,
    .needs = directory_needs,
    .check = directory_check,
    .close = directory_close,
};
