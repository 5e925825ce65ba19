/* unit.h - what every unit test includes: Criterion's macros (runner.c runs the tests). */
#ifndef AMPS_TEST_UNIT_H
#define AMPS_TEST_UNIT_H

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#endif
