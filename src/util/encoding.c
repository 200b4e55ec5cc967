#include "util/encoding.h"

#include <string.h>

#define REPLACEMENT 0xfffdu

/* The bytes of the mark, or 0; *wide is 'L' or 'B' for UTF-16, else 0. */
static size_t look(const uint8_t *s, size_t len, char *wide)
{
	*wide = 0;
	if (len >= 3 && memcmp(s, "\xef\xbb\xbf", 3) == 0)
		return 3;
	if (len < 2)
		return 0;
	bool little = s[0] == 0xff && s[1] == 0xfe, big = s[0] == 0xfe && s[1] == 0xff;
	if (little || (s[0] && !s[1]))
		*wide = 'L';
	else if (big || (!s[0] && s[1]))
		*wide = 'B';
	return little || big ? 2 : 0;
}

static void add_code(struct buf *out, uint32_t c)
{
	if (c < 0x80) {
		buf_addc(out, (char)c);
		return;
	}
	unsigned more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3; /* bytes after the first */
	static const uint8_t first[] = { 0, 0xc0, 0xe0, 0xf0 };
	buf_addc(out, (char)(first[more] | c >> (6 * more)));
	while (more--)
		buf_addc(out, (char)(0x80 | (c >> (6 * more) & 0x3f)));
}

static uint32_t unit(const uint8_t *s, char wide)
{
	return wide == 'L' ? (uint32_t)(s[0] | s[1] << 8) : (uint32_t)(s[0] << 8 | s[1]);
}

static void add_utf16(struct buf *out, const uint8_t *s, size_t len, char wide)
{
	size_t i = 0;
	while (i + 2 <= len) {
		uint32_t c = unit(s + i, wide), low = i + 4 <= len ? unit(s + i + 2, wide) : 0;
		bool pair = c >= 0xd800 && c < 0xdc00 && low >= 0xdc00 && low < 0xe000;
		if (pair)
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
		else if (c >= 0xd800 && c < 0xe000)
			c = REPLACEMENT;
		add_code(out, c);
		i += pair ? 4 : 2;
	}
	if (i < len)
		add_code(out, REPLACEMENT);
}

void encoding_add_utf8(struct buf *out, const void *data, size_t len)
{
	const uint8_t *s = data;
	char wide;
	size_t skip = look(s, len, &wide);
	if (wide)
		add_utf16(out, s + skip, len - skip, wide);
	else
		buf_add(out, s + skip, len - skip);
}

void encoding_to_utf8(struct buf *text)
{
	char wide;
	if (text->len == 0 || (look((const uint8_t *)text->data, text->len, &wide) == 0 && !wide))
		return;
	size_t most = text->len / 2 * 3 + 3;
	struct buf made = BUF_INIT(MAX(text->max, most));
	(void)!buf_reserve(&made, most); /* growing would leave copies behind */
	encoding_add_utf8(&made, text->data, text->len);
	buf_wipe(text);
	*text = made;
}
