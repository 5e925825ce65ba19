/* bulk_memory.h - memory for a helper process that builds large trees, uses them once and ends. */
#ifndef AMPS_BULK_MEMORY_H
#define AMPS_BULK_MEMORY_H

/* Makes the heap grow in large steps and, where the kernel has them, of large pages: with thousands
 * of channels a third of the time goes into touching pages for the first time.  To be called
 * first. */
void bulk_memory_prepare(void);

#endif
