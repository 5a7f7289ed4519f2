/*
 * gate.c - the door: everything before login, TLS for life, bytes carried to mail.
 *
 * It holds no file, no user's name beyond the line it is passing on, and no key but TLS's. The
 * commands are in gate_preauth.c, the login in gate_login.c, what follows in gate_handover.c.
 */
#include <signal.h>

#include "base/log.h"
#include "net/tls.h"
#include "roles/gate_state.h"

int role_gate(struct role_start *start)
{
    AUTO(gate_freep) struct gate *gate = NULL;
    struct err err = {0};
    enum rc rc;

    (void) signal(SIGPIPE, SIG_IGN); /* OpenSSL writes with write() */
    tls_library_init();
    rc = gate_open(start, &gate, &err);
    if (rc) {
        role_failed(start, &err);
        return 1;
    }
    if (role_confine(start, &err))
        return 1;
    rc = gate_listen(gate, &err);
    if (rc == RC_OK)
        rc = loop_run(gate->loop, &err);
    if (rc)
        log_event(LEVEL_ERROR, "gate.failed", LOG_ERR(&err));
    return rc ? 1 : 0;
}
