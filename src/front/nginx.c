#include "front/front.h"

#include "util/mem.h"

#include <string.h>

#define OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"

/* What is written, and where to. */
struct writer {
	struct buf *out;
	const struct front *f;
	char *name;   /* of its variables and zones */
	char *prefix; /* of its URLs */
};

static void writer_release(struct writer *w)
{
	free(w->name);
	free(w->prefix);
}

/* ---- in front of the server ---- */

static void add_head(struct writer *w)
{
	buf_addf(w->out,
		 "# What nginx serves of the mirror %s, made by `ferry mirror config nginx`. To\n"
		 "# change it, change [front.%s] in ferry.conf and make it again. With Debian:\n"
		 "#     ferry mirror config nginx --mirror %s > /etc/nginx/conf.d/ferry-%s.conf\n",
		 w->f->id, w->f->id, w->f->id, w->f->id);
	CLEANUP(mem_free_ptr) char *folder = mem_strdup(w->f->log);
	char *slash = strrchr(folder, '/');
	if (slash && slash > folder)
		*slash = '\0';
	CLEANUP(mem_free_ptr) char *quoted = text_shell_quoted(folder);
	buf_addf(w->out,
		 "#     install -d -g adm -m 750 %s\n"
		 "#     nginx -t && systemctl reload nginx\n\n",
		 quoted);
}

/* The members are those of ferry-logs(7). */
static void add_log(struct writer *w)
{
	buf_addf(w->out,
		 "log_format %s escape=json\n"
		 "    '{\"time_iso8601\":\"$time_iso8601\",\"remote_addr\":\"$remote_addr\",'\n"
		 "    '\"request_method\":\"$request_method\",\"request_uri\":\"$request_uri\",'\n"
		 "    '\"status\":$status,\"body_bytes_sent\":$body_bytes_sent,'\n"
		 "    '\"sent_http_content_range\":\"$sent_http_content_range\",'\n"
		 "    '\"http_user_agent\":\"$http_user_agent\",\"request_time\":$request_time,'\n"
		 "    '\"request_id\":\"$request_id\"}';\n\n",
		 w->name);
}

static void add_zones(struct writer *w)
{
	const struct settings_front *s = w->f->set;
	if (s->requests || s->connections)
		buf_addf(w->out,
			 "# A client is an address, or an IPv6 network of 64 bits.\n"
			 "map $binary_remote_addr $%s_client {\n"
			 "    default $binary_remote_addr;\n"
			 "    \"~(?s)^(?<%s_network>.{8}).{8}\\z\" $%s_network;\n"
			 "}\n",
			 w->name, w->name, w->name);
	if (s->requests)
		buf_addf(w->out, "limit_req_zone $%s_client zone=%s_requests:10m rate=%llur/s;\n",
			 w->name, w->name, (unsigned long long)s->requests);
	if (s->connections)
		buf_addf(w->out, "limit_conn_zone $%s_client zone=%s_connections:10m;\n", w->name,
			 w->name);
	buf_addc(w->out, '\n');
}

static void add_origins(struct writer *w)
{
	if (!front_has_origins(w->f))
		return;
	buf_addf(w->out, "map $http_origin $%s_origin {\n    default \"\";\n", w->name);
	for (size_t i = 0; i < w->f->set->cors.count; i++) {
		buf_adds(w->out, "    ");
		front_quote(w->out, w->f->set->cors.at[i]);
		buf_adds(w->out, " $http_origin;\n");
	}
	buf_adds(w->out, "}\n\n");
}

/* Readers whose URL has http: are told where to go; certificates are renewed over it. */
static void add_redirect(struct writer *w)
{
	if (!front_has_tls(w->f) || w->f->set->listen.count)
		return;
	buf_addf(w->out,
		 "server {\n"
		 "    listen 80;\n"
		 "    listen [::]:80;\n"
		 "    server_name %s;\n"
		 "    location /.well-known/acme-challenge/ { root /var/www/html; }\n"
		 "    location / { return 301 https://%s$request_uri; }\n"
		 "}\n\n",
		 w->f->url->host, w->f->url->host);
}

/* ---- the server ---- */

static void add_listen(struct writer *w)
{
	const struct settings_front *s = w->f->set;
	const char *tls = front_has_tls(w->f) ? " ssl http2" : "";
	for (size_t i = 0; i < s->listen.count; i++)
		buf_addf(w->out, "    listen %s%s;\n", s->listen.at[i], tls);
	if (!s->listen.count)
		buf_addf(w->out, "    listen %u%s;\n    listen [::]:%u%s;\n", w->f->url->port, tls,
			 w->f->url->port, tls);
	buf_addf(w->out, "    server_name %s;\n", w->f->url->host);
}

static void add_certificate(struct writer *w)
{
	const struct settings_front *s = w->f->set;
	CLEANUP(mem_free_ptr)
	char *folder = mem_printf("/etc/letsencrypt/live/%s", w->f->url->host);
	CLEANUP(mem_free_ptr) char *certificate = mem_printf("%s/fullchain.pem", folder);
	CLEANUP(mem_free_ptr) char *key = mem_printf("%s/privkey.pem", folder);
	if (!front_has_tls(w->f))
		return;
	buf_adds(w->out, "    ssl_certificate ");
	front_quote(w->out, s->certificate ? s->certificate : certificate);
	buf_adds(w->out, ";\n    ssl_certificate_key ");
	front_quote(w->out, s->key ? s->key : key);
	buf_adds(w->out, ";\n"
			 "    ssl_protocols TLSv1.2 TLSv1.3;\n"
			 "    ssl_session_cache shared:ferry_tls:2m;\n"
			 "    ssl_session_timeout 1d;\n");
}

static void add_proxies(struct writer *w)
{
	const struct str_list *proxies = &w->f->set->proxies;
	for (size_t i = 0; i < proxies->count; i++)
		buf_addf(w->out, "    set_real_ip_from %s;\n", proxies->at[i]);
	if (proxies->count)
		buf_adds(w->out, "    real_ip_header X-Forwarded-For;\n"
				 "    real_ip_recursive on;\n");
}

static void add_limits(struct writer *w)
{
	const struct settings_front *s = w->f->set;
	if (s->requests)
		buf_addf(w->out,
			 "    limit_req zone=%s_requests burst=%llu nodelay;\n"
			 "    limit_req_status 429;\n",
			 w->name, (unsigned long long)s->requests * FRONT_BURST);
	if (s->connections)
		buf_addf(w->out,
			 "    limit_conn %s_connections %llu;\n"
			 "    limit_conn_status 429;\n",
			 w->name, (unsigned long long)s->connections);
	if (s->limit_rate)
		buf_addf(w->out, "    limit_rate %llu;\n", (unsigned long long)s->limit_rate);
}

static void add_sending(struct writer *w)
{
	buf_adds(w->out, "\n"
			 "    sendfile on;\n"
			 "    sendfile_max_chunk 1m;\n"
			 "    tcp_nopush on;\n"
			 "    aio threads;\n"
			 "    gzip off;\n"
			 "    etag on;\n"
			 "    max_ranges 8;\n"
			 "    autoindex off;\n"
			 "    server_tokens off;\n"
			 "    absolute_redirect off;\n"
			 "    client_max_body_size 1k;\n"
			 "    client_header_timeout 10s;\n"
			 "    send_timeout 60s;\n"
			 "    keepalive_timeout 30s;\n"
			 "    reset_timedout_connection on;\n"
			 "    default_type application/octet-stream;\n"
			 "    types {\n"
			 "        application/json json;\n"
			 "        application/zstd zst;\n"
			 "        text/plain minisig txt;\n"
			 "        text/html html;\n"
			 "        text/css css;\n"
			 "        text/javascript js;\n"
			 "        image/svg+xml svg;\n"
			 "        application/xml xml;\n"
			 "    }\n\n");
}

/* ---- headers ---- */

static void add_cors(struct writer *w)
{
	if (!w->f->set->cors.count)
		return;
	if (front_has_origins(w->f))
		buf_addf(w->out,
			 "        add_header Access-Control-Allow-Origin $%s_origin always;\n"
			 "        add_header Vary Origin always;\n",
			 w->name);
	else
		buf_adds(w->out, "        add_header Access-Control-Allow-Origin * always;\n");
	buf_adds(w->out, "        add_header Access-Control-Expose-Headers \"" FRONT_EXPOSED
			 "\" always;\n");
}

/* A location inherits no header if it adds one itself. */
static void add_headers(struct writer *w, const char *cache, bool always)
{
	buf_addf(w->out, "        add_header Cache-Control \"%s\"%s;\n", cache,
		 always ? " always" : "");
	buf_adds(w->out, "        add_header X-Content-Type-Options nosniff always;\n");
	add_cors(w);
}

static void open_location(struct writer *w, const char *what)
{
	buf_addf(w->out, "    location %s {\n", what);
}

static void close_location(struct writer *w)
{
	buf_adds(w->out, "    }\n");
}

static void add_location(struct writer *w, const char *what, const char *cache)
{
	open_location(w, what);
	add_headers(w, cache, false);
	close_location(w);
}

/* ---- locations ---- */

/* Browsers ask with OPTIONS whether they may send a Range. `if` in a server knows no add_header. */
static void add_methods(struct writer *w)
{
	buf_adds(w->out, "    if ($request_method = OPTIONS) { rewrite ^ /.preflight last; }\n"
			 "    if ($request_method !~ ^(GET|HEAD|OPTIONS)$) { return 405; }\n");
	if (*w->prefix)
		buf_addf(w->out, "    rewrite ^%s(/.*)$ $1 last;\n", w->prefix);
	open_location(w, "= /.preflight");
	buf_adds(w->out, "        internal;\n"
			 "        add_header Allow \"GET, HEAD, OPTIONS\";\n");
	if (w->f->set->cors.count)
		buf_adds(w->out,
			 "        add_header Access-Control-Allow-Methods \"GET, HEAD\";\n"
			 "        add_header Access-Control-Allow-Headers \"" FRONT_ASKED "\";\n"
			 "        add_header Access-Control-Max-Age 86400;\n");
	add_cors(w);
	buf_adds(w->out, "        return 204;\n");
	close_location(w);
}

static void add_errors(struct writer *w)
{
	buf_adds(w->out, "\n    error_page 404 @missing;\n    error_page 429 @slower;\n");
	open_location(w, "@missing");
	buf_adds(w->out, "        types { }\n        default_type text/plain;\n");
	add_headers(w, FRONT_NEVER, true);
	buf_adds(w->out, "        return 404 \"not found\\n\";\n");
	close_location(w);
	open_location(w, "@slower");
	buf_adds(w->out, "        types { }\n        default_type text/plain;\n"
			 "        add_header Retry-After 1 always;\n");
	add_headers(w, FRONT_NEVER, true);
	buf_adds(w->out, "        return 429 \"too many requests\\n\";\n");
	close_location(w);
}

/* A digest is in front of the name, so a browser is told the name without it. */
static void add_objects(struct writer *w)
{
	buf_adds(w->out, "\n    # Never changed: named by their version or their digest.\n");
	add_location(w, "~ ^/metadata/[0-9]+\\.[A-Za-z0-9._-]+\\.json$", FRONT_IMMUTABLE);
	open_location(w, "~ \"^/targets/(?:[^/.][^/]*/)*[0-9a-f]{64}\\.(?<ferry_file>"
			 "[A-Za-z0-9._-]+)$\"");
	add_headers(w, FRONT_IMMUTABLE, false);
	buf_adds(w->out, "        add_header Content-Disposition "
			 "\"attachment; filename=\\\"$ferry_file\\\"\";\n");
	close_location(w);
	add_location(w, "~ ^/targets/(?:[^/.][^/]*/)*[^/.][^/]*$", FRONT_IMMUTABLE);
	buf_adds(w->out, "\n    # Replaced by each release.\n");
	add_location(w, "= /metadata/timestamp.json", FRONT_FRESH);
	add_location(w, "= /catalog.json", FRONT_FRESH);
	add_location(w, "= /catalog.json.minisig", FRONT_FRESH);
	buf_adds(w->out, "\n    # What `ferry mirror probe` writes, and reads back.\n");
	add_location(w, "~ ^/ferry-probe/[^/.][^/]*$", FRONT_NEVER);
}

static void add_page_headers(struct writer *w)
{
	buf_adds(w->out, "        index index.html;\n"
			 "        error_page 403 404 =404 /site/404.html;\n"
			 "        error_page 429 @slower;\n"
			 "        gzip on;\n"
			 "        gzip_vary on;\n"
			 "        gzip_types application/json application/xml "
			 "application/atom+xml image/svg+xml\n"
			 "                   text/css text/javascript;\n");
}

static void add_page_policy(struct writer *w)
{
	buf_adds(w->out, "        add_header Content-Security-Policy \"" FRONT_POLICY "\" always;\n"
			 "        add_header Referrer-Policy no-referrer always;\n"
			 "        add_header X-Frame-Options DENY always;\n");
}

static void add_pages(struct writer *w)
{
	buf_adds(w->out, "\n    # The web site.\n");
	open_location(w, "~ ^/site/assets/[^/.][^/]*$");
	add_headers(w, FRONT_IMMUTABLE, false);
	buf_adds(w->out, "        gzip on;\n"
			 "        gzip_vary on;\n"
			 "        gzip_types application/json image/svg+xml text/css "
			 "text/javascript;\n");
	add_page_policy(w);
	close_location(w);
	open_location(w, "= /site/feed.xml");
	buf_adds(w->out, "        types { }\n        default_type application/atom+xml;\n");
	add_headers(w, FRONT_FRESH, false);
	close_location(w);
	open_location(w, "~ ^/site/(?:[^/.][^/]*/)*(?:[^/.][^/]*)?$");
	add_page_headers(w);
	add_headers(w, FRONT_FRESH, true);
	add_page_policy(w);
	close_location(w);
	buf_addf(w->out,
		 "    location = / { return 302 %s/site/; }\n"
		 "    location = /site { return 302 %s/site/; }\n",
		 w->prefix, w->prefix);
}

/* ---- what programs for a registry and for the Hub find (publish/faces.h) ---- */

#define MODEL "/[^/.][^/]*/[^/.][^/]*"

/* The type is not that of the name. */
static void open_typed(struct writer *w, const char *what, const char *type, const char *cache)
{
	open_location(w, what);
	buf_addf(w->out, "        types { }\n        default_type %s;\n", type);
	add_headers(w, cache, false);
}

static void add_registry(struct writer *w)
{
	buf_adds(w->out, "\n    # A registry: faces = oci in [mirror.NAME].\n");
	open_typed(w, "= /v2/", "application/json", FRONT_FRESH);
	buf_adds(w->out, "        add_header Docker-Distribution-Api-Version registry/2.0;\n"
			 "        return 200 \"{}\";\n");
	close_location(w);
	open_typed(w, "~ ^/v2" MODEL "/manifests/[^/]+$", OCI_MANIFEST, FRONT_FRESH);
	buf_addf(w->out, "        try_files $uri @%s_docker;\n", w->name);
	close_location(w);
	buf_addf(w->out, "    location @%s_docker {\n", w->name);
	buf_adds(w->out,
		 "        types { }\n        default_type " DOCKER_MANIFEST ";\n"
		 "        rewrite ^(.*)/manifests/([^/]+)$ $1/manifests-docker/$2 break;\n");
	add_headers(w, FRONT_FRESH, false);
	close_location(w);
	open_typed(w, "~ \"^/v2" MODEL "/blobs/sha256:[0-9a-f]{64}$\"", "application/octet-stream",
		   FRONT_IMMUTABLE);
	close_location(w);
	open_typed(w, "~ ^/v2/(?:_catalog|[^/.][^/]*/[^/.][^/]*/tags/list)$", "application/json",
		   FRONT_FRESH);
	close_location(w);
}

static void add_hub(struct writer *w)
{
	buf_adds(w->out, "\n    # The Hugging Face Hub: faces = hub in [mirror.NAME].\n");
	open_typed(w, "~ ^/api/models(?:" MODEL "(?:/(?:refs|(?:revision|tree)/[0-9a-z]+))?)?$",
		   "application/json", FRONT_FRESH);
	buf_adds(w->out, "        try_files $uri.json =404;\n");
	close_location(w);
	open_typed(w, "~ \"^" MODEL "/resolve/(?<ferry_commit>[0-9a-f]{40})/[^.]\"",
		   "application/octet-stream", FRONT_IMMUTABLE);
	buf_adds(w->out, "        add_header X-Repo-Commit $ferry_commit;\n");
	close_location(w);
	open_typed(w, "~ ^" MODEL "/resolve/main/[^.]", "application/octet-stream", FRONT_FRESH);
	close_location(w);
}

static void add_faces(struct writer *w)
{
	if (w->f->faces & SETTINGS_FACE_OCI)
		add_registry(w);
	if (w->f->faces & SETTINGS_FACE_HUB)
		add_hub(w);
}

static void add_server(struct writer *w)
{
	buf_adds(w->out, "server {\n");
	add_listen(w);
	add_certificate(w);
	/* Settings have refused a '$', which no quotes can hold. */
	buf_adds(w->out, "    root ");
	front_quote(w->out, w->f->root);
	buf_adds(w->out, ";\n    access_log ");
	front_quote(w->out, w->f->log);
	buf_addf(w->out, " %s;\n", w->name);
	add_proxies(w);
	add_limits(w);
	add_sending(w);
	add_methods(w);
	add_errors(w);
	add_objects(w);
	add_pages(w);
	add_faces(w);
	buf_adds(w->out, "\n    # Nothing else is served.\n"
			 "    location / { return 404; }\n}\n");
}

int front_nginx(const struct front *f, struct buf *out, struct err *e)
{
	CLEANUP(writer_release) struct writer w = { .out = out, .f = f, .name = front_name(f) };
	int rc = front_check_host(f, e);
	if (rc == 0)
		rc = front_prefix(f, &w.prefix, e);
	if (rc < 0)
		return rc;
	add_head(&w);
	add_log(&w);
	add_zones(&w);
	add_origins(&w);
	add_redirect(&w);
	add_server(&w);
	return buf_ok(out, "the configuration", e);
}
