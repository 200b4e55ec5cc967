/* For PORTABLE=1: what macOS, FreeBSD and glibc all have beyond POSIX.1-2008, but glibc declares
 * only with _GNU_SOURCE, together with functions that no other system has. */
#include <stdarg.h>
#include <stddef.h>

int mkostemps(char *path, int suffix_len, int flags);
void *memmem(const void *data, size_t len, const void *part, size_t part_len);
char *strcasestr(const char *text, const char *part);
int vasprintf(char **out, const char *fmt, va_list args) __attribute__((format(printf, 2, 0)));

#ifdef __linux__
#define SEEK_DATA 3 /* POSIX.1-2024; the number is that of Linux */
#endif
