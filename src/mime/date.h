/*
 * date.h - the Date field to a point in time.
 *
 * Spec: RFC 5322 3.3 and 4.3 (obsolete years and zones). Lenient: no weekday, any order of
 * day and month ("Tue Nov 21 20:42:26 2026", asctime), month names written out, "-" and "/"
 * between them, no seconds, zones with a colon or in words, comments.
 */
#ifndef ROOST_MIME_DATE_H
#define ROOST_MIME_DATE_H

#include "base/slice.h"

struct mime_date {
    int64_t utc_sec; /* since 1970 */
    int32_t
        day; /* of the date as written, since 1970: RFC 9051 SENTBEFORE, SENTON, SENTSINCE */
};

/* False if there is no date in it; a date without time is midnight, without zone UTC. */
bool date_parse(struct slice raw, struct mime_date *out);

#endif
