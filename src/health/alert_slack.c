/*
 * Slack's incoming webhooks
 * (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks): a message of blocks.
 * A header has at most 150 characters, the text of a section at most 3,000, a message 50 blocks
 * (https://docs.slack.dev/reference/block-kit/blocks).
 */
#include "health/alert_internal.h"

#include "util/mem.h"

#include <string.h>

#define TITLE_MAX ((size_t)150)
#define SECTION_MAX 2900 /* bytes, and so at most as many characters */
#define LINE_MAX_BYTES 1200
#define LINES_MAX 30

/* "&", "<" and ">" have a meaning in Slack's markup: "<!channel>" would wake everybody
 * (https://docs.slack.dev/messaging/formatting-message-text#escaping). */
static void add_escaped(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '&')
			buf_adds(out, "&amp;");
		else if (*text == '<')
			buf_adds(out, "&lt;");
		else if (*text == '>')
			buf_adds(out, "&gt;");
		else
			buf_addc(out, *text);
	}
}

static const char *sign_of(const json_t *change)
{
	const char *event = json_text(change, "event"), *state = json_text(change, "state");
	if (strcmp(event, "recovered") == 0 || strcmp(event, "passed") == 0)
		return ":white_check_mark:";
	if (strcmp(state, "critical") == 0)
		return ":red_circle:";
	return strcmp(state, "warning") == 0 ? ":large_orange_circle:" : ":grey_question:";
}

/* verbatim: names of channels and people in the text are no links, and alert nobody. */
static void push_section(json_t *blocks, const char *text)
{
	json_t *block = json_push_object(blocks);
	json_put_string(block, "type", "section");
	json_t *o = json_put_object(block, "text");
	json_put_string(o, "type", "mrkdwn");
	json_put_string(o, "text", text);
	json_put_bool(o, "verbatim", true);
}

static void push_header(json_t *blocks, const char *title)
{
	json_t *block = json_push_object(blocks);
	json_put_string(block, "type", "header");
	json_t *o = json_put_object(block, "text");
	json_put_string(o, "type", "plain_text");
	json_put_string(o, "text", title);
}

/* Lines are bounded because their parts are; one that is not is left to the document. */
static void push_changes(json_t *blocks, const json_t *changes)
{
	CLEANUP(buf_release) struct buf section = BUF_INIT(SECTION_MAX);
	const json_t *one;
	size_t i;
	json_array_foreach (changes, i, one) {
		CLEANUP(buf_release) struct buf line = BUF_INIT(LINE_MAX_BYTES);
		if (i == LINES_MAX)
			break;
		buf_addf(&line, "%s ", sign_of(one));
		add_escaped(&line, json_text(one, "text"));
		buf_adds(&line, line.overflow ? "…\n" : "\n");
		if (section.len + line.len > SECTION_MAX) {
			push_section(blocks, buf_str(&section));
			buf_clear(&section);
		}
		buf_add(&section, line.data, line.len);
	}
	if (json_array_size(changes) > i)
		buf_addf(&section, "… and %zu more", json_array_size(changes) - i);
	if (section.len)
		push_section(blocks, buf_str(&section));
}

int alert_slack(const struct alert_notice *n, struct buf *out, struct err *e)
{
	CLEANUP(json_release) json_t *message = json_object();
	/* Its first line fits in a header: the place is a name of at most 64 characters, and there
	 * are at most six counts. */
	const char *text = json_text(n->document, "text");
	CLEANUP(mem_free_ptr) char *title = mem_strndup(text, MIN(strcspn(text, "\n"), TITLE_MAX));
	/* What a notification on a telephone shows, in place of the blocks. */
	json_put_string(message, "text", title);
	json_t *blocks = json_put_array(message, "blocks");
	push_header(blocks, title);
	push_changes(blocks, json_object_get(n->document, "changes"));
	if (n->test)
		push_section(blocks, "This is a test of the alert: no mirror has a problem.");
	return json_compact(message, out, e);
}
