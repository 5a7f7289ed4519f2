/*
 * finding.h - what SEARCH, SORT and THREAD have in common: messages that meet the keys.
 *
 * Spec: RFC 9051 6.4.4, RFC 5256 (a variant of SEARCH), RFC 7162 3.1.5 and 3.1.9 (a MODSEQ key
 * enables CONDSTORE), RFC 9586 3, RFC 9738 3.1.
 */
#ifndef ROOST_COMMANDS_FINDING_H
#define ROOST_COMMANDS_FINDING_H

#include "commands/cmd.h"
#include "commands/sorting.h"
#include "imap/print.h"
#include "search/search.h"

struct context;

struct finding {
    struct search *search;
    uint32_t limited; /* the lowest uid looked at (RFC 9738); 0: none was left out */
    bool with_modseq;
    bool updates;            /* UPDATE was given ... */
    bool is_unordered;       /* ... for an order that no update can keep */
    struct context *context; /* ... and can be had; else NULL */
};

/* What is asked for, whatever is searched: the charset, filters by name, no numbers with
 * UIDONLY. Once in a command: the keys are changed. A charset that is not known is NO
 * [BADCHARSET]. */
MUST_CHECK enum rc finding_check(struct cmd *cmd, const struct imap_search_args *args,
                                 struct err *err);
/* Is a MODSEQ key among them, which enables CONDSTORE? */
bool finding_asks_modseq(const struct imap_search_args *args);
/* Search what the scope shows, as far as limit.h lets it; in arena. scope.kept is taken over.
 */
MUST_CHECK enum rc finding_open(struct cmd *cmd, const struct imap_search_args *args,
                                struct search_scope scope, struct arena *arena,
                                struct finding *out, struct err *err);
/* Both, of the selected mailbox. by_score: the hits' scores are wanted though they are not to
 * be returned. */
MUST_CHECK enum rc finding_start(struct cmd *cmd, const struct imap_search_args *args,
                                 bool by_score, struct finding *out, struct err *err);
/* With UPDATE, behind finding_start() or finding_open() of the selected mailbox: keep the keys
 * as they are (context.h). sorting: n == 0 for the mailbox's order. */
void finding_will_update(struct cmd *cmd, const struct imap_search_args *args,
                         const struct sorting *sorting, struct finding *finding);
/* With UPDATE, behind the answer: from here on changes are told. ordered: as in
 * context_start(). */
void finding_update(struct cmd *cmd, struct finding *finding, const uint32_t *ordered);
/* As search_go(); says how far it is. */
MUST_CHECK enum rc finding_go(struct cmd *cmd, struct finding *finding, struct err *err);
void finding_done(struct finding *finding);

/* The untagged ESEARCH. to has the correlators and says whether numbers are uids; the rest is
 * put there. */
void finding_say(struct cmd *cmd, const struct finding *finding, const struct search_hits *hits,
                 uint32_t returns, struct imap_esearch_line to);
/* RFC 4731 3.2: the greatest MODSEQ of what is returned, which is hits->uids itself or some of
 * it; 0: no key asks for MODSEQs, or nothing is returned. */
uint64_t finding_modseq(const struct finding *finding, const struct search_hits *hits,
                        const struct uid_set *uids);
/* RETURN (SAVE): NO [NOTSAVED] if there is no room. */
MUST_CHECK enum rc finding_save(struct cmd *cmd, const struct search_hits *hits,
                                struct err *err);

/* What was found, in the order of the mailbox; in the command's arena. */
struct found {
    const uint32_t *uids, *seqs;
    const uint8_t *scores; /* RFC 6203 4; NULL: all have 100 */
    uint32_t n;
};
struct found finding_list(struct cmd *cmd, const struct search_hits *hits);

/* "4 99 42": those of ranks from..to - 1, from 0. */
void finding_print_scores(struct buf *text, const uint8_t *scores, uint64_t from, uint64_t to);

/* The tagged answer, with what could not be looked at. */
void finding_reply(struct cmd *cmd, const struct finding *finding,
                   const struct search_hits *hits, const char *text);

#endif
