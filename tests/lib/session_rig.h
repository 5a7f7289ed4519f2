/*
 * session_rig.h - logged-in sessions without sockets: bytes in, bytes out, in this thread.
 *
 * A rig has a store on an engine of its own; sessions read commands with the real reader and
 * run them with the real dispatcher. What a session answers is collected only when it is
 * durable, as the server would send it.
 *
 * Sessions belong to the user Fred (RIG_ACCOUNT), or to others that a test makes.
 */
#ifndef ROOST_TESTS_SESSION_RIG_H
#define ROOST_TESTS_SESSION_RIG_H

#include "commands/append_sink.h"
#include "commands/dispatch.h"

#define RIG_ACCOUNT    7u
#define RIG_OWNER      "Fred"
#define RIG_PEOPLE_MAX 320u
#define RIG_GROUPS_MAX 8u /* of one person */

struct rig;
struct rig_session;

/* engine is taken over. */
struct rig *rig_new(struct engine *engine);
/* Ends its sessions. */
void rig_free(struct rig *rig);
struct mail_store *rig_store(struct rig *rig);

/* ---- who there is ---- */

/* The user, shared account or group of this name, made if there is none; its id. */
uint64_t rig_person(struct rig *rig, enum principal_kind kind, struct slice name);
void rig_set_member(struct rig *rig, uint64_t account, uint64_t group, bool is_member);
/* Nobody has this id from now on. Its name may be given to somebody new. */
void rig_remove_person(struct rig *rig, uint64_t id);

struct rig_session *rig_login_as(struct rig *rig, uint64_t account, enum session_rights rights);
struct rig_session *rig_login(struct rig *rig, enum session_rights rights);
void rig_logout(struct rig_session *rs);
struct session *rig_session_of(struct rig_session *rs);

/* Bytes of the client, in any pieces. */
void rig_send(struct rig_session *rs, struct slice bytes);
/* A session in IDLE hears its news. */
void rig_poll(struct rig_session *rs);
/* What it has answered and nobody has taken; valid until the next call for this session. */
struct slice rig_output(const struct rig_session *rs);
/* Take len bytes of it out, from an offset. */
void rig_take(struct rig_session *rs, size_t from, size_t len);
bool rig_is_closed(const struct rig_session *rs);
/* How often an answer paused because it was long. */
unsigned rig_pauses(const struct rig_session *rs);

#endif
