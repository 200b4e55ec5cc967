#include "limit/redis.h"

#include "util/mem.h"
#include "util/os.h"
#include "util/path.h"
#include "util/text.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_PORT 6379
#define MAX_DB 65535
#define PREFIX "ferry:limit"

/* The numbers of a script become integers in the answer. Redis tells the time of day: when its
 * clock is set back, no client may have to wait until that time has come again. A limit is never
 * further ahead than its burst. */
static const char take_script[] =
	"local t = redis.call('TIME')\n"
	"local now = t[1] * 1000000 + t[2]\n"
	"local unit = 1000000 / tonumber(ARGV[1])\n"
	"local burst = tonumber(ARGV[2])\n"
	"local tat = tonumber(redis.call('GET', KEYS[1]) or now)\n"
	"if tat < now then tat = now end\n"
	"local most = now + burst * unit\n"
	"local is_set_back = tat > most + 1000000\n"
	"if is_set_back then tat = most end\n"
	"local free = math.floor(burst - (tat - now) / unit + 0.000001)\n"
	"local got = math.max(0, math.min(tonumber(ARGV[3]), free))\n"
	"local wait = 0\n"
	"if got > 0 or is_set_back then\n"
	"  tat = tat + got * unit\n"
	"  redis.call('SET', KEYS[1], string.format('%.3f', tat), 'PX',\n"
	"    math.ceil((tat - now) / 1000) + 1000)\n"
	"end\n"
	"if got == 0 then\n"
	"  wait = math.ceil(tat - now - (burst - 1) * unit)\n"
	"end\n"
	"return {got, math.max(0, free - got), wait, math.ceil(tat - now)}\n";

/* The lease of a process that is gone ends by itself, also when the clock was set back. */
static const char hold_script[] =
	"local t = redis.call('TIME')\n"
	"local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"
	"local count, life = tonumber(ARGV[2]), tonumber(ARGV[3])\n"
	"local others = 0\n"
	"local all = redis.call('HGETALL', KEYS[1])\n"
	"for i = 1, #all, 2 do\n"
	"  local held, till = string.match(all[i + 1], '^(%d+) (%d+)$')\n"
	"  till = tonumber(till)\n"
	"  if not held or till < now or till > now + life then\n"
	"    redis.call('HDEL', KEYS[1], all[i])\n"
	"  elseif all[i] ~= ARGV[1] then\n"
	"    others = others + held\n"
	"  end\n"
	"end\n"
	"if count == 0 then\n"
	"  redis.call('HDEL', KEYS[1], ARGV[1])\n"
	"else\n"
	"  redis.call('HSET', KEYS[1], ARGV[1], string.format('%d %d', count, now + life))\n"
	"  redis.call('PEXPIRE', KEYS[1], life)\n"
	"end\n"
	"return {0, others, 0, 0}\n";

enum script { TAKE, HOLD, SCRIPTS };

static const char *const scripts[SCRIPTS] = { take_script, hold_script };

struct redis_limit {
	char *host; /* or NULL: */
	char *path;
	int port;
	uint64_t db;
	char *password; /* or NULL */
	unsigned wait_ms;
	redisContext *context;
	char sha1[SCRIPTS][41];
	char self[17]; /* this process, among others */
};

/* -- the place ------------------------------------------------------------------------------- */

static int fault(const char *why, struct err *e)
{
	err_set(e, ERR_USAGE, "redis: %s", why);
	return err_hint(e, "write redis://HOST:PORT/DB or unix:PATH");
}

static int read_db(struct redis_limit *r, const char *text, struct err *e)
{
	if (*text && (!parse_u64(text, &r->db) || r->db > MAX_DB))
		return fault("the number of the database is wrong", e);
	return 0;
}

static int read_host(struct redis_limit *r, const char *text, struct err *e)
{
	CLEANUP(mem_free_ptr) char *place = mem_strdup(text);
	char *slash = strchr(place, '/'), *host = place;
	uint64_t port = DEFAULT_PORT;
	if (strchr(place, '@'))
		return fault("a password is not part of it, but of redis-password", e);
	if (slash)
		*slash = '\0';
	char *bracket = *host == '[' ? strchr(host, ']') : NULL;
	char *colon = strchr(bracket ? bracket : host, ':');
	if (colon) {
		*colon = '\0';
		if (!parse_u64(colon + 1, &port) || !port || port > UINT16_MAX)
			return fault("the port is wrong", e);
	}
	if (bracket) {
		*bracket = '\0';
		host++;
	}
	if (!*host)
		return fault("the host is missing", e);
	r->host = mem_strdup(host);
	r->port = (int)port;
	return slash ? read_db(r, slash + 1, e) : 0;
}

static int read_place(struct redis_limit *r, const char *place, struct err *e)
{
	static const char tcp[] = "redis://", local[] = "unix:";
	if (str_starts(place, tcp))
		return read_host(r, place + sizeof tcp - 1, e);
	if (!str_starts(place, local) || place[sizeof local - 1] != '/')
		return fault("not a place that is known", e);
	r->path = mem_strdup(place + sizeof local - 1);
	return 0;
}

static int name_self(struct redis_limit *r, struct err *e)
{
	uint64_t self;
	if (!os_random(&self, sizeof self))
		return err_set(e, ERR_SYSTEM, "the system has no random numbers");
	snprintf(r->self, sizeof r->self, "%016llx", (unsigned long long)self);
	return 0;
}

int redis_limit_new(const char *place, const char *password, unsigned wait_ms,
		    struct redis_limit **out, struct err *e)
{
	struct redis_limit *r = NEW(struct redis_limit);
	int rc = read_place(r, place, e);
	if (rc == 0)
		rc = name_self(r, e);
	r->wait_ms = wait_ms;
	r->password = password ? mem_strdup(password) : NULL;
	if (rc < 0)
		redis_limit_free(r);
	else
		*out = r;
	return rc;
}

static void disconnect(struct redis_limit *r)
{
	if (r->context)
		redisFree(r->context);
	r->context = NULL;
}

void redis_limit_free(struct redis_limit *r)
{
	if (!r)
		return;
	disconnect(r);
	if (r->password)
		mem_wipe(r->password, strlen(r->password));
	free(r->password);
	free(r->host);
	free(r->path);
	free(r);
}

/* -- the connection -------------------------------------------------------------------------- */

/* Foreign text, cleaned. */
static int failed(struct redis_limit *r, const char *what, const redisReply *reply, struct err *e)
{
	const char *why = reply && reply->type == REDIS_REPLY_ERROR && reply->str ? reply->str
			  : r->context && r->context->err ? r->context->errstr
							  : "an unexpected answer";
	CLEANUP(mem_free_ptr) char *shown = text_escaped(why);
	bool refused = str_starts(why, "NOAUTH") || str_starts(why, "WRONGPASS");
	err_set(e, refused ? ERR_AUTH : ERR_NETWORK, "redis: %s: %.200s", what, shown);
	disconnect(r);
	return -(int)e->class;
}

/* One command with an answer of the type. */
static int command(struct redis_limit *r, const char *const *words, int count, int type,
		   const char *what, redisReply **out, struct err *e)
{
	redisReply *reply = redisCommandArgv(r->context, count, (const char **)words, NULL);
	int rc = reply && reply->type == type ? 0 : failed(r, what, reply, e);
	if (rc == 0 && out)
		*out = reply;
	else if (reply)
		freeReplyObject(reply);
	return rc;
}

static int log_in(struct redis_limit *r, struct err *e)
{
	const char *words[] = { "AUTH", r->password };
	return !r->password ? 0 : command(r, words, 2, REDIS_REPLY_STATUS, "AUTH", NULL, e);
}

static int select_db(struct redis_limit *r, struct err *e)
{
	CLEANUP(mem_free_ptr) char *db = mem_printf("%llu", (unsigned long long)r->db);
	const char *words[] = { "SELECT", db };
	return !r->db ? 0 : command(r, words, 2, REDIS_REPLY_STATUS, "SELECT", NULL, e);
}

static int load_script(struct redis_limit *r, enum script which, struct err *e)
{
	const char *words[] = { "SCRIPT", "LOAD", scripts[which] };
	redisReply *reply = NULL;
	int rc = command(r, words, 3, REDIS_REPLY_STRING, "SCRIPT LOAD", &reply, e);
	if (rc < 0)
		return rc;
	if (reply->len != (int)sizeof r->sha1[which] - 1)
		rc = failed(r, "SCRIPT LOAD", NULL, e);
	else
		memcpy(r->sha1[which], reply->str, sizeof r->sha1[which]);
	freeReplyObject(reply);
	return rc;
}

int redis_limit_connect(struct redis_limit *r, struct err *e)
{
	const struct timeval budget = { .tv_sec = r->wait_ms / 1000,
					.tv_usec = r->wait_ms % 1000 * 1000 };
	if (r->context)
		return 0;
	r->context = r->host ? redisConnectWithTimeout(r->host, r->port, budget)
			     : redisConnectUnixWithTimeout(r->path, budget);
	if (!r->context || r->context->err || redisSetTimeout(r->context, budget) != REDIS_OK)
		return failed(r, "cannot connect", NULL, e);
	int rc = log_in(r, e);
	if (rc == 0)
		rc = select_db(r, e);
	for (enum script i = TAKE; i < SCRIPTS && rc == 0; i++)
		rc = load_script(r, i, e);
	return rc;
}

/* -- asking ---------------------------------------------------------------------------------- */

static void send_hold(struct redis_limit *r, const struct redis_limit_ask *a)
{
	CLEANUP(mem_free_ptr) char *key = mem_printf(PREFIX ":%s:%s", a->kind, a->client);
	CLEANUP(mem_free_ptr) char *units = mem_printf("%llu", (unsigned long long)a->units);
	CLEANUP(mem_free_ptr) char *lease = mem_printf("%u", a->lease_ms);
	const char *words[] = { "EVALSHA", r->sha1[HOLD], "1", key, r->self, units, lease };
	redisAppendCommandArgv(r->context, (int)ARRAY_LEN(words), words, NULL);
}

static void send_take(struct redis_limit *r, const struct redis_limit_ask *a)
{
	CLEANUP(mem_free_ptr) char *key = mem_printf(PREFIX ":%s:%s", a->kind, a->client);
	CLEANUP(mem_free_ptr) char *rate = mem_printf("%.6f", a->gcra.rate_s);
	CLEANUP(mem_free_ptr) char *burst = mem_printf("%.0f", a->gcra.burst);
	CLEANUP(mem_free_ptr) char *units = mem_printf("%llu", (unsigned long long)a->units);
	const char *words[] = { "EVALSHA", r->sha1[TAKE], "1", key, rate, burst, units };
	redisAppendCommandArgv(r->context, (int)ARRAY_LEN(words), words, NULL);
}

static uint64_t number(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_INTEGER && reply->integer > 0 ? (uint64_t)reply->integer
									: 0;
}

static int read_answer(struct redis_limit *r, struct redis_limit_ask *a, struct err *e)
{
	void *got = NULL;
	int status = redisGetReply(r->context, &got);
	redisReply *reply = got;
	int rc = 0;
	if (status != REDIS_OK || reply->type != REDIS_REPLY_ARRAY || reply->elements != 4) {
		rc = failed(r, "a limit", status == REDIS_OK ? reply : NULL, e);
	} else {
		a->granted = MIN(number(reply->element[0]), a->units);
		a->left = number(reply->element[1]);
		a->wait_us = number(reply->element[2]);
		a->full_us = number(reply->element[3]);
	}
	if (status == REDIS_OK)
		freeReplyObject(reply);
	return rc;
}

int redis_limit_take(struct redis_limit *r, struct redis_limit_ask *asks, size_t count,
		     struct err *e)
{
	int rc = redis_limit_connect(r, e);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < count; i++)
		(asks[i].lease_ms ? send_hold : send_take)(r, &asks[i]);
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = read_answer(r, &asks[i], e);
	return rc;
}
