/*
 * enrol.h - people make the devices of their own account: who may, and for how long.
 *
 * Who comes names the account and gives its password and a code of the second factor
 * (factor.h), both or nothing. login_claim() says which hash a thread must check, for users
 * that do not exist too; enrol_judge() then decides, uses the code up, and opens a session if
 * the caller wants one: a token of 256 bits, good for ENROL_SESSION_SEC and that account alone,
 * kept as a hash only. The answer to the peer is the same for a name that nobody has, an
 * account without second factor, a wrong password and a wrong code, and so are the steps taken;
 * the reason is for the log.
 *
 * Six digits can be guessed by who has the password and many addresses: after ENROL_WRONG_MAX
 * wrong codes behind a right password the account takes no code of six digits until they are
 * forgotten, one each ENROL_WRONG_DRAIN_SEC. Only who has the password can bring that about,
 * and the recovery codes stay good. It is kept in memory, since a write would tell by its time
 * that the password was right.
 *
 * Throttling by source and user is the caller's (throttle.h), and so are threads. Times are
 * clock_mono_us() where they end in _us.
 */
#ifndef ROOST_AUTH_ENROL_H
#define ROOST_AUTH_ENROL_H

#include "auth/factor.h"
#include "auth/login.h"

#define ENROL_TOKEN_BYTES     32u
#define ENROL_SESSION_SEC     600
#define ENROL_SESSIONS_MAX    4096u /* 400 bytes each; the oldest makes room */
#define ENROL_SESSIONS_EACH   8u    /* of one account: the oldest makes room */
#define ENROL_DEVICES_EACH    32u   /* made in one session: revoked ones leave rows too */
#define ENROL_WRONG_MAX       10
#define ENROL_WRONG_DRAIN_SEC 600   /* 144 codes a day of 1,000,000, three of which are good */
#define ENROL_WRONG_ACCOUNTS  1024u /* accounts whose password strangers have, at once */
#define ENROL_CODE_MAX        RECOVERY_TYPED_MAX

enum enrol_reason {
    ENROL_REASON_NONE,
    ENROL_REASON_UNKNOWN_USER,
    ENROL_REASON_WRONG_PASSWORD,
    ENROL_REASON_NO_SECOND_FACTOR,
    ENROL_REASON_WRONG_CODE,
    ENROL_REASON_CODE_LIMIT,
    ENROL_REASON_DISABLED,
    ENROL_REASON_MALFORMED,
    ENROL_REASON_BUSY,
    ENROL_REASON_THROTTLED, /* too many guesses from there: not checked */
    ENROL_REASON_BACKEND,   /* one that must be asked cannot be */
    ENROL_REASON_INTERNAL,
    ENROL_REASON_COUNT
};

struct enrol_token {
    unsigned char bytes[ENROL_TOKEN_BYTES];
};

struct enrol;

/* Who may come in. name lives as long as the session: until the next call. */
struct enrol_session {
    uint64_t account;
    struct slice user;
    struct ipaddr peer; /* from where it was opened; for the log */
};

/* "wrong_code". Static; stable, as the words of login.h. */
const char *enrol_reason_name(enum enrol_reason reason);
/* What is counted against guessing. */
bool enrol_reason_is_guess(enum enrol_reason reason);

/* realm stays the caller's and lives longer. */
struct enrol *enrol_new(struct realm *realm);
void enrol_free(struct enrol *enrol);

/* Does the secret fit the hash of LOGIN_HASH? For a thread. An empty hash, of a password about
 * which login_check() could decide at once, fits nothing and takes as long as one of ours. */
bool enrol_password_matches(struct slice hash, struct slice secret);

struct enrol_claim {
    struct slice code; /* as it was typed */
    int64_t now;       /* seconds since 1970 */
    int64_t now_us;
};

/* password: granted or refused, by now. ENROL_REASON_NONE: let in, and the code is used up;
 * kind is what it was. ENROL_REASON_INTERNAL: err says how. */
enum enrol_reason enrol_judge(struct enrol *enrol, const struct enrol_claim *claim,
                              const struct login_outcome *password, enum factor_kind *kind,
                              struct err *err);

void enrol_open(struct enrol *enrol, uint64_t account, struct slice user,
                const struct ipaddr *peer, int64_t now_us, struct enrol_token *out);
/* RC_NOT_FOUND: no such session, it is over, or its account may not come in any more. */
MUST_CHECK enum rc enrol_find(struct enrol *enrol, const struct enrol_token *token,
                              int64_t now_us, struct enrol_session *out, struct err *err);
/* The session makes a device. RC_LIMIT: it has made enough. RC_NOT_FOUND: there is none. */
MUST_CHECK enum rc enrol_count_device(struct enrol *enrol, const struct enrol_token *token,
                                      struct err *err);
void enrol_close(struct enrol *enrol, const struct enrol_token *token);
/* All sessions of an account end: its password or second factor changed, or it is disabled. */
void enrol_forget(struct enrol *enrol, uint64_t account);
size_t enrol_n_sessions(const struct enrol *enrol);

#endif
