/*
 * mbox_info.h - the parts of a mailbox that seldom change, shared by its versions: name,
 * identifiers, keyword table, ACL, metadata. Also the counted pieces of text it is made of,
 * which serve the index of names and the subscriptions as well.
 */
#ifndef ROOST_ACCOUNT_MBOX_INFO_H
#define ROOST_ACCOUNT_MBOX_INFO_H

#include "account/counted.h"
#include "account/state.h"

/* Text with a number: a mailbox name and its mailbox's id, a subscription (id 0). Immutable. */
struct name_item {
    struct counted counted;
    uint32_t id;
    struct slice text; /* points behind the struct */
};

struct name_item *name_item_new(uint32_t id, struct slice text);
void name_item_unref(struct name_item *item);
void name_item_free(struct counted *item); /* an item_free_fn */

/* INBOX first, then by bytes. Both names canonical: INBOX only in capitals. */
int mailbox_name_order(struct slice a, struct slice b);
/* "INBOX" for INBOX in any case, else the name itself. */
struct slice mailbox_name_key(struct slice name);

/* Everything mbox_info() shows. */
struct info_object {
    struct counted counted;
    struct page_ref page;
    struct name_item *name;
    struct slice *keywords;
    size_t n_keywords;
    struct text_pair *acl, *metadata;
    struct mbox_info info; /* shows what is above; counts of acl and metadata stand only here */
};

struct info_object *info_object_new(uint32_t id, const struct object_id *mailboxid,
                                    struct slice name, uint32_t uidvalidity,
                                    uint32_t special_use);
void info_object_ref(struct info_object *object);
void info_object_unref(struct info_object *object); /* NULL is allowed */

/* Let info show what the object holds, after its lists were filled. The object is ours. */
void info_show(struct info_object *object);

/* Changes: *object is copied first if it is shared. */
void info_set_name(struct info_object **object, struct slice name);
/* Another mailbox from now on. Its name's item is the old one's until info_set_name(). */
void info_set_identity(struct info_object **object, uint32_t id,
                       const struct object_id *mailboxid, uint32_t uidvalidity);
void info_set_special_use(struct info_object **object, uint32_t special_use);
void info_set_was_inbox(struct info_object **object, bool was_inbox);
void info_set_uidvalidity(struct info_object **object, uint32_t uidvalidity);
void info_add_keyword(struct info_object **object, struct slice name);
/* Empty rights take the entry out. */
void info_set_acl(struct info_object **object, struct slice identifier, struct slice rights);
/* A NULL value takes the entry out. */
void info_set_metadata(struct info_object **object, struct slice entry,
                       const struct slice *value);

/* Lists of pairs in order of keys, each owned by one holder. */
struct text_pair *pairs_copy(const struct text_pair *pairs, size_t n);
void pairs_free(struct text_pair *pairs, size_t n);
/* Set the value of a key; NULL takes the pair out. Returns the list, which may have moved. */
struct text_pair *pairs_set(struct text_pair *pairs, size_t *n, struct slice key,
                            const struct slice *value);
/* Position of the first key not below this one. */
size_t pairs_lower_bound(const struct text_pair *pairs, size_t n, struct slice key);

/* A heap copy of a text, and its end. */
struct slice text_dup(struct slice s);
void text_free(struct slice s);

#endif
