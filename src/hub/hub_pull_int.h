/* hub_pull_int.h - what the files of a pull share. */
#ifndef HUB_HUB_PULL_INT_H
#define HUB_HUB_PULL_INT_H

#include "hub/hub.h"
#include "hub/hub_cache.h"
#include "hub/hub_http.h"

typedef struct pull {
    const char *name; /* as it was given */
    const hub_options *options;
    hub_ref ref;
    http_client client;
    char endpoint[300]; /* without a slash at the end */
    char page[520];     /* of the repository, for people; "" for a URL */
    char folder[4096];
    pulled list; /* of that folder */
    hub_progress progress;
    int64_t fetched;
} pull;

/* Fetch a row's file; the list is written when it is there. */
ar_status pull_row(pull *p, pulled_row *row, const char *url, const char *sum,
                   ar_error *err);
/* Is there room on the disk for all rows that are not there? */
ar_status pull_room(const pull *p, ar_error *err);
bool pull_is_there(const pull *p, const pulled_row *row);

/* hub_repository.c */
ar_status pull_repository(pull *p, hub_pulled *out, ar_error *err);

#endif
