/* random.h - bytes nobody can guess, from the kernel. */
#ifndef ROOST_BASE_RANDOM_H
#define ROOST_BASE_RANDOM_H

#include "base/err.h"

/* Fill len bytes. Ends the process if the kernel has none to give. */
void random_bytes(void *out, size_t len);
/* Never 0. */
uint64_t random_id(void);

#endif
