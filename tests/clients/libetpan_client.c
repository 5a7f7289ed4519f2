/*
 * libetpan_client.c - calls of libetpan against a server, each of which must be understood.
 *
 *     libetpan_client PORT USER PASSWORD
 *
 * INBOX is empty at the start. What was done is looked at by test_libetpan.py. Exit 0: every
 * call gave what it should; else the line and what libetpan said. Debian's libetpan is built
 * without zlib, so COMPRESS is only looked for.
 */
#include <libetpan/libetpan.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE                                                                                \
    "From: Sender <sender@example.org>\r\nSubject: message %u\r\n"                             \
    "Message-ID: <%u@example.org>\r\n\r\nline of message %u\r\n"
#define DEADLINE_MS 120000 /* only a broken server meets it */

struct place {
    uint32_t uidvalidity, uids[6];
};

static void check_at(int line, const char *what, bool good, const mailimap *imap)
{
    if (good)
        return;
    fprintf(stderr, "line %d: %s; the server said: %s\n", line, what,
            imap->imap_response != NULL ? imap->imap_response : "nothing");
    exit(1);
}

#define CHECK(imap, condition) check_at(__LINE__, #condition, (condition), (imap))
#define DONE(imap, call)       CHECK(imap, (call) == MAILIMAP_NO_ERROR)

static mailimap *open_session(const char *port, const char *user, const char *password)
{
    mailimap *imap = mailimap_new(0, NULL);
    int r = mailimap_ssl_connect(imap, "localhost", (uint16_t) strtoul(port, NULL, 10));

    CHECK(imap, r == MAILIMAP_NO_ERROR_NON_AUTHENTICATED);
    DONE(imap, mailimap_login(imap, user, password));
    return imap;
}

static void close_session(mailimap *imap)
{
    CHECK(imap, mailimap_logout(imap) == MAILIMAP_NO_ERROR);
    mailimap_free(imap);
}

static uint32_t append(mailimap *imap, unsigned number, uint32_t *uidvalidity)
{
    char text[512];
    uint32_t uid = 0;
    int len = snprintf(text, sizeof(text), MESSAGE, number, number, number);

    DONE(imap, mailimap_uidplus_append(imap, "INBOX", NULL, NULL, text, (size_t) len,
                                       uidvalidity, &uid));
    CHECK(imap, uid > 0);
    return uid;
}

/* ---- what the server is and has ---- */

static void introduce(mailimap *imap)
{
    struct mailimap_capability_data *result = NULL, *wanted;
    struct mailimap_namespace_data *namespaces = NULL;
    char *name = NULL, *version = NULL;
    clist *words = clist_new();
    clist *boxes = NULL;

    DONE(imap, mailimap_capability(imap, &result));
    mailimap_capability_data_free(result);
    CHECK(imap, mailimap_has_id(imap) && mailimap_has_enable(imap) && mailimap_has_idle(imap));
    CHECK(imap, mailimap_has_condstore(imap) && mailimap_has_qresync(imap));
    CHECK(imap, mailimap_has_uidplus(imap) && mailimap_has_namespace(imap));
    CHECK(imap, mailimap_has_compress_deflate(imap));
    DONE(imap, mailimap_id_basic(imap, "libetpan", "1", &name, &version));
    CHECK(imap, name != NULL && strcmp(name, "Roost") == 0);
    free(name);
    free(version);
    clist_append(words,
                 mailimap_capability_new(MAILIMAP_CAPABILITY_NAME, NULL, strdup("QRESYNC")));
    wanted = mailimap_capability_data_new(words);
    DONE(imap, mailimap_enable(imap, wanted, &result));
    CHECK(imap, clist_count(result->cap_list) > 0);
    mailimap_capability_data_free(result);
    mailimap_capability_data_free(wanted);
    DONE(imap, mailimap_namespace(imap, &namespaces));
    CHECK(imap, namespaces->ns_personal != NULL);
    mailimap_namespace_data_free(namespaces);
    DONE(imap, mailimap_create(imap, "Work"));
    DONE(imap, mailimap_list(imap, "", "*", &boxes));
    CHECK(imap, clist_count(boxes) == 7);
    mailimap_list_result_free(boxes);
}

/* ---- reading ---- */

static void read_back(mailimap *imap, const struct place *place)
{
    struct mailimap_fetch_type *type = mailimap_fetch_type_new_fetch_att_list_empty();
    struct mailimap_set *all = mailimap_set_new_interval(1, 0);
    clist *found = NULL;

    mailimap_fetch_type_new_fetch_att_list_add(type, mailimap_fetch_att_new_uid());
    mailimap_fetch_type_new_fetch_att_list_add(type, mailimap_fetch_att_new_flags());
    mailimap_fetch_type_new_fetch_att_list_add(type, mailimap_fetch_att_new_envelope());
    mailimap_fetch_type_new_fetch_att_list_add(type, mailimap_fetch_att_new_bodystructure());
    mailimap_fetch_type_new_fetch_att_list_add(type, mailimap_fetch_att_new_internaldate());
    mailimap_fetch_type_new_fetch_att_list_add(
        type, mailimap_fetch_att_new_body_peek_section(mailimap_section_new_text()));
    DONE(imap, mailimap_uid_fetch(imap, all, type, &found));
    CHECK(imap, clist_count(found) == 5);
    for (clistiter *it = clist_begin(found); it != NULL; it = clist_next(it)) {
        const struct mailimap_msg_att *message = clist_content(it);
        char want[64];
        bool seen = false;

        (void) snprintf(want, sizeof(want), "line of message %u\r\n", message->att_number);
        for (clistiter *at = clist_begin(message->att_list); at != NULL; at = clist_next(at)) {
            const struct mailimap_msg_att_item *item = clist_content(at);
            const struct mailimap_msg_att_static *data = item->att_data.att_static;

            if (item->att_type != MAILIMAP_MSG_ATT_ITEM_STATIC)
                continue;
            if (data->att_type == MAILIMAP_MSG_ATT_BODY_SECTION) {
                CHECK(imap, strcmp(data->att_data.att_body_section->sec_body_part, want) == 0);
                seen = true;
            } else if (data->att_type == MAILIMAP_MSG_ATT_UID) {
                CHECK(imap, data->att_data.att_uid == place->uids[message->att_number - 1]);
            } else if (data->att_type == MAILIMAP_MSG_ATT_ENVELOPE) {
                CHECK(imap, strncmp(data->att_data.att_env->env_subject, "message ", 8) == 0);
            }
        }
        CHECK(imap, seen);
    }
    mailimap_fetch_list_free(found);
    mailimap_fetch_type_free(type);
    mailimap_set_free(all);
}

static void search(mailimap *imap, const struct place *place)
{
    struct mailimap_search_key *key = mailimap_search_key_new_subject(strdup("message 4"));
    clist *found = NULL;
    clistiter *first;

    DONE(imap, mailimap_uid_search(imap, NULL, key, &found));
    first = clist_begin(found);
    CHECK(imap, first != NULL && clist_next(first) == NULL);
    if (first != NULL)
        CHECK(imap, *(const uint32_t *) clist_content(first) == place->uids[3]);
    mailimap_search_result_free(found);
    mailimap_search_key_free(key);
}

/* ---- changing ---- */

static struct mailimap_store_att_flags *adding(struct mailimap_flag *flag)
{
    struct mailimap_flag_list *flags = mailimap_flag_list_new_empty();

    (void) mailimap_flag_list_add(flags, flag);
    return mailimap_store_att_flags_new_add_flags(flags);
}

static void store(mailimap *imap, uint32_t uid, struct mailimap_flag *flag)
{
    struct mailimap_store_att_flags *change = adding(flag);
    struct mailimap_set *set = mailimap_set_new_single(uid);

    DONE(imap, mailimap_uid_store(imap, set, change));
    mailimap_set_free(set);
    mailimap_store_att_flags_free(change);
}

/* What another session has changed since. libetpan 1.9.4 writes UNCHANGEDSINCE without the
 * blank before its parenthesis (RFC 7162 7, store-modifier), so a conditional STORE must fail,
 * and only that. */
static void changed_since(mailimap *imap, mailimap *other, const struct place *place,
                          uint64_t modseq)
{
    struct mailimap_store_att_flags *change = adding(mailimap_flag_new_answered());
    struct mailimap_fetch_type *type =
        mailimap_fetch_type_new_fetch_att(mailimap_fetch_att_new_flags());
    struct mailimap_set *set = mailimap_set_new_interval(place->uids[0], place->uids[1]);
    clist *found = NULL;

    store(other, place->uids[0], mailimap_flag_new_flagged());
    DONE(imap, mailimap_uid_fetch_changedsince(imap, set, type, modseq, &found));
    CHECK(imap, clist_count(found) > 0);
    for (clistiter *it = clist_begin(found); it != NULL; it = clist_next(it))
        CHECK(imap, ((const struct mailimap_msg_att *) clist_content(it))->att_number == 1);
    CHECK(imap,
          mailimap_uid_store_unchangedsince(imap, set, modseq, change) != MAILIMAP_NO_ERROR);
    store(imap, place->uids[1], mailimap_flag_new_answered());
    mailimap_fetch_list_free(found);
    mailimap_fetch_type_free(type);
    mailimap_set_free(set);
    mailimap_store_att_flags_free(change);
}

static void copy_move_and_expunge(mailimap *imap, const struct place *place)
{
    struct mailimap_set *one = mailimap_set_new_single(place->uids[0]), *from = NULL,
                        *to = NULL;
    uint32_t uidvalidity = 0;

    DONE(imap, mailimap_uidplus_uid_copy(imap, one, "Work", &uidvalidity, &from, &to));
    CHECK(imap, uidvalidity > 0 && from != NULL && to != NULL);
    mailimap_set_free(from);
    mailimap_set_free(to);
    mailimap_set_free(one);
    one = mailimap_set_new_single(place->uids[3]);
    DONE(imap, mailimap_uidplus_uid_move(imap, one, "Archive", &uidvalidity, &from, &to));
    mailimap_set_free(from);
    mailimap_set_free(to);
    mailimap_set_free(one);
    store(imap, place->uids[4], mailimap_flag_new_deleted());
    one = mailimap_set_new_single(place->uids[4]);
    DONE(imap, mailimap_uid_expunge(imap, one));
    mailimap_set_free(one);
}

/* ---- synchronising and waiting ---- */

/* libetpan 1.9.4 writes SELECT's parameter without the parentheses around it (RFC 4466 2.1), so
 * that its own SELECT must fail; VANISHED in UID FETCH it has right. */
static void resynchronise(mailimap *imap, const struct place *place, uint64_t modseq)
{
    struct mailimap_fetch_type *type =
        mailimap_fetch_type_new_fetch_att(mailimap_fetch_att_new_flags());
    struct mailimap_set *all = mailimap_set_new_interval(1, 0);
    struct mailimap_qresync_vanished *vanished = NULL;
    clist *changed = NULL;
    uint64_t now = 0;

    CHECK(imap, mailimap_select_qresync(imap, "INBOX", place->uidvalidity, modseq, NULL, NULL,
                                        NULL, &changed, &vanished, &now) != MAILIMAP_NO_ERROR);
    DONE(imap, mailimap_uid_fetch_qresync(imap, all, type, modseq, &changed, &vanished));
    CHECK(imap, changed != NULL && clist_count(changed) == 2);
    CHECK(imap, vanished != NULL && vanished->qr_earlier != 0);
    mailimap_fetch_list_free(changed);
    mailimap_qresync_vanished_free(vanished);
    mailimap_fetch_type_free(type);
    mailimap_set_free(all);
}

static void wait_in_idle(mailimap *imap, mailimap *other)
{
    struct pollfd fd = {.fd = mailimap_idle_get_fd(imap), .events = POLLIN};

    mailstream_setup_idle(imap->imap_stream);
    DONE(imap, mailimap_idle(imap));
    (void) append(other, 6, &(uint32_t){0});
    CHECK(imap, poll(&fd, 1, DEADLINE_MS) == 1);
    DONE(imap, mailimap_idle_done(imap));
    mailstream_unsetup_idle(imap->imap_stream);
    DONE(imap, mailimap_noop(imap));
    CHECK(imap, imap->imap_selection_info->sel_exists == 4);
}

int main(int argc, char **argv)
{
    struct place place = {0};
    mailimap *imap, *other;
    uint64_t modseq = 0;

    if (argc != 4) {
        fprintf(stderr, "usage: %s PORT USER PASSWORD\n", argv[0]);
        return 2;
    }
    imap = open_session(argv[1], argv[2], argv[3]);
    introduce(imap);
    for (unsigned i = 0; i < 5; i++)
        place.uids[i] = append(imap, i + 1, &place.uidvalidity);
    DONE(imap, mailimap_select_condstore(imap, "INBOX", &modseq));
    CHECK(imap, modseq > 0 && imap->imap_selection_info->sel_exists == 5);
    CHECK(imap, imap->imap_selection_info->sel_uidvalidity == place.uidvalidity);
    read_back(imap, &place);
    search(imap, &place);

    other = open_session(argv[1], argv[2], argv[3]);
    DONE(other, mailimap_select(other, "INBOX"));
    changed_since(imap, other, &place, modseq);
    copy_move_and_expunge(imap, &place);
    resynchronise(imap, &place, modseq);
    wait_in_idle(imap, other);
    CHECK(imap, mailimap_select(imap, "Nowhere") != MAILIMAP_NO_ERROR);
    close_session(other);
    close_session(imap);
    return 0;
}
