#include "http/internal.h"

#include "util/mem.h"

#include <pthread.h>

#define USER_AGENT "ferry/" FERRY_VERSION
#define STALL_BYTES_PER_S 1024
#define BUFFER_BYTES (256 * KIB)

/* Only when a client is created, so that programs that make no request start faster. */
static void init_curl(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

int http_client_new(const struct http_options *options, struct http_client **out, struct err *e)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, init_curl);
	struct http_client *c = NEW(struct http_client);
	c->options = options ? *options : (struct http_options){ 0 };
	if (!c->options.connect_timeout_s)
		c->options.connect_timeout_s = 30;
	if (!c->options.stall_s)
		c->options.stall_s = 30;
	c->multi = curl_multi_init();
	c->easy = curl_easy_init();
	if (!c->multi || !c->easy) {
		http_client_free(c);
		return err_set(e, ERR_SYSTEM, "libcurl cannot be initialised");
	}
	curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, 8L);
	*out = c;
	return 0;
}

void http_client_free(struct http_client *c)
{
	if (!c)
		return;
	curl_easy_cleanup(c->easy);
	curl_multi_cleanup(c->multi);
	free(c);
}

/* The curl program reads these variables, the library does not. */
static void setup_trust(CURL *easy)
{
	const char *file = getenv("CURL_CA_BUNDLE"), *dir = getenv("SSL_CERT_DIR");
	if (!file || !*file)
		file = getenv("SSL_CERT_FILE");
	if (file && *file) {
		curl_easy_setopt(easy, CURLOPT_CAINFO, file);
		curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, file);
	}
	if (dir && *dir) {
		curl_easy_setopt(easy, CURLOPT_CAPATH, dir);
		curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, dir);
	}
}

void http_client_limit(struct http_client *c, uint64_t bytes_per_s)
{
	uint64_t limit = bytes_per_s, buffer = BUFFER_BYTES, stall = STALL_BYTES_PER_S;
	if (limit) {
		/* A buffer is read at once: at most a quarter of a second's worth. */
		buffer = MIN(BUFFER_BYTES, MAX(limit / 4, KIB));
		/* Slowness from our own limit, which many connections share, is not a stall. */
		stall = MIN(STALL_BYTES_PER_S, limit / 64 + 1);
	}
	curl_easy_setopt(c->easy, CURLOPT_BUFFERSIZE, (long)buffer);
	curl_easy_setopt(c->easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)buffer);
	curl_easy_setopt(c->easy, CURLOPT_LOW_SPEED_LIMIT, (long)stall);
}

void http_client_setup(struct http_client *c)
{
	CURL *easy = c->easy;
	const struct http_options *o = &c->options;
	curl_easy_reset(easy);
	c->message[0] = '\0';
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, c->message);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_USERAGENT,
			 o->access && *o->access->agent ? o->access->agent : USER_AGENT);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	http_client_limit(c, rate_limit(o->rate));
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)o->connect_timeout_s);
	if (o->direct)
		curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
	setup_trust(easy);
}
