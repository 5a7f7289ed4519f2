/*
 * message_table.h - every message between roles, once. [contract: docs/formats/ipc.md]
 *
 * Structs, the encoder, the decoder, the fuzz target and the tests are made from these two
 * lists; no field is written down anywhere else. Field kinds, in wire form little-endian:
 *
 *     U8 U16 U32 U64 (name)      a number
 *     FIXED (name, n)            n bytes
 *     BYTES (name, max)          u32 length <= max, then the bytes; in memory a struct slice
 *     ADDR (name)                a struct ipaddr: family u8, port u16, 16 bytes
 *
 * A row that changes gets the next version; both ends are the same executable, so the version
 * guards against a half-finished upgrade and nothing else. Numbers are never given twice.
 */
#ifndef ROOST_IPC_MESSAGE_TABLE_H
#define ROOST_IPC_MESSAGE_TABLE_H

#define MSG_ADDRESS_MAX    1024u        /* a mail address: RFC 5321 4.5.3.1 asks for 64+255 */
#define MSG_CERT_MAX       (64u * 1024) /* a PEM chain of a dozen certificates */
#define MSG_CLIENT_ID_MAX  4096u /* RFC 2971: 30 pairs; kept as the client wrote it, cut */
#define MSG_CODE_MAX       64u   /* a code of a second factor, as it was typed */
#define MSG_CONFIG_NAME    64u
#define MSG_DEVICE_MAX     256u
#define MSG_DIGESTS_MAX    32u          /* messages in one request for digests */
#define MSG_FIELDS_MAX     (32u * 1024) /* 24 log fields of 512 bytes fit twice */
#define MSG_FOLDERS_MAX    (10u * 1024) /* a device's 4096 bytes, as a list of short names */
#define MSG_GROUPS_MAX     (256u * 8)   /* ids of the groups an account is in */
#define MSG_IDP_GROUPS_MAX (32u * 1024) /* names of the groups somebody is in */
#define MSG_KEY_ID_BYTES   32u
#define MSG_KEY_MAX        255u /* what names are compared by: auth/name.h */
#define MSG_LANGUAGE_MAX   256u
#define MSG_MAILBOX_MAX    2048u
#define MSG_NONCE_BYTES    16u
#define MSG_PRINCIPAL_MAX  512u /* name and realm, as Kerberos writes them */
#define MSG_REFERRAL_MAX                                                                       \
    2048u /* an URL with a user of 255 octets, each encoded, and a host                        \
           */
#define MSG_SASL_MAX      (64u * 1024) /* design limit of an AUTHENTICATE response */
#define MSG_SIGNATURE_MAX 2048u        /* RSA of 16,384 bits */
#define MSG_SIGNED_MAX    256u         /* what a handshake signs has at most 201 bytes */
#define MSG_SNI_MAX       255u         /* a host name: RFC 1035 2.3.4 */
#define MSG_SECRET_MAX    1024u        /* an account password */
#define MSG_STAPLE_MAX    (16u * 1024)
#define MSG_TAG_MAX       8192u /* a tag is part of a line before login: 8 KiB */
#define MSG_TEXT_MAX      512u
#define MSG_TLS_NAME_MAX  64u
#define MSG_TOKEN_BYTES   32u
#define MSG_TLS_UNKNOWN   1u /* in the place of a version */
#define MSG_UNREAD_MAX    (64u * 1024)
#define MSG_USER_MAX      1024u
#define MSG_WATCHES_MAX   (1024u * 8)

// clang-format off

/* supervisor -> role */
#define MSG_CONFIG_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED)      /* fd: memfd, sealed */ \
    U32(instance)      /* of the receiver; unique in the life of this supervisor */ \
    U64(length)        /* bytes in the memfd */
#define MSG_LISTENER_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED)    /* fd: listening socket */ \
    U8(kind)           /* enum listener_kind */ \
    U32(flags)         /* LISTENER_... */ \
    ADDR(address)      /* none: a unix socket */ \
    BYTES(name, MSG_TEXT_MAX)
#define MSG_CERT_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U16(at)            /* the how-manyth pair */ \
    U16(count)         /* of so many; the set is complete with at + 1 == count */ \
    BYTES(name, MSG_TEXT_MAX) /* for the log */ \
    BYTES(chain, MSG_CERT_MAX) \
    BYTES(staple, MSG_STAPLE_MAX) /* an OCSP answer, DER; empty: none */
#define MSG_KEY_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED)         /* fd: the key's file */ \
    U32(generation)    /* of the set; the answer names it */ \
    U16(at)            /* as in CERT */ \
    U16(count) \
    BYTES(name, MSG_TEXT_MAX) \
    BYTES(key_name, MSG_TEXT_MAX) \
    BYTES(chain, MSG_CERT_MAX)
#define MSG_PEER_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED)        /* fd: channel */ \
    U8(role)           /* enum role */ \
    U16(index)         /* which of several */ \
    U32(instance)      /* unique in the life of this supervisor: a replaced role gets a new one */
#define MSG_CRASH_PAGE_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED)  /* fd: memfd */ \
    U32(slots)
#define MSG_QUARANTINE_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(account) \
    U8(on)
#define MSG_TICKETS_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    FIXED(secret, 32)  /* struct tls_ticket_seed: all gates have one */ \
    U64(period)
#define MSG_START_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U32(n_gates)       /* how many gates this server runs */ \
    U8(log_level)      /* enum log_level: least that is written */
#define MSG_RELOAD_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U8(log_level)      /* as in START; files are looked at again, the log is opened anew */ \
    U32(number)        /* RELOADED answers with it */
#define MSG_SHUTDOWN_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U8(fast)

#define MSG_ALIVE_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED)       /* and back, as it came */ \
    U64(number)

/* role -> supervisor */
#define MSG_READY_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    BYTES(sandbox, MSG_TEXT_MAX) /* what confines the role: shown by `roost status` */
#define MSG_FAILED_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U8(rc)                       /* enum rc: decides the exit code */ \
    BYTES(text, MSG_TEXT_MAX)    /* why the role cannot start: the supervisor does not retry */
#define MSG_KEYS_LOADED_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U32(generation) \
    U8(rc)                       /* enum rc: not OK, and what was in use stays */ \
    BYTES(text, MSG_TEXT_MAX)
#define MSG_RELOADED_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U32(number)                  /* of the RELOAD */ \
    U8(rc)                       /* enum rc: not OK, and what was in use stays */ \
    BYTES(text, MSG_TEXT_MAX)

/* ship -> supervisor */
#define MSG_SHIP_STATE_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U8(connected)      /* to the receiver of the audit log */ \
    U64(sent)          /* number of the last event that went there */ \
    U64(waiting)       /* so many wait */ \
    U64(lag_sec)       /* the oldest of them for so long */ \
    BYTES(error, MSG_TEXT_MAX) /* why it is not connected */

/* auth <-> supervisor: a helper that asks PAM */
#define MSG_PAM_START_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(request)       /* never reused by this instance of auth */ \
    BYTES(service, MSG_CONFIG_NAME)   /* of a back-end pam:NAME; no other is started */
#define MSG_PAM_STOP_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(request)       /* nobody waits for it: the helper is killed */
#define MSG_PAM_HELPER_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED)  /* fd: the helper; roles/pam_helper.h */ \
    U64(request)

/* any -> log */
#define MSG_LOG_EVENT_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U8(level)          /* enum log_level */ \
    U64(time_us)       /* wall clock of the sender */ \
    U32(lost)          /* events dropped before this one because the channel was full */ \
    U64(keep)          /* not 0: the sender keeps it until LOG_KEPT names this number or a later one */ \
    BYTES(event, MSG_CONFIG_NAME) \
    BYTES(fields, MSG_FIELDS_MAX) /* ipc/log_pack.h */

/* log -> any */
#define MSG_LOG_KEPT_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(keep)          /* of the last event that is durable in the audit log */ \
    U8(fails)          /* later ones cannot be written now: said once, until they can */

/* gate <-> auth */
#define MSG_AUTH_START_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(conn)          /* chosen by the gate, never reused by this instance */ \
    U8(service)        /* enum service */ \
    BYTES(mechanism, MSG_CONFIG_NAME) /* upper case; "LOGIN-COMMAND": initial is as in RFC 4616 */ \
    U8(has_initial)    /* 1 with an empty `initial`: the client sent "=" */ \
    BYTES(initial, MSG_SASL_MAX)      /* base64 undone by the gate */ \
    ADDR(peer) \
    ADDR(local) \
    U16(tls_version)   /* 0: no TLS; else 0x0303, 0x0304, or MSG_TLS_UNKNOWN: TLS of which a mail server says no more */ \
    BYTES(tls_cipher, MSG_TLS_NAME_MAX) \
    BYTES(sni, MSG_SNI_MAX) \
    U8(has_exporter) \
    FIXED(exporter, 32)               /* RFC 9266 tls-exporter */ \
    BYTES(client_chain, MSG_CERT_MAX) /* DER certificates, a list; verified by auth */ \
    BYTES(client_id, MSG_CLIENT_ID_MAX)
#define MSG_CERT_CHECK_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED)   /* before the greeting */ \
    U64(conn) \
    ADDR(peer)         /* for the log */ \
    BYTES(client_chain, MSG_CERT_MAX) /* as in AUTH_START */
#define MSG_CERT_CHECKED_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(conn) \
    U8(good)           /* 1: EXTERNAL may be offered */
#define MSG_AUTH_DATA_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(conn) \
    BYTES(data, MSG_SASL_MAX)         /* base64 undone by the gate */
#define MSG_AUTH_CANCEL_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(conn)          /* "*", or the connection is gone; no answer follows */
#define MSG_AUTH_CONTINUE_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(conn) \
    BYTES(data, MSG_SASL_MAX)         /* the gate does the base64 */
#define MSG_AUTH_OK_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(conn) \
    FIXED(nonce, MSG_NONCE_BYTES)     /* zeros for submission: there is no grant */ \
    U64(account)       /* for the gate's log line only */ \
    BYTES(user, MSG_USER_MAX)         /* submission: the name that the mail server hears */
#define MSG_AUTH_FAIL_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(conn) \
    U8(code)           /* enum auth_code */ \
    BYTES(text, MSG_REFERRAL_MAX) /* AUTH_CODE_REFERRAL: an URL */ \
    BYTES(user, MSG_USER_MAX)     /* submission: as the client said it; may be empty */

/* auth <-> mail */
#define MSG_GRANT_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U32(gate)          /* instance, as both auth and mail heard it in PEER */ \
    U64(conn) \
    FIXED(nonce, MSG_NONCE_BYTES) \
    U64(account) \
    BYTES(user, MSG_USER_MAX) \
    U64(device)        /* 0: no device, a legacy password */ \
    BYTES(device_name, MSG_DEVICE_MAX) \
    BYTES(mechanism, MSG_CONFIG_NAME) \
    U32(rights)        /* GRANT_... */ \
    BYTES(folders, MSG_FOLDERS_MAX)   /* a list; empty: all */ \
    U64(policy_epoch) \
    U64(expires)       /* seconds since 1970; 0: never */ \
    U64(watch)         /* not 0: WATCHED says while it lives that it does */ \
    U8(credential)     /* enum login_by of auth; this and what follows comes back in SESSION_FACTS */ \
    U8(certified)      /* 1: the client's certificate counted, by this fingerprint */ \
    FIXED(certificate, MSG_KEY_ID_BYTES) \
    ADDR(peer) \
    U64(verdict)       /* what rules decided: policy_verdict_mark() */ \
    BYTES(mailboxes, MSG_FOLDERS_MAX) /* docs/formats/policy.md, "What a session keeps" */
#define MSG_SESSIONS_ASK_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(account)       /* whose sessions; 0: everybody's */
#define MSG_SESSION_FACTS_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U32(gate)          /* as in GRANT, like the others */ \
    U64(conn) \
    U64(account) \
    U64(device) \
    BYTES(mechanism, MSG_CONFIG_NAME) \
    U8(credential) \
    U8(certified) \
    FIXED(certificate, MSG_KEY_ID_BYTES) \
    ADDR(peer) \
    U64(verdict)
#define MSG_SESSION_END_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U32(gate) \
    U64(conn) \
    U64(verdict)       /* another grant of that connection stays */
#define MSG_REVOKE_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U8(what)           /* enum revoke_what */ \
    U64(account) \
    U64(device) \
    U64(policy_epoch)  /* sessions of an older epoch end */ \
    U64(watch)         /* REVOKE_WATCH: those that were granted with it */ \
    BYTES(reason, MSG_TEXT_MAX)
#define MSG_WATCHED_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    BYTES(watches, MSG_WATCHES_MAX)   /* u64 each: sessions live that were granted with them */
#define MSG_RESOLVE_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(request) \
    BYTES(address, MSG_ADDRESS_MAX)
#define MSG_RESOLVED_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(request) \
    U8(code)           /* enum resolve_code */ \
    U64(account) \
    BYTES(user, MSG_USER_MAX)         /* canonical name of the account */ \
    BYTES(detail, MSG_ADDRESS_MAX)    /* behind "+", as written */ \
    BYTES(mailbox, MSG_MAILBOX_MAX)   /* where it goes; empty: INBOX */ \
    U64(generation)    /* of whom addresses mean */ \
    U32(keep_ms)       /* so long, in this generation, mail need not ask again */
#define MSG_RECIPIENTS_FORGET_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(generation)    /* the one that begins: answers of others are void */
#define MSG_ACCOUNT_CREATED_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(account) \
    BYTES(user, MSG_USER_MAX)
#define MSG_ACCOUNT_DELETED_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(account) \
    BYTES(user, MSG_USER_MAX)
#define MSG_LOOKUP_USER_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(request) \
    U64(account)       /* 0: look up by name */ \
    BYTES(user, MSG_USER_MAX)
#define MSG_USER_FOUND_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(request) \
    U8(code)           /* enum resolve_code: OK, UNKNOWN, DELETED, DISABLED, TEMPORARY */ \
    U64(account) \
    BYTES(user, MSG_USER_MAX)
#define MSG_LAST_USED_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(account) \
    U64(device) \
    U64(time)          /* seconds since 1970 */ \
    ADDR(peer) \
    BYTES(client_id, MSG_CLIENT_ID_MAX)

/* auth <-> idp */
#define MSG_IDP_CHECK_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(request)       /* never reused by this instance of auth */ \
    U16(provider)      /* its place in config_providers() */ \
    U8(ask)            /* enum idp_ask */ \
    BYTES(user, MSG_USER_MAX)         /* of a token: empty, or whom the client says it is of */ \
    BYTES(secret, MSG_SASL_MAX)       /* password or token */ \
    U8(service)        /* enum service */ \
    ADDR(peer)
#define MSG_IDP_CANCEL_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(request)       /* nobody waits for it; no answer need follow */
#define MSG_IDP_RESULT_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(request) \
    U8(code)           /* enum idp_code */ \
    BYTES(user, MSG_USER_MAX)         /* as the other server names them */ \
    BYTES(groups, MSG_IDP_GROUPS_MAX) /* a list of names */ \
    U8(knows_groups)   /* 1: groups are all that they have; 0: nothing is known of groups */ \
    U16(again_sec)     /* a token that may be void before it expires: ask again then; 0: never */ \
    U64(expires)       /* seconds since 1970: sessions end then; 0: never */ \
    BYTES(reason, MSG_TEXT_MAX)       /* for the log: a word of docs/operating.md, never a secret */

/* auth <-> gss */
#define MSG_GSS_STEP_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(exchange)      /* never reused by this instance of auth */ \
    U8(first)          /* 1: it begins */ \
    BYTES(data, MSG_SASL_MAX)         /* what the client said */
#define MSG_GSS_END_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(exchange)      /* nobody goes on with it; no answer need follow */
#define MSG_GSS_RESULT_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(exchange) \
    U8(code)           /* enum gss_code; all but MORE end it */ \
    BYTES(data, MSG_SASL_MAX)         /* MORE: what the client is told */ \
    BYTES(principal, MSG_PRINCIPAL_MAX) /* GOOD: who it is, NAME@REALM */ \
    BYTES(authzid, MSG_KEY_MAX)       /* GOOD: whom the client wants to be; empty: the same */ \
    U64(expires)       /* seconds since 1970: sessions end then; 0: never */ \
    BYTES(reason, MSG_TEXT_MAX)       /* for the log; never a secret */

/* auth -> mail: the directory */
#define MSG_DIRECTORY_BEGIN_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U32(transfer)      /* of this channel, counted from 1: everybody follows, from the start */ \
    U64(generation)    /* as in RECIPIENTS_FORGET */
#define MSG_DIRECTORY_ROW_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U32(transfer)      /* part of it; 0: a change */ \
    U64(id) \
    U8(kind)           /* enum principal_wire */ \
    BYTES(name, MSG_USER_MAX) \
    BYTES(key, MSG_KEY_MAX) \
    BYTES(groups, MSG_GROUPS_MAX)     /* u64 each, ascending */ \
    U8(limited)        /* bit 1 << i: the group limits resource i */ \
    U64(storage)       /* bytes; all ones: without limit */ \
    U64(messages) \
    U64(mailboxes)
#define MSG_DIRECTORY_GONE_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(id)            /* of a group: its members leave it */
#define MSG_DIRECTORY_END_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U32(transfer)

#define MSG_DIRECTORY_ASK_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(number)        /* goes up */
#define MSG_DIRECTORY_HEARD_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(number)        /* mail knows what came before the question of this number */

/* web <-> auth: people make the devices of their own account */
#define MSG_ENROL_LOGIN_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(request)       /* chosen by web; every request is answered */ \
    ADDR(peer)         /* the browser */ \
    BYTES(user, MSG_USER_MAX) \
    BYTES(password, MSG_SECRET_MAX)   /* of the account */ \
    BYTES(code, MSG_CODE_MAX)         /* of the second factor, or a recovery code */
#define MSG_ENROL_SESSION_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(request) \
    FIXED(token, MSG_TOKEN_BYTES) \
    U32(seconds)       /* so long it is good */ \
    BYTES(user, MSG_USER_MAX)         /* canonical name */
#define MSG_ENROL_LIST_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(request) \
    FIXED(token, MSG_TOKEN_BYTES)
#define MSG_ENROL_DEVICE_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(request)       /* of ENROL_LIST; ENROL_DONE follows the last one */ \
    U64(device) \
    BYTES(name, MSG_DEVICE_MAX) \
    U8(scope)          /* 1 imap, 2 send, or-ed */ \
    U8(access)         /* 1 full, 2 read-only */ \
    BYTES(folders, MSG_FOLDERS_MAX)   /* names, one a line; empty: all */ \
    BYTES(networks, MSG_FOLDERS_MAX)  /* one a line; empty: all */ \
    U64(created)       /* seconds since 1970, as the others; 0: never */ \
    U64(expires) \
    U64(last_used) \
    BYTES(address, MSG_CONFIG_NAME)   /* of the last use */ \
    BYTES(client, MSG_DEVICE_MAX)     /* what the client said it is */
#define MSG_ENROL_WAITING_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(request)       /* of ENROL_LIST, before ENROL_DONE */ \
    U64(device)        /* 0: none */ \
    ADDR(address)      /* from where a login waits for ENROL_CONFIRM */ \
    U64(since)         /* seconds since 1970 */
#define MSG_ENROL_CONFIRM_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(request) \
    FIXED(token, MSG_TOKEN_BYTES) \
    U64(device) \
    BYTES(address, MSG_CONFIG_NAME)   /* as text */
#define MSG_ENROL_CREATE_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(request) \
    FIXED(token, MSG_TOKEN_BYTES) \
    BYTES(name, MSG_DEVICE_MAX)       /* the fields as in ENROL_DEVICE */ \
    U8(scope) \
    U8(access) \
    BYTES(folders, MSG_FOLDERS_MAX) \
    BYTES(networks, MSG_FOLDERS_MAX) \
    U64(expires)
#define MSG_ENROL_CREATED_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(request) \
    U64(device) \
    BYTES(user, MSG_USER_MAX)         /* canonical name */ \
    BYTES(password, MSG_CONFIG_NAME)  /* shown once */
#define MSG_ENROL_REVOKE_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(request) \
    FIXED(token, MSG_TOKEN_BYTES) \
    U64(device)
#define MSG_ENROL_LOGOUT_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(request) \
    FIXED(token, MSG_TOKEN_BYTES)
#define MSG_ENROL_DONE_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(request) \
    U8(code)           /* enum enrol_code */ \
    BYTES(user, MSG_USER_MAX)         /* ENROL_OK of ENROL_LIST: canonical name */ \
    BYTES(text, MSG_TEXT_MAX)         /* for the person; empty with ENROL_OK */

/* gate <-> mail */
#define MSG_HANDOVER_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED)    /* fd: data */ \
    U64(conn) \
    U8(service)        /* enum service */ \
    U8(transport)      /* enum transport */ \
    FIXED(nonce, MSG_NONCE_BYTES)     /* zeros for LMTP */ \
    ADDR(peer) \
    ADDR(local) \
    U16(tls_version)   /* 0: no TLS */ \
    BYTES(tls_cipher, MSG_TLS_NAME_MAX) \
    BYTES(sni, MSG_SNI_MAX) \
    BYTES(tag, MSG_TAG_MAX)           /* of the LOGIN or AUTHENTICATE to be answered */ \
    BYTES(command, MSG_CONFIG_NAME)   /* "LOGIN", "AUTHENTICATE": for the text of that answer */ \
    BYTES(client_id, MSG_CLIENT_ID_MAX) \
    BYTES(language, MSG_LANGUAGE_MAX) \
    BYTES(unread, MSG_UNREAD_MAX)     /* plaintext that followed the command */
#define MSG_HANDOVER_REFUSED_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(conn)          /* transport proxied: the gate answers tag NO [UNAVAILABLE] */ \
    BYTES(text, MSG_TEXT_MAX)
#define MSG_CONN_CLOSE_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(conn) \
    U8(reason)         /* enum close_reason */ \
    BYTES(text, MSG_TEXT_MAX)
#define MSG_CONN_BACK_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED)   /* fd: the one handed over */ \
    U64(conn) \
    U8(transport)      /* enum transport, as it was handed over */ \
    BYTES(client_id, MSG_CLIENT_ID_MAX) \
    BYTES(unread, MSG_UNREAD_MAX)     /* plaintext that followed UNAUTHENTICATE */

/* gate, web <-> keys */
#define MSG_KEY_SIGN_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(request) \
    FIXED(key, MSG_KEY_ID_BYTES)      /* SHA-256 of the certificate's SubjectPublicKeyInfo */ \
    U16(scheme)        /* RFC 8446 4.2.3 */ \
    BYTES(text, MSG_SIGNED_MAX)       /* whole: what it is is looked at */
#define MSG_KEY_SIGNED_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(request) \
    U8(rc)             /* enum rc */ \
    BYTES(signature, MSG_SIGNATURE_MAX)

/* mail <-> digest */
#define MSG_DIGEST_WORKER_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) /* fds: channel, in, out */ \
    U32(worker)        /* never reused by this instance of digest */ \
    U64(in_bytes)      /* size of the memfd a message goes into */ \
    U64(out_bytes)     /* size of the memfd a table comes out of */
#define MSG_DIGEST_DROP_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U32(worker)        /* end it, whatever it does; a fresh one follows */
#define MSG_DIGEST_REQUEST_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(request) \
    U64(account)       /* tells nothing about the account: only equality counts */ \
    BYTES(lengths, 8u * MSG_DIGESTS_MAX) /* le64 each; the messages lie one behind another */
#define MSG_DIGEST_DONE_FIELDS(U8, U16, U32, U64, ADDR, BYTES, FIXED) \
    U64(request) \
    BYTES(lengths, 8u * MSG_DIGESTS_MAX) /* of the tables, in the same way, one for each */ \
    U8(rc)             /* enum rc, of all of them */

/*     NAME              struct            nr  ver fds  from                       to */
#define MESSAGES(M) \
    M(CONFIG,            config,            1, 1, 1, FROM(SUPERVISOR),             TO_ANY) \
    M(LISTENER,          listener,          2, 1, 1, FROM(SUPERVISOR),             TO_ANY) \
    M(CERT,              cert,              3, 2, 0, FROM(SUPERVISOR),             TO(GATE) | TO(WEB)) \
    M(PEER,              peer,              4, 1, 1, FROM(SUPERVISOR),             TO_ANY) \
    M(CRASH_PAGE,        crash_page,        5, 1, 1, FROM(SUPERVISOR),             TO(MAIL)) \
    M(QUARANTINE,        quarantine,        6, 1, 0, FROM(SUPERVISOR),             TO(MAIL)) \
    M(START,             start,             7, 2, 0, FROM(SUPERVISOR),             TO_ANY) \
    M(RELOAD,            reload,            8, 3, 0, FROM(SUPERVISOR),             TO_ANY) \
    M(SHUTDOWN,          shutdown,          9, 1, 0, FROM(SUPERVISOR),             TO_ANY) \
    M(KEY,               key,              10, 1, 1, FROM(SUPERVISOR),             TO(KEYS)) \
    M(ALIVE,             alive,            11, 1, 0, FROM(SUPERVISOR) | FROM(KEYS), TO(KEYS) | TO(SUPERVISOR)) \
    M(TICKETS,           tickets,          12, 1, 0, FROM(SUPERVISOR),             TO(GATE)) \
    M(READY,             ready,            20, 1, 0, FROM_ANY,                     TO(SUPERVISOR)) \
    M(FAILED,            failed,           21, 1, 0, FROM_ANY,                     TO(SUPERVISOR)) \
    M(KEYS_LOADED,       keys_loaded,      22, 1, 0, FROM(KEYS),                   TO(SUPERVISOR)) \
    M(PAM_START,         pam_start,        23, 1, 0, FROM(AUTH),                   TO(SUPERVISOR)) \
    M(PAM_STOP,          pam_stop,         24, 1, 0, FROM(AUTH),                   TO(SUPERVISOR)) \
    M(PAM_HELPER,        pam_helper,       25, 1, 1, FROM(SUPERVISOR),             TO(AUTH)) \
    M(RELOADED,          reloaded,         26, 1, 0, FROM_ANY,                     TO(SUPERVISOR)) \
    M(SHIP_STATE,        ship_state,       29, 1, 0, FROM(SHIP),                   TO(SUPERVISOR)) \
    M(LOG_EVENT,         log_event,        30, 2, 0, FROM_ANY,                     TO(LOG)) \
    M(LOG_KEPT,          log_kept,         31, 2, 0, FROM(LOG),                    TO_ANY) \
    M(AUTH_START,        auth_start,       40, 1, 0, FROM(GATE),                   TO(AUTH)) \
    M(AUTH_DATA,         auth_data,        41, 1, 0, FROM(GATE),                   TO(AUTH)) \
    M(AUTH_CANCEL,       auth_cancel,      42, 1, 0, FROM(GATE),                   TO(AUTH)) \
    M(AUTH_CONTINUE,     auth_continue,    43, 1, 0, FROM(AUTH),                   TO(GATE)) \
    M(AUTH_OK,           auth_ok,          44, 2, 0, FROM(AUTH),                   TO(GATE)) \
    M(AUTH_FAIL,         auth_fail,        45, 3, 0, FROM(AUTH),                   TO(GATE)) \
    M(CERT_CHECK,        cert_check,       46, 1, 0, FROM(GATE),                   TO(AUTH)) \
    M(CERT_CHECKED,      cert_checked,     47, 1, 0, FROM(AUTH),                   TO(GATE)) \
    M(GRANT,             grant,            50, 3, 0, FROM(AUTH),                   TO(MAIL)) \
    M(REVOKE,            revoke,           51, 2, 0, FROM(AUTH),                   TO(MAIL)) \
    M(RESOLVE,           resolve,          52, 1, 0, FROM(MAIL) | FROM(GATE),      TO(AUTH)) \
    M(RESOLVED,          resolved,         53, 2, 0, FROM(AUTH),                   TO(MAIL) | TO(GATE)) \
    M(ACCOUNT_CREATED,   account_created,  54, 1, 0, FROM(AUTH),                   TO(MAIL)) \
    M(ACCOUNT_DELETED,   account_deleted,  55, 1, 0, FROM(AUTH),                   TO(MAIL)) \
    M(LOOKUP_USER,       lookup_user,      56, 1, 0, FROM(MAIL),                   TO(AUTH)) \
    M(USER_FOUND,        user_found,       57, 1, 0, FROM(AUTH),                   TO(MAIL)) \
    M(LAST_USED,         last_used,        58, 1, 0, FROM(MAIL),                   TO(AUTH)) \
    M(WATCHED,           watched,          59, 1, 0, FROM(MAIL),                   TO(AUTH)) \
    M(DIRECTORY_BEGIN,   directory_begin,  60, 2, 0, FROM(AUTH),                   TO(MAIL)) \
    M(DIRECTORY_ROW,     directory_row,    61, 1, 0, FROM(AUTH),                   TO(MAIL)) \
    M(DIRECTORY_GONE,    directory_gone,   62, 1, 0, FROM(AUTH),                   TO(MAIL)) \
    M(DIRECTORY_END,     directory_end,    63, 1, 0, FROM(AUTH),                   TO(MAIL)) \
    M(DIRECTORY_ASK,     directory_ask,    64, 1, 0, FROM(AUTH),                   TO(MAIL)) \
    M(DIRECTORY_HEARD,   directory_heard,  65, 1, 0, FROM(MAIL),                   TO(AUTH)) \
    M(RECIPIENTS_FORGET, recipients_forget, 66, 1, 0, FROM(AUTH),                  TO(MAIL)) \
    M(SESSIONS_ASK,      sessions_ask,     67, 1, 0, FROM(AUTH),                   TO(MAIL)) \
    M(SESSION_FACTS,     session_facts,    68, 1, 0, FROM(MAIL),                   TO(AUTH)) \
    M(SESSION_END,       session_end,      69, 1, 0, FROM(AUTH),                   TO(MAIL)) \
    M(ENROL_LOGIN,       enrol_login,     100, 1, 0, FROM(WEB),                    TO(AUTH)) \
    M(ENROL_SESSION,     enrol_session,   101, 2, 0, FROM(AUTH),                   TO(WEB)) \
    M(ENROL_LIST,        enrol_list,      102, 1, 0, FROM(WEB),                    TO(AUTH)) \
    M(ENROL_DEVICE,      enrol_device,    103, 1, 0, FROM(AUTH),                   TO(WEB)) \
    M(ENROL_CREATE,      enrol_create,    104, 1, 0, FROM(WEB),                    TO(AUTH)) \
    M(ENROL_CREATED,     enrol_created,   105, 1, 0, FROM(AUTH),                   TO(WEB)) \
    M(ENROL_REVOKE,      enrol_revoke,    106, 1, 0, FROM(WEB),                    TO(AUTH)) \
    M(ENROL_LOGOUT,      enrol_logout,    107, 1, 0, FROM(WEB),                    TO(AUTH)) \
    M(ENROL_DONE,        enrol_done,      108, 1, 0, FROM(AUTH),                   TO(WEB)) \
    M(ENROL_WAITING,     enrol_waiting,   120, 1, 0, FROM(AUTH),                   TO(WEB)) \
    M(ENROL_CONFIRM,     enrol_confirm,   121, 1, 0, FROM(WEB),                    TO(AUTH)) \
    M(HANDOVER,          handover,         70, 1, 1, FROM(GATE),                   TO(MAIL)) \
    M(HANDOVER_REFUSED,  handover_refused, 71, 1, 0, FROM(MAIL),                   TO(GATE)) \
    M(CONN_CLOSE,        conn_close,       72, 1, 0, FROM(GATE) | FROM(MAIL),      TO(GATE) | TO(MAIL)) \
    M(CONN_BACK,         conn_back,        73, 2, 1, FROM(MAIL),                   TO(GATE)) \
    M(KEY_SIGN,          key_sign,        110, 1, 0, FROM(GATE) | FROM(WEB),       TO(KEYS)) \
    M(KEY_SIGNED,        key_signed,      111, 1, 0, FROM(KEYS),                   TO(GATE) | TO(WEB)) \
    M(DIGEST_WORKER,     digest_worker,    80, 1, 3, FROM(DIGEST),                 TO(MAIL)) \
    M(DIGEST_DROP,       digest_drop,      81, 1, 0, FROM(MAIL),                   TO(DIGEST)) \
    M(DIGEST_REQUEST,    digest_request,   82, 2, 0, FROM(MAIL),                   TO(DIGEST)) \
    M(DIGEST_DONE,       digest_done,      83, 2, 0, FROM(DIGEST),                 TO(MAIL)) \
    M(IDP_CHECK,         idp_check,        90, 1, 0, FROM(AUTH),                   TO(IDP)) \
    M(IDP_CANCEL,        idp_cancel,       91, 1, 0, FROM(AUTH),                   TO(IDP)) \
    M(IDP_RESULT,        idp_result,       92, 2, 0, FROM(IDP),                    TO(AUTH)) \
    M(GSS_STEP,          gss_step,        112, 1, 0, FROM(AUTH),                   TO(GSS)) \
    M(GSS_END,           gss_end,         113, 1, 0, FROM(AUTH),                   TO(GSS)) \
    M(GSS_RESULT,        gss_result,      114, 1, 0, FROM(GSS),                    TO(AUTH))

// clang-format on

#endif
