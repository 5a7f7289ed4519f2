#include "cli/device_file.h"

#include <time.h>

#define SECONDS_A_DAY 86400
#define EXPIRY_BYTES  24u

enum { F_USER, F_NAME, F_SCOPE, F_RIGHTS, F_NETWORKS, F_EXPIRY };

/* One field, copied to where it is read from or before. What follows it, or NULL. */
static char *read_field(char *at, const char **out)
{
    char *to = at;
    bool quoted = *at == '"';

    *out = at;
    if (!quoted) {
        at += strcspn(at, ",\"");
        return *at == '"' ? NULL : at;
    }
    for (at++; *at != '\0'; at++) {
        if (*at == '"' && *++at != '"') {
            char *end = at;

            if (*end != ',' && *end != '\0')
                return NULL;
            *to = '\0'; /* at least one byte before end: the quote that began it */
            return end;
        }
        *to++ = *at;
    }
    return NULL;
}

bool device_line_read(char *line, const char *fields[DEVICE_LINE_FIELDS])
{
    char *at = line;
    bool more = true;

    for (size_t i = 0; i < DEVICE_LINE_FIELDS; i++) {
        char *end;

        if (!more) {
            fields[i] = "";
            continue;
        }
        end = read_field(at, &fields[i]);
        if (end == NULL)
            return false;
        more = *end == ',';
        *end = '\0';
        at = end + 1;
    }
    return !more;
}

bool device_day_end(const char *day, int64_t *out)
{
    struct tm tm = {0};
    const char *end = strptime(day, "%Y-%m-%d", &tm);
    int day_of_month = tm.tm_mday;
    time_t begin;

    if (end == NULL || *end != '\0' || strlen(day) != strlen("2027-12-31"))
        return false;
    begin = timegm(&tm); /* makes March 2nd of February 30th */
    if (tm.tm_mday != day_of_month)
        return false;
    *out = (int64_t) begin + SECONDS_A_DAY;
    return true;
}

static int refuse(uint64_t line, const char *why)
{
    (void) fprintf(stderr, "roost: line %llu: %s\n", (unsigned long long) line, why);
    return CLI_FAILED;
}

static int add_line(struct cli_ask *ask, char *text, uint64_t line)
{
    const char *fields[DEVICE_LINE_FIELDS];
    char networks[DEVICE_LINE_MAX_BYTES], expires[EXPIRY_BYTES];
    struct control_field request[6];
    size_t n = 0;
    int64_t end;

    if (!device_line_read(text, fields))
        return refuse(line, "not user,name,scope,rights,networks,expiry");
    (void) snprintf(networks, sizeof(networks), "%s", fields[F_NETWORKS]);
    for (char *c = networks; *c != '\0'; c++)
        if (*c == ' ')
            *c = '\n';
    request[n++] = CONTROL_TEXT("user", slice_from_str(fields[F_USER]));
    request[n++] = CONTROL_TEXT("name", slice_from_str(fields[F_NAME]));
    if (fields[F_SCOPE][0] != '\0')
        request[n++] = CONTROL_TEXT("scope", slice_from_str(fields[F_SCOPE]));
    if (fields[F_RIGHTS][0] != '\0')
        request[n++] = CONTROL_TEXT("access", slice_from_str(fields[F_RIGHTS]));
    request[n++] = CONTROL_TEXT("networks", slice_from_str(networks));
    if (fields[F_EXPIRY][0] != '\0') {
        if (!device_day_end(fields[F_EXPIRY], &end))
            return refuse(line, "the expiry is no day such as 2027-12-31");
        (void) snprintf(expires, sizeof(expires), "%lld", (long long) end);
        request[n++] = CONTROL_TEXT("expires", slice_from_str(expires));
    }
    return cli_ask(ask, "device.add", request, n) == CLI_OK ? CLI_OK : refuse(line, "refused");
}

int device_file_add(struct cli_ask *ask, FILE *file)
{
    char text[DEVICE_LINE_MAX_BYTES];
    uint64_t line = 0, n_bad = 0;

    while (fgets(text, sizeof(text), file) != NULL) {
        size_t len = strcspn(text, "\r\n");

        line++;
        if (text[len] == '\0' && len + 1 == sizeof(text)) {
            (void) refuse(line, "too long; the rest was not read");
            return CLI_FAILED;
        }
        text[len] = '\0';
        if (len == 0 || text[0] == '#' || (line == 1 && strncmp(text, "user,", 5) == 0))
            continue;
        n_bad += add_line(ask, text, line) != CLI_OK;
    }
    return n_bad > 0 ? CLI_PARTLY : CLI_OK;
}
