#include "idp/json.h"

/* The deepest nesting; brackets in texts do not count. Broken texts are jansson's to refuse. */
static size_t depth_of(struct slice text)
{
    size_t depth = 0, deepest = 0;
    bool quoted = false;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '{' || c == '['))
            depth++;
        else if (!quoted && (c == '}' || c == ']') && depth > 0)
            depth--;
        deepest = MAX(deepest, depth);
    }
    return deepest;
}

enum rc json_read(struct slice text, json_t **out, struct err *err)
{
    json_error_t error;
    json_t *json;

    if (depth_of(text) > JSON_DEPTH_MAX)
        return err_set(err, RC_LIMIT, "Bad token", "JSON: nested too deep");
    json = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, &error);
    if (json == NULL)
        return err_set(err, RC_SYNTAX, "Bad token", "JSON: not readable");
    if (!json_is_object(json)) {
        json_decref(json);
        return err_set(err, RC_SYNTAX, "Bad token", "JSON: no object");
    }
    *out = json;
    return RC_OK;
}

void json_freep(json_t **json)
{
    json_decref(*json);
    *json = NULL;
}

bool json_get_text(const json_t *object, const char *name, struct slice *out)
{
    const json_t *value = json_object_get(object, name);

    if (!json_is_string(value))
        return false;
    *out = slice_of(json_string_value(value), json_string_length(value));
    return slice_find(*out, '\0') == out->len;
}
