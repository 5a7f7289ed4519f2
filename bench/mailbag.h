/*
 * mailbag.h - mail for measuring: from a seed, the same on every machine, as real mail is.
 *
 * Message `number` (1, 2...) of a bag is made from the seed and its number alone, so what a
 * server answers can be checked without keeping what was sent. Mixed mail has the headers that
 * mail has when it arrives (Received, DKIM-Signature, List-*), answers in threads, plain text,
 * HTML beside it, attachments in base64, 8-bit text, CJK and Cyrillic, encoded words in
 * subjects; words come with the frequency that words have. Mail of a fixed size is plain text,
 * above 16 KiB with an attachment. Nothing in it needs dot-stuffing.
 *
 * What can be searched for and in which messages it lies is told by struct mail_facts.
 */
#ifndef ROOST_BENCH_MAILBAG_H
#define ROOST_BENCH_MAILBAG_H

#include "base/buf.h"

/* In the text of few messages, in the subjects of few threads. No other word has them in it. */
#define MAIL_BODY_WORD    "velundrite"
#define MAIL_SUBJECT_WORD "Quarmontis"
#define MAIL_ABSENT_WORD  "xyzzyqwfp" /* in none */
#define MAIL_SENDER       147u        /* the person that SEARCH FROM asks for */

#define MAIL_TEXT_MAX_BYTES 128u
#define MAIL_DATE_BYTES     32u

struct mailbag {
    uint64_t seed;
    size_t message_bytes; /* 0: mixed */
};

struct mail_facts {
    uint32_t number, root, parent; /* of the thread; parent 0: it begins one */
    uint32_t sender, recipient;    /* people, 0.. */
    int64_t date,
        sent; /* INTERNALDATE and Date, seconds since 1970, UTC; date rises with number */
    bool is_seen, is_answered, is_flagged;
    bool has_body_word, has_subject_word;
    char subject[MAIL_TEXT_MAX_BYTES];    /* as in the header, in one line */
    char message_id[MAIL_TEXT_MAX_BYTES]; /* with < and > */
    char address[MAIL_TEXT_MAX_BYTES];    /* of the sender */
};

void mail_facts(const struct mailbag *bag, uint32_t number, struct mail_facts *out);
/* Appends the message. */
void mail_write(const struct mailbag *bag, uint32_t number, struct buf *out);

/* "17-Jul-2024 02:44:25 +0000", and the Date header's form. */
void mail_internal_date(int64_t date, char out[MAIL_DATE_BYTES]);
void mail_header_date(int64_t date, char out[MAIL_DATE_BYTES + 8]);
/* "17-Jul-2024" */
void mail_search_date(int64_t date, char out[MAIL_DATE_BYTES]);

#endif
