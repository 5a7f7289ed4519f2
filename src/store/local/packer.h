/*
 * packer.h - moves bodies from closed segments and spill files into packs, behind everything
 * that is acknowledged.
 */
#ifndef ROOST_STORE_LOCAL_PACKER_H
#define ROOST_STORE_LOCAL_PACKER_H

#include "store/local/store.h"

#define PACK_LIVE_MAX   4u   /* more closed segments than this are packed however small */
#define PACKER_RETRY_MS 1000 /* after a full disk */

MUST_CHECK enum rc packer_new(struct local *local, struct packer **out, struct err *err);
/* Does so much wait to be packed that commits may have to wait for it, or that the places of
 * so many bodies fill the memory? */
bool packer_is_pressed(struct local *local);
/* The same with the index lock held. */
bool packer_has_much(const struct local *local);
/* A segment was closed. */
void packer_poke(struct packer *packer); /* NULL is allowed */
void packer_stop(struct packer *packer);
void packer_free(struct packer *packer);

#endif
