/* What libcurl tells of a request beside the answer: times, and the server's certificate. */
#include "http/internal.h"

#include "util/text.h"

#include <stdio.h>
#include <string.h>

void http_observe_setup(const struct transfer *t)
{
	curl_easy_setopt(t->client->easy, CURLOPT_CERTINFO, t->q->certificate ? 1L : 0L);
}

static uint64_t time_of(const struct transfer *t, CURLINFO which)
{
	curl_off_t us = 0;
	curl_easy_getinfo(t->client->easy, which, &us);
	return us > 0 ? (uint64_t)us : 0;
}

/* libcurl counts each step from the beginning of the request. */
static uint64_t step(uint64_t from_us, uint64_t to_us)
{
	return to_us > from_us ? to_us - from_us : 0;
}

static void add_times(const struct transfer *t)
{
	struct http_times *to = &t->r->times;
	uint64_t resolved = time_of(t, CURLINFO_NAMELOOKUP_TIME_T);
	uint64_t connected = time_of(t, CURLINFO_CONNECT_TIME_T);
	uint64_t secured = time_of(t, CURLINFO_APPCONNECT_TIME_T);
	uint64_t sent = time_of(t, CURLINFO_PRETRANSFER_TIME_T);
	to->resolve += resolved;
	to->connect += step(resolved, connected);
	to->tls += secured ? step(connected, secured) : 0;
	to->first_byte += step(sent, time_of(t, CURLINFO_STARTTRANSFER_TIME_T));
	to->total += time_of(t, CURLINFO_TOTAL_TIME_T);
}

/* "Nov 29 00:38:06 2026 GMT" of OpenSSL, or "2026-11-29 00:38:06 GMT" of other TLS libraries. */
static bool parse_expiry(const char *text, int64_t *out_s)
{
	char date[32];
	text += strspn(text, " ");
	if (!str_ends(text, " GMT"))
		return false;
	if (strlen(text) == strlen("2026-11-29 00:38:06 GMT") && text[4] == '-') {
		snprintf(date, sizeof date, "%.10sT%.8sZ", text, text + 11);
		return parse_time(date, out_s);
	}
	/* A form of HTTP's Date, with any day of the week. */
	snprintf(date, sizeof date, "Thu %.*s", (int)(strlen(text) - strlen(" GMT")), text);
	return header_date(date, out_s);
}

/* Of the first certificate in the chain, which is the server's own. */
static void note_expiry(const struct transfer *t)
{
	static const char label[] = "Expire date:";
	const struct curl_certinfo *chain = NULL;
	int64_t expires_s, *known_s = &t->r->certificate_expires_s;
	if (curl_easy_getinfo(t->client->easy, CURLINFO_CERTINFO, &chain) != CURLE_OK || !chain ||
	    chain->num_of_certs < 1)
		return;
	for (const struct curl_slist *l = chain->certinfo[0]; l; l = l->next)
		if (str_starts(l->data, label) && parse_expiry(l->data + strlen(label), &expires_s))
			*known_s = *known_s ? MIN(*known_s, expires_s) : expires_s;
}

void http_observe(const struct transfer *t)
{
	add_times(t);
	if (t->q->certificate)
		note_expiry(t);
}
