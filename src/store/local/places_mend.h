/*
 * places_mend.h - after the state was salvaged: packs and places that it lost are known again
 * from the packs themselves.
 *
 * A pack whose row is whole and whose places are as many as the row says is left alone. Of the
 * others every entry without a place gets one; bodies that were dead come back with them, until
 * the next sweep of their account (live.h) lets them go again.
 */
#ifndef ROOST_STORE_LOCAL_PLACES_MEND_H
#define ROOST_STORE_LOCAL_PLACES_MEND_H

#include "store/local/store.h"

/* Before there is a packer, and before pack_sweep(). */
MUST_CHECK enum rc places_mend(struct local *local, struct err *err);

#endif
