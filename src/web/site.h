/*
 * site.h - the enrolment page as a function: a request in; an answer out, or a question for
 * auth whose reply makes the answer.
 *
 *     GET  /            devices, and the form for a new one      (no session: to /login)
 *     GET  /login       the form                                 POST /login: a session
 *     POST /device      a new device: its app password, once
 *     POST /profile     that password as a .mobileconfig, sent back by the page that shows it
 *     POST /revoke      a device ends, and its sessions
 *     POST /confirm     a device that waits is let in from there (auth/policy.h, step-up)
 *     POST /logout
 *     GET  /style.css
 *
 * What stands against other sites: SameSite cookies with the __Host- prefix (RFC
 * 6265bis 4.1.3), a token in each form (form_token.h), Origin and Sec-Fetch-Site where the
 * browser sends them, and the Host header must be ours (421), which also stops names of others
 * that resolve to us. Answers are the same for a user who does not exist, has no second factor
 * or mistyped.
 *
 * Nothing is kept here between requests: auth holds the session, the browser its token.
 *
 * Memory: headers live in the arena, a page in its answer; slices of a question point into the
 * request. A password is in the request's body, which its owner wipes, and in the page, which
 * site_answer_done() does.
 */
#ifndef ROOST_WEB_SITE_H
#define ROOST_WEB_SITE_H

#include "base/arena.h"
#include "base/buf.h"
#include "web/form_token.h"

#define SITE_SESSION_COOKIE "__Host-roost"
#define SITE_FORM_COOKIE    "__Host-roost-form"
#define SITE_TOKEN_BYTES    32u  /* of a session, as auth gives it */
#define SITE_DEVICES_MAX    256u /* shown; auth allows no more */
#define SITE_WAITING_MAX    16u  /* the same */
#define SITE_ADDRESS_MAX    64u  /* of text */
#define SITE_CODE_MAX_BYTES 64u  /* as auth takes it */
#define SITE_NAME_MAX_BYTES 64u  /* of a new device */
#define SITE_DAYS_MAX       3650u
#define SITE_ANSWER_MAX_BYTES                                                                  \
    ((size_t) 4 << 20) /* all devices with all they may be limited to */
#define SITE_HEADERS_MAX 12u

enum site_method { SITE_GET, SITE_HEAD, SITE_POST, SITE_OTHER_METHOD };

/* Headers that did not come are empty. */
struct site_request {
    enum site_method method;
    struct slice path; /* without the query, not decoded */
    struct slice host, origin, fetch_site, cookie, content_type;
    char *body; /* rewritten while it is parsed */
    size_t body_len;
};

enum site_scope { SITE_SCOPE_IMAP = 1, SITE_SCOPE_SEND = 2 };

/* A question for auth. */
enum site_ask_kind {
    SITE_ASK_NONE,
    SITE_ASK_LOGIN,
    SITE_ASK_DEVICES,
    SITE_ASK_CREATE,
    SITE_ASK_REVOKE,
    SITE_ASK_CONFIRM,
    SITE_ASK_LOGOUT,
};

struct site_ask {
    enum site_ask_kind kind;
    unsigned char token[SITE_TOKEN_BYTES]; /* all but LOGIN */
    struct slice user, password, code;     /* LOGIN */
    struct slice name;                     /* CREATE */
    unsigned scope;                        /* CREATE: enum site_scope, or-ed */
    bool read_only;                        /* CREATE */
    struct slice folders, networks;        /* CREATE: one a line; empty: all */
    uint32_t days;                         /* CREATE: so long it is good; 0: until revoked */
    uint64_t device;                       /* REVOKE, CONFIRM */
    struct slice address;                  /* CONFIRM */
};

/* What auth said. */
enum site_verdict {
    SITE_DONE,
    SITE_NO_SESSION, /* over, or never was */
    SITE_REFUSED,    /* LOGIN: user, password or code; the same for all */
    SITE_INVALID,    /* CREATE: the name or the rights; text says what */
    SITE_LIMIT,      /* too many devices, or requests */
    SITE_NOT_THERE,  /* REVOKE, CONFIRM: no such device of this user */
    SITE_BUSY,       /* auth is not there, or has too much to do */
};

struct site_device {
    uint64_t id;
    struct slice name;
    unsigned scope;
    bool read_only;
    struct slice folders, networks;      /* one a line; empty: all */
    int64_t created, last_used, expires; /* seconds since 1970; 0: never */
    struct slice last_address, last_client;
};

/* A login that was refused until the user confirms it. */
struct site_waiting {
    uint64_t device; /* 0: none */
    struct slice address;
    int64_t since;
};

struct site_reply {
    enum site_verdict verdict;
    struct slice text;                     /* INVALID, LIMIT: for the user */
    unsigned char token[SITE_TOKEN_BYTES]; /* LOGIN */
    uint32_t seconds;                      /* LOGIN: so long the session lasts */
    struct slice user;                     /* DEVICES, CREATE */
    const struct site_device *devices;     /* DEVICES */
    size_t n_devices;
    const struct site_waiting *waiting; /* DEVICES */
    size_t n_waiting;
    struct slice password; /* CREATE: as it is shown */
};

struct site_header {
    const char *name, *value;
};

struct site_answer {
    unsigned status;
    struct site_header headers[SITE_HEADERS_MAX];
    size_t n_headers;
    struct slice body; /* static, or what page has */
    struct buf page;
};

/* What the process knows. */
struct site {
    struct form_key key;
    struct slice name;      /* of this site, as browsers have it in Host, without port */
    struct slice mail_host; /* for .mobileconfig: where mail programs connect */
    uint16_t imap_port, smtp_port;
    bool sends; /* devices may be made for sending too */
};

/* One request on its way. */
struct site_turn {
    const struct site *site;
    struct arena *arena;
    const char *route;   /* its path; static */
    struct slice cookie; /* of the session, or of the form before login */
    struct site_ask ask; /* kind NONE: the answer is there already */
    struct site_answer answer;
};

/* turn is cleared memory with site and arena set. */
void site_begin(struct site_turn *turn, struct site_request *request);
/* What auth said about turn->ask: fills turn->answer. */
void site_end(struct site_turn *turn, const struct site_reply *reply);
/* The page wiped and given back. The memory of turn is its owner's. */
void site_answer_done(struct site_answer *answer);
/* An answer that needs no request that could be understood: 400, 408, 413, 503. */
void site_plain(struct site_turn *turn, unsigned status);

#endif
