/*
 * access.h - who may do what with a mailbox, and which of its flags are a reader's own: the one
 * place where that is decided. View and transaction ask here for each mailbox they touch.
 *
 * Spec: RFC 4314 2 and 4; RFC 9051 2.3.2 (\Seen of a shared mailbox).
 *
 * The account's owner has all rights, and so has the system (actor 0: delivery, import, the
 * administrator). Everybody else has what the mailbox's list gives (rights.h). \Seen is each
 * reader's own, kept in an overlay (account/state.h), unless the mailbox says that it is
 * shared.
 */
#ifndef ROOST_MAILBOX_ACCESS_H
#define ROOST_MAILBOX_ACCESS_H

#include "mailbox/mail_store.h"
#include "mailbox/rights.h"

/* The metadata entry (RFC 5464) with which a mailbox's \Seen is one for all; its value: "true".
 */
#define SHARED_SEEN_ENTRY "/shared/vendor/roost/sharedseen"

/* How somebody looks at one mailbox. */
struct reader {
    uint64_t account; /* who */
    uint32_t rights;
    uint8_t private_flags; /* kept apart for this reader */
};

/* info is of a mailbox of account. Takes no lock but the directory's. */
void account_reader(const struct account *account, const struct mbox_info *info, uint64_t actor,
                    struct reader *out);
/* All of these rights? RC_NOT_FOUND without RIGHT_LOOKUP, as if there were no mailbox;
 * RC_DENIED. */
MUST_CHECK enum rc reader_needs(const struct reader *reader, uint32_t rights, struct err *err);
/* May nothing of the mailbox be changed (RFC 4314 5.2)? */
bool reader_is_read_only(const struct reader *reader);

/* What the reader sees of the message at index of a loaded mailbox. */
uint8_t reader_flags(const struct reader *reader, const struct mbox *mbox, uint32_t index);
uint64_t reader_modseq(const struct reader *reader, const struct mbox *mbox, uint32_t index);
/* Greatest MODSEQ of a change to the reader's own flags, which shows in no chunk; 0: none. */
uint64_t reader_own_modseq(const struct reader *reader, const struct mbox *mbox);
/* HIGHESTMODSEQ. */
uint64_t reader_highestmodseq(const struct reader *reader, const struct mbox *mbox);
/* Messages without \Seen. */
uint32_t reader_unseen(const struct reader *reader, const struct mbox *mbox);
/* Index of the first of them; the number of messages if there is none. */
uint32_t reader_first_unseen(const struct reader *reader, const struct mbox *mbox);

#endif
