#include "cli/frame/output.h"

#include "util/buf.h"
#include "util/mem.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

/* The next character and its columns; returns its bytes, 0 at the end. In a text that is not in
 * the locale's encoding, each byte counts. */
static size_t step(const char *s, size_t len, size_t *columns)
{
	wchar_t c;
	mbstate_t state = { 0 };
	*columns = 0;
	if (!len)
		return 0;
	size_t n = mbrtowc(&c, s, len, &state);
	if (n == 0 || n > len) {
		*columns = 1;
		return 1;
	}
	int w = wcwidth(c);
	/* One that this system does not know yet may be wide. */
	*columns = w < 0 ? 2 : (size_t)w;
	return n;
}

size_t cli_width(const char *s)
{
	size_t width = 0, len = strlen(s), columns, n;
	for (; (n = step(s, len, &columns)); s += n, len -= n)
		width += columns;
	return width;
}

/* As many bytes as fit, with the marks that combine with the last character. */
static size_t head(const char *s, size_t width)
{
	size_t at = 0, used = 0, len = strlen(s), columns, n;
	while ((n = step(s + at, len - at, &columns)) && used + columns <= width) {
		used += columns;
		at += n;
	}
	return at;
}

/* Where the longest tail that fits begins, which is never a mark without its character. */
static size_t tail(const char *s, size_t width)
{
	size_t at = 0, left = cli_width(s), len = strlen(s), columns, n;
	while ((n = step(s + at, len - at, &columns)) && (left > width || columns == 0)) {
		left -= columns;
		at += n;
	}
	return at;
}

char *cli_cut(const char *text, size_t width)
{
	if (cli_width(text) <= width)
		return mem_strdup(text);
	if (width == 0)
		return mem_strdup("");
	size_t back = width * 3 / 5, front = width - back - 1;
	return mem_printf("%.*s…%s", (int)head(text, front), text, text + tail(text, back));
}

/* The bytes of the first line: up to the last blank that leaves it narrow enough; a word that is
 * wider stays whole. */
static size_t line_of(const char *text, size_t width)
{
	size_t fits = head(text, width), at = fits;
	if (!text[fits])
		return fits;
	while (at && text[at] != ' ')
		at--;
	return at ? at : fits + strcspn(text + fits, " ");
}

char *cli_wrap(const char *text, size_t width, size_t indent)
{
	struct buf out = BUF_INIT(16 * MIB);
	size_t first = strspn(text, " ");
	if (width <= 2 * indent)
		return mem_strdup(text);
	buf_add(&out, text, first);
	text += first;
	for (size_t used = first;; used = indent) {
		size_t len = line_of(text, width - used);
		buf_add(&out, text, len);
		text += len + strspn(text + len, " ");
		if (!*text)
			return buf_steal(&out);
		buf_addf(&out, "\n%*s", (int)indent, "");
	}
}

size_t cli_terminal_width(FILE *out)
{
	struct winsize size;
	if (!isatty(fileno(out)))
		return 0;
	bool known = ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
	return known ? size.ws_col : 80;
}
