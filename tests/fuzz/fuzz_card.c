#include "catalog/card.h"
#include "catalog/lint.h"
#include "util/mem.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first line is an assignment for card_set(), the rest a card. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
	size_t head = end ? (size_t)(end - data) : 0;
	CLEANUP(mem_free_ptr) char *assignment = mem_strndup((const char *)data, head);
	CLEANUP(card_release) struct card card = { 0 }, other = { 0 };
	CLEANUP(lint_release) struct lint_findings findings = { 0 };
	struct err e = ERR_INIT, refused = ERR_INIT;
	if (end)
		data += head + 1, size -= head + 1;
	if (card_parse(data, size, "card", &card, &e) < 0)
		return 0;
	lint_card(&card, &findings);
	lint_cards(&card, 1, &findings);
	(void)card_variant(&card, NULL);
	CLEANUP(json_release) json_t *edited = json_deep_copy(card.json);
	if (card_set(edited, assignment, &refused) < 0)
		return 0;
	/* What set accepts is a card, unless it made a second default. */
	if (card_from_json(edited, "", &other, &e) < 0 && !strstr(e.text, "is the default already"))
		abort();
	err_clear(&e);
	if (card_merge(edited, card.json, &e) < 0)
		abort();
	return 0;
}
