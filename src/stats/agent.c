#include "stats/agent.h"

#include <string.h>

const char *stats_agent_name(enum stats_agent_class c)
{
	static const char *const names[STATS_AGENTS] = {
		"ferry",  "curl",    "wget",  "aria2", "python", "huggingface",
		"engine", "browser", "other", "bot",   "own",
	};
	return names[c < STATS_AGENTS ? c : STATS_AGENT_OTHER];
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool matches(const char *text, const char *word)
{
	for (; *word; text++, word++)
		if (lower(*text) != *word)
			return false;
	return true;
}

static bool starts(const char *text, size_t len, const char *word)
{
	return strlen(word) <= len && matches(text, word);
}

static bool is_letter(char c)
{
	return lower(c) >= 'a' && lower(c) <= 'z';
}

/* `word` in lower case; '$' at its end: no letter may follow. */
static bool contains(const char *text, size_t len, const char *word)
{
	size_t n = strlen(word);
	bool ends = word[n - 1] == '$';
	char plain[32];
	memcpy(plain, word, n + 1);
	n -= ends;
	plain[n] = '\0';
	for (size_t i = 0; i + n <= len; i++)
		if (lower(text[i]) == plain[0] && matches(text + i, plain) &&
		    !(ends && i + n < len && is_letter(text[i + n])))
			return true;
	return false;
}

/* ---- the token ---- */

static bool parse_hex(const char *text, uint64_t *out)
{
	uint64_t value = 0;
	for (int i = 0; i < 16; i++) {
		char c = text[i];
		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
		value = value << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	*out = value;
	return true;
}

/* "ferry/VERSION (fetch; t=HEX)", and nothing else. */
static bool read_token(const char *text, size_t len, uint64_t *out)
{
	static const char middle[] = " (fetch; t=";
	const size_t tail = sizeof middle - 1 + 16 + 1;
	if (len <= tail || text[len - 1] != ')')
		return false;
	const char *at = text + len - tail;
	return memcmp(at, middle, sizeof middle - 1) == 0 && parse_hex(at + sizeof middle - 1, out);
}

/* ---- the kind ---- */

static const char *const bots[] = {
	"bot$",       "crawl",      "spider",       "slurp",      "facebookexternalhit",
	"monitor",    "uptime",     "pingdom",      "prometheus", "blackbox",
	"kube-probe", "check_http", "nagios",       "zabbix",     "headlesschrome",
	"zgrab",      "masscan",    "censys",       "scanner",    "archive.org",
	"nuclei",     "elb-health", "health_check", "statuscake", "healthcheck",
};

static const struct kind {
	const char *prefix, *word; /* one of them is NULL */
	enum stats_agent_class class;
} kinds[] = {
	{ "ferry/", NULL, STATS_AGENT_FERRY },
	{ "model-ferry/", NULL, STATS_AGENT_FERRY },
	{ "curl/", NULL, STATS_AGENT_CURL },
	{ "wget", NULL, STATS_AGENT_WGET },
	{ "aria2", NULL, STATS_AGENT_ARIA2 },
	{ NULL, "huggingface", STATS_AGENT_HUGGINGFACE },
	{ NULL, "hf_hub", STATS_AGENT_HUGGINGFACE },
	{ NULL, "llama", STATS_AGENT_ENGINE },
	{ NULL, "lm-studio", STATS_AGENT_ENGINE },
	{ NULL, "lmstudio", STATS_AGENT_ENGINE },
	{ NULL, "koboldcpp", STATS_AGENT_ENGINE },
	{ "python", NULL, STATS_AGENT_PYTHON },
	{ NULL, "aiohttp", STATS_AGENT_PYTHON },
	{ "mozilla/", NULL, STATS_AGENT_BROWSER },
};

static bool is_bot(const char *text, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(bots); i++)
		if (contains(text, len, bots[i]))
			return true;
	return false;
}

static enum stats_agent_class class_of(const char *text, size_t len)
{
	/* ferry-health, ferry-verify, ferry-sync, …: http_access_program() */
	if (starts(text, len, "ferry-"))
		return STATS_AGENT_OWN;
	if (is_bot(text, len))
		return STATS_AGENT_BOT;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const struct kind *k = &kinds[i];
		if (k->prefix ? starts(text, len, k->prefix) : contains(text, len, k->word))
			return k->class;
	}
	return STATS_AGENT_OTHER;
}

struct stats_agent stats_agent_read(const char *text, size_t len)
{
	struct stats_agent a = { .class = STATS_AGENT_FERRY };
	if (starts(text, len, "ferry/") && read_token(text, len, &a.token))
		a.has_token = true;
	else
		a.class = class_of(text, len);
	return a;
}
