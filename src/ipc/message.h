/*
 * message.h - what the roles say to each other: fixed, versioned, length-checked messages.
 *
 * Contract: docs/formats/ipc.md. The list is message_table.h; this header turns it into
 * `struct msg_NAME` (fields as the table has them), `enum msg_type` (MSG_NAME) and `struct
 * msg`, whose union member is named like the struct:
 *
 *     struct msg msg = {.type = MSG_AUTH_FAIL, .auth_fail = {.conn = conn, .code = code}};
 *     rc = channel_post(auth, &msg, NULL, 0, &err);
 *
 * Who sent a message is known by the socket it came on, never by what it says. The decoder
 * refuses a type that this sender may not send to this receiver.
 *
 * Memory: slices of a decoded message point into the bytes it was decoded from.
 */
#ifndef ROOST_IPC_MESSAGE_H
#define ROOST_IPC_MESSAGE_H

#include "base/buf.h"
#include "base/ipaddr.h"
#include "base/scan.h"
#include "ipc/message_table.h"

#define MSG_MAX_BYTES                                                                          \
    (160u * 1024) /* one packet; below the 208 KiB a socket takes by default */
#define MSG_FDS_MAX 3u

enum role {
    ROLE_SUPERVISOR,
    ROLE_GATE,
    ROLE_AUTH,
    ROLE_MAIL,
    ROLE_DIGEST,
    ROLE_LOG,
    ROLE_WEB,
    ROLE_KEYS,
    ROLE_IDP,
    ROLE_SHIP,
    ROLE_GSS
};
#define ROLE_COUNT (ROLE_GSS + 1)

enum service { SERVICE_IMAP = 1, SERVICE_LMTP = 2, SERVICE_SUBMISSION = 3 };
enum transport { TRANSPORT_BARE = 1, TRANSPORT_PROXIED = 2 };

enum listener_kind {
    LISTENER_IMAP = 1,  /* plaintext, STARTTLS if flagged */
    LISTENER_IMAPS = 2, /* TLS from the first byte */
    LISTENER_LMTP = 3,
    LISTENER_CONTROL = 4,   /* SEQPACKET, ipc/control.h; to supervisor, auth, mail */
    LISTENER_WEB = 5,       /* HTTP over TLS, to web */
    LISTENER_SASL = 6,      /* a mail server asks who may submit: docs/formats/auth-socket.md */
    LISTENER_SOCKETMAP = 7, /* Postfix asks whom an address means */
};
#define LISTENER_STARTTLS  1u /* offer STARTTLS */
#define LISTENER_PLAINTEXT 2u /* logins without TLS are allowed on loopback */

/* Why a login was refused; the gate has the tagged NO (RFC 5530) for each in one table. */
enum auth_code {
    AUTH_CODE_FAILED = 1,    /* [AUTHENTICATIONFAILED] */
    AUTH_CODE_EXPIRED,       /* [EXPIRED] */
    AUTH_CODE_PRIVACY,       /* [PRIVACYREQUIRED] */
    AUTH_CODE_UNAVAILABLE,   /* [UNAVAILABLE] */
    AUTH_CODE_LIMIT,         /* [LIMIT] */
    AUTH_CODE_CONTACTADMIN,  /* [CONTACTADMIN] */
    AUTH_CODE_AUTHORIZATION, /* [AUTHORIZATIONFAILED]: may not act as that user */
    AUTH_CODE_MALFORMED,     /* BAD: the response is not in the mechanism's grammar */
    AUTH_CODE_NO_MECHANISM,  /* NO: not offered */
    AUTH_CODE_REFERRAL,      /* [REFERRAL url]: the text is the URL (RFC 2221) */
    AUTH_CODE_POLICY,        /* [AUTHORIZATIONFAILED]: rules of the administrator */
    AUTH_CODE_CONFIRM,       /* [ALERT]: the text says what the user has to do */
    AUTH_CODE_COUNT
};

enum resolve_code {
    RESOLVE_OK = 1,
    RESOLVE_UNKNOWN,   /* 550 5.1.1 */
    RESOLVE_DISABLED,  /* 450 4.2.1 */
    RESOLVE_FULL,      /* 452 4.2.2 */
    RESOLVE_TEMPORARY, /* 451 4.3.0: auth cannot say */
    RESOLVE_SYNTAX,    /* 553 5.1.3: not an address */
    RESOLVE_DELETED,   /* LOOKUP_USER by id: the account was there, and is deleted for good */
    RESOLVE_COUNT
};

/* How a request of web ended. */
enum enrol_code {
    ENROL_OK = 1,
    ENROL_REFUSED,     /* name, password or code: which of them is not said */
    ENROL_OVER,        /* no such session, or it is over: log in again */
    ENROL_INVALID,     /* the text says what is wrong with the request */
    ENROL_FULL,        /* too many devices */
    ENROL_UNAVAILABLE, /* not now */
    ENROL_CODE_COUNT
};

#define GRANT_READ  1u
#define GRANT_WRITE 2u /* absent: a read-only credential */
#define GRANT_ADMIN 4u

/* What idp is asked: whether a bearer token is good, whether a password is a user's, and
 * whether a user is there at all. */
enum idp_ask { IDP_ASK_TOKEN = 1, IDP_ASK_PASSWORD, IDP_ASK_USER, IDP_ASK_COUNT };

enum idp_code {
    IDP_OK = 1,      /* user is who it is */
    IDP_REFUSED,     /* wrong password, a token that is not good */
    IDP_UNKNOWN,     /* nobody of that name */
    IDP_DISABLED,    /* right, but not to be let in there */
    IDP_EXPIRED,     /* right once */
    IDP_UNAVAILABLE, /* the other server cannot say now: neither yes nor no */
    IDP_CODE_COUNT
};

/* What a step of SASL's GSSAPI came to. */
enum gss_code {
    GSS_CODE_MORE = 1,    /* the client has to answer */
    GSS_CODE_GOOD,        /* principal is who it is */
    GSS_CODE_REFUSED,     /* a ticket that is not good for here */
    GSS_CODE_MALFORMED,   /* not in the mechanism's grammar */
    GSS_CODE_UNAVAILABLE, /* gss cannot say: too many at once, or it knows no such exchange */
    GSS_CODE_COUNT
};

/* Whom a row of the directory is about. */
enum principal_wire { WIRE_USER = 1, WIRE_SHARED = 2, WIRE_GROUP = 3 };

enum revoke_what { REVOKE_ACCOUNT = 1, REVOKE_DEVICE = 2, REVOKE_ALL = 3, REVOKE_WATCH = 4 };

enum close_reason {
    CLOSE_PEER_CLOSED = 1, /* the client ended the connection */
    CLOSE_PEER_RESET,      /* the network ended it */
    CLOSE_TLS_ERROR,
    CLOSE_TIMEOUT,
    CLOSE_LOGOUT,
    CLOSE_SHUTDOWN,
    CLOSE_REVOKED,
    CLOSE_PROTOCOL, /* the client broke a rule too often */
    CLOSE_INTERNAL,
    CLOSE_COUNT
};

// clang-format off
#define MSG_STRUCT_U8(name)       uint8_t name;
#define MSG_STRUCT_U16(name)      uint16_t name;
#define MSG_STRUCT_U32(name)      uint32_t name;
#define MSG_STRUCT_U64(name)      uint64_t name;
#define MSG_STRUCT_ADDR(name)     struct ipaddr name;
#define MSG_STRUCT_BYTES(name, m) struct slice name;
#define MSG_STRUCT_FIXED(name, n) uint8_t name[n];
#define MSG_STRUCT(NAME, name, nr, ver, fds, from, to)                                         \
    struct msg_##name {                                                                        \
        MSG_##NAME##_FIELDS(MSG_STRUCT_U8, MSG_STRUCT_U16, MSG_STRUCT_U32, MSG_STRUCT_U64,     \
                            MSG_STRUCT_ADDR, MSG_STRUCT_BYTES, MSG_STRUCT_FIXED)               \
    };
MESSAGES(MSG_STRUCT)

enum msg_type {
    MSG_NONE = 0,
#define MSG_NUMBER(NAME, name, nr, ver, fds, from, to) MSG_##NAME = (nr),
    MESSAGES(MSG_NUMBER)
#undef MSG_NUMBER
};

struct msg {
    enum msg_type type;
    union {
#define MSG_MEMBER(NAME, name, nr, ver, fds, from, to) struct msg_##name name;
        MESSAGES(MSG_MEMBER)
#undef MSG_MEMBER
    };
};
// clang-format on

/* "gate". Static. */
const char *role_name(enum role role);
bool role_from_name(struct slice name, enum role *out);
/* "AUTH_START"; "?" for a number that is no type. Static. */
const char *msg_name(enum msg_type type);
/* How many descriptors travel with it. */
size_t msg_n_fds(enum msg_type type);

/* Append the wire form. RC_LIMIT, out as it was, if a field is longer than its row allows. */
MUST_CHECK enum rc msg_encode(const struct msg *msg, struct buf *out, struct err *err);

/*
 * All of bytes as one message from `from` to `to` that came with n_fds descriptors. RC_SYNTAX
 * if it is short, long, of an unknown type or version, over a limit or has the wrong number of
 * descriptors; RC_DENIED if that sender may not send it there. Then out is as it was.
 */
MUST_CHECK enum rc msg_decode(struct slice bytes, size_t n_fds, enum role from, enum role to,
                              struct msg *out, struct err *err);

/* Lists inside a BYTES field: items one after the other, each a u32 length and its bytes. */
void msg_list_add(struct buf *list, struct slice item);
/* The next item, or false at the end and where the list is broken. */
bool msg_list_next(struct scan *list, struct slice *out);

#endif
