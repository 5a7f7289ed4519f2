/*
 * capability.h - every capability we may announce, in one table.
 *
 * Spec: RFC 9051 6.1.1, 6.3.1 and 7.2.2; RFC 7888 (LITERAL+), RFC 7889 (APPENDLIMIT). The gate
 * (before login), CAPABILITY, ENABLE and the command table's `needs` column all read it. The
 * list before login is short: what a client needs to log in, nothing about mail.
 */
#ifndef ROOST_IMAP_CAPABILITY_H
#define ROOST_IMAP_CAPABILITY_H

#include "base/buf.h"

enum imap_cap {
    IMAP_CAP_NONE, /* of a command: needs nothing */
    IMAP_CAP_IMAP4REV1,
    IMAP_CAP_IMAP4REV2,
    IMAP_CAP_LITERAL_PLUS,
    IMAP_CAP_SASL_IR,
    IMAP_CAP_ID,
    IMAP_CAP_ENABLE,
    IMAP_CAP_STARTTLS,
    IMAP_CAP_LOGINDISABLED,
    IMAP_CAP_AUTH_PLAIN,
    IMAP_CAP_APPENDLIMIT,
    IMAP_CAP_BINARY,
    IMAP_CAP_CHILDREN,
    IMAP_CAP_CREATE_SPECIAL_USE,
    IMAP_CAP_ESEARCH,
    IMAP_CAP_IDLE,
    IMAP_CAP_LIST_EXTENDED,
    IMAP_CAP_LIST_STATUS,
    IMAP_CAP_MOVE,
    IMAP_CAP_MULTIAPPEND,
    IMAP_CAP_NAMESPACE,
    IMAP_CAP_SEARCHRES,
    IMAP_CAP_SPECIAL_USE,
    IMAP_CAP_STATUS_SIZE,
    IMAP_CAP_UIDPLUS,
    IMAP_CAP_UNSELECT,
    IMAP_CAP_UTF8_ACCEPT,
    IMAP_CAP_CONDSTORE,
    IMAP_CAP_QRESYNC,
    IMAP_CAP_OBJECTID,
    IMAP_CAP_PREVIEW,
    IMAP_CAP_SAVEDATE,
    IMAP_CAP_WITHIN,
    IMAP_CAP_COMPRESS,
    IMAP_CAP_METADATA,
    IMAP_CAP_ANNOTATE,
    IMAP_CAP_LIST_METADATA,
    IMAP_CAP_REPLACE,
    IMAP_CAP_PARTIAL,
    IMAP_CAP_UNAUTHENTICATE,
    IMAP_CAP_CATENATE,
    IMAP_CAP_URL_PARTIAL,
    IMAP_CAP_UIDONLY,
    IMAP_CAP_NOTIFY,
    IMAP_CAP_ACL,
    IMAP_CAP_RIGHTS,
    IMAP_CAP_LIST_MYRIGHTS,
    IMAP_CAP_UIDBATCHES,
    IMAP_CAP_INPROGRESS,
    IMAP_CAP_MESSAGELIMIT,
    IMAP_CAP_SAVELIMIT,
    IMAP_CAP_QUOTA,
    IMAP_CAP_QUOTA_STORAGE,
    IMAP_CAP_QUOTA_MESSAGE,
    IMAP_CAP_QUOTA_MAILBOX,
    IMAP_CAP_QUOTASET,
    IMAP_CAP_URLAUTH,
    IMAP_CAP_URLAUTH_BINARY,
    IMAP_CAP_XLIST,
    IMAP_CAP_LOGIN_REFERRALS,
    IMAP_CAP_MAILBOX_REFERRALS,
    IMAP_CAP_LANGUAGE,
    IMAP_CAP_SORT,
    IMAP_CAP_SORT_DISPLAY,
    IMAP_CAP_ESORT,
    IMAP_CAP_THREAD_ORDEREDSUBJECT,
    IMAP_CAP_THREAD_REFERENCES,
    IMAP_CAP_THREAD_REFS,
    IMAP_CAP_I18NLEVEL_2,
    IMAP_CAP_SEARCH_FUZZY,
    IMAP_CAP_FILTERS,
    IMAP_CAP_MULTISEARCH,
    IMAP_CAP_CONTEXT_SEARCH,
    IMAP_CAP_CONTEXT_SORT,
    IMAP_CAP_AUTH_OAUTHBEARER,
    IMAP_CAP_AUTH_XOAUTH2,
    IMAP_CAP_AUTH_SCRAM_SHA_256,
    IMAP_CAP_AUTH_SCRAM_SHA_256_PLUS,
    IMAP_CAP_AUTH_SCRAM_SHA_1,
    IMAP_CAP_AUTH_SCRAM_SHA_1_PLUS,
    IMAP_CAP_QUOTA_ANNOTATIONS,
    IMAP_CAP_AUTH_EXTERNAL,
    IMAP_CAP_AUTH_GSSAPI,
    IMAP_CAP_COUNT,
};

/* A capability as a bit in the set of what a session has enabled. Only for those that may be
 * enabled, which stand among the first 64. */
#define IMAP_CAP_BIT(cap) ((uint64_t) 1 << (cap))

enum imap_cap_show {
    SHOW_NEVER,         /* partly there; not announced, cannot be enabled */
    SHOW_ALWAYS,        /* before and after login */
    SHOW_BEFORE,        /* before login */
    SHOW_STARTTLS,      /* before login, while STARTTLS would be taken */
    SHOW_LOGINDISABLED, /* before login, while no password may be sent */
    SHOW_LOGIN,         /* before login, while one may */
    SHOW_OAUTH,         /* before login, over TLS, where an issuer is configured */
    SHOW_SCRAM,         /* before login, where it is offered */
    SHOW_SCRAM_PLUS,    /* the same, and TLS gives channel binding data (RFC 9266) */
    SHOW_SCRAM_SHA1,    /* where the old hash is switched on */
    SHOW_SCRAM_SHA1_PLUS,
    SHOW_EXTERNAL,          /* before login, to who has shown a certificate that is believed */
    SHOW_GSSAPI,            /* before login, over TLS, where there is a keytab */
    SHOW_AFTER,             /* after login */
    SHOW_MESSAGELIMIT,      /* after login, where one is configured (RFC 9738 3) */
    SHOW_SAVELIMIT,         /* the same */
    SHOW_COMPRESS,          /* after login, while nothing is compressed (RFC 4978 3) */
    SHOW_LOGIN_REFERRALS,   /* where users are configured to be elsewhere */
    SHOW_MAILBOX_REFERRALS, /* after login, where mailboxes are */
};

struct imap_cap_info {
    const char *name;
    enum imap_cap_show show;
    bool enables; /* may stand in ENABLE (RFC 9051 6.3.1) */
    const char *spec;
};

extern const struct imap_cap_info imap_caps[IMAP_CAP_COUNT];

/* What decides which are shown. */
struct imap_cap_view {
    bool after_login;
    bool starttls;          /* STARTTLS would be taken */
    bool login_disabled;    /* no password before TLS */
    bool oauth;             /* an issuer of tokens is configured, and this is TLS */
    bool scram, scram_sha1; /* offered here */
    bool channel_binding;   /* this connection has it */
    bool external;          /* this connection's certificate is believed */
    bool gssapi;            /* there is a keytab, and this is TLS */
    uint64_t append_limit;
    uint32_t message_limit, save_limit; /* RFC 9738; 0: none */
    bool login_referrals, mailbox_referrals;
    bool compressed; /* COMPRESS is active */
};

/* "CAPABILITY IMAP4rev2 ...": for an untagged answer or between brackets. */
void imap_print_capabilities(struct buf *buf, const struct imap_cap_view *view);

/* By name, case ignored; IMAP_CAP_NONE if we have none. */
enum imap_cap imap_cap_find(struct slice name);

#endif
