/* schedule.c - warm-up, the shapes of the rate, and ramps. */
#include "train/schedule.h"

#include <math.h>
#include <string.h>

#include "base/error.h"

static double clamp01(double x) { return x < 0 ? 0 : x > 1 ? 1 : x; }

double schedule_rate(const schedule *s, const run_clock *c) {
    if (c->step < s->warmup) return (double)(c->step + 1) / (double)s->warmup;
    const double p = clamp01(c->progress), w = c->warm_progress;
    const double q = w < 1 ? clamp01((p - w) / (1 - w)) : 1;
    switch (s->shape) {
    case SCHEDULE_COSINE:
        return s->final + (1 - s->final) * 0.5 * (1 + cos(M_PI * q));
    case SCHEDULE_LINEAR: return 1 + (s->final - 1) * q;
    case SCHEDULE_WARMDOWN: {
        if (p < 1 - s->warmdown || s->warmdown <= 0) return 1;
        const double r = (1 - p) / s->warmdown;
        return r + (1 - r) * s->final;
    }
    case SCHEDULE_AUTO:
    case SCHEDULE_CONSTANT: break;
    }
    return 1;
}

double ramp_at(const ramp *r, const run_clock *c) {
    const double x =
        r->steps ? (double)c->step / (double)r->steps : c->progress;
    return r->from + (r->to - r->from) * clamp01(x);
}

static ar_status read_ramp_key(ramp *out, const char *key, const json_t *v,
                               const char *name, ar_error *err) {
    if (strcmp(key, "steps") == 0) {
        out->steps = json_integer_value(v);
        if (!json_is_integer(v) || out->steps < 0)
            return error_set(err, AR_FORMAT, "%s: steps must be a whole number",
                             name);
        return AR_OK;
    }
    const int is_from = strcmp(key, "from") == 0;
    if (!is_from && strcmp(key, "to") != 0)
        return error_set(err, AR_FORMAT, "%s: the key \"%s\" is not known",
                         name, key);
    if (!json_is_number(v))
        return error_set(err, AR_FORMAT, "%s: %s must be a number", name, key);
    *(is_from ? &out->from : &out->to) = json_number_value(v);
    return AR_OK;
}

ar_status ramp_read(ramp *out, const json_t *json, const char *name,
                    ar_error *err) {
    if (json_is_number(json)) {
        const double x = json_number_value(json);
        *out = (ramp){x, x, 0};
        return AR_OK;
    }
    if (!json_object_get(json, "from") || !json_object_get(json, "to"))
        return error_set(err, AR_FORMAT,
                         "%s: must be a number or an object with \"from\" and "
                         "\"to\"",
                         name);
    ramp r = {0};
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)json, key, v)
        TRY(read_ramp_key(&r, key, v, name, err));
    *out = r;
    return AR_OK;
}

json_t *ramp_json(const ramp *r) {
    if (r->from == r->to) return json_real(r->from);
    json_t *json = json_pack("{s:f, s:f}", "from", r->from, "to", r->to);
    if (json && r->steps &&
        json_object_set_new(json, "steps", json_integer(r->steps)) != 0) {
        json_decref(json);
        return NULL;
    }
    return json;
}
