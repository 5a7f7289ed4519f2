/*
 * walk_annotations.c - steps on annotations (RFC 5257): STORE, FETCH, SEARCH and SORT by them,
 * own ones and everybody's.
 */
#include "walk_steps.h"

/* ---- what is stored ---- */

static const char *value_text(struct walk *walk, uint8_t value)
{
    const char *text = picture_values[value], *quoted = "";

    if (text == NULL)
        return "NIL";
    if (strchr(text, '\n') != NULL)
        return arena_printf(walk->plan, "{%zu+}\r\n%s", strlen(text), text);
    for (; *text != '\0'; text++)
        quoted = arena_printf(walk->plan, "%s%s%c", quoted,
                              *text == '"' || *text == '\\' ? "\\" : "", *text);
    return arena_printf(walk->plan, "\"%s\"", quoted);
}

struct annotating steps_annotating(struct walk *walk)
{
    struct annotating annotating = {.text = " ANNOTATION ("};
    unsigned taken = 0;

    for (uint32_t more = 1 + walk_random(walk, ANNOTATING_MAX); more > 0; more--) {
        struct annotating_entry *entry = &annotating.entries[annotating.n];
        unsigned place;

        *entry = (struct annotating_entry){
            .entry = (uint8_t) walk_random(walk, ORACLE_ENTRIES),
            .value = (uint8_t) walk_random(walk, PICTURE_VALUES),
            .shared = walk_random(walk, 2) == 0,
        };
        place = 1u << (entry->entry * 2u + entry->shared);
        if ((taken & place) != 0)
            continue;
        taken |= place;
        annotating.text =
            arena_printf(walk->plan, "%s%s%s (value.%s %s)", annotating.text,
                         annotating.n > 0 ? " " : "", picture_entries[entry->entry],
                         entry->shared ? "shared" : "priv", value_text(walk, entry->value));
        annotating.n++;
    }
    annotating.text = arena_printf(walk->plan, "%s)", annotating.text);
    return annotating;
}

bool steps_may_annotate(const struct player *player, const struct oracle_mailbox *mailbox,
                        const struct annotating *annotating)
{
    for (size_t i = 0; i < annotating->n; i++)
        if (!oracle_may(mailbox, player->reader, 'r') ||
            (annotating->entries[i].shared && !oracle_may(mailbox, player->reader, 'n')))
            return false;
    return true;
}

static unsigned keeper_of(const struct player *player, bool shared)
{
    return shared ? ORACLE_EVERYBODY : player->reader;
}

void steps_annotate(const struct player *player, struct oracle_mailbox *mailbox,
                    struct oracle_message *message, const struct annotating *annotating)
{
    for (size_t i = 0; i < annotating->n; i++) {
        const struct annotating_entry *entry = &annotating->entries[i];

        (void) oracle_annotate(mailbox, message, keeper_of(player, entry->shared), entry->entry,
                               entry->value);
    }
}

/* The client knows what it has stored itself, and nobody tells it. */
static void store(struct player *player, struct oracle_message *message,
                  const struct annotating *annotating)
{
    struct picture_message *drawn =
        &player->picture.messages[oracle_view_seq(&player->view, message->uid) - 1];

    for (size_t i = 0; i < annotating->n; i++) {
        const struct annotating_entry *entry = &annotating->entries[i];
        unsigned keeper = keeper_of(player, entry->shared);
        struct picture_annotation *known = &drawn->annotations[entry->entry];

        known->is_known[entry->shared] = true;
        known->value[entry->shared] = entry->value;
        if (oracle_annotate(player->view.mailbox, message, keeper, entry->entry, entry->value))
            known->seen[entry->shared] = message->annotations[keeper][entry->entry].changes;
    }
}

void walk_annotate(struct walk *walk, struct player *player)
{
    struct annotating annotating = steps_annotating(walk);
    struct condition condition;
    struct picked picked;
    bool done;

    if (player->view.mailbox == NULL)
        return;
    steps_pick(walk, player, &picked);
    condition = steps_condition(walk, player, &picked);
    steps_say(walk, player, "%sSTORE %s%s%s", picked.uid ? "UID " : "", picked.text,
              condition.text, annotating.text);
    if (walk_was_ended(walk, player))
        return;
    done = walk_outcome(walk, player,
                        !player->examines && !picked.has_gone &&
                            steps_may_annotate(player, player->view.mailbox, &annotating));
    if (done)
        steps_check_modified(walk, player, &picked, &condition);
    for (size_t i = 0; i < picked.n && done; i++)
        if (!steps_is_refused(player, &condition, picked.messages[i]))
            store(player, picked.messages[i], &annotating);
    walk_judge(walk, player, picked.uid);
}

/* ---- FETCH ---- */

/* What is asked for: entries by bits of their numbers; each attribute. */
struct asked {
    const char *text;
    unsigned entries;
    bool by_pattern; /* only those that are there are told */
    bool priv, shared, sizes;
};

static const struct imap_annotation_data *told_of(const struct imap_response *answer,
                                                  const char *entry)
{
    for (size_t i = 0; i < answer->fetch.n; i++) {
        const struct imap_fetch_data *item = &answer->fetch.items[i];

        for (size_t k = 0; k < item->n_annotations; k++)
            if (slice_eq(item->annotations[k].entry, slice_from_str(entry)) &&
                item->annotations[k].n > 0)
                return &item->annotations[k];
    }
    return NULL;
}

static void check_value(struct walk *walk, struct player *player,
                        const struct imap_annotation_data *told,
                        enum imap_annotation_attribute attribute, uint8_t value)
{
    const char *text = picture_values[value];
    bool is_size =
        attribute == IMAP_ANNOTATION_SIZE_PRIV || attribute == IMAP_ANNOTATION_SIZE_SHARED;

    if (is_size)
        text = arena_printf(walk->arena, "%zu", text != NULL ? strlen(text) : 0);
    for (size_t i = 0; i < told->n; i++) {
        if (told->values[i].attribute != attribute)
            continue;
        if (told->values[i].nil != (text == NULL) ||
            (text != NULL && !slice_eq(told->values[i].value, slice_from_str(text))))
            walk_fail(walk, player, "%.*s is told as %.*s", SLICE_ARG(told->entry),
                      SLICE_ARG(told->values[i].value));
        return;
    }
    walk_fail(walk, player, "%.*s without an attribute", SLICE_ARG(told->entry));
}

static void check_entry(struct walk *walk, struct player *player, const struct asked *asked,
                        const struct oracle_message *message, unsigned at,
                        const struct imap_annotation_data *told)
{
    uint8_t own = message->annotations[player->reader][at].value;
    uint8_t shared = message->annotations[ORACLE_EVERYBODY][at].value;
    bool is_there = (asked->priv && own != 0) || (asked->shared && shared != 0);
    bool should_tell = (asked->entries & (1u << at)) != 0 && (!asked->by_pattern || is_there);

    if ((told != NULL) != should_tell)
        walk_fail(walk, player, "%s of uid %u is %stold", picture_entries[at], message->uid,
                  told != NULL ? "" : "not ");
    if (told == NULL)
        return;
    if (told->n != ((size_t) asked->priv + asked->shared) * (asked->sizes ? 2u : 1u))
        walk_fail(walk, player, "%zu attributes of %s", told->n, picture_entries[at]);
    if (asked->priv)
        check_value(walk, player, told, IMAP_ANNOTATION_VALUE_PRIV, own);
    if (asked->shared)
        check_value(walk, player, told, IMAP_ANNOTATION_VALUE_SHARED, shared);
    if (asked->priv && asked->sizes)
        check_value(walk, player, told, IMAP_ANNOTATION_SIZE_PRIV, own);
    if (asked->shared && asked->sizes)
        check_value(walk, player, told, IMAP_ANNOTATION_SIZE_SHARED, shared);
}

/* By the numbers as they were before the command. */
static void check_told(struct walk *walk, struct player *player, const struct asked *asked,
                       const struct oracle_message *message)
{
    uint32_t seq = oracle_view_seq(&player->view, message->uid);

    for (unsigned at = 0; at < ORACLE_ENTRIES; at++) {
        const struct imap_annotation_data *told = NULL;

        for (size_t i = 0; i < walk->n_answers && told == NULL; i++) {
            const struct imap_response *answer = &walk->answers[i];

            if (answer->data == IMAP_DATA_FETCH &&
                answer->number == (answer->by_uid ? message->uid : seq))
                told = told_of(answer, picture_entries[at]);
        }
        check_entry(walk, player, asked, message, at, told);
    }
}

static void fetch(struct walk *walk, struct player *player, const struct picked *picked,
                  const struct asked *asked)
{
    steps_say(walk, player, "%sFETCH %s (%sANNOTATION (%s))", picked->uid ? "UID " : "",
              picked->text, walk_random(walk, 2) == 0 ? "FLAGS " : "", asked->text);
    if (walk_was_ended(walk, player))
        return;
    if (walk_outcome(walk, player, !picked->has_moved)) {
        for (size_t i = 0; i < picked->n; i++)
            check_told(walk, player, asked, picked->messages[i]);
        for (size_t i = 0; i < picked->n_kept; i++)
            check_told(walk, player, asked, picked->kept[i]);
    }
    walk_judge(walk, player, picked->uid);
}

void walk_look_at_annotations(struct walk *walk, struct player *player)
{
    static const struct asked rows[] = {
        {"/comment value",                               1u,  false, true,  true,  false},
        {"* value",                                      15u, true,  true,  true,  false},
        {"/% value.shared",                              3u,  true,  false, true,  false},
        {"(/alt* /vendor/*) value",                      10u, true,  true,  true,  false},
        {"(/comment /1/comment) (value.priv size.priv)", 5u,  false, true,  false, true },
        {"* (value size)",                               15u, true,  true,  true,  true },
    };
    struct asked asked = rows[walk_random(walk, COUNT(rows))];
    struct picked picked;

    if (player->view.mailbox == NULL)
        return;
    steps_pick(walk, player, &picked);
    fetch(walk, player, &picked, &asked);
}

void walk_fetch_annotations(struct walk *walk, struct player *player)
{
    static const struct asked all = {"* value", 15u, true, true, true, false};
    struct picked picked = {.uid = true, .text = "1:*"};

    picked.messages = ARENA_ARRAY(walk->plan, struct oracle_message *, player->view.n);
    for (size_t i = 0; i < player->view.n; i++)
        if (!player->view.numbered[i]->gone)
            picked.messages[picked.n++] = player->view.numbered[i];
    fetch(walk, player, &picked, &all);
}

/* ---- SEARCH and SORT ---- */

struct annotation_key {
    const char *key;
    unsigned entries;
    bool priv, shared;
    const char *text; /* in small letters; NULL: NIL */
    bool is_not;
};

static bool holds(uint8_t value, const char *text)
{
    return value != 0 && strstr(picture_values[value], text) != NULL;
}

static bool has_annotation(const struct player *player, const struct oracle_message *message,
                           const void *ctx)
{
    const struct annotation_key *key = ctx;
    bool hit = false;

    for (unsigned at = 0; at < ORACLE_ENTRIES; at++) {
        uint8_t own = message->annotations[player->reader][at].value;
        uint8_t shared = message->annotations[ORACLE_EVERYBODY][at].value;

        if ((key->entries & (1u << at)) == 0)
            continue;
        if (key->text == NULL)
            hit = hit || ((!key->priv || own == 0) && (!key->shared || shared == 0));
        else
            hit = hit || (key->priv && holds(own, key->text)) ||
                  (key->shared && holds(shared, key->text));
    }
    return hit != key->is_not;
}

/* RFC 5257 4.9: NIL first; those alike in the order of the mailbox. */
static void sort(struct walk *walk, struct player *player)
{
    bool shared = walk_random(walk, 2) == 0;
    const struct imap_numbers *told = NULL;
    size_t at = 0;

    steps_say(walk, player, "UID SORT (ANNOTATION /altsubject value.%s) UTF-8 ALL",
              shared ? "shared" : "priv");
    if (walk_was_ended(walk, player))
        return;
    (void) walk_outcome(walk, player, true);
    for (size_t i = 0; i < walk->n_answers; i++)
        if (walk->answers[i].data == IMAP_DATA_SORT)
            told = &walk->answers[i].search;
    if (told == NULL)
        walk_fail(walk, player, "no answer to SORT");
    for (uint8_t value = 0; value < PICTURE_VALUES; value++) {
        for (size_t i = 0; i < player->view.n; i++) {
            const struct oracle_message *message = player->view.numbered[i];

            if (message->gone ||
                message->annotations[keeper_of(player, shared)][1].value != value)
                continue;
            if (at == told->n || told->numbers[at++] != message->uid)
                walk_fail(walk, player, "SORT puts uid %u elsewhere", message->uid);
        }
    }
    if (at != told->n)
        walk_fail(walk, player, "SORT found %zu too many", told->n - at);
    walk_judge(walk, player, true);
}

void walk_search_annotations(struct walk *walk, struct player *player)
{
    static const struct annotation_key rows[] = {
        {"ANNOTATION /comment value \"ONE\"",         1u,  true,  true,  "one",   false},
        {"ANNOTATION /comment value.priv \"One t\"",  1u,  true,  false, "one t", false},
        {"ANNOTATION * value.shared \"two\"",         15u, false, true,  "two",   false},
        {"ANNOTATION /% value \"\"",                  3u,  true,  true,  "",      false},
        {"ANNOTATION /vendor/* value.priv \"\\\"q\"", 8u,  true,  false, "\"q",   false},
        {"ANNOTATION /altsubject value NIL",          2u,  true,  true,  NULL,    false},
        {"ANNOTATION /1/comment value.shared NIL",    4u,  false, true,  NULL,    false},
        {"NOT ANNOTATION * value \"\"",               15u, true,  true,  "",      true },
    };
    const struct annotation_key *row = &rows[walk_random(walk, COUNT(rows))];

    if (player->view.mailbox == NULL)
        return;
    if (walk_random(walk, 3) == 0)
        sort(walk, player);
    else
        steps_search(walk, player, row->key, has_annotation, row);
}
