/*
 * catalogue.h - which events are audited, and what they are in the words of ECS 8.11.
 *
 * docs/events.md is the same table for people. An event that is not in it goes to the log only.
 */
#ifndef ROOST_EVENTS_CATALOGUE_H
#define ROOST_EVENTS_CATALOGUE_H

#include "base/slice.h"

/* Whom the fields `user` and `name` of an event mean. */
enum audit_subject {
    AUDIT_ACTOR,  /* who did it */
    AUDIT_TARGET, /* to whom it was done; who did it is `by_uid` */
};

struct audited {
    const char *name;
    const char *category, *type; /* of event.category and event.type: one word each */
    enum audit_subject subject;
};

/* NULL: this event is not audited. */
const struct audited *audited_find(struct slice name);

/* In the order of their names. */
size_t audited_count(void);
const struct audited *audited_at(size_t at);

/* The ECS name of a field of the log; NULL where ECS has none: then it is "roost." and the
 * field's own. subject: of the event. */
const char *audited_field(struct slice key, enum audit_subject subject);

#endif
