/*
 * packer.h - moves bodies from closed segments and spill files into packs, behind everything
 * that is acknowledged.
 */
#ifndef ROOST_STORE_LOCAL_PACKER_H
#define ROOST_STORE_LOCAL_PACKER_H

#include "store/local/store.h"

#define PACK_TARGET_BYTES ((uint64_t) 64 << 20) /* bodies worth a pack */
#define PACK_LIVE_MAX     4u   /* more closed segments than this are packed however small */
#define PACKER_RETRY_MS   1000 /* after a full disk */

MUST_CHECK enum rc packer_new(struct local *local, struct packer **out, struct err *err);
/* A segment was closed. */
void packer_poke(struct packer *packer); /* NULL is allowed */
void packer_stop(struct packer *packer);
void packer_free(struct packer *packer);

#endif
