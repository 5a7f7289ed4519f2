/*
 * filters.h - searches that are stored by name.
 *
 * Spec: RFC 5466. A filter is the entry /private/filters/values/NAME of the account whose
 * session it is (RFC 5464); the server's /shared entries are empty, and so there are no shared
 * filters.
 */
#ifndef ROOST_COMMANDS_FILTERS_H
#define ROOST_COMMANDS_FILTERS_H

#include "commands/cmd.h"

#define FILTER_MAX_DEPTH 3u  /* filters inside filters: RFC 5466 3.1 asks for 3 passes */
#define FILTER_MAX_USES  16u /* in one command, those inside others counted */

/* Puts each filter's keys in the place of its FILTER. NO [UNDEFINED-FILTER name]: it is not
 * there, it is no search, or it goes too deep. */
MUST_CHECK enum rc filters_resolve(struct cmd *cmd, struct imap_search_key *key,
                                   struct err *err);
/* May this entry of the server have this value? RC_INVALID: it is a filter's, and that is none.
 */
MUST_CHECK enum rc filters_check(struct slice entry, struct slice value, struct arena *arena,
                                 struct err *err);

#endif
