/*
 * lex.h - the terminals of the grammar, read from a command. For the parsers of this folder.
 *
 * Spec: RFC 9051 section 9. Every lex_*() that returns bool takes its token or leaves the
 * cursor where it was; lex_fail() then says what was expected and where. Slices point into the
 * command's text, or into the arena where escapes were undone.
 */
#ifndef ROOST_IMAP_LEX_H
#define ROOST_IMAP_LEX_H

#include "imap/command.h"

/* RC_SYNTAX with "Expected <what> at byte <n>". */
enum rc lex_fail(const struct imap_input *in, struct err *err, const char *what);

bool lex_is_atom_char(char c);
bool lex_is_astring_char(char c);
bool lex_is_list_char(char c);
/* All of s is an atom. */
bool lex_is_atom(struct slice s);

bool lex_sp(struct imap_input *in);
bool lex_byte(struct imap_input *in, char byte);
/* The word, in any case, and no letter, digit, "." or "-" right behind it. */
bool lex_word(struct imap_input *in, const char *word);
bool lex_atom(struct imap_input *in, struct slice *out);
bool lex_quoted(struct imap_input *in, struct slice *out);
bool lex_string(struct imap_input *in, struct slice *out);
bool lex_astring(struct imap_input *in, struct slice *out);
/* nstring; nil says which. */
bool lex_nstring(struct imap_input *in, bool *nil, struct slice *out);
/* list-mailbox: an astring that may hold % and *. */
bool lex_list_mailbox(struct imap_input *in, struct slice *out);

struct lex_literal {
    uint32_t index; /* into the command's literals; 0 if the text came without a list */
    uint64_t len;
    bool binary;
    struct slice bytes; /* empty if they went to the sink */
};
/* literal or literal8, spooled or not. */
bool lex_literal(struct imap_input *in, struct lex_literal *out);

/* 1 to 255 of A-Z a-z 0-9 "_" "-": objectid of RFC 8474 section 7. */
bool imap_is_object_id(struct slice s);

bool lex_number(struct imap_input *in, uint32_t *out);
/* No leading zero. */
bool lex_nz_number(struct imap_input *in, uint32_t *out);
/* RFC 9051 number64: below 2^63. */
bool lex_number64(struct imap_input *in, uint64_t *out);
bool lex_nz_number64(struct imap_input *in, uint64_t *out);

enum rc lex_set(struct imap_input *in, struct imap_set *out, struct err *err);
enum rc lex_mailbox(struct imap_input *in, struct imap_mailbox *out, struct err *err);
/* "flag" into flags; keywords has room for IMAP_FLAGS_MAX. flag_list takes "(...)". */
enum rc lex_flag_list(struct imap_input *in, struct imap_flags *out, struct err *err);
enum rc lex_flags(struct imap_input *in, struct imap_flags *out, struct err *err);
/* mod-sequence-value and -valzer: below 2^63 (RFC 7162 section 7). */
bool lex_modseq(struct imap_input *in, bool zero_allowed, uint64_t *out);

/* partial-range: RFC 9394 4 */
enum rc lex_partial(struct imap_input *in, struct imap_partial *out, struct err *err);

/*
 * Options and parameters in the generic syntax of RFC 4466 2.1 and RFC 5258 6: "(" [name [SP
 * value]
 * *(SP name [SP value])] ")". A row for each name that is known; an unknown one is RC_SYNTAX.
 * value reads behind the name, its SP included.
 */
struct lex_option {
    const char *name;
    uint32_t bit;
    enum rc (*value)(struct imap_input *in, void *ctx, struct err *err);
};
/* bits gets the rows that occurred. A row with a value may occur once. */
enum rc lex_options(struct imap_input *in, const struct lex_option *rows, size_t n,
                    const char *what, void *ctx, uint32_t *bits, struct err *err);
/* The same where each row may occur again; value is called each time. */
enum rc lex_repeated_options(struct imap_input *in, const struct lex_option *rows, size_t n,
                             const char *what, void *ctx, uint32_t *bits, struct err *err);

/* SP "(" status-att *(SP status-att) ")": STATUS and LIST's RETURN (STATUS ...). */
enum rc lex_status_items(struct imap_input *in, uint32_t *out, struct err *err);
/* The name of one bit of enum imap_status_item. */
const char *lex_status_item_name(uint32_t bit);

/* Where a filter of mailboxes stands: which kinds there are depends on it. */
enum lex_filter_place { FILTER_IN_NOTIFY = 1u << 0, FILTER_IN_ESEARCH = 1u << 1 };
/* Room for the names of all filters of a command: as many as it may hold, FILTER_MAX_NAMES at
 * most. */
struct lex_names {
    struct slice *names;
    size_t n;
};
struct lex_names lex_names_new(const struct imap_input *in);
/* filter-mailboxes: RFC 5465 section 8, RFC 7377 section 4. RC_LIMIT: too many names. A name
 * that no mailbox can have is left out. */
enum rc lex_mailbox_filter(struct imap_input *in, enum lex_filter_place place,
                           struct lex_names *all, struct imap_mailbox_filter *out,
                           struct err *err);

/* The names of NOTIFY's events, one after the other; NULL behind the last. */
const char *lex_notify_event_name(size_t at);

/* SP "(" entry *(SP entry) ")": LIST's RETURN (METADATA ...). */
enum rc lex_metadata_names(struct imap_input *in, struct imap_metadata_names *out,
                           struct err *err);

/* section, or section-binary: part numbers alone. The "[" is next. */
enum rc lex_section(struct imap_input *in, bool binary, struct imap_section *out,
                    struct err *err);

/* "(" fetch-att *(SP fetch-att) ")": into items, n and kinds of out. */
enum rc lex_fetch_list(struct imap_input *in, struct imap_fetch_args *out, struct err *err);

/* RFC 5257: "(" entry-att *(SP entry-att) ")" with values to be stored, and what stands behind
 * ANNOTATION in a FETCH. */
enum rc lex_annotations(struct imap_input *in, struct imap_annotations *out, struct err *err);
enum rc lex_annotation_query(struct imap_input *in, const struct imap_annotation_query **out,
                             struct err *err);
/* entry-match: a name, or a pattern. */
enum rc lex_entry_match(struct imap_input *in, struct slice *out, struct err *err);
/* nstring or literal8. */
bool lex_value(struct imap_input *in, bool *nil, struct slice *out);

/* All of s as a date, date-text or date-time (the quotes of date-time not included). */
bool lex_date_text(struct slice s, int32_t *out_day);
bool lex_date_time_text(struct slice s, struct imap_date_time *out);
/* date: date-text, quoted or not. */
bool lex_date(struct imap_input *in, int32_t *out_day);
bool lex_date_time(struct imap_input *in, struct imap_date_time *out);
/* date-time of RFC 3339 5.6, as unix seconds. */
bool lex_timestamp(struct scan *sc, int64_t *out_sec);

#endif
