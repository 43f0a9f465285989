/* ane.h - what the program's commands use of the Neural Engine. */
#ifndef ANE_ANE_H
#define ANE_ANE_H

#include "backend/ane/ane_chip.h"
#include "backend/ane/ane_driver.h"
#include "backend/ane/mil.h"
#include "backend/ane/mil_check.h"
#include "backend/ane/mil_sim.h"
#include "backend/ane/mil_verify.h"

#endif
