/*
 * walk_resync.c - a client that keeps a copy, goes away, and comes back with QRESYNC.
 *
 * The copy is what the mailbox held when it was selected, and the HIGHESTMODSEQ told then. What
 * SELECT (QRESYNC ...) tells, done to the copy, must make it what the mailbox holds now, as far
 * as the copy's uids go (RFC 7162 3.2.5.1).
 */
#include "walk_steps.h"

void replica_clear(struct replica *replica)
{
    free(replica->messages);
    *replica = (struct replica){0};
}

void replica_take(struct player *player, const struct oracle_mailbox *mailbox, uint64_t modseq)
{
    struct replica *replica = &player->replica;

    replica_clear(replica);
    *replica = (struct replica){.mailbox = mailbox,
                                .uidvalidity = mailbox->uidvalidity,
                                .modseq = modseq,
                                .last_uid = mailbox->uidnext - 1};
    replica->messages = xcalloc(mailbox->n + 1, sizeof(*replica->messages));
    for (size_t i = 0; i < mailbox->n; i++)
        replica->messages[replica->n++] = (struct replica_message){
            mailbox->messages[i]->uid,
            oracle_flags(mailbox, mailbox->messages[i], player->reader)};
}

/* A sample of numbers and uids as the copy had them: (seqs uids). */
static const char *match_data(struct walk *walk, const struct replica *replica)
{
    const char *seqs = "", *uids = "";

    for (size_t i = 0; i < replica->n; i++) {
        if (walk_random(walk, 3) != 0)
            continue;
        seqs = arena_printf(walk->plan, "%s%s%zu", seqs, seqs[0] != '\0' ? "," : "", i + 1);
        uids = arena_printf(walk->plan, "%s%s%u", uids, uids[0] != '\0' ? "," : "",
                            replica->messages[i].uid);
    }
    return seqs[0] != '\0' ? arena_printf(walk->plan, " (%s %s)", seqs, uids) : "";
}

const char *replica_parameter(struct walk *walk, const struct player *player)
{
    const struct replica *replica = &player->replica;
    const char *known = "";

    if (replica->last_uid > 0 && walk_random(walk, 2) == 0)
        known = arena_printf(walk->plan, " 1:%u", replica->last_uid);
    return arena_printf(walk->plan, "QRESYNC (%u %llu%s%s)", replica->uidvalidity,
                        (unsigned long long) replica->modseq, known,
                        !player->uidonly && walk_random(walk, 2) == 0
                            ? match_data(walk, replica) /* numbers: RFC 9586 3.6 */
                            : "");
}

static struct replica_message *find(struct replica *replica, uint32_t uid)
{
    for (size_t i = 0; i < replica->n; i++)
        if (replica->messages[i].uid == uid)
            return &replica->messages[i];
    return NULL;
}

static void vanish(struct walk *walk, struct player *player, const struct seqset *uids)
{
    struct replica *replica = &player->replica;

    for (size_t i = 0; i < uids->n; i++) {
        for (size_t k = replica->n; k > 0; k--) {
            uint32_t uid = replica->messages[k - 1].uid;

            if (uid < uids->ranges[i].first || uid > uids->ranges[i].last)
                continue;
            memmove(&replica->messages[k - 1], &replica->messages[k],
                    (replica->n-- - k) * sizeof(*replica->messages));
        }
        if (uids->ranges[i].last >= player->view.mailbox->uidnext)
            walk_fail(walk, player, "VANISHED (EARLIER) of uids that never were");
    }
}

static void change(struct walk *walk, struct player *player, const struct imap_response *answer)
{
    const struct imap_fetch_message *fetch = &answer->fetch;
    struct replica_message *message;
    uint32_t uid = answer->by_uid ? answer->number : 0, flags = 0;
    bool has_flags = false;

    for (size_t i = 0; i < fetch->n; i++) {
        if (fetch->items[i].kind == IMAP_FETCH_UID)
            uid = (uint32_t) fetch->items[i].number;
        if (fetch->items[i].kind == IMAP_FETCH_FLAGS) {
            flags = picture_flags(&fetch->items[i].flags);
            has_flags = true;
        }
    }
    message = find(&player->replica, uid);
    if (uid == 0 || !has_flags)
        walk_fail(walk, player, "a resync without UID or FLAGS");
    if (message != NULL)
        message->flags = flags;
}

static void compare(struct walk *walk, struct player *player)
{
    const struct oracle_mailbox *mailbox = player->view.mailbox;
    const struct replica *replica = &player->replica;
    size_t n = 0;

    for (size_t i = 0; i < mailbox->n && mailbox->messages[i]->uid <= replica->last_uid; i++) {
        const struct replica_message *message =
            find(&player->replica, mailbox->messages[i]->uid);
        uint32_t flags = oracle_flags(mailbox, mailbox->messages[i], player->reader);

        n++;
        if (message == NULL)
            walk_fail(walk, player, "uid %u is there, the resync took it away",
                      mailbox->messages[i]->uid);
        if (message->flags != flags)
            walk_fail(walk, player, "flags of uid %u are %x, resynced as %x", message->uid,
                      flags, message->flags);
    }
    if (n != replica->n)
        walk_fail(walk, player, "%zu messages are left of the copy, resynced as %zu", n,
                  replica->n);
}

void replica_resync(struct walk *walk, struct player *player)
{
    bool other = player->replica.mailbox != player->view.mailbox ||
                 player->replica.uidvalidity != player->view.mailbox->uidvalidity;

    for (size_t i = 0; i < walk->n_answers; i++) {
        const struct imap_response *answer = &walk->answers[i];
        bool vanished = answer->data == IMAP_DATA_VANISHED;

        if (other && (vanished || answer->data == IMAP_DATA_FETCH))
            walk_fail(walk, player, "a resync of another mailbox");
        if (vanished && !answer->vanished.earlier)
            walk_fail(walk, player, "VANISHED without (EARLIER) while selecting");
        if (vanished)
            vanish(walk, player, &answer->vanished.uids);
        else if (answer->data == IMAP_DATA_FETCH)
            change(walk, player, answer);
    }
    if (!other)
        compare(walk, player);
}
