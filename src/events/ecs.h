/*
 * ecs.h - an audited event as members of a JSON object, by the names of ECS 8.11
 * (docs/events.md). What the sender put into a field cannot end the string or the line:
 * log_line_quoted().
 */
#ifndef ROOST_EVENTS_ECS_H
#define ROOST_EVENTS_ECS_H

#include "events/catalogue.h"
#include "ipc/message.h"

/* Append `"@timestamp":"...",...` without braces. role: the sender's, known by its socket. */
void ecs_members(struct buf *out, const char *role, const struct msg_log_event *event,
                 const struct audited *what);

#endif
