/* For PORTABLE=1. What the programs use beyond POSIX.1-2008 and beyond what macOS, FreeBSD and
 * glibc show to everybody: these stand in the headers of all three, but glibc shows them only with
 * _GNU_SOURCE, which would also show what nobody else has. */
#include <stdarg.h>
#include <stddef.h>

int mkostemps(char *path, int suffix_len, int flags);
void *memmem(const void *data, size_t len, const void *part, size_t part_len);
char *strcasestr(const char *text, const char *part);
int vasprintf(char **out, const char *fmt, va_list args) __attribute__((format(printf, 2, 0)));
