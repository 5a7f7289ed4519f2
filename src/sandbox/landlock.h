/*
 * landlock.h - confines the calling thread to a few paths, without TCP but to named ports, and
 * to signals and abstract sockets of its own. Spec: landlock(7), ABI 1 to 7; newer ones are
 * used as 7.
 */
#ifndef ROOST_SANDBOX_LANDLOCK_H
#define ROOST_SANDBOX_LANDLOCK_H

#include "sandbox/sandbox.h"

/* The ABI of the running kernel; 0: it has none. */
int landlock_abi(void);
/* RC_UNAVAILABLE: no Landlock; RC_IO: a path cannot be opened, or the kernel refused. */
MUST_CHECK enum rc landlock_confine(const struct sandbox_rules *rules, struct err *err);

#endif
