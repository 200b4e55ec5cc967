#include "serve/face/hub.h"

#include "api/hub.h"
#include "serve/face/documents.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define LIST_MAX 1000
#define PATHS_MAX 1000 /* of one question */
#define PATHS "paths-info"

/* -- errors --------------------------------------------------------------------------------- */

static void refuse(struct face_answer *out, const char *code, const char *message)
{
	json_t *o = json_object();
	json_put_string(o, "error", message);
	face_document_error(out, 404, o);
	if (code)
		face_document_header(out, "X-Error-Code", "%s", code);
	face_document_header(out, "X-Error-Message", "%s", message);
}

static void refuse_model(struct face_answer *out)
{
	refuse(out, "RepoNotFound", "Repository not found");
}

static void refuse_revision(struct face_answer *out)
{
	refuse(out, "RevisionNotFound", "Invalid rev id");
}

static void refuse_entry(struct face_answer *out)
{
	refuse(out, "EntryNotFound", "Entry not found");
}

/* -- the list of models --------------------------------------------------------------------- */

static bool has_text(const char *all, const char *part)
{
	return all && strcasestr(all, part);
}

static bool is_searched(const struct face_model *m, const char *search)
{
	return !search || has_text(m->card->id, search) || has_text(m->card->title, search);
}

struct query {
	char *author, *search;
	uint64_t limit;
};

static void query_release(struct query *q)
{
	free(q->author);
	free(q->search);
}

static struct query read_query(const char *query)
{
	CLEANUP(mem_free_ptr) char *limit = face_document_query(query, "limit");
	struct query q = {
		.author = face_document_query(query, "author"),
		.search = face_document_query(query, "search"),
	};
	if (!limit || !parse_u64(limit, &q.limit) || !q.limit || q.limit > LIST_MAX)
		q.limit = LIST_MAX;
	return q;
}

static void add_member(struct buf *url, const char *name, const char *value)
{
	CLEANUP(mem_free_ptr) char *encoded = value ? path_percent_encode(value, "") : NULL;
	if (encoded)
		buf_addf(url, "&%s=%s", name, encoded);
}

/* RFC 8288, as the Hub has it. */
static void link_next(const struct face_request *r, const struct query *q, const char *last,
		      struct face_answer *out)
{
	CLEANUP(buf_release) struct buf url = BUF_INIT(64 * KIB);
	buf_addf(&url, "%s/api/models?limit=%llu", r->base ? r->base : "",
		 (unsigned long long)q->limit);
	add_member(&url, "cursor", last);
	add_member(&url, "author", q->author);
	add_member(&url, "search", q->search);
	face_document_header(out, "Link", "<%s>; rel=\"next\"", buf_str(&url));
}

/* All of them are read, because a search is not a cursor; what is sent is limited. */
static void answer_list(const struct face_views *v, const struct face_request *r,
			struct face_answer *out)
{
	CLEANUP(face_document_models_release) struct face_models found = { 0 };
	CLEANUP(query_release) struct query q = read_query(r->query);
	CLEANUP(mem_free_ptr) char *cursor = face_document_query(r->query, "cursor");
	CLEANUP(mem_free_ptr) char *last = NULL;
	if (!r->may_work)
		return;
	face_document_models(v, r, cursor, SIZE_MAX, &found);
	json_t *list = json_array();
	size_t i = 0;
	for (; i < found.count && json_array_size(list) < q.limit; i++) {
		const struct face_model *m = &found.at[i];
		CLEANUP(api_hub_release) struct api_hub h = { 0 };
		if ((q.author && strcmp(q.author, view_repository(m->view)) != 0) ||
		    !is_searched(m, q.search))
			continue;
		api_hub_init(&h, view_repository(m->view), m->card);
		json_push(list, api_hub_entry(&h));
		free(last);
		last = STEAL(h.name);
	}
	face_document_json(out, NULL, FACE_FRESH, list);
	if (i < found.count && last)
		link_next(r, &q, last, out);
}

/* -- one model ------------------------------------------------------------------------------ */

/* What is named by a commit never changes. */
static enum face_keep keep_of(const struct api_hub *h, const char *revision)
{
	return strcmp(revision, h->commit) == 0 ? FACE_IMMUTABLE : FACE_FRESH;
}

static void answer_tree(const struct face_model *m, const struct api_hub *h,
			const struct face_request *r, const char *folder, enum face_keep keep,
			struct face_answer *out)
{
	CLEANUP(mem_free_ptr) char *recursive = face_document_query(r->query, "recursive");
	bool all = recursive && strcasecmp(recursive, "false") != 0 && strcmp(recursive, "0") != 0;
	json_t *tree = api_hub_tree(h, folder, all);
	if (tree)
		face_document_json(out, m->view, keep, tree);
	else
		refuse_entry(out);
}

/* JSON: huggingface.js, @huggingface/hub 2.17, paths-info.ts. */
static bool read_json_paths(const struct face_request *r, struct str_list *paths, bool *expand)
{
	static const struct json_limits limits = { .max_bytes = 64 * KIB };
	CLEANUP(json_release) json_t *o = NULL;
	struct err ignored = ERR_INIT;
	if (json_parse(r->body, r->body_len, &limits, "the body", &o, &ignored) < 0)
		return false;
	const json_t *list = json_object_get(o, "paths");
	for (size_t i = 0; i < json_array_size(list) && i < PATHS_MAX; i++) {
		const char *path = json_string_value(json_array_get(list, i));
		if (path)
			str_list_add(paths, path);
	}
	*expand = json_flag(o, "expand");
	return json_is_array(list);
}

/* A form: huggingface_hub, hf_api.py (its requests to paths-info). */
static bool read_form_paths(const struct face_request *r, struct str_list *paths, bool *expand)
{
	CLEANUP(mem_free_ptr) char *more = face_document_query(r->body, "expand");
	for (const char *at = r->body; at && paths->count < PATHS_MAX; at = strchr(at + 1, '&')) {
		const char *member = at + (*at == '&');
		char *path = str_starts(member, "paths=") ? face_document_query(member, "paths")
							  : NULL;
		if (path)
			str_list_take(paths, path);
	}
	*expand = more && strcasecmp(more, "true") == 0;
	return paths->count > 0;
}

static void answer_paths(const struct face_model *m, const struct api_hub *h,
			 const struct face_request *r, struct face_answer *out)
{
	CLEANUP(str_list_release) struct str_list paths = { 0 };
	bool expand = false, read = false;
	if (r->body && r->body_len)
		read = *r->body == '{' ? read_json_paths(r, &paths, &expand)
				       : read_form_paths(r, &paths, &expand);
	if (read) {
		face_document_json(out, m->view, FACE_NEVER, api_hub_paths(h, &paths, expand));
		return;
	}
	json_t *o = json_object();
	json_put_string(o, "error", "the body is not {\"paths\": [...]}");
	face_document_error(out, 400, o);
}

/* parts: "api", "models", NAME, MODEL and what follows: none, refs, revision/REVISION,
 * paths-info/REVISION, tree/REVISION, or tree/REVISION/FOLDER. */
static void answer_api(const struct face_model *m, const struct api_hub *h,
		       const struct face_request *r, const struct str_list *parts,
		       struct face_answer *out)
{
	const char *what = parts->count > 4 ? parts->at[4] : "";
	const char *revision = parts->count > 5 ? parts->at[5] : "main";
	if (strcmp(what, "refs") == 0 && parts->count == 5)
		face_document_json(out, m->view, FACE_FRESH, api_hub_refs(h));
	else if (!api_hub_is_revision(h, revision))
		refuse_revision(out);
	else if (!*what || (strcmp(what, "revision") == 0 && parts->count == 6))
		face_document_json(out, m->view, keep_of(h, revision), api_hub_model(h));
	else if (strcmp(what, PATHS) == 0 && parts->count == 6)
		answer_paths(m, h, r, out);
	else if (strcmp(what, "tree") == 0 && parts->count > 5)
		answer_tree(m, h, r, parts->count > 6 ? parts->at[6] : "", keep_of(h, revision),
			    out);
	else
		refuse(out, NULL, "Not found");
	if (out->status == 200)
		face_document_header(out, "X-Repo-Commit", "%s", h->commit);
}

/* The name that a browser saves it under. */
static void name_file(const char *path, struct face_answer *out)
{
	CLEANUP(mem_free_ptr) char *name = path_percent_encode(path_base(path), "");
	face_document_header(out, "Content-Disposition", "attachment; filename*=UTF-8''%s", name);
}

static void answer_file(const struct face_model *m, const struct api_hub *h, const char *revision,
			const char *path, struct face_answer *out)
{
	struct err ignored = ERR_INIT;
	struct view_file f;
	char hex[DIGEST_HEX];
	const struct api_hub_file *file = api_hub_find(h, path);
	if (!api_hub_is_revision(h, revision)) {
		refuse_revision(out);
		return;
	}
	if (!file || view_card_file(m->view, file->file, &f, &ignored) < 0 || f.withdrawn) {
		refuse_entry(out);
		face_document_header(out, "X-Repo-Commit", "%s", h->commit);
		return;
	}
	face_document_file(out, m->view, &f, keep_of(h, revision));
	face_document_header(out, "X-Repo-Commit", "%s", h->commit);
	face_document_header(out, "X-Linked-Etag", "\"%s\"", digest_hex(hex, &f.file->sha256));
	face_document_header(out, "X-Linked-Size", "%llu", (unsigned long long)f.file->size);
	name_file(path, out);
}

static void answer_model(const struct face_views *v, const struct face_request *r,
			 const struct str_list *parts, bool api, struct face_answer *out)
{
	struct face_model m;
	size_t at = api ? 2 : 0;
	if (!face_document_model(v, r, parts->at[at], parts->at[at + 1], &m)) {
		refuse_model(out);
		return;
	}
	if (!m.api)
		return;
	if (api)
		answer_api(&m, &m.api->hub, r, parts, out);
	else
		answer_file(&m, &m.api->hub, parts->at[3], parts->at[4], out);
}

static bool is_api(const char *path)
{
	return strcmp(path, "/api/models") == 0 || str_starts(path, "/api/models/");
}

bool face_hub_is_post(const char *path)
{
	CLEANUP(str_list_release) struct str_list parts = { 0 };
	return is_api(path) && face_document_split(path, &parts, 7) && parts.count == 6 &&
	       strcmp(parts.at[4], PATHS) == 0;
}

bool face_hub(const struct face_views *v, const struct face_request *r, struct face_answer *out)
{
	CLEANUP(str_list_release) struct str_list parts = { 0 };
	bool api = is_api(r->path);
	bool split = face_document_split(r->path, &parts, api ? 7 : 5);
	if (api && strcmp(r->path, "/api/models") == 0)
		answer_list(v, r, out);
	else if (api && (!split || parts.count < 4))
		refuse_model(out);
	else if (api)
		answer_model(v, r, &parts, true, out);
	else if (split && parts.count == 5 && strcmp(parts.at[2], "resolve") == 0)
		answer_model(v, r, &parts, false, out);
	else
		return false;
	return true;
}
