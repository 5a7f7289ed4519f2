/*
 * access.h - who may do what with a mailbox, and which of its flags are a reader's own: the one
 * place where that is decided. View and transaction ask here for each mailbox they touch.
 *
 * Spec: RFC 4314 2 and 4; RFC 9051 2.3.2 (\Seen of a shared mailbox); RFC 5257 3.4.
 *
 * The account's owner has all rights, and so has the system (actor 0: delivery, import, the
 * administrator). Everybody else has what the mailbox's list gives (rights.h). \Seen is each
 * reader's own, kept in an overlay (account/state.h), unless the mailbox says that it is
 * shared. Annotations of messages are everybody's or each reader's own.
 */
#ifndef ROOST_MAILBOX_ACCESS_H
#define ROOST_MAILBOX_ACCESS_H

#include "mailbox/mail_store.h"
#include "mailbox/rights.h"

/* The metadata entry (RFC 5464) with which a mailbox's \Seen is one for all; its value: "true".
 */
#define SHARED_SEEN_ENTRY "/shared/vendor/roost/sharedseen"
/* Under this key, which no command names, the mailbox keeps the MODSEQ of that entry's last
 * change, in decimal: whatever \Seen others see, they see another since. */
#define SEEN_SWITCHED_KEY "seen-switched"

/*
 * What anybody may do with All (account/all.h): see it, change what is not \Deleted of its
 * messages, which changes where they live, and take it away. Nothing comes into it or goes out
 * of it by itself, so \Deleted, EXPUNGE, APPEND, COPY into it, a list and annotations of its
 * own are refused to everybody: reader_needs() says RC_INVALID.
 */
#define RIGHTS_OF_ALL                                                                          \
    ((uint32_t) (RIGHT_LOOKUP | RIGHT_READ | RIGHT_SEEN | RIGHT_WRITE | RIGHT_CREATE |         \
                 RIGHT_DELETE))

/* How somebody looks at one mailbox. */
struct reader {
    uint64_t account; /* who */
    uint32_t rights;
    uint8_t private_flags;  /* kept apart for this reader */
    uint64_t seen_switched; /* a guest's MODSEQs are not below it; 0: \Seen was always so */
    bool is_guest;          /* neither the owner nor the system */
    bool is_all;            /* the mailbox is All: rights are what that leaves */
};

/* info is of a mailbox of account. Takes no lock but the directory's. */
void account_reader(const struct account *account, const struct mbox_info *info, uint64_t actor,
                    struct reader *out);
/* All of these rights? RC_INVALID: All gives them to nobody. RC_NOT_FOUND without RIGHT_LOOKUP,
 * as if there were no mailbox; RC_DENIED. */
MUST_CHECK enum rc reader_needs(const struct reader *reader, uint32_t rights, struct err *err);
/* May nothing of the mailbox be changed (RFC 4314 5.2)? */
bool reader_is_read_only(const struct reader *reader);

/* ---- entries of a mailbox (RFC 5464 3.3) ---- */

#define METADATA_OF_GUEST_MAX  32u  /* entries of one guest's own in a mailbox */
#define METADATA_OF_GUESTS_MAX 512u /* of all guests together */

/* May the reader see any entries? "l" and one of r s w i p. As reader_needs(). */
MUST_CHECK enum rc reader_may_see_entries(const struct reader *reader, struct err *err);
/* May the reader change this one? A /shared one takes "w" as well, and SHARED_SEEN_ENTRY "a".
 */
MUST_CHECK enum rc reader_may_set_entry(const struct reader *reader, struct slice entry,
                                        struct err *err);
/*
 * The key that the mailbox keeps an entry of this reader under: the entry; /private ones of a
 * guest have "i", the guest's id in 16 hexadecimal digits, before. In arena.
 */
struct slice reader_entry_key(const struct reader *reader, struct slice entry,
                              struct arena *arena);
/* The entry that the reader knows by this key; empty: it is somebody else's. */
struct slice reader_entry_of_key(const struct reader *reader, struct slice key);

/* ---- annotations (RFC 5257 3.4) ---- */

/*
 * Everybody's are read with "r" and written with "n"; own ones are read and written with "r".
 * reader->account is whose the own ones are: nobody else is ever shown them. The system (0) has
 * none.
 */
MUST_CHECK enum rc reader_may_annotate(const struct reader *reader, bool shared,
                                       struct err *err);

/* ---- flags ---- */

/* What the reader sees of the message at index of a loaded mailbox. */
uint8_t reader_flags(const struct reader *reader, const struct mbox *mbox, uint32_t index);
uint64_t reader_modseq(const struct reader *reader, const struct mbox *mbox, uint32_t index);
/* Greatest MODSEQ of a change to flags that the reader alone sees, which shows in no chunk; 0:
 * none. */
uint64_t reader_own_flags_modseq(const struct reader *reader, const struct mbox *mbox);
/* The same of such flags and of own annotations. */
uint64_t reader_own_modseq(const struct reader *reader, const struct mbox *mbox);
/* Must the messages be loaded to tell what of this is the reader's own? */
bool reader_needs_messages(const struct reader *reader, const struct mbox *mbox);
/* HIGHESTMODSEQ. */
uint64_t reader_highestmodseq(const struct reader *reader, const struct mbox *mbox);
/* Messages without \Seen. */
uint32_t reader_unseen(const struct reader *reader, const struct mbox *mbox);
/* Index of the first of them; the number of messages if there is none. */
uint32_t reader_first_unseen(const struct reader *reader, const struct mbox *mbox);

#endif
