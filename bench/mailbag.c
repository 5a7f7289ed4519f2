#include "mailbag.h"

#include <assert.h>
#include <stdio.h>
#include <time.h>

#define N_PEOPLE 400u
#define WORD_BITS                                                                              \
    12u /* 4096 words of a language, and as many of it come first as are common                \
         */
#define DATE_FIRST         INT64_C(1704067200) /* 2024-01-01 */
#define DATE_STEP_SEC      587
#define DELAY_BITS         12u /* most mail arrives soon after it is sent, some the next day */
#define DELAY_STEP_SEC     19
#define THREAD_REACH       200u /* an answer is to one of so many before it */
#define REFERENCES_MAX     12u
#define LINE_COLUMNS       72u
#define ATTACHMENT_COLUMNS 76u
#define PLAIN_ONLY_BYTES   16384u /* a message of a fixed size up to this has no attachment */
#define BOUNDARY_BYTES     40u

/* ---- chance ---- */

/* splitmix64: each seed gives a stream of its own. */
struct chance {
    uint64_t state;
};

static uint64_t draw(struct chance *chance)
{
    uint64_t z = chance->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static struct chance chance_of(const struct mailbag *bag, uint32_t number, uint64_t what)
{
    struct chance chance = {bag->seed ^ (what << 56)};
    uint64_t first = draw(&chance);

    chance.state = first ^ ((uint64_t) number * UINT64_C(0xd1342543de82ef95));
    (void) draw(&chance);
    return chance;
}

static uint32_t below(struct chance *chance, uint32_t n)
{
    return (uint32_t) (((draw(chance) >> 32) * n) >> 32);
}

static bool percent(struct chance *chance, uint32_t of_hundred)
{
    return below(chance, 100) < of_hundred;
}

/* 0..2^bits-1, the k-th with a chance that falls as 1/k: how words, senders and sizes come. */
static uint32_t zipf(struct chance *chance, uint32_t bits)
{
    uint32_t magnitude = UINT32_C(1) << below(chance, bits);

    return magnitude + below(chance, magnitude) - 1;
}

/* ---- words ---- */

static void put_word(struct buf *out, uint32_t index)
{
    static const char *const heads[16] = {"b", "d", "f", "g", "h",  "k",  "l", "m",
                                          "n", "p", "r", "s", "st", "tr", "t", ""};
    static const char *const cores[16] = {"a",  "e",  "i",  "o",  "u",  "an", "en", "er",
                                          "in", "or", "al", "es", "ou", "at", "on", "ai"};
    /* The k-th word is spelled by the bits of k: common words are short. */
    uint32_t code = index + 1;

    do {
        buf_str(out, heads[(code * 7) & 15]);
        buf_str(out, cores[(code >> 4 ^ code * 3) & 15]);
        code >>= 5;
    } while (code > 0);
    if (index % 5 == 1)
        buf_str(out, index % 2 ? "s" : "ing");
}

static void put_capital(struct buf *out, uint32_t index)
{
    size_t at = out->len;

    put_word(out, index);
    if (out->ptr[at] >= 'a' && out->ptr[at] <= 'z')
        out->ptr[at] = (char) (out->ptr[at] - 'a' + 'A');
}

static void put_scalar(struct buf *out, uint32_t c)
{
    if (c < 0x800) {
        buf_byte(out, (char) (0xc0 | c >> 6));
    } else {
        buf_byte(out, (char) (0xe0 | c >> 12));
        buf_byte(out, (char) (0x80 | (c >> 6 & 0x3f)));
    }
    buf_byte(out, (char) (0x80 | (c & 0x3f)));
}

enum script { SCRIPT_LATIN, SCRIPT_ACCENTS, SCRIPT_CYRILLIC, SCRIPT_HAN };

static void put_script_word(struct buf *out, enum script script, uint32_t index)
{
    switch (script) {
    case SCRIPT_LATIN:
        put_word(out, index);
        break;
    case SCRIPT_ACCENTS:
        put_word(out, index);
        if (index % 3 == 0)
            put_scalar(out, 0xe0 + index % 23);
        break;
    case SCRIPT_CYRILLIC:
        for (uint32_t code = index + 1; code > 0; code >>= 3) {
            put_scalar(out, 0x430 + (code * 11) % 32);
            put_scalar(out, 0x430 + (code * 5 + 14) % 32);
        }
        break;
    case SCRIPT_HAN:
        put_scalar(out, 0x4e00 + index * 5);
        put_scalar(out, 0x4e00 + (index * 37) % 20000);
        break;
    }
}

/* Lines of about 70 columns, until `bytes` are there; `word` (or NULL) stands once in the
 * first. */
static void put_text(struct buf *out, struct chance *chance, enum script script, size_t bytes,
                     const char *word)
{
    size_t end = out->len + bytes, line = out->len;
    bool is_first = true;

    while (out->len < end) {
        uint32_t index = zipf(chance, WORD_BITS);

        if (out->len - line >= LINE_COLUMNS) {
            buf_str(out, index % 11 == 0 ? ".\r\n\r\n" : "\r\n");
            line = out->len;
        } else if (!is_first) {
            buf_str(out, index % 13 == 0 ? ", " : " ");
        }
        put_script_word(out, script, index);
        if (is_first && word != NULL) {
            buf_byte(out, ' ');
            buf_str(out, word);
        }
        is_first = false;
    }
    buf_str(out, ".\r\n");
}

static const char base64_digits[64] = {
    'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P',
    'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'a', 'b', 'c', 'd', 'e', 'f',
    'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v',
    'w', 'x', 'y', 'z', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '+', '/'};

static void put_digits(struct buf *out, struct chance *chance, size_t n)
{
    char *at = buf_reserve(out, n);

    for (size_t i = 0; i < n;) {
        uint64_t bits = draw(chance);

        for (size_t j = 0; j < 10 && i < n; j++, i++, bits >>= 6)
            at[i] = base64_digits[bits & 63];
    }
    out->len += n;
}

/* Lines of base64; bytes is what they take, rounded up to whole quartets in whole lines. */
static void put_attachment(struct buf *out, struct chance *chance, size_t bytes)
{
    for (size_t done = 0; done < bytes; done += ATTACHMENT_COLUMNS + 2) {
        put_digits(out, chance, ATTACHMENT_COLUMNS);
        buf_str(out, "\r\n");
    }
}

static void put_base64(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.len; i += 3) {
        uint32_t left = (uint32_t) MIN(s.len - i, (size_t) 3), bits = 0;

        for (uint32_t j = 0; j < 3; j++)
            bits = bits << 8 | (j < left ? (unsigned char) s.ptr[i + j] : 0);
        for (uint32_t j = 0; j < 4; j++)
            buf_byte(out, j <= left ? base64_digits[bits >> (18 - 6 * j) & 63] : '=');
    }
}

/* ---- dates ---- */

static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

static struct tm calendar(int64_t date)
{
    time_t when = (time_t) date;
    struct tm tm;

    if (gmtime_r(&when, &tm) == NULL)
        die("mailbag: no such date");
    return tm;
}

void mail_internal_date(int64_t date, char out[MAIL_DATE_BYTES])
{
    struct tm tm = calendar(date);

    (void) snprintf(out, MAIL_DATE_BYTES, "%02u-%s-%04u %02u:%02u:%02u +0000",
                    (unsigned) tm.tm_mday % 100, months[tm.tm_mon],
                    (unsigned) (tm.tm_year + 1900) % 10000, (unsigned) tm.tm_hour % 100,
                    (unsigned) tm.tm_min % 100, (unsigned) tm.tm_sec % 100);
}

void mail_header_date(int64_t date, char out[MAIL_DATE_BYTES + 8])
{
    struct tm tm = calendar(date);

    (void) snprintf(out, MAIL_DATE_BYTES + 8, "%s, %u %s %04u %02u:%02u:%02u +0000",
                    days[tm.tm_wday], (unsigned) tm.tm_mday % 100, months[tm.tm_mon],
                    (unsigned) (tm.tm_year + 1900) % 10000, (unsigned) tm.tm_hour % 100,
                    (unsigned) tm.tm_min % 100, (unsigned) tm.tm_sec % 100);
}

void mail_search_date(int64_t date, char out[MAIL_DATE_BYTES])
{
    struct tm tm = calendar(date);

    (void) snprintf(out, MAIL_DATE_BYTES, "%u-%s-%04u", (unsigned) tm.tm_mday % 100,
                    months[tm.tm_mon], (unsigned) (tm.tm_year + 1900) % 10000);
}

/* ---- what a message is ---- */

enum stream { STREAM_THREAD, STREAM_FACTS, STREAM_SUBJECT, STREAM_HEAD, STREAM_BODY };

/* The message that this one answers; 0: it begins a thread. */
static uint32_t parent_of(const struct mailbag *bag, uint32_t number)
{
    struct chance chance = chance_of(bag, number, STREAM_THREAD);

    if (number == 1 || !percent(&chance, 55))
        return 0;
    return number - 1 - below(&chance, MIN(number - 1, THREAD_REACH));
}

static void copy_text(char out[MAIL_TEXT_MAX_BYTES], const struct buf *text)
{
    assert(text->len < MAIL_TEXT_MAX_BYTES);
    memcpy(out, text->ptr, text->len);
    out[text->len] = '\0';
}

static void put_address(struct buf *out, uint32_t person)
{
    put_word(out, person * 3 + 40);
    buf_byte(out, '.');
    put_word(out, person * 5 + 300);
    buf_printf(out, ".p%03u@", person);
    put_word(out, person % 40 + 200);
    buf_str(out, person % 3 ? ".example.com" : ".example.org");
}

static void put_person(struct buf *out, uint32_t person)
{
    put_capital(out, person * 3 + 40);
    buf_byte(out, ' ');
    put_capital(out, person * 5 + 300);
    buf_str(out, " <");
    put_address(out, person);
    buf_byte(out, '>');
}

static void put_message_id(struct buf *out, const struct mailbag *bag, uint32_t number)
{
    struct chance chance = chance_of(bag, number, STREAM_HEAD);

    buf_printf(out, "<%08x.%u@", (unsigned) (draw(&chance) >> 32), number);
    put_word(out, number % 97 + 200);
    buf_str(out, ".example.net>");
}

static enum script script_of(struct chance *chance)
{
    uint32_t of_hundred = below(chance, 100);

    return of_hundred < 78   ? SCRIPT_LATIN
           : of_hundred < 88 ? SCRIPT_ACCENTS
           : of_hundred < 93 ? SCRIPT_CYRILLIC
                             : SCRIPT_HAN;
}

/* One encoded word at most (RFC 2047 section 2: 75 characters). */
static void put_subject(struct buf *out, const struct mailbag *bag, uint32_t root,
                        bool has_word)
{
    struct chance chance = chance_of(bag, root, STREAM_SUBJECT);
    enum script script = script_of(&chance);
    uint32_t n_words = 2 + below(&chance, 4);
    AUTO(buf_done) struct buf words;

    buf_init(&words, MAIL_TEXT_MAX_BYTES);
    if (script == SCRIPT_LATIN || has_word) {
        put_capital(out, zipf(&chance, WORD_BITS));
        if (has_word)
            buf_str(out, " " MAIL_SUBJECT_WORD);
        for (uint32_t i = 0; i < n_words; i++) {
            buf_byte(out, ' ');
            put_word(out, zipf(&chance, WORD_BITS));
        }
        return;
    }
    for (uint32_t i = 0; i < n_words; i++) {
        size_t before = words.len;

        buf_str(&words, i > 0 ? " " : "");
        put_script_word(&words, script, zipf(&chance, WORD_BITS));
        if (words.len > 42)
            buf_truncate(&words, before);
    }
    buf_str(out, "=?utf-8?B?");
    put_base64(out, buf_slice(&words));
    buf_str(out, "?=");
}

void mail_facts(const struct mailbag *bag, uint32_t number, struct mail_facts *out)
{
    struct chance chance = chance_of(bag, number, STREAM_FACTS);
    AUTO(buf_done) struct buf text;

    buf_init(&text, MAIL_TEXT_MAX_BYTES);
    *out = (struct mail_facts){.number = number, .root = number};
    out->parent = parent_of(bag, number);
    for (uint32_t up = out->parent; up != 0; up = parent_of(bag, up))
        out->root = up;
    out->sender = zipf(&chance, 9) % N_PEOPLE;
    out->recipient = zipf(&chance, 9) % N_PEOPLE;
    out->date = DATE_FIRST + (int64_t) number * DATE_STEP_SEC + below(&chance, DATE_STEP_SEC);
    out->sent = out->date - (int64_t) zipf(&chance, DELAY_BITS) * DELAY_STEP_SEC;
    out->is_seen = percent(&chance, 95);
    out->is_answered = percent(&chance, 12);
    out->is_flagged = percent(&chance, 2);
    out->has_body_word = number % 8191 == 77;
    out->has_subject_word = out->root % 1009 == 5;
    if (out->parent != 0)
        buf_str(&text, "Re: ");
    put_subject(&text, bag, out->root, out->has_subject_word);
    copy_text(out->subject, &text);
    buf_reset(&text);
    put_message_id(&text, bag, number);
    copy_text(out->message_id, &text);
    buf_reset(&text);
    put_address(&text, out->sender);
    copy_text(out->address, &text);
}

/* ---- a message ---- */

/* RFC 5322 3.6.4: the parent's own, from the oldest on. */
static void put_references(struct buf *out, const struct mailbag *bag, uint32_t parent)
{
    uint32_t chain[REFERENCES_MAX], n = 0;

    for (uint32_t up = parent; up != 0 && n < REFERENCES_MAX; up = parent_of(bag, up))
        chain[n++] = up;
    buf_str(out, "In-Reply-To: ");
    put_message_id(out, bag, parent);
    buf_str(out, "\r\nReferences: ");
    while (n > 0) {
        put_message_id(out, bag, chain[--n]);
        buf_str(out, n > 0 ? "\r\n " : "\r\n");
    }
}

static void put_trace(struct buf *out, const struct mail_facts *facts, struct chance *chance)
{
    char date[MAIL_DATE_BYTES + 8];

    mail_header_date(facts->sent, date);
    buf_printf(out, "Return-Path: <%s>\r\n", facts->address);
    for (uint32_t hop = 0, n = 2 + below(chance, 3); hop < n; hop++) {
        buf_str(out, "Received: from ");
        put_word(out, zipf(chance, 10));
        buf_printf(out, ".example.net (mx%u.example.net [192.0.2.%u])\r\n", hop,
                   below(chance, 250));
        buf_printf(out, "\tby mx%u.example.org (Postfix) with ESMTPS id ", hop + 1);
        put_digits(out, chance, 11);
        buf_printf(out, "\r\n\tfor <u@example.org>; %s\r\n", date);
    }
    buf_str(out, "Authentication-Results: mx1.example.org; dkim=pass header.d=example.com;\r\n"
                 "\tspf=pass smtp.mailfrom=example.com; dmarc=pass\r\n");
    if (percent(chance, 70)) {
        buf_printf(out,
                   "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.com;\r\n"
                   "\ts=mail; t=%lld; h=From:To:Subject:Date:Message-ID;\r\n\tbh=",
                   (long long) facts->date);
        put_digits(out, chance, 43);
        buf_str(out, "=;\r\n\tb=");
        for (int line = 0; line < 4; line++) {
            put_digits(out, chance, 68);
            buf_str(out, line < 3 ? "\r\n\t " : "\r\n");
        }
    }
}

static void put_head(struct buf *out, const struct mailbag *bag, const struct mail_facts *facts,
                     struct chance *chance)
{
    static const char *const programs[] = {
        "User-Agent: Mozilla Thunderbird\r\n", "X-Mailer: Apple Mail (2.3774.600.62)\r\n",
        "X-Mailer: Microsoft Outlook 16.0\r\n", "User-Agent: Mutt/2.2.9 (2022-11-12)\r\n"};
    char date[MAIL_DATE_BYTES + 8];

    put_trace(out, facts, chance);
    mail_header_date(facts->sent, date);
    buf_str(out, "From: ");
    put_person(out, facts->sender);
    buf_str(out, "\r\nTo: ");
    put_person(out, facts->recipient);
    for (uint32_t i = 0, n = percent(chance, 25) ? 1 + below(chance, 5) : 0; i < n; i++) {
        buf_str(out, i == 0 ? "\r\nCc: " : ",\r\n ");
        put_person(out, zipf(chance, 9) % N_PEOPLE);
    }
    buf_printf(out, "\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: %s\r\n", facts->subject, date,
               facts->message_id);
    if (facts->parent != 0)
        put_references(out, bag, facts->parent);
    if (percent(chance, 30)) {
        uint32_t list = zipf(chance, 5);

        buf_printf(out, "List-Id: <list%u.example.org>\r\nList-Unsubscribe: ", list);
        buf_printf(out, "<mailto:leave-%u@example.org>\r\nPrecedence: list\r\n", list);
    }
    if (percent(chance, 8))
        buf_str(out, "X-Priority: 1\r\n");
    buf_str(out, programs[below(chance, COUNT(programs))]);
    buf_str(out, "MIME-Version: 1.0\r\n");
}

static void put_plain_part(struct buf *out, struct chance *chance, enum script script,
                           size_t bytes, const char *word)
{
    buf_printf(out,
               "Content-Type: text/plain; charset=%s\r\nContent-Transfer-Encoding: %s\r\n\r\n",
               script == SCRIPT_LATIN ? "us-ascii" : "utf-8",
               script == SCRIPT_LATIN ? "7bit" : "8bit");
    put_text(out, chance, script, bytes, word);
}

static void put_html_part(struct buf *out, struct chance *chance, enum script script,
                          size_t bytes)
{
    size_t end = out->len + bytes;

    buf_str(out,
            "Content-Type: text/html; charset=utf-8\r\n"
            "Content-Transfer-Encoding: 8bit\r\n\r\n"
            "<html><head><style>p { margin: 0 } .q { color: #555 }</style></head><body>\r\n");
    while (out->len < end) {
        buf_str(out, "<p class=\"q\">");
        put_text(out, chance, script, 200, NULL);
        buf_str(out, "</p><a href=\"https://www.example.com/?id=");
        put_digits(out, chance, 24);
        buf_str(out, "\">\r\n");
        put_text(out, chance, script, 20, NULL);
        buf_str(out, "</a>\r\n");
    }
    buf_str(out, "</body></html>\r\n");
}

static void put_boundary(struct buf *out, char boundary[BOUNDARY_BYTES], struct chance *chance,
                         const char *subtype)
{
    (void) snprintf(boundary, BOUNDARY_BYTES, "----=_Part_%016llx",
                    (unsigned long long) draw(chance));
    buf_printf(out, "Content-Type: multipart/%s;\r\n boundary=\"%s\"\r\n\r\n--%s\r\n", subtype,
               boundary, boundary);
}

static void put_alternative(struct buf *out, struct chance *chance, enum script script,
                            size_t bytes, const char *word)
{
    char boundary[BOUNDARY_BYTES];

    put_boundary(out, boundary, chance, "alternative");
    put_plain_part(out, chance, script, bytes, word);
    buf_printf(out, "--%s\r\n", boundary);
    put_html_part(out, chance, script, bytes * 2);
    buf_printf(out, "--%s--\r\n", boundary);
}

static void put_attached_head(struct buf *out, const char *boundary, struct chance *chance)
{
    static const struct {
        const char *type, *name;
    } kinds[] = {
        {"application/pdf", "invoice.pdf"},
        {"image/jpeg",      "photo.jpg"  },
        {"image/png",       "logo.png"   },
        {"application/zip", "files.zip"  }
    };
    size_t kind = below(chance, COUNT(kinds));

    buf_printf(out,
               "--%s\r\nContent-Type: %s; name=\"%s\"\r\n"
               "Content-Disposition: attachment; filename=\"%s\"\r\n"
               "Content-Transfer-Encoding: base64\r\n\r\n",
               boundary, kinds[kind].type, kinds[kind].name, kinds[kind].name);
}

static void put_mixed_body(struct buf *out, struct chance *chance, const char *word)
{
    enum script script = script_of(chance);
    size_t bytes = 300 + zipf(chance, 12);
    uint32_t shape = below(chance, 100);
    char boundary[BOUNDARY_BYTES];

    if (shape < 38) {
        put_plain_part(out, chance, script, bytes, word);
    } else if (shape < 88) {
        put_alternative(out, chance, script, bytes, word);
    } else {
        put_boundary(out, boundary, chance, "mixed");
        put_alternative(out, chance, script, bytes, word);
        put_attached_head(out, boundary, chance);
        put_attachment(out, chance, 2048 + zipf(chance, 17));
        buf_printf(out, "--%s--\r\n", boundary);
    }
}

/* Up to the byte, the last lines of x. What is longer already stays so. */
static void put_sized_body(struct buf *out, struct chance *chance, size_t end, const char *word)
{
    char boundary[BOUNDARY_BYTES];

    if (end <= PLAIN_ONLY_BYTES) {
        buf_str(out, "Content-Type: text/plain; charset=us-ascii\r\n\r\n");
        if (out->len + (size_t) LINE_COLUMNS * 3 < end)
            put_text(out, chance, SCRIPT_LATIN, end - out->len - (size_t) LINE_COLUMNS * 2,
                     word);
    } else {
        put_boundary(out, boundary, chance, "mixed");
        put_plain_part(out, chance, SCRIPT_LATIN, 2048, word);
        put_attached_head(out, boundary, chance);
        put_attachment(out, chance, end - out->len - (size_t) ATTACHMENT_COLUMNS * 4);
        buf_printf(out, "--%s--\r\n", boundary);
    }
    while (out->len + 2 <= end) {
        size_t left = end - out->len;
        size_t n = left > LINE_COLUMNS + 4 ? LINE_COLUMNS : left - 2;

        for (size_t i = 0; i < n; i++)
            buf_byte(out, 'x');
        buf_str(out, "\r\n");
    }
}

void mail_write(const struct mailbag *bag, uint32_t number, struct buf *out)
{
    struct chance head = chance_of(bag, number, STREAM_HEAD);
    struct chance body = chance_of(bag, number, STREAM_BODY);
    size_t end = out->len + bag->message_bytes;
    struct mail_facts facts;
    const char *word;

    mail_facts(bag, number, &facts);
    word = facts.has_body_word ? MAIL_BODY_WORD : NULL;
    put_head(out, bag, &facts, &head);
    if (bag->message_bytes == 0)
        put_mixed_body(out, &body, word);
    else
        put_sized_body(out, &body, end, word);
}
