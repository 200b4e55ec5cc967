#include "prepare/download.h"

#include "util/retry.h"
#include "http/url.h"
#include "prepare/download_part.h"
#include "prepare/download_probe.h"
#include "prepare/wanted.h"
#include "gguf/sniff.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdio.h>
#include <string.h>

/* Without an ETag, this many bytes at the end of the part are requested again and compared. */
#define OVERLAP MIB
/* Fewer bytes than this between two drops are not progress. */
#define PROGRESS (64 * KIB)

struct fetch {
	const struct download *d;
	struct http_client *client;
	struct download_part part;
	char *task;
	uint64_t at; /* offset of the next byte of this answer */
	uint64_t received;
	bool shown;    /* the task was begun */
	uint64_t most; /* bytes of the file, which has no known length; 0: it has */
	bool by_space; /* most is what the disk has room for */
	bool page;     /* the answer was a web page: the part is still valid */
	unsigned drops;
	char head[SNIFF_BYTES];
	const char *url;
	char *name; /* of the URL, for people */
};

void download_result_release(struct download_result *r)
{
	free(r->url);
	free(r->path);
	*r = (struct download_result){ 0 };
}

static int start_over(struct fetch *f, struct err *e)
{
	if (f->shown)
		report_advance(f->d->report, f->task, -(int64_t)f->part.have);
	return download_part_start_over(&f->part, e);
}

/* ---- one answer --------------------------------------------------------------------- */

static int refuse_head(struct fetch *f, struct err *e)
{
	size_t len = (size_t)MIN(f->part.have, (uint64_t)SNIFF_BYTES);
	enum sniff kind = sniff_bytes(f->head, len);
	if (f->d->any_kind || kind == SNIFF_GGUF || kind == SNIFF_ARCHIVE || kind == SNIFF_UNKNOWN)
		return 0;
	return sniff_refuse(kind, f->head, len, f->name, e);
}

/* A body without a length may have no end. */
static int set_ceiling(struct fetch *f, struct err *e)
{
	uint64_t space;
	f->most = f->d->unsized_max;
	if (f->most)
		return 0;
	int rc = file_space(f->part.path, &space, e);
	if (rc < 0)
		return rc;
	uint64_t room = f->part.have + space / 10 * 9 + 1;
	f->by_space = room < DOWNLOAD_UNSIZED_MAX;
	f->most = MIN(DOWNLOAD_UNSIZED_MAX, room);
	return 0;
}

static int check_ceiling(const struct fetch *f, size_t more, struct err *e)
{
	char most[SIZE_TEXT];
	if (!f->most || f->at + more <= f->most)
		return 0;
	format_size(most, f->most);
	if (f->by_space) {
		err_set(e, ERR_SYSTEM, "not enough space: gives no length, and sends more than %s",
			most);
		return err_hint(e, "free some space, or use another folder (-o)");
	}
	err_set(e, ERR_INTEGRITY, "gives no length, and sends more than %s", most);
	return err_hint(e, "if this size is intended, raise download-max-size in [prepare]");
}

static int on_begin(void *ctx, const struct http_response *r, struct err *e)
{
	struct fetch *f = ctx;
	int rc = 0;
	f->page = r->html;
	if (f->page)
		return sniff_refuse(SNIFF_HTML, "", 0, f->name, e);
	if (f->part.have && r->offset == 0 && (rc = start_over(f, e)) < 0)
		return rc;
	f->at = r->offset;
	uint64_t total = r->has_total ? r->total : 0;
	if (total && (rc = file_need_size(f->part.path, total, e)) < 0)
		return rc;
	if (total && (rc = file_need_space(f->part.path, total - MIN(total, f->part.have), e)) < 0)
		return rc;
	f->most = 0;
	if (!total && (rc = set_ceiling(f, e)) < 0)
		return rc;
	if (!f->shown)
		report_begin(f->d->report, f->task, total, f->part.have);
	f->shown = true;
	return download_part_set_source(&f->part, f->url,
					header_etag_is_strong(r->etag) ? r->etag : "", total, e);
}

/* Compares bytes that were already received. */
static int compare(struct fetch *f, const char *data, size_t len, struct err *e)
{
	char mine[16 * KIB];
	while (len) {
		size_t n = MIN(len, sizeof mine);
		int rc = file_pread(f->part.fd, mine, n, f->at, f->part.path, e);
		if (rc < 0)
			return rc;
		if (memcmp(mine, data, n) != 0)
			return err_set(e, ERR_CONFLICT,
				       "is not the file that the first part came from");
		f->at += n;
		data += n;
		len -= n;
	}
	return 0;
}

static int on_write(void *ctx, const void *data, size_t len, struct err *e)
{
	struct fetch *f = ctx;
	const char *bytes = data;
	f->received += len;
	if (f->at < f->part.have) {
		size_t known = (size_t)MIN((uint64_t)len, f->part.have - f->at);
		int rc = compare(f, bytes, known, e);
		if (rc < 0)
			return rc;
		bytes += known;
		len -= known;
	}
	bool first = f->part.have < SNIFF_BYTES;
	int rc = check_ceiling(f, len, e);
	if (rc == 0)
		rc = download_part_write(&f->part, bytes, len, f->at, e);
	if (rc < 0)
		return rc;
	if (f->at < SNIFF_BYTES)
		memcpy(f->head + f->at, bytes, MIN(len, SNIFF_BYTES - (size_t)f->at));
	f->at += len;
	report_advance(f->d->report, f->task, (int64_t)len);
	return first && f->part.have >= SNIFF_BYTES ? refuse_head(f, e) : 0;
}

static int request(struct fetch *f, struct err *e)
{
	struct http_response r = { 0 };
	bool same = f->part.etag[0] && download_part_is_of(&f->part, f->url);
	struct http_request q = {
		.url = f->url,
		.what = f->name,
		.headers = f->d->headers,
		.expect_total = f->d->size,
		.ignored_range = HTTP_IGNORED_RESTART,
		.begin = on_begin,
		.write = on_write,
		.ctx = f,
	};
	if (f->part.have) {
		q.offset = same ? f->part.have : f->part.have - MIN(f->part.have, OVERLAP);
		q.if_range = same ? f->part.etag : NULL;
		/* A range from 0 to the end would not be a range request: request the compared
		 * bytes first. */
		if (q.offset == 0 && start_over(f, e) < 0)
			return -(int)e->class;
	}
	int rc = http_perform(f->client, &q, &r, e);
	if (rc < 0 && f->d->explain && r.status >= 400)
		rc = f->d->explain(f->d->explain_ctx, &r, e);
	http_response_release(&r);
	return rc;
}

/* ---- one URL ------------------------------------------------------------------------ */

static bool has_digest(const struct download *d)
{
	return d->sha256 || d->git_blob;
}

static int check_git_blob(const struct download *d, const char *path, const char *name,
			  struct err *e)
{
	uint8_t have[GIT_BLOB_SIZE];
	char a[2 * GIT_BLOB_SIZE + 1], b[sizeof a];
	int rc = d->git_blob ? git_blob_of_file(path, d->cancel, have, e) : 0;
	if (rc < 0 || !d->git_blob || memcmp(have, d->git_blob, sizeof have) == 0)
		return rc;
	hex_encode(a, have, sizeof have);
	hex_encode(b, d->git_blob, sizeof have);
	return err_set(e, ERR_INTEGRITY,
		       "%s is not the expected file: its git blob SHA-1 is %s, not %s", name, a, b);
}

static int check_digest(const struct fetch *f, const char *path, struct err *e)
{
	int rc = wanted_check_file(path, f->name, f->d->sha256, "URL", f->d->cancel, e);
	return rc < 0 ? rc : check_git_blob(f->d, path, f->name, e);
}

static int check_part(struct fetch *f, struct err *e)
{
	if (f->part.have < SNIFF_BYTES) {
		int rc = file_pread(f->part.fd, f->head, (size_t)f->part.have, 0, f->part.path, e);
		if (rc == 0)
			rc = refuse_head(f, e);
		if (rc < 0)
			return rc;
	}
	return check_digest(f, f->part.path, e);
}

static void tell_drop(struct fetch *f, const struct err *e)
{
	char have[SIZE_TEXT];
	CLEANUP(mem_free_ptr) char *next =
		f->part.have ? mem_printf("continuing at %s", format_size(have, f->part.have))
			     : mem_strdup("trying again");
	if (f->drops++ == 0)
		report_warn(f->d->report, "%s; %s", e->text, next);
	else
		report_detail(f->d->report, "%s; %s", e->text, next);
}

static int transfer(struct fetch *f, bool last, struct err *e)
{
	struct retry retry = RETRY_DEFAULT;
	bool restarted = false;
	retry.cancel = f->d->cancel;
	retry.max_tries = last ? 5 : 3;
	while (!download_part_is_full(&f->part)) {
		uint64_t before = f->part.have;
		struct err why;
		int rc = request(f, e);
		if (rc == 0)
			break;
		if (f->part.have > before + PROGRESS)
			retry_reset(&retry);
		/* The part does not match the file that the server has now. */
		bool misfit = err_is(e, ERR_CONFLICT) || err_is(e, ERR_INTEGRITY);
		if (misfit && !f->page && before && f->part.have == before && !restarted) {
			report_note(f->d->report, "%s; starting over", e->text);
			err_clear(e);
			restarted = true;
			if ((rc = start_over(f, e)) < 0)
				return rc;
			continue;
		}
		why = *e;
		if (!err_is(e, ERR_NETWORK) || !retry_again(&retry, e))
			return -(int)e->class;
		f->part.joined = true;
		tell_drop(f, &why);
	}
	return 0;
}

static int from_http(struct fetch *f, bool last, struct err *e)
{
	for (;;) {
		f->page = false;
		int rc = transfer(f, last, e);
		if (rc == 0)
			rc = check_part(f, e);
		if (rc == 0 || !err_is(e, ERR_INTEGRITY) || f->page)
			return rc;
		/* It was assembled from several answers: download it again in one piece. */
		bool again = f->part.joined && has_digest(f->d);
		report_end(f->d->report, f->task, false);
		f->shown = false;
		if (again) {
			report_warn(f->d->report, "%s; starting over", e->text);
			err_clear(e);
		}
		struct err ignored = ERR_INIT;
		int failed = start_over(f, again ? e : &ignored);
		if (!again || failed < 0)
			return -(int)e->class;
	}
}

static int from_file(const struct fetch *f, struct download_result *out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = NULL;
	uint64_t size;
	CLEANUP(file_close) int fd = -1;
	int rc = url_file_path(f->url, &path, e);
	if (rc == 0)
		rc = file_open_regular(path, &fd, &size, e);
	if (rc == 0)
		rc = check_digest(f, path, e);
	if (rc < 0)
		return rc;
	out->path = STEAL(path);
	return 0;
}

static int finish(struct fetch *f, struct download_result *out, struct err *e)
{
	int rc = download_part_finish(&f->part, e);
	if (rc < 0)
		return rc;
	out->path = mem_strdup(f->d->path);
	out->ours = true;
	out->received = f->received;
	return 0;
}

static int try_url(struct fetch *f, const char *url, bool last, struct download_result *out,
		   struct err *e)
{
	free(f->name);
	f->name = url_redact(url);
	f->url = url;
	f->drops = 0;
	if (download_probe_is_file(url))
		return from_file(f, out, e);
	int rc = from_http(f, last, e);
	if (rc == 0)
		rc = finish(f, out, e);
	if (f->shown)
		report_end(f->d->report, f->task, rc == 0);
	f->shown = false;
	if (rc == 0 && f->drops)
		report_note(f->d->report, "%s: the connection dropped %u time%s", f->name, f->drops,
			    f->drops == 1 ? "" : "s");
	if (rc == 0)
		out->url = download_probe_public_url(url);
	return rc;
}

/* ---- all URLs ----------------------------------------------------------------------- */

static size_t first_url(const struct fetch *f)
{
	for (size_t i = 0; f->part.have && i < f->d->url_count; i++)
		if (download_part_is_of(&f->part, f->d->urls[i]))
			return i;
	return 0;
}

static int try_all(struct fetch *f, struct download_result *out, struct err *e)
{
	const struct download *d = f->d;
	CLEANUP(buf_release) struct buf faults = BUF_INIT(4 * KIB);
	struct err first = ERR_INIT;
	bool transient = false;
	size_t start = first_url(f);
	for (size_t n = 0; n < d->url_count; n++) {
		struct err here = ERR_INIT;
		const char *url = d->urls[(start + n) % d->url_count];
		bool last = n + 1 == d->url_count;
		int rc = try_url(f, url, last, out, &here);
		if (rc == 0)
			return 0;
		bool fatal = err_is(&here, ERR_SYSTEM) || err_is(&here, ERR_CANCELLED);
		transient = transient || err_is(&here, ERR_NETWORK);
		if (n == 0)
			first = here;
		if (fatal || d->url_count == 1) {
			*e = here;
			return rc;
		}
		report_warn(d->report, "%s%s", here.text, last ? "" : "; trying the next source");
		buf_addf(&faults, "%s%.300s", n ? "; " : "", here.text);
	}
	err_set(e, transient ? ERR_NETWORK : first.class, "all sources failed: %.900s",
		buf_str(&faults));
	return err_hint(e, "%s",
			transient ? "the part that was downloaded is kept: run the same command "
				    "again later"
				  : first.hint);
}

/* ---- all of it ---------------------------------------------------------------------- */

static bool is_current(const struct fetch *f)
{
	struct download_probe v;
	if (!download_probe(f->d->urls, f->d->url_count, f->d->cancel, &v))
		return true; /* unreachable: use the existing file */
	return (!v.size || v.size == f->part.size) &&
	       (!v.etag[0] || !f->part.etag[0] || strcmp(v.etag, f->part.etag) == 0);
}

static int is_expected(const struct download *d, bool *out, struct err *e)
{
	struct err other = ERR_INIT;
	int rc = wanted_check_file(d->path, d->path, d->sha256, "URL", d->cancel, &other);
	if (rc == 0)
		rc = check_git_blob(d, d->path, d->path, &other);
	*out = rc == 0;
	if (rc == 0 || err_is(&other, ERR_INTEGRITY))
		return 0;
	*e = other;
	return rc;
}

/* Uses a complete file from an earlier run if the source still has the same one. */
static int use_kept(struct fetch *f, struct download_result *out, bool *used, struct err *e)
{
	struct err ignored = ERR_INIT;
	const char *url = NULL;
	uint64_t size;
	*used = false;
	if (!f->part.complete || file_size(f->d->path, &size, &ignored) < 0 || size != f->part.size)
		return 0;
	for (size_t i = 0; i < f->d->url_count; i++)
		if (download_part_is_of(&f->part, f->d->urls[i]))
			url = f->d->urls[i];
	if (has_digest(f->d)) {
		bool same;
		int rc = is_expected(f->d, &same, e);
		if (rc < 0 || !same)
			return rc;
	} else if (!url || !is_current(f)) {
		return 0;
	}
	report_note(f->d->report, "%s: already downloaded", path_base(f->d->path));
	out->path = mem_strdup(f->d->path);
	out->ours = true;
	out->url = url && !download_probe_is_file(url) ? download_probe_public_url(url) : NULL;
	*used = true;
	return 0;
}

static int run(struct fetch *f, struct download_result *out, struct err *e)
{
	const struct http_options options = { .cancel = f->d->cancel };
	bool used;
	int rc = use_kept(f, out, &used, e);
	if (rc < 0 || used)
		return rc;
	rc = download_part_open(&f->part, e);
	if (rc < 0)
		return rc;
	if (f->part.have) {
		char have[SIZE_TEXT];
		report_note(f->d->report, "%s: continuing at %s", path_base(f->d->path),
			    format_size(have, f->part.have));
	}
	rc = http_client_new(&options, &f->client, e);
	return rc < 0 ? rc : try_all(f, out, e);
}

int download_run(const struct download *d, struct download_result *out, struct err *e)
{
	CLEANUP(download_result_release) struct download_result result = { 0 };
	struct fetch f = { .d = d, .task = mem_printf("download %s", path_base(d->path)) };
	download_part_init(&f.part, d->path);
	int rc = run(&f, &result, e);
	http_client_free(f.client);
	download_part_release(&f.part);
	free(f.task);
	free(f.name);
	if (rc < 0)
		return rc;
	*out = result;
	result = (struct download_result){ 0 };
	return 0;
}

void download_forget(const char *path)
{
	download_part_forget(path);
}
