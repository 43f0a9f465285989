/* hub_ref.c - what a person writes for a model that is fetched. */
#include "hub/hub_ref.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "hub/hub.h"

static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/* ---- paths ---- */

/* Also those of two bytes, U+0080 to U+009F: terminals obey them. */
static bool is_control(const char *p) {
    const unsigned char c = (unsigned char)*p;
    return c < ' ' || c == 127 || (c == 0xc2 && (unsigned char)p[1] < 0xa0);
}

static enum hub_path check_part(const char *p, size_t n) {
    if (!n || n > HUB_MAX_PART) return HUB_PATH_BAD;
    for (size_t i = 0; i < n; i++)
        if (is_control(p + i) || p[i] == '\\') return HUB_PATH_BAD;
    if (*p != '.') return HUB_PATH_GOOD;
    return n == 1 || (n == 2 && p[1] == '.') ? HUB_PATH_BAD : HUB_PATH_HIDDEN;
}

enum hub_path hub_path_check(const char *path) {
    enum { MAX_PARTS = 16 };
    enum hub_path all = HUB_PATH_GOOD;
    if (strlen(path) >= HUB_MAX_PATH / 2) return HUB_PATH_BAD;
    for (int parts = 0;; parts++) {
        const size_t n = strcspn(path, "/");
        const enum hub_path one = check_part(path, n);
        if (one == HUB_PATH_BAD || parts == MAX_PARTS) return HUB_PATH_BAD;
        if (one == HUB_PATH_HIDDEN) all = one;
        if (!path[n]) return all;
        path += n + 1;
    }
}

void hub_add_encoded(text *out, const char *path, bool whole) {
    for (const char *p = path; *p; p++)
        if (strchr(letters, *p) || strchr("._~-", *p) || (whole && *p == '/'))
            text_add(out, p, 1);
        else
            text_addf(out, "%%%02X", (unsigned)(unsigned char)*p);
}

/* ---- repositories ---- */

/* Of a name that may hold letters and `more`: how long it is. */
static size_t word(const char *p, const char *more) {
    size_t n = 0;
    while (p[n] && (strchr(letters, p[n]) || strchr(more, p[n]))) n++;
    return n;
}

/* Copy n bytes with a NUL; false if they do not fit. */
static bool take(char *out, size_t size, const char *p, size_t n) {
    if (n >= size) return false;
    memcpy(out, p, n);
    out[n] = 0;
    return true;
}

static bool parse_id(hub_ref *r, const char **p) {
    const size_t owner = word(*p, "._-");
    if (!owner || (*p)[owner] != '/') return false;
    const size_t name = word(*p + owner + 1, "._-");
    if (!name || owner > 96 || name > 96) return false;
    if (!take(r->id, sizeof r->id, *p, owner + 1 + name)) return false;
    *p += owner + 1 + name;
    return hub_path_check(r->id) == HUB_PATH_GOOD;
}

static bool parse_revision(hub_ref *r, const char **p) {
    size_t n = 4;
    const char *at = "main";
    if (**p == '@') {
        at = *p + 1;
        n = word(at, "._-/");
        *p = at + n;
    }
    return n && take(r->revision, sizeof r->revision, at, n) &&
           hub_path_check(r->revision) == HUB_PATH_GOOD;
}

static bool parse_choice(hub_ref *r, const char *p) {
    if (!*p) return true;
    return *p == ':' &&
           take(r->choice, sizeof r->choice, p + 1, strlen(p + 1)) &&
           hub_path_check(r->choice) == HUB_PATH_GOOD;
}

/* The folder has the name of the repository; a revision other than the first
 * has a folder of its own.  '~' is not in revisions, so names stay apart. */
static ar_status parse_repository(hub_ref *r, const char *name, ar_error *err) {
    const char *p = name + 3;
    if (!parse_id(r, &p) || !parse_revision(r, &p) || !parse_choice(r, p))
        return error_set(err, AR_USAGE,
                         "\"%.80s\" is not hf:OWNER/NAME[@REVISION][:FILE or "
                         "QUANTISATION]",
                         name);
    const bool first = !strcmp(r->revision, "main");
    snprintf(r->folder, sizeof r->folder, "hf/%s%s%s", r->id, first ? "" : "@",
             first ? "" : r->revision);
    for (char *c = r->folder + 3 + strlen(r->id); *c; c++)
        if (*c == '/') *c = '~';
    return AR_OK;
}

/* ---- URLs ---- */

/* "host:port" as a name of a folder. */
static bool parse_host(hub_ref *r, const char *p, size_t n) {
    memcpy(r->folder, "url/", 5);
    if (!n || n > 100 || word(p, ".-:[]") < n) return false;
    for (size_t i = 0; i < n; i++)
        r->folder[4 + i] = strchr(":[]", p[i]) ? '_' : p[i];
    r->folder[4 + n] = 0;
    return *p != '.';
}

static ar_status parse_url(hub_ref *r, const char *name, ar_error *err) {
    const size_t n = strcspn(name, "#");
    const char *host = strstr(name, "://") + 3;
    const size_t host_size = strcspn(host, "/?#");
    const char *path = host + host_size;
    const size_t path_size = strcspn(path, "?#");
    if (!take(r->url, sizeof r->url, name, n))
        return error_set(err, AR_USAGE, "%.80s...: the URL is too long", name);
    for (const char *c = r->url; *c; c++)
        if (*c <= ' ' || *c >= 127)
            return error_set(err, AR_USAGE,
                             "%.120s: a URL has no blanks and only ASCII",
                             name);
    if (!parse_host(r, host, host_size) || path_size < 2 ||
        !take(r->file, sizeof r->file, path + 1, path_size - 1) ||
        hub_path_check(r->file) != HUB_PATH_GOOD)
        return error_set(err, AR_USAGE,
                         "%.120s: is not the URL of a file "
                         "(https://HOST/PATH/FILE)",
                         name);
    char *slash = strrchr(r->file, '/');
    if (!slash) return AR_OK;
    *slash = 0;
    const size_t at = strlen(r->folder);
    snprintf(r->folder + at, sizeof r->folder - at, "/%s", r->file);
    memmove(r->file, slash + 1, strlen(slash + 1) + 1);
    return AR_OK;
}

bool hub_is_name(const char *name) {
    return !strncmp(name, "hf:", 3) || !strncmp(name, "https://", 8) ||
           !strncmp(name, "http://", 7);
}

ar_status hub_ref_parse(hub_ref *out, const char *name, ar_error *err) {
    *out = (hub_ref){.is_url = strncmp(name, "hf:", 3) != 0};
    if (!hub_is_name(name))
        return error_set(err, AR_USAGE,
                         "\"%.80s\" is neither hf:OWNER/NAME nor a URL", name);
    return out->is_url ? parse_url(out, name, err)
                       : parse_repository(out, name, err);
}
