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
#include "config/backends.h"
#include "config/elsewhere.h"
#include "config/providers.h"
#include "config/syslog_target.h"

enum setting_kind {
    KIND_TEXT,
    KIND_PATH,     /* made absolute */
    KIND_LIST,     /* of texts */
    KIND_PATHS,    /* a list of paths, each made absolute */
    KIND_SWITCH,   /* yes or no */
    KIND_NUMBER,   /* min..max */
    KIND_SIZE,     /* bytes, with K, M or G */
    KIND_OCTAL,    /* a file mode */
    KIND_UNTIL,    /* "never" or "until YYYY-MM-DD" */
    KIND_CHOICE,   /* one of the words; the value is its place */
    KIND_WORD,     /* one of the words; the value is the text */
    KIND_PERCENTS, /* a few numbers of 1 to 100, ascending */
};

static const char *const kind_names[] = {"text",   "path",   "list",   "paths",
                                         "yes/no", "number", "size",   "mode",
                                         "until",  "choice", "choice", "percents"};

struct setting {
    const char *name;
    enum setting_kind kind;
    size_t offset;
    const char *value; /* the default; a list's items are separated by spaces */
    uint64_t min, max;
    const char *words; /* separated by spaces */
    const char *doc;
};

#define AT(field) offsetof(struct config, field)

#define DEFAULT_LIST_MAX 8u /* items of the longest default */

// clang-format off
static const struct setting settings[] = {
    {"data", KIND_PATH, AT(data_dir), "/var/lib/roost", 0, 0, NULL,
     "folder that holds everything; made by `roost init`"},
    {"hostname", KIND_TEXT, AT(hostname), "localhost", 0, 0, NULL,
     "name of this server in greetings and Received fields"},
    {"imaps", KIND_LIST, AT(imaps), ":993", 0, 0, NULL,
     "addresses for IMAP over TLS"},
    {"imap", KIND_LIST, AT(imap), "", 0, 0, NULL,
     "addresses for IMAP that starts without TLS; none by default: a password must not travel in the clear"},
    {"starttls", KIND_SWITCH, AT(starttls), "yes", 0, 0, NULL,
     "offer STARTTLS on the imap addresses"},
    {"plaintext_loopback", KIND_SWITCH, AT(plaintext_loopback), "no", 0, 0, NULL,
     "allow logins without TLS from this host itself (127.0.0.0/8 and ::1)"},
    {"proxy_networks", KIND_LIST, AT(proxy_networks), "", 0, 0, NULL,
     "networks of proxies in front, as 192.0.2.0/24: each connection from there begins with a PROXY header (v1 or v2), which is believed"},
    {"lmtp", KIND_LIST, AT(lmtp), "127.0.0.1:24", 0, 0, NULL,
     "addresses for delivery by LMTP: loopback TCP, or unix:/path"},
    {"lmtp_owner", KIND_TEXT, AT(lmtp_owner), "", 0, 0, NULL,
     "owner of the LMTP unix socket; empty leaves the server's user"},
    {"lmtp_group", KIND_TEXT, AT(lmtp_group), "", 0, 0, NULL,
     "group of the LMTP unix socket, such as postfix"},
    {"lmtp_mode", KIND_OCTAL, AT(lmtp_mode), "0660", 0, 0777, NULL,
     "mode of the LMTP unix socket"},
    {"auth_socket", KIND_PATH, AT(auth_socket), "", 0, 0, NULL,
     "unix socket on which a mail server (Postfix, Exim) checks who may submit, in Dovecot's protocol; empty: none"},
    {"socketmap_socket", KIND_PATH, AT(socketmap_socket), "", 0, 0, NULL,
     "unix socket on which Postfix asks whether a recipient exists (socketmap, map recipients); empty: none"},
    {"mta_owner", KIND_TEXT, AT(mta_owner), "", 0, 0, NULL,
     "owner of these two sockets; empty leaves the server's user"},
    {"mta_group", KIND_TEXT, AT(mta_group), "", 0, 0, NULL,
     "their group, such as postfix"},
    {"mta_mode", KIND_OCTAL, AT(mta_mode), "0660", 0, 0777, NULL,
     "their mode: who may connect may try passwords and ask for recipients"},
    {"web_listen", KIND_LIST, AT(web_listen), "", 0, 0, NULL,
     "addresses for the web page on which users enrol, see and revoke their devices, over TLS, such as :8443; none by default"},
    {"web_name", KIND_TEXT, AT(web_name), "", 0, 0, NULL,
     "host name by which browsers reach that page; empty: hostname"},
    {"certificate", KIND_PATHS, AT(certificate), "", 0, 0, NULL,
     "PEM files with certificate chains, of which the client's server name chooses and the first is the default; read again on SIGHUP and when they change"},
    {"certificate_key", KIND_PATHS, AT(certificate_key), "", 0, 0, NULL,
     "PEM files with their private keys, in the same order"},
    {"client_ca", KIND_PATH, AT(client_ca), "", 0, 0, NULL,
     "PEM file of the CAs whose client certificates may log in (SASL EXTERNAL); empty: none is asked for"},
    {"client_crl", KIND_PATH, AT(client_crl), "", 0, 0, NULL,
     "PEM file with a revocation list of each of these CAs; if it is missing or a list is too old, no certificate is accepted"},
    {"client_cert_name", KIND_CHOICE, AT(client_cert_name), "email", 0, 0, "email dns upn uri",
     "which subjectAltName is the user's name: rfc822Name, dNSName, Microsoft's UPN, or a URI acct:NAME"},
    {"client_cert_any", KIND_SWITCH, AT(client_cert_any), "no", 0, 0, NULL,
     "any certificate of these CAs opens the account it names, not only those bound to a device; needs client_crl"},
    {"domains", KIND_LIST, AT(domains), "localhost", 0, 0, NULL,
     "mail domains whose local parts are users here; * for any"},
    {"catch_all", KIND_TEXT, AT(catch_all), "", 0, 0, NULL,
     "user who gets mail for unknown recipients of the domains"},
    {"detail_separator", KIND_TEXT, AT(detail_separator), "+", 0, 0, NULL,
     "what separates user and detail in user+detail@domain"},
    {"detail_as_folder", KIND_SWITCH, AT(detail_as_folder), "no", 0, 0, NULL,
     "deliver user+work to the folder work, if the user has one"},
    {"disabled_is_permanent", KIND_SWITCH, AT(disabled_is_permanent), "no", 0, 0, NULL,
     "answer 550 for disabled users: the sender is told at once; 450 lets the mail wait"},
    {"passwd_file", KIND_PATH, AT(passwd_file), "", 0, 0, NULL,
     "users from a passwd-file in Dovecot's format, besides those made with `roost user`"},
    {"backends", KIND_LIST, AT(backends), "passwd-file sqlite", 0, 0, NULL,
     "who is asked whether an account password is right, in this order: sqlite, passwd-file, ldap:NAME, sql:NAME, pam:NAME; the first who knows the user decides"},
    {"legacy_passwords", KIND_UNTIL, AT(legacy_passwords_until), "never", 0, 0, NULL,
     "until DATE: mail programs may still use account passwords, for moving in; app passwords are the rule"},
    {"password_min", KIND_NUMBER, AT(password_min), "12", 8, 128, NULL,
     "characters that a new account password has at least"},
    {"breached_passwords", KIND_PATH, AT(breached_passwords), "", 0, 0, NULL,
     "list of stolen passwords, which are refused as new account passwords: Have I Been Pwned's SHA-1 file, ordered by hash"},
    {"scram", KIND_SWITCH, AT(scram), "yes", 0, 0, NULL,
     "offer SCRAM-SHA-256 over TLS; not offered while there is a passwd_file, or legacy_passwords with a foreign back-end: those cannot serve it"},
    {"scram_sha1", KIND_SWITCH, AT(scram_sha1), "no", 0, 0, NULL,
     "offer SCRAM-SHA-1 as well, for programs that know no better"},
    {"idp_folder", KIND_PATH, AT(idp_folder), "", 0, 0, NULL,
     "folder with a file NAME.conf for each other server that knows who users are; read by the idp process alone"},
    {"oauth", KIND_LIST, AT(oauth), "", 0, 0, NULL,
     "names of files in idp_folder: whose access tokens open mailboxes, by OAUTHBEARER and XOAUTH2 over TLS"},
    {"message_max", KIND_SIZE, AT(message_max_bytes), "64M", 1u << 16, 1u << 30, NULL,
     "largest message taken by APPEND, LMTP and import"},
    {"connections_per_user", KIND_NUMBER, AT(connections_per_user), "200", 1, 100000, NULL,
     "IMAP connections of one user at a time"},
    {"message_limit", KIND_NUMBER, AT(message_limit), "0", 0, UINT32_MAX, NULL,
     "messages one IMAP command may work on, told as MESSAGELIMIT (RFC 9738): 1000 or more; 0: any number"},
    {"save_limit", KIND_NUMBER, AT(save_limit), "0", 0, UINT32_MAX, NULL,
     "the same for COPY and APPEND alone, told as SAVELIMIT; not together with message_limit"},
    {"quota_storage", KIND_SIZE, AT(quota_storage), "0", 0, (uint64_t) 1 << 62, NULL,
     "bytes an account may hold unless it or one of its groups says otherwise (`roost quota`); 0: no limit"},
    {"quota_messages", KIND_NUMBER, AT(quota_messages), "0", 0, UINT32_MAX, NULL,
     "the same for messages"},
    {"quota_mailboxes", KIND_NUMBER, AT(quota_mailboxes), "0", 0, UINT32_MAX, NULL,
     "the same for mailboxes"},
    {"quota_annotations", KIND_SIZE, AT(quota_annotations), "0", 0, (uint64_t) 1 << 62, NULL,
     "the same for bytes of annotations beside messages (groups say nothing of these)"},
    {"quota_marks", KIND_PERCENTS, AT(quota_marks), "80 90 95", 0, 0, NULL,
     "percentages of a limit whose crossing is logged as quota.mark"},
    {"submission_users", KIND_LIST, AT(submission_users), "", 0, 0, NULL,
     "users as which submission servers log in, to fetch by URL what others sent (URLAUTH, submit+)"},
    {"quota_admins", KIND_LIST, AT(quota_admins), "", 0, 0, NULL,
     "users who may see and set everybody's quota by IMAP's GETQUOTA and SETQUOTA"},
    {"moved_to", KIND_TEXT, AT(moved_to), "", 0, 0, NULL,
     "another server, with its port unless that is 143: every IMAP connection is told to go there, and ended"},
    {"moved_users", KIND_LIST, AT(moved_users), "", 0, 0, NULL,
     "\"USER SERVER\" each: once logged in they are told to go to that server (LOGIN-REFERRALS); with \" guest\" behind it they may stay"},
    {"remote_mailboxes", KIND_LIST, AT(remote_mailboxes), "", 0, 0, NULL,
     "\"MAILBOX SERVER\" each: mailboxes of everybody that are on that server (MAILBOX-REFERRALS)"},
    {"undelete_days", KIND_NUMBER, AT(undelete_days), "14", 0, 3650, NULL,
     "expunged messages and deleted mailboxes can be brought back for so long; 0: not at all"},
    {"threads", KIND_NUMBER, AT(threads), "0", 0, 256, NULL,
     "threads that run commands; 0: twice the processors"},
    {"search_index_min", KIND_NUMBER, AT(search_index_min), "5000", 1, UINT32_MAX, NULL,
     "messages of an account that gets a search index at once; smaller ones when a search was slow"},
    {"archive", KIND_SWITCH, AT(archive), "no", 0, 0, NULL,
     "keep the journal between backups, so that any moment can be restored, not only those of backups"},
    {"archive_max", KIND_SIZE, AT(archive_max_bytes), "16G", 64u << 20, (uint64_t) 1 << 44, NULL,
     "most that is kept for the next backup; beyond it the oldest goes"},
    {"sandbox", KIND_CHOICE, AT(sandbox), "enforce", 0, 0, "enforce best-effort",
     "best-effort starts even where the kernel cannot confine a process; said in `roost status`"},
    {"user_prefix", KIND_TEXT, AT(user_prefix), "roost", 0, 0, NULL,
     "started as root, each process runs as its own user: PREFIX-gate, PREFIX-mail and so on"},
    {"log", KIND_TEXT, AT(log), "stderr", 0, 0, NULL,
     "stderr, syslog or file:/path (opened again on SIGHUP)"},
    {"log_format", KIND_CHOICE, AT(log_format), "text", 0, 0, "text json",
     "one line an event either way"},
    {"log_level", KIND_WORD, AT(log_level), "info", 0, 0, "debug info warning error",
     "least level that is written"},
    {"log_mail_events", KIND_SWITCH, AT(log_mail_events), "no", 0, 0, NULL,
     "log each append, move, expunge and delete with its uid and Message-ID"},
    {"audit_keep_days", KIND_NUMBER, AT(audit_keep_days), "365", 0, 36500, NULL,
     "files of the audit log go when all in them is older; 0: never"},
    {"audit_ship", KIND_TEXT, AT(audit_ship), "", 0, 0, NULL,
     "HOST or HOST:PORT of a receiver of the audit log by syslog over TLS (RFC 5425); port 6514 unless said"},
    {"audit_ship_ca", KIND_PATH, AT(audit_ship_ca), "", 0, 0, NULL,
     "PEM file of the authorities that the receiver's certificate must come from"},
    {"audit_ship_name", KIND_TEXT, AT(audit_ship_name), "", 0, 0, NULL,
     "the name or address its certificate must have, if that is not HOST"},
    {"audit_ship_certificate", KIND_PATH, AT(audit_ship_certificate), "", 0, 0, NULL,
     "PEM file of a certificate to show to the receiver"},
    {"audit_ship_key", KIND_PATH, AT(audit_ship_key), "", 0, 0, NULL,
     "PEM file of its key, to be read by the user PREFIX-ship"},
};
// clang-format on
#define N_SETTINGS COUNT(settings)

/* What one reading of a file keeps while libconfuse calls back. */
struct reading {
    struct config_errors *errors;
};

static bool is_list(const struct setting *setting)
{
    return setting->kind == KIND_LIST || setting->kind == KIND_PATHS;
}

static void *field_of(struct config *config, const struct setting *setting)
{
    return (char *) config + setting->offset;
}

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

static bool convert_size(struct slice text, uint64_t *out)
{
    static const char units[] = "KMG";
    uint64_t value, factor = 1;
    const char *unit = text.len > 0 ? strchr(units, ascii_upper(text.ptr[text.len - 1])) : NULL;

    if (unit != NULL && *unit != '\0') {
        factor = (uint64_t) 1 << (10 * (unit - units + 1));
        text.len--;
    }
    return slice_to_u64(text, &value) && !__builtin_mul_overflow(value, factor, out);
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
    *out = (int64_t) timegm(&tm) + 24 * 3600 - 1;
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
        *(uint64_t *) field_of(config, setting) = value;
    else
        *(uint32_t *) field_of(config, setting) = (uint32_t) value;
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
        *(const char **) field_of(config, setting) = arena_cstr(config->arena, text);
    else
        *(unsigned *) field_of(config, setting) = (unsigned) place;
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
        *(const char **) field_of(config, setting) = arena_cstr(config->arena, text);
        return RC_OK;
    case KIND_SWITCH:
        return convert_switch(text, field_of(config, setting))
                   ? RC_OK
                   : bad_value(setting, "yes or no", err);
    case KIND_NUMBER:
        return slice_to_u64(text, &number) ? store_number(config, setting, number, err)
                                           : bad_value(setting, "a number", err);
    case KIND_SIZE:
        return convert_size(text, &number) ? store_number(config, setting, number, err)
                                           : bad_value(setting, "a size such as 64M", err);
    case KIND_OCTAL:
        return convert_octal(text, &number) ? store_number(config, setting, number, err)
                                            : bad_value(setting, "a mode such as 0660", err);
    case KIND_UNTIL:
        return convert_until(text, field_of(config, setting))
                   ? RC_OK
                   : bad_value(setting, "never, or until YYYY-MM-DD", err);
    case KIND_PERCENTS:
        return convert_percents(text, field_of(config, setting))
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
    struct config_list *list = field_of(config, setting);
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

    if (is_list(setting))
        store_default_list(config, setting);
    else if (store_value(config, setting, slice_from_str(setting->value), &err))
        die("default of %s: %s", setting->name, err.detail);
}

struct config *config_new(void)
{
    struct arena *arena = arena_new(16 * CONFIG_FILE_MAX_BYTES);
    struct config *config = ARENA_NEW(arena, struct config);

    config->arena = arena;
    for (size_t i = 0; i < N_SETTINGS; i++)
        store_default(config, &settings[i]);
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
    const char *best = settings[0].name;

    for (size_t i = 1; i < N_SETTINGS; i++) {
        if (edit_distance(unknown, settings[i].name) < edit_distance(unknown, best))
            best = settings[i].name;
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

/* A path that does not start with "/" counts from the folder of the file. */
static const char *absolute(struct config *config, const char *folder, const char *path)
{
    if (*path == '\0' || *path == '/')
        return path;
    return arena_printf(config->arena, "%s/%s", folder, path);
}

static void take_option(struct config *config, const struct setting *setting, cfg_t *cfg,
                        const char *folder, struct config_errors *errors)
{
    cfg_opt_t *opt = cfg_getopt(cfg, setting->name);
    unsigned n = cfg_opt_size(opt);
    struct err err;

    if (n == 0 && !is_list(setting))
        return;
    if (is_list(setting)) {
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
        *(const char **) field_of(config, setting) =
            absolute(config, folder, *(const char **) field_of(config, setting));
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

static cfg_t *new_parser(cfg_opt_t options[N_SETTINGS + 2])
{
    static cfg_opt_t include = CFG_FUNC("include", &cfg_include);
    static cfg_opt_t end = CFG_END();
    cfg_t *cfg;

    for (size_t i = 0; i < N_SETTINGS; i++) {
        cfg_opt_t text = CFG_STR(settings[i].name, NULL, CFGF_NONE);
        cfg_opt_t list = CFG_STR_LIST(settings[i].name, NULL, CFGF_NONE);

        options[i] = is_list(&settings[i]) ? list : text;
    }
    options[N_SETTINGS] = include;
    options[N_SETTINGS + 1] = end;
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
    cfg_opt_t options[N_SETTINGS + 2];
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
    for (size_t i = 0; i < N_SETTINGS && errors->n == 0; i++)
        take_option(config, &settings[i], cfg, here, errors);
    (void) cfg_free(cfg);
    current_reading = NULL;
    if (errors->n == 0)
        check_whole(config, path, errors);
    if (errors->n > 0)
        return RC_INVALID;
    *out = TAKE(config);
    return RC_OK;
}

/* ---- the blob: format version, then each setting in the table's order ---- */

#define CONFIG_BLOB_VERSION 1u

static void encode_value(const struct config *config, const struct setting *setting,
                         struct buf *out)
{
    const char *field = (const char *) config + setting->offset;

    switch (setting->kind) {
    case KIND_TEXT:
    case KIND_PATH:
    case KIND_WORD:
        buf_le_bytes(out, slice_from_str(*(const char *const *) (const void *) field));
        return;
    case KIND_LIST:
    case KIND_PATHS: {
        const struct config_list *list = (const void *) field;

        buf_le32(out, (uint32_t) list->n);
        for (size_t i = 0; i < list->n; i++)
            buf_le_bytes(out, slice_from_str(list->items[i]));
        return;
    }
    case KIND_PERCENTS:
        buf_append(out, slice_of(field, sizeof(struct config_percents)));
        return;
    case KIND_SWITCH:
        buf_le8(out, *(const bool *) field);
        return;
    case KIND_NUMBER:
    case KIND_OCTAL:
    case KIND_CHOICE:
        buf_le32(out, *(const uint32_t *) (const void *) field);
        return;
    case KIND_SIZE:
    case KIND_UNTIL:
        buf_le64(out, *(const uint64_t *) (const void *) field);
        return;
    }
}

void config_encode(const struct config *config, struct buf *out)
{
    buf_le32(out, CONFIG_BLOB_VERSION);
    for (size_t i = 0; i < N_SETTINGS; i++)
        encode_value(config, &settings[i], out);
}

static bool decode_list(struct scan *sc, struct config *config, struct config_list *list)
{
    const char **items;
    struct slice item;
    uint32_t n;

    if (!scan_le32(sc, &n) || n > CONFIG_LIST_MAX)
        return false;
    items = ARENA_ARRAY(config->arena, const char *, n);
    for (uint32_t i = 0; i < n; i++) {
        if (!scan_le_bytes(sc, CONFIG_FILE_MAX_BYTES, &item))
            return false;
        items[i] = arena_cstr(config->arena, item);
    }
    *list = (struct config_list){items, n};
    return true;
}

static bool decode_value(struct scan *sc, struct config *config, const struct setting *setting)
{
    void *field = field_of(config, setting);
    struct slice text;
    uint8_t byte;

    switch (setting->kind) {
    case KIND_TEXT:
    case KIND_PATH:
    case KIND_WORD:
        if (!scan_le_bytes(sc, CONFIG_FILE_MAX_BYTES, &text))
            return false;
        *(const char **) field = arena_cstr(config->arena, text);
        return true;
    case KIND_LIST:
    case KIND_PATHS:
        return decode_list(sc, config, field);
    case KIND_PERCENTS:
        if (!scan_take(sc, sizeof(struct config_percents), &text))
            return false;
        memcpy(field, text.ptr, text.len);
        return ((struct config_percents *) field)->n <= CONFIG_PERCENTS_MAX;
    case KIND_SWITCH:
        if (!scan_le8(sc, &byte))
            return false;
        *(bool *) field = byte != 0;
        return true;
    case KIND_NUMBER:
    case KIND_OCTAL:
    case KIND_CHOICE:
        return scan_le32(sc, field);
    case KIND_SIZE:
    case KIND_UNTIL:
        return scan_le64(sc, field);
    }
    return false;
}

enum rc config_decode(struct slice blob, struct config **out, struct err *err)
{
    AUTO(config_freep) struct config *config = config_new();
    struct scan sc = scan_of(blob);
    uint32_t version;

    if (!scan_le32(&sc, &version) || version != CONFIG_BLOB_VERSION)
        return err_set(err, RC_CORRUPT, "Bad configuration", "config blob: wrong version");
    for (size_t i = 0; i < N_SETTINGS; i++) {
        if (!decode_value(&sc, config, &settings[i]))
            return err_set(err, RC_CORRUPT, "Bad configuration", "config blob: %s",
                           settings[i].name);
    }
    if (!scan_done(&sc))
        return err_set(err, RC_CORRUPT, "Bad configuration",
                       "config blob: bytes behind the end");
    *out = TAKE(config);
    return RC_OK;
}

size_t config_setting_count(void)
{
    return N_SETTINGS;
}

struct config_setting config_setting_at(size_t at)
{
    const struct setting *setting = &settings[at];

    return (struct config_setting){setting->name, kind_names[setting->kind], setting->value,
                                   setting->doc};
}
