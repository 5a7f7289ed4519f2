#include "config/config.h"

#include <confuse.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ascii.h"
#include "base/ipaddr.h"
#include "base/scan.h"
#include "base/size.h"
#include "config/backends.h"
#include "config/elsewhere.h"
#include "config/providers.h"
#include "config/realm_map.h"
#include "config/settings.h"
#include "config/syslog_target.h"

#define DAY_SEC          INT64_C(86400)
#define DEFAULT_LIST_MAX 8u /* items of the longest default */

/* What one reading of a file keeps while libconfuse calls back. */
struct reading {
    struct config_errors *errors;
};

static bool convert_switch(struct slice text, bool *out)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {
        {"yes",   true },
        {"on",    true },
        {"true",  true },
        {"no",    false},
        {"off",   false},
        {"false", false},
    };

    for (size_t i = 0; i < COUNT(words); i++) {
        if (slice_eq_nocase(text, slice_from_str(words[i].word))) {
            *out = words[i].value;
            return true;
        }
    }
    return false;
}

static bool convert_octal(struct slice text, uint64_t *out)
{
    uint64_t value = 0;

    if (text.len == 0 || text.len > 6)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '7')
            return false;
        value = value * 8 + (uint64_t) (text.ptr[i] - '0');
    }
    *out = value;
    return true;
}

/* "never", or "until YYYY-MM-DD": the end of that day, UTC. */
static bool convert_until(struct slice text, int64_t *out)
{
    struct tm tm = {0};
    char date[11];
    const char *end;

    if (slice_eq_nocase(text, SLICE("never"))) {
        *out = 0;
        return true;
    }
    if (!slice_starts_nocase(text, SLICE("until ")) || text.len != 16)
        return false;
    (void) snprintf(date, sizeof(date), "%.*s", 10, text.ptr + 6);
    end = strptime(date, "%Y-%m-%d", &tm);
    if (end == NULL || *end != '\0')
        return false;
    *out = (int64_t) timegm(&tm) + DAY_SEC - 1;
    return true;
}

/* "80 90 95"; empty: none. */
static bool convert_percents(struct slice text, struct config_percents *out)
{
    struct config_percents made = {.n = 0};
    struct scan sc = scan_of(text);
    uint64_t percent;

    while (!scan_done(&sc)) {
        if ((made.n > 0 && !scan_byte(&sc, ' ')) || made.n == CONFIG_PERCENTS_MAX ||
            !scan_u64(&sc, 100, &percent) || percent == 0 ||
            (made.n > 0 && percent <= made.percent[made.n - 1]))
            return false;
        made.percent[made.n++] = (uint8_t) percent;
    }
    *out = made;
    return true;
}

/* Place of the word in the list of words, or -1. */
static int word_place(const char *words, struct slice text)
{
    struct scan sc = scan_of(slice_from_str(words));
    struct slice word;
    int place = 0;

    do {
        if (!scan_until(&sc, ' ', &word) && !scan_take(&sc, scan_left(&sc), &word))
            return -1;
        if (slice_eq_nocase(word, text))
            return place;
        place++;
    } while (scan_byte(&sc, ' '));
    return -1;
}

static enum rc store_number(struct config *config, const struct setting *setting,
                            uint64_t value, struct err *err)
{
    if (value < setting->min || value > setting->max)
        return err_set(err, RC_INVALID, "Out of range", "%s: %llu is not between %llu and %llu",
                       setting->name, (unsigned long long) value,
                       (unsigned long long) setting->min, (unsigned long long) setting->max);
    if (setting->kind == KIND_SIZE)
        *(uint64_t *) setting_field(config, setting) = value;
    else
        *(uint32_t *) setting_field(config, setting) = (uint32_t) value;
    return RC_OK;
}

static enum rc bad_value(const struct setting *setting, const char *want, struct err *err)
{
    return err_set(err, RC_INVALID, "Invalid value", "%s: want %s", setting->name, want);
}

static enum rc store_choice(struct config *config, const struct setting *setting,
                            struct slice text, struct err *err)
{
    int place = word_place(setting->words, text);

    if (place < 0)
        return bad_value(setting, setting->words, err);
    if (setting->kind == KIND_WORD)
        *(const char **) setting_field(config, setting) = arena_cstr(config->arena, text);
    else
        *(unsigned *) setting_field(config, setting) = (unsigned) place;
    return RC_OK;
}

/* Put one value, given as text, into its field. */
static enum rc store_value(struct config *config, const struct setting *setting,
                           struct slice text, struct err *err)
{
    uint64_t number;

    switch (setting->kind) {
    case KIND_TEXT:
    case KIND_PATH:
        *(const char **) setting_field(config, setting) = arena_cstr(config->arena, text);
        return RC_OK;
    case KIND_SWITCH:
        return convert_switch(text, setting_field(config, setting))
                   ? RC_OK
                   : bad_value(setting, "yes or no", err);
    case KIND_NUMBER:
        return slice_to_u64(text, &number) ? store_number(config, setting, number, err)
                                           : bad_value(setting, "a number", err);
    case KIND_SIZE:
        return size_parse(text, &number) ? store_number(config, setting, number, err)
                                         : bad_value(setting, "a size such as 64M", err);
    case KIND_OCTAL:
        return convert_octal(text, &number) ? store_number(config, setting, number, err)
                                            : bad_value(setting, "a mode such as 0660", err);
    case KIND_UNTIL:
        return convert_until(text, setting_field(config, setting))
                   ? RC_OK
                   : bad_value(setting, "never, or until YYYY-MM-DD", err);
    case KIND_PERCENTS:
        return convert_percents(text, setting_field(config, setting))
                   ? RC_OK
                   : bad_value(setting, "up to 8 rising percentages such as \"80 90 95\"", err);
    case KIND_CHOICE:
    case KIND_WORD:
        return store_choice(config, setting, text, err);
    case KIND_LIST:
    case KIND_PATHS:
        break; /* store_list() */
    }
    return bad_value(setting, "one value", err);
}

static void store_list(struct config *config, const struct setting *setting,
                       const char *const *items, size_t n)
{
    struct config_list *list = setting_field(config, setting);
    const char **copy = ARENA_ARRAY(config->arena, const char *, n);

    for (size_t i = 0; i < n; i++)
        copy[i] = arena_cstr(config->arena, slice_from_str(items[i]));
    *list = (struct config_list){copy, n};
}

/* The items of a list's default are separated by spaces. */
static void store_default_list(struct config *config, const struct setting *setting)
{
    AUTO(freep) char *copy = xstrdup(setting->value);
    const char *items[DEFAULT_LIST_MAX];
    char *rest = NULL;
    size_t n = 0;

    for (char *item = strtok_r(copy, " ", &rest); item != NULL && n < DEFAULT_LIST_MAX;
         item = strtok_r(NULL, " ", &rest))
        items[n++] = item;
    store_list(config, setting, items, n);
}

static void store_default(struct config *config, const struct setting *setting)
{
    struct err err;

    if (setting_is_list(setting))
        store_default_list(config, setting);
    else if (store_value(config, setting, slice_from_str(setting->value), &err))
        die("default of %s: %s", setting->name, err.detail);
}

struct config *config_new(void)
{
    struct arena *arena = arena_new(16 * CONFIG_FILE_MAX_BYTES);
    struct config *config = ARENA_NEW(arena, struct config);

    config->arena = arena;
    for (size_t i = 0; i < config_table_count; i++)
        store_default(config, &config_table[i]);
    return config;
}

void config_free(struct config *config)
{
    if (config != NULL)
        arena_free(config->arena);
}

void config_freep(struct config **config)
{
    config_free(*config);
    *config = NULL;
}

/* ---- reading the file ---- */

static void add_error(struct config_errors *errors, const char *file, int line, const char *fmt,
                      ...) PRINTF_LIKE(4, 5);

static void add_error(struct config_errors *errors, const char *file, int line, const char *fmt,
                      ...)
{
    struct config_error *error;
    va_list args;

    if (errors->n == CONFIG_ERRORS_MAX)
        return;
    error = &errors->list[errors->n++];
    (void) snprintf(error->file, sizeof(error->file), "%s", file != NULL ? file : "");
    error->line = line;
    va_start(args, fmt);
    (void) vsnprintf(error->text, sizeof(error->text), fmt, args);
    va_end(args);
}

/* Edits (insert, delete, replace) that turn one short word into another. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[64], len = MIN(strlen(b), COUNT(row) - 1);

    for (size_t j = 0; j <= len; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= len; j++) {
            size_t above = row[j];
            size_t replace = diagonal + (ascii_lower(a[i - 1]) != ascii_lower(b[j - 1]));

            row[j] = MIN(MIN(row[j - 1], above) + 1, replace);
            diagonal = above;
        }
    }
    return row[len];
}

static const char *nearest_name(const char *unknown)
{
    const char *best = config_table[0].name;

    for (size_t i = 1; i < config_table_count; i++) {
        if (edit_distance(unknown, config_table[i].name) < edit_distance(unknown, best))
            best = config_table[i].name;
    }
    return best;
}

/* libconfuse hands messages to a callback without a context of ours; one file is read at a
 * time. */
static _Thread_local struct reading *current_reading;

static void on_error(cfg_t *cfg, const char *fmt, va_list args) PRINTF_LIKE(2, 0);

static void on_error(cfg_t *cfg, const char *fmt, va_list args)
{
    struct config_errors *errors = current_reading->errors;
    char text[200];
    struct scan sc;
    struct slice before, name;

    (void) vsnprintf(text, sizeof(text), fmt, args);
    sc = scan_of(slice_from_str(text));
    if (scan_literal(&sc, SLICE("no such option")) && scan_until(&sc, '\'', &before) &&
        scan_byte(&sc, '\'') && scan_until(&sc, '\'', &name)) {
        char word[64];

        (void) snprintf(word, sizeof(word), "%.*s", SLICE_ARG(name));
        add_error(errors, cfg->filename, cfg->line,
                  "no setting is called \"%s\"; did you mean \"%s\"?", word,
                  nearest_name(word));
        return;
    }
    add_error(errors, cfg->filename, cfg->line, "%s", text);
}

/* A path that does not start with "/" counts from the folder of the file, which "." is. */
static const char *absolute(struct config *config, const char *folder, const char *path)
{
    if (*path == '\0' || *path == '/')
        return path;
    if (strcmp(path, ".") == 0)
        return arena_printf(config->arena, "%s", folder);
    return arena_printf(config->arena, "%s/%s", folder, path);
}

static void take_option(struct config *config, const struct setting *setting, cfg_t *cfg,
                        const char *folder, struct config_errors *errors)
{
    cfg_opt_t *opt = cfg_getopt(cfg, setting->name);
    unsigned n = cfg_opt_size(opt);
    struct err err;

    if (n == 0 && !setting_is_list(setting))
        return;
    if (setting_is_list(setting)) {
        const char *items[CONFIG_LIST_MAX];

        if (n > CONFIG_LIST_MAX) {
            add_error(errors, cfg->filename, 0, "%s: more than %u values", setting->name,
                      CONFIG_LIST_MAX);
            return;
        }
        if ((opt->flags & CFGF_MODIFIED) == 0)
            return;
        for (unsigned i = 0; i < n; i++)
            items[i] = setting->kind == KIND_PATHS
                           ? absolute(config, folder, cfg_opt_getnstr(opt, i))
                           : cfg_opt_getnstr(opt, i);
        store_list(config, setting, items, n);
        return;
    }
    if ((opt->flags & CFGF_MODIFIED) == 0)
        return;
    if (store_value(config, setting, slice_from_str(cfg_opt_getstr(opt)), &err))
        add_error(errors, cfg->filename, 0, "%s", err.detail);
    else if (setting->kind == KIND_PATH)
        *(const char **) setting_field(config, setting) =
            absolute(config, folder, *(const char **) setting_field(config, setting));
}

/* Each names another server, and not this one: a referral must not lead back (RFC 2193 3). */
static void check_elsewhere(const struct config *config, const struct config_list *list,
                            const char *name, bool users, const char *path,
                            struct config_errors *errors)
{
    for (size_t i = 0; i < list->n; i++) {
        struct elsewhere found;

        if (!elsewhere_parse(list->items[i], &found) || (found.guest && !users))
            add_error(errors, path, 0, "%s: want \"NAME SERVER\", not \"%s\"", name,
                      list->items[i]);
        else if (elsewhere_is_host(&found, config->hostname))
            add_error(errors, path, 0, "%s: \"%s\" is this server itself", name,
                      list->items[i]);
    }
}

static void check_networks(const struct config *config, const char *path,
                           struct config_errors *errors)
{
    for (size_t i = 0; i < config->proxy_networks.n; i++) {
        const char *item = config->proxy_networks.items[i];
        struct ipnet net;
        struct err err;

        if (ipnet_parse(slice_from_str(item), &net, &err) != RC_OK)
            add_error(errors, path, 0, "proxy_networks: \"%s\": %s", item, err.text);
    }
}

static void check_backends(const struct config *config, const char *path,
                           struct config_errors *errors)
{
    struct backend_chain chain;
    struct err err;

    if (backend_chain_read(config->backends.items, config->backends.n, &chain, &err) != RC_OK)
        add_error(errors, path, 0, "%s", err.detail);
}

static void check_ship(const struct config *config, const char *path,
                       struct config_errors *errors)
{
    struct syslog_target to;

    if (config->audit_ship[0] == '\0')
        return;
    if (!syslog_target_parse(config->audit_ship, &to))
        add_error(errors, path, 0, "audit_ship: want HOST or HOST:PORT, not \"%s\"",
                  config->audit_ship);
    if (config->audit_ship_ca[0] == '\0')
        add_error(errors, path, 0, "audit_ship: audit_ship_ca must say whom to trust");
    if ((config->audit_ship_certificate[0] == '\0') != (config->audit_ship_key[0] == '\0'))
        add_error(errors, path, 0, "audit_ship_certificate and audit_ship_key go together");
}

/* The same of one that everybody is sent to. */
static void check_moved_to(const struct config *config, const char *path,
                           struct config_errors *errors)
{
    const struct elsewhere to = {.server = slice_from_str(config->moved_to)};

    if (to.server.len == 0)
        return;
    if (!elsewhere_is_server(to.server))
        add_error(errors, path, 0, "moved_to: want a server, not \"%s\"", config->moved_to);
    else if (elsewhere_is_host(&to, config->hostname))
        add_error(errors, path, 0, "moved_to: \"%s\" is this server itself", config->moved_to);
}

static void check_providers(const struct config *config, const char *path,
                            struct config_errors *errors)
{
    struct config_provider found[CONFIG_PROVIDERS_MAX];
    size_t n;
    struct err err;

    if (config_providers(config, found, &n, &err) != RC_OK)
        add_error(errors, path, 0, "%s", err.detail);
    else if (n > 0 && *config->idp_folder == '\0')
        add_error(errors, path, 0, "idp_folder: \"%.*s\" needs it", SLICE_ARG(found[0].name));
}

/* Without a realm nobody could come in; and a realm that stands twice means two users. */
static void check_gssapi(const struct config *config, const char *path,
                         struct config_errors *errors)
{
    const struct config_list *list = &config->gssapi_realms;
    struct realm_map map, other;

    if ((config->gssapi_keytab[0] != '\0') != (list->n > 0))
        add_error(errors, path, 0, "gssapi_keytab and gssapi_realms go together");
    for (size_t i = 0; i < list->n; i++) {
        if (!realm_map_parse(list->items[i], &map)) {
            add_error(errors, path, 0, "gssapi_realms: want \"REALM=DOMAIN\", not \"%s\"",
                      list->items[i]);
            continue;
        }
        for (size_t j = 0; j < i; j++)
            if (realm_map_parse(list->items[j], &other) && slice_eq(other.realm, map.realm))
                add_error(errors, path, 0, "gssapi_realms: \"%.*s\" stands twice",
                          SLICE_ARG(map.realm));
    }
}

static void check_whole(const struct config *config, const char *path,
                        struct config_errors *errors)
{
    if ((config->message_limit > 0 && config->message_limit < LIMIT_MIN_MESSAGES) ||
        (config->save_limit > 0 && config->save_limit < LIMIT_MIN_MESSAGES))
        add_error(errors, path, 0, "message_limit, save_limit: want 0, or %u or more",
                  LIMIT_MIN_MESSAGES);
    if (config->message_limit > 0 && config->save_limit > 0)
        add_error(errors, path, 0, "message_limit and save_limit exclude each other");
    check_networks(config, path, errors);
    check_backends(config, path, errors);
    check_providers(config, path, errors);
    check_gssapi(config, path, errors);
    check_elsewhere(config, &config->moved_users, "moved_users", true, path, errors);
    check_moved_to(config, path, errors);
    check_ship(config, path, errors);
    check_elsewhere(config, &config->remote_mailboxes, "remote_mailboxes", false, path, errors);
    if (strlen(config->detail_separator) > 1)
        add_error(errors, path, 0, "detail_separator: one character, or empty");
    if (strcmp(config->log, "stderr") != 0 && strcmp(config->log, "syslog") != 0 &&
        strncmp(config->log, "file:/", 6) != 0)
        add_error(errors, path, 0, "log: want stderr, syslog or file:/path");
    if (config->certificate.n != config->certificate_key.n)
        add_error(errors, path, 0, "certificate and certificate_key go together, in pairs");
    if (config->certificate.n > CONFIG_PAIRS_MAX)
        add_error(errors, path, 0, "certificate: more than %u", CONFIG_PAIRS_MAX);
    if (config->client_cert_any && *config->client_crl == '\0')
        add_error(errors, path, 0,
                  "client_cert_any: needs client_crl, or nobody could be shut out");
    if (*config->client_crl != '\0' && *config->client_ca == '\0')
        add_error(errors, path, 0, "client_crl: is of no use without client_ca");
    if ((config->imaps.n > 0 || config->web_listen.n > 0 ||
         (config->imap.n > 0 && config->starttls)) &&
        config->certificate.n == 0)
        add_error(errors, path, 0,
                  "certificate: needed for TLS; `roost init` makes a first one");
}

/* options has room for each setting, and two. */
static cfg_t *new_parser(cfg_opt_t *options)
{
    static cfg_opt_t include = CFG_FUNC("include", &cfg_include);
    static cfg_opt_t end = CFG_END();
    cfg_t *cfg;

    for (size_t i = 0; i < config_table_count; i++) {
        cfg_opt_t text = CFG_STR(config_table[i].name, NULL, CFGF_NONE);
        cfg_opt_t list = CFG_STR_LIST(config_table[i].name, NULL, CFGF_NONE);

        options[i] = setting_is_list(&config_table[i]) ? list : text;
    }
    options[config_table_count] = include;
    options[config_table_count + 1] = end;
    cfg = cfg_init(options, CFGF_NONE);
    if (cfg == NULL)
        die("cfg_init: %s", strerror(errno));
    (void) cfg_set_error_function(cfg, on_error);
    return cfg;
}

static enum rc check_file(const char *path, struct config_errors *errors)
{
    struct stat st;

    if (stat(path, &st) != 0)
        add_error(errors, path, 0, "cannot be read: %s", strerror(errno));
    else if (!S_ISREG(st.st_mode) || st.st_size > (off_t) CONFIG_FILE_MAX_BYTES)
        add_error(errors, path, 0, "is not a configuration file");
    return errors->n > 0 ? RC_INVALID : RC_OK;
}

enum rc config_read(const char *path, struct config **out, struct config_errors *errors)
{
    AUTO(config_freep) struct config *config = config_new();
    AUTO(freep) char *copy = xstrdup(path);
    struct reading reading = {errors};
    AUTO(freep) cfg_opt_t *options = xcalloc(config_table_count + 2, sizeof(*options));
    const char *folder = dirname(copy);
    char here[4096];
    cfg_t *cfg;
    int result;

    errors->n = 0;
    if (check_file(path, errors))
        return RC_INVALID;
    if (realpath(folder, here) == NULL)
        (void) snprintf(here, sizeof(here), "%s", folder);
    current_reading = &reading;
    cfg = new_parser(options);
    result = cfg_parse(cfg, path);
    if (result != CFG_SUCCESS && errors->n == 0)
        add_error(errors, path, 0, "cannot be read: %s", strerror(errno));
    for (size_t i = 0; i < config_table_count && errors->n == 0; i++)
        take_option(config, &config_table[i], cfg, here, errors);
    (void) cfg_free(cfg);
    current_reading = NULL;
    if (errors->n == 0)
        check_whole(config, path, errors);
    if (errors->n > 0)
        return RC_INVALID;
    *out = TAKE(config);
    return RC_OK;
}
