/*
 * walk_steps.c - names, flags, sets and messages that the steps choose.
 */
#include "walk_steps.h"

#include <stdarg.h>

#define COMMAND_MAX_BYTES ((size_t) 1 << 20)
#define FILL_MAX          60u /* bytes of a message's text, at most */

void steps_say(struct walk *walk, struct player *player, const char *fmt, ...)
{
    AUTO(buf_done) struct buf command;
    char tag[16], text[8192];
    va_list ap;

    va_start(ap, fmt);
    (void) vsnprintf(text, sizeof(text), fmt, ap); /* sets and lists here are short */
    va_end(ap);
    arena_reset(walk->arena);
    (void) snprintf(tag, sizeof(tag), "s%u", player->picture.now + 1);
    buf_init(&command, COMMAND_MAX_BYTES);
    buf_printf(&command, "%s %s\r\n", tag, text);
    walk_say(walk, player, tag, buf_slice(&command));
}

const char *steps_name(struct walk *walk)
{
    static const char *const names[] = {"INBOX", "INBOX", "INBOX", "A",   "A",       "A/x",
                                        "A/x/z", "A/y",   "B",     "B/x", "INBOX/x", "Sent"};

    return names[walk_random(walk, COUNT(names))];
}

uint32_t steps_flags(struct walk *walk)
{
    uint32_t flags = 0;

    for (uint32_t i = walk_random(walk, 4); i > 0; i--)
        flags |= walk_random(walk, 3) == 0 ? ORACLE_KEYWORD(walk_random(walk, ORACLE_KEYWORDS))
                                           : 1u << walk_random(walk, 5);
    return flags;
}

const char *steps_flags_text(struct walk *walk, uint32_t flags)
{
    static const struct {
        uint32_t flag;
        const char *name;
    } rows[] = {
        {IMAP_SEEN,         "\\Seen"    },
        {IMAP_ANSWERED,     "\\Answered"},
        {IMAP_FLAGGED,      "\\Flagged" },
        {IMAP_DELETED,      "\\Deleted" },
        {IMAP_DRAFT,        "\\Draft"   },
        {ORACLE_KEYWORD(0), "k0"        },
        {ORACLE_KEYWORD(1), "k1"        },
        {ORACLE_KEYWORD(2), "k2"        },
        {ORACLE_KEYWORD(3), "k3"        },
    };
    const char *text = "";

    for (size_t i = 0; i < COUNT(rows); i++)
        if ((flags & rows[i].flag) != 0)
            text = arena_printf(walk->plan, "%s%s%s", text, text[0] != '\0' ? " " : "",
                                rows[i].name);
    return text;
}

struct slice steps_message(struct walk *walk, uint64_t marker)
{
    const char *fill = "............................................................";

    return slice_from_str(arena_printf(walk->plan, "Marker: %020llu\r\n\r\n%.*s\r\n",
                                       (unsigned long long) marker, (int) (marker % FILL_MAX),
                                       fill));
}

size_t steps_message_len(uint64_t marker)
{
    return strlen("Marker: \r\n\r\n\r\n") + 20 + marker % FILL_MAX;
}

/* ---- sets ---- */

struct choice {
    const struct player *player;
    bool uid;
    bool *named; /* by place in the view */
};

static void name_range(struct choice *choice, uint32_t a, uint32_t b)
{
    uint32_t first = MIN(a, b), last = MAX(a, b);

    for (uint32_t i = 0; i < choice->player->view.n; i++) {
        uint32_t number = choice->uid ? choice->player->view.numbered[i]->uid : i + 1;

        if (number >= first && number <= last)
            choice->named[i] = true;
    }
}

/* One member of a set; a star stands for the greatest number. */
static const char *choose_range(struct walk *walk, struct choice *choice)
{
    const struct oracle_view *view = &choice->player->view;
    uint32_t top = choice->uid ? view->mailbox->uidnext + 2 : (uint32_t) view->n;
    uint32_t star = choice->uid ? oracle_view_last_uid(view) : (uint32_t) view->n;
    uint32_t a = 1 + walk_random(walk, top), b = 1 + walk_random(walk, top);

    switch (walk_random(walk, 6)) {
    case 0:
        name_range(choice, a, star);
        return arena_printf(walk->plan, "%u:*", a);
    case 1:
        name_range(choice, star, star);
        return "*";
    case 2:
        name_range(choice, a, b);
        return arena_printf(walk->plan, "%u:%u", a, b);
    default:
        name_range(choice, a, a);
        return arena_printf(walk->plan, "%u", a);
    }
}

static void pick_gone(struct picked *out, struct oracle_message *message)
{
    out->has_gone = true;
    if (message->moved)
        out->has_moved = true;
    else
        out->kept[out->n_kept++] = message;
}

void steps_pick(struct walk *walk, const struct player *player, struct picked *out)
{
    const struct oracle_view *view = &player->view;
    struct choice choice = {
        .player = player, .uid = view->n == 0 || player->uidonly || walk_random(walk, 2) == 0};

    choice.named = ARENA_ARRAY(walk->plan, bool, view->n);
    *out = (struct picked){.uid = choice.uid, .text = choose_range(walk, &choice)};
    for (uint32_t more = walk_random(walk, 3); more > 0; more--)
        out->text = arena_printf(walk->plan, "%s,%s", out->text, choose_range(walk, &choice));
    out->messages = ARENA_ARRAY(walk->plan, struct oracle_message *, view->n);
    out->kept = ARENA_ARRAY(walk->plan, struct oracle_message *, view->n);
    for (size_t i = 0; i < view->n; i++) {
        if (!choice.named[i])
            continue;
        if (!view->numbered[i]->gone)
            out->messages[out->n++] = view->numbered[i];
        else if (!choice.uid)
            pick_gone(out, view->numbered[i]);
    }
}

/* ---- UNCHANGEDSINCE ---- */

struct condition steps_condition(struct walk *walk, const struct player *player,
                                 const struct picked *picked)
{
    struct condition none = {.text = ""};
    uint64_t modseq;

    if (!player->condstore || picked->n != 1 || picked->has_gone || walk_random(walk, 3) != 0)
        return none;
    modseq = picked->messages[0]->told[player->reader].modseq;
    if (modseq == 0)
        return none;
    return (struct condition){
        true, arena_printf(walk->plan, " (UNCHANGEDSINCE %llu)", (unsigned long long) modseq)};
}

bool steps_is_refused(const struct player *player, const struct condition *condition,
                      const struct oracle_message *message)
{
    const struct oracle_told *told = &message->told[player->reader];

    return condition->is_there && told->version != told->told_version;
}

void steps_check_modified(struct walk *walk, struct player *player, const struct picked *picked,
                          const struct condition *condition)
{
    struct slice told = walk_code(walk, "MODIFIED");
    uint32_t number = 0, told_number = 0;

    if (!condition->is_there)
        return;
    if (steps_is_refused(player, condition, picked->messages[0]))
        number = picked->uid ? picked->messages[0]->uid
                             : oracle_view_seq(&player->view, picked->messages[0]->uid);
    if (told.len > 0 && !slice_to_u32(told, &told_number))
        walk_fail(walk, player, "[MODIFIED] without a number");
    if (told_number != number)
        walk_fail(walk, player, "MODIFIED says %u", told_number);
}
