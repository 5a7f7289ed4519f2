/*
 * list.h - a doubly linked list whose links lie inside the members. Not locked.
 *
 * A member is in one list per link; list_remove on a member that is in none does nothing, if
 * its link was initialised (zeroed memory counts).
 */
#ifndef ROOST_BASE_LIST_H
#define ROOST_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct link {
    struct link *prev, *next;
};

struct list {
    struct link head;
};

/* The struct that holds this link. */
#define LINK_OWNER(link_, type, member)                                                        \
    ((type *) (void *) ((char *) (link_) -offsetof(type, member)))

/* Each member's link in turn; the current one may be removed in the body. */
#define LIST_FOREACH(it, list_)                                                                \
    for (struct link *it = (list_)->head.next, *it##_next_ = it->next; it != &(list_)->head;   \
         it = it##_next_, it##_next_ = it->next)

static inline void list_init(struct list *list)
{
    list->head.prev = list->head.next = &list->head;
}

static inline bool list_is_empty(const struct list *list)
{
    return list->head.next == &list->head;
}

static inline void list_push_back(struct list *list, struct link *link)
{
    link->prev = list->head.prev;
    link->next = &list->head;
    list->head.prev->next = link;
    list->head.prev = link;
}

static inline void list_remove(struct link *link)
{
    if (link->next == NULL)
        return;
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->prev = link->next = NULL;
}

static inline bool link_is_listed(const struct link *link)
{
    return link->next != NULL;
}

/* The first member's link taken out, or NULL. */
static inline struct link *list_pop_front(struct list *list)
{
    struct link *first = list->head.next;

    if (list_is_empty(list))
        return NULL;
    list_remove(first);
    return first;
}

#endif
