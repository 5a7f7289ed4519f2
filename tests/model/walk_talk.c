/*
 * walk_talk.c - sending, reading and judging for the walk.
 */
#include <assert.h>
#include <stdarg.h>

#include "walk.h"

#define SCRIPT_MAX_BYTES  ((size_t) 64 << 20)
#define SCRIPT_KEEP_BYTES ((size_t) 16 << 10)

void walk_fail(struct walk *walk, const struct player *player, const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr,
            "%.*s\nseed %llu, step %u, session %c: ", SLICE_ARG(buf_slice(&walk->script)),
            (unsigned long long) walk->seed, walk->step, player->letter);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(1);
}

/* xorshift64* */
uint32_t walk_random(struct walk *walk, uint32_t n)
{
    walk->random ^= walk->random >> 12;
    walk->random ^= walk->random << 25;
    walk->random ^= walk->random >> 27;
    return (uint32_t) (walk->random * 0x2545f4914f6cdd1du >> 33) % n;
}

static void write_down(struct walk *walk, const struct player *player, char arrow,
                       struct slice text)
{
    if (walk->script.len > 2 * SCRIPT_KEEP_BYTES)
        buf_consume(&walk->script, walk->script.len - SCRIPT_KEEP_BYTES);
    buf_printf(&walk->script, "%c%c ", player->letter, arrow);
    buf_append(&walk->script, slice_sub(text, 0, 400));
    if (walk->traces)
        fprintf(stderr, "%u %c%c %.*s", walk->step, player->letter, arrow, SLICE_ARG(text));
}

/* ---- answers ---- */

static void read_answers(struct walk *walk, struct player *player, const char *tag)
{
    struct slice output = arena_dup(walk->arena, rig_output(player->session));
    struct imap_framer framer = {0};
    size_t len;

    walk->n_answers = 0;
    walk->tagged = NULL;
    walk->answers = ARENA_ARRAY(walk->arena, struct imap_response, WALK_ANSWERS_MAX);
    while (imap_frame_response(&framer, output, &len) == RC_OK) {
        struct imap_response *answer = &walk->answers[walk->n_answers++];
        struct err err;

        write_down(walk, player, '<', slice_sub(output, 0, len));
        if (walk->n_answers == WALK_ANSWERS_MAX)
            walk_fail(walk, player, "too many answers");
        if (imap_parse_response(slice_sub(output, 0, len),
                                rig_session_of(player->session)->mode, walk->arena, answer,
                                &err) != RC_OK)
            walk_fail(walk, player, "not in the grammar: %s", err.text);
        if (tag != NULL && slice_eq(answer->tag, slice_from_str(tag)))
            walk->tagged = answer;
        output = slice_from(output, len);
        framer = (struct imap_framer){0};
    }
    if (output.len > 0)
        walk_fail(walk, player, "an answer without an end: %.*s", SLICE_ARG(output));
    rig_take(player->session, 0, rig_output(player->session).len);
}

void walk_say(struct walk *walk, struct player *player, const char *tag, struct slice bytes)
{
    struct slice text = arena_dup(walk->arena, bytes);

    write_down(walk, player, ':', text);
    rig_send(player->session, text);
    player->picture.now++;
    read_answers(walk, player, tag);
}

void walk_listen(struct walk *walk, struct player *player)
{
    rig_poll(player->session);
    player->picture.now++;
    read_answers(walk, player, NULL);
}

bool walk_outcome(struct walk *walk, struct player *player, bool should_succeed)
{
    if (walk->tagged == NULL)
        walk_fail(walk, player, "no tagged answer");
    if (walk->tagged->cond == IMAP_BAD)
        walk_fail(walk, player, "BAD to a command in the grammar");
    if (walk->tagged->cond == IMAP_NO && should_succeed && walk->may_fail)
        return false;
    if ((walk->tagged->cond == IMAP_OK) != should_succeed)
        walk_fail(walk, player, "should have %s", should_succeed ? "succeeded" : "failed");
    return should_succeed;
}

struct slice walk_code(const struct walk *walk, const char *code)
{
    for (size_t i = 0; i < walk->n_answers; i++)
        if (slice_eq(walk->answers[i].code, slice_from_str(code)))
            return slice_trim(walk->answers[i].code_args);
    return (struct slice){0};
}

size_t walk_expand(struct walk *walk, struct slice text, uint32_t **out)
{
    struct seqset set;
    struct err err;
    size_t n = 0;

    if (imap_parse_seqset(text, walk->arena, &set, &err) != RC_OK)
        return 0;
    for (size_t i = 0; i < set.n; i++)
        n += set.ranges[i].last - set.ranges[i].first + 1;
    *out = ARENA_ARRAY(walk->arena, uint32_t, n);
    n = 0;
    for (size_t i = 0; i < set.n; i++)
        for (uint32_t number = set.ranges[i].first; number <= set.ranges[i].last; number++)
            (*out)[n++] = number;
    return n;
}

/* ---- sessions ---- */

void walk_login(struct walk *walk, struct player *player)
{
    static const char *const users[ORACLE_READERS] = {RIG_OWNER, "David", "Chris"};

    player->session = rig_login_as(
        walk->rig, rig_person(walk->rig, PRINCIPAL_USER, slice_from_str(users[player->reader])),
        SESSION_FULL);
    player->rev2 = walk_random(walk, 2) == 0;
    player->qresync = walk_random(walk, 3) == 0;
    player->condstore = player->qresync || walk_random(walk, 2) == 0;
    player->uidonly = walk_random(walk, 4) == 0;
    arena_reset(walk->arena);
    if (player->rev2)
        walk_say(walk, player, "e1", SLICE("e1 ENABLE IMAP4rev2\r\n"));
    if (player->condstore)
        walk_say(walk, player, "e2",
                 player->qresync ? SLICE("e2 ENABLE QRESYNC\r\n")
                                 : SLICE("e2 ENABLE CONDSTORE\r\n"));
    if (player->uidonly)
        walk_say(walk, player, "e3", SLICE("e3 ENABLE UIDONLY\r\n"));
    walk_notify_begin(walk, player);
}

void walk_logout(struct player *player)
{
    rig_logout(player->session);
    player->session = NULL;
    player->idles = player->listens = false;
    oracle_view_close(&player->view);
    picture_clear(&player->picture);
}

/* Refused because it is read-only, before anything was looked at. */
static bool was_forbidden(const struct walk *walk)
{
    return walk->tagged != NULL && slice_eq(walk->tagged->code, SLICE("NOPERM")) &&
           slice_starts(walk->tagged->text, SLICE("The mailbox is selected read-only"));
}

/* Its mailbox is deleted, or may not be read any more. */
static bool is_shut_out(const struct player *player)
{
    const struct oracle_mailbox *mailbox = player->view.mailbox;

    return mailbox != NULL && (mailbox->deleted || !oracle_may(mailbox, player->reader, 'r'));
}

bool walk_was_ended(struct walk *walk, struct player *player)
{
    bool should_end = is_shut_out(player) && !was_forbidden(walk);

    if (rig_is_closed(player->session) != should_end)
        walk_fail(walk, player,
                  should_end ? "its mailbox is gone and it is still there" : "it was ended");
    if (!should_end)
        return false;
    if (walk->n_answers == 0 || walk->answers[walk->n_answers - 1].cond != IMAP_BYE)
        walk_fail(walk, player, "ended without BYE");
    walk_logout(player);
    walk_login(walk, player);
    return true;
}

/* ---- numbers that may only grow ---- */

void walk_note_uidvalidity(struct walk *walk, struct player *player,
                           struct oracle_mailbox *mailbox, uint64_t uidvalidity)
{
    struct oracle_name *name = oracle_name(walk->oracle, mailbox->name);

    for (size_t i = 0; i < walk->oracle->n; i++)
        if (walk->oracle->mailboxes[i] != mailbox &&
            walk->oracle->mailboxes[i]->uidvalidity == uidvalidity)
            walk_fail(walk, player, "%s has the UIDVALIDITY of another mailbox", name->name);
    if (mailbox->uidvalidity == 0 && !mailbox->renamed && uidvalidity <= name->uidvalidity)
        walk_fail(walk, player, "a new %s has UIDVALIDITY %llu, an old one had %u", name->name,
                  (unsigned long long) uidvalidity, name->uidvalidity);
    if (mailbox->uidvalidity != 0 && uidvalidity != mailbox->uidvalidity)
        walk_fail(walk, player, "UIDVALIDITY of %s is %llu, was %u", mailbox->name,
                  (unsigned long long) uidvalidity, mailbox->uidvalidity);
    mailbox->uidvalidity = (uint32_t) uidvalidity;
    name->uidvalidity = MAX(name->uidvalidity, mailbox->uidvalidity);
}

void walk_note_highest(struct walk *walk, struct player *player, struct oracle_mailbox *mailbox,
                       uint64_t modseq)
{
    struct oracle_told *told = &mailbox->told[player->reader];

    if (modseq < told->modseq ||
        (modseq == told->modseq && told->version != told->told_version))
        walk_fail(walk, player, "HIGHESTMODSEQ of %s is %llu, was %llu%s", mailbox->name,
                  (unsigned long long) modseq, (unsigned long long) told->modseq,
                  told->version != told->told_version ? " before a change" : "");
    for (size_t i = 0; i < mailbox->n; i++)
        if (mailbox->messages[i]->told[player->reader].modseq > modseq)
            walk_fail(walk, player, "HIGHESTMODSEQ %llu is below that of uid %u",
                      (unsigned long long) modseq, mailbox->messages[i]->uid);
    told->modseq = modseq;
    told->told_version = told->version;
}

/* A MODSEQ grows with each change of flags, and only then. */
static void note_modseq(struct walk *walk, struct player *player,
                        struct oracle_message *message, uint64_t modseq)
{
    struct oracle_told *told = &message->told[player->reader];
    bool changed = told->version != told->told_version;

    if (told->modseq != 0 && (changed ? modseq <= told->modseq : modseq != told->modseq))
        walk_fail(walk, player, "MODSEQ of uid %u is %llu, was %llu, flags %s", message->uid,
                  (unsigned long long) modseq, (unsigned long long) told->modseq,
                  changed ? "changed" : "did not change");
    told->modseq = modseq;
    told->told_version = told->version;
}

/* ---- judging ---- */

static void check_recent(struct walk *walk, struct player *player,
                         const struct oracle_message *message,
                         const struct picture_message *drawn)
{
    if (player->rev2 && drawn->is_recent)
        walk_fail(walk, player, "\\Recent in IMAP4rev2");
    if (!player->rev2 && !player->view.read_only && !message->recent_is_unknown &&
        drawn->is_recent != (message->recent_owner == player->view.selection))
        walk_fail(walk, player, "uid %u is %s \\Recent here", message->uid,
                  drawn->is_recent ? "not" : "");
}

bool walk_watches_annotations(const struct player *player)
{
    return player->annotates || (player->listens && player->hears_annotations);
}

/*
 * Who watches is told of each entry that somebody else changed, and of no other; who does not
 * watch forgets what it knew. What a client knows is what is there.
 */
static void check_annotation(struct walk *walk, struct player *player,
                             const struct oracle_message *message, unsigned at,
                             struct picture_annotation *drawn)
{
    const struct oracle_annotation *there[] = {&message->annotations[player->reader][at],
                                               &message->annotations[ORACLE_EVERYBODY][at]};
    bool watches = walk_watches_annotations(player), changed = false;

    for (size_t i = 0; i < COUNT(there); i++) {
        bool this = there[i]->changes != drawn->seen[i];

        changed = changed || this;
        drawn->is_known[i] = drawn->is_known[i] && (watches || !this);
        drawn->seen[i] = there[i]->changes;
        if (drawn->is_known[i] && drawn->value[i] != there[i]->value)
            walk_fail(walk, player, "%s of uid %u is value %u, told as %u", picture_entries[at],
                      message->uid, there[i]->value, drawn->value[i]);
    }
    if (drawn->is_told != (watches && changed))
        walk_fail(walk, player, "%s of uid %u was %schanged, and %stold", picture_entries[at],
                  message->uid, changed ? "" : "not ", drawn->is_told ? "" : "not ");
    drawn->is_told = false;
}

static void check_annotations(struct walk *walk, struct player *player,
                              const struct oracle_message *message,
                              struct picture_message *drawn)
{
    for (unsigned at = 0; at < ORACLE_ENTRIES; at++) {
        struct picture_annotation *entry = &drawn->annotations[at];

        if (!drawn->was_counted) { /* it is new here: nothing changed before */
            entry->is_told = false;
            entry->seen[0] = message->annotations[player->reader][at].changes;
            entry->seen[1] = message->annotations[ORACLE_EVERYBODY][at].changes;
        }
        check_annotation(walk, player, message, at, entry);
    }
    drawn->was_counted = true;
}

static void check_message(struct walk *walk, struct player *player, uint32_t seq)
{
    struct oracle_message *message = player->view.numbered[seq - 1];
    uint32_t flags = oracle_flags(player->view.mailbox, message, player->reader);
    struct picture_message *drawn = &player->picture.messages[seq - 1];

    if (drawn->uid != 0 && drawn->uid != message->uid)
        walk_fail(walk, player, "message %u is uid %u, told as %u", seq, message->uid,
                  drawn->uid);
    if (message->gone)
        return;
    if (drawn->has_flags && drawn->flags != flags)
        walk_fail(walk, player, "flags of uid %u are %x, told as %x", message->uid, flags,
                  drawn->flags);
    if (drawn->has_flags)
        check_recent(walk, player, message, drawn);
    if (drawn->heard_modseq == player->picture.now)
        note_modseq(walk, player, message, drawn->modseq);
    check_annotations(walk, player, message, drawn);
}

static void draw(struct walk *walk, struct player *player, bool expunges)
{
    bool vanishing = player->qresync || player->uidonly;

    for (size_t i = 0; i < walk->n_answers; i++) {
        const struct imap_response *answer = &walk->answers[i];
        const char *wrong;

        bool vanishes = answer->data == IMAP_DATA_VANISHED && !answer->vanished.earlier;

        if ((answer->data == IMAP_DATA_EXPUNGE || vanishes) && !expunges)
            walk_fail(walk, player, "EXPUNGE told where it is forbidden");
        if ((answer->data == IMAP_DATA_EXPUNGE) && vanishing)
            walk_fail(walk, player, "EXPUNGE with QRESYNC or UIDONLY");
        if (answer->data == IMAP_DATA_VANISHED && !vanishing)
            walk_fail(walk, player, "VANISHED without QRESYNC and UIDONLY");
        if (answer->data == IMAP_DATA_STATUS && slice_eq(answer->code, SLICE("CLOSED")))
            picture_clear(&player->picture);
        wrong = picture_draw(&player->picture, answer);
        if (wrong != NULL)
            walk_fail(walk, player, "%s", wrong);
    }
}

static void arrange(struct walk *walk, struct player *player)
{
    uint32_t *uids = ARENA_ARRAY(walk->arena, uint32_t, player->view.n);
    const char *wrong;

    for (size_t i = 0; i < player->view.n; i++)
        uids[i] = player->view.numbered[i]->uid;
    wrong = picture_arrange(&player->picture, uids);
    if (wrong != NULL)
        walk_fail(walk, player, "%s", wrong);
}

void walk_judge(struct walk *walk, struct player *player, bool expunges)
{
    int64_t recent;

    if (was_forbidden(walk)) {
        if (walk->n_answers != 1)
            walk_fail(walk, player, "told more than the refusal");
        return;
    }
    draw(walk, player, expunges);
    if (player->view.mailbox == NULL) {
        if (player->picture.n != 0)
            walk_fail(walk, player, "told of messages with no mailbox selected");
        return;
    }
    oracle_view_sync(&player->view, expunges);
    if (player->picture.n != player->view.n)
        walk_fail(walk, player, "told of %zu messages, there are %zu", player->picture.n,
                  player->view.n);
    if (player->uidonly)
        arrange(walk, player);
    for (uint32_t seq = 1; seq <= player->view.n; seq++)
        check_message(walk, player, seq);
    if (player->qresync) /* such a client has asked for the uids before it hears VANISHED */
        for (uint32_t seq = 1; seq <= player->view.n; seq++)
            player->picture.messages[seq - 1].uid = player->view.numbered[seq - 1]->uid;
    recent = oracle_view_recent(&player->view);
    for (size_t i = 0; i < walk->n_answers; i++)
        if (walk->answers[i].data == IMAP_DATA_RECENT && recent >= 0 &&
            player->picture.recent != recent)
            walk_fail(walk, player, "RECENT is %lld, told %lld", (long long) recent,
                      (long long) player->picture.recent);
}
