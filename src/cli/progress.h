/*
 * progress.h - how far something long has come, on standard error: a line that is written over
 * on a terminal, a line every few seconds elsewhere. Nothing for the first second.
 */
#ifndef ROOST_CLI_PROGRESS_H
#define ROOST_CLI_PROGRESS_H

#include "base/slice.h"

struct progress {
    const char *what; /* "messages" */
    int64_t began_us, shown_us;
    bool terminal, silent;
};

void progress_start(struct progress *progress, const char *what, bool silent);
/* done of the things named; part of whole tells the time left (whole 0: not known). */
void progress_tell(struct progress *progress, uint64_t done, uint64_t part, uint64_t whole);
/* Clears the line. Seconds since the start. */
double progress_end(struct progress *progress);

#endif
