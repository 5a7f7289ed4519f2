/*
 * form.h - what a browser sends with a form, and its cookies: parsed strictly, or refused.
 *
 * Spec: application/x-www-form-urlencoded (WHATWG URL 5.1) and the Cookie header (RFC 6265
 * 4.2.1). Of forms only what our own pages can make browsers send is taken: one value a name,
 * UTF-8, no control characters, every "%" with its two hex digits.
 *
 * Memory: values are decoded in place, in the body's own bytes, so that a password exists once
 * and is wiped with them.
 */
#ifndef ROOST_WEB_FORM_H
#define ROOST_WEB_FORM_H

#include "base/slice.h"

#define FORM_BODY_MAX_BYTES  ((size_t) 8 << 10)
#define FORM_FIELDS_MAX      16u
#define FORM_NAME_MAX_BYTES  32u
#define FORM_VALUE_MAX_BYTES 1024u
#define COOKIES_MAX          32u /* others than ours are passed over, up to so many */

struct form_field {
    struct slice name, value;
};

struct form {
    struct form_field fields[FORM_FIELDS_MAX];
    size_t n;
};

/* RC_SYNTAX: not in the grammar; RC_INVALID: a name twice, a control character, no UTF-8;
 * RC_LIMIT. The bytes of body are rewritten in any case. */
MUST_CHECK enum rc form_parse(char *body, size_t len, struct form *out, struct err *err);
/* The value, or one of length 0. */
struct slice form_get(const struct form *form, const char *name);

/* The value of the one cookie of that name. False: none, or several (then somebody else set
 * one). */
bool cookie_find(struct slice header, struct slice name, struct slice *out);

/* Hex digits, as many as out has room for twice, upper or lower case; nothing else. */
bool hex_read(struct slice text, unsigned char *out, size_t out_len);

#endif
