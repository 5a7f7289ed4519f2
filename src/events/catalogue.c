#include "events/catalogue.h"

#include <stdlib.h>

// clang-format off
static const struct audited events[] = { /* sorted by name */
    {"account.batch",          "iam",            "user",       AUDIT_TARGET},
    {"account.created",        "iam",            "creation",   AUDIT_TARGET},
    {"account.exported",       "email",          "access",     AUDIT_TARGET},
    {"account.imported",       "email",          "creation",   AUDIT_TARGET},
    {"account.password",       "iam",            "change",     AUDIT_TARGET},
    {"account.quarantine",     "intrusion_detection", "denied", AUDIT_TARGET},
    {"account.release",        "iam",            "change",     AUDIT_TARGET},
    {"account.removed",        "iam",            "deletion",   AUDIT_TARGET},
    {"account.state",          "iam",            "change",     AUDIT_TARGET},
    {"acl.changed",            "iam",            "change",     AUDIT_TARGET},
    {"acl.set",                "iam",            "change",     AUDIT_ACTOR},
    {"alias.added",            "configuration",  "creation",   AUDIT_ACTOR},
    {"alias.deleted",          "configuration",  "deletion",   AUDIT_ACTOR},
    {"audit.cut",              "intrusion_detection", "error", AUDIT_ACTOR},
    {"audit.ship_down",        "network",        "end",        AUDIT_ACTOR},
    {"audit.ship_late",        "network",        "info",       AUDIT_ACTOR},
    {"audit.ship_missed",      "network",        "error",      AUDIT_ACTOR},
    {"audit.ship_other_log",   "network",        "error",      AUDIT_ACTOR},
    {"audit.ship_up",          "network",        "start",      AUDIT_ACTOR},
    {"auth.control_refused",   "intrusion_detection", "denied", AUDIT_ACTOR},
    {"auth.damaged",           "database",       "error",      AUDIT_TARGET},
    {"backup.begun",           "email",          "access",     AUDIT_ACTOR},
    {"backup.ended",           "email",          "end",        AUDIT_ACTOR},
    {"certificate.read",       "configuration",  "change",     AUDIT_ACTOR},
    {"certificate.unreadable", "configuration",  "error",      AUDIT_ACTOR},
    {"credential.void",        "session",        "end",        AUDIT_ACTOR},
    {"credentials.copied",     "database",       "access",     AUDIT_ACTOR},
    {"device.added",           "iam",            "creation",   AUDIT_TARGET},
    {"device.changed",         "iam",            "change",     AUDIT_TARGET},
    {"device.confirmed",       "iam",            "change",     AUDIT_TARGET},
    {"device.forgotten",       "iam",            "change",     AUDIT_TARGET},
    {"device.revoked",         "iam",            "deletion",   AUDIT_TARGET},
    {"domain.added",           "configuration",  "creation",   AUDIT_ACTOR},
    {"domain.deleted",         "configuration",  "deletion",   AUDIT_ACTOR},
    {"enrol.login",            "authentication", "start",      AUDIT_ACTOR},
    {"enrol.refused",          "authentication", "start",      AUDIT_ACTOR},
    {"group.created",          "iam",            "creation",   AUDIT_ACTOR},
    {"group.deleted",          "iam",            "deletion",   AUDIT_ACTOR},
    {"group.limited",          "iam",            "change",     AUDIT_ACTOR},
    {"group.member_added",     "iam",            "change",     AUDIT_TARGET},
    {"group.member_removed",   "iam",            "change",     AUDIT_TARGET},
    {"keys.limited",           "intrusion_detection", "denied", AUDIT_ACTOR},
    {"keys.refused",           "intrusion_detection", "denied", AUDIT_ACTOR},
    {"login.ok",               "authentication", "start",      AUDIT_ACTOR},
    {"login.referred",         "authentication", "info",       AUDIT_ACTOR},
    {"login.refused",          "authentication", "start",      AUDIT_ACTOR},
    {"mail.append",            "email",          "creation",   AUDIT_ACTOR},
    {"mail.control_refused",   "intrusion_detection", "denied", AUDIT_ACTOR},
    {"mail.copy",              "email",          "creation",   AUDIT_ACTOR},
    {"mail.expunge",           "email",          "deletion",   AUDIT_ACTOR},
    {"mail.more",              "email",          "info",       AUDIT_ACTOR},
    {"mail.move",              "email",          "change",     AUDIT_ACTOR},
    {"mailbox.create",         "email",          "creation",   AUDIT_ACTOR},
    {"mailbox.created",        "email",          "creation",   AUDIT_TARGET},
    {"mailbox.delete",         "email",          "deletion",   AUDIT_ACTOR},
    {"mailbox.deleted",        "email",          "deletion",   AUDIT_TARGET},
    {"mailbox.opened",         "email",          "access",     AUDIT_ACTOR},
    {"mailbox.rename",         "email",          "change",     AUDIT_ACTOR},
    {"mailbox.renamed",        "email",          "change",     AUDIT_TARGET},
    {"policy.loaded",          "configuration",  "change",     AUDIT_ACTOR},
    {"policy.login",           "authentication", "info",       AUDIT_ACTOR},
    {"policy.session",         "session",        "end",        AUDIT_ACTOR},
    {"policy.unreadable",      "configuration",  "error",      AUDIT_ACTOR},
    {"quota.changed",          "configuration",  "change",     AUDIT_TARGET},
    {"role.ended",             "process",        "end",        AUDIT_ACTOR},
    {"server.ready",           "process",        "start",      AUDIT_ACTOR},
    {"server.reload",          "configuration",  "change",     AUDIT_ACTOR},
    {"server.stop",            "process",        "end",        AUDIT_ACTOR},
    {"session.end",            "session",        "end",        AUDIT_ACTOR},
    {"session.failed",         "session",        "error",      AUDIT_ACTOR},
    {"session.kicked",         "session",        "end",        AUDIT_ACTOR},
    {"session.refused",        "session",        "denied",     AUDIT_ACTOR},
    {"shared.created",         "iam",            "creation",   AUDIT_TARGET},
    {"shared.deleted",         "iam",            "deletion",   AUDIT_TARGET},
    {"store.damage",           "database",       "error",      AUDIT_ACTOR},
    {"store.failed",           "database",       "error",      AUDIT_ACTOR},
    {"tls.loaded",             "configuration",  "change",     AUDIT_ACTOR},
    {"tls.refused",            "configuration",  "error",      AUDIT_ACTOR},
    {"totp.begun",             "iam",            "info",       AUDIT_TARGET},
    {"totp.codes",             "iam",            "change",     AUDIT_TARGET},
    {"totp.disabled",          "iam",            "deletion",   AUDIT_TARGET},
    {"totp.enabled",           "iam",            "creation",   AUDIT_TARGET},
    {"undelete.restored",      "email",          "creation",   AUDIT_TARGET},
};

static const struct {
    const char *key, *actor, *target;
} fields[] = {
    {"address",    "source.ip",        "source.ip"       },
    {"by_uid",     "user.id",          "user.id"         },
    {"detail",     "error.message",    "error.message"   },
    {"error",      "error.code",       "error.code"      },
    {"group",      "group.name",       "group.name"      },
    {"message_id", "email.message_id", "email.message_id"},
    {"name",       "roost.name",       "user.target.name"},
    {"pid",        "process.pid",      "process.pid"     },
    {"port",       "source.port",      "source.port"     },
    {"reason",     "event.reason",     "event.reason"    },
    {"service",    "network.protocol", "network.protocol"},
    {"tls",        "tls.version",      "tls.version"     },
    {"user",       "user.name",        "user.target.name"},
};
// clang-format on

static int compare(const void *a, const void *b)
{
    const struct audited *event = b;

    return slice_cmp(*(const struct slice *) a, slice_from_str(event->name));
}

const struct audited *audited_find(struct slice name)
{
    return bsearch(&name, events, COUNT(events), sizeof(events[0]), compare);
}

size_t audited_count(void)
{
    return COUNT(events);
}

const struct audited *audited_at(size_t at)
{
    return &events[at];
}

const char *audited_field(struct slice key, enum audit_subject subject)
{
    for (size_t i = 0; i < COUNT(fields); i++) {
        if (slice_eq(key, slice_from_str(fields[i].key)))
            return subject == AUDIT_TARGET ? fields[i].target : fields[i].actor;
    }
    return NULL;
}
