/*
 * message.h - one message opened for reading: its digest, and ranges of its bytes.
 *
 * The digest comes from the engine, from the store's cache, or is made now; a message whose
 * digest cannot be made is served opaque (one text/plain part), never refused.
 *
 * A message with UTF-8 in its header may be read as its substitute (RFC 6858,
 * mime/downgrade.h): who asks for that reads one message in every call. Whatever copies,
 * exports, searches or composes reads what is stored.
 */
#ifndef ROOST_MAILBOX_MESSAGE_H
#define ROOST_MAILBOX_MESSAGE_H

#include "mailbox/mail_store.h"
#include "mime/digest.h"

#define DIGEST_BATCH_MAX    64u
#define DIGEST_GATHER_MAX   32u /* made in one go: as many as go in one request */
#define DIGEST_GATHER_BYTES ((uint64_t) 1 << 20)
#define DIGEST_ARENA_BYTES  (DIGEST_MAX_BYTES + BODY_MAX_BYTES) /* for one digest */

struct message; /* pins its body; lives until message_close */

/* Reads nothing yet, so it cannot fail. The account must stay open as long. */
struct message *message_open(struct account *account, uint64_t body_id, uint32_t size);
void message_close(struct message *message); /* NULL is allowed */
void message_closep(struct message **message);

/*
 * From here on read the substitute if the message has one, which its digest says: so the digest
 * has to be had (message_digest) before message_size() is right. Said before anything is read.
 */
void message_downgrade(struct message *message);
/* Behind message_digest(): it is the substitute that is read. */
bool message_is_substitute(const struct message *message);
/* Behind message_digest(): the digest of what is stored, which alone has a preview, and the
 * keys of threads. */
const struct digest *message_stored_digest(const struct message *message);

/*
 * The digests of several messages, read in one go: what lies side by side in the store is read
 * side by side. Those that are not kept are left to message_digest().
 */
struct digest_batch;
/* with_previews: message_preview() of what is lent finds the preview read, too. */
struct digest_batch *digest_batch_new(struct account *account, bool with_previews);
void digest_batch_free(struct digest_batch *batch); /* NULL is allowed; nothing is lent */
/* Places from, from + 1 ... below DIGEST_BATCH_MAX. What it held before is gone. */
void digest_batch_fill(struct digest_batch *batch, size_t from, const uint64_t *body_ids,
                       size_t n);
void digest_batch_clear(struct digest_batch *batch);
/* What was filled at this place; the batch stays as it is until the message is closed, and
 * lends one at a time. */
struct message *message_open_from(struct digest_batch *batch, size_t at, uint64_t body_id,
                                  uint32_t size);

uint64_t message_size(const struct message *message);
/* Exactly this range, appended to out. RC_NOT_FOUND, RC_CORRUPT, RC_IO, RC_LIMIT (no room in
 * out). */
MUST_CHECK enum rc message_read(struct message *message, uint64_t offset, size_t len,
                                struct buf *out, struct err *err);
/* The digest, mostly without its search text; valid until it is dropped or message_close. */
MUST_CHECK enum rc message_digest(struct message *message, const struct digest **out,
                                  struct err *err);
/*
 * Makes the digests that are not made yet, in one go, and keeps them: of at most
 * DIGEST_GATHER_MAX messages of one account, DIGEST_GATHER_BYTES together. What fails is left
 * to message_digest(). They lie in arena, which lives as long as the messages and has room for
 * DIGEST_ARENA_BYTES.
 */
void messages_make_digests(struct message *const *messages, size_t n, struct arena *arena);
/* The same if nothing has to be made for it, else NULL. */
const struct digest *message_digest_if_made(struct message *message);
/* The whole of it; one given before is dropped. */
MUST_CHECK enum rc message_digest_with_text(struct message *message, const struct digest **out,
                                            struct err *err);
/* The digest of a complete stage of at least one byte, whose table lies in arena. */
MUST_CHECK enum rc stage_digest(struct account *account, const struct body_stage *stage,
                                struct arena *arena, struct digest *out, struct err *err);
/* Of what is stored, behind message_digest(); false: it is not at hand any more, the digest
 * with its text has it. Valid as the digest is. */
bool message_preview(struct message *message, struct slice *out);
/* Its search text alone, if it is there: digest_span() of *out and nothing else means
 * something. Whether the text is all of the message's stands in what is not read. Valid as the
 * digest is.
 */
bool message_text_if_made(struct message *message, struct digest *out);
/* Give its memory back, which may be as much as the message's text; the next message_digest
 * reads it again. */
void message_drop_digest(struct message *message);

#endif
