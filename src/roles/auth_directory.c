/*
 * auth_directory.c - mail is told who there is: everybody when it comes, then each change
 * (docs/formats/ipc.md, "The directory").
 *
 * A transfer goes out in pieces, each when the channel is empty, so that neither side's queue
 * grows with the number of users and logins go on meanwhile. A change that finds the queue full
 * is not lost: the whole directory is sent again.
 */
#include "base/log.h"
#include "roles/auth_role.h"

#define PIECE_ROWS        256u /* then other peers get their turn */
#define GROUPS_WIRE_BYTES (GROUPS_PER_ACCOUNT_MAX * 8u)

struct piece {
    struct auth_role *auth;
    size_t n_rows;
    bool stopped; /* before the last row of this kind */
};

bool auth_directory_goes_on(const struct auth_role *auth)
{
    return auth->directory.phase != DIRECTORY_TOLD;
}

static void begin(struct auth_role *auth)
{
    auth->directory.phase = DIRECTORY_BEGINS;
    auth->directory.after.len = 0;
}

static void log_failure(const struct err *err)
{
    log_event(LEVEL_ERROR, "auth.directory_failed", LOG_ERR(err));
}

/* A message for the directory; where it cannot be queued everything follows later. */
static bool tell(struct auth_role *auth, const struct msg *msg)
{
    struct err err;

    if (auth->mail.channel == NULL)
        return false; /* it hears everything when it comes */
    if (auth_post(&auth->mail, msg, &err) == RC_OK)
        return true;
    log_event(LEVEL_WARNING, "auth.directory_again", LOG_ERR(&err));
    begin(auth);
    return false;
}

static bool tell_account(struct auth_role *auth, uint32_t transfer,
                         const struct auth_account *account)
{
    AUTO(buf_done) struct buf wire = {.max = GROUPS_WIRE_BYTES};
    struct auth_groups groups;
    struct err err;

    if (auth_db_groups_of(auth->db, account->id, &groups, &err)) {
        log_failure(&err);
        return false;
    }
    for (size_t i = 0; i < groups.n; i++)
        buf_le64(&wire, groups.ids[i]);
    return tell(auth, &(struct msg){
                          .type = MSG_DIRECTORY_ROW,
                          .directory_row = {
                                            .transfer = transfer,
                                            .id = account->id,
                                            .kind = account->kind == ACCOUNT_SHARED ? WIRE_SHARED : WIRE_USER,
                                            .name = account->name,
                                            .key = account->key,
                                            .groups = buf_slice(&wire)}
    });
}

static bool tell_group(struct auth_role *auth, uint32_t transfer,
                       const struct auth_group *group)
{
    struct msg msg = {
        .type = MSG_DIRECTORY_ROW,
        .directory_row = {.transfer = transfer,
                          .id = group->id,
                          .kind = WIRE_GROUP,
                          .name = group->name,
                          .key = group->key,
                          .storage = group->limit[GROUP_STORAGE],
                          .messages = group->limit[GROUP_MESSAGES],
                          .mailboxes = group->limit[GROUP_MAILBOXES]}
    };

    for (unsigned i = 0; i < GROUP_RESOURCES; i++)
        if (group->limited[i])
            msg.directory_row.limited |= (uint8_t) (1u << i);
    return tell(auth, &msg);
}

/* ---- the transfer ---- */

/* The row has gone out: the next piece begins behind it. */
static bool count_row(struct piece *piece, struct slice key)
{
    struct auth_directory *directory = &piece->auth->directory;

    directory->after.len = (uint16_t) key.len;
    memcpy(directory->after.bytes, key.ptr, key.len);
    piece->n_rows++;
    piece->stopped =
        piece->n_rows >= PIECE_ROWS || channel_wants_write(piece->auth->mail.channel);
    return !piece->stopped;
}

static bool send_group(void *ctx, const struct auth_group *group)
{
    struct piece *piece = ctx;

    if (tell_group(piece->auth, piece->auth->directory.transfer, group))
        return count_row(piece, group->key);
    piece->stopped = true;
    return false;
}

static bool send_account(void *ctx, const struct auth_account *account)
{
    struct piece *piece = ctx;

    if (tell_account(piece->auth, piece->auth->directory.transfer, account))
        return count_row(piece, account->key);
    piece->stopped = true;
    return false;
}

static void send_begin(struct auth_role *auth)
{
    struct auth_directory *directory = &auth->directory;

    directory->transfer++;
    if (tell(auth, &(struct msg){
                       .type = MSG_DIRECTORY_BEGIN,
                       .directory_begin = {.transfer = directory->transfer,
                                           .generation = directory->generation}
    }))
        directory->phase = DIRECTORY_GROUPS;
}

static void send_groups(struct auth_role *auth)
{
    struct auth_directory *directory = &auth->directory;
    struct piece piece = {.auth = auth};
    struct auth_key after = directory->after;
    struct err err;

    if (auth_db_each_group(auth->db, auth_key_slice(&after), send_group, &piece, &err)) {
        log_failure(&err);
        directory->phase = DIRECTORY_TOLD;
    } else if (!piece.stopped) {
        directory->phase = DIRECTORY_ACCOUNTS;
        directory->after.len = 0;
    }
}

static void send_accounts(struct auth_role *auth)
{
    struct auth_directory *directory = &auth->directory;
    struct piece piece = {.auth = auth};
    struct auth_key after = directory->after;
    struct err err;

    if (auth_db_each_principal(auth->db, auth_key_slice(&after), send_account, &piece, &err)) {
        log_failure(&err);
        directory->phase = DIRECTORY_TOLD;
    } else if (!piece.stopped &&
               tell(auth, &(struct msg){.type = MSG_DIRECTORY_END,
                                        .directory_end = {.transfer = directory->transfer}})) {
        directory->phase = DIRECTORY_TOLD;
        auth_told_ask(auth);
    }
}

void auth_directory_go_on(struct auth_role *auth)
{
    switch (auth->directory.phase) {
    case DIRECTORY_TOLD:
        break;
    case DIRECTORY_BEGINS:
        send_begin(auth);
        break;
    case DIRECTORY_GROUPS:
        send_groups(auth);
        break;
    case DIRECTORY_ACCOUNTS:
        send_accounts(auth);
        break;
    }
}

void auth_directory_start(struct auth_role *auth)
{
    begin(auth);
    auth->directory.answers_kept = false; /* a new mail has none */
    auth->directory.transfer = 0;
    auth_directory_go_on(auth);
}

/* ---- changes ---- */

void auth_directory_account(struct auth_role *auth, uint64_t id)
{
    AUTO(arena_freep) struct arena *arena = arena_new(DB_ROW_MAX_BYTES);
    struct auth_account account;
    struct err err;
    enum rc rc = auth_db_get_account(auth->db, id, arena, &account, &err);

    if (rc == RC_OK)
        (void) tell_account(auth, 0, &account); /* not queued: it follows with everything */
    else if (rc != RC_NOT_FOUND)
        log_failure(&err);
}

void auth_directory_group(struct auth_role *auth, struct slice name)
{
    AUTO(arena_freep) struct arena *arena = arena_new(DB_ROW_MAX_BYTES);
    struct auth_group group;
    struct err err;
    enum rc rc = auth_db_find_group(auth->db, name, arena, &group, &err);

    if (rc == RC_OK)
        (void) tell_group(auth, 0, &group); /* as above */
    else if (rc != RC_NOT_FOUND)
        log_failure(&err);
}

void auth_directory_gone(struct auth_role *auth, uint64_t id)
{
    (void) tell(auth, &(struct msg){.type = MSG_DIRECTORY_GONE, .directory_gone = {.id = id}});
}

/* Not queued: the directory's next beginning says the same. */
void auth_directory_renamed(void *ctx)
{
    struct auth_role *auth = ctx;
    struct auth_directory *directory = &auth->directory;

    if (!directory->answers_kept)
        return;
    directory->answers_kept = false;
    directory->generation++;
    (void) tell(auth,
                &(struct msg){.type = MSG_RECIPIENTS_FORGET,
                              .recipients_forget = {.generation = directory->generation}});
}
