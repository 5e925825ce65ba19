/* skip.h - the one way in which a test is skipped: the kernel, or the rights of this process, lack
 * something that no test can bring along.  The runner prints "[SKIP] suite::test: kernel: WHAT". */
#ifndef AMPS_TEST_SKIP_H
#define AMPS_TEST_SKIP_H

#include <criterion/criterion.h>

#define skip_kernel(what) cr_skip_test("kernel: " what)

#endif
