/*
 * config.h - the configuration: one text file, read whole and checked before anything starts.
 *
 * The table in settings.c is the specification: name, kind, default, range and reason of each
 * setting; `roost check-config` and docs/operating.md come from it. An unknown name is an error
 * with its line and the nearest known name. The supervisor reads the file and hands the result
 * to each role as a blob (config_encode), so no other role opens it.
 */
#ifndef ROOST_CONFIG_CONFIG_H
#define ROOST_CONFIG_CONFIG_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"

#define CONFIG_FILE_MAX_BYTES ((size_t) 1 << 20)
#define CONFIG_BLOB_MAX_BYTES (4 * CONFIG_FILE_MAX_BYTES) /* of config_encode() */
#define CONFIG_LIST_MAX       1024u                       /* values of one list setting */
#define CONFIG_PAIRS_MAX      16u                         /* certificates */
#define CONFIG_ERRORS_MAX     20u                         /* reported at once */

struct config_list {
    const char *const *items;
    size_t n;
};

#define CONFIG_PERCENTS_MAX 8u

struct config_percents {
    uint8_t percent[CONFIG_PERCENTS_MAX]; /* 1 to 100, ascending */
    uint8_t n;
};

enum sandbox_mode { SANDBOX_ENFORCE, SANDBOX_BEST_EFFORT };
enum policy_mode { POLICY_ENFORCE, POLICY_LOG };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

#define LIMIT_MIN_MESSAGES 1000u /* of message_limit and save_limit (RFC 9738 3) */

struct config {
    /* where */
    const char *data_dir;
    const char
        *hostname; /* in greetings, Received fields and the certificate that init makes */

    /* doors; each item "ADDRESS:PORT", "[::]:993", ":993" for all addresses, or "unix:/path"
     * (LMTP) */
    struct config_list imaps; /* implicit TLS */
    struct config_list imap;  /* plaintext at first; empty by default */
    struct config_list lmtp;
    struct config_list web_listen;     /* the enrolment page, over TLS; empty: none */
    const char *web_name;              /* host name of its URL; "": hostname */
    struct config_list proxy_networks; /* each an ipnet (base/ipaddr.h); IMAP doors only */
    bool starttls;                     /* offered on imap listeners */
    bool plaintext_loopback;           /* logins without TLS from 127.0.0.0/8 and ::1 */
    const char *lmtp_owner, *lmtp_group;
    uint32_t lmtp_mode;                         /* of the unix socket, octal in the file */
    const char *auth_socket, *socketmap_socket; /* for a mail server; "" for none */
    const char *mta_owner, *mta_group;
    uint32_t mta_mode; /* of both */

    /* TLS */
    struct config_list certificate, certificate_key; /* PEM files, in pairs */

    /* client certificates: SASL EXTERNAL */
    const char *client_ca, *client_crl; /* PEM files; "" for none */
    uint32_t client_cert_name;          /* enum cert_name of auth/certificate.h */
    bool client_cert_any; /* one that no device is bound to opens the account of its name */

    /* who */
    struct config_list domains; /* "*": any domain */
    const char *catch_all;      /* user for unknown recipients of the domains; "" for none */
    const char *detail_separator;
    bool detail_as_folder;       /* user+work is delivered to "work" if that mailbox exists */
    bool disabled_is_permanent;  /* LMTP to a disabled account: 550 instead of 450 */
    const char *passwd_file;     /* "" for none */
    struct config_list backends; /* config/backends.h reads them */
    bool scram, scram_sha1;      /* offered over TLS */
    const char *idp_folder;      /* "" for none */
    struct config_list oauth;
    const char *gssapi_keytab;        /* SASL GSSAPI; "" for none */
    struct config_list gssapi_realms; /* realm_map.h reads them */
    int64_t
        legacy_passwords_until; /* unix seconds; 0: account passwords are no IMAP credential */
    const char *policy_file;    /* rules about logins: auth/policy.h; "" for none */
    uint32_t policy_mode;       /* enum policy_mode */
    uint32_t policy_confirm_days;   /* so long a confirmation is good */
    uint64_t password_min;          /* characters of a new account password */
    const char *breached_passwords; /* "": no list */

    /* limits */
    uint64_t message_max_bytes;
    uint32_t connections_per_user;
    uint32_t connections_per_device;
    uint32_t strangers_per_source;            /* at each gate */
    uint32_t message_limit, save_limit;       /* RFC 9738; 0: none; never both */
    uint64_t quota_storage;                   /* bytes an account may hold; 0: no limit */
    uint64_t quota_annotations;               /* the same beside messages */
    uint32_t quota_messages, quota_mailboxes; /* 0: no limit */
    struct config_percents quota_marks;
    struct config_list quota_admins;     /* users who may see and set anybody's by IMAP */
    struct config_list submission_users; /* submission servers that fetch mail by URL */
    const char
        *moved_to; /* a server that takes everybody's connections; empty: this one does */
    struct config_list moved_users, remote_mailboxes; /* of other servers: elsewhere.h */
    uint32_t undelete_days; /* 0: what is expunged cannot be brought back */
    uint32_t threads;       /* of the mail role; 0: twice the processors, at least 4 */

    /* store */
    uint32_t search_index_min; /* messages of an account that is indexed unasked */
    bool archive;              /* closed journal segments wait for the next backup */
    uint64_t archive_max_bytes;

    /* processes */
    enum sandbox_mode sandbox;
    const char
        *user_prefix; /* system users PREFIX-gate, PREFIX-auth, ... when started as root */

    /* log */
    const char *log; /* "stderr", "syslog" or "file:/path" */
    enum log_format log_format;
    const char *log_level;    /* debug info warning error */
    bool log_mail_events;     /* append, move, expunge and delete with uid and Message-ID */
    uint32_t audit_keep_days; /* 0: for ever */
    const char *audit_ship;   /* a receiver of syslog over TLS: syslog_target.h; "" for none */
    const char *audit_ship_ca, *audit_ship_name, *audit_ship_certificate, *audit_ship_key;

    struct arena *arena; /* owns every pointer above */
};

struct config_error {
    char file[160];
    int line; /* 0: the whole file */
    char text[200];
};

struct config_errors {
    struct config_error list[CONFIG_ERRORS_MAX];
    size_t n;
};

/* All defaults, data_dir "/var/lib/roost". */
struct config *config_new(void);
void config_free(struct config *config); /* NULL is allowed */
void config_freep(struct config **config);

/* Read and check a file. Relative paths in it count from the file's folder. errors is filled on
 * failure. */
MUST_CHECK enum rc config_read(const char *path, struct config **out,
                               struct config_errors *errors);

/* For the other roles. */
void config_encode(const struct config *config, struct buf *out);
MUST_CHECK enum rc config_decode(struct slice blob, struct config **out, struct err *err);

/* Do both say the same of the setting at this place of the table? */
bool config_same(const struct config *a, const struct config *b, size_t at);

/* For documentation and `check-config --defaults`: each setting in the order of the table. */
struct config_setting {
    const char *name, *kind, *value, *doc; /* value: the default as it would be written */
};
size_t config_setting_count(void);
struct config_setting config_setting_at(size_t at);

#endif
