/*
 * pam_helper.h - `roost --pam-check SERVICE`: a process that asks PAM about one password.
 *
 * PAM's modules block, leak and want privileges, so no role loads them: the supervisor starts a
 * helper for each question, which has the socket at descriptor 3 and nothing else of ours: no
 * configuration, no database, no key. It reads one packet, asks, answers with one packet, and
 * ends (docs/formats/ipc.md, "PAM"). Modules may see a password's prompt once; one that asks
 * for more (a second factor) gets no answer, and the check is unavailable.
 */
#ifndef ROOST_ROLES_PAM_HELPER_H
#define ROOST_ROLES_PAM_HELPER_H

#include "base/buf.h"
#include "base/slice.h"

#define PAM_HELPER_FD        3
#define PAM_NAME_MAX_BYTES   255u
#define PAM_SECRET_MAX_BYTES 1024u
#define PAM_PACKET_MAX_BYTES (PAM_NAME_MAX_BYTES + PAM_SECRET_MAX_BYTES + 8u)

enum pam_result {
    PAM_RESULT_RIGHT = 1,
    PAM_RESULT_WRONG,
    PAM_RESULT_UNKNOWN,
    PAM_RESULT_DISABLED,
    PAM_RESULT_UNAVAILABLE,
    PAM_RESULT_COUNT
};

/* Neither is empty, too long, or has a NUL, which PAM cannot be asked about; and the name has
 * no control characters. */
bool pam_can_ask(struct slice user, struct slice secret);
/* Of what it can be asked about. How many bytes of out it took; wipe them. */
size_t pam_question_write(struct slice user, struct slice secret,
                          char out[PAM_PACKET_MAX_BYTES]);
MUST_CHECK enum rc pam_question_read(struct slice packet, struct slice *user,
                                     struct slice *secret);
/* text: of PAM_RESULT_RIGHT the user's name as PAM has it by then, of PAM_RESULT_UNAVAILABLE
 * why, for the log; of the others nothing. */
void pam_answer_write(enum pam_result result, struct slice text, struct buf *out);
MUST_CHECK enum rc pam_answer_read(struct slice packet, enum pam_result *result,
                                   struct slice *text);

/* The whole life of the helper. */
int pam_helper_main(const char *service);

#endif
