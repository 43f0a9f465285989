/* ane.h - the Neural Engine's layer for the commands: the one header that
 * they include. */
#ifndef ANE_ANE_H
#define ANE_ANE_H

#include "backend/ane/ane_driver.h"

#endif
