#include "stats/identity.h"

#include "util/mem.h"

#include <arpa/inet.h>
#include <string.h>

#define FIRST_SIZE 4096
#define MAX_AGENT 1024 /* bytes of an agent that are looked at */
#define MAX_AGENTS 16384

/* An agent that was read before. */
struct text {
	uint64_t hash;
	char *at; /* NULL: a free place */
	size_t len;
	uint64_t number;
	struct stats_agent agent;
};

struct stats_identities {
	struct stats_country *country;
	struct stats_identity *at;
	size_t count, cap;
	uint32_t *places; /* number + 1; 0: free */
	size_t size;      /* a power of two */
	struct text *texts;
	size_t text_count;
	uint64_t next; /* the number of the next agent: never used again */
};

struct stats_identities *stats_identities_new(struct stats_country *country)
{
	struct stats_identities *t = NEW(struct stats_identities);
	t->country = country;
	t->texts = mem_alloc(2 * MAX_AGENTS * sizeof *t->texts);
	t->size = FIRST_SIZE;
	t->places = mem_alloc(t->size * sizeof *t->places);
	return t;
}

static void forget_texts(struct stats_identities *t)
{
	for (size_t i = 0; i < 2 * MAX_AGENTS && t->text_count; i++)
		free(t->texts[i].at);
	memset(t->texts, 0, 2 * MAX_AGENTS * sizeof *t->texts);
	t->text_count = 0;
}

void stats_identities_free(struct stats_identities *t)
{
	if (!t)
		return;
	forget_texts(t);
	free(t->texts);
	free(t->places);
	if (t->at)
		mem_wipe(t->at, t->cap * sizeof *t->at);
	free(t->at);
	free(t);
}

void stats_identities_clear(struct stats_identities *t)
{
	t->count = 0;
	memset(t->places, 0, t->size * sizeof *t->places);
}

size_t stats_identities_count(const struct stats_identities *t)
{
	return t->count;
}

const struct stats_identity *stats_identities_at(const struct stats_identities *t, uint32_t number)
{
	return &t->at[number];
}

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 32;
}

/* ---- agents ---- */

static uint64_t hash_text(const char *text, size_t len)
{
	uint64_t h = len, word = 0;
	for (; len >= 8; text += 8, len -= 8) {
		memcpy(&word, text, 8);
		h = mix(h, word);
	}
	word = 0;
	memcpy(&word, text, len);
	return mix(mix(h, word), 0);
}

static struct text *text_place(struct stats_identities *t, uint64_t h, const char *text, size_t len)
{
	size_t i = (size_t)h & (2 * MAX_AGENTS - 1);
	while (t->texts[i].at && !(t->texts[i].hash == h && t->texts[i].len == len &&
				   memcmp(t->texts[i].at, text, len) == 0))
		i = (i + 1) & (2 * MAX_AGENTS - 1);
	return &t->texts[i];
}

struct stats_agent stats_identities_agent(struct stats_identities *t, const struct request *r,
					  uint64_t *number)
{
	const char *text = r->agent.at ? r->agent.at : "";
	size_t len = MIN(r->agent.len, MAX_AGENT);
	if (len > 6 && memcmp(text, "ferry/", 6) == 0) {
		struct stats_agent a = stats_agent_read(text, len);
		*number = a.token;
		if (a.has_token)
			return a;
	}
	uint64_t h = hash_text(text, len);
	if (t->text_count == MAX_AGENTS)
		forget_texts(t);
	struct text *place = text_place(t, h, text, len);
	if (!place->at) {
		t->text_count++;
		*place = (struct text){ h, mem_strndup(text, len), len, t->next++,
					stats_agent_read(text, len) };
	}
	*number = place->number;
	return place->agent;
}

/* ---- addresses ---- */

static bool parse_v4(const char *text, size_t len, uint8_t out[4])
{
	size_t at = 0;
	for (int part = 0; part < 4; part++) {
		unsigned value = 0;
		size_t digits = 0;
		for (; at < len && text[at] >= '0' && text[at] <= '9' && digits < 4; digits++)
			value = value * 10 + (unsigned)(text[at++] - '0');
		if (!digits || digits > 3 || value > 255)
			return false;
		out[part] = (uint8_t)value;
		if (part < 3 && (at == len || text[at++] != '.'))
			return false;
	}
	return at == len;
}

static bool parse_v6(const char *text, size_t len, uint8_t out[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	char copy[INET6_ADDRSTRLEN];
	if (len >= sizeof copy)
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (inet_pton(AF_INET6, copy, out) != 1)
		return false;
	/* A subscriber has a /64. */
	if (memcmp(out, mapped, sizeof mapped) != 0)
		memset(out + 8, 0, 8);
	return true;
}

/* Whatever the text is, it becomes 16 bytes. *is_address: it can be looked up. */
static void read_address(const struct request_text *t, uint8_t out[16], bool *is_address)
{
	struct digest digest;
	memset(out, 0, 16);
	*is_address = t->at && parse_v4(t->at, t->len, out + 12);
	if (*is_address) {
		out[10] = out[11] = 0xff;
		return;
	}
	*is_address = t->at && parse_v6(t->at, t->len, out);
	if (*is_address)
		return;
	sha256_of(t->at ? t->at : "", t->at ? t->len : 0, &digest);
	memcpy(out, digest.bytes, 16);
}

/* ---- clients ---- */

static uint64_t hash_identity(const struct stats_identity *i)
{
	uint64_t a, b;
	memcpy(&a, i->address, 8);
	memcpy(&b, i->address + 8, 8);
	return mix(mix(mix(mix(0, a), b), i->agent), (uint64_t)i->day << 1 | i->group.token);
}

static bool same(const struct stats_identity *a, const struct stats_identity *b)
{
	return memcmp(a->address, b->address, 16) == 0 && a->agent == b->agent &&
	       a->day == b->day && a->group.token == b->group.token;
}

static size_t place_of(const struct stats_identities *t, const struct stats_identity *i)
{
	size_t at = (size_t)hash_identity(i) & (t->size - 1);
	while (t->places[at] && !same(&t->at[t->places[at] - 1], i))
		at = (at + 1) & (t->size - 1);
	return at;
}

static void grow(struct stats_identities *t)
{
	free(t->places);
	t->size *= 2;
	t->places = mem_alloc(t->size * sizeof *t->places);
	for (size_t i = 0; i < t->count; i++)
		t->places[place_of(t, &t->at[i])] = (uint32_t)i + 1;
}

/* The text is hashed, too: its number is only of this process. */
static void make_keys(struct stats_identity *i, const struct request *r,
		      const struct stats_day *day, const struct stats_day *before)
{
	uint8_t text[16 + MAX_AGENT];
	size_t len = r->agent.at ? MIN(r->agent.len, MAX_AGENT) : 0;
	memcpy(text, i->address, 16);
	if (len)
		memcpy(text + 16, r->agent.at, len);
	i->group.key = stats_day_hmac(day, text, 16 + len);
	i->group.has_before = before != NULL;
	if (before)
		i->group.before = stats_day_hmac(before, text, 16 + len);
}

static void make_token_keys(struct stats_identity *i, const struct stats_day *day,
			    const struct stats_day *before)
{
	i->group.key = i->group.before = i->agent;
	i->group.has_before = before != NULL;
	uint64_t bit = stats_day_hmac(day, i->address, sizeof i->address) & 63;
	i->group.addresses = (uint64_t)1 << bit;
}

static void find_country(struct stats_identities *t, const struct request *r, bool is_address,
			 struct stats_identity *i)
{
	char code[2];
	if (r->country.at && stats_country_is_code(r->country.at, r->country.len))
		memcpy(i->group.country, r->country.at, 2);
	else if (t->country && is_address && stats_country_find(t->country, i->address, code))
		memcpy(i->group.country, code, 2);
}

uint32_t stats_identities_find(struct stats_identities *t, const struct request *r,
			       const struct stats_agent *agent, uint64_t number,
			       const struct stats_day *day, const struct stats_day *before)
{
	bool is_address;
	struct stats_identity i = { .agent = number, .day = day->day };
	i.group.token = agent->has_token;
	i.group.agent = (uint8_t)agent->class;
	read_address(&r->address, i.address, &is_address);
	size_t place = place_of(t, &i);
	if (t->places[place])
		return t->places[place] - 1;
	if (agent->has_token)
		make_token_keys(&i, day, before);
	else
		make_keys(&i, r, day, before);
	/* Of the address, before it becomes a network. */
	find_country(t, r, is_address, &i);
	t->at = mem_grow(t->at, t->count, &t->cap, sizeof *t->at);
	t->at[t->count++] = i;
	t->places[place] = (uint32_t)t->count;
	if (2 * t->count > t->size)
		grow(t);
	return (uint32_t)t->count - 1;
}
