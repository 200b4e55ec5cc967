#include "catalog/card_members.h"
#include "catalog/changes_internal.h"
#include "util/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SHOWN_MAX 60
#define ELLIPSIS "…"
#define NAMES_SAID 3

void changes_say(json_t *out, const char *fmt, ...)
{
	char text[2 * CARD_MAX_SENTENCE_BYTES];
	va_list ap;
	va_start(ap, fmt);
	int len = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	/* All parts are short: one that is longer would be cut within a character. */
	if (len > 0 && len <= CARD_MAX_SENTENCE_BYTES && json_array_size(out) < CHANGES_MAX)
		json_push(out, json_string_lossy(text, (size_t)len));
}

char *changes_shown(const char *s)
{
	char *text = text_escaped(s);
	size_t end = SHOWN_MAX;
	if (strlen(text) < SHOWN_MAX + sizeof ELLIPSIS)
		return text;
	while (end && ((unsigned char)text[end] & 0xc0U) == 0x80)
		end--;
	memcpy(text + end, ELLIPSIS, sizeof ELLIPSIS);
	return text;
}

void changes_name(struct changes_names *n, const char *name)
{
	if (n->count++ >= NAMES_SAID)
		return;
	CLEANUP(mem_free_ptr) char *shown = changes_shown(name);
	buf_addf(&n->text, "%s%s", n->text.len ? ", " : "", shown);
}

const char *changes_names(struct changes_names *n)
{
	if (n->count > NAMES_SAID)
		buf_addf(&n->text, " and %zu more", n->count - NAMES_SAID);
	return buf_str(&n->text);
}

void changes_names_release(struct changes_names *n)
{
	buf_release(&n->text);
}
