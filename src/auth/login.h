/*
 * login.h - from a claim to a decision: the rules of who comes in, without sockets or threads.
 *
 * login_check() tries the app password of a device, then asks the back-ends of the setting
 * `backends` in their order (config/backends.h): account passwords of ours and of foreign
 * back-ends count only before the date of `legacy_passwords`, or for enrolment. It decides at
 * once, or says which hash a thread must check (login_after_hash() then decides, with what the
 * database says by then), or which foreign back-end is to be asked (login_after_answer() then
 * decides, or goes on to the next). login_check_scram() compares a proof with the keys of
 * each password that the account may use. The outcome is for the log; the peer hears only its
 * code's text.
 *
 * Time tells nothing of who exists: for a name that nobody has the same steps are made, with a
 * hash that fits nothing.
 */
#ifndef ROOST_AUTH_LOGIN_H
#define ROOST_AUTH_LOGIN_H

#include "auth/backend.h"
#include "auth/certificate.h"
#include "auth/realm.h"
#include "auth/sasl.h"

#define LOGIN_ARENA_BYTES ((size_t) 256 << 10)

enum login_verdict { LOGIN_GRANTED, LOGIN_REFUSED, LOGIN_HASH, LOGIN_ASK };

enum login_by {
    LOGIN_BY_NONE,
    LOGIN_BY_DEVICE,
    LOGIN_BY_PASSWD_FILE,
    LOGIN_BY_LEGACY,
    LOGIN_BY_BACKEND,     /* a foreign one */
    LOGIN_BY_TOKEN,       /* an issuer's access token */
    LOGIN_BY_CERTIFICATE, /* one that is bound to no device */
    LOGIN_BY_TICKET,      /* Kerberos's */
    LOGIN_BY_COUNT
};

/* The words that stand in the log; stable, since fail2ban reads them (docs/operating.md). */
enum login_reason {
    LOGIN_REASON_NONE,
    LOGIN_REASON_UNKNOWN_USER,
    LOGIN_REASON_WRONG_PASSWORD,
    LOGIN_REASON_DISABLED,
    LOGIN_REASON_REVOKED,
    LOGIN_REASON_EXPIRED,
    LOGIN_REASON_SCOPE,
    LOGIN_REASON_NETWORK,
    LOGIN_REASON_AUTHZID,
    LOGIN_REASON_NO_TLS,
    LOGIN_REASON_MECHANISM,
    LOGIN_REASON_MALFORMED,
    LOGIN_REASON_CHANNEL,
    LOGIN_REASON_BUSY,
    LOGIN_REASON_THROTTLED,    /* too many guesses from there: not checked */
    LOGIN_REASON_BACKEND,      /* one that must be asked cannot be */
    LOGIN_REASON_BACKEND_NAME, /* its user's name is another account's, or none for us */
    LOGIN_REASON_TOKEN,        /* its issuer did not make it, or it is not for here */
    LOGIN_REASON_TOKEN_EXPIRED,
    LOGIN_REASON_CERTIFICATE, /* not believed, or bound to nothing of this user */
    LOGIN_REASON_TICKET,      /* Kerberos does not believe it, or its realm has no users here */
    LOGIN_REASON_POLICY,      /* a rule says no (policy.h) */
    LOGIN_REASON_UNCONFIRMED, /* a rule wants the device to be confirmed from there */
    LOGIN_REASON_INTERNAL,
    LOGIN_REASON_COUNT
};

/* Where and for what somebody wants to come in. */
struct login_place {
    enum service service;
    struct ipaddr peer;
    int64_t now;    /* seconds since 1970 */
    bool enrolling; /* account passwords count whatever the date, app passwords do not */
};

struct login_outcome {
    enum login_verdict verdict;
    enum login_by by;
    enum login_reason reason;
    uint64_t account; /* 0: nobody of that name */
    struct slice user;
    bool other_user;           /* the client wants to act as somebody else */
    struct auth_device device; /* LOGIN_BY_DEVICE */
    struct slice hash;         /* LOGIN_HASH: "{SCHEME}hash" to check */
    bool rehash;               /* LOGIN_HASH: if it fits, make a better one */
    size_t backend;            /* LOGIN_ASK: which of realm_backends() */
    int64_t expires;           /* LOGIN_BY_TOKEN, _TICKET: seconds since 1970; 0: never */
    bool groups_changed;       /* the back-end told of others than before */
};

/* "wrong_password". Static. */
const char *login_reason_name(enum login_reason reason);
const char *login_by_name(enum login_by by);
/* What the peer is told. Static. */
enum auth_code login_reason_code(enum login_reason reason);
const char *login_code_text(enum auth_code code);
/* A wrong name or secret: the attempts that are counted against guessing. */
bool login_reason_is_guess(enum login_reason reason);

/* Can the secret not be guessed, so that checking it need not be slowed down? */
bool login_secret_is_random(struct slice secret);

/* Slices of out live in the arena. A failing database is LOGIN_REASON_INTERNAL, err says how.
 */
void login_check(struct realm *realm, const struct sasl_claim *claim,
                 const struct login_place *place, struct arena *arena,
                 struct login_outcome *out, struct err *err);

#define LOGIN_SCRAM_LEAST                                                                      \
    8u /* keys compared at each SCRAM login, so that four devices or none                      \
        * take the same time */

/* The salt of the user whom the claim names, existing or not: nobody is looked up. */
void login_scram_salt(const struct realm *realm, const struct sasl_claim *claim,
                      struct scram_salt *out);
/* As login_check, of a proof; never LOGIN_HASH. keys: set with LOGIN_GRANTED; wipe them. */
void login_check_scram(struct realm *realm, const struct sasl *sasl,
                       const struct login_place *place, struct arena *arena,
                       struct login_outcome *out, struct scram_keys *keys, struct err *err);
/*
 * Of a certificate that was believed, whose user the claim names: the device it is bound to
 * decides; one that is bound to none of that account's comes in only if any may. out->device's
 * expiry is no later than the certificate's.
 */
void login_check_certificate(struct realm *realm, const struct sasl_claim *claim,
                             const struct cert_identity *identity, bool any,
                             const struct login_place *place, struct arena *arena,
                             struct login_outcome *out, struct err *err);
/* out is what login_check said; matched is what the thread found. LOGIN_HASH again: the account
 * has another hash by now, which a thread has to look at. */
void login_after_hash(struct realm *realm, bool matched, struct arena *arena,
                      struct login_outcome *out, struct err *err);
/*
 * out is what said LOGIN_ASK, of the same claim; answer is what that back-end says. Any verdict
 * may follow: the next back-end in turn may be another one to ask. A user who is not known here
 * yet gets an account.
 */
void login_after_answer(struct realm *realm, const struct sasl_claim *claim,
                        const struct login_place *place, const struct backend_answer *answer,
                        struct arena *arena, struct login_outcome *out, struct err *err);
/*
 * The account of a user whom a foreign back-end knows, by a right password or because mail for
 * them has come; who is not known here yet gets one. The groups told of are applied.
 * RC_NOT_FOUND: that name is another account's, or none for us.
 */
MUST_CHECK enum rc login_adopt(struct realm *realm, const struct backend *backend,
                               const struct backend_answer *answer, struct arena *arena,
                               struct auth_account *out, bool *out_groups_changed,
                               struct err *err);
/* The token or ticket was good until `expires`, and who gave it out says that it is `told`'s.
 * The claim may name a user, who then has to be the same. */
void login_check_token(struct realm *realm, const struct sasl_claim *claim, enum login_by by,
                       struct slice told, int64_t expires, struct arena *arena,
                       struct login_outcome *out, struct err *err);
/* Why a login by the right password of that device is refused; LOGIN_REASON_NONE: it is not. */
enum login_reason login_device_reason(const struct auth_device *device, bool enabled,
                                      const struct login_place *place);
/* Do account passwords count, so that foreign back-ends may be asked at all? */
bool login_asks_backends(const struct realm *realm, const struct login_place *place);

#endif
