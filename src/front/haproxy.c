#include "front/front.h"

#include "util/mem.h"

#include <string.h>

/* Metadata named by their version, as in nginx.c. */
#define VERSIONED "-m reg ^/metadata/[0-9]+\\.[A-Za-z0-9._-]+\\.json$"

/* A word in strong quotes, in which only the quote itself means something. */
static void quote(struct buf *out, const char *text)
{
	buf_addc(out, '\'');
	for (const char *c = text; *c; c++)
		if (*c == '\'')
			buf_adds(out, "'\\''");
		else
			buf_addc(out, *c);
	buf_addc(out, '\'');
}

static void add_head(const struct front *f, struct buf *out)
{
	buf_addf(out,
		 "# What HAProxy (2.6 or newer) serves of the mirror %s, made by `ferry mirror\n"
		 "# config haproxy`. To change it, change [front.%s] in ferry.conf and make it "
		 "again.\n"
		 "# Add it to /etc/haproxy/haproxy.cfg, behind global and defaults. Then:\n"
		 "#     haproxy -c -f /etc/haproxy/haproxy.cfg && systemctl reload haproxy\n\n",
		 f->id, f->id);
}

/* ---- the frontend ---- */

static void add_bind(const struct front *f, struct buf *out)
{
	const struct settings_front *s = f->set;
	bool tls = front_has_tls(f);
	CLEANUP(mem_free_ptr) char *usual = mem_printf("/etc/haproxy/certs/%s.pem", f->url->host);
	for (size_t i = 0; i < MAX(s->listen.count, 1); i++) {
		buf_adds(out, "    bind ");
		if (!s->listen.count)
			buf_addf(out, ":::%u v4v6", f->url->port);
		else
			buf_addf(out, "%s%s",
				 strchr(s->listen.at[i], ':') ? "" : "*:", s->listen.at[i]);
		if (tls) {
			buf_adds(out, " ssl crt ");
			quote(out, s->certificate ? s->certificate : usual);
			buf_adds(out, " ssl-min-ver TLSv1.2 alpn h2,http/1.1");
		}
		buf_addc(out, '\n');
	}
}

/* "stdout" is what containers and tests read: lines without a header of syslog. */
static void add_log(const struct front *f, struct buf *out)
{
	bool plain = strcmp(f->log, "stdout") == 0 || strcmp(f->log, "stderr") == 0;
	buf_adds(out, "    log ");
	quote(out, f->log);
	buf_addf(out, " len 8192%s local0\n", plain ? " format raw" : "");
	buf_adds(out, "    http-request capture req.hdr(User-Agent) len 512\n"
		      "    declare capture response len 80\n"
		      "    http-response capture res.hdr(Content-Range) id 0\n"
		      "    log-format '{\"msec\":%[date],\"remote_addr\":\"%[src]\","
		      "\"request_method\":\"%[capture.req.method,json(utf8s)]\","
		      "\"request_uri\":\"%[capture.req.uri,json(utf8s)]\",\"status\":%ST,"
		      "\"bytes_sent\":%B,"
		      "\"sent_http_content_range\":\"%[capture.res.hdr(0),json(utf8s)]\","
		      "\"http_user_agent\":\"%[capture.req.hdr(0),json(utf8s)]\","
		      "\"request_time_ms\":%Ta}'\n");
}

static void add_proxies(const struct front *f, struct buf *out)
{
	const struct str_list *proxies = &f->set->proxies;
	if (!proxies->count)
		return;
	buf_adds(out, "    acl from_proxy src");
	for (size_t i = 0; i < proxies->count; i++)
		buf_addf(out, " %s", proxies->at[i]);
	buf_adds(out, "\n    http-request set-src req.hdr_ip(X-Forwarded-For,-1) if from_proxy "
		      "{ req.hdr_ip(X-Forwarded-For,-1) -m found }\n");
}

static void add_limits(const struct front *f, const char *name, struct buf *out)
{
	const struct settings_front *s = f->set;
	if (!s->requests && !s->connections)
		return;
	buf_addf(out,
		 "    # A client is an address, or an IPv6 network of 64 bits.\n"
		 "    http-request track-sc0 src,ipmask(32,64) table %s_clients\n",
		 name);
	if (s->requests)
		buf_addf(out, "    acl too_much sc_http_req_rate(0) gt %llu\n",
			 (unsigned long long)s->requests * FRONT_BURST);
	if (s->connections)
		buf_addf(out, "    acl too_much sc_conn_cur(0) gt %llu\n",
			 (unsigned long long)s->connections);
	buf_adds(out, "    http-request return status 429 content-type text/plain "
		      "string 'too many requests' hdr Retry-After 1 hdr Cache-Control no-store");
	if (s->cors.count && !front_has_origins(f))
		buf_adds(out, " hdr Access-Control-Allow-Origin * "
			      "hdr Access-Control-Expose-Headers Retry-After");
	buf_adds(out, " if too_much\n");
}

static void add_preflight(const struct front *f, struct buf *out)
{
	const struct str_list *cors = &f->set->cors;
	if (!cors->count)
		return;
	if (front_has_origins(f)) {
		buf_adds(out, "    acl origin_ok req.hdr(Origin) -m str");
		for (size_t i = 0; i < cors->count; i++)
			buf_addf(out, " %s", cors->at[i]);
		buf_adds(out, "\n    http-request set-var(txn.origin) req.hdr(Origin) "
			      "if origin_ok\n");
	}
	buf_addf(out,
		 "    http-request return status 204 hdr Access-Control-Allow-Origin %s "
		 "hdr Vary Origin hdr Access-Control-Allow-Methods 'GET, HEAD' "
		 "hdr Access-Control-Allow-Headers '" FRONT_ASKED "' "
		 "hdr Access-Control-Max-Age 86400 if METH_OPTIONS%s\n",
		 front_has_origins(f) ? "'%[var(txn.origin)]'" : "*",
		 front_has_origins(f) ? " origin_ok" : "");
}

/* The path is compared as it was sent and as a server decodes it. */
static void add_paths(const char *prefix, struct buf *out)
{
	buf_adds(out, "    http-request deny deny_status 405 unless METH_GET or METH_HEAD\n");
	if (*prefix)
		buf_addf(out, "    http-request replace-path ^%s(/.*)$ \\1\n", prefix);
	buf_adds(out, "    acl ours path /catalog.json /catalog.json.minisig\n"
		      "    acl ours path_beg /metadata/ /targets/ /site/ /ferry-probe/\n"
		      "    acl hidden path,url_dec -m sub /. //\n");
	buf_addf(out, "    http-request redirect location %s/site/ code 302 if { path / /site }\n",
		 prefix);
	buf_adds(out,
		 "    http-request return status 404 content-type text/plain string 'not found' "
		 "hdr Cache-Control no-store if !ours or hidden\n"
		 "    http-request set-var(txn.cache) str(" FRONT_FRESH ")\n"
		 "    http-request set-var(txn.cache) 'str(\"" FRONT_IMMUTABLE "\")' "
		 "if { path_beg /targets/ /site/assets/ } or "
		 "{ path " VERSIONED " }\n"
		 "    http-request set-var(txn.cache) str(" FRONT_NEVER ") "
		 "if { path_beg /ferry-probe/ }\n"
		 "    http-request set-var(txn.page) bool(true) if { path_beg /site/ }\n");
}

static void add_headers(const struct front *f, struct buf *out)
{
	buf_adds(out, "    http-response set-header Cache-Control %[var(txn.cache)] "
		      "if { var(txn.cache) -m found } { status 200:399 }\n"
		      "    http-response set-header Cache-Control no-store if { status 400:599 }\n"
		      "    http-response set-header X-Content-Type-Options nosniff\n"
		      "    http-response del-header Server\n"
		      "    http-response set-header Content-Security-Policy \"" FRONT_POLICY "\" "
		      "if { var(txn.page) -m bool }\n"
		      "    http-response set-header Referrer-Policy no-referrer "
		      "if { var(txn.page) -m bool }\n"
		      "    http-response set-header X-Frame-Options DENY "
		      "if { var(txn.page) -m bool }\n");
	if (front_has_origins(f))
		buf_adds(out, "    http-response set-header Access-Control-Allow-Origin "
			      "%[var(txn.origin)] if { var(txn.origin) -m found }\n"
			      "    http-response set-header Vary Origin\n");
	else if (f->set->cors.count)
		buf_adds(out, "    http-response set-header Access-Control-Allow-Origin *\n");
	if (f->set->cors.count)
		buf_adds(out, "    http-response set-header Access-Control-Expose-Headers "
			      "\"" FRONT_EXPOSED "\"\n");
}

static void add_frontend(const struct front *f, const char *name, const char *prefix,
			 struct buf *out)
{
	buf_addf(out, "frontend %s\n    mode http\n", name);
	add_bind(f, out);
	buf_adds(out, "    timeout client 60s\n"
		      "    timeout http-request 10s\n"
		      "    timeout http-keep-alive 30s\n");
	add_proxies(f, out);
	add_log(f, out);
	add_limits(f, name, out);
	add_preflight(f, out);
	add_paths(prefix, out);
	add_headers(f, out);
	buf_addf(out, "    default_backend %s_servers\n\n", name);
}

/* ---- the backends ---- */

static void add_backends(const struct front *f, const char *name, struct buf *out)
{
	const struct settings_front *s = f->set;
	if (s->requests || s->connections)
		buf_addf(out,
			 "backend %s_clients\n"
			 "    stick-table type ipv6 size 200k expire 60s "
			 "store http_req_rate(%ds),conn_cur\n\n",
			 name, FRONT_BURST);
	buf_addf(out,
		 "# A path is always read from the same server: files stay in its memory, and no\n"
		 "# reader is given an older timestamp.json than before while a push is under "
		 "way.\n"
		 "backend %s_servers\n"
		 "    mode http\n"
		 "    balance uri path-only\n"
		 "    hash-type consistent\n"
		 "    option httpchk GET /metadata/timestamp.json\n"
		 "    http-check expect status 200\n"
		 "    option forwardfor\n"
		 "    option redispatch 1\n"
		 "    retries 2\n"
		 "    retry-on conn-failure empty-response response-timeout 503\n"
		 "    timeout connect 5s\n"
		 "    timeout server 60s\n"
		 "    timeout check 5s\n"
		 "    default-server check inter 5s fall 3 rise 2\n",
		 name);
	for (size_t i = 0; i < s->servers.count; i++)
		buf_addf(out, "    server s%zu %s\n", i + 1, s->servers.at[i]);
}

int front_haproxy(const struct front *f, struct buf *out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *name = front_name(f);
	CLEANUP(mem_free_ptr) char *prefix = NULL;
	int rc = front_check_host(f, e);
	if (rc == 0)
		rc = front_prefix(f, &prefix, e);
	if (rc == 0 && !f->set->servers.count) {
		err_set(e, ERR_USAGE, "no servers are named that HAProxy stands in front of");
		return err_hint(e,
				"set servers = HOST:PORT … in [front.%s], or --set "
				"servers='HOST:PORT …'",
				f->id);
	}
	if (rc < 0)
		return rc;
	add_head(f, out);
	add_frontend(f, name, prefix, out);
	add_backends(f, name, out);
	return buf_ok(out, "the configuration", e);
}
