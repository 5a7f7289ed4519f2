/*
 * quarantine.h - accounts that took the mail process down again and again: named by the crash
 * page in QUARANTINE_CRASHES crashes within QUARANTINE_WINDOW_SEC. They are not opened until an
 * administrator releases them; everybody else goes on.
 *
 * The list is kept in DATA/run/quarantine, one id a line, so that it outlives the server.
 */
#ifndef ROOST_ROLES_QUARANTINE_H
#define ROOST_ROLES_QUARANTINE_H

#include "base/slice.h"

#define QUARANTINE_CRASHES    3u
#define QUARANTINE_WINDOW_SEC (5 * 60)
#define QUARANTINE_NAMED_MAX  4096u /* namings remembered; the oldest go first */

struct quarantine;

/* path NULL: kept in memory only. RC_IO, RC_CORRUPT: the file is there and cannot be read. */
MUST_CHECK enum rc quarantine_open(const char *path, struct quarantine **out, struct err *err);
void quarantine_free(struct quarantine *quarantine);

/*
 * The mail process died at now_us with these accounts named (each once). Those that enter the
 * quarantine by it are written to out_new (room for n); returns how many.
 */
size_t quarantine_crash(struct quarantine *quarantine, const uint64_t *accounts, size_t n,
                        int64_t now_us, uint64_t *out_new);
/* RC_NOT_FOUND: it is in none. */
MUST_CHECK enum rc quarantine_release(struct quarantine *quarantine, uint64_t account,
                                      struct err *err);
/* All accounts in it; *out_n of them, valid until the next change. */
const uint64_t *quarantine_list(const struct quarantine *quarantine, size_t *out_n);

#endif
