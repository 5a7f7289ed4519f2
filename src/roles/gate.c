/*
 * gate.c - the door: everything before login, TLS for life, bytes carried to mail.
 *
 * It holds no file, no key, and no user's name beyond the line it is passing on. The
 * commands are in gate_preauth.c, the login in gate_login.c, what follows in gate_handover.c.
 */
#include <signal.h>

#include "base/log.h"
#include "base/priority.h"
#include "net/tls.h"
#include "roles/gate_state.h"
#include "roles/log_sink.h"

static void supervisor_ready(void *ctx, unsigned ready)
{
    struct gate *gate = ctx;

    (void) ready;
    role_supervisor_ready(gate->start, gate_role_events(), gate);
}

/* The supervisor, auth and mail are heard from here on. */
static enum rc connect_peers(struct gate *gate, struct err *err)
{
    struct role_start *start = gate->start;

    gate_peer_open(gate, ROLE_AUTH, role_take_peer(start, ROLE_AUTH, 0, NULL));
    gate_peer_open(gate, ROLE_MAIL, role_take_peer(start, ROLE_MAIL, 0, NULL));
    keys_client_connect(&gate->keys, role_take_peer(start, ROLE_KEYS, 0, NULL));
    return loop_add(gate->loop, &gate->supervisor_watch, channel_fd(start->supervisor), LOOP_IN,
                    supervisor_ready, gate, err);
}

int role_gate(struct role_start *start)
{
    AUTO(gate_freep) struct gate *gate = NULL;
    struct err err = {0};
    enum rc rc;

    (void) signal(SIGPIPE, SIG_IGN); /* OpenSSL writes with write() */
    tls_library_init();
    rc = gate_open(start, &gate, &err);
    if (rc == RC_OK)
        rc = connect_peers(gate, &err);
    if (rc) {
        role_failed(start, &err);
        return 1;
    }
    priority_prompt();
    if (role_confine(start, &err))
        return 1;
    rc = gate_handshakes_open(gate, &err);
    if (rc == RC_OK)
        rc = gate_listen(gate, &err);
    if (rc == RC_OK)
        rc = log_sink_run_loop(gate->start->sink, gate->loop, &err);
    if (rc)
        log_event(LEVEL_ERROR, "gate.failed", LOG_ERR(&err));
    return rc ? 1 : 0;
}
