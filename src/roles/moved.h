/*
 * moved.h - users whose mail is on another server: `moved_users` of the configuration (RFC
 * 2221).
 */
#ifndef ROOST_ROLES_MOVED_H
#define ROOST_ROLES_MOVED_H

#include "config/config.h"
#include "config/elsewhere.h"

/* By name as for a login, however it is written. False: the user is at home here. */
bool moved_user_find(const struct config *config, struct slice user, struct elsewhere *out);

#endif
