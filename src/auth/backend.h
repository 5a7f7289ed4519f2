/*
 * backend.h - what a foreign back-end (config/backends.h) says of a user and a password: role
 * idp of a directory's or a database's user, a helper of PAM's. login.h decides with it.
 */
#ifndef ROOST_AUTH_BACKEND_H
#define ROOST_AUTH_BACKEND_H

#include "config/backends.h"

/* What a foreign back-end says. */
enum backend_result {
    BACKEND_RIGHT,
    BACKEND_WRONG,
    BACKEND_UNKNOWN,  /* nobody of that name */
    BACKEND_DISABLED, /* the password is right, and the user may not come in */
    BACKEND_UNAVAILABLE,
};

struct backend_answer {
    enum backend_result result;
    struct slice user;   /* with BACKEND_RIGHT: the canonical name there */
    struct slice groups; /* names, one a line: those of the user there */
    bool knows_groups;   /* false: the back-end has no groups, what is known stays */
};

#endif
