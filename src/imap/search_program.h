/* search_program.h - the parts of SEARCH that others have too. */
#ifndef ROOST_IMAP_SEARCH_PROGRAM_H
#define ROOST_IMAP_SEARCH_PROGRAM_H

#include "imap/lex.h"

/* ["RETURN" SP "(" ... ")" SP]: RETURN () means ALL (RFC 4731 3.1, RFC 5267 3.3). */
MUST_CHECK enum rc search_take_return(struct imap_input *in, struct imap_search_args *search,
                                      struct err *err);
/* search-program: ["CHARSET" SP charset SP] search-key *(SP search-key) */
MUST_CHECK enum rc search_take_program(struct imap_input *in, struct imap_search_args *search,
                                       struct err *err);
/* SP charset 1*(SP search-key): RFC 5256 section 5 (search-criteria) */
MUST_CHECK enum rc search_take_criteria(struct imap_input *in, struct imap_search_args *search,
                                        struct err *err);

#endif
