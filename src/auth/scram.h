/*
 * scram.h - the server's half of SCRAM, without a database: messages and keys in, an answer
 * out.
 *
 * Spec: RFC 5802 (messages in section 7, channel binding in 6), RFC 7677 (SHA-256), RFC 9266
 * (tls-exporter, the one channel binding there is here), RFC 5803 (what the keys are).
 *
 *   FIRST --client-first--> SALT --scram_salted--> FINAL --client-final--> PROOF
 *     PROOF --scram_confirm--> CONFIRM --the empty response--> DONE
 *
 * The salt is told before anybody has proved anything, so it is that of the user named, and one
 * for those who do not exist too. Which of a user's passwords was meant is found afterwards: in
 * PROOF scram_matches() is asked for the keys of each.
 *
 * A message that is not wholly in the grammar is refused; of the optional extensions that the
 * grammar allows none is known, and they count for nothing but the proof.
 */
#ifndef ROOST_AUTH_SCRAM_H
#define ROOST_AUTH_SCRAM_H

#include "auth/name.h"
#include "base/buf.h"

#define SCRAM_ITERATIONS        4096u /* RFC 7677 4: at least; the secrets are random */
#define SCRAM_MESSAGE_MAX_BYTES 2048u /* two names of 255 octets, each octet escaped, fit */
#define SCRAM_NONCE_MAX_BYTES   256u  /* the client's part */
#define SCRAM_NONCE_BYTES       18u   /* random octets in ours: 24 characters */
#define SCRAM_SALT_BYTES        16u
#define SCRAM_KEY_BYTES         32u /* the longer of the two hashes */
#define SCRAM_BINDING_BYTES     32u /* RFC 9266 2 */

enum scram_hash {
    SCRAM_SHA_256 = 1,
    SCRAM_SHA_1 = 2
}; /* stored: docs/formats/credentials.md */

struct scram_salt {
    unsigned char bytes[SCRAM_SALT_BYTES];
};

/* What a server keeps of a password. The shorter hash leaves the rest zero. */
struct scram_keys {
    unsigned char stored[SCRAM_KEY_BYTES], server[SCRAM_KEY_BYTES];
};

enum scram_state {
    SCRAM_FIRST,
    SCRAM_SALT,
    SCRAM_FINAL,
    SCRAM_PROOF,
    SCRAM_CONFIRM,
    SCRAM_DONE
};

struct scram {
    enum scram_state state;
    enum scram_hash hash;
    bool plus;        /* the name of the mechanism ends in -PLUS */
    bool has_binding; /* the connection has channel binding data: -PLUS was offered */
    unsigned char binding[SCRAM_BINDING_BYTES];
    uint16_t user_len, authzid_len;
    char user[AUTH_NAME_MAX_BYTES], authzid[AUTH_NAME_MAX_BYTES];
    struct buf channel; /* what "c=" must say */
    struct buf nonce;   /* both parts */
    struct buf message; /* RFC 5802 3: AuthMessage as far as it is known */
    unsigned char proof[SCRAM_KEY_BYTES];
};

void scram_init(struct scram *scram, enum scram_hash hash, bool plus);
/* The connection's tls-exporter value; before the first message. */
void scram_bind(struct scram *scram, const unsigned char binding[SCRAM_BINDING_BYTES]);
/* Wipes and gives back; also of one never used. */
void scram_done(struct scram *scram);

/*
 * A message from the client. RC_MORE: in SALT now, scram_salted() is to follow. RC_OK: in
 * PROOF, or in DONE. RC_SYNTAX: not in the grammar, or not in this state. RC_LIMIT: too long.
 * RC_DENIED: the channel is not the one that the client sees, or it was told less than we
 * offered (RFC 5802 6).
 */
MUST_CHECK enum rc scram_step(struct scram *scram, struct slice message, struct err *err);
/* Prints the server-first message. nonce: our part, printable and without a comma. */
void scram_salted(struct scram *scram, const struct scram_salt *salt, struct slice nonce,
                  struct buf *out);
/* In PROOF or DONE: was the proof made by who knows the password behind these keys? Takes the
 * same time whatever they are. */
bool scram_matches(const struct scram *scram, const struct scram_keys *keys);
/* In PROOF: prints the server-final message, by which the client knows us. */
void scram_confirm(struct scram *scram, const struct scram_keys *keys, struct buf *out);

/* The keys of a password, already prepared: slow on purpose, some milliseconds. */
void scram_derive(enum scram_hash hash, struct slice password, const struct scram_salt *salt,
                  uint32_t iterations, struct scram_keys *out);

#endif
