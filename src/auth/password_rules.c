#include "auth/password_rules.h"

#include "auth/breached.h"

/* Bytes that begin a character: exact for UTF-8, and for other bytes at most what they are. */
static uint64_t count_chars(struct slice text)
{
    uint64_t n = 0;

    for (size_t i = 0; i < text.len; i++)
        n += ((unsigned char) text.ptr[i] & 0xc0) != 0x80;
    return n;
}

static bool is_one_char(struct slice text)
{
    return text.len > 0 && slice_count(text, text.ptr[0]) == text.len;
}

/* The name, or what stands before its "@". */
static bool is_name(struct slice secret, struct slice user)
{
    return slice_eq_nocase(secret, user) ||
           slice_eq_nocase(secret, slice_sub(user, 0, slice_find(user, '@')));
}

enum rc password_rules_check(const struct password_rules *rules, struct slice user,
                             struct slice secret, struct err *err)
{
    uint64_t n_found = 0;
    enum rc rc;

    if (count_chars(secret) < rules->min_chars)
        return err_set(err, RC_INVALID, "This password is too short",
                       "password: want %llu or more characters",
                       (unsigned long long) rules->min_chars);
    if (is_name(secret, user) || is_one_char(secret))
        return err_set(err, RC_INVALID, "This password is easily guessed",
                       "password: it is the user's name, or one character over and over");
    if (rules->breached[0] == '\0')
        return RC_OK;
    rc = breached_find(rules->breached, secret, &n_found, err);
    if (rc == RC_OK && n_found > 0)
        rc = err_set(err, RC_INVALID,
                     "This password has been stolen somewhere before: take another",
                     "password: it stands in the list of breached passwords");
    return rc;
}
