/* role_table.h - the function of each role. */
#ifndef ROOST_ROLES_ROLE_TABLE_H
#define ROOST_ROLES_ROLE_TABLE_H

#include "roles/role.h"

/* NULL: no process of its own to start by this table. */
extern role_fn *const role_table[ROLE_COUNT];

#endif
