/* host_driver.h - variants of the host driver's device, for tests. */
#ifndef GPU_HOST_DRIVER_H
#define GPU_HOST_DRIVER_H

/* Added up, the index of a device; index 0 is what users get. */
enum {
    HOST_DISCRETE = 1, /* memory of its own: import copies */
    HOST_BACKWARD = 2, /* lanes in falling order, by turns */
    HOST_THREADS = 4,  /* lanes are threads */
    HOST_NARROW = 8,   /* kernels without doubles; in builds with tests */
    HOST_VARIANTS = 16,
};

#endif
