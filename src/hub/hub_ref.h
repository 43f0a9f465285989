/* hub_ref.h - what a person writes for a model that is fetched.
 *
 *   hf:OWNER/NAME[@REVISION][:CHOICE]     a repository of a Hugging Face hub
 *   https://HOST[:PORT]/PATH              one file
 *
 * CHOICE is a file of the repository or a quantisation. */
#ifndef HUB_HUB_REF_H
#define HUB_HUB_REF_H

#include <stdbool.h>
#include <stddef.h>

#include "arcane/status.h"

enum { HUB_MAX_PATH = 512, HUB_MAX_PART = 200, HUB_MAX_URL = 2048 };

typedef struct hub_ref {
    bool is_url;
    char id[200];              /* "OWNER/NAME" */
    char revision[130];        /* "main" if none was given */
    char choice[HUB_MAX_PATH]; /* "" if none was given */
    char url[HUB_MAX_URL];     /* without a fragment */
    char folder[HUB_MAX_PATH]; /* inside the folder of models */
    char file[HUB_MAX_PATH];   /* of a URL: the file in that folder */
} hub_ref;

/* Errors: AR_USAGE, with what is wrong with the name. */
ar_status hub_ref_parse(hub_ref *out, const char *name, ar_error *err);

enum hub_path { HUB_PATH_GOOD, HUB_PATH_HIDDEN, HUB_PATH_BAD };

/* Is it a path that may be made below a folder?  Parts between slashes, none
 * of them empty, "." or "..", without control characters and backslashes, and
 * of sensible lengths.  HIDDEN if otherwise good, and a part begins with a
 * dot: such names are ours. */
enum hub_path hub_path_check(const char *path);

struct text;
/* Append a path as it stands in a URL: all but [A-Za-z0-9._~-] and slashes as
 * %XX; slashes too if `whole` is false. */
void hub_add_encoded(struct text *out, const char *path, bool whole);

#endif
