/*
 * json.h - JSON from other servers and from tokens, read strictly (RFC 8259) by jansson behind
 * bounds of ours.
 *
 * An object at the top, nothing behind it; UTF-8; no member twice at any depth (RFC 8725 2.4
 * and 3.10: two readers would see two tokens); depth and length bounded before jansson, which
 * recurses, sees it.
 */
#ifndef ROOST_IDP_JSON_H
#define ROOST_IDP_JSON_H

#include <jansson.h>

#include "base/slice.h"

#define JSON_DEPTH_MAX 8u /* claims and keys have three */

/* RC_SYNTAX: no such object; RC_LIMIT: too deep. */
MUST_CHECK enum rc json_read(struct slice text, json_t **out, struct err *err);
void json_freep(json_t **json);

/* A member that is a text without NUL. False: not there, or something else. */
bool json_get_text(const json_t *object, const char *name, struct slice *out);

#endif
