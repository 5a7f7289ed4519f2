/*
 * envelope.h - what an envelope is made of, and how it is written.
 *
 * Spec: RFC 9051 7.5.2 (ENVELOPE). A field that stands more than once counts once, the first;
 * address fields that do are joined. Sender and Reply-To default to From.
 */
#ifndef ROOST_MIME_ENVELOPE_H
#define ROOST_MIME_ENVELOPE_H

#include "base/arena.h"
#include "mime/addr.h"
#include "mime/part.h"

#define ENVELOPE_ADDRS_MAX                                                                     \
    100000u /* addresses written in one wire form; the rest is left out */

enum envelope_text { ENV_DATE, ENV_SUBJECT, ENV_IN_REPLY_TO, ENV_MESSAGE_ID, ENV_REFERENCES };
#define ENV_TEXT_COUNT (ENV_REFERENCES + 1)

enum envelope_list { ENV_FROM, ENV_SENDER, ENV_REPLY_TO, ENV_TO, ENV_CC, ENV_BCC };
#define ENV_LIST_COUNT (ENV_BCC + 1)

struct envelope {
    struct slice text[ENV_TEXT_COUNT]; /* raw; ptr NULL if absent */
    struct addr_list list[ENV_LIST_COUNT];
};

/* Of the message whose root is part. Lists live in the arena. */
void envelope_read(const struct mime_tree *tree, uint32_t part, struct arena *arena,
                   struct envelope *out);
/* addrs_left: how many more addresses may be written; counted down. */
void envelope_print(const struct envelope *envelope, enum digest_form form,
                    uint32_t *addrs_left, struct buf *out);

#endif
