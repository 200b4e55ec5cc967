/* Requests to `ferry node status --listen`, and the files that ferry node keeps. */
#include "node/probe.h"
#include "node/state.h"
#include "node/vitals.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP(node_state_release) struct node_state state = { 0 };
	struct node_probe_request q;
	struct err e = ERR_INIT;
	unsigned refused = node_probe_parse((const char *)data, len, &q);
	if (!refused && q.path[0] != '/')
		abort();
	if (refused && q.path[0])
		abort();
	if (node_state_parse(data, len, &state, &e) < 0 && (state.count || !e.class))
		abort();
	(void)node_vitals_since(data, len, "http://127.0.0.1/health", true);
	return 0;
}
