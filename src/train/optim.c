/* optim.c - the table of optimisers, and groups read from JSON. */
#include "train/optim.h"

#include <fnmatch.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"

const optim_info optim_table[OPTIM_COUNT] = {
#define OPTIMIZER(id, name, states, matrices, build, hyper, text)              \
    {name, states, matrices, build, hyper, text},
#include "train/optimizers.def"
#undef OPTIMIZER
};

static const struct number {
    const char *name;
    double value;
} numbers[NUMBER_COUNT] = {
#define X(id, name, value) {name, value},
    OPTIM_NUMBER_LIST(X)
#undef X
};

static const char *const role_names[ROLE_COUNT] = {
#define PARAM_ROLE(id, ...) #id,
#include "model/params.def"
#undef PARAM_ROLE
};

static const char *const methods[] = {"polar", "quintic"};

static ar_status bad_key(const optim_group *group, const char *key,
                         const char *wanted, ar_error *err) {
    return error_set(err, AR_FORMAT, "optimizer.groups: \"%s\": %s must be %s",
                     group->name, key, wanted);
}

static ar_status read_match(optim_group *group, const json_t *v,
                            ar_error *err) {
    size_t i;
    json_t *item;
    if (!json_is_array(v) || json_array_size(v) == 0 ||
        json_array_size(v) > MAX_TERMS)
        return bad_key(group, "match", "a list of 1 to 16 strings", err);
    json_array_foreach(v, i, item) {
        const char *term = json_string_value(item);
        if (!term || strlen(term) >= TERM_SIZE)
            return bad_key(group, "match", "a list of short strings", err);
        memcpy(group->term[i], term, strlen(term) + 1);
    }
    group->n_terms = (int)json_array_size(v);
    return AR_OK;
}

static ar_status read_kind(optim_group *group, const json_t *v, ar_error *err) {
    const char *name = json_string_value(v);
    for (int i = 0; name && i < OPTIM_COUNT; i++)
        if (strcmp(name, optim_table[i].name) == 0) {
            group->kind = (enum optim_kind)i;
            return AR_OK;
        }
    return bad_key(group, "optimizer", "sgd, adamw, lion, muon or normuon",
                   err);
}

static ar_status read_method(optim_group *group, const json_t *v,
                             ar_error *err) {
    const char *name = json_string_value(v);
    for (int i = 0; name && i < 2; i++)
        if (strcmp(name, methods[i]) == 0) {
            group->method = (enum muon_method)i;
            return AR_OK;
        }
    return bad_key(group, "method", "\"polar\" or \"quintic\"", err);
}

static ar_status read_number(optim_group *group, int i, const json_t *v,
                             ar_error *err) {
    char name[128] = "optimizer.groups: \"";
    const size_t n = strlen(name), k = strlen(group->name);
    memcpy(name + n, group->name, k);
    memcpy(name + n + k, "\": ", 4);
    memcpy(name + n + k + 3, numbers[i].name, strlen(numbers[i].name) + 1);
    TRY(ramp_read(&group->number[i], v, name, err));
    const ramp *r = &group->number[i];
    const double most =
        i == NUMBER_BETA1 || i == NUMBER_BETA2 || i == NUMBER_MOMENTUM ? 1
                                                                       : 1e9;
    if (!(r->from >= 0 && r->from <= most && r->to >= 0 && r->to <= most))
        return bad_key(group, numbers[i].name, "within its range", err);
    return AR_OK;
}

static ar_status read_key(optim_group *group, const char *key, const json_t *v,
                          ar_error *err) {
    for (int i = 0; i < NUMBER_COUNT; i++)
        if (strcmp(key, numbers[i].name) == 0)
            return read_number(group, i, v, err);
    if (strcmp(key, "name") == 0) return AR_OK;
    if (strcmp(key, "match") == 0) return read_match(group, v, err);
    if (strcmp(key, "optimizer") == 0) return read_kind(group, v, err);
    if (strcmp(key, "method") == 0) return read_method(group, v, err);
    if (strcmp(key, "nesterov") == 0) {
        if (!json_is_boolean(v)) return bad_key(group, key, "a boolean", err);
        group->nesterov = json_is_true(v);
        return AR_OK;
    }
    if (strcmp(key, "steps") == 0) {
        const json_int_t n = json_integer_value(v);
        if (!json_is_integer(v) || n < 1 || n > 20)
            return bad_key(group, key, "1 to 20", err);
        group->steps = (int)n;
        return AR_OK;
    }
    return error_set(err, AR_FORMAT,
                     "optimizer.groups: \"%s\": the key \"%.80s\" is not known",
                     group->name, key);
}

static ar_status read_group(optim_group *group, const json_t *v, int i,
                            ar_error *err) {
    memset(group, 0, sizeof *group);
    group->kind = OPTIM_ADAMW;
    group->steps = 5;
    for (int k = 0; k < NUMBER_COUNT; k++)
        group->number[k] = (ramp){numbers[k].value, numbers[k].value, 0};
    const char *name = json_string_value(json_object_get(v, "name"));
    const json_t *match = json_object_get(v, "match");
    if (!name) name = json_string_value(json_array_get(match, 0));
    if (!json_is_object(v) || !name || strlen(name) >= sizeof group->name)
        return error_set(err, AR_FORMAT,
                         "optimizer.groups: group %d must be an object with "
                         "\"match\" and a short \"name\"",
                         i);
    memcpy(group->name, name, strlen(name) + 1);
    const char *key;
    json_t *item;
    json_object_foreach((json_t *)v, key, item)
        TRY(read_key(group, key, item, err));
    if (!group->n_terms) return bad_key(group, "match", "given", err);
    if (!json_object_get(v, "lr")) return bad_key(group, "lr", "given", err);
    return AR_OK;
}

ar_status optim_groups_read(optim_groups *out, const json_t *list,
                            ar_error *err) {
    const size_t n = json_array_size(list);
    if (!json_is_array(list) || n == 0 || n > MAX_GROUPS)
        return error_set(err, AR_FORMAT,
                         "optimizer.groups: must be a list of 1 to %d objects",
                         MAX_GROUPS);
    out->n = 0;
    for (size_t i = 0; i < n; i++)
        TRY(read_group(&out->group[i], json_array_get(list, i), (int)i, err));
    out->n = (int)n;
    return AR_OK;
}

static json_t *group_json(const optim_group *group) {
    json_t *match = json_array();
    for (int i = 0; i < group->n_terms; i++)
        json_array_append_new(match, json_string(group->term[i]));
    json_t *json = json_pack("{s:s, s:o, s:s}", "name", group->name, "match",
                             match, "optimizer", optim_table[group->kind].name);
    if (!json) return NULL;
    int failed = 0;
    for (int i = 0; i < NUMBER_COUNT; i++)
        failed |= json_object_set_new(json, numbers[i].name,
                                      ramp_json(&group->number[i])) != 0;
    if (group->nesterov)
        failed |= json_object_set_new(json, "nesterov", json_true()) != 0;
    if (optim_table[group->kind].matrices) {
        failed |= json_object_set_new(json, "method",
                                      json_string(methods[group->method])) != 0;
        failed |=
            json_object_set_new(json, "steps", json_integer(group->steps)) != 0;
    }
    if (!failed) return json;
    json_decref(json);
    return NULL;
}

json_t *optim_groups_json(const optim_groups *groups) {
    json_t *list = json_array();
    for (int i = 0; list && i < groups->n; i++)
        if (json_array_append_new(list, group_json(&groups->group[i])) != 0) {
            json_decref(list);
            list = NULL;
        }
    return list;
}

static bool term_holds(const char *term, const param_spec *s) {
    if (strcmp(term, "matrix") == 0) return s->matrix;
    if (strcmp(term, "2d") == 0) return s->shape.rank >= 2;
    if (strcmp(term, "decay") == 0) return s->decay;
    if (strncmp(term, "role:", 5) == 0)
        return strcasecmp(term + 5, role_names[s->role]) == 0;
    return fnmatch(term, s->name, 0) == 0;
}

ar_status optim_group_of(const optim_groups *groups, const param_spec *s,
                         int *out, ar_error *err) {
    for (int i = 0; i < groups->n; i++) {
        const optim_group *group = &groups->group[i];
        for (int k = 0; k < group->n_terms; k++) {
            if (!term_holds(group->term[k], s)) continue;
            if (optim_table[group->kind].matrices && s->shape.rank != 2)
                return error_set(err, AR_RANGE,
                                 "optimizer.groups: \"%s\": %s takes matrices "
                                 "only, and %s is none",
                                 group->name, optim_table[group->kind].name,
                                 s->name);
            *out = i;
            return AR_OK;
        }
    }
    return error_set(err, AR_RANGE,
                     "optimizer.groups: no group takes the parameter %s",
                     s->name);
}
