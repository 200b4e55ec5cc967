/*
 * What a client calls itself: its kind, which is one of a few names, and the fetch token.
 *
 * `ferry fetch` sends "ferry/1.2 (fetch; t=0123456789abcdef)": 16 random hexadecimal digits, new
 * for each command. They join what one fetch gets from several mirrors and over several
 * connections. Anybody can send any token, so it is only ever a key: it gives no more than another
 * agent would.
 *
 * Prefix: stats_agent.
 */
#ifndef FERRY_STATS_AGENT_H
#define FERRY_STATS_AGENT_H

#include "util/base.h"

/* The values are in the database. */
enum stats_agent_class {
	STATS_AGENT_FERRY,
	STATS_AGENT_CURL,
	STATS_AGENT_WGET,
	STATS_AGENT_ARIA2,
	STATS_AGENT_PYTHON,
	STATS_AGENT_HUGGINGFACE,
	STATS_AGENT_ENGINE, /* llama.cpp, Ollama, LM Studio, … */
	STATS_AGENT_BROWSER,
	STATS_AGENT_OTHER,
	STATS_AGENT_BOT, /* not counted */
	STATS_AGENT_OWN, /* our own checks and copies; not counted */
	STATS_AGENTS
};
const char *stats_agent_name(enum stats_agent_class c); /* "ferry", "curl", …; stable */

struct stats_agent {
	enum stats_agent_class class;
	bool has_token;
	uint64_t token;
};

/* Of the text of a log; any bytes. */
struct stats_agent stats_agent_read(const char *text, size_t len);

#endif
