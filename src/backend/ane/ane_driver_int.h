/* ane_driver_int.h - what the files of the driver share. */
#ifndef ANE_DRIVER_INT_H
#define ANE_DRIVER_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "backend/ane/ane_driver.h"
#include "backend/ane/ane_objc.h"

enum {
    ANE_PATH = 1024,
    ANE_REQUESTS = 8,    /* kept by a program */
    ANE_MAX_PORTS = 256, /* of a procedure, inputs and outputs each */
    ANE_MAX_PROCEDURES = 4096,
    ANE_MAX_FILES = 256,
    ANE_TEXT = 256,
};

struct ane_driver {
    ane_objc rt;
    ane_info info;
    ane_driver_options o;
    char cache[ANE_PATH];        /* "" = none */
    objc_id client;              /* Nullable; owned */
    atomic_uint_fast64_t serial; /* of the last surface */
};

struct ane_surface {
    ane_driver *d;
    objc_id surface, object; /* IOSurface and _ANEIOSurfaceObject; owned */
    uint64_t serial;         /* never used again, unlike an address */
    size_t size;
};

/* A request and the surfaces it is bound to, inputs before outputs. */
typedef struct ane_bound {
    objc_id request; /* owned; NULL: free */
    int procedure;
    uint64_t used; /* by the program's clock */
    uint64_t *serials;
} ane_bound;

typedef struct ane_route_calls ane_route_calls;

struct ane_program {
    ane_driver *d;
    const ane_route_calls *route;
    ane_program_options o;
    char name[ANE_NAME];
    objc_id model;   /* of the route's class; owned */
    objc_id inner;   /* the _ANEModel of either route; Nullable; owned */
    objc_id nothing; /* an empty NSDictionary; owned */
    objc_id how;     /* options of compile and load; owned */
    char id[2 * ANE_NAME];
    char folder[ANE_PATH];
    bool kept;   /* the folder is of the cache */
    bool cached; /* loaded without a compile */
    bool loaded;
    ane_procedure *procedures;
    int n_procedures;
    ane_port *ports; /* of all procedures */
    ane_bound bound[ANE_REQUESTS];
    uint64_t clock;
    pthread_mutex_t lock;
};

/* The two ways to the compiler and the engine.  Each takes what it needs from
 * the program and returns what the runtime said. */
struct ane_route_calls {
    /* Make p->model and p->id, before anything is on disk if it can. */
    ar_status (*make)(ane_program *p, const ane_source *src, ar_error *err);
    /* Tell the model where its files are, once they are there. */
    ar_status (*place)(ane_program *p, ar_error *err);
    bool (*exists)(const ane_program *p);
    void (*purge)(const ane_program *p);
    bool (*compile)(const ane_program *p, objc_id *e);
    bool (*load)(const ane_program *p, objc_id *e);
    bool (*unload)(const ane_program *p, objc_id *e);
    bool (*evaluate)(const ane_program *p, objc_id request, objc_id *e);
    objc_id (*attributes)(const ane_program *p);
};
extern const ane_route_calls ane_route_memory, ane_route_client;

/* What a failure of the runtime means, by ane_failures.def. */
typedef enum ane_then { ANE_THEN_UP, ANE_THEN_WAIT, ANE_THEN_COMPILE } ane_then;
/* Describe the error in *err as "name: what: ..." and return its status. */
ar_status ane_failure(const ane_program *p, const char *what, objc_id e,
                      ane_then *then, ar_error *err);

/* ane_stage.c: the program's folder.  Sets folder and kept. */
ar_status ane_stage_choose(ane_program *p, ar_error *err);
ar_status ane_stage_write(const ane_program *p, const ane_source *src,
                          ar_error *err);
bool ane_stage_is_marked(const ane_program *p);
ar_status ane_stage_mark(const ane_program *p, ar_error *err);
void ane_stage_unmark(const ane_program *p);
/* Remove the folder, unless the cache keeps it. */
void ane_stage_remove(const ane_program *p);

/* ane_ports.c: procedures and ports from the model's attributes. */
ar_status ane_ports_read(ane_program *p, objc_id attributes, ar_error *err);

/* ane_request.c */
void ane_requests_close(ane_program *p);

/* Spend a compile of the budget. */
ar_status ane_compile_spend(const ane_driver *d, ar_error *err);

#endif
