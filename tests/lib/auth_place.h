/* auth_place.h - a folder with a database of accounts of its own, for a test's setup. */
#ifndef ROOST_TESTS_AUTH_PLACE_H
#define ROOST_TESTS_AUTH_PLACE_H

#include "auth/db.h"
#include "auth/sasl.h"

struct place {
    char folder[32];
    struct auth_db *db;
    struct arena *arena;
};

/* Of the group of tests: opens what auth needs. */
int place_start(void **state);
/* Of each test: *state is a struct place. */
int place_make(void **state);
int place_drop(void **state);

/* A user; its id. */
uint64_t place_add(struct place *place, const char *name);

/* What a client claims by PLAIN. */
void plain_claim(struct sasl *sasl, const char *authzid, const char *user, const char *secret);

#endif
