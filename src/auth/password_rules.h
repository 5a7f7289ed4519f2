/*
 * password_rules.h - what a new account password must be like: long, not the user's name, not
 * one that has been stolen before. Nothing is asked about its characters, which makes passwords
 * worse, not better (NIST SP 800-63B 5.1.1.2).
 */
#ifndef ROOST_AUTH_PASSWORD_RULES_H
#define ROOST_AUTH_PASSWORD_RULES_H

#include "base/slice.h"

struct password_rules {
    uint64_t min_chars;   /* Unicode code points */
    const char *breached; /* breached.h; "": no list */
};

/* RC_INVALID: the text says which rule. Others: the list cannot be asked. The secret is
 * prepared (auth/name.h). */
MUST_CHECK enum rc password_rules_check(const struct password_rules *rules, struct slice user,
                                        struct slice secret, struct err *err);

#endif
