#include "account/mbox_info.h"

#include <assert.h>

struct slice text_dup(struct slice s)
{
    char *copy = xmalloc(s.len + 1);

    if (s.len > 0)
        memcpy(copy, s.ptr, s.len);
    return slice_of(copy, s.len);
}

void text_free(struct slice s)
{
    union {
        const char *text;
        void *block;
    } made_by_dup = {.text = s.ptr};

    free(made_by_dup.block);
}

struct name_item *name_item_new(uint32_t id, struct slice text)
{
    struct name_item *item = xmalloc(sizeof(*item) + text.len + 1);
    char *bytes = (char *) (item + 1);

    if (text.len > 0)
        memcpy(bytes, text.ptr, text.len);
    *item = (struct name_item){.id = id, .text = slice_of(bytes, text.len)};
    counted_init(&item->counted);
    return item;
}

void name_item_free(struct counted *item)
{
    free(item);
}

void name_item_unref(struct name_item *item)
{
    if (item != NULL && counted_drop(&item->counted))
        free(item);
}

int mailbox_name_order(struct slice a, struct slice b)
{
    bool a_inbox = slice_eq(a, SLICE("INBOX")), b_inbox = slice_eq(b, SLICE("INBOX"));

    if (a_inbox || b_inbox)
        return (int) b_inbox - (int) a_inbox;
    return slice_cmp(a, b);
}

struct slice mailbox_name_key(struct slice name)
{
    return slice_eq_nocase(name, SLICE("INBOX")) ? SLICE("INBOX") : name;
}

size_t pairs_lower_bound(const struct text_pair *pairs, size_t n, struct slice key)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (slice_cmp(pairs[mid].key, key) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct text_pair *pairs_copy(const struct text_pair *pairs, size_t n)
{
    struct text_pair *copy = n > 0 ? xmalloc(n * sizeof(*copy)) : NULL;

    for (size_t i = 0; i < n; i++)
        copy[i] = (struct text_pair){text_dup(pairs[i].key), text_dup(pairs[i].value)};
    return copy;
}

void pairs_free(struct text_pair *pairs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        text_free(pairs[i].key);
        text_free(pairs[i].value);
    }
    free(pairs);
}

struct text_pair *pairs_set(struct text_pair *pairs, size_t *n, struct slice key,
                            const struct slice *value)
{
    size_t at = pairs_lower_bound(pairs, *n, key);
    bool found = at < *n && slice_eq(pairs[at].key, key);

    if (value != NULL && !found) {
        pairs = xrealloc(pairs, (*n + 1) * sizeof(*pairs));
        memmove(pairs + at + 1, pairs + at, (*n - at) * sizeof(*pairs));
        pairs[at] = (struct text_pair){text_dup(key), text_dup(*value)};
        (*n)++;
    } else if (value != NULL) {
        struct slice old = pairs[at].value;

        pairs[at].value = text_dup(*value);
        text_free(old);
    } else if (found) {
        text_free(pairs[at].key);
        text_free(pairs[at].value);
        memmove(pairs + at, pairs + at + 1, (*n - at - 1) * sizeof(*pairs));
        (*n)--;
    }
    return pairs;
}

struct info_object *info_object_new(uint32_t id, const struct object_id *mailboxid,
                                    struct slice name, uint32_t uidvalidity,
                                    uint32_t special_use)
{
    struct info_object *object = xcalloc(1, sizeof(*object));

    counted_init(&object->counted);
    object->name = name_item_new(id, name);
    object->info = (struct mbox_info){
        .id = id,
        .mailboxid = *mailboxid,
        .name = object->name->text,
        .uidvalidity = uidvalidity,
        .special_use = special_use,
    };
    return object;
}

void info_object_ref(struct info_object *object)
{
    counted_take(&object->counted);
}

void info_object_unref(struct info_object *object)
{
    if (object == NULL || !counted_drop(&object->counted))
        return;
    name_item_unref(object->name);
    for (size_t i = 0; i < object->n_keywords; i++)
        text_free(object->keywords[i]);
    free(object->keywords);
    pairs_free(object->acl, object->info.n_acl);
    pairs_free(object->metadata, object->info.n_metadata);
    free(object);
}

void info_show(struct info_object *object)
{
    object->info.name = object->name->text;
    object->info.keywords = object->keywords;
    object->info.n_keywords = object->n_keywords;
    object->info.acl = object->acl;
    object->info.metadata = object->metadata;
}

static void info_own(struct info_object **object)
{
    struct info_object *old = *object, *copy;

    if (counted_is_ours(&old->counted)) {
        old->page = (struct page_ref){0};
        return;
    }
    copy = xcalloc(1, sizeof(*copy));
    counted_init(&copy->counted);
    copy->info = old->info;
    copy->name = old->name;
    counted_take(&copy->name->counted);
    copy->n_keywords = old->n_keywords;
    if (old->n_keywords > 0)
        copy->keywords = xmalloc(old->n_keywords * sizeof(*copy->keywords));
    for (size_t i = 0; i < old->n_keywords; i++)
        copy->keywords[i] = text_dup(old->keywords[i]);
    copy->acl = pairs_copy(old->acl, old->info.n_acl);
    copy->metadata = pairs_copy(old->metadata, old->info.n_metadata);
    info_show(copy);
    info_object_unref(old);
    *object = copy;
}

void info_set_name(struct info_object **object, struct slice name)
{
    struct name_item *item = name_item_new((*object)->info.id, name);

    info_own(object);
    name_item_unref((*object)->name);
    (*object)->name = item;
    info_show(*object);
}

void info_set_identity(struct info_object **object, uint32_t id,
                       const struct object_id *mailboxid, uint32_t uidvalidity)
{
    info_own(object);
    (*object)->info.id = id;
    (*object)->info.mailboxid = *mailboxid;
    (*object)->info.uidvalidity = uidvalidity;
}

void info_set_special_use(struct info_object **object, uint32_t special_use)
{
    info_own(object);
    (*object)->info.special_use = special_use;
}

void info_set_was_inbox(struct info_object **object, bool was_inbox)
{
    info_own(object);
    (*object)->info.was_inbox = was_inbox;
}

void info_set_uidvalidity(struct info_object **object, uint32_t uidvalidity)
{
    info_own(object);
    (*object)->info.uidvalidity = uidvalidity;
}

void info_add_keyword(struct info_object **object, struct slice name)
{
    struct info_object *own;

    info_own(object);
    own = *object;
    own->keywords = xrealloc(own->keywords, (own->n_keywords + 1) * sizeof(*own->keywords));
    own->keywords[own->n_keywords++] = text_dup(name);
    info_show(own);
}

void info_set_acl(struct info_object **object, struct slice identifier, struct slice rights)
{
    info_own(object);
    (*object)->acl = pairs_set((*object)->acl, &(*object)->info.n_acl, identifier,
                               rights.len > 0 ? &rights : NULL);
    info_show(*object);
}

void info_set_metadata(struct info_object **object, struct slice entry,
                       const struct slice *value)
{
    info_own(object);
    (*object)->metadata =
        pairs_set((*object)->metadata, &(*object)->info.n_metadata, entry, value);
    info_show(*object);
}
