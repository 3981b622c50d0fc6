/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small things that every room uses: array sizes, cleanup attributes. */
#ifndef BASE_UTIL_H
#define BASE_UTIL_H

#include <stddef.h>
#include <stdlib.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof *(a))

/* _cleanup_free_ char *text = …; freed when the variable goes out of scope. */
static inline void util_freep(void *p)
{
    free(*(void **)p);
}
#define _cleanup_free_ __attribute__((cleanup(util_freep)))

/* Move a value out of a cleanup variable: return util_take(fd); */
#define util_take_fd(fd)                                                                           \
    ({                                                                                             \
        int fd_ = (fd);                                                                            \
        (fd) = -1;                                                                                 \
        fd_;                                                                                       \
    })
#define util_take_ptr(p)                                                                           \
    ({                                                                                             \
        __typeof__(p) p_ = (p);                                                                    \
        (p) = NULL;                                                                                \
        p_;                                                                                        \
    })

#endif
