/* settings.c - the table of all settings: name, kind, default, range and reason of each. */
#include "config/settings.h"

#define AT(field) offsetof(struct config, field)

// clang-format off
const struct setting config_table[] = {
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

const size_t config_table_count = COUNT(config_table);

static const char *const kind_names[] = {"text",   "path",   "list",   "paths",
                                         "yes/no", "number", "size",   "mode",
                                         "until",  "choice", "choice", "percents"};

bool setting_is_list(const struct setting *setting)
{
    return setting->kind == KIND_LIST || setting->kind == KIND_PATHS;
}

void *setting_field(struct config *config, const struct setting *setting)
{
    return (char *) config + setting->offset;
}

size_t config_setting_count(void)
{
    return config_table_count;
}

struct config_setting config_setting_at(size_t at)
{
    const struct setting *setting = &config_table[at];

    return (struct config_setting){setting->name, kind_names[setting->kind], setting->value,
                                   setting->doc};
}
