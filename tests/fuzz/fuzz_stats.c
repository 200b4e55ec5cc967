/* What statistics read: the agents of clients, and the requests of a day as they are stored. What
 * was read is stored as the same bytes again. */
#include "stats/agent.h"
#include "stats/group.h"
#include "stats/session.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int check_session(void *ctx, const struct stats_session *s, struct err *e)
{
	(void)e;
	if (s->bytes > *(const uint64_t *)ctx || s->second >= STATS_WINDOW_S)
		abort();
	return 0;
}

/* The first byte of the input chooses the size of the object. */
static void read_groups(const uint8_t *data, size_t len)
{
	struct stats_groups g = { 0 }, again = { 0 };
	struct err e = ERR_INIT;
	uint64_t size = (uint64_t)1 << (data[0] & 63);
	if (stats_groups_decode(data + 1, len - 1, &g, &e) < 0)
		return;
	CLEANUP(buf_release) struct buf out = BUF_INIT(4 * MIB), more = BUF_INIT(4 * MIB);
	stats_groups_settle(&g);
	stats_groups_encode(&g, &out);
	if (stats_groups_decode(out.data, out.len, &again, &e) < 0)
		abort();
	stats_groups_settle(&again);
	stats_groups_encode(&again, &more);
	if (out.len != more.len || memcmp(out.data, more.data, out.len) != 0)
		abort();
	if (stats_sessions_each(&g, &again, size, check_session, &size, &e) < 0)
		abort();
	stats_groups_release(&g);
	stats_groups_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *copy = malloc(len + 1);
	if (!copy || !len) {
		free(copy);
		return 0;
	}
	memcpy(copy, data, len);
	struct stats_agent a = stats_agent_read(copy, len);
	if (a.class >= STATS_AGENTS || (a.has_token && a.class != STATS_AGENT_FERRY))
		abort();
	read_groups(data, len);
	free(copy);
	return 0;
}
