#include "imap/capability.h"

// clang-format off
const struct imap_cap_info imap_caps[IMAP_CAP_COUNT] = {
    [IMAP_CAP_NONE]               = {"",                   SHOW_NEVER,         false, ""},
    [IMAP_CAP_IMAP4REV1]          = {"IMAP4rev1",          SHOW_ALWAYS,        false, "RFC 3501"},
    [IMAP_CAP_IMAP4REV2]          = {"IMAP4rev2",          SHOW_ALWAYS,        true,  "RFC 9051"},
    [IMAP_CAP_LITERAL_PLUS]       = {"LITERAL+",           SHOW_ALWAYS,        false, "RFC 7888 4"},
    [IMAP_CAP_SASL_IR]            = {"SASL-IR",            SHOW_BEFORE,        false, "RFC 4959"},
    [IMAP_CAP_ID]                 = {"ID",                 SHOW_ALWAYS,        false, "RFC 2971"},
    [IMAP_CAP_ENABLE]             = {"ENABLE",             SHOW_ALWAYS,        false, "RFC 5161"},
    [IMAP_CAP_STARTTLS]           = {"STARTTLS",           SHOW_STARTTLS,      false, "RFC 9051 6.2.1"},
    [IMAP_CAP_LOGINDISABLED]      = {"LOGINDISABLED",      SHOW_LOGINDISABLED, false, "RFC 9051 6.2.3"},
    [IMAP_CAP_AUTH_PLAIN]         = {"AUTH=PLAIN",         SHOW_LOGIN,         false, "RFC 4616"},
    [IMAP_CAP_APPENDLIMIT]        = {"APPENDLIMIT",        SHOW_AFTER,         false, "RFC 7889 3"},
    [IMAP_CAP_BINARY]             = {"BINARY",             SHOW_AFTER,         false, "RFC 3516"},
    [IMAP_CAP_CHILDREN]           = {"CHILDREN",           SHOW_AFTER,         false, "RFC 3348"},
    [IMAP_CAP_CREATE_SPECIAL_USE] = {"CREATE-SPECIAL-USE", SHOW_AFTER,         false, "RFC 6154 3"},
    [IMAP_CAP_ESEARCH]            = {"ESEARCH",            SHOW_AFTER,         false, "RFC 4731"},
    [IMAP_CAP_IDLE]               = {"IDLE",               SHOW_AFTER,         false, "RFC 2177"},
    [IMAP_CAP_LIST_EXTENDED]      = {"LIST-EXTENDED",      SHOW_AFTER,         false, "RFC 5258"},
    [IMAP_CAP_LIST_STATUS]        = {"LIST-STATUS",        SHOW_AFTER,         false, "RFC 5819"},
    [IMAP_CAP_MOVE]               = {"MOVE",               SHOW_AFTER,         false, "RFC 6851"},
    [IMAP_CAP_MULTIAPPEND]        = {"MULTIAPPEND",        SHOW_AFTER,         false, "RFC 3502"},
    [IMAP_CAP_NAMESPACE]          = {"NAMESPACE",          SHOW_AFTER,         false, "RFC 2342"},
    [IMAP_CAP_SEARCHRES]          = {"SEARCHRES",          SHOW_AFTER,         false, "RFC 5182"},
    [IMAP_CAP_SPECIAL_USE]        = {"SPECIAL-USE",        SHOW_AFTER,         false, "RFC 6154 2"},
    [IMAP_CAP_STATUS_SIZE]        = {"STATUS=SIZE",        SHOW_AFTER,         false, "RFC 8438"},
    [IMAP_CAP_UIDPLUS]            = {"UIDPLUS",            SHOW_AFTER,         false, "RFC 4315"},
    [IMAP_CAP_UNSELECT]           = {"UNSELECT",           SHOW_AFTER,         false, "RFC 3691"},
    [IMAP_CAP_UTF8_ACCEPT]        = {"UTF8=ACCEPT",        SHOW_AFTER,         true,  "RFC 9755"},
    [IMAP_CAP_CONDSTORE]          = {"CONDSTORE",          SHOW_AFTER,         true,  "RFC 7162 3.1"},
    [IMAP_CAP_QRESYNC]            = {"QRESYNC",            SHOW_AFTER,         true,  "RFC 7162 3.2"},
    [IMAP_CAP_OBJECTID]           = {"OBJECTID",           SHOW_AFTER,         false, "RFC 8474"},
    [IMAP_CAP_PREVIEW]            = {"PREVIEW",            SHOW_AFTER,         false, "RFC 8970"},
    [IMAP_CAP_SAVEDATE]           = {"SAVEDATE",           SHOW_AFTER,         false, "RFC 8514"},
    [IMAP_CAP_WITHIN]             = {"WITHIN",             SHOW_AFTER,         false, "RFC 5032"},
    [IMAP_CAP_METADATA]           = {"METADATA",           SHOW_AFTER,         false, "RFC 5464"},
    [IMAP_CAP_ANNOTATE]           = {"ANNOTATE-EXPERIMENT-1", SHOW_AFTER,      false, "RFC 5257"},
    [IMAP_CAP_LIST_METADATA]      = {"LIST-METADATA",      SHOW_AFTER,         false, "RFC 9590"},
    [IMAP_CAP_REPLACE]            = {"REPLACE",            SHOW_AFTER,         false, "RFC 8508"},
    [IMAP_CAP_PARTIAL]            = {"PARTIAL",            SHOW_AFTER,         false, "RFC 9394"},
    [IMAP_CAP_UNAUTHENTICATE]     = {"UNAUTHENTICATE",     SHOW_AFTER,         false, "RFC 8437"},
    [IMAP_CAP_CATENATE]           = {"CATENATE",           SHOW_AFTER,         false, "RFC 4469"},
    [IMAP_CAP_URL_PARTIAL]        = {"URL-PARTIAL",        SHOW_AFTER,         false, "RFC 5550 5.7.1"},
    [IMAP_CAP_UIDONLY]            = {"UIDONLY",            SHOW_AFTER,         true,  "RFC 9586"},
    [IMAP_CAP_NOTIFY]             = {"NOTIFY",             SHOW_AFTER,         false, "RFC 5465"},
    [IMAP_CAP_ACL]                = {"ACL",                SHOW_AFTER,         false, "RFC 4314"},
    [IMAP_CAP_RIGHTS]             = {"RIGHTS=texkn",       SHOW_AFTER,         false, "RFC 4314 2.2"},
    [IMAP_CAP_LIST_MYRIGHTS]      = {"LIST-MYRIGHTS",      SHOW_AFTER,         false, "RFC 8440"},
    [IMAP_CAP_UIDBATCHES]         = {"UIDBATCHES",         SHOW_AFTER,         false, "RFC 10022"},
    [IMAP_CAP_INPROGRESS]         = {"INPROGRESS",         SHOW_AFTER,         false, "RFC 9585"},
    [IMAP_CAP_MESSAGELIMIT]       = {"MESSAGELIMIT",       SHOW_MESSAGELIMIT,  false, "RFC 9738"},
    [IMAP_CAP_SAVELIMIT]          = {"SAVELIMIT",          SHOW_SAVELIMIT,     false, "RFC 9738"},
    [IMAP_CAP_URLAUTH]            = {"URLAUTH",            SHOW_AFTER,         false, "RFC 4467"},
    [IMAP_CAP_URLAUTH_BINARY]     = {"URLAUTH=BINARY",     SHOW_AFTER,         false, "RFC 5524"},
    [IMAP_CAP_XLIST]              = {"XLIST",              SHOW_AFTER,         false, "Gmail"},
    [IMAP_CAP_LOGIN_REFERRALS]    = {"LOGIN-REFERRALS",    SHOW_LOGIN_REFERRALS, false, "RFC 2221"},
    [IMAP_CAP_MAILBOX_REFERRALS]  = {"MAILBOX-REFERRALS",  SHOW_MAILBOX_REFERRALS, false, "RFC 2193"},
    [IMAP_CAP_LANGUAGE]           = {"LANGUAGE",           SHOW_ALWAYS,        false, "RFC 5255 3"},
    [IMAP_CAP_SORT]               = {"SORT",               SHOW_AFTER,         false, "RFC 5256"},
    [IMAP_CAP_SORT_DISPLAY]       = {"SORT=DISPLAY",       SHOW_AFTER,         false, "RFC 5957"},
    [IMAP_CAP_ESORT]              = {"ESORT",              SHOW_AFTER,         false, "RFC 5267 3.1"},
    [IMAP_CAP_THREAD_ORDEREDSUBJECT] = {"THREAD=ORDEREDSUBJECT", SHOW_AFTER,   false, "RFC 5256"},
    [IMAP_CAP_THREAD_REFERENCES]  = {"THREAD=REFERENCES",  SHOW_AFTER,         false, "RFC 5256"},
    [IMAP_CAP_THREAD_REFS]        = {"THREAD=REFS",        SHOW_AFTER,         false, "draft-ietf-morg-inthread"},
    [IMAP_CAP_I18NLEVEL_2]        = {"I18NLEVEL=2",        SHOW_AFTER,         false, "RFC 5255 4.4"},
    [IMAP_CAP_SEARCH_FUZZY]       = {"SEARCH=FUZZY",       SHOW_AFTER,         false, "RFC 6203"},
    [IMAP_CAP_FILTERS]            = {"FILTERS",            SHOW_AFTER,         false, "RFC 5466"},
    [IMAP_CAP_MULTISEARCH]        = {"MULTISEARCH",        SHOW_AFTER,         false, "RFC 7377"},
    [IMAP_CAP_CONTEXT_SEARCH]     = {"CONTEXT=SEARCH",     SHOW_AFTER,         false, "RFC 5267 4"},
    [IMAP_CAP_CONTEXT_SORT]       = {"CONTEXT=SORT",       SHOW_AFTER,         false, "RFC 5267 4"},
    [IMAP_CAP_AUTH_OAUTHBEARER]   = {"AUTH=OAUTHBEARER",   SHOW_OAUTH,         false, "RFC 7628"},
    [IMAP_CAP_AUTH_XOAUTH2]       = {"AUTH=XOAUTH2",       SHOW_OAUTH,         false, "Google, Microsoft"},
    [IMAP_CAP_AUTH_SCRAM_SHA_256] = {"AUTH=SCRAM-SHA-256", SHOW_SCRAM,         false, "RFC 7677"},
    [IMAP_CAP_AUTH_SCRAM_SHA_256_PLUS] = {"AUTH=SCRAM-SHA-256-PLUS", SHOW_SCRAM_PLUS, false, "RFC 7677, RFC 9266"},
    [IMAP_CAP_AUTH_SCRAM_SHA_1]   = {"AUTH=SCRAM-SHA-1",   SHOW_SCRAM_SHA1,    false, "RFC 5802"},
    [IMAP_CAP_AUTH_SCRAM_SHA_1_PLUS] = {"AUTH=SCRAM-SHA-1-PLUS", SHOW_SCRAM_SHA1_PLUS, false, "RFC 5802, RFC 9266"},
    [IMAP_CAP_AUTH_EXTERNAL]      = {"AUTH=EXTERNAL",      SHOW_EXTERNAL,      false, "RFC 4422 appendix A"},
    [IMAP_CAP_AUTH_GSSAPI]        = {"AUTH=GSSAPI",        SHOW_GSSAPI,        false, "RFC 4752"},
    [IMAP_CAP_COMPRESS]           = {"COMPRESS=DEFLATE",   SHOW_COMPRESS,      false, "RFC 4978"},
    [IMAP_CAP_QUOTA]              = {"QUOTA",              SHOW_AFTER,         false, "RFC 9208"},
    [IMAP_CAP_QUOTA_STORAGE]      = {"QUOTA=RES-STORAGE",  SHOW_AFTER,         false, "RFC 9208 5.1"},
    [IMAP_CAP_QUOTA_MESSAGE]      = {"QUOTA=RES-MESSAGE",  SHOW_AFTER,         false, "RFC 9208 5.2"},
    [IMAP_CAP_QUOTA_MAILBOX]      = {"QUOTA=RES-MAILBOX",  SHOW_AFTER,         false, "RFC 9208 5.3"},
    [IMAP_CAP_QUOTA_ANNOTATIONS]  = {"QUOTA=RES-ANNOTATION-STORAGE", SHOW_AFTER, false, "RFC 9208 5.4"},
    [IMAP_CAP_QUOTASET]           = {"QUOTASET",           SHOW_AFTER,         false, "RFC 9208 4.1.3"},
};
// clang-format on

static bool is_shown(enum imap_cap_show show, const struct imap_cap_view *view)
{
    switch (show) {
    case SHOW_NEVER:
        return false;
    case SHOW_ALWAYS:
        return true;
    case SHOW_BEFORE:
        return !view->after_login;
    case SHOW_STARTTLS:
        return !view->after_login && view->starttls;
    case SHOW_LOGINDISABLED:
        return !view->after_login && view->login_disabled;
    case SHOW_LOGIN:
        return !view->after_login && !view->login_disabled;
    case SHOW_OAUTH:
        return !view->after_login && view->oauth;
    case SHOW_SCRAM:
        return !view->after_login && view->scram;
    case SHOW_SCRAM_PLUS:
        return !view->after_login && view->scram && view->channel_binding;
    case SHOW_SCRAM_SHA1:
        return !view->after_login && view->scram_sha1;
    case SHOW_SCRAM_SHA1_PLUS:
        return !view->after_login && view->scram_sha1 && view->channel_binding;
    case SHOW_EXTERNAL:
        return !view->after_login && view->external;
    case SHOW_GSSAPI:
        return !view->after_login && view->gssapi;
    case SHOW_AFTER:
        return view->after_login;
    case SHOW_MESSAGELIMIT:
        return view->after_login && view->message_limit > 0;
    case SHOW_SAVELIMIT:
        return view->after_login && view->save_limit > 0;
    case SHOW_COMPRESS:
        return view->after_login && !view->compressed;
    case SHOW_LOGIN_REFERRALS:
        return view->login_referrals;
    case SHOW_MAILBOX_REFERRALS:
        return view->after_login && view->mailbox_referrals;
    }
    return false;
}

/* What stands behind "=". */
static bool value_of(enum imap_cap cap, const struct imap_cap_view *view, uint64_t *out)
{
    if (cap == IMAP_CAP_APPENDLIMIT)
        *out = view->append_limit;
    else if (cap == IMAP_CAP_MESSAGELIMIT)
        *out = view->message_limit;
    else if (cap == IMAP_CAP_SAVELIMIT)
        *out = view->save_limit;
    else
        return false;
    return true;
}

void imap_print_capabilities(struct buf *buf, const struct imap_cap_view *view)
{
    uint64_t value;

    buf_str(buf, "CAPABILITY");
    for (enum imap_cap cap = IMAP_CAP_NONE + 1; cap < IMAP_CAP_COUNT; cap++) {
        if (!is_shown(imap_caps[cap].show, view))
            continue;
        buf_byte(buf, ' ');
        buf_str(buf, imap_caps[cap].name);
        if (value_of(cap, view, &value)) {
            buf_byte(buf, '=');
            buf_u64(buf, value);
        }
    }
}

enum imap_cap imap_cap_find(struct slice name)
{
    for (enum imap_cap cap = IMAP_CAP_NONE + 1; cap < IMAP_CAP_COUNT; cap++)
        if (slice_eq_nocase(name, slice_from_str(imap_caps[cap].name)))
            return cap;
    return IMAP_CAP_NONE;
}
